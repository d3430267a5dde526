/*
 * Waits for a word where the ring has no request for that, and the system no thread to do it. Would
 * catch one that stands behind another's wait, which only it would have ended.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "io/io.h"
#include "reactor/reactor.h"
#include "ring/host.h"
#include "support/test.h"

#define is(expression, value) ck_assert_int_eq((expression), (value))

enum { SLEEPERS_MAX = 1024 }; /* io/futex.c */

static _Atomic(uint32_t) words[2];
static bool none_left;

int __real_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name);
int __wrap_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name);
int __wrap_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name)
{
    return none_left ? -EAGAIN : __real_weft__host_thread_start(thread, fn, arg, name);
}

static int waits(void *arg)
{
    return weft_futex_wait(arg, 0, FUTEX_PRIVATE_FLAG);
}

static weft_task begin(weft_scope *scope, int which)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    is(weft_spawn(scope, waits, &words[which], 0, &opt), 0);
    is(weft_sleep(1000000), 0); /* until it waits: no other time passes in this world */
    return task;
}

static void wake(weft_task task, int which)
{
    int result = 1;

    is(weft_futex_wake(&words[which], 1, FUTEX_PRIVATE_FLAG), 1);
    is(weft_join(task, &result), 0);
    is(result, 0);
}

static int main_no_thread(void *arg)
{
    weft_task first, second;

    (void)arg;
    WEFT_SCOPE(s) {
        none_left = true;
        is(waits(&words[0]), -ENOMEM);
        none_left = false;
        first = begin(&s, 0);
        none_left = true;
        is(waits(&words[1]), -ENOMEM);
        wake(first, 0);
        is(weft_sleep(1000000), 0);
        second = begin(&s, 1); /* by the thread that is idle now */
        is(waits(&words[0]), -ENOMEM);
        weft__io_of(weft__self)->asleep += SLEEPERS_MAX - 1; /* as many as there may be */
        none_left = false;
        is(waits(&words[0]), -ENOMEM);
        weft__io_of(weft__self)->asleep -= SLEEPERS_MAX - 1;
        wake(second, 1);
    }
    return 0;
}

TEST(nobody_behind_anybody)
{
    is(setenv("WEFT_RING_MASK", "futex", 1), 0);
    is(weft_run(main_no_thread, NULL, 0, NULL), 0);
}

TEST_MAIN("sim/no_thread", 30, nobody_behind_anybody)
