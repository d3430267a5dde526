# weft's own servers for the demo: the documentation's echo with counters around it, and the one on
# streams. They are compiled like the servers they are compared with.
add_load_program(weft-echo plain_echo.c counted.c)
target_link_libraries(weft-echo PRIVATE weft_static)
add_load_program(weft-stream-echo stream_echo.c counted.c)
target_link_libraries(weft-stream-echo PRIVATE weft_static)

if(WEFT_TESTS)
    foreach(name weft-echo weft-stream-echo)
        add_test(NAME bench-smoke/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/smoke.sh
            $<TARGET_FILE:blocking-client> $<TARGET_FILE:${name}>)
        set_tests_properties(bench-smoke/${name} PROPERTIES LABELS bench-smoke TIMEOUT 120)
    endforeach()
endif()
