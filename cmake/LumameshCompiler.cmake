# Language level, the one list of warnings, and sanitizers.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

add_compile_definitions(_GNU_SOURCE) # recvmmsg, sendmmsg, IP_PKTINFO

add_library(lm_warnings INTERFACE)
target_compile_options(lm_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes
  -Wundef -Wwrite-strings -Wvla -Wformat=2 -Wimplicit-fallthrough
  $<$<BOOL:${LM_WERROR}>:-Werror>)

if(LM_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link) # coverage feedback from everything that a fuzz target calls
endif()

if(LM_SANITIZE)
  add_compile_options(-fsanitize=${LM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LM_SANITIZE})
else()
  add_compile_options(-fstack-protector-strong $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  add_link_options(-Wl,-z,relro,-z,now)
endif()

if(LM_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link) # the coverage that steers the fuzzer
endif()

# MinSizeRel, which the presets for small machines build: what is not called is left out, as are the tables for unwinding, which C
# has no use for. The objects are fat, so that programs that wrap functions can be linked without link-time optimisation (-fno-lto),
# as can whoever uses the static library.
add_library(lm_small INTERFACE)
target_compile_options(lm_small INTERFACE
  $<$<CONFIG:MinSizeRel>:-ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables>
  $<$<AND:$<CONFIG:MinSizeRel>,$<C_COMPILER_ID:GNU>>:-flto=auto -ffat-lto-objects>)
target_link_options(lm_small INTERFACE
  $<$<CONFIG:MinSizeRel>:-Wl,--gc-sections>
  $<$<AND:$<CONFIG:MinSizeRel>,$<C_COMPILER_ID:GNU>>:-flto=auto>)
# Data begins a page after code, also in the file, and of pages of 64 kB much is left empty. Small machines have 4 or 16 kB.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  target_link_options(lm_small INTERFACE $<$<CONFIG:MinSizeRel>:-Wl,-z,max-page-size=16384>)
endif()
