# The tests of the interface once more, the same objects, on the simulated kernel: api-sim/NAME on a
# calm one, api-sim/NAME/rough-SEED on a rough one. Delivery is at once, as on a loopback, because
# they count on that. suite.cmake says which cases do not run there.
include(${CMAKE_CURRENT_LIST_DIR}/suite.cmake)

# Blocking peers and their threads are part of that world, too: plain.c.
add_library(weft_test_plain OBJECT sim/plain.c)
set_target_properties(weft_test_plain PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
target_link_libraries(weft_test_plain PUBLIC weft_test_sim)

function(weft_api_sim_test test target plan skip)
    list(JOIN skip "," skip)
    add_test(NAME ${test} COMMAND ${target})
    set_tests_properties(${test} PROPERTIES LABELS sim TIMEOUT 180
        ENVIRONMENT "WEFT_SIM_PLAN=${plan} net.latency=0;TEST_SKIP=${skip};${test_environment}${ARGN}")
endfunction()

foreach(source ${api_sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    set(target api-sim.${name})
    if(WEFT_COVERAGE) # unoptimised they take minutes; on the real kernel they run, and are counted
        list(APPEND skip_${name} ${long_${name}})
    endif()
    add_executable(${target} $<TARGET_OBJECTS:api.${name}> $<TARGET_OBJECTS:weft_test_plain>)
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
    target_link_libraries(${target} PRIVATE weft_test_sim)
    target_link_options(${target} PRIVATE ${plain_calls})
    weft_api_sim_test(api-sim/${name} ${target} calm "${skip_${name}}")
    set(short "")
    foreach(seed RANGE 1 5)
        weft_api_sim_test(api-sim/${name}/rough-${seed} ${target} rough
            "${skip_${name}};${rough_${name}}" ";WEFT_SIM_SEED=${seed};TEST_SKIP_SHORT=${short}")
        if(name IN_LIST rough_once)
            list(JOIN long_${name} "," short)
        endif()
    endforeach()
endforeach()

# What must be the same on every machine; ../cross compares it with that of the other processor.
add_executable(sim.same_trace sim/same_trace.c)
set_target_properties(sim.same_trace PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
target_link_libraries(sim.same_trace PRIVATE weft_flags weft_sim)

# The mechanical test is several files, and puts its faults in where these calls are made.
target_sources(sim.mechanical PRIVATE sim/scenario_copy.c sim/scenario_message.c sim/scenario_net.c sim/scenario_server.c
    sim/scenario_system.c sim/scenario_tasks.c)
target_link_options(sim.mechanical PRIVATE -Wl,--wrap=weft__ring_enter
    -Wl,--wrap=weft__host_reserve -Wl,--wrap=weft__host_thread_start)

# A mix of everything, for what needs many steps.
target_sources(sim.steps PRIVATE sim/mix.c sim/mix_tasks.c)
target_sources(sim.audit PRIVATE sim/mix.c sim/mix_tasks.c)
target_link_options(sim.audit PRIVATE -Wl,--wrap=weft__ring_enter -Wl,--wrap=weft__ring_take_slow)

# Calls of the boundary, and of what a reactor is put together from, that the test refuses.
set(refusable socket bind listen getsockname getpeername setsockopt getsockopt fcntl chmod shutdown
    thread_start reserve)
list(TRANSFORM refusable PREPEND "-Wl,--wrap=weft__host_")
foreach(call ring_open bell_open buffer_ring_open ring_file_hold ring_memory_hold overflow_install
    overflow_thread_begin stack_pool_open stack_take_fresh)
    list(APPEND refusable "-Wl,--wrap=weft__${call}")
endforeach()
target_link_options(sim.refusals PRIVATE ${refusable})
target_link_options(sim.errors PRIVATE -Wl,--wrap=weft__host_setsockopt)
target_link_options(sim.no_thread PRIVATE -Wl,--wrap=weft__host_thread_start)
foreach(name no_room no_room_watch no_room_lost no_room_splice)
    target_link_options(sim.${name} PRIVATE -Wl,--wrap=weft__ring_take_slow)
endforeach()
target_link_options(sim.no_room_splice PRIVATE -Wl,--wrap=weft__host_splice)

# Start-up fails where these calls are made.
set(start_calls weft__ring_open weft__bell_open weft__buffer_ring_open weft__host_thread_start
    weft__host_reserve weft__host_pin weft__stack_pool_open weft__overflow_thread_begin
    weft__ready_open weft__ops_open weft__tasks_open weft__io_open)
list(TRANSFORM start_calls PREPEND "-Wl,--wrap=")
target_link_options(sim.start PRIVATE ${start_calls})
target_link_options(sim.faults PRIVATE -Wl,--wrap=weft__host_fd_lift -Wl,--wrap=weft__host_pipe
    -Wl,--wrap=weft__ready_grow)
target_link_options(sim.faults_net PRIVATE -Wl,--wrap=weft__host_fd_lift
    -Wl,--wrap=weft__ready_grow)
