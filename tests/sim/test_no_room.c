/*
 * Each call that finds no request to be had, or no memory to note one in: the ring's queue has a
 * single place, which another task has taken, and the kernel takes nothing until told.
 *
 * Who waits for room so may be cancelled, or may find his descriptor closed when there is some at
 * last: then nothing may be asked of the kernel any more. Would catch a request that is made all
 * the same, an end that is waited for and never comes, a close that gives up, and want of memory
 * that is told as anything else.
 */
#include "no_room.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/wait.h>

/* -- the calls ------------------------------------------------------------------------------------
 */

static int64_t call_recv(void)
{
    char byte;

    return weft_recv(scene.here, &byte, 1, 0);
}

static int64_t call_recv_all(void)
{
    char bytes[2];

    return weft_recv(scene.here, bytes, 2, MSG_WAITALL);
}

static int64_t call_send(void)
{
    return weft_send(scene.here, "x", 1, 0);
}

static int64_t call_send_all(void)
{
    return weft_send_all(scene.here, "xy", 2, NULL);
}

static int64_t call_recvmsg(void)
{
    char byte;

    return weft_recvfrom(scene.here, &byte, 1, 0, NULL, NULL);
}

static int64_t call_sendmsg(void)
{
    return weft_sendto(scene.here, "x", 1, 0, NULL, 0);
}

static int64_t call_connect(void)
{
    return weft_connect(scene.fresh, (struct sockaddr *)&scene.address, sizeof scene.address);
}

static int64_t call_accept(void)
{
    scene.taken = weft_accept(scene.listener, NULL, NULL, 0);
    return scene.taken < 0 ? scene.taken : 0;
}

static int64_t call_write(void)
{
    return weft_stream_write(scene.stream, "xy", 2, NULL);
}

static int64_t call_read(void)
{
    char byte;

    return weft_stream_read(scene.stream, &byte, 1, 0);
}

static int64_t call_close(void)
{
    int error = weft_close(scene.here);

    scene.here = -1;
    return error;
}

static int64_t call_fsync(void)
{
    return weft_fsync(scene.file);
}

static int64_t call_pwrite(void)
{
    return weft_pwrite(scene.file, "x", 1, 0);
}

static int64_t call_file_read(void)
{
    char byte;

    return weft_file_read(scene.object, &byte, 1);
}

static int64_t call_rename(void)
{
    return weft_renameat(scene.from, "a", scene.to, "a");
}

static int64_t call_rename_of_nothing(void)
{
    return weft_renameat(scene.from, "none", scene.to, "a");
}

static __attribute__((noinline)) void dirty(void)
{
    volatile unsigned char junk[3000];
    for (unsigned i = 0; i < sizeof junk; i++)
        junk[i] = i % 8 == 4; /* an id; no cancel asked */
}

static int64_t call_rename_from_cwd(void)
{
    dirty();
    return weft_renameat(AT_FDCWD, "/tmp/a", scene.to, "a");
}

static int64_t call_poll(void)
{
    return weft_poll(scene.here, POLLIN);
}

/* The word is another by now. */
static int64_t call_futex(void)
{
    static const uint32_t word = 1;

    return weft_futex_wait(&word, 0, FUTEX_PRIVATE_FLAG);
}

static int64_t call_waitid(void)
{
    return weft_waitid(P_ALL, 0, NULL, WEXITED);
}

static int64_t call_splice(void)
{
    off_t at = 0;

    return weft_splice(scene.pipe[0], NULL, scene.file, &at, 1, 0);
}

/* Waits for either end to be ready; whichever of the two is closed, it is over. */
static int64_t call_splice_later(void)
{
    return weft_splice(scene.empty[0], NULL, scene.pipe[1], NULL, 1, 0);
}

static void fill_empty(void)
{
    ck_assert_int_eq(weft_write(scene.empty[1], "x", 1), 1);
}

static void close_empty(void)
{
    ok(weft_close(scene.empty[0]));
    scene.empty[0] = -1;
}

static void close_pipe(void)
{
    ok(weft_close(scene.pipe[1]));
    scene.pipe[1] = -1;
}

static int64_t call_sendfile(void)
{
    off_t at = 0;

    return weft_sendfile(scene.pipe[1], scene.file, &at, 1);
}

static void close_quick(void)
{
    ok(weft_stream_close(scene.quick));
    scene.quick = NULL;
}

static int seen;

static void on_ready(int fd, int events, void *arg)
{
    (void)fd;
    (void)arg;
    seen = events;
}

/* Not the call waits for room, but who is to be called; without memory he is told that. */
static int64_t call_watch(void)
{
    int error = weft_add_reader(scene.here, on_ready, NULL);

    seen = 0;
    while (error == 0 && seen == 0 && scene.here >= 0) {
        error = weft_sleep(1000);
        if (error == 0 && seen == -ENOMEM) {
            seen = 0;
            error = weft_add_reader(scene.here, on_ready, NULL);
        }
    }
    if (scene.here < 0)
        return -ECANCELED;
    (void)weft_remove_reader(scene.here);
    return error < 0 ? error : seen;
}

static void close_file(void)
{
    ok(weft_close(scene.file));
    scene.file = -1;
}

static void close_object(void)
{
    ok(weft_file_close(scene.object));
    scene.object = NULL;
}

static void close_to(void)
{
    ok(weft_close(scene.to));
    scene.to = -1;
}

static void close_here(void)
{
    ok(weft_close(scene.here));
    scene.here = -1;
}

static void close_fresh(void)
{
    ok(weft_close(scene.fresh));
    scene.fresh = -1;
}

static void close_listener(void)
{
    ok(weft_close(scene.listener));
    scene.listener = -1;
}

static void close_stream(void)
{
    ok(weft_stream_close(scene.stream));
    scene.stream = NULL;
}

/* What lets the call end that has room at last. */
static void send_there(void)
{
    ck_assert_int_eq(weft_send_all(scene.there, "xy", 2, NULL), 2);
}

static void send_to_stream(void)
{
    ck_assert_int_eq(weft_send_all(scene.peer, "x", 1, NULL), 1);
}

static void connect_fresh(void)
{
    ok(weft_connect(scene.fresh, (struct sockaddr *)&scene.address, sizeof scene.address));
}

static void nothing(void)
{
}

enum { TRIES_AGAIN = 1 }; /* without memory: by itself, and the caller waits */
static const struct act {
    int64_t (*call)(void);
    void (*help)(void);
    void (*close)(void); /* NULL: nothing that could be closed under it */
    int64_t result;      /* in the end */
    int64_t cancelled;
    int64_t without_memory;
    uint64_t allocations; /* before it asks for a request */
    int *fd; /* may be closed behind it, and given to another; NULL: see no_room_lost */
} acts[] = {
    {call_recv, send_there, close_here, 1, -ECANCELED, -ENOMEM, 0, &scene.here},
    {call_recv_all, send_there, close_here, 2, -ECANCELED, -ENOMEM, 0, &scene.here},
    {call_send, nothing, close_here, 1, -ECANCELED, -ENOMEM, 0, &scene.here},
    {call_send_all, nothing, close_here, 2, -ECANCELED, -ENOMEM, 0, &scene.here},
    {call_recvmsg, send_there, close_here, 1, -ECANCELED, -ENOMEM, 0, &scene.here},
    {call_sendmsg, nothing, close_here, 1, -ECANCELED, -ENOMEM, 0, &scene.here},
    {call_connect, nothing, close_fresh, 0, -ECANCELED, -ENOMEM, 0, &scene.fresh},
    {call_accept, connect_fresh, close_listener, 0, -ECANCELED, TRIES_AGAIN, 2, NULL},
    {call_write, nothing, close_stream, 2, -ECANCELED, -ENOMEM, 0, NULL},
    {call_read, send_to_stream, close_stream, 1, -ECANCELED, TRIES_AGAIN, 0, NULL},
    {call_fsync, nothing, close_file, 0, -ECANCELED, -ENOMEM, 0, &scene.file},
    {call_pwrite, nothing, close_file, 1, -ECANCELED, -ENOMEM, 0, &scene.file},
    {call_file_read, nothing, close_object, 1, -ECANCELED, -ENOMEM, 2, NULL},
    {call_rename, nothing, close_to, 0, -ECANCELED, -ENOMEM, 0, &scene.to},
    {call_rename_of_nothing, nothing, close_to, -ENOENT, -ECANCELED, -ENOMEM, 0, &scene.from},
    {call_rename_from_cwd, nothing, close_to, 0, -ECANCELED, -ENOMEM, 0, &scene.to},
    {call_poll, send_there, close_here, POLLIN, -ECANCELED, -ENOMEM, 0, &scene.here},
    {call_splice, nothing, close_file, 1, -ECANCELED, -ENOMEM, 0, &scene.file},
    {call_splice_later, fill_empty, close_empty, 1, -ECANCELED, -ENOMEM, 0, &scene.empty[0]},
    {call_splice_later, fill_empty, close_pipe, 1, -ECANCELED, -ENOMEM, 0, &scene.pipe[1]},
    {call_sendfile, nothing, close_pipe, 1, -ECANCELED, -ENOMEM, 0, &scene.pipe[1]},
    {call_sendfile, nothing, close_file, 1, -ECANCELED, -ENOMEM, 0, &scene.file},
    {call_stream_splice, send_to_quick, close_quick, 1, -ECANCELED, -ENOMEM, 0, NULL},
    {call_watch, send_there, close_here, POLLIN, -ECANCELED, TRIES_AGAIN, 2, NULL},
    {call_futex, nothing, NULL, -EAGAIN, -ECANCELED, -ENOMEM, 0, NULL},
    {call_waitid, nothing, NULL, -ECHILD, -ECANCELED, -ENOMEM, 0, NULL},
    {call_close, nothing, NULL, 0, 0, 0, 0, &scene.here},
};
enum { ACTS = sizeof acts / sizeof acts[0] };

/* -- each of them --------------------------------------------------------------------------------
 */

static const struct act *act;

static void end(weft_scope *scope, weft_task task, int64_t expected)
{
    ok(weft_join(task, NULL));
    ck_assert(ended);
    ck_assert_msg(result == expected, "call %d gave %lld and not %lld", (int)(act - acts),
                  (long long)result, (long long)expected);
    close_all(scope);
}

static int each(void (*fn)(weft_scope *scope))
{
    for (act = acts; act < acts + ACTS; act++) {
        weft_scope scope;
        open_scene();
        ok(weft_scope_open(&scope, NULL));
        call = act->call;
        fn(&scope);
    }
    return 0;
}

static void wait_for_room(weft_scope *scope)
{
    weft_task task = begin_without_room(scope);

    act->help();
    end(scope, task, act->result);
}

static void cancel_meanwhile(weft_scope *scope)
{
    weft_task task = begin_without_room(scope);

    ok(weft_cancel(task));
    end(scope, task, act->cancelled);
}

static void close_meanwhile(weft_scope *scope)
{
    weft_task task = begin_without_room(scope);

    if (act->close)
        act->close();
    end(scope, task, act->close ? -ECANCELED : act->result);
}

/* Nothing is asked of who has the number then. */
static void lose_meanwhile(weft_scope *scope)
{
    weft_task task;

    if (!act->fd) {
        close_all(scope);
        return;
    }
    task = begin_without_room(scope);
    lose(*act->fd);
    *act->fd = -1;
    while (!ended)
        ok(weft_yield());
    ck_assert_int_ge(weft__host_fcntl(scene.taken, F_GETFD, 0),
                     0); /* nobody closed what is another's */
    close_lower();
    end(scope, task, -EBADF);
}

static void lack_memory(weft_scope *scope)
{
    weft_task task = begin_without_memory(scope, act->allocations);

    ck_assert_int_eq(ended, act->without_memory != TRIES_AGAIN);
    if (!ended)
        act->help();
    end(scope, task, ended ? act->without_memory : act->result);
}

#define CASE(name, fn)                                                                             \
    static int name##_main(void *arg)                                                              \
    {                                                                                              \
        (void)arg;                                                                                 \
        return each(fn);                                                                           \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        run(name##_main);                                                                          \
    }

CASE(room_comes, wait_for_room)
CASE(cancelled_before_there_is_room, cancel_meanwhile)
CASE(closed_before_there_is_room, close_meanwhile)
CASE(lost_before_there_is_room, lose_meanwhile)
CASE(no_memory_for_a_request, lack_memory)

TEST_MAIN("sim/no_room", 30, room_comes, cancelled_before_there_is_room,
          closed_before_there_is_room, lost_before_there_is_room, no_memory_for_a_request)
