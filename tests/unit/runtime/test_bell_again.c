/*
 * The poll behind a reactor's bell ends: the kernel does that when completions overflow. It is
 * armed again, once, before the reactor sleeps. Would catch a reactor that nobody can wake from
 * then on, and polls that pile up.
 */
#include <pthread.h>

#include "reactor/reactor.h"
#include "ring/request.h"
#include "support/net.h"

enum { ROUNDS = 5 };

struct caller {
    weft_inbox *inbox;
    weft_task task;
};

static void *call(void *arg)
{
    struct caller *caller = arg;

    usleep(20000); /* likely asleep by now; if not, this round says less */
    ck_assert_int_eq(weft_cancel_post(caller->inbox, caller->task), 0);
    return NULL;
}

static void end_poll(void)
{
    struct weft__sqe *sqe = weft__ring_take(&weft__self->ring);

    ck_assert_ptr_nonnull(sqe);
    weft__request_cancel(sqe, WEFT__TOKEN_BELL);
    sqe->user_data = WEFT__TOKEN_NONE;
}

static int main_again(void *arg)
{
    struct caller caller = {weft_inbox_here(), weft_current_task()};
    uint64_t bells = net_stats().bells;
    pthread_t thread;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        end_poll();
        ck_assert_int_eq(pthread_create(&thread, NULL, call, &caller), 0);
        ck_assert_int_eq(weft_sleep(INT64_C(600000000000)), -ECANCELED);
        ck_assert_int_eq(weft_uncancel(), 0);
        pthread_join(thread, NULL);
    }
    /* an end and a call each, and those of a poll that begins on a bell rung before */
    ck_assert_uint_le(net_stats().bells - bells, 10 * ROUNDS);
    weft_inbox_put(caller.inbox);
    return 0;
}

TEST(a_poll_that_ended)
{
    net_run(main_again);
}

TEST_MAIN("runtime.bell_again", 10, a_poll_that_ended)
