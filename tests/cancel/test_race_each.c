/*
 * The races that every primitive has, over the table of race_each.h. Each goes through the whole
 * table in each run. The numbers are those of the list; race.h says how they are run, and README.md
 * which race has its case where.
 */
#include "race_each.h"

/* -- a task that waits ------------------------------------------------------------------------ */

struct waiting {
    const struct primitive *one;
    int64_t deadline; /* 0: none */
    bool shielded;    /* in a shield */
    bool cancelled;   /* by itself, before */
    int result;
};
static struct waiting it, behind;

static int waits(void *arg)
{
    struct waiting *self = arg;
    const int64_t *deadline = self->deadline ? &self->deadline : NULL;

    if (self->cancelled)
        race_ok(weft_cancel(weft_current_task()));
    if (self->shielded)
        WEFT_SHIELD(weft_after_ns(HOUR))
            self->result = self->one->wait(deadline);
    else
        self->result = self->one->wait(deadline);
    return 0;
}
static weft_task start_one(struct waiting *waiting)
{
    weft_task task;

    race_is(weft_spawn(around, waits, waiting, 0,
                       RACE_OPT(.task = &task, .reactor = remote ? WEFT_ON(1) : 0)),
            0);
    return task;
}
static weft_task start(void)
{
    return start_one(&it);
}
static void cancel(weft_task task)
{
    for (uint32_t n = 1 + race_pick(2); n > 0; n--)
        race_ok(weft_cancel(task));
}
static int result_of(weft_task task)
{
    WEFT_SHIELD(weft_after_ns(HOUR))
        race_is(weft_join(task, NULL), 0);
    return it.result;
}

/* -- the races -------------------------------------------------------------------------------- */

static void given_and_cancelled(const struct primitive *one)
{
    bool cancel_first = race_pick(2);
    weft_task task;
    int result;

    it = (struct waiting){.one = one};
    task = start();
    race_yields(3);
    if (cancel_first)
        cancel(task);
    race_yields(1);
    one->give();
    race_yields(1);
    if (!cancel_first)
        cancel(task);
    result = result_of(task);
    if (result < 0 && result != -ECANCELED)
        ck_abort_msg("%s gave %d", one->name, result);
    race_saw(2 * (uint32_t)(one - primitives) + (result >= 0));
    one->check(result >= 0);
}
static int body_given(void *arg)
{
    (void)arg;
    return each(given_and_cancelled);
}
/* 3, 10, 35 to 41: given what it waits for and cancelled, once or twice, in either order. Would
   catch a thing that nobody has and nobody gets, and one that two have. */
TEST(race_35_41_each)
{
    race_each(.body = body_given, .outcomes = 2 * PRIMITIVES, .part = 2);
}
/* 46: the same with the waiter on another reactor. */
TEST(race_46_each)
{
    race_each(.body = body_given, .reactors = 2, .part = 10);
}

/* Who comes behind a reader is a writer, and the other way round. */
static const struct primitive *next_to(const struct primitive *one)
{
    if (one->wait == wait_read)
        return one + 1;
    return one->wait == wait_write ? one - 1 : one;
}
static void one_of_two(const struct primitive *one)
{
    weft_task first, second;
    bool cancel_first = race_pick(2);
    int result;

    it = (struct waiting){.one = one};
    behind = (struct waiting){.one = next_to(one)};
    inside = 0;
    first = start_one(&it);
    second = start_one(&behind);
    race_yields(2);
    if (cancel_first)
        cancel(first);
    race_yields(1);
    one->give();
    if (!cancel_first)
        cancel(first);
    result = result_of(first);
    ck_assert(result >= 0 || result == -ECANCELED);
    (void)result_of(second);
    if (behind.result < 0)
        ck_abort_msg("behind %s: %d", one->name, behind.result);
    one->check(result >= 0);
}
static void one_of_two_if_many(const struct primitive *one)
{
    if (one->traits & MANY) {
        one_of_two(one);
        return;
    }
    one->give();
    if (one->give != give_barrier)
        one->check(false);
    else
        one->check(wait_barrier(NULL) >= 0);
}
static int body_41(void *arg)
{
    (void)arg;
    return each(one_of_two_if_many);
}
/* 41: two wait, and one is cancelled: the other one gets it. Would catch a row that ends with who
   left it, a lock that two hold, and one that nobody does. */
TEST(race_41_each)
{
    race_each(.body = body_41, .part = 4);
}
TEST(race_41_each_remote)
{
    race_each(.body = body_41, .reactors = 2, .part = 10);
}

/* 41: readers stand behind a writer who is cancelled: they come in beside the one who reads, who
   goes on reading. Would catch a row held up by who is gone. */
static int body_41_reader(void *arg)
{
    weft_task writer;

    (void)arg;
    remote = weft_reactors() > 1 && race_pick(2);
    of_shared = weft_reactors() > 1 || race_pick(2);
    rwlock = OF_KIND(weft_rwlock, WEFT_RWLOCK);
    inside = 0;
    race_is(weft_rwlock_read(&rwlock), 0);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        around = &s;
        it = (struct waiting){.one = primitive_of(wait_write)};
        behind = (struct waiting){.one = primitive_of(wait_read)};
        writer = start_one(&it);
        race_yields(2);
        (void)start_one(&behind);
        race_yields(2);
        cancel(writer);
    }
    race_is(it.result, -ECANCELED);
    race_is(behind.result, 0);
    race_is(weft_rwlock_read_release(&rwlock), 0);
    check_rwlock(false);
    return 0;
}
TEST(race_41_reader)
{
    race_each(.body = body_41_reader, .reactors = 2);
}

/* 41: two of three are at a barrier when one of them is cancelled, and a third comes: they meet
   with who was there first, or wait for one more. Would catch one who has gone and is counted, or
   who was counted and is not let through. */
static int body_41_barrier(void *arg)
{
    bool cancel_first = race_pick(2);
    weft_task first;

    (void)arg;
    remote = weft_reactors() > 1 && race_pick(2);
    of_shared = weft_reactors() > 1 || race_pick(2);
    barrier = OF_KIND(weft_barrier, WEFT_BARRIER, (3));
    it = behind = (struct waiting){.one = primitive_of(wait_barrier)};
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        around = &s;
        first = start_one(&it);
        (void)start_one(&behind);
        race_yields(3);
        if (cancel_first)
            cancel(first);
        race_yields(2);
        give_barrier();
        race_yields(2);
        if (!cancel_first)
            cancel(first);
        (void)result_of(first);
        if (it.result == -ECANCELED)
            race_ok(weft_barrier_wait(&barrier));
    }
    ck_assert(it.result >= 0 || it.result == -ECANCELED);
    race_saw(it.result >= 0);
    race_ok(behind.result);
    race_is(weft_barrier_waiting(&barrier), 0);
    return 0;
}
TEST(race_41_barrier)
{
    race_each(.body = body_41_barrier, .reactors = 2, .outcomes = 2);
}

static int gives_at(void *arg)
{
    race_is(weft_sleep_until(*(int64_t *)arg), 0);
    it.one->give();
    return 0;
}
static void given_at_the_deadline(const struct primitive *one)
{
    int64_t due = weft_after_us(50), at = due + (int64_t)race_pick(5) * 1000 - 2000;
    weft_task giver;
    int result;

    it = (struct waiting){.one = one};
    race_is(weft_spawn(around, gives_at, &at, sizeof at, RACE_OPT(.task = &giver)), 0);
    result = one->wait(&due);
    if (result < 0 && result != -ETIMEDOUT)
        ck_abort_msg("%s gave %d", one->name, result);
    race_is(weft_cancelled(), 0);
    race_is(weft_join(giver, NULL), 0);
    race_saw(result >= 0);
    one->check(result >= 0);
}
static int body_22(void *arg)
{
    (void)arg;
    return each(given_at_the_deadline);
}
/* 22: a deadline and the thing itself at the same time: it is had, or it is there. */
TEST(race_22_each)
{
    race_each(.body = body_22, .outcomes = 2, .part = 10);
}

static void limits(const struct primitive *one)
{
    static const int64_t past[] = {0, 1, -1, INT64_MIN};
    int64_t never = INT64_MAX;
    bool had = false;

    for (int i = 0; i < (one->traits & OWNS ? 1 : 4); i++)
        race_is(one->wait(&past[i]), -ETIMEDOUT);
    race_is(weft_cancelled(), 0);
    one->give();
    if (one->traits & KEEPS && !(one->traits & OWNS)) {
        race_ok(one->wait(&never));
        had = true;
    }
    one->check(had);
}
static int body_23(void *arg)
{
    (void)arg;
    return each(limits);
}
/* 23: limits at once, in the past, and never. */
TEST(race_23_each)
{
    race_each(.body = body_23, .part = 50);
}

static void there_and_cancelled(const struct primitive *one)
{
    weft_task task;
    int result;

    it = (struct waiting){.one = one, .cancelled = race_pick(2)};
    one->give();
    for (int i = 0; i < 10; i++)
        race_is(weft_yield(), 0);
    task = start();
    if (!it.cancelled && !remote)
        race_ok(weft_cancel(task));
    result = result_of(task);
    if (remote && !it.cancelled)
        race_ok(result < 0 && one->traits & KEEPS ? result : 0);
    else if (one->traits & SETTLED ? result < 0 : result != -ECANCELED)
        ck_abort_msg("%s gave %d", one->name, result);
    one->check(result >= 0);
}
static void there_if_it_keeps(const struct primitive *one)
{
    if (one->traits & KEEPS) {
        there_and_cancelled(one);
        return;
    }
    one->give();
    one->check(false);
}
static int body_24(void *arg)
{
    (void)arg;
    return each(there_if_it_keeps);
}
/* 24, 42: cancelled, by another or by itself, before it asks for what is there: what is settled is
   told all the same, and nothing else is taken. */
TEST(race_24_42_each)
{
    race_each(.body = body_24, .part = 20);
}

static int waits_26(void *arg)
{
    (void)waits(arg);
    while (weft_sleep(1000) == 0) /* it comes, or is here already: it is not eaten */
        ;
    return 0;
}
static void cancelled_at_the_deadline(const struct primitive *one)
{
    int64_t due = weft_after_us(50), at = due + (int64_t)race_pick(5) * 1000 - 2000;
    weft_task task;
    int result;

    it = (struct waiting){.one = one, .deadline = due};
    race_is(weft_spawn(around, waits_26, &it, 0, RACE_OPT(.task = &task)), 0);
    race_is(weft_sleep_until(at), 0);
    race_ok(weft_cancel(task));
    result = result_of(task);
    if (result != -ETIMEDOUT && result != -ECANCELED)
        ck_abort_msg("%s gave %d", one->name, result);
    race_saw(result == -ETIMEDOUT);
    one->give();
    one->check(false);
}
static int body_26(void *arg)
{
    (void)arg;
    return each(cancelled_at_the_deadline);
}
/* 26: cancelled from outside at the moment of the limit: the cancellation is not eaten. */
TEST(race_26_each)
{
    race_each(.body = body_26, .outcomes = 2, .part = 10);
}

static void two_limits(const struct primitive *one)
{
    int64_t due = weft_after_us(20);
    weft_scope outer;
    int result, edge;

    race_is(weft_timeout_at(&outer, due), 0);
    result = one->wait(&due);
    ck_assert(result == -ETIMEDOUT || result == -ECANCELED);
    edge = weft_scope_close(&outer);
    ck_assert(edge == -ETIMEDOUT || (edge == 0 && result == -ETIMEDOUT));
    race_is(weft_cancelled(), 0);
    one->give();
    one->check(false);
}
static int body_27(void *arg)
{
    (void)arg;
    return each(two_limits);
}
/* 27: a limit within a limit, both at the same time. */
TEST(race_27_each)
{
    race_each(.body = body_27, .part = 20);
}

static void in_a_clean_up(const struct primitive *one)
{
    weft_task task;

    it = (struct waiting){.one = one, .shielded = true, .cancelled = race_pick(2)};
    task = start();
    if (!it.cancelled)
        race_ok(weft_cancel(task));
    if (one->traits & KEEPS)
        race_yields(2);
    else
        race_until(task, one->name);
    one->give();
    race_ok(result_of(task));
    one->check(true);
}
static int body_44(void *arg)
{
    (void)arg;
    return each(in_a_clean_up);
}
/* 44: a clean-up, cancelled, waits in a shield for as long as it takes. */
TEST(race_44_each)
{
    race_each(.body = body_44, .part = 10);
}

static void without_memory(const struct primitive *one)
{
    weft_task task;
    int result;

    it = (struct waiting){.one = one};
    task = start();
    race_until(task, NULL);
    race_no_memory = true;
    race_ok(weft_cancel(task));
    result = result_of(task);
    race_no_memory = false;
    race_is(result, -ECANCELED);
    one->give();
    one->check(false);
}
static int body_56(void *arg)
{
    (void)arg;
    return each(without_memory);
}
/* 56: cancelled when there is no memory. */
TEST(race_56_each)
{
    race_each(.body = body_56, .part = 20);
}

/* 47: stopped with somebody at each. */
static const struct primitive *stopped_at;
static void check_after_stop(const struct primitive *one)
{
    if (one->give == give_barrier) { /* nobody can be sent to it any more */
        race_is(weft_barrier_waiting(&barrier), 0);
    } else if (one->check == check_next) { /* it has been stopped itself */
        race_is(next_it(), -ECANCELED);
        race_is(weft_generator_close(generator), 0);
    } else {
        one->give();
        one->check(false);
    }
}
static int stopped_main(void *arg)
{
    int result = 1;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task;
        around = &s;
        remote = false;
        of_shared = race_pick(2);
        stopped_at->set_up();
        it = (struct waiting){.one = stopped_at};
        task = start();
        race_yields(3);
        race_is(weft_stop(), 0);
        result = result_of(task);
        race_is(result, -ECANCELED);
        WEFT_SHIELD(weft_after_ns(HOUR))
            check_after_stop(stopped_at);
    }
    return result == -ECANCELED ? 4 : 5;
}
static int run_47(void)
{
    struct weft_run_opt opt = {.size = sizeof opt, .drain_ns = 1000, .cancel_ns = HOUR};

    for (int i = 0; i < PRIMITIVES; i++) {
        stopped_at = &primitives[i];
        race_is(weft_run(stopped_main, NULL, 0, &opt), 4);
    }
    return 0;
}
TEST(race_47_each)
{
    race_each(.run = run_47, .part = 50);
}

TEST_MAIN("race_each", 3600, race_35_41_each, race_46_each, race_41_each, race_41_each_remote,
          race_41_reader, race_41_barrier, race_22_each, race_23_each, race_24_42_each,
          race_26_each, race_27_each, race_44_each, race_56_each, race_47_each)
