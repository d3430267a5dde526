/*
 * Waiting for oneself, through others: a join that would close a circle is refused, and said to be
 * one by naming it; so is one through the first of several once none of them can end, through the
 * children of a scope, and through a generator. Would catch a circle that is not seen, and a wait
 * refused though somebody in it could still go on.
 */
#include <weft/inspect.h>

#include "printed.h"
#include "sync.h"

enum { A, B, C, D, TASKS };
static weft_task tasks[TASKS];
static const char *const names[TASKS] = {"a", "b", "c", "d"};
static weft_event over;

static void start(weft_scope *scope, int which, weft_task_fn fn)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = names[which], .task = &tasks[which]};

    is(weft_spawn(scope, fn, NULL, 0, &opt), 0);
}
/* The same, and it waits for `what` by now. */
static void start_until(weft_scope *scope, int which, weft_task_fn fn, const char *what)
{
    start(scope, which, fn);
    sync_until(tasks[which], what);
}

/* Once that one is there. */
static int awaits(int which)
{
    while (!tasks[which].generation)
        is(weft_yield(), 0);
    return weft_await(tasks[which], NULL);
}
static int awaits_b(void *arg)
{
    (void)arg;
    return awaits(B);
}
static int waits_for_the_end(void *arg)
{
    (void)arg;
    return weft_event_wait(&over);
}
/* The await of A that closes a circle, by a task of that name. */
#define REFUSED(circle)                                                                            \
    ck_misuse(weft_await(tasks[A], NULL), -EDEADLK, "weft_await",                                  \
              "the task would wait for itself: " circle)

/* -- joins ----------------------------------------------------------------------------------- */

static int closes_the_ring(void *arg)
{
    (void)arg;
    while (!tasks[B].generation)
        is(weft_yield(), 0);
    sync_until(tasks[A], "join");
    sync_until(tasks[B], "join");
    REFUSED("task 4 \"c\" -> task 2 \"a\" -> task 3 \"b\" -> task 4 \"c\"");
    return 0;
}
static int awaits_c(void *arg)
{
    (void)arg;
    return awaits(C);
}
static int a_ring_of_joins_main(void *arg)
{
    const char *circle = "the task would wait for itself: task 1 \"main\" -> task 1 \"main\"";
    weft_task self = weft_current_task();

    (void)arg;
    ck_misuse(weft_join(self, NULL), -EDEADLK, "weft_join", circle);
    memset(tasks, 0, sizeof tasks);
    WEFT_SCOPE(s) {
        start(&s, A, awaits_b);
        start(&s, B, awaits_c);
        start(&s, C, closes_the_ring);
    }
    return 0;
}
SYNC_TEST(a_ring_of_joins)

static int awaits_main(void *arg)
{
    tasks[A] = *(weft_task *)arg;
    REFUSED("task 2 \"task\" -> task 1 \"main\" -> task 2 \"task\"");
    return 0;
}
static int who_has_the_scope_open_main(void *arg)
{
    weft_task self = weft_current_task();

    (void)arg;
    WEFT_SCOPE(s)
        is(weft_spawn(&s, awaits_main, &self, sizeof self, NULL), 0);
    return 0;
}
SYNC_TEST(who_has_the_scope_open)

/* -- the first of several --------------------------------------------------------------------- */

static int64_t limit;
static bool waited; /* A has: its limit may be over before the others begin */
static int waits_for_one_of_b_and_c(void *arg)
{
    weft_awaitable list[] = {weft_of_task(tasks[B]), weft_of_task(tasks[C])};
    int done = 0;

    (void)arg;
    while (!tasks[B].generation || !tasks[C].generation)
        is(weft_yield(), 0);
    list[0] = weft_of_task(tasks[B]);
    list[1] = weft_of_task(tasks[C]);
    WEFT_SCOPE(s) /* whose deadlines count as well: it has none */
        done = weft_wait(list, 2, NULL, WEFT_FIRST_COMPLETED, limit);
    waited = true;
    return done == -ETIMEDOUT ? 0 : done < 0 ? done : 0;
}
static int races_b_and_c(void *arg)
{
    int64_t results[2];
    int first;

    (void)arg;
    while (!tasks[B].generation || !tasks[C].generation)
        is(weft_yield(), 0);
    first = weft_race(WEFT_LIST(weft_of_task(tasks[B]), weft_of_task(tasks[C])), results);
    is(first, 1);
    is(results[0], -ECANCELED);
    return 0;
}
/* Not before that one waits, or its list is refused. */
static const char *way;
static int awaits_a(void *arg)
{
    (void)arg;
    while (!waited && strcmp(sync_waits_for(tasks[A]), way) != 0)
        is(weft_yield(), 0);
    return weft_await(tasks[A], NULL);
}
/* B waits for A, which waits for B or C: that goes on as long as C may. */
static int is_the_last(void *arg)
{
    (void)arg;
    while (!tasks[B].generation)
        is(weft_yield(), 0);
    sync_until(tasks[A], way);
    sync_until(tasks[B], "join");
    REFUSED("task 4 \"c\" -> task 2 \"a\" -> ");
    return 0;
}
static int first_main(void *arg)
{
    static const struct {
        weft_task_fn fn;
        const char *what;
        int of_b;
    } ways[] = {{waits_for_one_of_b_and_c, "wait", 0}, {races_b_and_c, "race", -ECANCELED}};
    size_t i = *(size_t *)arg;
    int result;

    way = ways[i].what;
    limit = WEFT_NEVER;
    waited = false;
    memset(tasks, 0, sizeof tasks);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        start(&s, A, ways[i].fn);
        start(&s, B, awaits_a);
        start(&s, C, is_the_last);
        is(weft_join(tasks[A], &result), 0);
        is(result, 0);
        is(weft_join(tasks[B], &result), 0);
        is(result, ways[i].of_b);
        is(weft_join(tasks[C], &result), 0);
        is(result, 0);
    }
    return 0;
}
TEST(the_first_of_those_who_wait)
{
    for (size_t i = 0; i < 2; i++)
        is(weft_run(first_main, &i, sizeof i, NULL), 0);
}

/* Nobody is refused: a third may end, or a deadline comes. */
static int another_may_end_main(void *arg)
{
    int result;

    (void)arg;
    way = "wait";
    limit = WEFT_NEVER;
    waited = false;
    memset(tasks, 0, sizeof tasks);
    over = (weft_event)WEFT_EVENT_INIT;
    WEFT_SCOPE(s) {
        start(&s, A, waits_for_one_of_b_and_c);
        start(&s, B, awaits_a);
        start(&s, C, waits_for_the_end);
        sync_until(tasks[A], "wait");
        sync_until(tasks[B], "join");
        start_until(&s, D, awaits_b, "join");
        is(weft_event_set(&over), 1);
        is(weft_join(tasks[D], &result), 0);
        is(result, 0);
    }
    limit = weft_after_ms(20);
    waited = false;
    memset(tasks, 0, sizeof tasks);
    WEFT_SCOPE(s) {
        start(&s, A, waits_for_one_of_b_and_c);
        start(&s, B, awaits_a);
        start(&s, C, awaits_a);
        for (int which = C; which >= A; which--) { /* who awaits A first, then A */
            is(weft_join(tasks[which], &result), 0);
            is(result, 0);
        }
    }
    return 0;
}
SYNC_TEST(another_may_end)

/* -- the children of a scope ------------------------------------------------------------------ */

static bool limited;
static weft_scope *the_scope;
static int has_b_in_its_scope(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        the_scope = &s;
        start(&s, B, awaits_c);
    }
    return 0;
}
static int awaits_who_closes(void *arg)
{
    (void)arg;
    while (!tasks[B].generation)
        is(weft_yield(), 0);
    sync_until(tasks[A], "scope");
    sync_until(tasks[B], "join");
    if (!limited) {
        REFUSED("task 3 \"c\" -> task 2 \"a\" -> task 4 \"b\" -> task 3 \"c\"");
        return 0;
    }
    is(weft_scope_reschedule(the_scope, weft_after_ms(20)), 0);
    is(weft_await(tasks[A], NULL), 0);
    return 0;
}
static int closer_main(void *arg)
{
    int result;

    (void)arg;
    for (int turn = 0; turn < 2; turn++) {
        limited = turn == 1;
        memset(tasks, 0, sizeof tasks);
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            start(&s, A, has_b_in_its_scope);
            start(&s, C, awaits_who_closes);
            is(weft_join(tasks[A], &result), 0);
            is(result, limited ? -ETIMEDOUT : 0);
            is(weft_join(tasks[C], &result), 0);
            is(result, 0);
        }
    }
    return 0;
}
TEST(who_closes_a_scope)
{
    is(weft_run(closer_main, NULL, 0, NULL), 0);
}

/* -- others, who may go on -------------------------------------------------------------------- */

static int sets_it(void *arg)
{
    (void)arg;
    is(weft_event_set(&over), 1);
    return 0;
}
static int awaits_d(void *arg)
{
    (void)arg;
    return awaits(D);
}
static int awaits_who_waits(void *arg)
{
    const char *what = *(const char **)arg;

    sync_until(tasks[A], what);
    sync_until(tasks[C], "join");
    return weft_await(tasks[C], NULL);
}
static void start_b(weft_scope *scope, const char *what)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = names[B], .task = &tasks[B]};

    is(weft_spawn(scope, awaits_who_waits, &what, sizeof what, &opt), 0);
}

/* A closes a scope further in than the one that B is in. */
static int closes_another(void *arg)
{
    (void)arg;
    WEFT_SCOPE(outer) {
        start_b(&outer, "scope");
        WEFT_SCOPE(inner)
            start(&inner, C, awaits_d);
    }
    return 0;
}
/* A waits for B or for something else. */
static int selects_b(void *arg)
{
    weft_case cases[] = {weft_case_event(&over), weft_case_event(&over)};

    (void)arg;
    while (!tasks[B].generation)
        is(weft_yield(), 0);
    cases[0] = weft_case_await(weft_of_task(tasks[B]));
    is(weft_select(cases, 2, 0), 1);
    return 0;
}
/* B is the body that A asks, twice: for a value, which may come before B's end. */
static bool asked_again;
static int body_below(weft_generator *generator, void *arg)
{
    int value = 1;

    (void)arg;
    tasks[B] = weft_current_task();
    sync_until(tasks[C], "join");
    is(weft_await(tasks[C], NULL), 0);
    return weft_generator_produce(generator, &value);
}
static int asks_below(void *arg)
{
    weft_generator *generator;
    int value;

    (void)arg;
    asked_again = false;
    WEFT_SCOPE(s) {
        is(weft_generator_open(&generator, sizeof value, body_below, NULL, 0, NULL), 0);
        while (!tasks[B].generation) /* it has begun */
            is(weft_generator_next_until(generator, &value, weft_after_us(200)), -ETIMEDOUT);
        sync_until(tasks[B], "join");
        asked_again = true;
        is(weft_generator_next(generator, &value), 1);
        is(weft_generator_close(generator), 0);
    }
    return 0;
}
/* Nobody is refused, nor is who waits for several of them. */
static int not_for_this_main(void *arg)
{
    static const weft_task_fn ways[] = {closes_another, selects_b, asks_below};

    (void)arg;
    for (int i = 0; i < 3; i++) {
        over = (weft_event)WEFT_EVENT_INIT;
        memset(tasks, 0, sizeof tasks);
        way = "select";
        asked_again = true;
        WEFT_SCOPE(s) {
            start(&s, D, waits_for_the_end);
            start(&s, A, ways[i]);
            if (i == 1)
                start_b(&s, way);
            if (i > 0)
                start(&s, C, i == 1 ? awaits_a : awaits_d);
            while (!tasks[B].generation || !asked_again)
                is(weft_yield(), 0);
            sync_until(tasks[B], "join");
            is(weft_spawn(&s, sets_it, NULL, 0, NULL), 0);
            is(weft_wait(WEFT_LIST(weft_of_task(tasks[A]), weft_of_task(tasks[C])), NULL, WEFT_ALL,
                         WEFT_NEVER),
               2);
        }
    }
    return 0;
}
TEST(who_waits_for_something_else)
{
    is(weft_run(not_for_this_main, NULL, 0, NULL), 0);
}

/* -- a generator ----------------------------------------------------------------------------- */

/* The body waits for B before its first value, A for that value, and B would wait for A. */
static int body(weft_generator *generator, void *arg)
{
    int value = 1;

    (void)arg;
    is(awaits(B), 0);
    return weft_generator_produce(generator, &value);
}
static int asks(void *arg)
{
    weft_generator *generator;
    int value;

    (void)arg;
    is(weft_generator_open(&generator, sizeof value, body, NULL, 0, NULL), 0);
    is(weft_generator_next(generator, &value), 1);
    return weft_generator_close(generator);
}
static int awaits_who_asks(void *arg)
{
    (void)arg;
    sync_until(tasks[A], "generator");
    for (int i = 0; i < 10; i++) /* the body has begun, and waits */
        is(weft_yield(), 0);
    REFUSED("task 3 \"b\" -> task 2 \"a\" -> task 4 ");
    return 0;
}
static int generator_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        start(&s, A, asks);
        start(&s, B, awaits_who_asks);
    }
    return 0;
}
TEST(who_asks_a_generator)
{
    is(weft_run(generator_main, NULL, 0, NULL), 0);
}

/* C waits for who has asked: cancelled by now, he asks no more, though he has not run since. */
static int body_awaits_c(weft_generator *generator, void *arg)
{
    int value = 1;

    (void)arg;
    tasks[D] = weft_current_task();
    is(weft_event_wait(&over), 0);
    is(weft_await(tasks[C], NULL), -ECANCELED); /* for A closes it */
    return weft_generator_produce(generator, &value);
}
static int asks_in_vain(void *arg)
{
    weft_generator *generator;
    int value;

    (void)arg;
    is(weft_generator_open(&generator, sizeof value, body_awaits_c, NULL, 0, NULL), 0);
    is(weft_generator_next(generator, &value), -ECANCELED);
    (void)weft_generator_close(generator);
    return 0;
}
static int asked_before_main(void *arg)
{
    (void)arg;
    over = (weft_event)WEFT_EVENT_INIT;
    memset(tasks, 0, sizeof tasks);
    way = "generator";
    WEFT_SCOPE(s) {
        start(&s, A, asks_in_vain);
        start_until(&s, C, awaits_a, "join");
        while (!tasks[D].generation)
            is(weft_yield(), 0);
        sync_until(tasks[D], "event");
        is(weft_event_set(&over), 1);
        is(weft_cancel(tasks[A]), 1);
    }
    return 0;
}
TEST(who_has_asked_a_generator)
{
    is(weft_run(asked_before_main, NULL, 0, NULL), 0);
}

/* -- locks ----------------------------------------------------------------------------------- */

static weft_lock locks[2];
static int holding;
static int takes_both(void *arg)
{
    int first = *(int *)arg, error;

    is(weft_lock_acquire(&locks[first]), 0);
    for (holding++; holding < 2;)
        is(weft_yield(), 0);
    error = weft_lock_acquire(&locks[1 - first]);
    is(weft_lock_release(&locks[first]), 0);
    if (error == 0)
        is(weft_lock_release(&locks[1 - first]), 0);
    return error;
}
static int gathers_a(void *arg)
{
    weft_awaitable list[] = {weft_of_task(tasks[A])};

    (void)arg;
    return weft_gather(list, 1, NULL, 0);
}
/* Not refused, as no code is ready for that; but who asks is told. */
static int taken_crosswise_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    static char text[PRINTED_SIZE];
    int fd = printed_new(), result;

    (void)arg;
    way = "lock";
    holding = 0;
    locks[0] = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    locks[1] = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        for (int i = A; i <= B; i++) {
            opt.name = names[i];
            opt.task = &tasks[i];
            is(weft_spawn(&s, takes_both, &i, sizeof i, &opt), 0);
        }
        start(&s, C, awaits_a);
        start(&s, D, gathers_a);
        sync_until(tasks[A], "lock");
        sync_until(tasks[B], "lock");
        sync_until(tasks[C], "join");
        sync_until(tasks[D], "gather");
        is(weft_print_tasks(fd, 0), 0);
        printed_read(fd, text);
        ck_assert_int_eq(strstr(text,
                                "\n  a cycle: task 2 \"a\" -> task 3 \"b\" -> task 2 \"a\"\n") !=
                                 NULL ||
                             strstr(text, "\n  a cycle: task 3 \"b\" -> task 2 \"a\" -> task 3 "
                                          "\"b\"\n") != NULL,
                         !of_shared_kind); /* whom others may give it to, nobody knows */
        is(weft_cancel(tasks[A]), 1);
        for (int i = A; i <= D; i++)
            is(weft_join(tasks[i], &result), 0);
    }
    is(close(fd), 0);
    return 0;
}
SYNC_TEST(taken_crosswise)

TEST_MAIN("cycle", 30, a_ring_of_joins, who_has_the_scope_open, the_first_of_those_who_wait,
          another_may_end, who_closes_a_scope, who_waits_for_something_else, who_asks_a_generator,
          who_has_asked_a_generator, taken_crosswise)
