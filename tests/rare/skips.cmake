# The ways, and the cases that do not hold where one is taken every time: WAY_NAME, as skip_NAME in
# ../sim/suite.cmake.
set(rare_ways yield queue stack inbox order)

# Of the unit tests those of layers that ask; not those of the structure that is another one then
# (reactor/ready, coro/stack), and not those that count what things cost (task/counts, io/hints).
set(rare_units io/accept io/accept_full io/fd io/stream_direct io/stream_give io/stream_pool
    reactor/op runtime/bell_again runtime/peers task/faults task/inside)

# Every suspending call gives way first. What these count on is that a call that need not suspend does
# not, so that nothing happens between two of them.
set(yield_await_edges cycles_that_come_later # waits for it when it is looked at first
    one_of_several_waits_for_us)          # likewise
set(yield_errors_rest tasks)              # the task that is one too many has ended when it is counted
set(yield_batch one_batch one_batch_among_many) # all that came at once is read in one turn
set(yield_bind no_path)                   # somebody else runs meanwhile
set(yield_callback in_the_order_asked)    # asked for, and not called yet when looked at
set(yield_cancel before_it_first_ran)     # spawned, and cancelled before it runs
set(yield_fairness spawning_spends_and_stays) # counts what runs between two calls
set(yield_generator_edges cancelled_before_it_begins) # asked for, and cancelled before it runs
set(yield_post_order own_posts_and_tasks_in_order) # posted, and not run yet
set(yield_fd_lost
    while_it_is_closed while_it_is_closed_under_many
    while_it_is_closed_under_a_sender     # it is closed when it is looked at
    between_a_wait_and_a_direct_call)     # it has ended when it is looked at
set(yield_scope_more
    no_herd_waits_for_room                # counts switches
    what_was_handed_over_counts)          # a task joins one that is spawned after it
set(yield_stream_lost
    while_it_leaves while_it_closes)      # it has left, or is closed, when it is looked at
set(yield_sync_event permits)             # how many hold a permit at one time
set(yield_sync_lock costs)                # counts turns
set(yield_task yield_is_fair)             # counts what runs between two calls
set(yield_task_join cycles_of_joins)      # a task joins one that is spawned after it
set(yield_wait
    wait_for_owns cycle                   # cancelled, or joined, before what it waits for has begun
    wait_for_what_is_settled)             # counts switches
set(yield_race_future race_41)             # settled and cancelled before it has come to its wait
set(yield_race_task race_42)              # the other one has ended when it is cancelled
set(yield_costs nobody_waits)               # counts turns
set(yield_debug tasks_that_failed)         # the scope has failed when it yields
set(yield_inspect_signal a_signal)         # told before it has come to its sleep
set(yield_misuse_io streams)               # begun, and not yet at the wait that is in the way
set(yield_io.accept_full closed_while_somebody_comes) # who closes is not in the close yet
set(yield_io.stream_give cancelled_between_two_waits # it has begun to write
    users_of_a_buffer) # given and not sent yet
set(yield_task.inside dropped_before_they_ran # cancelled when they have begun
    children_on_their_way_count) # spawned elsewhere, and not started yet

# Everything bounded is of the smallest size. What these do is count.
set(queue_batch one_batch one_batch_among_many) # a batch is one completion
set(queue_net_accept
    at_most_64_wait at_most_64_wait_without_multishot # at most one waits
    costs_of_a_connection)                # the table of operations grows meanwhile
set(queue_net_echo costs_of_a_message)    # as above; and a request that finds no room is an enter more
set(queue_stream_echo costs_of_a_message)
set(queue_stream_give all)                # a view of all the pieces takes a second buffer
set(queue_wait wait_for_owns)             # what is due together happens in one turn
set(queue_race_net
    race_18 race_21 race_53)              # the pool's watch, of some microseconds, is a timer left
set(queue_io.accept failures_in_a_row pauses) # hands in completions of an accept that has ended
set(queue_io.accept_full                  # an accept that is armed for many goes on below the limit
    a_reserve_lost_is_had_again the_limit_is_that_of_the_arming)
set(queue_io.stream_pool cap_pauses_and_resumes) # 16 buffers are held

# Who is woken, and what the reactor posts to itself, goes through the inbox, and so comes later than
# what joins the ready queue at once: new tasks, and tasks that yield.
set(inbox_future awaited_by_many)          # who was woken has run after one yield
set(inbox_post from_the_reactor_itself)
set(inbox_post_order own_posts_and_tasks_in_order)
set(inbox_task_join a_refused_join_stays_refused) # which ends first; either answer is right
set(inbox_race_task race_42)              # the other one has ended when it is cancelled
set(inbox_runtime.peers a_late_knock)     # what is posted at the end waits in the ready queue
set(inbox_task.inside news_are_told_once) # counts messages

# The ready queue has no order. What these look at is the order.
set(order_generator_edges cancelled_before_it_begins)
set(order_callback in_the_order_asked at_their_times)
set(order_fd_lost between_a_wait_and_a_direct_call) # it runs before who looks
set(order_future awaited_by_many callbacks)
set(order_gather values_win_over_a_cancellation) # which of two begins first
set(order_loop stop_ends_after_what_is_ready)
set(order_post_order own_posts_and_tasks_in_order)
set(order_race_task
    race_41_handed_over race_42)          # who runs before whom
set(order_scope_edge errors)              # "newest first"
set(order_debug tasks_that_failed)         # by when the other one has run
set(order_misuse_io streams)               # likewise
set(order_process closed_twice)           # which of two that close is the second
set(order_signal closed_twice)            # likewise
set(order_stats tasks)                    # by when all have come to their wait
set(order_stream_calls close_while_cancelled_and_twice) # which of two that close is the second
set(order_stream_busy what_is_held_is_not_taken_in_one_turn) # how often another one runs meanwhile
set(order_io.stream_give cancelled_between_two_waits) # who runs before whom
set(order_sync_barrier readers_and_writers)
set(order_sync_condition notify owner_ends)
set(order_sync_event set_and_cleared permits)
set(order_sync_lock one_at_a_time)
set(order_task yield_is_fair)
set(order_time all)                       # each case of it
