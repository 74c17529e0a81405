# Cross-compiles for Debian arm64 with the distribution's gcc-aarch64-linux-gnu and multi-arch -dev packages. Tests run under
# qemu-user, where that is there.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
find_program(LM_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
if(LM_QEMU_AARCH64)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${LM_QEMU_AARCH64})
endif()
