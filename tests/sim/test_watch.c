/*
 * Watches where the kernel tells late, has little room, no memory to wait with, or no power.
 * Catches a wait that ends with an error that is no reason to, a record out of its place, an
 * overflow told twice or in the wrong place, and a waiter that sleeps on beside a disk that is no
 * more.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sim/simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

static weft_watch *watch;

static void begin(void)
{
    same(weft_watch_open(&watch), 0);
    ck_assert_int_gt(weft_watch_add(watch, "/tmp", WEFT_WATCH_CREATED), 0);
}

static void make(int number)
{
    char path[24];

    snprintf(path, sizeof path, "/tmp/%d", number);
    same(weft_mkdirat(AT_FDCWD, path, 0700), 0);
}

static int makes(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        make(i);
    return 0;
}

/* In order, whatever is late. */
static int main_ordered(void *arg)
{
    struct weft_watch_event event;

    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, makes, NULL, 0, NULL), 0);
        for (int i = 0; i < 20; i++) {
            same(weft_watch_next(watch, &event, 0), 0);
            same(atoi(event.name), i);
        }
    }
    return weft_watch_close(watch);
}

TEST(told_all_the_same)
{
    static const char *const plans[] = {
        "calm disk.watch_late=1/2 disk.watch_time=1ms..9ms", "calm poll#1@inotify=ENOMEM",
        "calm poll#1@inotify=EINTR poll#2@inotify=ENOMEM poll#3@inotify=ENOMEM"};

    for (int i = 0; i < 3; i++) {
        struct world world = {.plan = plans[i], .task = main_ordered};
        same(world_run(&world), 0);
    }
}

/* Room for eight: the ninth says so, and there is room again once one was taken. */
static int main_little_room(void *arg)
{
    struct weft_watch_event event;

    (void)arg;
    begin();
    for (int i = 0; i < 12; i++)
        make(i);
    for (int i = 0; i < 9; i++) {
        same(weft_watch_next(watch, &event, 0), 0);
        same(event.what, i < 8 ? WEFT_WATCH_CREATED | WEFT_WATCH_DIRECTORY : WEFT_WATCH_OVERFLOW);
        same(event.number, i < 8 ? 1 : -1);
    }
    make(12);
    same(weft_watch_next(watch, &event, 0), 0);
    same(atoi(event.name), 12);
    return weft_watch_close(watch);
}

TEST(little_room)
{
    struct world world = {.plan = "calm disk.watch_queue=8", .task = main_little_room};

    same(world_run(&world), 0);
}

static int main_no_memory(void *arg)
{
    (void)arg;
    weft__alloc_fail_after(1);
    same(weft_watch_open(&watch), -ENOMEM);
    weft__alloc_fail_after(0);
    begin();
    return weft_watch_close(watch);
}

TEST(no_memory)
{
    struct world world = {.plan = "calm", .task = main_no_memory};

    same(world_run(&world), 0);
}

static int waits(void *arg)
{
    (void)arg;
    same(weft_watch_next(watch, NULL, 0), -EIO);
    return 0;
}

static int main_power(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, waits, NULL, 0, NULL), 0);
        same(weft_sleep(1000), 0);
        same(weft_sim_power_off(), 0);
    }
    same(weft_watch_add(watch, "/", WEFT_WATCH_ALL), -EIO);
    same(weft_sim_power_on(), 0);
    same(weft_watch_add(watch, "/", WEFT_WATCH_ALL), -EIO);
    same(weft_watch_next(watch, NULL, 0), -EIO);
    same(weft_watch_remove(watch, 1), -EINVAL);
    same(weft_watch_close(watch), 0);
    begin();
    make(1);
    same(weft_watch_next(watch, NULL, 0), 0);
    return weft_watch_close(watch);
}

TEST(without_power)
{
    struct world world = {.plan = "calm", .task = main_power};

    same(world_run(&world), 0);
}

/* None to be had: of descriptors, of memory in the kernel. */
static int main_refused(void *arg)
{
    int result;

    (void)arg;
    result = weft_watch_open(&watch);
    if (result < 0)
        return result;
    result = weft_watch_add(watch, "/tmp", WEFT_WATCH_ALL);
    same(weft_watch_close(watch), 0);
    return result;
}

TEST(refused)
{
    struct world none = {.plan = "calm fd.none=always", .task = main_refused, .fails = true};
    int memory = 0, room = 0;

    same(world_run(&none), -EMFILE);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world = {.seed = seed,
                              .plan = "calm host.errno=always",
                              .task = main_refused,
                              .fails = true};
        int error = world_run(&world);
        memory += error == -ENOMEM;
        room += error == -ENOSPC;
    }
    same(memory + room, 20);
    ck_assert(memory > 0 && room > 0);
}

TEST_MAIN("watches, simulated", 60, told_all_the_same, little_room, no_memory, without_power,
          refused)
