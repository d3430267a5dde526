/*
 * The report of a world that has come to no good end: the tree of who waits for what, word by word,
 * and the cycles in it.
 *
 * Would catch: a task or scope that is missing, or in another's place; a wait of which the report
 * does not say what for; a circle that is not named, or a chain that is taken for one.
 *
 * Numbers that depend on how the library goes about its work (turns, times, descriptors, ports) are
 * replaced before the texts are compared.
 */
#include <ctype.h>
#include <stdlib.h>

#include "simulate.h"

#define SPAWN(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})

/* Behind what was asked of the kernel: the next line that is not further in than its heading. */
static const char *skip_requests(const char *from)
{
    do
        from = strchr(from, '\n') + 1;
    while (strncmp(from, "      ", 6) == 0);
    return from;
}

/* Copies from `from` on, with every number behind one of the words replaced by #. What was asked of
   the kernel is left out, and so is how to run it again. */
static void plain(char *to, size_t size, const char *from)
{
    static const char *const words[] = {"turn ",      "since ",   "descriptor ",
                                        "127.0.0.1:", "another ", "deadline in "};
    const char *end = strstr(from, "  after ");
    size_t length = 0;

    ck_assert_ptr_nonnull(end);
    while (from < end && length + 1 < size) {
        bool found = false;
        if (strncmp(from, "    asked of the kernel:", 24) == 0)
            from = skip_requests(from);
        if (from >= end)
            break;
        for (size_t i = 0; i < sizeof words / sizeof words[0] && isdigit((unsigned char)*from); i++)
            found |= length >= strlen(words[i]) &&
                     strncmp(to + length - strlen(words[i]), words[i], strlen(words[i])) == 0;
        if (found)
            while (isdigit((unsigned char)*from) ||
                   (*from == '.' && isdigit((unsigned char)from[1])))
                from++;
        to[length++] = found ? '#' : *from++;
    }
    to[length] = '\0';
}

static void expect(weft_task_fn task, uint32_t reactors, const char *text)
{
    struct world world = {
        .seed = 1, .plan = "calm", .task = task, .fails = true, .run = {.reactors = reactors}};
    char is[sizeof world.report];

    ck_assert_int_eq(world_run_apart(&world), -EDEADLK);
    plain(is, sizeof is, world.report);
    if (getenv("REPORT_TALK"))
        fputs(world.report, stderr);
    ck_assert_str_eq(is, text);
}

/* -- who waits for a message ---------------------------------------------------------------------
 */

static void connect_both(int fds[2])
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);
    char address[40];

    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    fds[0] = weft_connect_tcp(address, NULL);
    fds[1] = weft_accept(listener, NULL, NULL, 0);
    ok(fds[0]);
    ok(fds[1]);
    ok(weft_close(listener));
}

static int hears(void *arg)
{
    char byte;

    return (int)weft_recv(*(int *)arg, &byte, 1, 0);
}

static int both_listen(void *arg)
{
    int fds[2];

    (void)arg;
    connect_both(fds);
    WEFT_SCOPE(s, .name = "pair") {
        ok(weft_spawn(&s, hears, &fds[0], sizeof fds[0], SPAWN(.name = "left")));
        ok(weft_spawn(&s, hears, &fds[1], sizeof fds[1], SPAWN(.name = "right")));
    }
    return 0;
}

TEST(two_that_wait_for_each_others_message)
{
    expect(both_listen, 1,
           "weft-sim: a deadlock: nothing can run, and nothing is due\n"
           "  thread 1 \"main\" waits for a completion (1), since # s\n"
           "    reactor 0, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"main\": close of scope \"pair\" with 2 children, since turn #\n"
           "          scope \"pair\": 2 tasks\n"
           "            task 2 \"left\": recv on descriptor #, since turn #\n"
           "            task 3 \"right\": recv on descriptor #, since turn #\n");
}

/* -- calls, joins, scopes ------------------------------------------------------------------------
 */

static int listens_elsewhere(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);

    (void)arg;
    ok(listener);
    return weft_accept(listener, NULL, NULL, 0);
}

static int calls_out(void *arg)
{
    (void)arg;
    return weft_call(1, listens_elsewhere, NULL, 0);
}

TEST(a_call_to_another_reactor)
{
    expect(calls_out, 2,
           "weft-sim: a deadlock: nothing can run, and nothing is due\n"
           "  thread 1 \"main\" waits for a completion (1), since # s\n"
           "    reactor 0, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"main\": call to reactor 1, for task 1 \"call\" there, since turn #\n"
           "  thread 2 \"weft-1\" waits for a completion (2), since # s\n"
           "    reactor 1, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"call\": accept on descriptor #, since turn #\n");
}

static int joins_it(void *arg)
{
    int result;

    return weft_join(*(weft_task *)arg, &result);
}

static int chain(void *arg)
{
    weft_task last, middle;
    int fds[2];

    (void)arg;
    connect_both(fds);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, hears, &fds[0], sizeof fds[0], SPAWN(.name = "last", .task = &last)));
        ok(weft_spawn(&s, joins_it, &last, sizeof last, SPAWN(.name = "middle", .task = &middle)));
        ok(weft_spawn(&s, joins_it, &middle, sizeof middle, SPAWN(.name = "first")));
    }
    return 0;
}

TEST(a_chain_of_joins)
{
    expect(chain, 1,
           "weft-sim: a deadlock: nothing can run, and nothing is due\n"
           "  thread 1 \"main\" waits for a completion (1), since # s\n"
           "    reactor 0, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"main\": close of scope with 3 children, since turn #\n"
           "          scope: 3 tasks\n"
           "            task 2 \"last\": recv on descriptor #, since turn #\n"
           "            task 3 \"middle\": join of task 2 \"last\", since turn #\n"
           "            task 4 \"first\": join of task 3 \"middle\", since turn #\n");
}

static int full(void *arg)
{
    int fds[2];

    (void)arg;
    connect_both(fds);
    WEFT_SCOPE(outer, .name = "outer") {
        WEFT_SCOPE(s, .name = "narrow", .max_tasks = 1) {
            ok(weft_spawn(&s, hears, &fds[0], sizeof fds[0], NULL));
            ok(weft_spawn(&s, hears, &fds[1], sizeof fds[1], NULL));
        }
    }
    return 0;
}

TEST(a_scope_that_is_full)
{
    expect(full, 1,
           "weft-sim: a deadlock: nothing can run, and nothing is due\n"
           "  thread 1 \"main\" waits for a completion (1), since # s\n"
           "    reactor 0, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"main\": room in scope \"narrow\", which has 1 of 1, since turn #\n"
           "          scope \"outer\": 0 tasks\n"
           "          scope \"narrow\": 1 task, at most 1\n"
           "            task 2 \"task\": recv on descriptor #, since turn #\n");
}

/* -- circles -------------------------------------------------------------------------------------
 */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int wants_a_sibling(void *arg)
{
    weft_scope *scope = *(weft_scope **)arg;

    ok(weft_yield());
    return weft_spawn(scope, nothing, NULL, 0, NULL);
}

static int two_want_siblings(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s, .name = "two", .max_tasks = 2) {
        weft_scope *scope = &s;
        ok(weft_spawn(&s, wants_a_sibling, &scope, sizeof scope, SPAWN(.name = "a")));
        ok(weft_spawn(&s, wants_a_sibling, &scope, sizeof scope, SPAWN(.name = "b")));
    }
    return 0;
}

TEST(a_scope_whose_tasks_wait_for_room_in_it)
{
    expect(two_want_siblings, 1,
           "weft-sim: a deadlock: nothing can run, and nothing is due\n"
           "  thread 1 \"main\" waits for a completion (1), since # s\n"
           "    reactor 0, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"main\": close of scope \"two\" with 2 children, since turn #\n"
           "          scope \"two\": 2 tasks, at most 2\n"
           "            task 2 \"a\": room in scope \"two\", which has 2 of 2, since turn #\n"
           "            task 3 \"b\": room in scope \"two\", which has 2 of 2, since turn #\n"
           "  a cycle, in which each waits for the next and the last for the first:\n"
           "    scope \"two\": 2 tasks, at most 2\n"
           "    task 2 \"a\": room in scope \"two\", which has 2 of 2, since turn #\n"
           "  a cycle, in which each waits for the next and the last for the first:\n"
           "    scope \"two\": 2 tasks, at most 2\n"
           "    task 3 \"b\": room in scope \"two\", which has 2 of 2, since turn #\n");
}

static int calls_back(void *arg)
{
    return weft_call(0, joins_it, arg, sizeof(weft_task));
}

static int calls_who_waits_for_us(void *arg)
{
    weft_task self = weft_current_task();

    (void)arg;
    return weft_call(1, calls_back, &self, sizeof self);
}

TEST(a_circle_through_two_reactors)
{
    expect(calls_who_waits_for_us, 2,
           "weft-sim: a deadlock: nothing can run, and nothing is due\n"
           "  thread 1 \"main\" waits for a completion (1), since # s\n"
           "    reactor 0, in turn #\n"
           "      scope \"root\": 2 tasks\n"
           "        task 1 \"main\": call to reactor 1, for task 1 \"call\" there, since turn #\n"
           "        task 2 \"call\": join of task 1 \"main\", since turn #\n"
           "  thread 2 \"weft-1\" waits for a completion (2), since # s\n"
           "    reactor 1, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"call\": call to reactor 0, for task 2 \"call\" there, since turn #\n"
           "  a cycle, in which each waits for the next and the last for the first:\n"
           "    task 1 \"main\": call to reactor 1, for task 1 \"call\" there, since turn # "
           "(reactor 0)\n"
           "    task 1 \"call\": call to reactor 0, for task 2 \"call\" there, since turn # "
           "(reactor 1)\n"
           "    task 2 \"call\": join of task 1 \"main\", since turn # (reactor 0)\n");
}

struct locks {
    weft_lock *first, *second;
};

static int takes_both(void *arg)
{
    struct locks *locks = arg;

    ok(weft_lock_acquire(locks->first));
    ok(weft_yield());
    return weft_lock_acquire(locks->second);
}

static int locks_in_two_orders(void *arg)
{
    static weft_lock a = WEFT_LOCK_INIT, b = WEFT_LOCK_INIT;
    struct locks one = {&a, &b}, other = {&b, &a};

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, takes_both, &one, sizeof one, SPAWN(.name = "one")));
        ok(weft_spawn(&s, takes_both, &other, sizeof other, SPAWN(.name = "other")));
    }
    return 0;
}

TEST(locks_taken_in_two_orders)
{
    expect(locks_in_two_orders, 1,
           "weft-sim: a deadlock: nothing can run, and nothing is due\n"
           "  thread 1 \"main\" waits for a completion (1), since # s\n"
           "    reactor 0, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"main\": close of scope with 2 children, since turn #\n"
           "          scope: 2 tasks\n"
           "            task 2 \"one\": lock held by task 3 \"other\", since turn #\n"
           "            task 3 \"other\": lock held by task 2 \"one\", since turn #\n"
           "  a cycle, in which each waits for the next and the last for the first:\n"
           "    task 2 \"one\": lock held by task 3 \"other\", since turn #\n"
           "    task 3 \"other\": lock held by task 2 \"one\", since turn #\n");
}

/* -- other ends ----------------------------------------------------------------------------------
 */

static int spins(void *arg)
{
    (void)arg;
    while (weft_yield() != -EPROTO)
        continue;
    return 0;
}

static int sleeps(void *arg)
{
    (void)arg;
    return weft_sleep(INT64_C(3600000000000));
}

static int ended(void *arg)
{
    (void)arg;
    return -EPROTO;
}

static int in_many_states(void *arg)
{
    weft_task kept;

    (void)arg;
    WEFT_SCOPE(s, .name = "states", .on_error = WEFT_KEEP_GOING,
               .deadline = weft_after_ms(7200000)) {
        ok(weft_spawn(&s, ended, NULL, 0, SPAWN(.name = "ended", .task = &kept)));
        ok(weft_spawn(&s, sleeps, NULL, 0, SPAWN(.name = "sleeps")));
        ok(weft_yield());
        ok(weft_scope_drain(&s, weft_after_ms(3600000), WEFT_NEVER));
    }
    return 0;
}

static int states_and_a_spin(void *arg)
{
    ok(weft_spawn(weft_root(), spins, NULL, 0, SPAWN(.name = "spins")));
    return in_many_states(arg);
}

TEST(one_that_spins_while_others_wait)
{
    struct world world = {
        .seed = 1, .plan = "calm", .task = states_and_a_spin, .steps_max = 20000, .fails = true};
    char is[sizeof world.report];

    ck_assert_int_eq(world_run_apart(&world), -ETIMEDOUT);
    plain(is, sizeof is, world.report);
    ck_assert_str_eq(
        is, "weft-sim: the run took more steps than it may (steps_max)\n"
            "  thread 1 \"main\" runs\n"
            "    reactor 0, in turn #\n"
            "      scope \"root\": 2 tasks\n"
            "        task 1 \"main\": drain of scope \"states\" with 1 child, since turn #\n"
            "          scope \"states\": 1 task, its deadline in # s, drains\n"
            "            task 3 \"ended\": has ended with -71, and nobody has joined it\n"
            "            task 4 \"sleeps\": sleep, for another # s, since turn #\n"
            "        task 2 \"spins\": is ready\n");
}

enum { MANY = 1000 };

static int many(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < MANY; i++)
            ok(weft_spawn(&s, listens_elsewhere, NULL, 0, NULL));
    }
    return 0;
}

TEST(of_many_tasks_the_first_are_told_and_how_to_see_it_again)
{
    static struct world world = {.seed = 1, .plan = "calm", .task = many, .fails = true};

    ck_assert_int_eq(world_run_apart(&world), -EDEADLK);
    ck_assert_ptr_nonnull(strstr(world.report, " more tasks and scopes\n"));
    ck_assert_ptr_nonnull(strstr(world.report, " more requests\n"));
    ck_assert_ptr_nonnull(strstr(world.report, "WEFT_SIM_SEED=1 WEFT_SIM_PLAN='calm'"));
}

TEST_MAIN("sim/report", 60, two_that_wait_for_each_others_message, a_call_to_another_reactor,
          a_chain_of_joins, a_scope_that_is_full, a_scope_whose_tasks_wait_for_room_in_it,
          a_circle_through_two_reactors, locks_taken_in_two_orders,
          one_that_spins_while_others_wait,
          of_many_tasks_the_first_are_told_and_how_to_see_it_again)
