/*
 * What tasks leave behind inside, and what befalls calls and children that come to a reactor which
 * refuses them; and what a wait is told when it is cancelled. Catches pointers that stay when a
 * frame is left, counts of load that drift, calls that start where everything ends, arguments that
 * nobody lets go of, and a cancellation made of a result that was none.
 */
#include "reactor/reactor.h"
#include "support/net.h"
#include "task/operation.h"
#include "task/task.h"

#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})
#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}

/* -- scopes -------------------------------------------------------------------------------------
 */

/* Who waited for the children until a time has gone: nobody is to be woken there. */
static int main_closer(void *arg)
{
    weft_scope s;
    struct weft__scope *scope = (struct weft__scope *)&s;

    (void)arg;
    ok(weft_scope_open(&s, NULL));
    ok(weft_spawn(&s, sleeper, NULL, 0, NULL));
    ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(1), weft_after_ms(1000)), 1);
    ck_assert_ptr_null(scope->closer);
    return weft_scope_close(&s);
}

TEST(nobody_waits_after_a_drain)
{
    net_run(main_closer);
}

/* -- waits --------------------------------------------------------------------------------------
 */

static int interrupts;

static void count_interrupt(struct weft__wait *wait)
{
    ck_assert(wait->interrupted);
    interrupts++;
}

static void until_parked(const struct weft__wait *wait)
{
    while (!wait->fiber || wait->fiber->wait != wait)
        ok(weft_sleep(1000));
}

static int parks(void *arg)
{
    struct weft__wait *wait = *(struct weft__wait **)arg;

    wait->interrupt = count_interrupt;
    weft__fiber_park(weft__self, wait);
    ck_assert_int_eq(weft_uncancel(), 1);
    ck_assert_int_eq(weft_uncancel(), 0);
    wait->interrupt = count_interrupt;
    weft__fiber_park(weft__self, wait);
    return 0;
}

/* Asked once to end a wait, however often its task is cancelled; and again for the next wait. */
static int main_interrupts(void *arg)
{
    struct weft__wait wait = {.what = "test", .fd = -1}, *place = &wait;
    weft_task task;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, parks, &place, sizeof place, OPT(.task = &task)));
        until_parked(&wait);
        ok(weft_cancel(task));
        ok(weft_cancel(task));
        ck_assert_int_eq(interrupts, 1);
        weft__fiber_wake(weft__self, &wait);
        until_parked(&wait);
        ok(weft_cancel(task));
        ck_assert_int_eq(interrupts, 2);
        weft__fiber_wake(weft__self, &wait);
    }
    return 0;
}

TEST(interrupted_once_a_wait)
{
    net_run(main_interrupts);
}

struct request {
    struct weft__operation operation;
    int32_t result; /* as the caller is to see it */
};

/* A request that the kernel never sees; its completion is handed in by the test. */
static int asks_nobody(void *arg)
{
    struct request *request = *(struct request **)arg;
    struct weft__task *self = weft__task_self();
    struct weft__sqe sqe;

    ck_assert_ptr_nonnull(weft__operation_begin(self, &request->operation, "test", -1));
    weft__self->ring.sq_tail--;
    ck_assert_int_eq(weft__operation_wait(self, &request->operation, &sqe), request->result);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    return 0;
}

/* The kernel says "cancelled" or "interrupted" for reasons of its own, before we ask it to; the
   cancellation that comes before the task runs is told by the next call. */
static int main_not_ours(void *arg)
{
    static const int32_t results[] = {-EINTR, -ECANCELED, -512};

    (void)arg;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        WEFT_SCOPE(s) {
            struct request request = {.result = results[i] == -EINTR ? -EINTR : -ECANCELED};
            struct request *place = &request;
            weft_task task;
            ok(weft_spawn(&s, asks_nobody, &place, sizeof place, OPT(.task = &task)));
            until_parked(&request.operation.wait);
            ck_assert(weft__op_complete(weft__self,
                                        &(struct weft__cqe){.user_data = request.operation.op.id,
                                                            .result = results[i]}));
            ok(weft_cancel(task));
            ok(weft_join(task, NULL));
        }
    return 0;
}

TEST(cancelled_by_the_kernel_itself)
{
    net_run(main_not_ours);
}

/* A completion that says more will come is not the end of the wait: the memory is the kernel's yet.
 */
static int asks_for_much(void *arg)
{
    struct request *request = *(struct request **)arg;
    struct weft__task *self = weft__task_self();
    struct weft__sqe sqe;

    ck_assert_ptr_nonnull(weft__operation_begin(self, &request->operation, "test", -1));
    weft__self->ring.sq_tail--;
    return weft__operation_wait(self, &request->operation, &sqe);
}

static int main_more(void *arg)
{
    struct request request = {.result = 4}, *place = &request;
    struct weft__cqe cqe = {.result = 3, .flags = WEFT__CQE_MORE};
    int result = 0;
    weft_task task;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, asks_for_much, &place, sizeof place, OPT(.task = &task)));
        until_parked(&request.operation.wait);
        cqe.user_data = request.operation.op.id;
        ck_assert(weft__op_complete(weft__self, &cqe));
        ok(weft_sleep(1000));
        ck_assert(weft__op_in_flight(&request.operation.op));
        ck_assert_ptr_nonnull(request.operation.wait.fiber->wait); /* still there */
        cqe.result = request.result;
        cqe.flags = 0;
        ck_assert(weft__op_complete(weft__self, &cqe));
        ok(weft_join(task, &result));
        ck_assert_int_eq(result, 4);
    }
    return 0;
}

TEST(waits_for_the_final_completion)
{
    net_run(main_more);
}

/* -- children elsewhere -------------------------------------------------------------------------
 */

static int drops;

static void drop(void *arg)
{
    ck_assert_int_eq(*(int *)arg, 7);
    __atomic_add_fetch(&drops, 1, __ATOMIC_RELAXED);
}

/* Cancelled before they ever ran: dropped, each once, and the load here is what it was. */
static int main_dropped(void *arg)
{
    struct weft__tasks *tasks = weft__tasks_of(weft__self);
    int value = 7;

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < 10; i++)
            ok(weft_spawn(&s, nothing, &value, sizeof value,
                          OPT(.drop = drop, .reactor = WEFT_ON(1))));
        ck_assert_uint_eq(tasks->stand_ins, 10);
        weft_scope_cancel(&s);
    }
    ck_assert_uint_eq(tasks->stand_ins, 0);
    ck_assert_int_eq(drops, 10);
    return 0;
}

TEST(dropped_before_they_ran)
{
    ck_assert_int_eq(weft_run(main_dropped, NULL, 0, RUN_OPT(.reactors = 2)), 0);
}

/* The other reactor has no room for a task: what the argument owns is let go of there. */
static int full, enough;

static int fill(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        while (weft_spawn(&s, sleeper, NULL, 0, NULL) == 0)
            ;
        __atomic_store_n(&full, 1, __ATOMIC_RELAXED);
        while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
            ok(weft_sleep(100000));
        weft_scope_cancel(&s);
    }
    return 0;
}

static int main_full_there(void *arg)
{
    int result, value = 7;
    weft_task filler, child;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, fill, NULL, 0, OPT(.task = &filler, .reactor = WEFT_ON(1))));
        while (!__atomic_load_n(&full, __ATOMIC_RELAXED))
            ok(weft_sleep(100000));
        ok(weft_spawn(&s, nothing, &value, sizeof value,
                      OPT(.task = &child, .drop = drop, .reactor = WEFT_ON(1))));
        ok(weft_join(child, &result));
        ck_assert_int_eq(result, -EAGAIN);
        ck_assert_int_eq(__atomic_load_n(&drops, __ATOMIC_RELAXED), 1);
        __atomic_store_n(&enough, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

TEST(dropped_where_there_is_no_room)
{
    ck_assert_int_eq(weft_run(main_full_there, NULL, 0, RUN_OPT(.reactors = 2, .tasks_max = 4)), 0);
    ck_assert_int_eq(drops, 1);
}

/* The other reactor has stopped: what the argument owns is let go of here. */
static int main_gone_there(void *arg)
{
    struct weft__peers *real = weft__self->peers;
    struct weft__peers *peers = malloc(sizeof *peers + 2 * sizeof peers->inboxes[0]);
    int result, value = 7;
    weft_task child;

    (void)arg;
    ck_assert_ptr_nonnull(peers);
    peers->count = 2;
    peers->inboxes[0] = weft__self->inbox;
    peers->inboxes[1] = weft__inbox_new(weft__self, 1, NULL);
    weft__inbox_close(peers->inboxes[1]);
    weft__self->peers = peers;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, nothing, &value, sizeof value,
                      OPT(.task = &child, .drop = drop, .reactor = WEFT_ON(1))));
        ok(weft_join(child, &result));
        ck_assert_int_eq(result, -ESHUTDOWN);
        ck_assert_int_eq(drops, 1);
    }
    weft__self->peers = real;
    weft__inbox_release(peers->inboxes[1]);
    free(peers);
    return 0;
}

TEST(dropped_where_nobody_is_left)
{
    net_run(main_gone_there);
}

/* A stack that nobody has is refused here, before anything goes there. */
static int main_large_stack(void *arg)
{
    int value = 7;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, nothing, &value, sizeof value,
                                    OPT(.drop = drop, .stack_size = WEFT__STACK_SIZE_3 + 1,
                                        .reactor = WEFT_ON(1))),
                         -E2BIG);
        ck_assert_uint_eq(weft_scope_tasks(&s), 0);
    }
    ck_assert_int_eq(drops, 0); /* nothing was taken */
    return 0;
}

TEST(too_large_a_stack_elsewhere)
{
    ck_assert_int_eq(weft_run(main_large_stack, NULL, 0, RUN_OPT(.reactors = 2)), 0);
}

/* What changes here is told there once, and then no more. */
static int take_a_moment(void *arg)
{
    (void)arg;
    return weft_sleep(50000000);
}

static int main_told_once(void *arg)
{
    uint64_t before = net_stats().posts;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, take_a_moment, NULL, 0, OPT(.reactor = WEFT_ON(1))));
        ok(weft_sleep(10000000));
        ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(60000), weft_after_ms(60000)), 0);
    }
    ck_assert_uint_le(net_stats().posts - before, 4); /* heard, back */
    return 0;
}

TEST(news_are_told_once)
{
    ck_assert_int_eq(weft_run(main_told_once, NULL, 0, RUN_OPT(.reactors = 2)), 0);
}

/* Children on their way to a reactor count, even when it has turned since and seen none of them. */
static int ran_on[3];

static int note_where(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&ran_on[weft_reactor_index()], 1, __ATOMIC_RELAXED);
    return 0;
}

static void set_flag(void *arg)
{
    __atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
}

/* Has it turn, without giving way here. */
static void make_turn(uint32_t index)
{
    weft_inbox *inbox = weft_inbox_get(index);

    for (int i = 0; i < 3; i++) {
        int turned = 0;
        ok(weft_post(inbox, set_flag, &turned, NULL));
        while (!__atomic_load_n(&turned, __ATOMIC_ACQUIRE))
            ;
    }
    weft_inbox_put(inbox);
}

static int main_on_their_way(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        ok(weft_spawn(&s, nothing, NULL, 0, OPT(.reactor = WEFT_LEAST_LOADED)));
    WEFT_SCOPE(t) {
        for (int i = 0; i < 20; i++)
            ok(weft_spawn(&t, nothing, NULL, 0, OPT(.reactor = WEFT_ON(1))));
        make_turn(1);
        for (int i = 0; i < 10; i++)
            ok(weft_spawn(&t, note_where, NULL, 0, OPT(.reactor = WEFT_LEAST_LOADED)));
    }
    ck_assert_int_eq(ran_on[0] + ran_on[2], 10);
    return 0;
}

TEST(children_on_their_way_count)
{
    ck_assert_int_eq(weft_run(main_on_their_way, NULL, 0, RUN_OPT(.reactors = 3)), 0);
}

/* -- a stop -------------------------------------------------------------------------------------
 */

/* Runs on the other reactor. */
static int root_is_cancelled(void *arg)
{
    (void)arg;
    return weft__root(weft__self)->cause != 0;
}

/* In a shield it goes on calling while the run ends around it. One call may have been there before
   the other root was cancelled and run after; none that comes later runs. */
static int call_on(void *arg)
{
    int result = 0, late = 0;

    WEFT_SHIELD(weft_after_ms(20000)) {
        while ((result = weft_call(1, root_is_cancelled, NULL, 0)) >= 0) {
            late += result;
            ck_assert_int_le(late, 1);
            ok(weft_sleep(1000000));
        }
        ck_assert_int_eq(result, -ECANCELED);
        __atomic_store_n((int *)arg, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

static int main_ends_early(void *arg)
{
    ok(weft_create_task(call_on, *(int **)arg, 0, NULL));
    return weft_yield();
}

TEST(a_call_to_where_everything_ends)
{
    int refused = 0, *place = &refused;

    ck_assert_int_eq(weft_run(main_ends_early, &place, sizeof place, RUN_OPT(.reactors = 2)), 0);
    ck_assert_int_eq(refused, 1);
}

/* The same, of children: refused over there, and no failure here, where nothing can be seen. */
static int spawn_on(void *arg)
{
    weft_task task;
    weft_scope s;
    int result = 0;

    WEFT_SHIELD(weft_after_ms(20000)) {
        ok(weft_scope_open(&s, NULL));
        while (result >= 0) {
            ok(weft_spawn(&s, root_is_cancelled, NULL, 0,
                          OPT(.reactor = WEFT_ON(1), .task = &task)));
            ok(weft_join(task, &result));
            ok(weft_sleep(1000000));
        }
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_uint_eq(weft_scope_errors(&s, NULL, 0), 0);
        ck_assert_int_eq(weft_scope_close(&s), 0);
        __atomic_store_n((int *)arg, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

static int main_ends_before_them(void *arg)
{
    ok(weft_create_task(spawn_on, *(int **)arg, 0, NULL));
    return weft_yield();
}

TEST(a_child_where_everything_ends)
{
    int refused = 0, *place = &refused;

    ck_assert_int_eq(weft_run(main_ends_before_them, &place, sizeof place, RUN_OPT(.reactors = 2)),
                     0);
    ck_assert_int_eq(refused, 1);
}

TEST_MAIN("task.inside", 60, nobody_waits_after_a_drain, interrupted_once_a_wait,
          cancelled_by_the_kernel_itself, waits_for_the_final_completion, dropped_before_they_ran,
          dropped_where_there_is_no_room, dropped_where_nobody_is_left, too_large_a_stack_elsewhere,
          news_are_told_once, children_on_their_way_count, a_call_to_where_everything_ends,
          a_child_where_everything_ends)
