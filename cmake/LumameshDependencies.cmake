# The system libraries, as one interface target.
find_package(PkgConfig REQUIRED)
if(LM_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv-static>=1.43) # the archive has another name
else()
  pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.40)
endif()
pkg_check_modules(USRSCTP REQUIRED IMPORTED_TARGET usrsctp)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)

# mbedTLS 2.28 ships no pkg-config file; 3.x ships one whose name distributions vary.
find_path(MBEDTLS_INCLUDE_DIR mbedtls/ssl.h REQUIRED)
find_library(MBEDTLS_LIBRARY mbedtls REQUIRED)
find_library(MBEDX509_LIBRARY mbedx509 REQUIRED)
find_library(MBEDCRYPTO_LIBRARY mbedcrypto REQUIRED)
find_path(UTHASH_INCLUDE_DIR uthash.h REQUIRED)

add_library(lm_dependencies INTERFACE)
target_include_directories(lm_dependencies SYSTEM INTERFACE ${MBEDTLS_INCLUDE_DIR} ${UTHASH_INCLUDE_DIR})
target_link_libraries(lm_dependencies INTERFACE PkgConfig::UV PkgConfig::USRSCTP PkgConfig::SODIUM
  PkgConfig::CJSON ${MBEDTLS_LIBRARY} ${MBEDX509_LIBRARY} ${MBEDCRYPTO_LIBRARY})
