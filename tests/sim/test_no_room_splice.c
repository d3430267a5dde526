/*
 * What cannot be spliced is moved by a receive and a write, and the write may find no room. Would
 * catch a byte that is taken and lost, or put into a pipe that was closed meanwhile, and a request
 * that is made for a mere look.
 */
#include "no_room.h"

#include <limits.h>
#include <poll.h>

#include "ring/host.h"

static bool cannot_splice;  /* as if it stood before a byte that was sent out of band, */
static int64_t splice_says; /* and this */

int64_t __real_weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags);
int64_t __wrap_weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags);
int64_t __wrap_weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags)
{
    return cannot_splice ? splice_says : __real_weft__host_splice(fd_in, fd_out, size, flags);
}

static int64_t call_byte(void)
{
    return weft_splice(scene.here, NULL, scene.empty[1], NULL, 1, SPLICE_F_NONBLOCK);
}

static void close_empty_writer(void)
{
    ok(weft_close(scene.empty[1]));
    scene.empty[1] = -1;
}

enum way { ROOM_COMES, CANCELLED, CLOSED, NO_MEMORY, LOST_FROM, LOST_TO, FULL, WAYS };

/* It is not taken before there is a request that puts it into the pipe. */
static void expect_byte(enum way way)
{
    char bytes[4] = "";

    if (way == ROOM_COMES)
        ck_assert_int_eq(weft_read(scene.empty[0], bytes, 2), 1);
    ok(weft_recv(scene.here, bytes + strlen(bytes), 2, 0));
    ck_assert_str_eq(bytes, "ab");
}

/* It has just as much room as a pipe must have that is to be written to. */
static void fill_but_last(int fd)
{
    static char much[1 << 20];
    int size = weft__host_fcntl(fd, F_GETPIPE_SZ, 0);

    ck_assert_int_le(size, sizeof much);
    ck_assert_int_eq(weft_write_all(fd, much, (size_t)size - PIPE_BUF, NULL), size - PIPE_BUF);
}

static int byte_main(void *arg)
{
    static const int64_t results[WAYS] = {1,      -ECANCELED, -ECANCELED, -ENOMEM,
                                          -EBADF, -EBADF,     -EAGAIN};

    (void)arg;
    for (enum way way = 0; way < WAYS; way++) {
        weft_scope scope;
        weft_task task;
        open_scene();
        ok(weft_scope_open(&scope, NULL));
        ck_assert_int_eq(weft_send_all(scene.there, "ab", 2, NULL), 2);
        ok(weft_poll(scene.here, POLLIN));
        if (way == FULL)
            fill_but_last(scene.empty[1]);
        call = call_byte;
        cannot_splice = true;
        splice_says = -EAGAIN;
        task = way == NO_MEMORY ? begin_without_memory(&scope, 0) : begin_without_room(&scope);
        if (way == CANCELLED)
            ok(weft_cancel(task));
        if (way == CLOSED)
            close_empty_writer();
        if (way == LOST_FROM)
            lose(scene.here);
        if (way == LOST_TO)
            lose(scene.empty[1]);
        if (way == FULL) /* somebody else takes of that */
            ck_assert_int_eq(__real_weft__host_splice(scene.pipe[0], scene.empty[1], 1, 0), 1);
        ok(weft_join(task, NULL));
        cannot_splice = false;
        ck_assert_msg(result == results[way], "%d gave %lld", (int)way, (long long)result);
        if (way != LOST_FROM)
            expect_byte(way);
        close_lower();
        close_all(&scope);
    }
    return 0;
}

/* A stream that is looked at needs none: no other has the number by the time. */
static int look_main(void *arg)
{
    weft_scope scope;
    char byte;

    (void)arg;
    open_scene();
    ok(weft_scope_open(&scope, NULL));
    send_to_quick();
    ok(weft_sleep(1000000));
    call = call_stream_splice;
    cannot_splice = true;
    splice_says = 0;
    ok(weft_spawn(&scope, fill, NULL, 0, NULL));
    (void)begin(&scope, attempt, NULL);
    no_room = true;
    ok(weft_yield());
    no_room = cannot_splice = false;
    ck_assert(ended);
    ck_assert_int_eq(result, 1);
    ck_assert_int_eq(weft_recv_exactly(scene.quick_peer, &byte, 1, NULL), 1);
    close_all(&scope);
    return 0;
}

TEST(looked_at_without_room)
{
    run(look_main);
}

TEST(byte_that_is_put_into_a_pipe)
{
    run(byte_main);
}

TEST_MAIN("sim/no_room_splice", 30, byte_that_is_put_into_a_pipe, looked_at_without_room)
