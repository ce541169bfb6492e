# INT8X_SANITIZE=address;undefined or thread; INT8X_COVERAGE=ON; INT8X_FUZZ=ON. Applied to every target.
if(INT8X_SANITIZE)
  list(JOIN INT8X_SANITIZE "," _sanitize)
  add_compile_options(-fsanitize=${_sanitize} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${_sanitize})
endif()
if(INT8X_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic) # threads count too
  add_link_options(--coverage)
endif()
if(INT8X_FUZZ) # libFuzzer steers by these counters; the fuzzers themselves link its main (tests/fuzz)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
