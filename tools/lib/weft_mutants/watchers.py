"""Which tests may know of a change in a file: the first that fails is enough. Those of WATCHERS are
tried in the order given, quick ones first; `api-sim/` may be left out, and "@asan" in front says
another build than release. Where one change of a file is noticed elsewhere, EXACTLY says by whom.
UNNOTICED are those that no test notices yet, tests to be written; they are left out."""

FILE_OBJECT = (
    "file_object file_object_edges file_object_steps "
    "sim/file_object sim/file_object_end sim/file_object_held")
WATCHERS = {
    "src/coro/stack.c": "unit/coro/stack",
    "src/io/accept.c": "fd_forgotten net_accept unit/io/accept unit/io/accept_full",
    "src/io/bind.c": "bind sim/refusals net_bad unit/io/offload",
    "src/io/block.c": FILE_OBJECT + " sim/faults",
    "src/io/buffers.c": "stream_calls unit/io/stream_pool stream_echo",
    "src/io/close.c": "fd_forgotten net_cancel unit/io/fd net_edges fd_lost sim/refusals",
    "src/io/endpoint.c": "endpoint sim/net_datagram sim/refusals sim/faults_net",
    "src/io/fd.c":
        "fd_forgotten poll unit/io/fd net_edges net_cancel file_cancel unit/io/accept nowait "
        "claim_lost fd_lost",
    "src/io/fd_verify.c": "@asan unit/io/fd api/misuse_io fd_forgotten",
    "src/io/file_advice.c": "file_advice",
    "src/io/file.c": "fd_forgotten file file_names file_cancel misuse_file",
    "src/io/file_ahead.c": FILE_OBJECT + " sim/no_room",
    "src/io/file_copy.c": "file_copy",
    "src/io/file_direct.c": FILE_OBJECT,
    "src/io/file_object.c": FILE_OBJECT + " fd_forgotten",
    "src/io/file_read.c": FILE_OBJECT,
    "src/io/file_watch.c": "watch watch_wait sim/watch",
    "src/io/io.c": "reader sim/start",
    "src/io/message.c": "fd_forgotten message misuse_io sim/net_datagram",
    "src/io/nowait.c": "fd_forgotten nowait reader",
    "src/io/poll.c": "fd_forgotten poll misuse_io",
    "src/io/process.c": "process process_options process_given process_talk sim/process sim/faults",
    "src/io/process_start.c":
        "process process_options process_given process_talk sim/process sim/refusals sim/faults",
    "src/io/process_talk.c": "process_talk process process_options sim/faults",
    "src/io/rw.c": "fd_forgotten file file_cancel misuse_file sim/file_object",
    "src/io/server.c": "server server_edges server_end sim/refusals sim/faults",
    "src/io/server_serve.c": "server server_edges server_end sim/faults_net",
    "src/io/signal.c": "signal sim/signal",
    "src/io/socket.c": "fd_forgotten net_edges net_bad net_cancel net_echo misuse_io sim/no_room",
    "src/io/splice.c": "fd_forgotten splice sim/splice misuse_io",
    "src/io/stream.c":
        "fd_forgotten stream_calls stream_end unit/io/stream_pool unit/io/stream_direct "
        "stream_busy stream_lost sim/refusals sim/faults",
    "src/io/stream_give.c":
        "unit/io/stream_give stream_move stream_move_edges stream_give stream_calls",
    "src/io/stream_move.c": "stream_move stream_move_edges sim/faults",
    "src/io/stream_queue.c": "stream_write stream_end sim/faults",
    "src/io/stream_read.c": "unit/io/stream_direct stream_calls",
    "src/io/stream_receive.c": "unit/io/stream_direct unit/io/stream_pool stream_calls stream_busy",
    "src/io/transfer.c": "fd_forgotten net_bad net_cancel net_edges misuse_io",
    "src/io/transport.c": "transport transport_server transport_edges sim/refusals sim/faults_net",
    "src/io/use.h": "fd_forgotten file_cancel file misuse_file sim/no_room",
    "src/io/watcher.c": "fd_forgotten reader misuse_io sim/no_room sim/no_room_watch sim/faults",
    "src/names/connect.c": "names-sim/connect names/connect",
    "src/reactor/inbox.c": "model/explore/quick",
    "src/reactor/observe.c": "debug",
    "src/reactor/op.c": "unit/reactor/op",
    "src/reactor/reactor.c": "unit/runtime/bell_again callback",
    "src/reactor/reactor.h": "unit/reactor/op net_echo net_cancel debug sim/slow",
    "src/reactor/reactor_open.c": "unit/reactor/inbox sim/start stats",
    "src/reactor/ready.c": "unit/reactor/ready post",
    "src/io/arena.c":
        "file_held sim/file_object_held sim/file_object sim/file_object_end sim/refusals",
    "src/io/give.c": "send_give stream_write_give fd_forgotten",
    "src/io/stream_splice.c": "stream_splice",
    "src/task/join.c": "task_join task scope remote",
    "src/runtime/callback.c": "callback loop sim/refusals sim/faults",
    "src/runtime/executor.c": "executor sim/refusals unit/sync/faults",
    "src/runtime/loop.c": "loop sim/start api/loop",
    "src/runtime/post.c": "model/explore/quick post remote unit/reactor/inbox loop",
    "src/runtime/member.c": "runtime runtime_edges runtime_end sim/start api/loop",
    "src/runtime/run.c": "runtime runtime_edges runtime_end sim/start api/loop",
    "src/runtime/stats.c": "model/explore/quick stats",
    "src/runtime/threadsafe.c": "threadsafe unit/runtime/threadsafe sim/faults",
    "src/runtime/wind.c": "runtime runtime_edges runtime_end sim/start api/loop",
    "src/sync/barrier.c": "sync_barrier fuzz/calm",
    "src/sync/condition.c": "sync_condition fuzz/calm",
    "src/sync/event.c": "sync_event select select_cancel select_across fuzz/calm",
    "src/sync/lock.c": "sync_lock select select_cancel select_across fuzz/calm",
    "src/sync/queue.c":
        "queue select select_cancel select_across unit/sync/faults unit/sync/select_link fuzz/calm",
    "src/sync/rwlock.c": "sync_barrier sync_lock fuzz/calm",
    "src/sync/select.c": "select select_cancel select_across select_edges unit/sync/select_link",
    "src/sync/semaphore.c": "sync_event sync_lock select select_cancel select_across fuzz/calm",
    "src/sync/store.c": "unit/sync/store queue",
    "src/sync/wait_queue.c": "sync_lock sync_event fuzz/calm unit/sync/faults",
    "src/sync/wait_queue.h": "sync_lock sync_event fuzz/calm",
    "src/task/binding.c": "context_var",
    "src/task/call.c": "remote cancel-sim/race_scope fuzz/calm",
    "src/task/completed.c": "wait sim/refusals sim/faults",
    "src/task/coroutine.c": "await await_edges",
    "src/task/future.c":
        "model/explore/quick future await unit/task/future_counts fuzz/calm sim/faults",
    "src/task/future.h": "model/explore/quick",
    "src/task/gather.c": "gather wait fuzz/calm",
    "src/task/generator.c": "generator generator_edges",
    "src/task/offload.c": "blocking executor sim/no_thread",
    "src/task/operation.c":
        "unit/task/inside cancel-sim/race_operation net_cancel net_bad net_echo",
    "src/task/scope.c": "scope scope_edge scope_more scope_drain unit/task/faults fuzz/calm",
    "src/task/task.c":
        "task task_join task_room scope unit/task/faults stats context_var remote",
    "src/task/task.h": "generator scope_edge sync_lock fuzz/calm",
    "src/task/wait_for.c": "wait fuzz/calm",
    "src/task/wake.c": "model/explore/quick unit/task/wake",
    "src/task/wake.h": "model/explore/quick",
    "src/task/watch.c": "gather wait fuzz/calm",
}
EXACTLY = {
    "io/stream.c:weft__stream_close_early:no-fd_close_end": "stream_pipe process_talk",
    "io/stream.c:weft__stream_close_early:no-host_close": "stream_pipe process_talk",
    "io/server_serve.c:close_in_time:no-scope_close": "@asan server",
    "task/coroutine.c:weft__coroutine_used:no-free": "@asan await await_edges",
    "task/coroutine.c:weft__coroutines_end:no-free": "@asan misuse_place wait",
}
UNNOTICED = frozenset()


def of(file, title):
    """The regular expression for the names of the tests, and their build; None: nobody watches."""
    if file not in WATCHERS or title in UNNOTICED:
        return None, ""
    names = EXACTLY.get(title, WATCHERS[file]).split()
    build = names.pop(0).removeprefix("@") if names[0].startswith("@") else "release"
    return "|".join(name if "/" in name else f"api-sim/{name}" for name in names), build
