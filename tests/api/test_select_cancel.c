/*
 * weft/select.h where something is cancelled, with objects of both kinds: a select that waits, by a
 * cancellation or a drain, and operations and coroutines among its cases, which are when another
 * one wins. Would catch a row that is not left, a lock or an item that went to nobody, bytes that
 * neither are told nor are there, and a select that returns before its losers have ended.
 */
#include "select.h"
#include "support/net.h"

/* -- cancelled ------------------------------------------------------------------------------- */

static int selects_cancelled(void *arg)
{
    int item = -1;
    weft_case cases[KINDS];
    int won;

    one_of_each(cases, &item, WEFT_NEVER);
    won = weft_select(cases, *(int *)arg ? FUTURE : KINDS, 0);
    if (won >= 0)
        is(weft_yield(), -ECANCELED);
    return won;
}
/* Cancelled before it was given anything it has nothing, and is out of every row; cancelled after
   that it has what it was given, and the cancellation shows at the next call. */
static int cancelled_main(void *arg)
{
    (void)arg;
    for (int plain = 0; plain < 2; plain++) {
        begin();
        close_all(&lock);
        WEFT_SCOPE(s) {
            weft_task task = sync_start_until(&s, selects_cancelled, plain, "select");
            is(weft_cancel(task), 1);
            for (int i = GET; i <= SEMAPHORE; i++)
                make_ready(i);
            is(sync_result(task), -ECANCELED);
            is(take(&queue), 17);
            put(&second, 5);
            is(weft_semaphore_acquire_nowait(&semaphore), 0);
            is(weft_lock_acquire_nowait(&lock), 0);
            is(weft_event_clear(&event), 1);
            task = sync_start_until(&s, selects_cancelled, plain, "select");
            is(weft_lock_release(&lock), 0);
            is(weft_cancel(task), 1);
            put(&queue, 17);
            is(sync_result(task), LOCK);
            is(weft_queue_count(&queue), 1);
            is(weft_lock_acquire_nowait(&lock), -EOWNERDEAD); /* it held the lock */
            is(weft_lock_release(&lock), 0);
        }
        WEFT_SCOPE(t) {
            weft_case cases[] = {weft_case_event(&event), weft_case_get(&queue, &ran)};
            is(weft_cancel(weft_current_task()), 1);
            is(weft_select(cases, 2, 0), -ECANCELED); /* before any case is looked at */
            ck_assert(!weft_case_happened(&cases[0]) && !weft_case_happened(&cases[1]));
            is(weft_queue_count(&queue), 1);
            is(weft_select_nowait(cases, 2, 0), 1);
            is(weft_uncancel(), 0);
        }
        end();
    }
    return 0;
}
TEST(cancelled)
{
    sync_run(cancelled_main);
}

static int selects_idly(void *arg)
{
    weft_case cases[] = {weft_case_event(&event), weft_case_lock(&lock)};
    int result;

    is(weft_select(cases, 1, WEFT_IDLE), -ESHUTDOWN);
    is(weft_cause(), WEFT_CAUSE_DRAIN);
    is(weft_select(cases, 2, WEFT_IDLE), -ESHUTDOWN); /* nor anything new */
    result = weft_select(cases, 2, 0);
    is(weft_lock_release(&lock), 0);
    (void)arg;
    return result;
}
/* "WEFT_IDLE: a drain ends it, with -ESHUTDOWN." */
static int idle_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task task = sync_start_until(&s, selects_idly, 0, "select");
        is(weft_scope_drain(&s, weft_after_ns(HOUR), weft_after_ns(HOUR)), 0);
        is(sync_result(task), 1);
    }
    end();
    return 0;
}
TEST(drained)
{
    sync_run(idle_main);
}

/* -- operations and coroutines --------------------------------------------------------------- */

static int sends_late(void *arg)
{
    is(weft_sleep(2000000), 0);
    is(weft_send(*(int *)arg, "l", 1, 0), 1);
    return 0;
}
/* An operation that wins; and one that loses, after which the descriptor is as it was. */
static int operations_main(void *arg)
{
    int here, there, accepted, port, listener = net_listen(&port);
    char bytes[8] = "";

    (void)arg;
    begin();
    net_pair(&here, &there);
    WEFT_SCOPE(s) {
        weft_case cases[] = {weft_case_recv(there, bytes, sizeof bytes, 0),
                             weft_case_event(&event)};
        is(weft_spawn(&s, sends_late, &here, sizeof here, NULL), 0);
        is(weft_select(cases, 2, 0), 0);
        is(cases[0].result, 1);
        ck_assert_str_eq(bytes, "l");
        is(weft_event_set(&event), 1);
        is(weft_select(cases, 2, 0), 1); /* not begun */
        is(cases[0].result, -ECANCELED);
        cases[1] = weft_case_until(weft_after_us(300));
        is(weft_select(cases, 2, 0), 1); /* begun, cancelled, and the descriptor is free again */
        is(cases[0].result, -ECANCELED);
        is(weft_send_all(here, "more", 4, NULL), 4);
        is(weft_recv_exactly(there, bytes, 4, NULL), 4);
        ck_assert_str_eq(bytes, "more");
        cases[0] = weft_case_recv(-1, bytes, 1, 0);
        cases[1] = weft_case_event(&event);
        is(weft_event_clear(&event), 1);
        is(weft_select(cases, 2, 0), 0); /* an error is a result */
        is(cases[0].result, -EBADF);
    }
    is(weft_close(here), 0);
    is(weft_close(there), 0);
    WEFT_SCOPE(t) {
        weft_case cases[] = {weft_case_event(&event), weft_case_accept(listener, 0)};
        struct sockaddr_in address = net_loopback(port);
        here = weft_socket(AF_INET, SOCK_STREAM, 0);
        is(weft_connect(here, (struct sockaddr *)&address, sizeof address), 0);
        is(weft_select(cases, 2, 0), 1);
        accepted = (int)cases[1].result;
        is(weft_close(accepted), 0);
    }
    is(weft_close(here), 0);
    is(weft_accept_until(listener, NULL, NULL, 0, weft_after_us(100)), -ETIMEDOUT);
    is(weft_accept_until(listener, NULL, NULL, 99, WEFT_NEVER), -EINVAL);
    is(weft_close(listener), 0);
    end();
    return 0;
}
TEST(operations)
{
    sync_run(operations_main);
}

/* Bytes that come while the select ends for another reason are told, or are still there. */
static int sends_and_sets(void *arg)
{
    is(weft_send(*(int *)arg, "x", 1, 0), 1);
    is(weft_event_set(&event), 1);
    return 0;
}
static int both_main(void *arg)
{
    int here, there;

    (void)arg;
    begin();
    net_pair(&here, &there);
    for (int round = 0; round < 20; round++) {
        char byte = 0;
        WEFT_SCOPE(s) {
            weft_case cases[] = {weft_case_event(&event), weft_case_recv(there, &byte, 1, 0)};
            int won;
            is(weft_spawn(&s, sends_and_sets, &here, sizeof here, NULL), 0);
            won = weft_select(cases, 2, 0);
            ck_assert_int_ge(won, 0);
            ck_assert(weft_case_happened(&cases[won]));
            if (!weft_case_happened(&cases[1]))
                is(weft_recv(there, &byte, 1, 0), 1);
        }
        is(byte, 'x');
        is(weft_event_clear(&event), 1);
    }
    is(weft_close(here), 0);
    is(weft_close(there), 0);
    end();
    return 0;
}
TEST(bytes_are_told_or_there)
{
    sync_run(both_main);
}

static int stubborn(void *arg)
{
    ran++;
    is(weft_event_wait(&event), -ECANCELED);
    ran++;
    return *(int *)arg;
}
static int selects_stubborn(void *arg)
{
    weft_case cases[] = {weft_case_get(&queue, &ran), weft_case_await(weft_coro(stubborn, arg, 0))};
    int won = weft_select(cases, 2, 0);

    is(weft_yield(), -ECANCELED);
    is(cases[1].result, 50);
    return won;
}
/* "Losers are cancelled and waited for; one that took effect all the same says so." Cancelled
   itself, it is that one that wins. */
static int coroutines_main(void *arg)
{
    int value = 40, item = 0;

    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task task;
        weft_case cases[3];
        do { /* again, where the time was over before they had begun */
            cases[0] = weft_case_until(weft_after_us(200));
            cases[1] = weft_case_await(weft_coro(stubborn, &value, sizeof value));
            cases[2] = weft_case_await(weft_coro(stubborn, &value, 0));
            is(weft_select(cases, 3, 0), 0);
        } while (ran == 0);
        is(ran, 4); /* they have ended */
        is(cases[1].result, 40);
        is(cases[2].result, 40);
        ck_assert(weft_case_happened(&cases[1]));
        value = 50;
        task = sync_start(&s, selects_stubborn, 50);
        sync_until(task, "select");
        is(weft_cancel(task), 1);
        is(sync_result(task), 1);
        put(&queue, 1);
        cases[0] = weft_case_get(&queue, &item);
        cases[1] = weft_case_await(weft_coro(stubborn, &value, 0));
        ran = 0;
        is(weft_select(cases, 2, 0), 0);
        is(ran, 0); /* not begun: another case was ready */
        is(cases[1].result, -ECANCELED);
    }
    end();
    return 0;
}
TEST(coroutines)
{
    sync_run(coroutines_main);
}

TEST_MAIN("select_cancel", 30, cancelled, drained, operations, bytes_are_told_or_there, coroutines)
