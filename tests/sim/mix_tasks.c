/*
 * The part of the mix that is about tasks: cancels, limits, scopes, calls, posts; mix.h.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "mix.h"
#include "ring/host.h"

enum { HEAP = 200000 };

/* -- cancels and deadlines ---------------------------------------------------------------------
 */

static int receives(void *arg)
{
    char byte;
    int result = (int)weft_recv((int)*(long *)arg, &byte, 1, mix_pick(2) ? WEFT_IDLE : 0);

    if (result != -ECANCELED)
        (void)mix_went_well("a byte, or the cancel", result, 1);
    return result < 0 ? result : 0;
}

/* More than anybody takes: it is cut short with a part of it sent. */
static int sends_much(void *arg)
{
    static const char heap[HEAP];
    size_t done = 0;
    ssize_t result = weft_send_all((int)*(long *)arg, heap, sizeof heap, &done);

    if (result < 0 ? done >= sizeof heap : result != (ssize_t)sizeof heap)
        mix_failed("of a long send", (long long)done, HEAP);
    return result < 0 ? (int)result : 0;
}

static int sleeps(void *arg)
{
    int64_t deadline = weft_after_ns(*(long *)arg);
    int result = weft_sleep_until(deadline);

    if (result == 0 && weft_now() < deadline)
        mix_failed("a sleep, too short by so many ns", deadline - weft_now(), 0);
    else if (result != 0)
        mix_is("a sleep", result, -ECANCELED);
    return result;
}

static void cancel_some(weft_scope *scope, weft_task *tasks, uint32_t count, int peer)
{
    if (mix_pick(2))
        (void)weft_send(peer, "x", 1, 0);
    for (uint32_t i = mix_pick(4); i > 0; i--)
        if (weft_yield() < 0)
            return;
    for (uint32_t i = 0; i < count; i++)
        if (mix_pick(2))
            (void)weft_cancel(tasks[i]);
    if (mix_pick(3) == 0)
        (void)weft_scope_cancel(scope);
    for (uint32_t i = 0; i < count; i++)
        if (mix_pick(2))
            (void)weft_cancel(tasks[i]);
}

/* The other end is sent to in the meantime, and read from now and then. */
static bool cancel_once(int here, int there)
{
    bool goes_on = true;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING, .deadline = weft_after_ms(1 + mix_pick(20))) {
        weft_task tasks[5];
        uint32_t count = 0;
        count += mix_spawn(&s, receives, there, 0, &tasks[count]);
        if (mix_pick(4) == 0)
            count += mix_spawn(&s, sends_much, there, 0, &tasks[count]);
        for (int i = 0; i < 3; i++)
            count += mix_spawn(&s, sleeps, (long)(mix_pick(3000) * 1000),
                               mix_pick(2) ? 0 : mix_anywhere(), &tasks[count]);
        cancel_some(&s, tasks, count, here);
        if (mix_pick(2)) {
            char bytes[4096];
            goes_on = weft_recv(here, bytes, sizeof bytes, MSG_DONTWAIT) != 0;
        }
    }
    return goes_on;
}

int mix_cancels(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), here, there = -1;

    (void)arg;
    here = mix_connect_to(weft_local_port(listener));
    WEFT_SCOPE(s, .deadline = weft_after_ms(90000)) {
        there = here < 0 ? here : weft_accept(listener, NULL, NULL, 0);
    }
    for (uint32_t times = 20 + mix_pick(50); there >= 0 && times > 0; times--) {
        if (!cancel_once(here, there))
            break;
    }
    mix.complete++;
    if (there >= 0)
        mix_is("closing", weft_close(there), 0);
    if (here >= 0)
        mix_is("closing", weft_close(here), 0);
    return listener < 0 ? 0 : weft_close(listener);
}

/* Nobody sends: the limit is what ends the wait, and not before its time. */
int mix_limits(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), fd;

    (void)arg;
    fd = mix_connect_to(weft_local_port(listener));
    for (uint32_t times = 20 + mix_pick(50); fd >= 0 && times > 0; times--) {
        int64_t deadline = weft_after_ns(mix_pick(10) ? mix_pick(2000) * 1000 : 0);
        char byte;
        int result = (int)weft_recv_until(fd, &byte, 1, 0, deadline);

        if (mix_went_well("a limit", result, -ETIMEDOUT) && weft_now() < deadline)
            mix_failed("a limit, too early by so many ns", deadline - weft_now(), 0);
    }
    mix.complete++;
    if (fd >= 0)
        mix_is("closing", weft_close(fd), 0);
    return listener < 0 ? 0 : weft_close(listener);
}

/* -- scopes, calls, posts ------------------------------------------------------------------------
 */

static int grows(void *arg)
{
    long depth = *(long *)arg;
    bool fails = depth == 0 && mix_pick(4) == 0;

    if (depth > 0) {
        WEFT_SCOPE(s, .on_error = mix_pick(2) ? WEFT_FAIL_FAST : WEFT_KEEP_GOING,
                   .max_tasks = 1 + mix_pick(3)) {
            for (uint32_t children = 1 + mix_pick(3); children > 0; children--)
                if (!mix_spawn(&s, grows, depth - 1, mix_pick(3) ? 0 : mix_anywhere(), NULL))
                    break;
        }
    } else if (mix_pick(2)) {
        (void)weft_sleep(mix_pick(500) * 1000);
    } else {
        for (uint32_t i = mix_pick(5); i > 0; i--)
            (void)weft_yield();
    }
    return fails ? -EPROTO : 0;
}

int mix_trees(void *arg)
{
    (void)arg;
    for (uint32_t times = 3 + mix_pick(5); times > 0; times--) {
        weft_scope s;
        mix_is("opening a scope", weft_scope_open(&s, NULL), 0);
        (void)mix_spawn(&s, grows, 4, 0, NULL);
        (void)weft_scope_close(&s);
    }
    mix.complete++;
    return 0;
}

static int doubles(void *arg)
{
    long value = *(long *)arg;

    if (mix_pick(2))
        (void)weft_sleep(mix_pick(200) * 1000);
    if (value % 7 == 3 && weft_reactors() > 1)
        return weft_call(mix_pick(weft_reactors()), doubles, &(long){value + 1}, sizeof value) - 2;
    return (int)(2 * value);
}

int mix_calls(void *arg)
{
    (void)arg;
    for (long i = 0; i < 30; i++)
        (void)mix_went_well("a call", weft_call(mix_pick(weft_reactors()), doubles, &i, sizeof i),
                            2 * i);
    mix.complete++;
    return 0;
}

static void post_runs(void *arg)
{
    (void)arg;
    mix.ran++;
}

static void *posts(void *arg)
{
    weft_inbox *inbox = arg;

    for (int i = 0; i < 40; i++) {
        mix.posted += weft_post(inbox, post_runs, NULL, post_runs) == 0;
        weft__host_relax();
    }
    weft_inbox_put(inbox);
    return NULL;
}

int mix_posted_to(void *arg)
{
    struct weft__thread *thread;
    weft_inbox *inbox = weft_inbox_here();

    (void)arg;
    if (weft__host_thread_start(&thread, posts, inbox, "foreign") < 0) {
        weft_inbox_put(inbox);
        return 0;
    }
    while (mix.posted < 40 || mix.ran < mix.posted)
        if (weft_sleep(20 * 1000) < 0)
            break;
    mix_is("joining a thread", weft__host_thread_join(thread), 0);
    mix.complete++;
    return 0;
}
