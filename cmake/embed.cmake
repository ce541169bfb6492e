# SPDX-License-Identifier: Apache-2.0
# int8x_embed(TARGET NAME FILE): the bytes of FILE (in the current source folder), with a zero byte behind
# them, as i8x_embedded_NAME in a C file of the build folder that becomes a source of TARGET.
#     extern const unsigned char i8x_embedded_NAME[]; extern const unsigned long i8x_embedded_NAME_size;
# Run as a script (cmake -DIN= -DOUT= -DNAME= -P embed.cmake) it writes that file.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${IN} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
                       "\\1\n" bytes "${bytes}")
  file(WRITE ${OUT} "/* made from a file by cmake/embed.cmake */\n"
       "extern const unsigned char i8x_embedded_${NAME}[];\nextern const unsigned long i8x_embedded_${NAME}_size;\n"
       "const unsigned char i8x_embedded_${NAME}[] = {\n${bytes}0};\nconst unsigned long i8x_embedded_${NAME}_size = ${size};\n")
  return()
endif()

set(INT8X_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(int8x_embed target name file)
  set(in ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.c)
  add_custom_command(OUTPUT ${out} DEPENDS ${in} ${INT8X_EMBED_SCRIPT} VERBATIM
    COMMAND ${CMAKE_COMMAND} -DIN=${in} -DOUT=${out} -DNAME=${name} -P ${INT8X_EMBED_SCRIPT})
  target_sources(${target} PRIVATE ${out})
endfunction()
