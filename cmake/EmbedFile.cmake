# lm_embed_file(<target> <file> <symbol>) builds a file into a target as
#
#     const unsigned char <symbol>[];
#     const size_t <symbol>_len;
#
# The C source is generated in the build directory whenever the file changes. The same script, run with -P, generates it. In a build
# of the type MinSizeRel, scripts and style sheets go through squeeze.awk first, where there is an awk.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  if(AWK AND INPUT MATCHES "\\.(js|css)$")
    cmake_path(GET OUTPUT PARENT_PATH folder)
    file(MAKE_DIRECTORY ${folder})
    execute_process(COMMAND ${AWK} -f ${CMAKE_CURRENT_LIST_DIR}/squeeze.awk ${INPUT} OUTPUT_FILE ${OUTPUT}.squeezed
      COMMAND_ERROR_IS_FATAL ANY)
    set(INPUT ${OUTPUT}.squeezed)
  endif()
  file(READ ${INPUT} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR len "${digits} / 2")
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}") # 16 bytes a line
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  file(WRITE ${OUTPUT} "#include <stddef.h>
extern const unsigned char ${SYMBOL}[];
extern const size_t ${SYMBOL}_len;
const unsigned char ${SYMBOL}[] = {
${bytes}0 /* so that an empty file is an array, too */
};
const size_t ${SYMBOL}_len = ${len};
")
  return()
endif()

set(LM_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
if(CMAKE_BUILD_TYPE STREQUAL MinSizeRel)
  find_program(LM_AWK NAMES awk mawk gawk)
endif()

function(lm_embed_file target file symbol)
  cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set(output ${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}.c)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${file} -DOUTPUT=${output} -DSYMBOL=${symbol} "-DAWK=${LM_AWK}" -P ${LM_EMBED_SCRIPT}
    DEPENDS ${file} ${LM_EMBED_SCRIPT} ${PROJECT_SOURCE_DIR}/cmake/squeeze.awk
    COMMENT "Embedding ${file}"
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
