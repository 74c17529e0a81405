# Libraries, public headers, and what finds them: lumamesh-config.cmake and lumamesh.pc.
include(CMakePackageConfigHelpers)

# What programs outside may include, as <lumamesh/webrtc/webrtc.h>. Their functions are marked with LM_API.
set(LM_PUBLIC_HEADERS
  common/addr.h
  common/api.h
  common/certificate.h
  common/clock.h
  common/dgram.h
  common/error.h
  common/error_text.h
  common/histogram.h
  common/log.h
  common/random.h
  common/version.h
  relay/node_uv.h
  webrtc/stack.h
  webrtc/stats.h
  webrtc/webrtc.h)

# In the tree they include each other as "common/addr.h", which would be too common a name in other people's programs.
foreach(header ${LM_PUBLIC_HEADERS})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(READ ${header} text)
  string(REGEX REPLACE "#include \"([a-z]+/[a-z0-9_]+\\.h)\"" "#include <lumamesh/\\1>" text "${text}")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/include/lumamesh/${header} CONTENT "${text}" @ONLY)
endforeach()
install(DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/include/lumamesh DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# Two files of targets: who links the shared library need not have what the static one is linked with.
set(LM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/lumamesh)
install(TARGETS lumamesh_static EXPORT lumamesh-static ARCHIVE INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT lumamesh-static NAMESPACE lumamesh:: DESTINATION ${LM_CMAKE_DIR})
if(BUILD_SHARED_LIBS)
  install(TARGETS lumamesh_shared EXPORT lumamesh-shared LIBRARY INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT lumamesh-shared NAMESPACE lumamesh:: DESTINATION ${LM_CMAKE_DIR})
endif()
configure_package_config_file(cmake/lumamesh-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/lumamesh-config.cmake
  INSTALL_DESTINATION ${LM_CMAKE_DIR} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Until 1.0 each minor version may change what programs see.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/lumamesh-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lumamesh-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/lumamesh-config-version.cmake DESTINATION ${LM_CMAKE_DIR})

# A prefix that is moved takes its .pc with it, unless a directory was given as an absolute path.
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_LIBDIR libdir_is_absolute)
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_INCLUDEDIR includedir_is_absolute)
set(LM_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
set(LM_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
if(libdir_is_absolute)
  set(LM_PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
endif()
if(includedir_is_absolute)
  set(LM_PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
endif()
# Static linking needs what the library itself is linked with; without a shared library everybody does.
set(LM_PC_REQUIRES libuv)
set(LM_PC_REQUIRES_PRIVATE "usrsctp libsodium libcjson")
set(LM_PC_LIBS "-L\${libdir} -llumamesh")
set(LM_PC_LIBS_PRIVATE "-lmbedtls -lmbedx509 -lmbedcrypto")
if(NOT BUILD_SHARED_LIBS)
  string(APPEND LM_PC_REQUIRES " ${LM_PC_REQUIRES_PRIVATE}")
  string(APPEND LM_PC_LIBS " ${LM_PC_LIBS_PRIVATE}")
  set(LM_PC_REQUIRES_PRIVATE "")
  set(LM_PC_LIBS_PRIVATE "")
endif()
configure_file(cmake/lumamesh.pc.in ${CMAKE_CURRENT_BINARY_DIR}/lumamesh.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lumamesh.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES README.md LICENSE docs/protocol.md docs/mesh.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/options.md packaging/relay.conf DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/man/lumamesh-relay.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES packaging/man/relay.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES packaging/bash-completion/lumamesh-relay DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
