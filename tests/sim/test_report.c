/*
 * The report of a world that has come to no good end: the tree of who waits for what, word by word,
 * and the cycles in it.
 *
 * Would catch: a task or scope that is missing, or in another's place; a wait of which the report
 * does not say what for; a circle that is not named, or a chain that is taken for one.
 */
#include "report.h"

static void expect(weft_task_fn task, uint32_t reactors, const char *text)
{
    struct world world = {.seed = 1, .plan = "calm", .task = task, .run = {.reactors = reactors}};

    report_check(&world, -EDEADLK, text);
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

static int waits_for_both(void *arg)
{
    weft_awaitable list[2];
    weft_task left, right;
    int fds[2];

    (void)arg;
    connect_both(fds);
    WEFT_SCOPE(s, .name = "pair") {
        ok(weft_spawn(&s, hears, &fds[0], sizeof fds[0], SPAWN(.name = "left", .task = &left)));
        ok(weft_spawn(&s, hears, &fds[1], sizeof fds[1], SPAWN(.name = "right", .task = &right)));
        list[0] = weft_of_task(left);
        list[1] = weft_of_task(right);
        ok(weft_gather(list, 2, NULL, 0));
    }
    return 0;
}

TEST(one_that_waits_for_several)
{
    expect(waits_for_both, 1,
           "weft-sim: a deadlock: nothing can run, and nothing is due\n"
           "  thread 1 \"main\" waits for a completion (1), since # s\n"
           "    reactor 0, in turn #\n"
           "      scope \"root\": 1 task\n"
           "        task 1 \"main\": gather of task 2 \"left\" and 1 more, since turn #\n"
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

TEST_MAIN("sim/report", 60, two_that_wait_for_each_others_message, one_that_waits_for_several,
          a_call_to_another_reactor, a_chain_of_joins, a_scope_that_is_full,
          a_scope_whose_tasks_wait_for_room_in_it, a_circle_through_two_reactors,
          locks_taken_in_two_orders)
