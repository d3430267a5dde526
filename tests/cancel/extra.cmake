# The races, test_race_*.c, are built twice: cancel/race_NAME on the real ring, cancel-sim/race_NAME on
# the simulated kernel. race.h says how.
file(GLOB race_sources CONFIGURE_DEPENDS cancel/test_race_*.c)
foreach(source ${race_sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    target_sources(cancel.${name} PRIVATE cancel/race.c cancel/race_real.c)
    add_executable(cancel-sim.${name} ${source} cancel/race.c cancel/race_sim.c)
    set_target_properties(cancel-sim.${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
    target_link_libraries(cancel-sim.${name} PRIVATE weft_test_sim)
    target_link_options(cancel-sim.${name} PRIVATE -Wl,--wrap=_mark_point) # race_sim.c
    add_test(NAME cancel-sim/${name} COMMAND cancel-sim.${name})
    math(EXPR seconds "300 * ${timeout_factor}")
    set_tests_properties(cancel-sim/${name} PROPERTIES LABELS sim TIMEOUT ${seconds}
        ENVIRONMENT "${test_environment}")
endforeach()
