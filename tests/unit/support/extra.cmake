# The program whose failures test_harness expects.
add_executable(unit.support.broken unit/support/broken.c)
set_target_properties(unit.support.broken PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
target_link_libraries(unit.support.broken PRIVATE weft_test_internal)
target_compile_definitions(unit.support.harness PRIVATE
    BROKEN_PROGRAM="$<TARGET_FILE:unit.support.broken>")
add_dependencies(unit.support.harness unit.support.broken)
