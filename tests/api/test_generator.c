/*
 * weft/generator.h, sentence by sentence. Each test would catch the sentence above it becoming
 * untrue: a body that runs ahead, a value that is lost, clean-up that does not run, a generator
 * that outlives its scope.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#define HOUR INT64_C(3600000000000)
#define is(expression, value) ck_assert_int_eq((expression), (value))

static char written[256]; /* what has happened, a word each */
static int cleaned, dropped;

static void note(const char *word, int number)
{
    size_t length = strlen(written);

    ck_assert_int_lt((int)length, (int)sizeof written - 16);
    snprintf(written + length, sizeof written - length, "%s%d ", word, number);
}

static void run(weft_task_fn fn)
{
    written[0] = '\0';
    cleaned = dropped = 0;
    is(weft_run(fn, NULL, 0, NULL), 0);
}

static void drop(void *arg)
{
    is(*(int *)arg, 10);
    dropped++;
}

/* 0, 1, ... below *arg. */
static int count(weft_generator *self, void *arg)
{
    int error = 0;

    for (int i = 0; i < *(int *)arg && error == 0; i++) {
        note("p", i);
        error = weft_generator_produce(self, &i);
    }
    cleaned++;
    return error;
}

static weft_generator *open_count(int below)
{
    weft_generator *made;
    struct weft_generator_opt opt = {.size = sizeof opt, .name = "count", .drop = drop};

    is(weft_generator_open(&made, sizeof(int), count, &below, sizeof below, &opt), 0);
    return made;
}
static int next(weft_generator *generator)
{
    int item = -1;

    is(weft_generator_next(generator, &item), 1);
    return item;
}

/* 0 to 9, each when it is asked for and not before; then the end, as often as one asks. */
static int all_main(void *arg)
{
    weft_generator *numbers = open_count(10);
    int item;

    (void)arg;
    is(weft_yield(), 0);
    ck_assert_str_eq(written, "");
    for (int i = 0; i < 10; i++) {
        is(next(numbers), i);
        note("c", i);
        is(weft_yield(), 0);
    }
    ck_assert_str_eq(written, "p0 c0 p1 c1 p2 c2 p3 c3 p4 c4 p5 c5 p6 c6 p7 c7 p8 c8 p9 c9 ");
    is(cleaned, 0);
    is(weft_generator_next(numbers, &item), 0);
    is(cleaned, 1);
    is(weft_cancel(weft_current_task()), 1);
    is(weft_generator_next(numbers, &item), 0); /* "unchecked for cancellation" */
    is(weft_generator_next_until(numbers, &item, 1), 0);
    is(weft_generator_close(numbers), 0);
    is(weft_uncancel(), 0);
    is(dropped, 0);
    return 0;
}
TEST(zero_to_nine)
{
    run(all_main);
}

/* -- closing --------------------------------------------------------------------------------- */

static int cleans_up(weft_generator *self, void *arg)
{
    int item = 5, again = 0;

    (void)arg;
    is(weft_generator_produce(self, &item), -ESHUTDOWN); /* it was taken */
    is(weft_sleep(HOUR), -ECANCELED);
    WEFT_SHIELD(weft_after_ns(HOUR)) {
        is(weft_sleep(1000), 0);
        is(weft_generator_produce(self, &item), -ECANCELED); /* and this one was not */
        again++;
    }
    is(weft_uncancel(), 0); /* does not bring it back to life */
    is(weft_generator_produce(self, &item), -ECANCELED);
    cleaned += again;
    return -ECANCELED;
}
/* "It cleans up and returns, and the close returns after that." Its end is no error. */
static int close_main(void *arg)
{
    weft_generator *generator;

    (void)arg;
    is(weft_generator_open(&generator, sizeof(int), cleans_up, NULL, 0, NULL), 0);
    is(next(generator), 5);
    is(cleaned, 0);
    is(weft_generator_close(generator), 0);
    is(cleaned, 1);
    is(weft_generator_close(NULL), 0);
    return 0;
}
TEST(close_runs_clean_up)
{
    run(close_main);
}

static int sleeps_first(weft_generator *self, void *arg)
{
    int error = weft_sleep(*(int64_t *)arg);

    if (error == 0)
        error = weft_generator_produce(self, arg);
    cleaned++;
    return error;
}
/* Whatever the body waits in is cancelled by the close; a task that asks meanwhile is told the
   end. */
static int asks(void *arg)
{
    int item;

    return weft_generator_next(*(weft_generator **)arg, &item);
}
static int busy_main(void *arg)
{
    static const int64_t hour = HOUR;
    weft_generator *generator;
    int item;

    (void)arg;
    is(weft_generator_open(&generator, sizeof(int64_t), sleeps_first, &hour, sizeof hour, NULL), 0);
    WEFT_SCOPE(s) {
        weft_task asking;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &asking};
        int result = 7;
        is(weft_spawn(&s, asks, &generator, sizeof generator, &opt), 0);
        is(weft_yield(), 0);
        ck_misuse(weft_generator_next(generator, &item), -EBUSY, "weft_generator_next", "asks");
        is(weft_generator_close(generator), 0);
        is(cleaned, 1);
        is(weft_join(asking, &result), 0);
        is(result, 0);
    }
    return 0;
}
TEST(close_while_it_works)
{
    run(busy_main);
}

/* A generator that was never asked never runs, and its argument is dropped. */
static int never_main(void *arg)
{
    (void)arg;
    is(weft_generator_close(open_count(10)), 0);
    is(dropped, 1);
    WEFT_SCOPE(s)
        open_count(10);
    is(dropped, 2);
    open_count(10); /* to the end of the task */
    is(dropped, 2);
    return 0;
}
TEST(never_started)
{
    run(never_main);
    is(dropped, 3);
    is(cleaned, 0);
    ck_assert_str_eq(written, "");
}

/* -- scopes ---------------------------------------------------------------------------------- */

static int consumes(void *arg)
{
    weft_generator *generator = *(weft_generator **)arg;
    int item, sum = 0, result;

    is(weft_yield(), 0);
    while ((result = weft_generator_next(generator, &item)) > 0) {
        sum += item;
        is(weft_yield(), 0);
    }
    is(result, 0);
    return sum;
}
static int leaves_one_open(void *arg)
{
    weft_generator *generator = open_count(10);

    (void)arg;
    return next(generator) + next(generator);
}
/* "When that scope closes, and nobody but generators is left in it, those not yet closed are
   closed"; a task in it that still asks gets all of it first. */
static int scope_main(void *arg)
{
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        is(next(open_count(10)), 0);
        is(next(open_count(10)), 0);
        is(cleaned, 0);
    }
    is(cleaned, 2);
    WEFT_SCOPE(t) {
        next(open_count(10));
        break;
    }
    is(cleaned, 3);
    WEFT_SCOPE(u) {
        weft_generator *generator = open_count(10);
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        is(weft_spawn(&u, consumes, &generator, sizeof generator, &opt), 0);
        is(weft_scope_drain(&u, weft_after_ns(HOUR), WEFT_NEVER), 0); /* it had its end, too */
        is(weft_join(task, &result), 0);
        is(result, 45);
        is(weft_generator_close(generator), 0);
    }
    is(cleaned, 4);
    WEFT_SCOPE(v) {
        weft_generator *generator = open_count(10);
        is(weft_spawn(&v, consumes, &generator, sizeof generator, NULL), 0);
    }
    is(cleaned, 5);
    WEFT_SCOPE(w) {
        is(weft_spawn(&w, leaves_one_open, NULL, 0, NULL), 0);
        is(next(open_count(3)), 0);
        is(weft_scope_drain(&w, weft_after_ns(HOUR), WEFT_NEVER), 0); /* waits for no generator */
        is(cleaned, 6);
    }
    is(cleaned, 7);
    return 0;
}
TEST(out_of_a_scope)
{
    run(scope_main);
}

/* Cancelled with its scope: by a deadline, say; the consumer hears of that. */
static int waits_in_body(weft_generator *self, void *arg)
{
    int item = 1, error = weft_generator_produce(self, &item);

    (void)arg;
    if (error == 0) {
        error = weft_sleep(HOUR);
        is(error, -ECANCELED);
    } else { /* the time was over before it was asked again */
        is(error, -ESHUTDOWN);
    }
    cleaned++;
    return error;
}
static int deadline_main(void *arg)
{
    weft_scope scope;
    weft_generator *generator;
    int item;

    (void)arg;
    is(weft_timeout(&scope, HOUR), 0);
    is(weft_generator_open(&generator, sizeof(int), waits_in_body, NULL, 0, NULL), 0);
    is(next(generator), 1);
    is(weft_timeout_reschedule(&scope, weft_after_us(200)), 0);
    is(weft_generator_next(generator, &item), -ECANCELED);
    is(weft_cause(), WEFT_CAUSE_DEADLINE);
    is(weft_scope_close(&scope), -ETIMEDOUT);
    is(cleaned, 1);
    return 0;
}
TEST(cancelled_with_its_scope)
{
    run(deadline_main);
}

/* -- nothing is lost ------------------------------------------------------------------------- */

static int asks_and_is_cancelled(void *arg)
{
    int item = -1;

    is(weft_generator_next(*(weft_generator **)arg, &item), -ECANCELED);
    is(item, -1);
    return 0;
}
static int slowly(weft_generator *self, void *arg)
{
    int error = 0;

    (void)arg;
    for (int i = 0; i < 4 && error == 0; i++) {
        error = weft_sleep(400000);
        if (error == 0)
            error = weft_generator_produce(self, &i);
    }
    return error;
}
/* "Giving up and being cancelled lose nothing: the value is there for the next call." */
static int give_up_main(void *arg)
{
    weft_generator *generator;
    int item = -1;

    (void)arg;
    is(weft_generator_open(&generator, sizeof(int), slowly, NULL, 0, NULL), 0);
    WEFT_SCOPE(s) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        is(weft_spawn(&s, asks_and_is_cancelled, &generator, sizeof generator, &opt), 0);
        is(weft_yield(), 0);
        is(weft_cancel(task), 1);
    }
    is(weft_sleep(1000000), 0); /* the value is ready long since */
    is(weft_generator_next_until(generator, &item, WEFT_NEVER), 1);
    is(item, 0);
    is(weft_generator_next_until(generator, &item, weft_after_us(10)), -ETIMEDOUT);
    is(weft_generator_next_until(generator, &item, 1), -ETIMEDOUT);
    for (int i = 1; i < 4; i++)
        is(next(generator), i);
    is(weft_generator_next(generator, &item), 0);
    is(weft_generator_close(generator), 0);
    return 0;
}
TEST(giving_up_loses_nothing)
{
    run(give_up_main);
}

/* -- failing --------------------------------------------------------------------------------- */

static int fails(weft_generator *self, void *arg)
{
    int item = 1, error = weft_generator_produce(self, &item);

    (void)arg;
    return error < 0 ? -EIO : -EBADMSG;
}
static int child_fails(void *arg)
{
    (void)arg;
    return -ENXIO;
}
static int leaves_a_failure(weft_generator *self, void *arg)
{
    (void)self;
    (void)arg;
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, child_fails, NULL, 0, NULL), 0);
    }
    return 0;
}
/* Its failure is told to who asks, each time, or to the close; it is no failure of its scope. */
static int fails_main(void *arg)
{
    weft_generator *generator;
    int item;

    (void)arg;
    WEFT_SCOPE(s) {
        is(weft_generator_open(&generator, sizeof(int), fails, NULL, 0, NULL), 0);
        is(next(generator), 1);
        is(weft_generator_next(generator, &item), -EBADMSG);
        is(weft_generator_next(generator, &item), -EBADMSG);
        is(weft_generator_close(generator), 0); /* it was told */
        is(weft_generator_open(&generator, sizeof(int), fails, NULL, 0, NULL), 0);
        is(next(generator), 1);
        is(weft_generator_close(generator), -EIO);
        is(weft_generator_open(&generator, sizeof(int), leaves_a_failure, NULL, 0, NULL), 0);
        is(weft_generator_next(generator, &item), -ENXIO);
        is(weft_generator_close(generator), 0);
        is(weft_scope_error(&s), 0);
        is(weft_yield(), 0);
    }
    return 0;
}
TEST(failing)
{
    run(fails_main);
}

/* -- several --------------------------------------------------------------------------------- */

static int squares(weft_generator *self, void *arg)
{
    weft_generator *numbers = open_count(*(int *)arg);
    int item, error = 0;

    while (error == 0 && weft_generator_next(numbers, &item) > 0) {
        item *= item;
        error = weft_generator_produce(self, &item);
    }
    return error; /* the inner one is closed at the end of this one's task */
}
/* A generator that asks another; two side by side, closed in any order; values of any size, and
   an argument that is aligned. */
struct large {
    long double number;
    char text[1000];
};
static int large(weft_generator *self, void *arg)
{
    struct large item = {.text = "large"};

    ck_assert_uint_eq((uintptr_t)arg % 16, 0);
    item.number = *(long double *)arg;
    return weft_generator_produce(self, &item);
}
static int several_main(void *arg)
{
    int ten = 10, item;
    long double half = 0.5L;
    weft_generator *one, *two, *three;
    struct large got;

    (void)arg;
    is(weft_generator_open(&one, sizeof(int), squares, &ten, sizeof ten, NULL), 0);
    two = open_count(10);
    is(weft_generator_open(&three, sizeof got, large, &half, sizeof half, NULL), 0);
    is(weft_generator_next(three, &got), 1);
    ck_assert(got.number == half);
    ck_assert_str_eq(got.text, "large");
    for (int i = 0; i < 5; i++) {
        is(next(one), i * i);
        is(next(two), i);
    }
    is(weft_generator_close(three), 0);
    is(weft_generator_close(one), 0);
    is(next(two), 5);
    is(cleaned, 1);
    is(weft_generator_close(two), 0);
    is(weft_generator_open(&one, sizeof(int), squares, &ten, sizeof ten, NULL), 0);
    for (int i = 0; i < 10; i++)
        is(next(one), i * i);
    is(weft_generator_next(one, &item), 0);
    is(weft_generator_close(one), 0);
    return 0;
}
TEST(several)
{
    run(several_main);
}

/* -- mistakes -------------------------------------------------------------------------------- */

static int asks_itself(weft_generator *self, void *arg)
{
    int item = 3;

    ck_misuse(weft_generator_next(self, &item), -EDEADLK, "weft_generator_next", "itself");
    ck_misuse(weft_generator_close(self), -EDEADLK, "weft_generator_close", "itself");
    ck_misuse(weft_generator_produce(self, NULL), -EINVAL, "weft_generator_produce", "no value");
    ck_misuse(weft_generator_produce(NULL, &item), -EINVAL, "weft_generator_produce", "no gen");
    ck_misuse(weft_await(*(weft_task *)arg, NULL), -EDEADLK, "weft_await", "itself");
    return weft_generator_produce(self, &item);
}
static int elsewhere(void *arg)
{
    weft_generator *generator = *(weft_generator **)arg;
    int item;

    ck_misuse(weft_generator_next(generator, &item), -EXDEV, "weft_generator_next", "another");
    ck_misuse(weft_generator_close(generator), -EXDEV, "weft_generator_close", "another");
    return 0;
}
/* A macro: the line is what is looked at. */
#define open_four(place, opt) weft_generator_open(place, 4, count, NULL, 0, opt)
static int mistakes_main(void *arg)
{
    weft_generator *generator, *none;
    weft_task self = weft_current_task();
    struct weft_generator_opt bad = {.size = 1};
    int item;

    (void)arg;
    ck_misuse(open_four(NULL, NULL), -EINVAL, "weft_generator_open", "no place");
    is(weft_generator_open(&none, 0, count, NULL, 0, NULL), -EINVAL);
    is(weft_generator_open(&none, 4, NULL, NULL, 0, NULL), -EINVAL);
    is(weft_generator_open(&none, 4, count, NULL, 4, NULL), -EINVAL);
    is(weft_generator_open(&none, 4, count, &item, 2000, NULL), -E2BIG);
    ck_misuse(open_four(&none, &bad), -EINVAL, "weft_generator_open", "options");
    is(weft_generator_open(&generator, sizeof(int), asks_itself, &self, sizeof self, NULL), 0);
    ck_misuse(weft_generator_next(generator, NULL), -EINVAL, "weft_generator_next", "no place");
    ck_misuse(weft_generator_next(NULL, &item), -EINVAL, "weft_generator_next", "no generator");
    ck_misuse(weft_generator_produce(generator, &item), -EPERM, "weft_generator_produce", "body");
    is(next(generator), 3);
    is(weft_call(1, elsewhere, &generator, sizeof generator), 0);
    WEFT_NO_SUSPEND
        is(weft_generator_next(generator, &item), -EPERM);
    is(weft_cancel(self), 1);
    is(weft_generator_next(generator, &item), -ECANCELED);
    is(weft_generator_next_until(generator, &item, WEFT_NEVER), -ECANCELED);
    is(weft_uncancel(), 0);
    is(weft_generator_close(generator), 0);
    bad = (struct weft_generator_opt){.size = sizeof bad, .stack_size = (size_t)1 << 40};
    is(weft_generator_open(&generator, 4, count, NULL, 0, &bad), 0);
    is(weft_generator_next(generator, &item), -E2BIG);
    is(weft_generator_close(generator), 0);
    return 0;
}
TEST(mistakes)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};
    weft_generator *none = NULL;
    int item;

    is(weft_generator_open(&none, 4, count, NULL, 0, NULL), -EPERM);
    is(weft_generator_next(none, &item), -EPERM);
    is(weft_generator_produce(none, &item), -EPERM);
    is(weft_generator_close(none), 0);
    is(weft_run(mistakes_main, NULL, 0, &opt), 0);
}

TEST_MAIN("generator", 30, zero_to_nine, close_runs_clean_up, close_while_it_works, never_started,
          out_of_a_scope, cancelled_with_its_scope, giving_up_loses_nothing, failing, several,
          mistakes)
