# The one place for language level and warnings. Target int8x_flags is linked by every target of ours.
add_library(int8x_flags INTERFACE)
target_compile_features(int8x_flags INTERFACE c_std_11)
target_compile_definitions(int8x_flags INTERFACE _POSIX_C_SOURCE=200809L _FILE_OFFSET_BITS=64)
target_compile_options(int8x_flags INTERFACE
  -Wall -Wextra -Wshadow -Wundef -Wvla -Wwrite-strings -Wpointer-arith
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition>
  -ffp-contract=off -fno-math-errno -fvisibility=hidden -fno-strict-aliasing)
target_include_directories(int8x_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/core/include)
if(INT8X_WERROR)
  target_compile_options(int8x_flags INTERFACE -Werror)
endif()
