# The unwinder at every instruction of the switch, by gdb. A sanitizer's program is another one, and
# its switch the same.
if(NOT WEFT_SANITIZE)
    find_program(WEFT_GDB gdb)
    add_executable(unit.arch.steps unit/arch/steps.c unit/arch/test_switch.${weft_arch}.S)
    set_target_properties(unit.arch.steps PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
    target_include_directories(unit.arch.steps PRIVATE ${PROJECT_SOURCE_DIR}/src)
    # Not inlined: steps.py knows the functions by name.
    target_compile_options(unit.arch.steps PRIVATE -fno-inline)
    target_link_libraries(unit.arch.steps PRIVATE weft_flags weft_static)
    if(WEFT_GDB)
        add_test(NAME unit/arch/steps COMMAND ${WEFT_GDB} -nx -batch
            -x ${CMAKE_CURRENT_SOURCE_DIR}/unit/arch/steps.py $<TARGET_FILE:unit.arch.steps>)
    else()
        add_test(NAME unit/arch/steps COMMAND sh -c "echo 'install gdb' >&2; exit 1")
    endif()
    set_tests_properties(unit/arch/steps PROPERTIES LABELS unit TIMEOUT 180)
endif()
