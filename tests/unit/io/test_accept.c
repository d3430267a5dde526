/*
 * A listener seen from inside, with completions that the kernel sends when it likes and that a test
 * cannot ask for: connections that failed, want of memory, a queue that cannot grow. Catches pauses
 * that come too early, never, or ever longer, and connections dropped and not closed.
 */
#include <fcntl.h>

#include "base/memory.h"
#include "io/accept.h"
#include "support/net.h"

enum { FAILURES_AT_ONCE = 16 };

static int take(void *arg)
{
    int fd = weft_accept(*(int *)arg, NULL, NULL, 0);

    return fd < 0 ? fd : weft_close(fd);
}

/* The acceptor of a listener to which a task has come, and which is armed in the kernel. */
static struct weft__acceptor *armed(weft_scope *scope, int *listener)
{
    int port;
    struct weft__acceptor *acceptor;

    *listener = net_listen(&port);
    ok(weft_spawn(scope, take, listener, sizeof *listener, NULL));
    ok(weft_yield());
    ok(weft_sleep(1000000));
    acceptor = weft__io_of(weft__self)->acceptors;
    ck_assert_int_eq(acceptor->fd, *listener);
    ck_assert(weft__op_in_flight(&acceptor->op));
    return acceptor;
}

/* The final completion of the armed accept, made up. What is armed next the kernel does not see. */
static void ends(struct weft__acceptor *acceptor, int32_t result)
{
    struct weft__cqe cqe = {.user_data = acceptor->op.id, .result = result};
    uint32_t tail = weft__self->ring.sq_tail;

    ck_assert(weft__op_complete(weft__self, &cqe));
    weft__self->ring.sq_tail = tail;
}

/* A connection that looks accepted. */
static int some_connection(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ok(fd);
    return fd;
}

/* Nothing is armed in the kernel by now but what was at first; the listener goes with it. */
static void end(weft_scope *scope, struct weft__acceptor *acceptor, int listener)
{
    if (weft__op_in_flight(&acceptor->op))
        ends(acceptor, -EINVAL); /* it is over */
    weft_scope_cancel(scope);
    ok(weft_close(listener));
}

/* Single connections that fail are passed over, until too many do in a row; one that succeeds
   starts the count anew. */
static int main_failures(void *arg)
{
    struct weft__acceptor *acceptor;
    struct weft_stats before;
    int listener;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        acceptor = armed(&s, &listener);
        before = net_stats();
        for (int i = 0; i < FAILURES_AT_ONCE - 1; i++)
            ends(acceptor, -ECONNABORTED);
        ends(acceptor, some_connection()); /* taken below */
        for (int i = 0; i < FAILURES_AT_ONCE - 1; i++)
            ends(acceptor, -EPROTO);
        ck_assert_uint_eq(net_stats().accept_backoffs, before.accept_backoffs);
        ck_assert(weft__op_in_flight(&acceptor->op));
        ends(acceptor, -EPERM);
        ck_assert_uint_eq(net_stats().accept_backoffs, before.accept_backoffs + 1);
        ck_assert(!weft__op_in_flight(&acceptor->op));
        ck_assert(weft__timer_armed(&acceptor->timer));
        ck_assert_uint_eq(net_stats().accept_errors - before.accept_errors,
                          2 * (FAILURES_AT_ONCE - 1) + 1);
        weft__accept_freed(acceptor->io); /* a close has nothing to do with it */
        ck_assert(weft__timer_armed(&acceptor->timer));
        end(&s, acceptor, listener);
    }
    return 0;
}

TEST(failures_in_a_row)
{
    net_run(main_failures);
}

/* Armed accepts that were ended on purpose are no failures. */
static int main_ended(void *arg)
{
    static const int32_t words[] = {-ECANCELED, -EINTR, -512};
    struct weft__acceptor *acceptor;
    int listener;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        acceptor = armed(&s, &listener);
        for (int i = 0; i < 3 * FAILURES_AT_ONCE; i++) {
            ends(acceptor, words[i % 3]);
            ck_assert(weft__op_in_flight(&acceptor->op));
        }
        ck_assert_uint_eq(net_stats().accept_errors, 0);
        ck_assert_uint_eq(net_stats().accept_backoffs, 0);
        end(&s, acceptor, listener);
    }
    return 0;
}

TEST(ended_on_purpose)
{
    net_run(main_ended);
}

/* Called in a drain that has begun already, with nobody waiting: refused, not parked for good. */
static int accept_late(void *arg)
{
    while (!weft_draining())
        ok(weft_sleep(100000));
    ck_assert_int_eq(weft_accept(*(int *)arg, NULL, NULL, 0), -ESHUTDOWN);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
    return 0;
}

static int main_late(void *arg)
{
    int port, listener = net_listen(&port);

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, accept_late, &listener, sizeof listener, NULL));
        ok(weft_yield());
        ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(60000), weft_after_ms(60000)), 0);
    }
    return weft_close(listener);
}

TEST(accepting_in_a_drain)
{
    net_run(main_late);
}

/* Each pause is twice as long as the one before, up to half a second; after a connection they begin
   anew. */
static int main_pauses(void *arg)
{
    static const uint32_t ms[] = {10, 20, 40, 80, 160, 320, 500, 500};
    struct weft__acceptor *acceptor;
    int listener;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        acceptor = armed(&s, &listener);
        for (size_t i = 0; i < 2 * sizeof ms / sizeof ms[0]; i++) {
            int64_t now = weft_now(), pause = ms[i % 8] * INT64_C(1000000);
            uint32_t tail;
            if (i == 8)
                ends(acceptor, some_connection());
            ends(acceptor, i % 2 ? -ENOMEM : -ENOBUFS);
            ck_assert(weft__timer_armed(&acceptor->timer));
            ck_assert_int_ge(acceptor->timer.due_ns, now + pause);
            ck_assert_int_le(acceptor->timer.due_ns, weft_now() + pause);
            tail = weft__self->ring.sq_tail;
            weft__timer_disarm(&weft__self->timers, &acceptor->timer);
            acceptor->timer.fire(&acceptor->timer);
            weft__self->ring.sq_tail = tail;
            ck_assert(weft__op_in_flight(&acceptor->op));
        }
        end(&s, acceptor, listener);
    }
    return 0;
}

TEST(pauses)
{
    net_run(main_pauses);
}

/* More wait than there is room for, and no memory for more room: closed, and counted as an error.
 */
static int main_no_room(void *arg)
{
    struct weft__acceptor *acceptor;
    struct weft_stats before;
    int listener, count;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        acceptor = armed(&s, &listener);
        before = net_stats();
        count = test_descriptors();
        for (int i = 0; i < WEFT__ACCEPT_WAITING_MAX; i++)
            acceptor->op.complete(&acceptor->op, some_connection(), WEFT__CQE_MORE);
        ck_assert_int_eq(test_descriptors(), count + WEFT__ACCEPT_WAITING_MAX);
        weft__alloc_fail_after(1);
        acceptor->op.complete(&acceptor->op, some_connection(), WEFT__CQE_MORE);
        weft__alloc_fail_after(0);
        ck_assert_int_eq(test_descriptors(), count + WEFT__ACCEPT_WAITING_MAX);
        ck_assert_uint_eq(net_stats().accept_errors, before.accept_errors + 1);
        acceptor->op.complete(&acceptor->op, some_connection(), WEFT__CQE_MORE); /* now there is */
        ck_assert_int_eq(test_descriptors(), count + WEFT__ACCEPT_WAITING_MAX + 1);
        ck_assert_uint_eq(net_stats().accepts - before.accepts, WEFT__ACCEPT_WAITING_MAX + 1);
        weft_scope_cancel(&s);
        ok(weft_close(listener)); /* and those that wait */
    }
    ck_assert_int_le(test_descriptors(), count);
    return 0;
}

TEST(no_memory_for_a_longer_queue)
{
    net_run(main_no_room);
}

/* A peer that is gone before its address could be asked for: closed, and the next one is taken. */
static int main_gone(void *arg)
{
    struct sockaddr_in address, own;
    socklen_t length = sizeof address, own_length = sizeof own;
    int port, fd, connection, listener = net_listen(&port), before = test_descriptors();

    (void)arg;
    for (int i = 0; i < 10; i++)
        net_plain_reset(net_plain_connect(port));
    fd = net_plain_connect(port);
    connection = weft_accept(listener, (struct sockaddr *)&address, &length, 0);
    ok(connection);
    ok(getsockname(fd, (struct sockaddr *)&own, &own_length));
    ck_assert_int_eq(address.sin_port, own.sin_port);
    ck_assert_uint_eq(net_stats().accept_errors, 10);
    ck_assert_int_eq(test_descriptors(), before + 2);
    close(fd);
    ok(weft_close(connection));
    return weft_close(listener);
}

TEST(peers_that_are_gone)
{
    net_run(main_gone);
}

/* The kernel has woken the request for a connection, and the cancellation comes before it has taken
   it: nobody else at the listener is told, so who leaves it must look once more. */
static int waits_for_one(void *arg)
{
    return weft_accept(*(int *)arg, NULL, NULL, 0) == -ECANCELED ? 0 : -EPROTO;
}
static int main_rest(void *arg)
{
    int port, listener = net_listen(&port), client, connection;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, waits_for_one, &listener, sizeof listener, NULL));
        ok(weft_sleep(1000000));
        weft_scope_cancel(&s);
    }
    client = net_plain_connect(port); /* the loop does not turn meanwhile */
    connection = weft__accept_rest(weft__task_self(), listener);
    ok(connection);
    ok(weft_close(connection));
    ck_assert_int_eq(weft__accept_rest(weft__task_self(), listener), -EAGAIN);
    close(client);
    return weft_close(listener);
}
TEST(who_leaves_looks_once_more)
{
    net_run(main_rest);
}

TEST_MAIN("io.accept", 30, failures_in_a_row, ended_on_purpose, accepting_in_a_drain, pauses,
          no_memory_for_a_longer_queue, peers_that_are_gone, who_leaves_looks_once_more)
