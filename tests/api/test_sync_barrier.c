/*
 * The barrier and the read-write lock of weft/sync.h, sentence by sentence, in both kinds. Each
 * test would catch the sentence above it becoming untrue.
 */
#include "sync.h"

static weft_barrier barrier;
static weft_rwlock rwlock;
static int places[16], order[16], ran;

static void begin(int parties)
{
    barrier = KIND(weft_barrier, WEFT_BARRIER_INIT(parties), WEFT_BARRIER_SHARED_INIT(parties));
    rwlock = KIND(weft_rwlock, WEFT_RWLOCK_INIT, WEFT_RWLOCK_SHARED_INIT);
    memset(places, 0, sizeof places);
    ran = 0;
}

/* -- barrier --------------------------------------------------------------------------------- */

static int comes(void *arg)
{
    int result = weft_barrier_wait(&barrier);

    (void)arg;
    if (result >= 0)
        places[result]++;
    ran++;
    return result == -EPIPE ? 100 : result;
}

/* "Lets tasks through when so many have come, again and again", each with its place. */
static int rounds_main(void *arg)
{
    (void)arg;
    begin(4);
    WEFT_SCOPE(s)
        for (int round = 1; round <= 3; round++) {
            weft_task tasks[3];
            for (int i = 0; i < 3; i++)
                tasks[i] = sync_start_until(&s, comes, i, "barrier");
            is(weft_barrier_waiting(&barrier), 3);
            is(weft_barrier_wait(&barrier), 3); /* the last one does not wait */
            is(weft_barrier_waiting(&barrier), 0);
            for (int i = 0; i < 3; i++) {
                is(sync_result(tasks[i]), i);
                is(places[i], round);
            }
        }
    begin(1);
    is(weft_barrier_wait(&barrier), 0);
    is(weft_barrier_wait(&barrier), 0);
    return 0;
}
SYNC_TEST(rounds)

/* "One that is cancelled while it waits has not come"; one that was let through has. */
static int passes_then_refused(void *arg)
{
    (void)arg;
    is(weft_barrier_wait(&barrier), 0);
    is(weft_barrier_wait(&barrier), -ECANCELED);
    return 0;
}
static int barrier_cancelled_main(void *arg)
{
    (void)arg;
    begin(3);
    WEFT_SCOPE(s) {
        weft_task one, two, three;
        one = sync_start_until(&s, comes, 1, "barrier");
        two = sync_start_until(&s, passes_then_refused, 2, "barrier");
        is(weft_cancel(one), 1);
        is(weft_barrier_waiting(&barrier), 1);
        is(sync_result(one), -ECANCELED);
        is(weft_barrier_wait_until(&barrier, weft_after_us(100)), -ETIMEDOUT);
        is(weft_barrier_waiting(&barrier), 1);
        three = sync_start_until(&s, comes, 3, "barrier");
        is(weft_barrier_wait_until(&barrier, WEFT_NEVER), 2);
        is(weft_cancel(two), 1);
        is(sync_result(two), 0);
        is(sync_result(three), 1);
    }
    return 0;
}
SYNC_TEST(barrier_cancelled)

/* "Breaks it, until a reset. A reset sends away who waits and begins anew." */
static int broken_main(void *arg)
{
    (void)arg;
    begin(3);
    WEFT_SCOPE(s) {
        weft_task tasks[2];
        for (int way = 0; way < 2; way++) {
            for (int i = 0; i < 2; i++)
                tasks[i] = sync_start_until(&s, comes, i, "barrier");
            is(way ? weft_barrier_reset(&barrier) : weft_barrier_abort(&barrier), 2);
            if (way == 0) {
                ck_no_misuse(weft_barrier_wait(&barrier), -EPIPE);
                is(weft_barrier_waiting(&barrier), -EPIPE);
                is(weft_barrier_abort(&barrier), 0);
                is(weft_barrier_reset(&barrier), 0);
            }
            is(weft_barrier_waiting(&barrier), 0);
            for (int i = 0; i < 2; i++)
                is(sync_result(tasks[i]), 100);
        }
        for (int i = 0; i < 2; i++)
            sync_start_until(&s, comes, i, "barrier");
        is(weft_barrier_wait(&barrier), 2);
    }
    return 0;
}
SYNC_TEST(broken)

static int barrier_errors_main(void *arg)
{
    weft_barrier nobody = KIND(weft_barrier, WEFT_BARRIER_INIT(0), WEFT_BARRIER_SHARED_INIT(0));

    (void)arg;
    ck_misuse(weft_barrier_wait(NULL), -EINVAL, "weft_barrier_wait", "no barrier");
    ck_misuse(weft_barrier_wait(&nobody), -EINVAL, "weft_barrier_wait", "without parties");
    ck_misuse(weft_barrier_abort(NULL), -EINVAL, "weft_barrier_abort", "no barrier");
    ck_misuse(weft_barrier_reset(NULL), -EINVAL, "weft_barrier_reset", "no barrier");
    ck_misuse(weft_barrier_waiting(NULL), -EINVAL, "weft_barrier_waiting", "no barrier");
    is(weft_barrier_wait_until(NULL, WEFT_NEVER), -EINVAL);
    return 0;
}
TEST(barrier_errors)
{
    begin(2);
    is(weft_barrier_wait(&barrier), -EPERM);
    is(weft_barrier_abort(&barrier), -EPERM);
    is(weft_barrier_waiting(&barrier), -EPERM);
    sync_run(barrier_errors_main);
}

/* -- read-write lock ------------------------------------------------------------------------- */

static int readers, writers, readers_most;
static int reads(void *arg)
{
    int result = weft_rwlock_read(&rwlock);

    if (result < 0)
        return result;
    order[ran++] = *(int *)arg;
    is(writers, 0);
    if (++readers > readers_most)
        readers_most = readers;
    is(weft_yield(), 0);
    readers--;
    return weft_rwlock_read_release(&rwlock);
}
static int writes(void *arg)
{
    int result = weft_rwlock_write(&rwlock);

    if (result < 0)
        return result;
    order[ran++] = *(int *)arg;
    is(readers, 0);
    is(writers++, 0);
    is(weft_yield(), 0);
    writers--;
    return weft_rwlock_write_release(&rwlock);
}
/* "Held by any number of readers, or by one writer. Served in the order of coming." */
static int readers_writers_main(void *arg)
{
    static const char *const who = "rrwrrrwwr";

    (void)arg;
    begin(1);
    readers = writers = readers_most = 0;
    WEFT_SCOPE(s) {
        is(weft_rwlock_write(&rwlock), 0);
        for (int i = 0; who[i]; i++)
            sync_start_until(&s, who[i] == 'r' ? reads : writes, i,
                             who[i] == 'r' ? "read lock" : "write lock");
        is(weft_rwlock_write_release(&rwlock), 0);
        is(weft_rwlock_read_nowait(&rwlock), -EAGAIN); /* a writer waits */
        is(weft_rwlock_write_nowait(&rwlock), -EAGAIN);
    }
    is(ran, 9);
    for (int i = 0; i < 9; i++)
        is(order[i], i);
    is(readers_most, 3);
    is(weft_rwlock_read_nowait(&rwlock), 0);
    is(weft_rwlock_read(&rwlock), 0);
    is(weft_rwlock_write_nowait(&rwlock), -EAGAIN);
    is(weft_rwlock_read_release(&rwlock), 0);
    is(weft_rwlock_write_nowait(&rwlock), -EAGAIN);
    is(weft_rwlock_read_release(&rwlock), 0);
    is(weft_rwlock_write_nowait(&rwlock), 0);
    is(weft_rwlock_read_nowait(&rwlock), -EDEADLK);
    is(weft_rwlock_write_release(&rwlock), 0);
    return 0;
}
TEST(readers_and_writers)
{
    sync_run(readers_writers_main);
}

/* A waiting writer that is cancelled holds up nobody behind it: neither readers while others read,
   nor when it times out. */
static int writes_by_deadline(void *arg)
{
    (void)arg;
    is(weft_rwlock_write_until(&rwlock, weft_after_us(200)), -ETIMEDOUT);
    return 0;
}
static int writer_gone_main(void *arg)
{
    (void)arg;
    begin(1);
    readers = writers = 0;
    WEFT_SCOPE(s) {
        weft_task writer, reader;
        is(weft_rwlock_read(&rwlock), 0);
        writer = sync_start_until(&s, writes, 1, "write lock");
        reader = sync_start_until(&s, reads, 2, "read lock");
        is(weft_cancel(writer), 1);
        is(sync_result(writer), -ECANCELED);
        is(sync_result(reader), 0);
        writer = sync_start(&s, writes_by_deadline, 1);
        reader = sync_start(&s, reads, 2); /* behind it, unless its time is over by then */
        is(sync_result(writer), 0);
        is(sync_result(reader), 0);
        is(weft_rwlock_read_release(&rwlock), 0);
        is(weft_rwlock_write_nowait(&rwlock), 0);
        is(weft_rwlock_write_release(&rwlock), 0);
        is(weft_rwlock_read_until(&rwlock, WEFT_NEVER), 0);
        is(weft_rwlock_read_release(&rwlock), 0);
    }
    return 0;
}
SYNC_TEST(writer_gone)

/* Cancelled when just let in: it holds the lock. */
static int in_though_cancelled(void *arg)
{
    bool write = *(int *)arg == 1;

    is(write ? weft_rwlock_write(&rwlock) : weft_rwlock_read(&rwlock), 0);
    is(weft_yield(), -ECANCELED);
    return write ? weft_rwlock_write_release(&rwlock) : weft_rwlock_read_release(&rwlock);
}
static int let_in_then_cancelled_main(void *arg)
{
    (void)arg;
    for (int write = 0; write < 2; write++) {
        begin(1);
        readers = writers = 0;
        WEFT_SCOPE(s) {
            weft_task first, second;
            is(weft_rwlock_write(&rwlock), 0);
            first = sync_start_until(&s, in_though_cancelled, write,
                                     write ? "write lock" : "read lock");
            second = sync_start_until(&s, writes, 2, "write lock");
            is(weft_rwlock_write_release(&rwlock), 0);
            is(weft_cancel(first), 1);
            is(sync_result(first), 0);
            is(sync_result(second), 0);
        }
        is(weft_rwlock_write_nowait(&rwlock), 0);
        is(weft_rwlock_write_release(&rwlock), 0);
    }
    return 0;
}
SYNC_TEST(let_in_then_cancelled)

/* "When a writer ends without releasing it, everybody gets -EOWNERDEAD with the lock up to and
   including the next writer." */
static int writes_and_ends(void *arg)
{
    is(weft_rwlock_write(&rwlock), 0);
    if (*(int *)arg)
        is(weft_sleep(HOUR), -ECANCELED);
    return 0;
}
static int finds_dead(void *arg)
{
    bool write = *(int *)arg == 1;

    is(write ? weft_rwlock_write(&rwlock) : weft_rwlock_read(&rwlock), -EOWNERDEAD);
    is(weft_yield(), 0);
    return write ? weft_rwlock_write_release(&rwlock) : weft_rwlock_read_release(&rwlock);
}
static int writer_ends_main(void *arg)
{
    (void)arg;
    begin(1);
    WEFT_SCOPE(s) {
        weft_task writer;
        is(sync_result(sync_start(&s, writes_and_ends, 0)), 0);
        for (int i = 0; i < 2; i++) {
            is(weft_rwlock_read(&rwlock), -EOWNERDEAD);
            is(weft_rwlock_read_release(&rwlock), 0);
        }
        is(weft_rwlock_write(&rwlock), -EOWNERDEAD);
        is(weft_rwlock_write_release(&rwlock), 0);
        is(weft_rwlock_read(&rwlock), 0);
        is(weft_rwlock_read_release(&rwlock), 0);
        writer = sync_start_until(&s, writes_and_ends, 1, "sleep");
        sync_start_until(&s, finds_dead, 0, "read lock");
        sync_start_until(&s, finds_dead, 0, "read lock");
        sync_start_until(&s, finds_dead, 1, "write lock");
        readers = writers = 0;
        sync_start_until(&s, reads, 2, "read lock");
        is(weft_cancel(writer), 1);
    }
    return 0;
}
SYNC_TEST(writer_ends)

static int holds_write(void *arg)
{
    (void)arg;
    is(weft_rwlock_write(&rwlock), 0);
    is(weft_sleep(HOUR), -ECANCELED);
    return weft_rwlock_write_release(&rwlock);
}
static int rwlock_errors_main(void *arg)
{
    (void)arg;
    begin(1);
    ck_misuse(weft_rwlock_read(NULL), -EINVAL, "weft_rwlock_read", "no lock");
    ck_misuse(weft_rwlock_read_nowait(NULL), -EINVAL, "weft_rwlock_read_nowait", "no lock");
    ck_misuse(weft_rwlock_write(NULL), -EINVAL, "weft_rwlock_write", "no lock");
    ck_misuse(weft_rwlock_write_nowait(NULL), -EINVAL, "weft_rwlock_write_nowait", "no lock");
    ck_misuse(weft_rwlock_read_release(NULL), -EINVAL, "weft_rwlock_read_release", "no lock");
    ck_misuse(weft_rwlock_write_release(NULL), -EINVAL, "weft_rwlock_write_release", "no lock");
    is(weft_rwlock_read_until(NULL, WEFT_NEVER), -EINVAL);
    is(weft_rwlock_write_until(NULL, WEFT_NEVER), -EINVAL);
    ck_misuse(weft_rwlock_read_release(&rwlock), -EINVAL, "weft_rwlock_read_release", "nobody");
    ck_misuse(weft_rwlock_write_release(&rwlock), -EINVAL, "weft_rwlock_write_release", "nobody");
    is(weft_rwlock_read(&rwlock), 0);
    is(weft_rwlock_write_release(&rwlock), -EINVAL);
    is(weft_rwlock_read_release(&rwlock), 0);
    is(weft_rwlock_write(&rwlock), 0);
    is(weft_rwlock_read_release(&rwlock), -EINVAL);
    ck_misuse(weft_rwlock_write(&rwlock), -EDEADLK, "weft_rwlock_write", "for writing");
    ck_misuse(weft_rwlock_read(&rwlock), -EDEADLK, "weft_rwlock_read", "for writing");
    is(weft_rwlock_write_release(&rwlock), 0);
    WEFT_SCOPE(s) {
        weft_task holder = sync_start_until(&s, holds_write, 0, "sleep");
        const char *const name = "weft_rwlock_write_release";
        ck_misuse(weft_rwlock_write_release(&rwlock), -EPERM, name, "another task");
        is(weft_cancel(holder), 1);
    }
    is(weft_cancel(weft_current_task()), 1);
    is(weft_rwlock_read(&rwlock), -ECANCELED);
    is(weft_rwlock_write(&rwlock), -ECANCELED);
    is(weft_uncancel(), 0);
    is(weft_rwlock_write_nowait(&rwlock), 0);
    is(weft_rwlock_write_release(&rwlock), 0);
    return 0;
}
TEST(rwlock_errors)
{
    begin(1);
    is(weft_rwlock_read(&rwlock), -EPERM);
    is(weft_rwlock_write_nowait(&rwlock), -EPERM);
    is(weft_rwlock_read_release(&rwlock), -EPERM);
    sync_run(rwlock_errors_main);
}

TEST_MAIN("sync: barrier and read-write lock", 30, rounds, barrier_cancelled, broken,
          barrier_errors, readers_and_writers, writer_gone, let_in_then_cancelled, writer_ends,
          rwlock_errors)
