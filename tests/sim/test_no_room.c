/*
 * A call that finds no request to be had, or no memory to note one in: the ring's queue has a
 * single place, which another task has taken, and the kernel takes nothing until told.
 *
 * Who waits for room so may be cancelled, or may find his descriptor closed when there is some at
 * last: then nothing may be asked of the kernel any more. Would catch a request that is made all
 * the same, an end that is waited for and never comes, a close that gives up, and want of memory
 * that is told as anything else.
 */
#include "simulate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "reactor/reactor.h"
#include "ring/host.h"

static bool no_room;

/* The linker leads the library's calls here; it asks when the queue is full. */
struct weft__sqe *__real_weft__ring_take_slow(struct weft__ring *ring);
struct weft__sqe *__wrap_weft__ring_take_slow(struct weft__ring *ring);
struct weft__sqe *__wrap_weft__ring_take_slow(struct weft__ring *ring)
{
    return no_room ? NULL : __real_weft__ring_take_slow(ring);
}

static bool cannot_splice;  /* as if it stood before a byte that was sent out of band, */
static int64_t splice_says; /* and this */

int64_t __real_weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags);
int64_t __wrap_weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags);
int64_t __wrap_weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags)
{
    return cannot_splice ? splice_says : __real_weft__host_splice(fd_in, fd_out, size, flags);
}

/* What a call finds: a connection, one more for a stream, and a listener to connect to. */
static struct scene {
    int listener, here, there, fresh, quiet[2];
    struct sockaddr_in address;
    weft_stream *stream;
    int peer;           /* of the stream */
    weft_stream *quick; /* of which nothing is armed */
    int quick_peer;
    int taken;
    int file, from, to; /* a file, and two folders */
    int pipe[2];        /* with a byte in it */
    int empty[2];       /* one without */
    weft_file *object;  /* of the file, opened once more */
} scene;

static int connect_and_take(int *there)
{
    int here = weft_socket(AF_INET, SOCK_STREAM, 0);

    ok(here);
    ok(weft_connect(here, (struct sockaddr *)&scene.address, sizeof scene.address));
    *there = weft_accept(scene.listener, NULL, NULL, 0);
    ok(*there);
    return here;
}

static int open_listener(void)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);

    ok(listener);
    scene.address.sin_family = AF_INET;
    scene.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    scene.address.sin_port = htons((uint16_t)weft_local_port(listener));
    return listener;
}

/* Back to where it comes from. */
static int64_t call_stream_splice(void)
{
    return weft_stream_splice(scene.quick, scene.quick, 1, 0);
}

static int splices(void *arg)
{
    (void)arg;
    return (int)call_stream_splice();
}

static void send_to_quick(void)
{
    ck_assert_int_eq(weft_send_all(scene.quick_peer, "x", 1, NULL), 1);
}

/* The armed receive ends when a splice begins to wait, and none is armed afterwards. */
static void open_quick(void)
{
    int fd = connect_and_take(&scene.quick_peer);
    char byte;

    ok(weft_stream_open(fd, NULL, &scene.quick));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, splices, NULL, 0, NULL));
        ok(weft_sleep(1000000));
        send_to_quick();
    }
    ck_assert_int_eq(weft_recv_exactly(scene.quick_peer, &byte, 1, NULL), 1);
}

static void open_scene(void)
{
    int fd;

    memset(&scene, 0, sizeof scene);
    scene.taken = -1;
    scene.listener = open_listener();
    scene.here = connect_and_take(&scene.there);
    scene.quiet[0] = connect_and_take(&scene.quiet[1]);
    fd = connect_and_take(&scene.peer);
    ok(weft_stream_open(fd, NULL, &scene.stream));
    open_quick();
    ok(weft_close(scene.listener));
    scene.listener = open_listener(); /* nothing is armed at it */
    scene.fresh = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(scene.fresh);
    scene.file = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    scene.from = weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    scene.to = weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    ok(scene.file);
    ok(scene.from);
    ok(scene.to);
    ok(weft_pwrite(scene.file, "x", 1, 0));
    ok(weft_pipe(scene.pipe, 0));
    ok(weft_write(scene.pipe[1], "x", 1));
    ok(weft_pipe(scene.empty, 0));
    ok(weft_file_open("/tmp/a", O_RDONLY, 0, NULL, &scene.object));
}

/* What the call or the case has closed is closed already. */
static void close_scene(void)
{
    int fds[] = {scene.listener, scene.here,     scene.there,    scene.fresh,
                 scene.quiet[0], scene.quiet[1], scene.peer,     scene.taken,
                 scene.file,     scene.from,     scene.to,       scene.pipe[0],
                 scene.pipe[1],  scene.empty[0], scene.empty[1], scene.quick_peer};

    if (scene.stream)
        ok(weft_stream_close(scene.stream));
    if (scene.quick)
        ok(weft_stream_close(scene.quick));
    ok(weft_file_close(scene.object));
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        (void)weft_close(fds[i]);
}

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
    int result = weft_close(scene.here);

    scene.here = -1;
    return result;
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
} acts[] = {
    {call_recv, send_there, close_here, 1, -ECANCELED, -ENOMEM, 0},
    {call_recv_all, send_there, close_here, 2, -ECANCELED, -ENOMEM, 0},
    {call_send, nothing, close_here, 1, -ECANCELED, -ENOMEM, 0},
    {call_send_all, nothing, close_here, 2, -ECANCELED, -ENOMEM, 0},
    {call_recvmsg, send_there, close_here, 1, -ECANCELED, -ENOMEM, 0},
    {call_sendmsg, nothing, close_here, 1, -ECANCELED, -ENOMEM, 0},
    {call_connect, nothing, close_fresh, 0, -ECANCELED, -ENOMEM, 0},
    {call_accept, connect_fresh, close_listener, 0, -ECANCELED, TRIES_AGAIN, 2},
    {call_write, nothing, close_stream, 2, -ECANCELED, -ENOMEM, 0},
    {call_read, send_to_stream, close_stream, 1, -ECANCELED, TRIES_AGAIN, 0},
    {call_fsync, nothing, close_file, 0, -ECANCELED, -ENOMEM, 0},
    {call_pwrite, nothing, close_file, 1, -ECANCELED, -ENOMEM, 0},
    {call_file_read, nothing, close_object, 1, -ECANCELED, -ENOMEM, 2},
    {call_rename, nothing, close_to, 0, -ECANCELED, -ENOMEM, 0},
    {call_rename_of_nothing, nothing, close_to, -ENOENT, -ECANCELED, -ENOMEM, 0},
    {call_poll, send_there, close_here, POLLIN, -ECANCELED, -ENOMEM, 0},
    {call_splice, nothing, close_file, 1, -ECANCELED, -ENOMEM, 0},
    {call_splice_later, fill_empty, close_empty, 1, -ECANCELED, -ENOMEM, 0},
    {call_splice_later, fill_empty, close_pipe, 1, -ECANCELED, -ENOMEM, 0},
    {call_sendfile, nothing, close_pipe, 1, -ECANCELED, -ENOMEM, 0},
    {call_sendfile, nothing, close_file, 1, -ECANCELED, -ENOMEM, 0},
    {call_stream_splice, send_to_quick, close_quick, 1, -ECANCELED, -ENOMEM, 0},
    {call_watch, send_there, close_here, POLLIN, -ECANCELED, TRIES_AGAIN, 2},
    {call_futex, nothing, NULL, -EAGAIN, -ECANCELED, -ENOMEM, 0},
    {call_waitid, nothing, NULL, -ECHILD, -ECANCELED, -ENOMEM, 0},
    {call_close, nothing, NULL, 0, 0, 0, 0},
};
enum { ACTS = sizeof acts / sizeof acts[0] };

/* -- one attempt ---------------------------------------------------------------------------------
 */

static const struct act *act;
static bool ended;
static int64_t result;

/* Takes the only place of the queue. */
static int fill(void *arg)
{
    char byte;

    (void)arg;
    return (int)weft_recv(scene.quiet[0], &byte, 1, 0);
}

static int attempt(void *arg)
{
    (void)arg;
    result = act->call();
    ended = true;
    return 0;
}

static int attempt_without_memory(void *arg)
{
    weft__self->ops.free = UINT32_MAX;
    weft__alloc_fail_after(1 + act->allocations);
    return attempt(arg);
}

static weft_task begin(weft_scope *scope, weft_task_fn fn)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    ended = false;
    result = 4711;
    ok(weft_spawn(scope, fn, NULL, 0, &opt));
    return task;
}

/* The call has found no room, and its task has given way. */
static weft_task begin_without_room(weft_scope *scope)
{
    weft_task task;

    ok(weft_spawn(scope, fill, NULL, 0, NULL));
    task = begin(scope, attempt);
    no_room = true;
    ok(weft_yield());
    ck_assert(!ended);
    no_room = false;
    return task;
}

static void end(weft_scope *scope, weft_task task, int64_t expected)
{
    ok(weft_join(task, NULL));
    ck_assert(ended);
    ck_assert_msg(result == expected, "call %d gave %lld and not %lld", (int)(act - acts),
                  (long long)result, (long long)expected);
    ok(weft_scope_cancel(scope));
    ok(weft_scope_close(scope));
    close_scene();
}

static int each(void (*fn)(weft_scope *scope))
{
    for (act = acts; act < acts + ACTS; act++) {
        weft_scope scope;
        open_scene();
        ok(weft_scope_open(&scope, NULL));
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

static void lack_memory(weft_scope *scope)
{
    uint32_t free_slots = weft__self->ops.free;
    weft_task task = begin(scope, attempt_without_memory);

    ok(weft_yield());
    weft__self->ops.free = free_slots;
    weft__alloc_fail_after(0);
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
        struct world world = {.plan = "calm net.latency=0",                                        \
                              .task = name##_main,                                                 \
                              .run = {.ring_entries = 1}};                                         \
        ck_assert_int_eq(world_run(&world), 0);                                                    \
    }

/* -- watchers and processes ----------------------------------------------------------------------
 */

static void never(int fd, int events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
    ck_abort_msg("called though nothing came");
}

/* No memory for its place among what is ready, which it has before it is armed. */
static int no_place_main(void *arg)
{
    struct weft__ready *ready = &weft__self->ready;
    uint32_t reserved;
    int fds[2];

    (void)arg;
    ok(weft_pipe(fds, 0));
    reserved = ready->reserved;
    ready->reserved = ready->mask + 1; /* the next needs more room */
    weft__alloc_fail_after(3);
    ck_assert_int_eq(weft_add_reader(fds[0], never, NULL), -ENOMEM);
    weft__alloc_fail_after(0);
    ready->reserved = reserved;
    ck_assert_int_eq(weft_remove_reader(fds[0]), 0);
    ok(weft_close(fds[0]));
    return weft_close(fds[1]);
}

TEST(no_place_for_a_watcher)
{
    struct world world = {.plan = "calm", .task = no_place_main};

    ck_assert_int_eq(world_run(&world), 0);
}

/* The second of them finds no room, and is to try again in a turn that never comes. */
static int leaves_watchers(void *arg)
{
    int *fds = arg;

    ok(weft_pipe(fds, 0));
    ok(weft_pipe(fds + 2, 0));
    no_room = true;
    ok(weft_add_reader(fds[0], never, NULL));
    ok(weft_add_reader(fds[2], never, NULL));
    return 0;
}

static int loop_that_ends(void *arg)
{
    const struct weft_run_opt opt = {.size = sizeof opt, .ring_entries = 1};
    weft_loop *loop;
    int fds[4];

    (void)arg;
    ok(weft_loop_new(&loop, &opt));
    ok(weft_loop_run(loop, leaves_watchers, fds, 0));
    no_room = false;
    ok(weft_loop_close(loop));
    for (int i = 0; i < 4; i++)
        weft__host_close(fds[i]);
    return 0;
}

TEST(dropped_before_there_is_room)
{
    struct world world = {.plan = "calm"};

    ck_assert_int_eq(world_run_fn(&world, loop_that_ends, NULL), 0);
}

static int sleeps(weft_sim_process *process, int argc, char **argv)
{
    (void)argc, (void)argv;
    return weft_sim_process_sleep(process, INT64_MAX) < 0;
}

static bool started;

/* Takes the only place of the queue, in every turn. */
static int keeps_it_full(void *arg)
{
    (void)arg;
    while (!started) {
        ok(weft_add_reader(scene.quiet[0], never, NULL));
        ok(weft_yield());
        ck_assert_int_eq(weft_remove_reader(scene.quiet[0]), 1);
    }
    return 0;
}

/* Closed before its keeper could ask the kernel for its end. */
static int process_main(void *arg)
{
    const char *const arguments[] = {"/bin/sleeps", NULL};
    weft_process *process;

    (void)arg;
    open_scene();
    ok(weft_sim_program("/bin/sleeps", sleeps));
    started = false;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, keeps_it_full, NULL, 0, NULL));
        no_room = true;
        ok(weft_create_subprocess_exec(arguments, NULL, &process));
        no_room = false;
        started = true;
        ok(weft_process_close(process));
        ck_assert_uint_eq(weft_sim_processes(), 0);
    }
    close_scene();
    return 0;
}

/* And cancelled, when there is none so far: it is ended all the same. */
static int cancelled_process_main(void *arg)
{
    const char *const arguments[] = {"/bin/sleeps", NULL};
    weft_process *process;

    (void)arg;
    open_scene();
    ok(weft_sim_program("/bin/sleeps", sleeps));
    started = false;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, keeps_it_full, NULL, 0, NULL));
        WEFT_SCOPE(inner) {
            no_room = true;
            ok(weft_create_subprocess_exec(arguments, NULL, &process));
            no_room = false;
            started = true;
            ok(weft_scope_cancel(&inner));
            ok(weft_process_close(process));
        }
        ck_assert_uint_eq(weft_sim_processes(), 0);
    }
    close_scene();
    return 0;
}

TEST(process_cancelled_before_there_is_room)
{
    struct world world = {.plan = "calm net.latency=0",
                          .task = cancelled_process_main,
                          .run = {.ring_entries = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

TEST(process_closed_before_there_is_room)
{
    struct world world = {.plan = "calm net.latency=0",
                          .task = process_main,
                          .run = {.ring_entries = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

/* -- a number that is another's by the time ------------------------------------------------------
 */

static int released;

static void release(void *arg)
{
    (void)arg;
    released++;
}

static int64_t call_write_give(void)
{
    static const char bytes[] = "xy";

    return weft_stream_write_give(scene.stream, bytes, 2, NULL, release, NULL);
}

static int lower[4], lower_count;

/* Closed behind whoever has it, and given to the next who asks, without giving way. */
static void lose(int fd)
{
    ck_assert_int_eq(weft__host_close(fd), 0);
    for (lower_count = 0;; lower_count++) {
        ck_assert_int_lt(lower_count, 4);
        lower[lower_count] = weft_socket_nowait(AF_INET, SOCK_STREAM, 0);
        ok(lower[lower_count]);
        if (lower[lower_count] == fd)
            break;
    }
    scene.taken = fd;
}

static void close_lower(void)
{
    while (lower_count > 0)
        ok(weft_close(lower[--lower_count]));
}

static void lose_meanwhile(weft_scope *scope)
{
    weft_task task = begin_without_room(scope);

    lose(weft_stream_fd(scene.stream));
    while (!ended)
        ok(weft_yield());
    close_lower();
    ck_assert_int_eq(weft_stream_close(scene.stream), -EBADF);
    scene.stream = NULL;
    ck_assert_int_eq(result, -EBADF);
    ok(weft_join(task, NULL));
    ok(weft_scope_cancel(scope));
    ok(weft_scope_close(scope));
    close_scene();
}

static int lost_main(void *arg)
{
    static const struct act givers[] = {{.call = call_write}, {.call = call_write_give}};

    (void)arg;
    for (act = givers; act < givers + 2; act++) {
        weft_scope scope;
        open_scene();
        ok(weft_scope_open(&scope, NULL));
        lose_meanwhile(&scope);
    }
    ck_assert_int_eq(released, 1);
    return 0;
}

static int64_t call_read_much(void)
{
    static char much[1 << 16];

    return weft_stream_read(scene.quick, much, sizeof much, 0);
}

/* What comes for who has the number by then is not the stream's. */
static int robbed_main(void *arg)
{
    static const struct act reader = {.call = call_read_much};
    weft_scope scope;
    weft_task task;
    int peer;

    (void)arg;
    open_scene();
    ok(weft_scope_open(&scope, NULL));
    act = &reader;
    task = begin_without_room(&scope);
    lose(weft_stream_fd(scene.quick));
    ck_assert_int_eq(weft_connect_nowait(scene.taken, (struct sockaddr *)&scene.address,
                                         sizeof scene.address),
                     -EINPROGRESS);
    peer = weft_accept(scene.listener, NULL, NULL, 0);
    ok(peer);
    ck_assert_int_eq(weft_send_all(peer, "x", 1, NULL), 1);
    ok(weft_join(task, NULL));
    ck_assert_int_eq(result, -EBADF);
    ck_assert_int_eq(weft_stream_close(scene.quick), -EBADF);
    scene.quick = NULL;
    close_lower();
    ok(weft_close(peer));
    ok(weft_scope_cancel(&scope));
    ok(weft_scope_close(&scope));
    close_scene();
    return 0;
}

TEST(read_from_another_before_there_is_room)
{
    struct world world = {.plan = "calm net.latency=0",
                          .task = robbed_main,
                          .run = {.ring_entries = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

TEST(anothers_before_there_is_room)
{
    struct world world = {.plan = "calm net.latency=0",
                          .task = lost_main,
                          .run = {.ring_entries = 1, .zero_copy_min = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

/* -- a byte that is moved by a receive and a write -------------------------------------------- */

static int64_t call_byte(void)
{
    return weft_splice(scene.here, NULL, scene.empty[1], NULL, 1, SPLICE_F_NONBLOCK);
}

static void close_empty_writer(void)
{
    ok(weft_close(scene.empty[1]));
    scene.empty[1] = -1;
}

enum way { ROOM_COMES, CANCELLED, CLOSED, NO_MEMORY, WAYS };

static weft_task begin_byte(weft_scope *scope, enum way way)
{
    uint32_t free_slots = weft__self->ops.free;
    weft_task task;

    if (way != NO_MEMORY)
        return begin_without_room(scope);
    task = begin(scope, attempt_without_memory);
    ok(weft_yield());
    weft__self->ops.free = free_slots;
    weft__alloc_fail_after(0);
    return task;
}

/* It is not taken before there is a request that puts it into the pipe. */
static void expect_byte(enum way way)
{
    char bytes[4] = "";

    if (way == ROOM_COMES)
        ck_assert_int_eq(weft_read(scene.empty[0], bytes, 2), 1);
    ok(weft_recv(scene.here, bytes + strlen(bytes), 2, 0));
    ck_assert_str_eq(bytes, "ab");
}

static int byte_main(void *arg)
{
    static const struct act taker = {.call = call_byte};
    static const int64_t results[WAYS] = {1, -ECANCELED, -ECANCELED, -ENOMEM};

    (void)arg;
    for (enum way way = 0; way < WAYS; way++) {
        weft_scope scope;
        weft_task task;
        open_scene();
        ok(weft_scope_open(&scope, NULL));
        ck_assert_int_eq(weft_send_all(scene.there, "ab", 2, NULL), 2);
        ok(weft_poll(scene.here, POLLIN));
        act = &taker;
        cannot_splice = true;
        splice_says = -EAGAIN;
        task = begin_byte(&scope, way);
        if (way == CANCELLED)
            ok(weft_cancel(task));
        if (way == CLOSED)
            close_empty_writer();
        ok(weft_join(task, NULL));
        cannot_splice = false;
        ck_assert_msg(result == results[way], "%d gave %lld", (int)way, (long long)result);
        expect_byte(way);
        ok(weft_scope_cancel(&scope));
        ok(weft_scope_close(&scope));
        close_scene();
    }
    return 0;
}

/* A stream that is looked at needs none: no other has the number by the time. */
static int look_main(void *arg)
{
    static const struct act looker = {.call = call_stream_splice};
    weft_scope scope;
    char byte;

    (void)arg;
    open_scene();
    ok(weft_scope_open(&scope, NULL));
    send_to_quick();
    ok(weft_sleep(1000000));
    act = &looker;
    cannot_splice = true;
    splice_says = 0;
    ok(weft_spawn(&scope, fill, NULL, 0, NULL));
    (void)begin(&scope, attempt);
    no_room = true;
    ok(weft_yield());
    no_room = cannot_splice = false;
    ck_assert(ended);
    ck_assert_int_eq(result, 1);
    ck_assert_int_eq(weft_recv_exactly(scene.quick_peer, &byte, 1, NULL), 1);
    ok(weft_scope_cancel(&scope));
    ok(weft_scope_close(&scope));
    close_scene();
    return 0;
}

TEST(looked_at_without_room)
{
    struct world world = {.plan = "calm net.latency=0",
                          .task = look_main,
                          .run = {.ring_entries = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

TEST(byte_that_is_put_into_a_pipe)
{
    struct world world = {.plan = "calm net.latency=0",
                          .task = byte_main,
                          .run = {.ring_entries = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

CASE(room_comes, wait_for_room)
CASE(cancelled_before_there_is_room, cancel_meanwhile)
CASE(closed_before_there_is_room, close_meanwhile)
CASE(no_memory_for_a_request, lack_memory)

TEST_MAIN("sim/no_room", 30, room_comes, cancelled_before_there_is_room,
          closed_before_there_is_room, no_memory_for_a_request, no_place_for_a_watcher,
          dropped_before_there_is_room, process_closed_before_there_is_room,
          process_cancelled_before_there_is_room, anothers_before_there_is_room,
          read_from_another_before_there_is_room, byte_that_is_put_into_a_pipe,
          looked_at_without_room)
