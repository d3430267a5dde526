/*
 * Races between a cancellation and the operation it is aimed at. The numbers are those of the list
 * that every implementation of cancellation has to pass; race.h says how they are run.
 *
 * With what is not here yet: 16 (open and pipe) comes with files, of 21 the zero-copy send with
 * that; what of them exists is tested. 30, 31, 32 and 34 come with gather and wait, 24 to 26 for
 * wait_for with that, 46 for futures with those, 50 for disks with files. 35 to 40 are in
 * test_race_sync.c.
 */
#include "race.h"

enum { NOT_YET = 1 << 30 };

/* One receive in a task: what it gave, and what the next call said. */
struct reading {
    int fd, flags;
    char bytes[128];
    size_t size;
    ssize_t result;
    int then; /* what the call after it answered */
    weft_task task;
};

static int reads(void *arg)
{
    struct reading *reading = arg;

    reading->result = weft_recv(reading->fd, reading->bytes, reading->size, reading->flags);
    reading->then = weft_yield();
    return 0;
}

static void read_begins(weft_scope *scope, struct reading *reading, int fd, size_t size, int flags)
{
    *reading = (struct reading){.fd = fd, .size = size, .flags = flags, .result = NOT_YET};
    race_is(weft_spawn(scope, reads, reading, 0, RACE_OPT(.task = &reading->task)), 0);
}

static void send_bytes(int fd, const char *bytes, size_t size)
{
    race_is(weft_send_all(fd, bytes, size, NULL), (ssize_t)size);
}

static void close_pair(const int fds[2])
{
    race_is(weft_close(fds[0]), 0);
    race_is(weft_close(fds[1]), 0);
}

/* A byte was sent and the reader of one byte cancelled: it has the byte, and its next call is
   refused; or it was refused, and the byte is still there. */
static void one_or_the_other(struct reading *reading)
{
    char byte = 0;

    if (reading->result == 1) {
        race_is(reading->bytes[0], 'x');
        race_saw(0);
    } else {
        race_is(reading->result, -ECANCELED);
        race_is(weft_recv(reading->fd, &byte, 1, 0), 1);
        race_is(byte, 'x');
        race_saw(1);
    }
    race_is(reading->then, -ECANCELED);
}

/* 2: a cancel at the first suspension, whatever it waits for. Would catch a wait that cannot be
   interrupted, one that is interrupted and told nothing, and a descriptor that stays busy. */
static int listener_02;
static int waits_02(void *arg)
{
    struct reading *reading = arg;
    int fd;

    switch (reading->flags) {
    case 0:
        return (int)weft_recv(reading->fd, reading->bytes, 1, 0);
    case 1:
        return weft_sleep(INT64_C(3600000000000));
    case 2:
        fd = weft_accept(listener_02, NULL, NULL, 0);
        return fd;
    case 3:
        return (int)weft_recv_until(reading->fd, reading->bytes, 1, 0, weft_after_ms(3600000));
    default:
        return weft_join(*(weft_task *)(void *)reading->bytes, NULL);
    }
}
static int body_02(void *arg)
{
    struct reading reading = {.flags = (int)race_pick(5)};
    weft_task main_task = weft_current_task(), task;
    int fds[2], result;

    (void)arg;
    race_pair(fds);
    listener_02 = weft_listen_tcp("127.0.0.1:0", NULL);
    race_ok(listener_02);
    reading.fd = fds[0];
    if (reading.flags == 4) { /* joining a task that waits for hours */
        struct reading asleep = {.flags = 1};
        WEFT_SCOPE(s) {
            race_is(weft_spawn(&s, waits_02, &asleep, 0,
                               RACE_OPT(.task = (weft_task *)(void *)reading.bytes)),
                    0);
            race_is(weft_spawn(&s, waits_02, &reading, 0, RACE_OPT(.task = &task)), 0);
            ck_assert(race_until(task, NULL));
            race_is(weft_cancel(task), 1);
            race_is(weft_join(task, &result), 0);
            race_is(result, -ECANCELED);
            race_is(weft_cancel(*(weft_task *)(void *)reading.bytes), 1);
        }
    } else {
        WEFT_SCOPE(s) {
            race_is(weft_spawn(&s, waits_02, &reading, 0, RACE_OPT(.task = &task)), 0);
            ck_assert(race_until(task, NULL));
            race_yields(2);
            race_is(weft_cancel(task), 1);
            race_is(weft_join(task, &result), 0);
            race_is(result, -ECANCELED);
        }
    }
    ck_assert_uint_eq(weft_current_task().slot, main_task.slot);
    send_bytes(fds[1], "x", 1);
    race_is(weft_recv(fds[0], reading.bytes, 1, 0), 1);
    race_is(weft_close(listener_02), 0);
    close_pair(fds);
    return 0;
}
TEST(race_02)
{
    race_each(.body = body_02, .orders = true);
}

/* 3: a cancel when the completion has been reaped and the task stands in the ready queue: the
   result is kept, the next suspension is refused. Would catch a result thrown away for a cancel
   that came after it, and a request forgotten because the wait was over. */
static int body_03(void *arg)
{
    struct reading reading;
    bool met = false;
    int fds[2];

    (void)arg;
    race_pair(fds);
    WEFT_SCOPE(s) {
        read_begins(&s, &reading, fds[0], 1, 0);
        ck_assert(race_until(reading.task, "recv"));
        send_bytes(fds[1], "x", 1);
        while (reading.result == NOT_YET && !met) {
            met = strcmp(race_state(reading.task), "ready") == 0;
            if (!met)
                race_is(weft_yield(), 0);
        }
        if (met || !race_state(reading.task)) /* else it has gone on, and is in its next call */
            race_is(weft_cancel(reading.task), met);
    }
    race_is(reading.result, 1);
    race_is(reading.then, met ? -ECANCELED : 0);
    race_saw(met);
    close_pair(fds);
    return 0;
}
TEST(race_03)
{
    race_each(.body = body_03, .orders = true, .outcomes = 2,
              .plan = "net.lost=0 net.latency=0..2us net.drip=0 net.rate=10000000000 op.late=0 "
                      "sched.starve=0");
}

/* 4: the completion and the cancel in one batch, in both orders, and a little apart. Would catch a
   byte that is taken and not told, and one told and not taken. */
static int body_04(void *arg)
{
    struct reading reading;
    int fds[2];

    (void)arg;
    race_pair(fds);
    WEFT_SCOPE(s) {
        uint32_t cancel_first = race_pick(2);
        read_begins(&s, &reading, fds[0], 1, 0);
        race_yields(2);
        for (uint32_t step = 0; step < 2; step++) {
            if (step == cancel_first)
                send_bytes(fds[1], "x", 1);
            else
                race_ok(weft_cancel(reading.task));
            race_yields(1);
        }
        race_is(weft_join(reading.task, NULL), 0);
    }
    if (reading.result == 1 && reading.then == 0)
        race_saw(2); /* it had ended before */
    else
        one_or_the_other(&reading);
    close_pair(fds);
    return 0;
}
TEST(race_04)
{
    race_each(.body = body_04, .orders = true, .outcomes = 2);
}

/* 5: the answer of the cancel and the end of the operation, in both orders. Would catch who takes
   the answer for the end, and lets go of memory that the kernel still writes. */
static int body_05(void *arg)
{
    struct reading reading;
    char byte = 0;
    int fds[2];

    (void)arg;
    race_pair(fds);
    WEFT_SCOPE(s) {
        read_begins(&s, &reading, fds[0], sizeof reading.bytes, 0);
        ck_assert(race_until(reading.task, "recv"));
        race_yields(3);
        race_is(weft_cancel(reading.task), 1);
    }
    race_is(reading.result, -ECANCELED);
    race_is(reading.then, -ECANCELED);
    memset(reading.bytes, 'y', sizeof reading.bytes); /* the kernel must not write here any more */
    send_bytes(fds[1], "x", 1);
    race_is(weft_recv(fds[0], &byte, 1, 0), 1);
    race_is(reading.bytes[0], 'y');
    close_pair(fds);
    return 0;
}
TEST(race_05)
{
    race_each(.body = body_05, .orders = true);
}

/* A cancel, and a byte just after it. */
static int cancel_then_byte(void *arg)
{
    struct reading reading;
    int fds[2];

    (void)arg;
    race_pair(fds);
    WEFT_SCOPE(s) {
        read_begins(&s, &reading, fds[0], 1, 0);
        ck_assert(race_until(reading.task, "recv"));
        race_is(weft_cancel(reading.task), 1);
        race_yields(1);
        send_bytes(fds[1], "x", 1);
    }
    one_or_the_other(&reading);
    close_pair(fds);
    return 0;
}

/* 6: the cancel is answered "not found", and the operation has its own result later. Would catch
   who takes -ENOENT for "finished". */
TEST(race_06)
{
    race_each(.body = cancel_then_byte, .orders = true,
              .plan = "cancel.case=4 net.latency=0 cancel.time=1us..200us");
}

/* And the same when the kernel did not see the operation at all, so that it would never end by that
   cancel. Would catch who asks once, and waits for ever. */
TEST(race_06_missed)
{
    race_each(.body = body_05, .orders = true, .part = 4, .plan = "cancel.missed=1/2");
}

/* 7: the cancel is answered "already running", and the operation has its own result. Would catch
   who gives up after -EALREADY, and who throws the result away. */
TEST(race_07)
{
    race_each(.body = cancel_then_byte, .orders = true,
              .plan = "cancel.case=1 net.latency=0 cancel.time=1us..200us");
}

/* 8: the cancelled operation ends with -EINTR, or with the kernel's own -512. Would catch a code
   that means "cancelled" being passed on as it is. */
TEST(race_08)
{
    race_each(.body = cancel_then_byte, .orders = true,
              .plan = "cancel.case=2..3 cancel.time=50us");
}
TEST(race_08_not_spared)
{
    race_each(.body = body_05, .orders = true, .plan = "cancel.case=6");
}

/* 9: some of the bytes waited for are there when the cancel comes: they are the result. Would catch
   a count turned into -ECANCELED, and so bytes lost. */
static int body_09(void *arg)
{
    struct reading reading;
    char bytes[10] = "0123456789", rest[10];
    size_t got;
    int fds[2];

    (void)arg;
    race_pair(fds);
    WEFT_SCOPE(s) {
        read_begins(&s, &reading, fds[0], 20, MSG_WAITALL);
        race_yields(2);
        send_bytes(fds[1], bytes, 10);
        race_yields(3);
        race_is(weft_cancel(reading.task), 1);
    }
    ck_assert(reading.result == -ECANCELED || (reading.result > 0 && reading.result <= 10));
    got = reading.result > 0 ? (size_t)reading.result : 0;
    race_is(reading.then, -ECANCELED);
    ck_assert(memcmp(reading.bytes, bytes, got) == 0);
    if (got < 10) {
        race_is(weft_recv_exactly(fds[0], rest, 10 - got, NULL), (ssize_t)(10 - got));
        ck_assert(memcmp(rest, bytes + got, 10 - got) == 0);
    }
    race_saw(got > 0);
    close_pair(fds);
    return 0;
}
TEST(race_09)
{
    race_each(.body = body_09, .orders = true, .outcomes = 2);
}

/* 10: a second cancel while the first is under way, and both taken back. Would catch a second
   request to the kernel for an operation that is gone, and counting that goes wrong. */
static int reads_twice(void *arg)
{
    struct reading *reading = arg;

    reading->result = weft_recv(reading->fd, reading->bytes, 1, 0);
    reading->then = weft_yield();
    WEFT_SHIELD(weft_after_ms(3600000))
        while (!reading->size) /* until both requests have been made */
            race_is(weft_sleep(1000), 0);
    race_is(weft_uncancel(), 1);
    race_is(weft_yield(), -ECANCELED);
    race_is(weft_uncancel(), 0);
    race_is(weft_uncancel(), -EINVAL);
    race_is(weft_recv(reading->fd, reading->bytes + 1, 1, 0), 1);
    return 0;
}
static int body_10(void *arg)
{
    struct reading reading;
    int fds[2];

    (void)arg;
    race_pair(fds);
    reading = (struct reading){.fd = fds[0]};
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, reads_twice, &reading, 0, RACE_OPT(.task = &reading.task)), 0);
        ck_assert(race_until(reading.task, "recv"));
        race_is(weft_cancel(reading.task), 1);
        if (race_pick(2)) { /* whatever comes of the first */
            race_is(weft_cancel(reading.task), 1);
            race_yields(2);
        } else {
            send_bytes(fds[1], "x", 1);
            race_is(weft_cancel(reading.task), 1);
            send_bytes(fds[1], "x", 1);
        }
        reading.size = 1;
        send_bytes(fds[1], "xx", 2);
        race_is(weft_join(reading.task, NULL), 0);
    }
    ck_assert(reading.result == 1 || reading.result == -ECANCELED);
    race_is(reading.then, -ECANCELED);
    race_is(reading.bytes[1], 'x');
    close_pair(fds);
    return 0;
}
TEST(race_10)
{
    race_each(.body = body_10, .orders = true);
}

/* 11, 12: everything is cancelled at once, on queues that cannot hold it. Would catch a cancel that
   is lost for want of a request, and completions lost in an overflow. */
enum { CROWD = 24 };
static int body_crowd(void *arg)
{
    static struct reading readings[CROWD];
    int fds[CROWD][2];

    (void)arg;
    for (int i = 0; i < CROWD; i++)
        race_pair(fds[i]);
    WEFT_SCOPE(s) {
        for (int i = 0; i < CROWD; i++)
            read_begins(&s, &readings[i], fds[i][0], 1, 0);
        race_yields(3);
        for (int i = 0; i < CROWD; i++)
            if (race_pick(4) == 0)
                send_bytes(fds[i][1], "x", 1);
        if (race_pick(2))
            race_is(weft_scope_cancel(&s), 1);
        else
            for (int i = 0; i < CROWD; i++)
                race_ok(weft_cancel(readings[i].task));
    }
    for (int i = 0; i < CROWD; i++) {
        ck_assert(readings[i].result == 1 || readings[i].result == -ECANCELED);
        race_saw(readings[i].result == 1);
        close_pair(fds[i]);
    }
    return 0;
}
TEST(race_11)
{
    race_each(.body = body_crowd, .entries = 8, .completions = 64, .outcomes = 2, .part = 2,
              .plan = "sq.size=2..4 sq.full=1/3");
}
/* 11 again: the requests just made fill the queue, so that not one cancel finds room, and nothing
   else will wake the loop. Would catch a loop that sleeps on cancels it has not sent. */
static int body_11_full(void *arg)
{
    struct reading readings[6];
    int fds[6][2], count = 3 + (int)race_pick(4);

    (void)arg;
    for (int i = 0; i < count; i++)
        race_pair(fds[i]);
    WEFT_SCOPE(s) {
        for (int i = 0; i < count; i++)
            read_begins(&s, &readings[i], fds[i][0], 1, 0);
        race_is(weft_yield(), 0);
        race_is(weft_scope_cancel(&s), 1);
    }
    for (int i = 0; i < count; i++) {
        race_is(readings[i].result, -ECANCELED);
        close_pair(fds[i]);
    }
    return 0;
}
TEST(race_11_full)
{
    race_each(.body = body_11_full, .entries = 4, .orders = true, .part = 4,
              .plan = "sq.size=2 sq.full=always");
}
TEST(race_12)
{
    race_each(.body = body_crowd, .entries = 64, .completions = 8, .outcomes = 2, .part = 2,
              .plan = "cq.size=3..4 cq.full=1/8");
}

/* 13: the cancel comes when its operation has ended and the slot is another's. Would catch a cancel
   that hits a stranger: the second reader is never cancelled, and must get its byte. */
static int body_13(void *arg)
{
    struct reading first, second[3];
    int fds[2], others[3][2];

    (void)arg;
    race_pair(fds);
    for (int i = 0; i < 3; i++)
        race_pair(others[i]);
    WEFT_SCOPE(s) {
        read_begins(&s, &first, fds[0], 1, 0);
        ck_assert(race_until(first.task, "recv"));
        send_bytes(fds[1], "x", 1);
        race_yields(1);
        race_ok(weft_cancel(first.task));
        for (int i = 0; i < 3; i++) { /* in its place, at once or a little later */
            race_yields(1);
            read_begins(&s, &second[i], others[i][0], 1, 0);
        }
        race_yields(2);
        for (int i = 0; i < 3; i++)
            send_bytes(others[i][1], "y", 1);
    }
    ck_assert(first.result == 1 || first.result == -ECANCELED);
    for (int i = 0; i < 3; i++) {
        race_is(second[i].result, 1);
        race_is(second[i].bytes[0], 'y');
        race_is(second[i].then, 0);
        close_pair(others[i]);
    }
    close_pair(fds);
    return 0;
}
TEST(race_13)
{
    race_each(.body = body_13, .orders = true);
}

/* 14: two operations never share a name. Would catch a completion that goes to the wrong one: each
   of many readers, come and gone and cancelled, gets the bytes of its own connection. */
static int body_14(void *arg)
{
    enum { N = 6, ROUNDS = 4 };
    static struct reading readings[N];
    int fds[N][2], owed[N] = {0};

    (void)arg;
    for (int i = 0; i < N; i++)
        race_pair(fds[i]);
    for (int round = 0; round < ROUNDS; round++) {
        WEFT_SCOPE(s) {
            for (int i = 0; i < N; i++)
                read_begins(&s, &readings[i], fds[i][0], 1, 0);
            race_yields(2);
            for (int i = 0; i < N; i++) {
                char name = (char)('a' + i);
                send_bytes(fds[i][1], &name, 1);
                owed[i]++;
                if (race_pick(3) == 0)
                    race_ok(weft_cancel(readings[i].task));
            }
        }
        for (int i = 0; i < N; i++) {
            ck_assert(readings[i].result == 1 || readings[i].result == -ECANCELED);
            owed[i] -= readings[i].result == 1;
            if (readings[i].result == 1)
                race_is(readings[i].bytes[0], 'a' + i);
        }
    }
    for (int i = 0; i < N; i++) {
        for (; owed[i] > 0; owed[i]--) {
            char name = 0;
            race_is(weft_recv(fds[i][0], &name, 1, 0), 1);
            race_is(name, 'a' + i);
        }
        close_pair(fds[i]);
    }
    return 0;
}
TEST(race_14)
{
    race_each(.body = body_14);
}

/* 54: cancelling the reader of a descriptor leaves its writer alone. Would catch a cancel by
   descriptor, and sides that are taken for one another. */
static char much_54[1 << 17];
struct writing {
    int fd;
    ssize_t result;
    size_t done;
};
static int writes_54(void *arg)
{
    struct writing *writing = arg;

    writing->result = weft_send_all(writing->fd, much_54, sizeof much_54, &writing->done);
    return 0;
}
static int body_54(void *arg)
{
    static char received[sizeof much_54];
    struct writing writing = {0};
    struct reading reading;
    int fds[2];

    (void)arg;
    for (size_t i = 0; i < sizeof much_54; i++)
        much_54[i] = (char)(i * 7 + i / 251);
    race_pair(fds);
    writing.fd = fds[0];
    WEFT_SCOPE(s) {
        read_begins(&s, &reading, fds[0], 1, 0);
        race_is(weft_spawn(&s, writes_54, &writing, 0, NULL), 0);
        ck_assert(race_until(reading.task, "recv"));
        race_yields(2);
        race_is(weft_cancel(reading.task), 1);
        race_is(weft_recv_exactly(fds[1], received, sizeof received, NULL),
                (ssize_t)sizeof received);
    }
    race_is(reading.result, -ECANCELED);
    race_is(writing.result, (ssize_t)sizeof much_54);
    ck_assert_mem_eq(received, much_54, sizeof received);
    close_pair(fds);
    return 0;
}
TEST(race_54)
{
    race_each(.body = body_54, .orders = true, .part = 4);
}

/* 56: a cancel when no memory is left at all. Would catch a path of cancelling or closing that
   allocates, and then gives up. */
static int body_56(void *arg)
{
    struct reading reading;
    weft_task asleep;
    int fds[2];

    (void)arg;
    race_pair(fds);
    WEFT_SCOPE(outer) {
        WEFT_SCOPE(s, .deadline = weft_after_ms(3600000)) {
            struct reading sleeper = {.flags = 1};
            read_begins(&s, &reading, fds[0], 1, 0);
            race_is(weft_spawn(&s, waits_02, &sleeper, 0, RACE_OPT(.task = &asleep)), 0);
            ck_assert(race_until(asleep, NULL));
            race_yields(2);
            race_no_memory = true;
            if (race_pick(2))
                race_is(weft_cancel(reading.task), 1);
            if (race_pick(2))
                race_is(weft_cancel(asleep), 1);
            race_is(race_pick(2) ? weft_scope_cancel(&s) : weft_scope_cancel(&outer), 1);
            race_is(weft_cancel(weft_current_task()), 1);
        }
        race_is(reading.result, -ECANCELED);
        race_is(weft_close(fds[0]), 0);
        race_no_memory = false;
        race_is(weft_close(fds[1]), 0);
        race_is(weft_uncancel(), 0);
    }
    return 0;
}
TEST(race_56)
{
    race_each(.body = body_56, .orders = true);
}

TEST_MAIN("race_operation", 3600, race_02, race_03, race_04, race_05, race_06, race_06_missed,
          race_07, race_08, race_08_not_spared, race_09, race_10, race_11, race_11_full, race_12,
          race_13, race_14, race_54, race_56)
