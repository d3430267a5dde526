# The same cases on the simulated kernel: asyncio-sim/NAME on a calm one.
math(EXPR limit "180 * ${timeout_factor}")
foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    set(target asyncio-sim.${name})
    add_executable(${target} ${source})
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
    target_link_libraries(${target} PRIVATE weft_test_sim)
    add_test(NAME asyncio-sim/${name} COMMAND ${target})
    set_tests_properties(asyncio-sim/${name} PROPERTIES LABELS sim TIMEOUT ${limit}
        ENVIRONMENT "WEFT_SIM_PLAN=calm net.latency=0;${test_environment}")
endforeach()
