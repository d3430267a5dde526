/*
 * Whose an object in plain memory is, when there are several runtimes in the process: its reactor's
 * as long as that lives, and then anybody's. Would catch one that two runtimes use at a time, and
 * one that is nobody's any more after the first run.
 */
#include <errno.h>
#include <pthread.h>
#include <weft/weft.h>

#include "support/test.h"
#include "task/task.h"

static weft_lock lock = WEFT_LOCK_INIT;
static weft_event event = WEFT_EVENT_INIT;
static weft_queue queue = {.item_size = 1};
static uint64_t ids[2];

static int is_anothers(void *arg)
{
    char item = 0;

    (void)arg;
    ids[1] = weft__tasks_of(weft__self)->id;
    ck_assert(weft__roll_call(ids[0]) && weft__roll_call(ids[1]));
    ck_assert_int_eq(weft_lock_acquire(&lock), -EPERM);
    ck_assert_int_eq(weft_event_set(&event), -EPERM);
    ck_assert_int_eq(weft_queue_put_nowait(&queue, &item), -EPERM);
    return 0;
}

static void *runs(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_run(is_anothers, NULL, 0, NULL), 0);
    return NULL;
}

static int uses(void *arg)
{
    bool first = *(bool *)arg;
    pthread_t thread;
    char item = 0;

    ck_assert_int_eq(weft_lock_acquire(&lock), 0);
    ck_assert_int_eq(weft_event_set(&event), first);
    ck_assert_int_eq(weft_queue_put(&queue, &item), 0);
    ids[0] = weft__tasks_of(weft__self)->id;
    if (first) {
        ck_assert_int_eq(pthread_create(&thread, NULL, runs, NULL), 0);
        pthread_join(thread, NULL);
        ck_assert(weft__roll_call(ids[0]) && !weft__roll_call(ids[1]));
    }
    ck_assert_int_eq(weft_queue_destroy(&queue), 1);
    return weft_lock_release(&lock);
}

TEST(two_runtimes)
{
    bool first = true, then = false;

    ck_assert_int_eq(weft_run(uses, &first, 0, NULL), 0);
    ck_assert(!weft__roll_call(ids[0]));
    ck_assert_int_eq(weft_run(uses, &then, 0, NULL), 0);
}

TEST_MAIN("sync: roll", 20, two_runtimes)
