/*
 * weft/task.h, sentence by sentence: spawn and its errors, handles, join and await, yield, what a
 * task is told about itself. Each test would catch the sentence above it becoming untrue.
 */
#include "support/test.h"

#include <errno.h>
#include <string.h>
#include <weft/weft.h>

static int run(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, NULL);
}

static int count;

static int add_one(void *arg)
{
    (void)arg;
    count++;
    return 0;
}

static int give_back(void *arg)
{
    return *(int *)arg;
}

/* -- spawning ------------------------------------------------------------------------------- */

/* "The child first runs when the caller next suspends." */
static int child_runs_later_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, NULL), 0);
        ck_assert_int_eq(count, 0);
        ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(count, 1);
    }
    return 7;
}
TEST(child_runs_later)
{
    ck_assert_int_eq(run(child_runs_later_main), 7);
}

struct big {
    unsigned char bytes[WEFT_ARG_SIZE_MAX];
};
static int check_big(void *arg)
{
    struct big *big = arg;

    ck_assert_uint_eq((uintptr_t)arg % 16, 0);
    weft_yield(); /* the caller's copy is scribbled over meanwhile */
    for (size_t i = 0; i < sizeof big->bytes; i++)
        ck_assert_uint_eq(big->bytes[i], (unsigned char)(i * 7));
    count++;
    return 0;
}
static int same_pointer(void *arg)
{
    ck_assert_ptr_eq(arg, &count);
    count++;
    return 0;
}
static int argument_main(void *arg)
{
    static const size_t sizes[] = {1, 15, 16, 17, 33, 1023, 1024};
    struct big big;

    (void)arg;
    WEFT_SCOPE(s) {
        for (size_t i = 0; i < sizeof big.bytes; i++)
            big.bytes[i] = (unsigned char)(i * 7);
        ck_assert_int_eq(weft_spawn(&s, check_big, &big, sizeof big, NULL), 0);
        memset(&big, 0xee, sizeof big);
        ck_assert_int_eq(weft_spawn(&s, same_pointer, &count, 0, NULL), 0);
    }
    ck_assert_int_eq(count, 2);
    WEFT_SCOPE(t) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            char bytes[WEFT_ARG_SIZE_MAX] = {0};
            int value = (int)i;
            memcpy(bytes, &value, sizes[i] < sizeof value ? sizes[i] : sizeof value);
            weft_task task;
            int result = -1;
            ck_assert_int_eq(
                weft_spawn(&t, sizes[i] < sizeof value ? add_one : give_back, bytes, sizes[i],
                           &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                    .task = &task}),
                0);
            ck_assert_int_eq(weft_join(task, &result), 0);
            ck_assert_int_eq(result, sizes[i] < sizeof value ? 0 : value);
        }
    }
    return 0;
}
TEST(arguments_are_copied)
{
    ck_assert_int_eq(run(argument_main), 0);
}

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})

static weft_scope *foreign_scope;
static int spawn_errors_main(void *arg)
{
    char bytes[WEFT_ARG_SIZE_MAX + 1] = {0};
    weft_scope closed = {{0}};

    (void)arg;
    WEFT_SCOPE(s, .max_tasks = 1) {
        ck_assert_int_eq(weft_spawn(NULL, add_one, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(weft_spawn(&s, NULL, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 8, NULL), -EINVAL);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, &(struct weft_spawn_opt){0}), -EINVAL);
        ck_assert_int_eq(weft_spawn(&closed, add_one, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(weft_spawn(&s, add_one, bytes, sizeof bytes, NULL), -E2BIG);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, OPT(.stack_size = 2u << 20)), -E2BIG);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0,
                                    OPT(.stack_size = 2u << 20, .reactor = WEFT_ON(0))),
                         -E2BIG);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, OPT(.reactor = WEFT_ON(1))), -ERANGE);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, OPT(.reactor = -7)), -ERANGE);
        ck_assert_uint_eq(weft_scope_tasks(&s), 0);
        ck_assert_int_eq(weft_spawn_nowait(&s, add_one, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_spawn_nowait(&s, add_one, NULL, 0, NULL), -EAGAIN);
        ck_assert_int_eq(weft_scope_cancel(&s), 1);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, NULL), -ECANCELED);
        ck_assert_int_eq(weft_spawn_nowait(&s, add_one, NULL, 0, NULL), -ECANCELED);
    }
    ck_assert_int_eq(count, 1);
    return 0;
}
TEST(spawn_errors)
{
    ck_assert_int_eq(weft_spawn(foreign_scope, add_one, NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(weft_spawn((weft_scope *)&count, add_one, NULL, 0, NULL), -EPERM);
    ck_assert_int_eq(weft_create_task(add_one, NULL, 0, NULL), -EPERM);
    ck_assert_int_eq(run(spawn_errors_main), 0);
}

/* Every class of stack really has that much room, and says so. */
static int use_stack(void *arg)
{
    size_t size = *(size_t *)arg;
    size_t left = weft_stack_remaining();
    volatile char *frame;

    ck_assert_uint_gt(left, size - size / 2);
    ck_assert_uint_le(left, size);
    frame = __builtin_alloca(left - 6000);
    frame[0] = 1;
    ck_assert_uint_lt(weft_stack_remaining(), 6500);
    count++;
    return frame[0] - 1;
}
static int stack_sizes_main(void *arg)
{
    static const size_t sizes[] = {16384, 65536, 262144, 1048576};

    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(weft_spawn(&s, use_stack, &sizes[i], sizeof sizes[i],
                                        OPT(.stack_size = sizes[i])),
                             0);
    ck_assert_int_eq(count, 4);
    return 0;
}
TEST(stack_sizes)
{
    ck_assert_uint_eq(weft_stack_remaining(), 0);
    ck_assert_int_eq(run(stack_sizes_main), 0);
}

/* -- full scopes ----------------------------------------------------------------------------- */

static weft_scope *full;
static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}
static int alive_now, alive_most;
static int limited(void *arg)
{
    (void)arg;
    if (++alive_now > alive_most)
        alive_most = alive_now;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_yield(), 0);
    alive_now--;
    count++;
    return 0;
}
static int limited_spawner(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(weft_spawn(full, limited, NULL, 0, NULL), 0);
    return 0;
}
static int room_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(outer) {
        WEFT_SCOPE(s, .max_tasks = 3) {
            full = &s;
            for (int i = 0; i < 7; i++)
                ck_assert_int_eq(weft_spawn(&outer, limited_spawner, NULL, 0, NULL), 0);
            weft_yield();
        } /* closes while they still wait for room: they are let in */
        ck_assert_int_eq(count, 350);
    }
    ck_assert_int_eq(alive_most, 3);
    return 0;
}
TEST(full_scope_waits)
{
    ck_assert_int_eq(run(room_main), 0);
}

static int only_child(void *arg)
{
    (void)arg;
    return weft_spawn(full, add_one, NULL, 0, NULL);
}
static int room_deadlock_main(void *arg)
{
    int error = 0;

    (void)arg;
    WEFT_SCOPE(s, .max_tasks = 1, .on_error = WEFT_KEEP_GOING) {
        full = &s;
        ck_assert_int_eq(weft_spawn(&s, only_child, NULL, 0, NULL), 0);
        while (weft_scope_tasks(&s))
            weft_yield();
        weft_scope_errors(&s, &error, 1);
    }
    ck_assert_int_eq(error, -EDEADLK);
    return 0;
}
TEST(only_child_waits_for_room)
{
    ck_assert_int_eq(run(room_deadlock_main), 0);
}

/* One waiter is cancelled, and the room comes free, in either order and at once: the next gets it.
 */
static int room_waiter(void *arg)
{
    int result = weft_spawn(full, add_one, NULL, 0, NULL);

    return result < 0 ? result : *(int *)arg;
}
static int room_passed_on_main(void *arg)
{
    (void)arg;
    for (int order = 0; order < 3; order++) {
        weft_task child, first, second;
        int one = 1, two = 2, result = 0;
        count = 0;
        WEFT_SCOPE(outer) {
            WEFT_SCOPE(s, .max_tasks = 1) {
                full = &s;
                ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, OPT(.task = &child)), 0);
                ck_assert_int_eq(weft_spawn(&outer, room_waiter, &one, sizeof one,
                                            OPT(.task = &first)),
                                 0);
                ck_assert_int_eq(weft_spawn(&outer, room_waiter, &two, sizeof two,
                                            OPT(.task = &second)),
                                 0);
                weft_yield();
                if (order == 0)
                    ck_assert_int_eq(weft_cancel(first), 1);
                ck_assert_int_eq(weft_cancel(child), 1);
                if (order == 2) {
                    ck_assert_int_eq(weft_yield(), 0); /* the child has ended, `first` is served */
                    ck_assert_int_eq(weft_cancel(first), 1);
                } else if (order == 1) {
                    ck_assert_int_eq(weft_cancel(first), 1);
                }
                ck_assert_int_eq(weft_join(second, &result), 0);
                ck_assert_int_eq(result, 2);
                ck_assert_int_eq(weft_join(first, &result), 0);
                ck_assert(result == -ECANCELED ||
                          (order > 0 && result == 1)); /* served first: that wins */
            }
        }
        ck_assert_int_eq(count, result == 1 ? 2 : 1);
    }
    return 0;
}
TEST(room_is_passed_on)
{
    ck_assert_int_eq(run(room_passed_on_main), 0);
}

/* Waiting for room in a scope that is cancelled or drains meanwhile. */
static int room_refused_main(void *arg)
{
    (void)arg;
    for (int drain = 0; drain < 2; drain++) {
        weft_task first, second;
        int one = 1;
        WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
            WEFT_SCOPE(s, .max_tasks = 1) {
                full = &s;
                ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, NULL), 0);
                ck_assert_int_eq(weft_spawn(&outer, room_waiter, &one, sizeof one,
                                            OPT(.task = &first)),
                                 0);
                ck_assert_int_eq(weft_spawn(&outer, room_waiter, &one, sizeof one,
                                            OPT(.task = &second)),
                                 0);
                weft_yield();
                if (drain)
                    ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(1), WEFT_NEVER), 1);
                else
                    weft_scope_cancel(&s);
            }
            ck_assert_int_eq(weft_scope_error(&outer), drain ? -ESHUTDOWN : -ECANCELED);
        }
    }
    return 0;
}
TEST(room_is_refused)
{
    /* the error above was read, so it is not main's */
    ck_assert_int_eq(run(room_refused_main), 0);
}

/* -- handles --------------------------------------------------------------------------------- */

static int handles_main(void *arg)
{
    weft_task task, other, none = {0, 0}, wild = {UINT64_MAX, UINT64_MAX};
    int result = 0, value = 5;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, give_back, &value, sizeof value, OPT(.task = &task)), 0);
        ck_assert_int_eq(weft_await(task, &result), 0);
        ck_assert_int_eq(result, 5);
        ck_assert_int_eq(weft_await(task, NULL), 0); /* awaiting does not consume */
        ck_assert_int_eq(weft_cancel(task), 0);      /* it has ended */
        ck_assert_int_eq(weft_join(task, NULL), 0);
        ck_assert_int_eq(weft_join(task, NULL), -ESTALE);
        ck_assert_int_eq(weft_await(task, NULL), -ESTALE);
        ck_assert_int_eq(weft_cancel(task), -ESTALE);
        ck_assert_int_eq(weft_spawn(&s, give_back, &value, sizeof value, OPT(.task = &other)), 0);
        ck_assert_int_eq(weft_join(task, NULL), -ESTALE); /* never another task */
        ck_assert_int_eq(weft_cancel(none), -ESTALE);
        ck_assert_int_eq(weft_join(none, NULL), -ESTALE);
        ck_assert_int_lt(weft_cancel(wild), 0);
        task.slot += UINT64_C(1) << 32; /* reactor 1 */
        ck_assert_int_eq(weft_cancel(task), -EXDEV);
        ck_assert_int_eq(weft_join(task, NULL), -EXDEV);
    }
    ck_assert_int_eq(weft_join(other, NULL), -ESTALE); /* its scope has closed */
    task = weft_current_task();
    ck_assert_int_eq(weft_join(task, NULL), -EDEADLK);
    ck_assert_int_eq(weft_await(task, NULL), -EDEADLK);
    return 0;
}
TEST(handles)
{
    weft_task none = weft_current_task();

    ck_assert_uint_eq(none.slot, 0);
    ck_assert_uint_eq(none.generation, 0);
    ck_assert_int_eq(weft_join(none, NULL), -EPERM);
    ck_assert_int_eq(weft_cancel(none), -EPERM);
    ck_assert_int_eq(run(handles_main), 0);
}

/* A handle of an earlier run names nobody in a later one. */
static weft_task kept_over;
static int keep_main(void *arg)
{
    (void)arg;
    kept_over = weft_current_task();
    return 0;
}
static int use_kept_main(void *arg)
{
    (void)arg;
    return weft_cancel(kept_over);
}
TEST(handles_of_earlier_runs)
{
    ck_assert_int_eq(run(keep_main), 0);
    ck_assert_int_eq(run(use_kept_main), -ESTALE);
}

/* -- joining --------------------------------------------------------------------------------- */

/* Race 41: two wait for one task, one of them is cancelled. Race 43: cycles. */
static weft_task joined;
static int joiner(void *arg)
{
    int result = 0, error;

    (void)arg;
    error = weft_await(joined, &result);
    return error < 0 ? error : result;
}
static int end_when_told(void *arg)
{
    while (!*(int **)arg || !**(int **)arg)
        if (weft_yield() < 0)
            return -ECANCELED;
    return 11;
}
static int two_joiners_main(void *arg)
{
    static int told;
    int *place = &told, result = 0;
    weft_task a, b;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, end_when_told, &place, sizeof place, OPT(.task = &joined)),
                         0);
        ck_assert_int_eq(weft_spawn(&s, joiner, NULL, 0, OPT(.task = &a)), 0);
        ck_assert_int_eq(weft_spawn(&s, joiner, NULL, 0, OPT(.task = &b)), 0);
        weft_yield();
        ck_assert_int_eq(weft_cancel(a), 1);
        ck_assert_int_eq(weft_join(a, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        told = 1;
        ck_assert_int_eq(weft_join(b, &result), 0);
        ck_assert_int_eq(result, 11);
        ck_assert_int_eq(weft_join(joined, &result), 0); /* still ours to consume */
        ck_assert_int_eq(result, 11);
    }
    return 0;
}
TEST(two_joiners)
{
    ck_assert_int_eq(run(two_joiners_main), 0);
}

static weft_task ring_of_three[3];
static int in_ring(void *arg)
{
    int i = *(int *)arg;

    return weft_await(ring_of_three[(i + 1) % 3], NULL);
}
static int join_parent(void *arg)
{
    return weft_await(*(weft_task *)arg, NULL);
}
static int cycles_main(void *arg)
{
    weft_task self = weft_current_task(), child;
    int result, deadlocks = 0;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(weft_spawn(&s, in_ring, &i, sizeof i, OPT(.task = &ring_of_three[i])),
                             0);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(weft_await(ring_of_three[i], &result), 0);
            deadlocks += result == -EDEADLK;
        }
        ck_assert_int_eq(deadlocks, 1);
        ck_assert_int_eq(weft_spawn(&s, join_parent, &self, sizeof self, OPT(.task = &child)), 0);
        ck_assert_int_eq(weft_join(child, &result), 0);
        ck_assert_int_eq(result, -EDEADLK);
    }
    return 0;
}
TEST(cycles_of_joins)
{
    ck_assert_int_eq(run(cycles_main), 0);
}

/* "A task that has ended is answered at once, unchecked for cancellation." */
static int join_settled_main(void *arg)
{
    weft_task task;
    int result, value = 3;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, give_back, &value, sizeof value, OPT(.task = &task)), 0);
        weft_yield();
        weft_scope_cancel(&s);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        ck_assert_int_eq(weft_await(task, &result), 0);
        ck_assert_int_eq(weft_join(task, &result), 0);
        ck_assert_int_eq(result, 3);
    }
    return 0;
}
TEST(settled_join_is_unchecked)
{
    ck_assert_int_eq(run(join_settled_main), 0);
}

/* The joiner is cancelled and the task ends before it runs: the result wins, nothing was delivered,
   so the scope's edge says nothing of a cancellation; and a deadline in its place is no timeout. */
static int join_wins_main(void *arg)
{
    static int told;
    int *place = &told, result = 0, edge;
    weft_task task;
    weft_scope s, inner;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, end_when_told, &place, sizeof place, OPT(.task = &task)), 0);
    ck_assert_int_eq(weft_scope_open(&inner, NULL), 0);
    ck_assert_int_eq(weft_cancel(weft_current_task()),
                     1); /* refused on entry: that is a delivery */
    ck_assert_int_eq(weft_join(task, &result), -ECANCELED);
    ck_assert_int_eq(weft_uncancel(), 0);
    edge = weft_scope_close(&inner);
    ck_assert_int_eq(edge, -ECANCELED);
    told = 1;
    ck_assert_int_eq(weft_join(task, &result), 0);
    ck_assert_int_eq(weft_scope_close(&s), -ECANCELED);
    return 0;
}
static int time_out_then_end(void *arg)
{
    ck_assert_int_eq(weft_scope_reschedule(arg, 1), 0); /* fires at once */
    return 11;
}
static int join_wins_main_2(void *arg)
{
    weft_task task;
    weft_scope s, inner;
    int result = 0;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_open(&inner, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, time_out_then_end, &inner, 0, OPT(.task = &task)), 0);
    ck_assert_int_eq(weft_join(task, &result), 0);
    ck_assert_int_eq(result, 11);
    ck_assert_int_eq(weft_cancelled(), WEFT_CAUSE_DEADLINE); /* pending all the same */
    ck_assert_int_eq(weft_scope_close(&inner), 0);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    return 0;
}

/* The joiner is refused; that the task ends while the refused one would give way, with a budget of
   one switch, does not undo it. Either it was refused, and the edge says so, or it was not. */
static int told_to_end;
static int ends_late(void *arg)
{
    (void)arg;
    while (!told_to_end)
        ck_assert_int_eq(weft_yield(), 0);
    return 11;
}
static int joins_in_a_scope(void *arg)
{
    int result = 0, error;
    weft_scope s;

    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    error = weft_await(*(weft_task *)arg, &result);
    ck_assert_int_eq(weft_scope_close(&s), error);
    ck_assert_int_eq(error, -ECANCELED);
    return error;
}
static int refused_join_main(void *arg)
{
    weft_task task, waiter;
    int result = 0;

    (void)arg;
    told_to_end = 0;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, ends_late, NULL, 0, OPT(.task = &task)), 0);
        ck_assert_int_eq(weft_spawn(&s, joins_in_a_scope, &task, sizeof task, OPT(.task = &waiter)),
                         0);
        ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(weft_cancel(waiter), 1);
        ck_assert_int_eq(weft_yield(), 0);
        told_to_end = 1;
        ck_assert_int_eq(weft_join(waiter, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_int_eq(weft_join(task, &result), 0);
        ck_assert_int_eq(result, 11);
    }
    return 0;
}
TEST(a_refused_join_stays_refused)
{
    struct weft_run_opt opt = {.size = sizeof opt, .budget = 1};

    ck_assert_int_eq(weft_run(refused_join_main, NULL, 0, &opt), 0);
    ck_assert_int_eq(run(refused_join_main), 0);
}

/* The main task is one like any other to whoever waits for it. */
static int joined_main_gave;
static int waits_for_main(void *arg)
{
    return weft_await(*(weft_task *)arg, &joined_main_gave);
}
static int main_that_is_joined(void *arg)
{
    weft_task self = weft_current_task();

    (void)arg;
    ck_assert_int_eq(weft_spawn(weft_root(), waits_for_main, &self, sizeof self, NULL), 0);
    ck_assert_int_eq(weft_yield(), 0);
    return -EPROTO;
}
TEST(main_is_joined)
{
    ck_assert_int_eq(run(main_that_is_joined), -EPROTO);
    ck_assert_int_eq(joined_main_gave, -EPROTO);
}

TEST(join_result_wins)
{
    ck_assert_int_eq(run(join_wins_main), 0);
    ck_assert_int_eq(run(join_wins_main_2), 0);
}

/* Kept records that nobody joined go with the scope, those alive when it closes too. */
static int kept_main(void *arg)
{
    weft_task tasks[100];
    int value = 1;

    (void)arg;
    for (int round = 0; round < 100; round++)
        WEFT_SCOPE(s)
            for (int i = 0; i < 100; i++)
                ck_assert_int_eq(weft_spawn(&s, i % 2 ? give_back : add_one, &value, sizeof value,
                                            OPT(.task = &tasks[i])),
                                 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(weft_await(tasks[i], NULL), -ESTALE);
    return 0;
}
TEST(kept_records_end_with_the_scope)
{
    ck_assert_int_eq(run(kept_main), 0);
}

/* -- small things ---------------------------------------------------------------------------- */

static char order[64];
static int say(void *arg)
{
    for (int i = 0; i < 3; i++) {
        strncat(order, arg, 1);
        weft_yield();
    }
    return 0;
}
static int yield_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, say, "a", 2, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, say, "b", 2, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, say, "c", 2, NULL), 0);
    }
    ck_assert_str_eq(order, "abcabcabc");
    return 0;
}
TEST(yield_is_fair)
{
    ck_assert_int_eq(weft_yield(), -EPERM);
    ck_assert_int_eq(run(yield_main), 0);
    memset(order, 0, sizeof order);
    ck_assert_int_eq(weft_run(yield_main, NULL, 0,
                              &(struct weft_run_opt){.size = sizeof(struct weft_run_opt),
                                                     .budget = 1}),
                     0);
}

static int keep_errno(void *arg)
{
    int mine = *(int *)arg;

    errno = mine;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(i % 10 ? weft_yield() : weft_sleep(1000), 0);
        ck_assert_int_eq(errno, mine);
    }
    return 0;
}
static int errno_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(weft_spawn(&s, keep_errno, &i, sizeof i, NULL), 0);
    return 0;
}
TEST(errno_is_the_tasks_own)
{
    ck_assert_int_eq(run(errno_main), 0);
}

static int inside_big(void *arg)
{
    volatile char frame[200 * 1024];
    weft_task none = weft_current_task();

    frame[0] = frame[sizeof frame - 1] = 1;
    ck_assert_uint_eq(none.slot, 0);
    ck_assert_int_eq(weft_yield(), -EPERM);
    ck_assert_int_eq(weft_sleep(1), -EPERM);
    ck_assert_int_eq(weft_call_on_big_stack(inside_big, NULL), -EPERM);
    errno = 99;
    return *(int *)arg + frame[0];
}
static int big_main(void *arg)
{
    int value = 41;

    (void)arg;
    errno = 5;
    ck_assert_int_eq(weft_call_on_big_stack(inside_big, &value), 42);
    ck_assert_int_eq(weft_call_on_big_stack(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_yield(), 0);
    return 0;
}
TEST(big_stack)
{
    ck_assert_int_eq(weft_call_on_big_stack(inside_big, NULL), -EPERM);
    ck_assert_int_eq(run(big_main), 0);
}

static int outside_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_create_task(add_one, NULL, 0, NULL), 0); /* into the root */
    ck_assert_uint_eq(weft_scope_tasks(weft_root()), 2);
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_create_task(add_one, NULL, 0, NULL), 0);
        ck_assert_uint_eq(weft_scope_tasks(&s), 1);
    }
    ck_assert_int_eq(count, 2);
    return 0;
}
TEST(create_task_goes_into_the_innermost_scope)
{
    ck_assert_int_eq(run(outside_main), 0);
}

TEST_MAIN("api.task", 30, child_runs_later, arguments_are_copied, spawn_errors, stack_sizes,
          full_scope_waits, only_child_waits_for_room, room_is_passed_on, room_is_refused, handles,
          handles_of_earlier_runs, two_joiners, cycles_of_joins, settled_join_is_unchecked,
          join_result_wins, a_refused_join_stays_refused, main_is_joined,
          kept_records_end_with_the_scope, yield_is_fair, errno_is_the_tasks_own, big_stack,
          create_task_goes_into_the_innermost_scope)
