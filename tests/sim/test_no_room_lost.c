/*
 * A stream that waits for room while its number becomes another's: nothing is sent to who has it
 * then, and nothing of what comes for him is read.
 */
#include "no_room.h"

static int released;

static void release(void *arg)
{
    (void)arg;
    released++;
}

static int64_t call_write(void)
{
    return weft_stream_write(scene.stream, "xy", 2, NULL);
}

static int64_t call_write_give(void)
{
    static const char bytes[] = "xy";

    return weft_stream_write_give(scene.stream, bytes, 2, NULL, release, NULL);
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
    close_all(scope);
}

static int lost_main(void *arg)
{
    static int64_t (*const givers[])(void) = {call_write, call_write_give};

    (void)arg;
    for (int i = 0; i < 2; i++) {
        weft_scope scope;
        open_scene();
        ok(weft_scope_open(&scope, NULL));
        call = givers[i];
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
    weft_scope scope;
    weft_task task;
    int peer;

    (void)arg;
    open_scene();
    ok(weft_scope_open(&scope, NULL));
    call = call_read_much;
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
    close_all(&scope);
    return 0;
}

TEST(read_from_another_before_there_is_room)
{
    run(robbed_main);
}

TEST(anothers_before_there_is_room)
{
    struct world world = {.plan = "calm net.latency=0",
                          .task = lost_main,
                          .run = {.ring_entries = 1, .zero_copy_min = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

TEST_MAIN("sim/no_room_lost", 30, anothers_before_there_is_room,
          read_from_another_before_there_is_room)
