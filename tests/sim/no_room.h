/*
 * What the tests of calls that find no request to be had share: the ring's queue has a single
 * place, which another task has taken, and the kernel takes nothing until told. The linker leads
 * the library's call for more room to this file (extra.cmake).
 */
#ifndef WEFT_TESTS_SIM_NO_ROOM_H
#define WEFT_TESTS_SIM_NO_ROOM_H

#include <arpa/inet.h>
#include <fcntl.h>

#include "base/memory.h"
#include "reactor/reactor.h"
#include "ring/host.h"
#include "simulate.h"

static bool no_room;

/* It asks when the queue is full. */
struct weft__sqe *__real_weft__ring_take_slow(struct weft__ring *ring);
struct weft__sqe *__wrap_weft__ring_take_slow(struct weft__ring *ring);
struct weft__sqe *__wrap_weft__ring_take_slow(struct weft__ring *ring)
{
    return no_room ? NULL : __real_weft__ring_take_slow(ring);
}

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

static inline int connect_and_take(int *there)
{
    int here = weft_socket(AF_INET, SOCK_STREAM, 0);

    ok(here);
    ok(weft_connect(here, (struct sockaddr *)&scene.address, sizeof scene.address));
    *there = weft_accept(scene.listener, NULL, NULL, 0);
    ok(*there);
    return here;
}

static inline int open_listener(void)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);

    ok(listener);
    scene.address.sin_family = AF_INET;
    scene.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    scene.address.sin_port = htons((uint16_t)weft_local_port(listener));
    return listener;
}

/* Back to where it comes from. */
static inline int64_t call_stream_splice(void)
{
    return weft_stream_splice(scene.quick, scene.quick, 1, 0);
}

static inline int splices(void *arg)
{
    (void)arg;
    return (int)call_stream_splice();
}

static inline void send_to_quick(void)
{
    ck_assert_int_eq(weft_send_all(scene.quick_peer, "x", 1, NULL), 1);
}

/* The armed receive ends when a splice begins to wait, and none is armed afterwards. */
static inline void open_quick(void)
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

static inline void open_scene(void)
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
static inline void close_scene(void)
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

/* -- one attempt ---------------------------------------------------------------------------------
 */

static int64_t (*call)(void);
static bool ended;
static int64_t result;

/* Takes the only place of the queue. */
static inline int fill(void *arg)
{
    char byte;

    (void)arg;
    return (int)weft_recv(scene.quiet[0], &byte, 1, 0);
}

static inline int attempt(void *arg)
{
    (void)arg;
    result = call();
    ended = true;
    return 0;
}

/* Without memory to note a request in, after so many allocations that it may make before. */
static inline int attempt_without_memory(void *arg)
{
    const uint64_t *allocations = arg;

    weft__self->ops.free = UINT32_MAX;
    weft__alloc_fail_after(1 + *allocations);
    return attempt(NULL);
}

static inline weft_task begin(weft_scope *scope, weft_task_fn fn, void *arg)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    ended = false;
    result = 4711;
    ok(weft_spawn(scope, fn, arg, 0, &opt));
    return task;
}

/* The call has found no room, and its task has given way. */
static inline weft_task begin_without_room(weft_scope *scope)
{
    weft_task task;

    ok(weft_spawn(scope, fill, NULL, 0, NULL));
    task = begin(scope, attempt, NULL);
    no_room = true;
    ok(weft_yield());
    ck_assert(!ended);
    no_room = false;
    return task;
}

static inline weft_task begin_without_memory(weft_scope *scope, uint64_t allocations)
{
    uint32_t free_slots = weft__self->ops.free;
    weft_task task = begin(scope, attempt_without_memory, &allocations);

    ok(weft_yield());
    weft__self->ops.free = free_slots;
    weft__alloc_fail_after(0);
    return task;
}

static int lower[4], lower_count;

/* Closed behind whoever has it, and given to the next who asks, without giving way. */
static inline void lose(int fd)
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

static inline void close_lower(void)
{
    while (lower_count > 0)
        ok(weft_close(lower[--lower_count]));
}

static inline void close_all(weft_scope *scope)
{
    ok(weft_scope_cancel(scope));
    ok(weft_scope_close(scope));
    close_scene();
}

static inline void run(weft_task_fn task)
{
    struct world world = {.plan = "calm net.latency=0", .task = task, .run = {.ring_entries = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

#endif
