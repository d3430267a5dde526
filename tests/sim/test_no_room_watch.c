/*
 * Who waits for room by himself, with no task inside of a call: watchers, and the keeper of a
 * process. Would catch one that is left behind when it is dropped or closed meanwhile, and one that
 * asks for something then.
 */
#include "no_room.h"

#include "ring/host.h"

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

static bool cancels;

/* Closed before its keeper could ask the kernel for its end, or cancelled: it is ended. */
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
        WEFT_SCOPE(inner) {
            no_room = true;
            ok(weft_create_subprocess_exec(arguments, NULL, &process));
            no_room = false;
            started = true;
            if (cancels)
                ok(weft_scope_cancel(&inner));
            ok(weft_process_close(process));
        }
        ck_assert_uint_eq(weft_sim_processes(), 0);
    }
    close_scene();
    return 0;
}

TEST(process_closed_before_there_is_room)
{
    cancels = false;
    run(process_main);
}

TEST(process_cancelled_before_there_is_room)
{
    cancels = true;
    run(process_main);
}

TEST_MAIN("sim/no_room_watch", 30, no_place_for_a_watcher, dropped_before_there_is_room,
          process_closed_before_there_is_room, process_cancelled_before_there_is_room)
