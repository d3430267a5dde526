/*
 * What the debugger is to find: on two reactors, tasks with names, each parked in another kind of
 * wait below functions of its own; and one that runs, in `running_leaf`, where gdb stops it once
 * all the others have parked. With the argument `hold` that one says "parked" and waits instead.
 *
 * The functions do something after each call, so that none of them is a jump in disguise.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/weft.h>

#define NOINLINE __attribute__((noinline, noclone))

static const int64_t LONG_NS = INT64_C(3600) * 1000000000;
static volatile int after;
static atomic_int watchers;
static bool holds;

/* -- parked ones ---------------------------------------------------------------------------- */

NOINLINE static int receive_for_ever(void *arg)
{
    int fd = *(int *)arg;
    char bytes[64];
    int result = (int)weft_recv(fd, bytes, sizeof bytes, 0);

    after = result;
    weft_close(fd);
    return result == -ECANCELED ? 0 : result;
}

NOINLINE static int sleep_long(void *arg)
{
    int result = weft_sleep(LONG_NS);

    (void)arg;
    after = result;
    return 0;
}

NOINLINE static int join_sleeper(void *arg)
{
    int result = weft_join(*(weft_task *)arg, NULL);

    after = result;
    return 0;
}

NOINLINE static int hold_scope(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "child"};

    WEFT_SCOPE(family) {
        after = weft_spawn(&family, sleep_long, arg, 0, &opt);
    }
    after = 1;
    return 0;
}

NOINLINE static int nested_inner(int depth)
{
    int result = weft_sleep(LONG_NS);

    after = depth;
    return result;
}

NOINLINE static int nested_middle(int depth)
{
    int result = nested_inner(depth + 1);

    after = depth;
    return result;
}

NOINLINE static int nested_outer(void *arg)
{
    volatile char room[10000]; /* so that the stack in use is several pages */
    int result;

    (void)arg;
    room[0] = 1;
    result = nested_middle(40);
    after = result + room[0];
    return 0;
}

/* -- the one that runs ---------------------------------------------------------------------- */

/* Keeps something in as many registers as a call leaves alone. */
NOINLINE static int running_leaf(int depth)
{
    long a = 0xa1, b = 0xb2, c = 0xc3, d = 0xd4, e = 0xe5, f = depth;
    int result;

    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    result = weft_yield();
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    after = (int)(a + b + c + d + e + f);
    return result;
}

NOINLINE static int never_started(void *arg)
{
    (void)arg;
    return 0;
}

NOINLINE static int running_middle(int depth)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "newborn"};
    int result = weft_create_task(never_started, NULL, 0, &opt);

    if (result == 0)
        result = running_leaf(depth + 1);
    after = depth;
    return result;
}

static int count_unparked(const struct weft_task_info *info, void *count)
{
    if (strcmp(info->waits_for, "ready") == 0)
        ++*(int *)count;
    return 0;
}

/* Until everybody else on this reactor is parked. */
static void let_them_park(void)
{
    int unparked;

    do {
        (void)weft_sleep(1000000);
        unparked = 0;
        (void)weft_tasks_each(count_unparked, &unparked);
    } while (unparked > 0);
}

NOINLINE static int watch_the_other(void *arg)
{
    let_them_park();
    atomic_fetch_add(&watchers, 1);
    after = sleep_long(arg);
    return 0;
}

NOINLINE static int running_outer(void *arg)
{
    int result;

    while (atomic_load(&watchers) == 0)
        (void)weft_sleep(1000000);
    let_them_park();
    if (holds) {
        puts("parked");
        fflush(stdout);
        after = sleep_long(arg);
        return 0;
    }
    result = running_middle(1);
    after = result;
    return -ESHUTDOWN; /* ends the scope, and with it everybody */
}

/* -- starting them -------------------------------------------------------------------------- */

static int spawned(int error)
{
    if (error < 0)
        fprintf(stderr, "parked: spawn: %s\n", strerror(-error));
    return error;
}

static int start(weft_scope *scope, const char *name, int reactor, weft_task_fn fn, const void *arg,
                 size_t size)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = name, .reactor = WEFT_ON(reactor)};

    return spawned(weft_spawn(scope, fn, arg, size, &opt));
}

static int start_all(weft_scope *scope, int fds[2])
{
    weft_task sleeper;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "sleeper", .task = &sleeper};

    if (spawned(weft_spawn(scope, sleep_long, NULL, 0, &opt)) < 0 ||
        start(scope, "receiver", 0, receive_for_ever, &fds[0], sizeof fds[0]) < 0 ||
        start(scope, "joiner", 0, join_sleeper, &sleeper, sizeof sleeper) < 0 ||
        start(scope, "closer", 0, hold_scope, NULL, 0) < 0 ||
        start(scope, "nested", 0, nested_outer, NULL, 0) < 0 ||
        start(scope, "far nested", 1, nested_outer, NULL, 0) < 0 ||
        start(scope, "far receiver", 1, receive_for_ever, &fds[1], sizeof fds[1]) < 0 ||
        start(scope, "watcher", 1, watch_the_other, NULL, 0) < 0 ||
        start(scope, "runner", 0, running_outer, NULL, 0) < 0)
        return -1;
    return 0;
}

static int everybody(void *arg)
{
    int fds[2];

    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    WEFT_SCOPE(all) {
        if (start_all(&all, fds) < 0)
            return 1;
        if (weft_scope_close(&all) != -ESHUTDOWN && !holds)
            return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 2,
                               .stop_on_sigterm = true,
                               .drain_ns = 1};
    int result;

    holds = argc > 1 && strcmp(argv[1], "hold") == 0;
    result = weft_run(everybody, NULL, 0, &opt);
    if (result != 0)
        fprintf(stderr, "parked: weft_run: %d\n", result);
    return result != 0;
}
