/*
 * task/wait.c - waiting for a flag or a time; and the `_until` twins.
 */
#include "task/wait.h"

#include <errno.h>

#include "task/operation.h"

const char weft__waits_sleep[] = "sleep";
const char weft__waits_room[] = "room in scope";
const char weft__waits_closing[] = "scope";

void weft__wait_interrupt(struct weft__wait *wait)
{
    weft__fiber_wake(weft__self, wait);
}

int weft__wait_for_done(struct weft__task *self, struct weft__wait *wait, const bool *done)
{
    wait->interrupt = weft__wait_interrupt;
    if (!self->visible) /* else cancelled in an earlier wait of the same call */
        weft__fiber_park(self->reactor, wait);
    /* without giving way: what is handed over before the caller has unlinked itself would be taken
       after all, and the refusal noted for nothing */
    return *done ? 0 : weft__task_note_refusal(self);
}

/* -- with a limit --------------------------------------------------------------------------- */

struct alarm {
    struct weft__timer timer;
    struct weft__wait *wait;
    bool rang;
};

static void alarm_fire(struct weft__timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;

    alarm->rang = alarm->wait->fiber->wait == alarm->wait;
    weft__wake_now(weft__self, alarm->wait);
}

int weft__wait_for_wake_until(struct weft__task *self, struct weft__wait *wait, bool interruptible,
                              int64_t deadline_ns)
{
    struct weft__reactor *reactor = self->reactor;
    struct alarm alarm = {.timer = {.fire = alarm_fire}, .wait = wait};
    int result;

    if (deadline_ns != WEFT_NEVER) {
        WEFT__COUNT(reactor, timers_armed);
        weft__timer_arm(&reactor->timers, &alarm.timer, deadline_ns);
    }
    result = weft__wait_for_wake(self, wait, interruptible);
    weft__timer_disarm(&reactor->timers, &alarm.timer);
    return alarm.rang ? -ETIME : result;
}

/* -- sleeping ------------------------------------------------------------------------------- */

static int sleep_until(struct weft__task *self, int64_t deadline)
{
    struct weft__sleep sleep = {.wait = {.what = weft__waits_sleep, .fd = -1},
                                .deadline_ns = deadline};
    int result = weft__wait_for_wake_until(self, &sleep.wait, true, deadline);

    return result == -ETIME ? 0 : result;
}

int weft_sleep_until(int64_t deadline)
{
    struct weft__task *self;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    if (deadline > 0 && deadline > weft__host_now())
        return sleep_until(self, deadline);
    weft__fiber_yield(self->reactor);
    return 0;
}

int weft_sleep(int64_t ns)
{
    struct weft__task *self;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    if (ns > 0)
        return sleep_until(self, weft_after_ns(ns));
    weft__fiber_yield(self->reactor);
    return 0;
}

int64_t weft_now(void)
{
    return weft__host_now();
}

int64_t weft_after_ns(int64_t ns)
{
    int64_t now = weft__host_now();

    return ns > WEFT_NEVER - now ? WEFT_NEVER : now + ns;
}

int64_t weft_after_us(int64_t us)
{
    if (us > WEFT_NEVER / 1000)
        return WEFT_NEVER;
    return us < INT64_MIN / 1000 ? INT64_MIN / 2 : weft_after_ns(us * 1000);
}

int64_t weft_after_ms(int64_t ms)
{
    if (ms > WEFT_NEVER / 1000000)
        return WEFT_NEVER;
    return ms < INT64_MIN / 1000000 ? INT64_MIN / 2 : weft_after_ns(ms * 1000000);
}

/* -- `_until` twins ------------------------------------------------------------------------- */

int weft__until_begin(struct weft__until *until, int64_t deadline_ns)
{
    struct weft_scope_opt opt = {.size = sizeof opt,
                                 .deadline = deadline_ns > 0 ? deadline_ns : 1,
                                 .name = "until"};

    return weft_scope_open(&until->scope, &opt);
}

int weft__until_open(struct weft__until *until, int64_t deadline_ns)
{
    struct weft__task *self;
    int error = weft__enter(&self); /* first: a deadline that has passed hides no cancellation */

    return error < 0 ? error : weft__until_begin(until, deadline_ns);
}

int64_t weft__until_close(struct weft__until *until, int64_t result)
{
    int edge = weft__scope_close(&until->scope);

    return result == -ECANCELED && edge == -ETIMEDOUT ? -ETIMEDOUT : result;
}
