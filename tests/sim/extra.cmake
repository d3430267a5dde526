# The tests of the interface once more, the same sources, on the simulated kernel: api-sim/NAME on a
# calm one, api-sim/NAME/rough-SEED on a rough one. Delivery is at once, as on a loopback, because
# they count on that. What does not run there, case by case:

# ... in no simulated world
set(skip_net_bad
    stale_unix_socket    # looks at the socket's file by stat(2)
    bad_descriptors      # receives on a descriptor of a real file
    no_descriptors_left) # its peers are another process
set(skip_net_edges all_of_a_message) # needs a socket of packets
set(skip_misuse_io streams) # needs a socket of packets
set(skip_loop
    in_an_epoll_loop)    # there is none in a simulated world
set(skip_post
    slots_and_signals    # sends real signals to a real thread
    soft_limit)          # main spins and never comes to a call of the boundary
set(skip_runtime
    all_cpus             # narrows the real thread's affinity
    io_uring_forbidden)  # forbids a system call that is not made
set(skip_stats counters) # a thread spins and never comes to a call of the boundary
set(skip_time times)     # compares with the real clock

# ... in no rough one: they count requests, or pieces as a well-behaved kernel cuts them
set(rough_batch one_batch one_batch_among_many)
set(rough_net_cancel costs_of_a_cancel)

# Blocking peers and their threads are part of that world, too: plain.c.
add_library(weft_test_plain OBJECT sim/plain.c)
set_target_properties(weft_test_plain PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
target_link_libraries(weft_test_plain PUBLIC weft_test_sim)
set(plain_calls recv send read write socket bind listen getsockname setsockopt getsockopt shutdown
    close connect accept socketpair pipe unlink poll fcntl nanosleep pthread_create pthread_join)
list(TRANSFORM plain_calls PREPEND "-Wl,--wrap=")

function(weft_api_sim_test test target plan skip)
    list(JOIN skip "," skip)
    add_test(NAME ${test} COMMAND ${target})
    set_tests_properties(${test} PROPERTIES LABELS sim TIMEOUT 180
        ENVIRONMENT "WEFT_SIM_PLAN=${plan} net.latency=0;TEST_SKIP=${skip};${test_environment}${ARGN}")
endfunction()

file(GLOB api_sources CONFIGURE_DEPENDS api/test_*.c)
foreach(source ${api_sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    set(target api-sim.${name})
    add_executable(${target} ${source} $<TARGET_OBJECTS:weft_test_plain>)
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
    target_link_libraries(${target} PRIVATE weft_test_sim)
    target_link_options(${target} PRIVATE ${plain_calls})
    weft_api_sim_test(api-sim/${name} ${target} calm "${skip_${name}}")
    foreach(seed RANGE 1 5)
        weft_api_sim_test(api-sim/${name}/rough-${seed} ${target} rough
            "${skip_${name}};${rough_${name}}" ";WEFT_SIM_SEED=${seed}")
    endforeach()
endforeach()

# The same seed is the same run on every machine: the program for this one and, under emulation, that
# for the other print the same lines. (-R: the emulator keeps a book of all the address space there
# is.) Where the tools are missing the test fails, and says so.
add_executable(sim.same_trace sim/same_trace.c)
set_target_properties(sim.same_trace PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
target_link_libraries(sim.same_trace PRIVATE weft_flags weft_sim)
if(weft_arch STREQUAL x86_64 AND NOT WEFT_SANITIZE)
    find_program(WEFT_AARCH64_CC aarch64-linux-gnu-gcc)
    find_program(WEFT_AARCH64_RUN NAMES qemu-aarch64-static qemu-aarch64)
    if(WEFT_AARCH64_CC AND WEFT_AARCH64_RUN)
        set(src ${PROJECT_SOURCE_DIR}/src)
        file(GLOB cross_sources CONFIGURE_DEPENDS ${src}/base/*.c ${src}/coro/*.c ${src}/reactor/*.c
            ${src}/task/*.c ${src}/sync/*.c ${src}/io/*.c ${src}/runtime/*.c ${src}/arch/*.c
            ${src}/arch/aarch64/*.c ${src}/arch/aarch64/*.S ${src}/sim/*.c)
        file(GLOB cross_headers CONFIGURE_DEPENDS ${src}/*/*.h ${PROJECT_SOURCE_DIR}/include/weft/*.h)
        list(APPEND cross_sources ${src}/ring/host_memory.c ${src}/ring/host_process.c
            ${src}/ring/uring_features.c ${CMAKE_CURRENT_SOURCE_DIR}/sim/same_trace.c)
        set(cross ${CMAKE_CURRENT_BINARY_DIR}/same_trace.aarch64)
        add_custom_command(OUTPUT ${cross}
            COMMAND ${WEFT_AARCH64_CC} -std=gnu11 -D_GNU_SOURCE= -O1 -fvisibility=hidden -static
                -I${src} -I${PROJECT_SOURCE_DIR}/include -o ${cross} ${cross_sources} -lpthread
            DEPENDS ${cross_sources} ${cross_headers} VERBATIM)
        add_custom_target(sim_same_trace_aarch64 ALL DEPENDS ${cross})
        add_test(NAME sim/same_trace COMMAND sh -c
            "a=$($<TARGET_FILE:sim.same_trace>) && b=$(${WEFT_AARCH64_RUN} -R 4G ${cross}) && \
             echo \"$a\" && [ \"$a\" = \"$b\" ] || { echo \"$b\"; exit 1; }")
    else()
        add_test(NAME sim/same_trace COMMAND sh -c
            "echo 'install gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static' >&2; exit 1")
    endif()
    set_tests_properties(sim/same_trace PROPERTIES LABELS sim TIMEOUT 300)
endif()

# The mechanical test is several files, and puts its faults in where these calls are made.
target_sources(sim.mechanical PRIVATE sim/scenario_net.c sim/scenario_tasks.c)
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
foreach(call ring_open bell_open buffer_ring_open ring_file_hold overflow_install
    overflow_thread_begin stack_pool_open stack_take_fresh)
    list(APPEND refusable "-Wl,--wrap=weft__${call}")
endforeach()
target_link_options(sim.refusals PRIVATE ${refusable})
target_link_options(sim.no_room PRIVATE -Wl,--wrap=weft__ring_take_slow)

# Start-up fails where these calls are made.
set(start_calls weft__ring_open weft__bell_open weft__buffer_ring_open weft__host_thread_start
    weft__host_reserve weft__host_pin weft__stack_pool_open weft__overflow_thread_begin
    weft__ready_open weft__ops_open weft__tasks_open weft__io_open)
list(TRANSFORM start_calls PREPEND "-Wl,--wrap=")
target_link_options(sim.start PRIVATE ${start_calls})
