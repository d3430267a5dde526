/*
 * Edges of weft/generator.h: bodies that are cancelled by others than their close, or before they
 * begin; bodies in a shield; who asks one that is being closed, or that waits for who asks. Would
 * catch a close that hangs, an argument that is dropped twice or not at all, two tasks that wait
 * for each other, and a cancellation that is taken for the end of the values.
 */
#include "sync.h"

static weft_event go;
static weft_generator *generator;
static weft_task body;
static int begun, ended, dropped;

static void run(weft_task_fn fn)
{
    go = (weft_event)WEFT_EVENT_INIT;
    begun = ended = dropped = 0;
    is(weft_run(fn, NULL, 0, NULL), 0);
}

static void open_one(weft_generator_fn fn, const void *arg, size_t arg_size)
{
    is(weft_generator_open(&generator, sizeof(int), fn, arg, arg_size, NULL), 0);
}

static int next(void)
{
    int item = -1;

    is(weft_generator_next(generator, &item), 1);
    return item;
}

/* -- cancelled by others ----------------------------------------------------------------------
 */

static int gives_one(weft_generator *self, void *arg)
{
    int item = 1, error;

    (void)arg;
    body = weft_current_task();
    error = weft_generator_produce(self, &item);
    is(error, -ESHUTDOWN);
    is(weft_generator_produce(self, &item), -ECANCELED);
    ended++;
    return error;
}

static void cancel_body(void)
{
    int before = ended;

    is(next(), 1);
    is(weft_cancel(body), 1);
    while (ended == before)
        is(weft_yield(), 0);
}

/* Its task is cancelled, and nobody has closed it: that is not the end of the values, and is told
   to who asks, each time, or to the close. */
static int other_main(void *arg)
{
    int item = 7;

    (void)arg;
    open_one(gives_one, NULL, 0);
    cancel_body();
    is(weft_generator_next(generator, &item), -ECANCELED);
    is(weft_cancel(weft_current_task()), 1);
    is(weft_generator_next(generator, &item), -ECANCELED);
    is(weft_cause(), WEFT_CAUSE_CANCEL);
    is(weft_uncancel(), 0);
    is(weft_generator_close(generator), 0);
    open_one(gives_one, NULL, 0);
    cancel_body();
    is(weft_generator_close(generator), -ECANCELED);
    is(item, 7);
    return 0;
}
TEST(cancelled_by_another)
{
    run(other_main);
}

/* -- cancelled before it begins ---------------------------------------------------------------
 */

static void drop(void *arg)
{
    is(*(int *)arg, 10);
    dropped++;
}
static int begins(weft_generator *self, void *arg)
{
    (void)arg;
    begun++;
    return weft_generator_produce(self, &begun);
}
static int asks(void *arg)
{
    int item;

    (void)arg;
    return weft_generator_next(generator, &item);
}
static int cancels(void *arg)
{
    weft_scope_cancel(*(weft_scope **)arg);
    return 0;
}
/* Its task is there, and has not run when the scope is cancelled: the argument is dropped instead,
   once. Without a drop function it runs, as any task does, and is told. */
static int before_main(void *arg)
{
    struct weft_generator_opt opt = {.size = sizeof opt, .drop = drop};
    int ten = 10;

    (void)arg;
    for (int drops = 1; drops >= 0; drops--) {
        begun = dropped = 0;
        opt.drop = drops ? drop : NULL;
        WEFT_SCOPE(s) {
            weft_scope *scope = &s;
            is(weft_generator_open(&generator, sizeof(int), begins, &ten, sizeof ten, &opt), 0);
            is(weft_spawn(&s, asks, NULL, 0, NULL), 0);
            is(weft_spawn(&s, cancels, &scope, sizeof scope, NULL), 0);
        }
        is(dropped, drops);
        is(begun, !drops);
    }
    return 0;
}
TEST(cancelled_before_it_begins)
{
    run(before_main);
}

/* -- in a shield ------------------------------------------------------------------------------
 */

static int gives_in_a_shield(weft_generator *self, void *arg)
{
    int item = 4, error = 0;

    (void)arg;
    WEFT_SHIELD(weft_after_ns(HOUR)) {
        error = weft_generator_produce(self, &item);
        is(error, -ESHUTDOWN);
        is(weft_generator_produce(self, &item), -ECANCELED);
        is(weft_event_wait(&go), 0);
    }
    ended++;
    return error; /* which is that of the close, though no cancellation has told it */
}
static int closes(void *arg)
{
    (void)arg;
    return weft_generator_close(generator);
}
/* A shield keeps the cancellation from the body, and still it learns that it is closed. Who asks
   meanwhile is refused. */
static int shield_main(void *arg)
{
    int item;

    (void)arg;
    open_one(gives_in_a_shield, NULL, 0);
    is(next(), 4);
    WEFT_SCOPE(s) {
        weft_task closer = sync_start_until(&s, closes, 0, "generator");
        ck_misuse(weft_generator_next(generator, &item), -EBUSY, "weft_generator_next", "closes");
        is(ended, 0);
        is(weft_event_set(&go), 1);
        is(sync_result(closer), 0);
        is(ended, 1);
    }
    return 0;
}
TEST(closed_in_a_shield)
{
    run(shield_main);
}

/* -- who waits for whom -----------------------------------------------------------------------
 */

static bool body_begun;
static int awaits_first(weft_generator *self, void *arg)
{
    int result = 0;

    body_begun = true;
    is(weft_await(*(weft_task *)arg, &result), 0);
    return weft_generator_produce(self, &result);
}
static int asks_who_awaits_it(void *arg)
{
    int item;

    is(weft_event_wait(&go), 0);
    ck_misuse(weft_generator_next(generator, &item), -EDEADLK, "weft_generator_next", "who asks");
    ended++;
    return *(int *)arg;
}
/* The body waits for a task that asks it: neither would go on. Others may ask. */
static int cycle_main(void *arg)
{
    int item;

    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task = sync_start_until(&s, asks_who_awaits_it, 5, "event");
        open_one(awaits_first, &task, sizeof task);
        do /* again, where the time was over before the body had begun */
            is(weft_generator_next_until(generator, &item, weft_after_us(200)), -ETIMEDOUT);
        while (!body_begun);
        is(weft_event_set(&go), 1);
        while (ended == 0)
            is(weft_yield(), 0);
        is(next(), 5);
        is(weft_generator_close(generator), 0);
    }
    return 0;
}
TEST(a_body_that_waits_for_who_asks)
{
    run(cycle_main);
}

/* By the time that one has his value another asks: who waits for that one waits for the body. */
static int asks_once_woken(void *arg)
{
    int item = -1, error;

    (void)arg;
    is(weft_event_wait(&go), 0);
    while ((error = weft_generator_next(generator, &item)) == -EBUSY)
        is(weft_yield(), 0); /* the body has given way before its value */
    is(error, 1);
    return item;
}
static int gives_to_the_next(weft_generator *self, void *arg)
{
    int item = 1;

    body = weft_current_task();
    is(weft_event_set(&go), 1);
    is(weft_generator_produce(self, &item), 0);
    sync_until(*(weft_task *)arg, "join");
    ck_misuse(weft_await(*(weft_task *)arg, NULL), -EDEADLK, "weft_await", "itself");
    item++;
    return weft_generator_produce(self, &item);
}
static int awaits_it(void *arg)
{
    int result = 0;

    is(weft_await(*(weft_task *)arg, &result), 0);
    return result;
}
static int since_main(void *arg)
{
    weft_task second, third;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &third};

    (void)arg;
    WEFT_SCOPE(s) {
        second = sync_start_until(&s, asks_once_woken, 0, "event");
        is(weft_spawn(&s, awaits_it, &second, sizeof second, &opt), 0);
        open_one(gives_to_the_next, &third, sizeof third);
        is(next(), 1);
        is(sync_result(third), 2);
        is(weft_generator_close(generator), 0);
    }
    return 0;
}
TEST(asked_by_another_since)
{
    run(since_main);
}

/* Who asks waits for the next value, not for the end of the body: one below the body, which ends
   before it, may wait for who asks, and may ask. */
static weft_task asker, below;
static int awaits_the_asker(void *arg)
{
    int result = 0;

    (void)arg;
    is(weft_await(asker, &result), 0);
    is(result, 9);
    is(next(), 10);
    return 0;
}
static int gives_with_a_scope_open(weft_generator *self, void *arg)
{
    int error = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        below = sync_start(&s, awaits_the_asker, 0);
        is(weft_event_wait(&go), 0);
        for (int item = 9; error == 0; item++)
            error = weft_generator_produce(self, &item);
    }
    ended++;
    return error;
}
static int gives_its_value(void *arg)
{
    (void)arg;
    return next();
}
static int below_main(void *arg)
{
    (void)arg;
    below = (weft_task){0};
    WEFT_SCOPE(s) {
        open_one(gives_with_a_scope_open, NULL, 0);
        asker = sync_start(&s, gives_its_value, 0);
        while (!below.generation)
            is(weft_yield(), 0);
        sync_until(below, "join");
        is(weft_event_set(&go), 1);
        is(weft_await(below, NULL), 0);
        is(weft_generator_close(generator), 0);
        is(ended, 1);
    }
    return 0;
}
TEST(below_a_body_that_goes_on)
{
    run(below_main);
}

/* But not when the body waits for the end of who would wait. */
static int may_not_wait(void *arg)
{
    int item;

    is(weft_event_wait(&go), 0);
    sync_until(body, *(int *)arg ? "join" : "scope");
    ck_misuse(weft_await(asker, NULL), -EDEADLK, "weft_await", "itself");
    sync_until(asker, "generator");
    is(weft_cancel(asker), 1);
    is(weft_await(asker, NULL), 0);
    ck_misuse(weft_generator_next(generator, &item), -EDEADLK, "weft_generator_next", "who asks");
    return 0;
}
static int waits_for_one_below(weft_generator *self, void *arg)
{
    int joins = *(int *)arg;

    body = weft_current_task();
    (void)self;
    WEFT_SCOPE(s) {
        below = sync_start(&s, may_not_wait, joins);
        if (joins)
            is(weft_join(below, NULL), 0);
    }
    ended++;
    return 0;
}
static int is_cancelled(void *arg)
{
    int item;

    (void)arg;
    is(weft_generator_next(generator, &item), -ECANCELED);
    return 0;
}
static int stuck_main(void *arg)
{
    (void)arg;
    for (int joins = 0; joins < 2; joins++)
        WEFT_SCOPE(s) {
            go = (weft_event)WEFT_EVENT_INIT;
            open_one(waits_for_one_below, &joins, sizeof joins);
            asker = sync_start_until(&s, is_cancelled, 0, "generator");
            is(weft_event_set(&go), 1);
            while (ended == joins)
                is(weft_yield(), 0);
            is(weft_generator_close(generator), 0);
        }
    return 0;
}
TEST(below_a_body_that_waits_for_it)
{
    run(stuck_main);
}

/* A scope that closes does not wait for the bodies of generators, but has them end: who waits for
   its owner does not wait for what they wait for. */
static weft_event last;
static int awaits_the_owner(void *arg)
{
    (void)arg;
    is(weft_event_wait(&go), 0);
    return weft_await(asker, NULL);
}
static int awaits_in_vain(weft_generator *self, void *arg)
{
    (void)self;
    body_begun = true;
    is(weft_await(*(weft_task *)arg, NULL), -ECANCELED);
    ended++;
    return -ECANCELED;
}
static int is_the_last(void *arg)
{
    (void)arg;
    return weft_event_wait(&last);
}
static int owns_a_generator(void *arg)
{
    int item;

    (void)arg;
    WEFT_SCOPE(s) {
        open_one(awaits_in_vain, &below, sizeof below);
        do /* again, where the time was over before the body had begun */
            is(weft_generator_next_until(generator, &item, weft_after_us(200)), -ETIMEDOUT);
        while (!body_begun);
        (void)sync_start(&s, is_the_last, 0);
    }
    is(ended, 1);
    return 0;
}
static int closes_main(void *arg)
{
    (void)arg;
    last = (weft_event)WEFT_EVENT_INIT;
    WEFT_SCOPE(s) {
        below = sync_start_until(&s, awaits_the_owner, 0, "event");
        asker = sync_start_until(&s, owns_a_generator, 0, "scope");
        is(weft_event_set(&go), 1);
        sync_until(below, "join");
        is(weft_event_set(&last), 1);
        is(sync_result(below), 0);
    }
    return 0;
}
TEST(who_closes_does_not_wait_for_bodies)
{
    run(closes_main);
}

/* -- outside of tasks -------------------------------------------------------------------------
 */

static void close_in_callback(void *arg)
{
    is(weft_generator_close(arg), -EPERM);
    ended++;
}
static int places_main(void *arg)
{
    int item;

    (void)arg;
    open_one(gives_one, NULL, 0);
    is(weft_generator_next_until(generator, NULL, WEFT_NEVER), -EINVAL);
    is(next(), 1);
    is(weft_call_soon(close_in_callback, generator, NULL), 0);
    while (ended == 0)
        is(weft_yield(), 0);
    is(weft_cancel(body), 1); /* it is there still */
    while (ended == 1)
        is(weft_yield(), 0);
    is(weft_generator_next(generator, &item), -ECANCELED);
    is(weft_generator_close(generator), 0);
    return 0;
}
TEST(outside_of_tasks)
{
    int item;

    run(places_main);
    is(weft_generator_next_until(NULL, &item, 1), -EPERM);
}

/* What the body ends with is the body's, though it reads as if the caller had been refused. */
static int times_out(weft_generator *self, void *arg)
{
    int one = 1;

    ck_assert_int_le(weft_generator_produce(self, &one), 0);
    return *(int *)arg;
}
static int bodys_result_main(void *arg)
{
    int result = -ETIMEDOUT, item;

    (void)arg;
    for (int closes = 0; closes < 2; closes++) {
        is((int)weft_futex_wait_until(&result, (uint32_t)result, 0, 1), -ETIMEDOUT);
        is(weft_cause(), WEFT_CAUSE_DEADLINE);
        open_one(times_out, &result, sizeof result);
        is(next(), 1);
        if (!closes)
            is(weft_generator_next(generator, &item), -ETIMEDOUT);
        is(weft_generator_close(generator), closes ? -ETIMEDOUT : 0);
        is(weft_cause(), WEFT_CAUSE_NONE);
    }
    return 0;
}
TEST(the_cause_of_the_bodys_result)
{
    run(bodys_result_main);
}

TEST_MAIN("generator_edges", 30, cancelled_by_another, cancelled_before_it_begins,
          closed_in_a_shield, a_body_that_waits_for_who_asks, asked_by_another_since,
          below_a_body_that_goes_on, below_a_body_that_waits_for_it,
          who_closes_does_not_wait_for_bodies, outside_of_tasks, the_cause_of_the_bodys_result)
