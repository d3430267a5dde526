# The suite of the interface, tests/api/test_*.c and .cc, as it runs on the simulated kernel: what of it
# does not run there, case by case, and what it takes to link it. For extra.cmake, and for those who run
# it otherwise still: ../rare, ../memcheck and ../cross.
file(GLOB api_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/api/test_*.c
    ${PROJECT_SOURCE_DIR}/tests/api/test_*.cc)

# ... in no simulated world
set(skip_net_bad
    stale_unix_socket    # looks at the socket's file by stat(2)
    bad_descriptors      # receives on a descriptor of a real file
    no_descriptors_left) # its peers are another process
set(skip_bind
    no_folder forbidden stale_and_not_ours) # every folder exists there, and is everybody's
set(skip_errors_rest
    children_ignored                # its children are no real ones
    special_files closed_directory  # there are none in a simulated world
    loop_without_descriptors)       # nor loops of another kind
set(skip_errors_socket
    unix_names_on_a_disk) # where those of sockets are, and nothing else
set(skip_net_edges all_of_a_message) # needs a pair of sockets for datagrams
set(skip_loop
    in_an_epoll_loop)    # there is none in a simulated world
set(skip_post
    slots_and_signals    # sends real signals to a real thread
    a_signal_in_a_sleep  # likewise
    soft_limit)          # main spins and never comes to a call of the boundary
set(skip_process_options # looks by real programs at what they are given
    shell found_along_the_path descriptors signals_as_before blocked_before ignored_before directory limits groups
    its_children_end_with_it not_a_program sigchld_ignored gone_and_not_told terminal)
set(skip_process_start
    descriptors_of_its_own not_pinned # looks by real programs
    no_handler_of_ours                # sends real signals
    refused no_room_but_the_lowest    # by limits of the real one
    environment_of_the_call no_environment # are the real one's
    without_clone3)                   # forbids a system call that is not made
set(skip_waitid
    ends groups_and_stops cancelled) # its children are real; ../sim/test_waitid.c has others
set(skip_signal
    another_thread          # real signals to real threads
    beside_stop_on_sigterm) # whose handler is a real one
set(skip_runtime
    all_cpus             # narrows the real thread's affinity
    io_uring_forbidden)  # forbids a system call that is not made
set(skip_inspect_signal
    a_reactor_that_is_stuck) # its task spins and never comes to a call of the boundary
set(skip_stats counters) # a thread spins and never comes to a call of the boundary
set(skip_claim_lost
    handler_that_adds_itself) # its descriptors are limited by the real limit
set(skip_time times)     # compares with the real clock

# ... in no rough one: they count requests, or pieces as a well-behaved kernel cuts them
set(rough_batch one_batch one_batch_among_many)
set(rough_net_cancel costs_of_a_cancel)

# The calls of plain peers that sim/plain.c answers.
set(plain_calls recv send read write socket bind listen getsockname setsockopt getsockopt shutdown
    close connect accept socketpair pipe unlink poll fcntl nanosleep pthread_create pthread_join)
list(TRANSFORM plain_calls PREPEND "-Wl,--wrap=")

# Where running is slow, or done several times: files that take the rough plan, too; the others do with
# WEFT_LONG=1. And cases that wait for that where it is very slow.
set(rough_anyway scope)
set(rough_once sync_event stream_echo) # whose cases of that kind one rough seed runs, not all five
set(long_net_peer never_reads resets_midway # 32 MiB through the simulated network
    a_byte_at_a_time)
set(long_file_held closed_under_readers cancelled_and_late)
set(long_stream_move what_was_queued_is_sent)
set(long_runtime tasks_that_hold)            # spins until its time is over
set(long_loop held_at_the_close)             # likewise
set(long_stream_echo large_pieces small_pieces fixed_sizes_and_small_caps # megabytes
    without_multishot_receive without_buffer_rings)
set(long_pipe bytes_in_order waiting)        # likewise
set(long_sync_event a_hundred_thousand)
set(long_errors_net connecting sending broadcasting given no_room handing too_late)
set(long_errors_rest drained files strangers_file words)
set(long_callback threadsafe thousands_ready_half_of_them_cancelled)
set(long_post stop_while_64_threads_post from_other_threads)

# weft_suite_test(TEST LABEL NAME SKIP SKIP_SHORT ENVIRONMENT COMMAND...), NAME being the file's.
function(weft_suite_test test label name skip skip_short environment)
    set(when long)
    if(name IN_LIST rough_anyway)
        set(when always)
    endif()
    list(JOIN skip "," skip)
    list(JOIN skip_short "," skip_short)
    list(JOIN rough_${name} "," skip_rough)
    add_test(NAME ${test} COMMAND ${PROJECT_SOURCE_DIR}/tests/sim/both_plans.sh
        ${when} "${skip}" "${skip_rough}" "${skip_short}" ${ARGN})
    math(EXPR seconds "900 * ${timeout_factor}")
    set_tests_properties(${test} PROPERTIES LABELS ${label} TIMEOUT ${seconds}
        ENVIRONMENT "CK_TIMEOUT_MULTIPLIER=20;${environment}")
endfunction()
