# SPDX-License-Identifier: Apache-2.0
# int8x_unit_test(NAME SOURCES file.c... [LIBS target...] [LABEL label])
# One Check runner of several suites, registered with ctest. Each SOURCE <stem>.c defines
#     Suite *<stem>_suite(void);
# and the runner's main is generated from the list; a file whose stem is not in the list of suites (a
# helper) is named in EXTRA instead.
function(int8x_unit_test name)
  cmake_parse_arguments(arg "" "LABEL" "SOURCES;EXTRA;LIBS" ${ARGN})
  set(declarations "")
  set(calls "")
  foreach(source IN LISTS arg_SOURCES)
    get_filename_component(stem ${source} NAME_WE)
    string(APPEND declarations "Suite *${stem}_suite(void);\n")
    string(APPEND calls "    ${stem}_suite,\n")
  endforeach()
  set(runner ${CMAKE_CURRENT_BINARY_DIR}/${name}_main.c)
  set(INT8X_SUITE_DECLARATIONS "${declarations}")
  set(INT8X_SUITE_CALLS "${calls}")
  configure_file(${CMAKE_SOURCE_DIR}/tests/support/runner_main.c.in ${runner} @ONLY)
  add_executable(${name} ${runner} ${arg_SOURCES} ${arg_EXTRA})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} int8x_test_support int8x_flags)
  # the suite functions are declared in the generated main alone; a source's options come last
  set_source_files_properties(${arg_SOURCES} PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
  target_compile_definitions(${name} PRIVATE I8X_TEST_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(INT8X_TESTS_RUN)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 600)
  endif()
endfunction()
