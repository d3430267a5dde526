/*
 * The scenarios of tasks, scopes, calls, posts and stops; scenario.h says by which rules.
 */
#include "scenario.h"

#include <errno.h>
#include <string.h>

#include "ring/host.h"

#define SCOPE(...) (&(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt), __VA_ARGS__})

/* Deadlines: a connect, a receive that nobody answers, and a scope around both. */
int scenario_deadlines_main(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), fd, error;
    weft_scope s;
    char byte;

    (void)arg;
    if (listener < 0)
        return listener;
    error = weft_scope_open(&s, SCOPE(.deadline = weft_after_ms(10000)));
    ledger.scope = &s;
    fd = scenario_connect(weft_local_port(listener));
    for (int i = 0; i < 3 && fd >= 0; i++) {
        error = (int)weft_recv_until(fd, &byte, 1, 0, weft_after_ms(5));
        if (error != -ETIMEDOUT)
            break;
        error = 0;
    }
    if (fd >= 0)
        weft_close(fd);
    else
        error = fd;
    weft_close(listener);
    if (error == 0)
        error = weft_sleep(1000000);
    ledger.scope = NULL;
    fd = weft_scope_close(&s);
    ledger.whole = error == 0 && fd == 0;
    return error < 0 ? error : fd;
}

/* Nested scopes: children that sleep, fail, clean up. */
static void cleans(void *arg)
{
    (void)arg;
    (void)weft_sleep(100000);
}

static int child(void *arg)
{
    int depth = *(int *)arg, error, result = 0;
    weft_scope s;

    if (depth == 0)
        return weft_sleep(200000);
    error = weft_scope_open(&s, SCOPE(.on_error = depth % 2 ? WEFT_FAIL_FAST : WEFT_KEEP_GOING,
                                      .max_tasks = 2));
    if (error < 0)
        return error;
    result = weft_scope_defer(&s, cleans, NULL);
    depth--;
    for (int i = 0; i < 3 && result == 0; i++)
        result = scenario_spawn(&s, child, &depth, sizeof depth, 0);
    if (result == 0)
        result = weft_yield();
    error = weft_scope_close(&s);
    return result < 0 ? result : error;
}

static int fails(void *arg)
{
    int error = weft_sleep(*(int *)arg);

    return error < 0 ? error : -EPROTO;
}

int scenario_nested_main(void *arg)
{
    int depth = 2, later = 100000, error, closed;
    weft_scope s;

    (void)arg;
    error = weft_scope_open(&s, NULL);
    ledger.scope = &s;
    if (error == 0)
        error = scenario_spawn(&s, child, &depth, sizeof depth, 0);
    if (error == 0)
        error = weft_yield();
    if (error == 0)
        error = scenario_spawn(&s, fails, &later, sizeof later, 0);
    if (error == 0)
        error = weft_sleep(50000);
    ledger.scope = NULL;
    closed = weft_scope_close(&s);
    if (error == 0 && closed == -EPROTO) { /* as it should be: the first failure is the scope's */
        ledger.whole = true;
        return 0;
    }
    return error < 0 ? error : closed;
}

/* Children and calls on another reactor, which call back. */
static int far_back(void *arg)
{
    int error = weft_sleep(*(int *)arg);

    return error < 0 ? error : 3;
}

static int far(void *arg)
{
    int error = weft_sleep(*(int *)arg);

    if (error < 0)
        return error;
    return weft_call(0, far_back, arg, sizeof(int));
}

int scenario_remote_main(void *arg)
{
    int span = 20000, error, closed = 0;
    weft_scope s;

    (void)arg;
    error = weft_scope_open(&s, NULL);
    ledger.scope = &s;
    for (int i = 0; i < 3 && error == 0; i++)
        error = scenario_spawn(&s, far, &span, sizeof span, WEFT_ON(1));
    if (error == 0)
        error = weft_call(1, far, &span, sizeof span);
    ledger.scope = NULL;
    closed = weft_scope_close(&s);
    ledger.whole = error == 3 && closed == 0;
    if (error < 0)
        return error;
    return closed;
}

/* Posts from a foreign thread, which ends before the run does, or after. */
static void post_runs(void *arg)
{
    (void)arg;
    ledger.ran++;
}

static void *poster(void *arg)
{
    weft_inbox *inbox = arg;

    for (int i = 0; i < 10; i++) {
        int error = weft_post(inbox, post_runs, NULL, post_runs);
        ledger.posted += error == 0;
        ledger.refused += error < 0;
        for (int k = 0; k < 3; k++)
            weft__host_relax();
    }
    weft_inbox_put(inbox);
    return NULL;
}

int scenario_posts_main(void *arg)
{
    struct weft__thread *thread;
    int error = 0, closed, span = 1000;
    weft_inbox *inbox = weft_inbox_here();
    weft_scope s;

    (void)arg;
    error = weft__host_thread_start(&thread, poster, inbox, "poster");
    if (error < 0) {
        weft_inbox_put(inbox);
        return error;
    }
    closed = weft_scope_open(&s, NULL);
    ledger.scope = &s;
    for (int i = 0; i < 4 && error == 0; i++) {
        error = scenario_spawn(&s, far_back, &span, sizeof span, 0);
        if (error == 0)
            error = weft_sleep(2000);
    }
    while (error == 0 && ledger.ran < ledger.posted)
        error = weft_sleep(1000);
    ledger.scope = NULL;
    closed = weft_scope_close(&s);
    weft__host_thread_join(thread);
    ledger.whole = error == 0 && closed == 0;
    return error < 0 ? error : closed;
}

/* A stop with work under way on two reactors. */
static int works(void *arg)
{
    int kind = *(int *)arg, fd, error = 0;
    char byte;

    if (kind == 0)
        return weft_sleep(3600000000000);
    if (kind == 1) {
        while (error == 0)
            error = weft_sleep(3000);
        return error;
    }
    fd = weft_listen_tcp("127.0.0.1:0", NULL);
    if (fd < 0)
        return fd;
    error = scenario_connect(weft_local_port(fd));
    if (error >= 0) {
        int connection = error;
        error = (int)weft_recv(connection, &byte, 1, kind == 2 ? WEFT_IDLE : 0);
        weft_close(connection);
    }
    weft_close(fd);
    return error;
}

int scenario_stop_main(void *arg)
{
    int error = 0;

    (void)arg;
    for (int kind = 0; kind < 8 && error == 0; kind++) {
        int which = kind % 4;
        error = scenario_spawn(weft_root(), works, &which, sizeof which, WEFT_ON(kind / 4));
    }
    if (error == 0)
        error = weft_sleep(30000);
    weft_stop();
    ledger.whole = error == 0;
    return error;
}
