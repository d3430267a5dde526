/*
 * C++ exceptions inside contexts. What these cases would catch: two tasks suspended in catch blocks
 * that rethrow, or end, each other's exception; std::uncaught_exceptions counting a neighbour's;
 * an exception that does not find its handler on a small stack.
 */
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include "coro/context.h"
#include "coro/stack.h"
#include "support/test.h"

namespace
{

struct task {
    weft__context context;
    weft__stack stack;
    int number;
    int rounds_good;
    bool ended;
};

weft__context home;
weft__stack_pool pool;
task tasks[3];
bool must_not_see_others;

void park(task *self)
{
    weft__context_switch(&self->context, &home);
}

void start(task *self, int number, void (*entry)(void *))
{
    *self = task();
    self->number = number;
    ck_assert_int_eq(weft__stack_take(&pool, 0, &self->stack), 0);
    weft__context_make(&self->context, self->stack.low, self->stack.top, entry, self);
}

void run_all(int count)
{
    for (bool any = true; any;) {
        any = false;
        for (int i = 0; i < count; i++)
            if (!tasks[i].ended) {
                weft__context_switch(&home, &tasks[i].context);
                any = true;
            }
    }
    for (int i = 0; i < count; i++) {
        weft__context_drop(&tasks[i].context);
        weft__stack_give(&pool, tasks[i].stack.slot);
    }
}

void begin()
{
    ck_assert_int_eq(weft__stack_pool_open(&pool, nullptr), 0);
    weft__context_adopt(&home);
}

[[noreturn]] void finish(task *self)
{
    self->ended = true;
    weft__context_exit_to(&self->context, &home);
}

__attribute__((noinline)) void throw_text(const std::string &text)
{
    throw std::runtime_error(text);
}

/* Parks between throw and catch, within catch, and before throwing on what it caught. */
void round_trip(task *self, int round)
{
    std::string mine = "task " + std::to_string(self->number) + " round " + std::to_string(round);

    try {
        try {
            throw_text(mine);
        } catch (const std::exception &first) {
            park(self);
            try {
                throw_text(mine + " inner");
            } catch (const std::exception &second) {
                park(self);
                if (second.what() != mine + " inner")
                    return;
            }
            park(self);
            if (first.what() != mine)
                return;
            throw;
        }
    } catch (const std::exception &again) {
        park(self);
        self->rounds_good += again.what() == mine && !!std::current_exception();
    }
    if (std::current_exception())
        std::abort();
}

void rethrower(void *arg)
{
    task *self = static_cast<task *>(arg);

    for (int round = 0; round < 100; round++) {
        round_trip(self, round);
        for (int i = 0; i < self->number; i++) /* out of step with the others */
            park(self);
    }
    finish(self);
}

/* A destructor that parks while an exception passes through. */
struct parks_in_destructor {
    task *self;
    explicit parks_in_destructor(task *t) : self(t)
    {
    }
    ~parks_in_destructor()
    {
        int before = std::uncaught_exceptions();

        park(self);
        self->rounds_good += before == 1 && std::uncaught_exceptions() == 1;
    }
};

void unwinder(void *arg)
{
    task *self = static_cast<task *>(arg);

    for (int round = 0; round < 100; round++) {
        try {
            parks_in_destructor guard(self);
            throw_text("through a destructor");
        } catch (const std::exception &) {
        }
    }
    finish(self);
}

void onlooker(void *arg);

/* A destructor that starts a task while an exception passes through. */
struct starts_in_destructor {
    ~starts_in_destructor()
    {
        start(&tasks[0], 0, onlooker);
        run_all(1);
    }
};

void onlooker(void *arg)
{
    task *self = static_cast<task *>(arg);

    for (int round = 0; round < 200; round++) {
        must_not_see_others |= std::uncaught_exceptions() != 0 || std::current_exception();
        park(self);
    }
    finish(self);
}

} // namespace

TEST(catch_blocks_interleave)
{
    begin();
    ck_assert(weft__context_has_cxx);
    for (int i = 0; i < 3; i++)
        start(&tasks[i], i, rethrower);
    run_all(3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(tasks[i].rounds_good, 100);
    ck_assert(!std::current_exception());
    weft__stack_pool_close(&pool);
}

TEST(an_exception_in_flight_is_the_tasks_own)
{
    begin();
    start(&tasks[0], 0, unwinder);
    start(&tasks[1], 1, onlooker);
    start(&tasks[2], 2, unwinder);
    run_all(3);
    ck_assert_int_eq(tasks[0].rounds_good, 100);
    ck_assert_int_eq(tasks[2].rounds_good, 100);
    ck_assert(!must_not_see_others);
    weft__stack_pool_close(&pool);
}

TEST(a_fresh_task_sees_nothing_of_its_starter)
{
    begin();
    try {
        throw_text("the starter's");
    } catch (const std::exception &starters) {
        start(&tasks[0], 0, onlooker);
        run_all(1);
        ck_assert_str_eq(starters.what(), "the starter's");
        ck_assert(!!std::current_exception());
    }
    try {
        starts_in_destructor guard;
        throw_text("the starter's");
    } catch (const std::exception &) {
    }
    ck_assert(!must_not_see_others);
    weft__stack_pool_close(&pool);
}

TEST_MAIN("coro/context_cxx", 30, catch_blocks_interleave, an_exception_in_flight_is_the_tasks_own,
          a_fresh_task_sees_nothing_of_its_starter)
