/*
 * Circles of waiting in which somebody waits for one below it, in a scope of its own: for its end,
 * or for the next value of a generator, which comes before that. Would catch a wait refused though
 * who is asked may yet give a value, and a circle that is not seen because one in it waits for such
 * a value, or ends a select.
 */
#include "sync.h"

enum { A, B, C, D, TASKS };
static weft_task tasks[TASKS];
static weft_generator *inner, *outer;
static weft_event over, word;

static void begin(void)
{
    memset(tasks, 0, sizeof tasks);
    over = word = (weft_event)WEFT_EVENT_INIT;
}

static void start(weft_scope *scope, int which, weft_task_fn fn)
{
    static const char *const names[TASKS] = {"a", "b", "c", "d"};
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = names[which], .task = &tasks[which]};

    is(weft_spawn(scope, fn, NULL, 0, &opt), 0);
}

/* Once that one is there, and waits for that. */
static void until(int which, const char *what)
{
    while (!tasks[which].generation)
        is(weft_yield(), 0);
    sync_until(tasks[which], what);
}

static int produce(weft_generator *generator, int value)
{
    return weft_generator_produce(generator, &value);
}

static int next_of(weft_generator *generator)
{
    int value, result = weft_generator_next(generator, &value);

    return result == 1 ? value : result;
}

static int open_below(weft_generator **generator, weft_generator_fn fn)
{
    return weft_generator_open(generator, sizeof(int), fn, NULL, 0, NULL);
}

/* -- a body that closes another scope -------------------------------------------------------- */

static int waits_for_a_word(void *arg)
{
    (void)arg;
    return weft_event_wait(&word);
}

static int asks_in_vain(void *arg)
{
    (void)arg;
    is(next_of(outer), -ECANCELED);
    return 0;
}

static int asks_above(void *arg)
{
    (void)arg;
    is(weft_event_wait(&over), 0);
    is(next_of(outer), 7);
    return 0;
}

static int closes_another(weft_generator *generator, void *arg)
{
    (void)arg;
    tasks[A] = weft_current_task();
    WEFT_SCOPE(s) {
        start(&s, B, asks_above);
        WEFT_SCOPE(further)
            start(&further, C, waits_for_a_word);
        is(produce(generator, 7), -ESHUTDOWN);
    }
    return 0;
}

/* A is the body. B, in a scope of it, asks it for a value, while it closes a scope further in: that
   ends, and then it gives the value. */
static int asked_by_its_child_main(void *arg)
{
    (void)arg;
    begin();
    is(open_below(&outer, closes_another), 0);
    WEFT_SCOPE(s) {
        start(&s, D, asks_in_vain); /* the body begins */
        until(A, "scope");
        is(weft_cancel(tasks[D]), 1);
    }
    is(weft_event_set(&over), 1);
    until(B, "generator");
    is(weft_event_set(&word), 1);
    sync_until(tasks[B], "nothing");
    return weft_generator_close(outer);
}
TEST(asked_by_its_child)
{
    is(weft_run(asked_by_its_child_main, NULL, 0, NULL), 0);
}

/* -- a body that asks another ---------------------------------------------------------------- */

/* A asks the outer generator, whose body is B, which asks the inner one, whose body is C, for a
   value to pass on. */
static weft_generator_fn inner_body;

static int passes_on(weft_generator *generator, void *arg)
{
    (void)arg;
    tasks[B] = weft_current_task();
    WEFT_SCOPE(s) {
        is(open_below(&inner, inner_body), 0);
        is(produce(generator, next_of(inner)), -ESHUTDOWN);
    }
    return 0;
}

static int asks(void *arg)
{
    (void)arg;
    is(next_of(outer), 7);
    return 0;
}

static int passed_on_main(void *arg)
{
    (void)arg;
    begin();
    is(open_below(&outer, passes_on), 0);
    WEFT_SCOPE(s)
        start(&s, A, asks);
    return weft_generator_close(outer);
}

/* D, a child of C, waits for A. C does not wait for D before it gives its value. */
static int awaits_a(void *arg)
{
    (void)arg;
    until(A, "generator");
    until(B, "generator");
    until(C, "event");
    is(weft_event_set(&over), 1); /* C has yet to run */
    is(weft_await(tasks[A], NULL), 0);
    return 0;
}

static int has_a_child(weft_generator *generator, void *arg)
{
    (void)arg;
    tasks[C] = weft_current_task();
    WEFT_SCOPE(s) {
        start(&s, D, awaits_a);
        is(weft_event_wait(&over), 0);
        is(produce(generator, 7), -ESHUTDOWN);
    }
    return 0;
}

TEST(passed_on_to_who_is_awaited)
{
    inner_body = has_a_child;
    is(weft_run(passed_on_main, NULL, 0, NULL), 0);
}

/* C itself waits for A, and gives nothing before that: the value would never be passed on. */
static int would_await_a(weft_generator *generator, void *arg)
{
    (void)arg;
    tasks[C] = weft_current_task();
    until(A, "generator");
    until(B, "generator");
    ck_misuse(weft_await(tasks[A], NULL), -EDEADLK, "weft_await", "\"a\" -> task 3 \"generator\"");
    is(produce(generator, 7), -ESHUTDOWN);
    return 0;
}

TEST(awaits_who_is_passed_on_to)
{
    inner_body = would_await_a;
    is(weft_run(passed_on_main, NULL, 0, NULL), 0);
}

/* -- a body that joins a child --------------------------------------------------------------- */

static int would_await_the_asker(void *arg)
{
    (void)arg;
    until(A, "generator");
    until(B, "join");
    until(C, "scope");
    ck_misuse(weft_await(tasks[A], NULL), -EDEADLK, "weft_await", "itself");
    return 0;
}

static int has_a_child_of_its_own(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        start(&s, D, would_await_the_asker);
    return 0;
}

static int joins_a_child(weft_generator *generator, void *arg)
{
    (void)arg;
    tasks[B] = weft_current_task();
    WEFT_SCOPE(s) {
        start(&s, C, has_a_child_of_its_own);
        is(weft_join(tasks[C], NULL), 0);
    }
    is(produce(generator, 7), -ESHUTDOWN);
    return 0;
}

/* A asks the body B, which joins its child C before it gives a value, and C ends with its child D:
   if that one waited for A, nobody would go on. */
static int joined_main(void *arg)
{
    (void)arg;
    begin();
    is(open_below(&outer, joins_a_child), 0);
    WEFT_SCOPE(s)
        start(&s, A, asks);
    return weft_generator_close(outer);
}
TEST(awaits_who_asks_one_that_joins)
{
    is(weft_run(joined_main, NULL, 0, NULL), 0);
}

/* -- a select that ends ---------------------------------------------------------------------- */

static int awaits_d(void *arg)
{
    (void)arg;
    tasks[C] = weft_current_task();
    is(weft_sleep(HOUR), -ECANCELED);
    WEFT_SHIELD(weft_now() + HOUR)
        is(weft_await(tasks[D], NULL), 0);
    return 0;
}

static int selects(void *arg)
{
    weft_case cases[] = {weft_case_event(&over), weft_case_event(&over)};

    (void)arg;
    cases[1] = weft_case_await(weft_coro(awaits_d, NULL, 0));
    is(weft_select(cases, 2, 0), 0);
    is(cases[1].result, 0);
    return 0;
}

static int would_await_a_select(void *arg)
{
    (void)arg;
    until(C, "join");
    sync_until(tasks[A], "select");
    ck_misuse(weft_await(tasks[A], NULL), -EDEADLK, "weft_await", "\"a\" -> task 4 \"coroutine\"");
    return 0;
}

/* A's select was won by the event, and waits for the end of its coroutine C, which waits for D. */
static int ends_a_select_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        start(&s, A, selects);
        start(&s, D, would_await_a_select);
        until(C, "sleep");
        is(weft_event_set(&over), 1);
    }
    return 0;
}
TEST(ends_a_select)
{
    is(weft_run(ends_a_select_main, NULL, 0, NULL), 0);
}

TEST_MAIN("cycle_edges", 30, asked_by_its_child, passed_on_to_who_is_awaited,
          awaits_who_is_passed_on_to, awaits_who_asks_one_that_joins, ends_a_select)
