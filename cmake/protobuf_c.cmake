# int8x_protobuf_c(TARGET FILE.proto): compiles FILE.proto (in the current source folder) with protoc-c
# into the build folder and makes TARGET, an object library whose generated header is included as "FILE.pb-c.h".
function(int8x_protobuf_c target proto)
  get_filename_component(stem ${proto} NAME_WE)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${stem}.pb-c)
  add_custom_command(OUTPUT ${out}.c ${out}.h
    COMMAND ${PROTOC_C} --c_out=${CMAKE_CURRENT_BINARY_DIR} -I ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
    DEPENDS ${proto} VERBATIM)
  add_library(${target} OBJECT ${out}.c ${out}.h)
  target_include_directories(${target} PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${target} PUBLIC int8x_dep_protobufc)
  set_target_properties(${target} PROPERTIES C_VISIBILITY_PRESET hidden)
endfunction()
