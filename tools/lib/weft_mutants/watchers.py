"""Which tests may know of a change in a file: the first that fails is enough. Those of WATCHERS are
tried in the order given, quick ones first; `api-sim/` may be left out, and "@asan" in front says
another build than release. Where one change of a file is noticed elsewhere, EXACTLY says by whom.
UNNOTICED are those that no test notices yet, tests to be written; they are left out."""

WATCHERS = {
    "src/coro/stack.c": "unit/coro/stack",
    "src/io/accept.c": "fd_forgotten net_accept unit/io/accept unit/io/accept_full",
    "src/io/block.c": "file_object sim/file_object",
    "src/io/buffers.c": "stream_calls unit/io/stream_pool stream_echo",
    "src/io/close.c": "fd_forgotten net_cancel unit/io/fd net_edges sim/refusals",
    "src/io/endpoint.c": "endpoint sim/net_datagram sim/refusals",
    "src/io/fd.c": "fd_forgotten poll unit/io/fd net_edges net_cancel file_cancel unit/io/accept",
    "src/io/fd_verify.c": "@asan unit/io/fd api/misuse_io",
    "src/io/file_advice.c": "file_advice",
    "src/io/file.c": "fd_forgotten file file_names file_cancel misuse_file",
    "src/io/file_ahead.c": "file_object sim/file_object",
    "src/io/file_direct.c": "file_object sim/file_object",
    "src/io/file_object.c": "file_object sim/file_object",
    "src/io/file_read.c": "file_object sim/file_object",
    "src/io/file_watch.c": "watch sim/watch",
    "src/io/io.c": "reader sim/start",
    "src/io/message.c": "fd_forgotten message misuse_io sim/net_datagram",
    "src/io/poll.c": "fd_forgotten poll misuse_io",
    "src/io/process.c": "process process_options process_talk sim/process",
    "src/io/process_start.c": "process process_options process_talk sim/process sim/refusals",
    "src/io/process_talk.c": "process_talk process process_options",
    "src/io/rw.c": "fd_forgotten file file_cancel misuse_file",
    "src/io/server.c": "server server_edges server_end sim/refusals",
    "src/io/server_serve.c": "server server_edges server_end",
    "src/io/signal.c": "signal sim/signal",
    "src/io/socket.c": "fd_forgotten net_edges net_bad net_cancel net_echo misuse_io",
    "src/io/splice.c": "fd_forgotten splice sim/splice misuse_io",
    "src/io/stream.c":
        "fd_forgotten stream_calls stream_end unit/io/stream_pool stream_busy sim/refusals",
    "src/io/stream_give.c": "stream_give stream_calls",
    "src/io/stream_move.c": "stream_move",
    "src/io/stream_queue.c": "stream_write stream_end",
    "src/io/stream_read.c": "unit/io/stream_direct stream_calls",
    "src/io/stream_receive.c": "unit/io/stream_direct unit/io/stream_pool stream_calls stream_busy",
    "src/io/transfer.c": "fd_forgotten net_bad net_cancel net_edges misuse_io",
    "src/io/transport.c": "transport transport_edges sim/refusals",
    "src/io/use.h": "fd_forgotten file_cancel file misuse_file",
    "src/io/watcher.c": "fd_forgotten reader misuse_io",
    "src/reactor/inbox.c": "model/explore/quick",
    "src/reactor/observe.c": "debug",
    "src/reactor/op.c": "unit/reactor/op",
    "src/reactor/reactor.c": "unit/runtime/bell_again callback",
    "src/reactor/reactor.h": "unit/reactor/op net_echo net_cancel debug",
    "src/reactor/reactor_open.c": "unit/reactor/inbox sim/start stats",
    "src/reactor/ready.c": "unit/reactor/ready post",
    "src/runtime/callback.c": "callback loop sim/refusals",
    "src/runtime/executor.c": "executor sim/refusals",
    "src/runtime/loop.c": "loop sim/start",
    "src/runtime/post.c": "model/explore/quick post remote unit/reactor/inbox",
    "src/runtime/run.c": "runtime runtime_edges runtime_end sim/start",
    "src/runtime/stats.c": "model/explore/quick stats",
    "src/runtime/threadsafe.c": "threadsafe unit/runtime/threadsafe",
    "src/sync/barrier.c": "sync_barrier fuzz/calm",
    "src/sync/condition.c": "sync_condition fuzz/calm",
    "src/sync/event.c": "sync_event select fuzz/calm",
    "src/sync/lock.c": "sync_lock select fuzz/calm",
    "src/sync/queue.c": "queue select unit/sync/faults fuzz/calm",
    "src/sync/rwlock.c": "sync_barrier sync_lock fuzz/calm",
    "src/sync/select.c": "select select_edges unit/sync/select_link",
    "src/sync/semaphore.c": "sync_event sync_lock select fuzz/calm",
    "src/sync/store.c": "unit/sync/store queue",
    "src/sync/wait_queue.c": "sync_lock sync_event fuzz/calm",
    "src/sync/wait_queue.h": "sync_lock sync_event fuzz/calm",
    "src/task/binding.c": "context_var",
    "src/task/call.c": "remote cancel-sim/race_scope fuzz/calm",
    "src/task/completed.c": "wait sim/refusals",
    "src/task/coroutine.c": "await await_edges",
    "src/task/future.c": "model/explore/quick future await unit/task/future_counts fuzz/calm",
    "src/task/future.h": "model/explore/quick",
    "src/task/gather.c": "gather wait fuzz/calm",
    "src/task/generator.c": "generator generator_edges",
    "src/task/offload.c": "blocking executor",
    "src/task/operation.c":
        "unit/task/inside cancel-sim/race_operation net_cancel net_bad net_echo",
    "src/task/scope.c": "scope scope_edge scope_more scope_drain unit/task/faults fuzz/calm",
    "src/task/task.c": "task scope unit/task/faults stats",
    "src/task/task.h": "generator scope_edge sync_lock fuzz/calm",
    "src/task/wait_for.c": "wait fuzz/calm",
    "src/task/wake.c": "model/explore/quick unit/task/wake",
    "src/task/wake.h": "model/explore/quick",
    "src/task/watch.c": "gather wait fuzz/calm",
}
EXACTLY = {}
UNNOTICED = frozenset("""
    io/block.c:create:no-free
    io/endpoint.c:create:no-free
    io/fd_verify.c:weft__fd_verify:no-fd_forget
    io/file_ahead.c:ask:no-fd_use_end
    io/file_object.c:close_now:no-fd_close_end
    io/file_object.c:look_at:no-fd_forget
    io/poll.c:weft_poll:no-fd_forget
    io/process.c:weft_process_close:no-process_free
    io/process_start.c:open_end:no-host_close
    io/process_start.c:undo:no-process_free
    io/process_start.c:weft_create_subprocess_exec:no-free
    io/process_talk.c:talk:no-scope_cancel
    io/server.c:create:no-free
    io/server.c:create:no-free:2
    io/server.c:create:no-free:3
    io/server_serve.c:close_in_time:no-scope_close
    io/server_serve.c:listener:no-scope_cancel
    io/server_serve.c:weft__server_main:no-scope_cancel
    io/socket.c:connect_once:no-fd_leave
    io/stream.c:close_stream:no-fd_close_end
    io/stream.c:weft__stream_close_early:no-fd_close_end
    io/stream.c:weft__stream_close_early:no-host_close
    io/stream.c:weft__stream_close_now:no-fd_close_end
    io/stream.c:weft__stream_destroy:no-free
    io/stream_move.c:free_all:no-buffer_free
    io/transport.c:create:no-ready_release
    io/transport.c:dropped:no-free
    io/transport.c:lose:no-ready_release
    io/transport.c:weft_transport_open:no-ready_release
    io/use.h:weft__use_request:no-use_close
    io/watcher.c:add:no-fd_watch_end
    io/watcher.c:callback_run:no-ready_release
    io/watcher.c:create:no-free
    io/watcher.c:destroy:no-fd_forget
    io/watcher.c:ended:no-ready_release
    reactor/reactor.c:run_callback:no-ready_release
    reactor/reactor.h:weft__slice_over:no-slice_end
    runtime/callback.c:begin:no-free
    runtime/callback.c:disarm:no-ready_release
    runtime/executor.c:weft_executor_create:no-free
    runtime/loop.c:open_runtime:no-process_leave
    runtime/loop.c:run_errand:no-free
    runtime/loop.c:weft_loop_close:no-process_leave
    runtime/post.c:cancel_drop:no-free
    runtime/run.c:weft__member_close:no-dump_end
    runtime/run.c:weft__member_close:no-dump_end:2
    runtime/threadsafe.c:weft_run_coroutine_threadsafe:no-free
    sync/lock.c:weft_locked_enter_:no-hold_end
    sync/queue.c:grow:no-free
    sync/queue.c:weft__queue_link_put:no-object_exit
    sync/wait_queue.c:weft__entry_leave:no-object_exit
    task/completed.c:weft_as_completed:no-free
    task/coroutine.c:weft__coroutine_used:no-free
    task/coroutine.c:weft__coroutines_end:no-free
    task/future.c:callback_arrived:no-ready_release
    task/future.c:sleep_until:acquire-to-relaxed
    task/future.c:sleeper_woken:release-to-relaxed
    task/future.c:weft_future_add_done:no-free
    task/future.c:weft_future_remove_done:no-ready_release
    task/task.c:task_main:no-bindings_put
    task/task.c:task_main:no-ready_release
    task/task.c:weft__task_start:no-ready_release
    task/task.c:weft__tasks_close:no-free
    task/task.c:weft__tasks_close:no-roll_leave
    task/task.c:weft__tasks_reap:no-stack_give
""".split())


def of(file, title):
    """The regular expression for the names of the tests, and their build; None: nobody watches."""
    if file not in WATCHERS or title in UNNOTICED:
        return None, ""
    names = EXACTLY.get(title, WATCHERS[file]).split()
    build = names.pop(0).removeprefix("@") if names[0].startswith("@") else "release"
    return "|".join(name if "/" in name else f"api-sim/{name}" for name in names), build
