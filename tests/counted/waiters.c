/*
 * Many tasks wait on one object and are woken, or leave: what that takes, in steps.
 *
 * A step is a piece of the library's code run from its beginning to the next jump: the compiler
 * puts a call in front of each (-fsanitize-coverage=trace-pc), in the layers from base to sync.
 * Steps are the same on every machine, however busy. Ten times as many waiters may take ten times
 * as many; a search of the row, in coming, waking or leaving, would take a hundred times as many.
 *
 *     counted.waiters [waiters]        prints a line for each object
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#define CHECK(condition)                                                                           \
    ((condition)                                                                                   \
         ? (void)0                                                                                 \
         : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), exit(1)))
/* A call that must answer `value`. */
#define is(call, value)                                                                            \
    do {                                                                                           \
        int64_t got_ = (call);                                                                     \
        if (got_ != (value)) {                                                                     \
            fprintf(stderr, "%s:%d: %s is %lld\n", __FILE__, __LINE__, #call, (long long)got_);    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { CANCELLED_MAX = 100000 };
static uint64_t steps;
static uint64_t quiet; /* of a turn in which nobody but the main task runs */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

/* -- what is waited for ---------------------------------------------------------------------- */

static weft_lock lock;
static weft_rwlock rwlock;
static weft_event event;
static weft_condition condition;
static weft_semaphore semaphore;
static weft_barrier barrier;
static weft_queue queue;
static weft_future *future;
static weft_task task;

/* Of a task that waits: 0, or why it does not any more. */
static int waits_lock(void *arg)
{
    int error = weft_lock_acquire(&lock);

    (void)arg;
    return error < 0 ? error : weft_lock_release(&lock);
}
static int waits_rwlock(void *arg)
{
    int error = weft_rwlock_read(&rwlock);

    (void)arg;
    return error < 0 ? error : weft_rwlock_read_release(&rwlock);
}
static int waits_event(void *arg)
{
    (void)arg;
    return weft_event_wait(&event);
}
static int waits_condition(void *arg)
{
    int error = weft_lock_acquire(&lock);

    (void)arg;
    if (error < 0)
        return error;
    error = weft_condition_wait(&condition, &lock);
    is(weft_lock_release(&lock), 0);
    return error;
}
static int waits_semaphore(void *arg)
{
    (void)arg;
    return weft_semaphore_acquire(&semaphore);
}
static int waits_barrier(void *arg)
{
    int place = weft_barrier_wait(&barrier);

    (void)arg;
    return place < 0 ? place : 0;
}
static int gets(void *arg)
{
    int item;

    (void)arg;
    return weft_queue_get(&queue, &item);
}
static int puts_one(void *arg)
{
    int item = 1;

    (void)arg;
    return weft_queue_put(&queue, &item);
}
static int waits_future(void *arg)
{
    (void)arg;
    return weft_future_await(future, NULL);
}
static int waits_task(void *arg)
{
    (void)arg;
    return weft_await(task, NULL);
}

static void wake_lock(int n)
{
    (void)n;
    is(weft_lock_release(&lock), 0);
}
static void wake_rwlock(int n)
{
    (void)n;
    is(weft_rwlock_write_release(&rwlock), 0);
}
static void wake_event(int n)
{
    (void)n;
    is(weft_event_set(&event), 1);
}
static void wake_condition(int n)
{
    is(weft_condition_notify_all(&condition), n);
}
static void wake_semaphore(int n)
{
    for (int i = 0; i < n; i++)
        is(weft_semaphore_release(&semaphore), 0);
}
static void wake_barrier(int n)
{
    is(weft_barrier_wait(&barrier), n);
}
static void wake_gets(int n)
{
    for (int i = 0; i < n; i++)
        is(weft_queue_put(&queue, &i), 0);
}
static void wake_puts(int n)
{
    for (int i = 0, item; i < n; i++)
        is(weft_queue_get(&queue, &item), 0);
}
static void wake_future(int n)
{
    (void)n;
    is(weft_future_set_result(future, 0), 0);
}
static void wake_task(int n)
{
    (void)n;
    is(weft_cancel(task), 1);
}

static const struct object {
    const char *name;
    weft_task_fn wait;
    void (*wake)(int n);
    bool one_kind; /* not of a local and a shared one */
} objects[] = {
    {"lock", waits_lock, wake_lock, false},
    {"read-write lock", waits_rwlock, wake_rwlock, false},
    {"event", waits_event, wake_event, false},
    {"condition", waits_condition, wake_condition, false},
    {"semaphore", waits_semaphore, wake_semaphore, false},
    {"barrier", waits_barrier, wake_barrier, false},
    {"queue, get", gets, wake_gets, false},
    {"queue, put", puts_one, wake_puts, false},
    {"future", waits_future, wake_future, true},
    {"task", waits_task, wake_task, true},
};

#define KIND(type, local, share) (shared ? (type)share : (type)local)

static int sleeps(void *arg)
{
    int result = weft_sleep_until(WEFT_NEVER);

    (void)arg;
    return result == -ECANCELED ? 0 : result;
}

/* All of them as they are before anybody waits: taken, unset, full for who puts. */
static void begin(weft_scope *scope, const struct object *object, int n, bool shared)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int item = 0;

    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    rwlock = KIND(weft_rwlock, WEFT_RWLOCK_INIT, WEFT_RWLOCK_SHARED_INIT);
    event = KIND(weft_event, WEFT_EVENT_INIT, WEFT_EVENT_SHARED_INIT);
    condition = KIND(weft_condition, WEFT_CONDITION_INIT, WEFT_CONDITION_SHARED_INIT);
    semaphore = KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(0), WEFT_SEMAPHORE_SHARED_INIT(0));
    barrier = KIND(weft_barrier, WEFT_BARRIER_INIT((uint32_t)n + 1),
                   WEFT_BARRIER_SHARED_INIT((uint32_t)n + 1));
    queue = (weft_queue){.shared = shared, .item_size = sizeof item, .max = 1};
    is(weft_future_create(&future, NULL), 0);
    is(weft_spawn(scope, sleeps, NULL, 0, &opt), 0);
    is(weft_rwlock_write(&rwlock), 0);
    if (object->wait == waits_lock)
        is(weft_lock_acquire(&lock), 0);
    if (object->wait == puts_one)
        is(weft_queue_put(&queue, &item), 0);
}

static void end(const struct object *object, bool woken)
{
    if (object->wait == waits_lock && !woken)
        is(weft_lock_release(&lock), 0);
    if (object->wait != waits_rwlock || !woken)
        is(weft_rwlock_write_release(&rwlock), 0);
    weft_future_put(future);
    (void)weft_queue_destroy(&queue); /* of who puts one item is left */
}

/* -- counting -------------------------------------------------------------------------------- */

static struct round {
    const struct object *object;
    int n;
    bool shared, woken;
    int came_back;          /* with the result that was to be expected */
    uint64_t coming, going; /* steps */
} now;

static int waiter(void *arg)
{
    int result = now.object->wait(arg);

    now.came_back += result == (now.woken ? 0 : -ECANCELED);
    return 0;
}

/* Lets the others run until none of them has anything to do. */
static void settle(void)
{
    uint64_t before;

    do {
        before = steps;
        is(weft_yield(), 0);
    } while (steps - before > quiet + quiet / 2);
}

/* In no order, so that a search would be long from whichever end. */
static weft_task waiters[CANCELLED_MAX];
static void cancel_each(int n)
{
    for (int i = 0; i < n; i++)
        is(weft_cancel(waiters[i * INT64_C(7919) % n]), 1);
}

static struct round count(const struct object *object, int n, bool shared, bool woken)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .stack_size = 16384};
    weft_scope others;

    now = (struct round){.object = object, .n = n, .shared = shared, .woken = woken};
    is(weft_scope_open(&others, NULL), 0);
    begin(&others, object, n, shared);
    settle();
    steps = 0;
    WEFT_SCOPE(s) {
        for (int i = 0; i < n; i++) {
            opt.task = woken ? NULL : &waiters[i];
            is(weft_spawn(&s, waiter, NULL, 0, &opt), 0);
        }
        settle();
        now.coming = steps;
        CHECK(now.came_back == 0);
        if (woken)
            object->wake(n);
        else
            cancel_each(n);
    }
    now.going = steps - now.coming;
    CHECK(now.came_back == n);
    end(object, woken);
    (void)weft_scope_cancel(&others);
    is(weft_scope_close(&others), 0);
    return now;
}

/* Ten times as many, and a part in twenty for what does not grow so evenly. */
static int linear(const char *what, const struct round *few, const struct round *many, uint64_t a,
                  uint64_t b)
{
    printf("%-16s %-6s %-9s %7d: %6.1f   %7d: %6.1f\n", few->object->name,
           few->shared ? "shared" : "local", what, few->n, (double)a / few->n, many->n,
           (double)b / many->n);
    if (a >= (uint64_t)few->n && b <= a * 10 + a / 2)
        return 0;
    printf("    %llu and %llu steps: not counted, or too many\n", (unsigned long long)a,
           (unsigned long long)b);
    return 1;
}

static int wrong_of(const struct object *object, int n, bool shared, bool woken)
{
    struct round few = count(object, n / 10, shared, woken), many = count(object, n, shared, woken);

    return linear("come", &few, &many, few.coming, many.coming) +
           linear(woken ? "woken" : "cancelled", &few, &many, few.going, many.going);
}

/* How many of `n` tasks there is room for: before Linux 6.13 a process has few guarded stacks. */
static int room_for(int n)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .stack_size = 16384};
    int given = 0;

    WEFT_SCOPE(s) {
        while (given < n + 2 && weft_spawn(&s, sleeps, NULL, 0, &opt) == 0)
            given++;
        is(weft_scope_cancel(&s), 1);
    }
    return given - 2 - (given - 2) % 10;
}

/* Results are taken in the order in which tasks end, one by one: what each takes is the same. */
static int waits_its_turn(void *arg)
{
    (void)arg;
    return weft_semaphore_acquire(&semaphore);
}
static uint64_t complete(int n)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .stack_size = 16384, .task = &task};
    weft_awaitable *list = calloc((size_t)n, sizeof *list);
    weft_completed *each;
    int64_t result;

    CHECK(list);
    semaphore = (weft_semaphore)WEFT_SEMAPHORE_INIT(0);
    WEFT_SCOPE(s) {
        for (int i = 0; i < n; i++) {
            is(weft_spawn(&s, waits_its_turn, NULL, 0, &opt), 0);
            list[i] = weft_of_task(task);
        }
        is(weft_as_completed(&each, list, (uint32_t)n), 0);
        settle();
        steps = 0;
        for (int i = 0; i < n; i++) {
            is(weft_semaphore_release(&semaphore), 0);
            is(weft_completed_next(each, NULL, &result, WEFT_NEVER), 1);
        }
        is(weft_completed_next(each, NULL, &result, WEFT_NEVER), 0);
        now.going = steps;
        is(weft_completed_close(each), 0);
    }
    free(list);
    return now.going;
}
static int wrong_of_completed(int n)
{
    static const struct object completed = {.name = "as completed"};
    struct round few = {.object = &completed, .n = n / 10}, many = {.object = &completed, .n = n};

    few.going = complete(few.n);
    many.going = complete(many.n);
    return linear("taken", &few, &many, few.going, many.going);
}

/* A list is looked at for a circle: `n` tasks in it that wait, and as many that wait for who asks,
   who are gone through once for all of the list. */
static weft_task taker;
static weft_awaitable *listed;
static int awaits_taker(void *arg)
{
    (void)arg;
    return weft_await(taker, NULL);
}
static int takes(void *arg)
{
    weft_completed *each;

    is(weft_event_wait(&event), 0);
    steps = 0;
    is(weft_as_completed(&each, listed, *(uint32_t *)arg), 0);
    now.coming = steps;
    return weft_completed_close(each);
}
static uint64_t check_list(int n)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .stack_size = 16384, .task = &task}, of_list;

    of_list = opt;
    listed = calloc((size_t)n, sizeof *listed);
    CHECK(listed);
    event = (weft_event)WEFT_EVENT_INIT;
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, sleeps, NULL, 0, &opt), 0);
        of_list.task = &waiters[0];
        for (int i = 0; i < n; i++) {
            is(weft_spawn(&s, waits_task, NULL, 0, &of_list), 0);
            listed[i] = weft_of_task(waiters[0]);
        }
        opt.task = &taker;
        is(weft_spawn(&s, takes, &n, sizeof n, &opt), 0);
        opt.task = NULL;
        for (int i = 0; i < n; i++)
            is(weft_spawn(&s, awaits_taker, NULL, 0, &opt), 0);
        settle();
        is(weft_event_set(&event), 1);
        is(weft_await(taker, NULL), 0);
        (void)weft_scope_cancel(&s);
    }
    free(listed);
    return now.coming;
}
static int wrong_of_lists(int n)
{
    static const struct object list = {.name = "list"};
    struct round few = {.object = &list, .n = n / 10}, many = {.object = &list, .n = n};

    few.coming = check_list(few.n);
    many.coming = check_list(many.n);
    return linear("looked at", &few, &many, few.coming, many.coming);
}

static int wrong;
/* One run for all of it, so that the stacks are there from the second round on. */
static int count_all(void *arg)
{
    int n = room_for(*(int *)arg);

    CHECK(n >= 1000 && n / 10 <= CANCELLED_MAX);
    is(weft_yield(), 0);
    steps = 0;
    is(weft_yield(), 0);
    quiet = steps;
    printf("steps for each of so many waiters\n");
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
        for (int way = 0; way < 4; way += objects[i].one_kind ? 2 : 1)
            wrong += wrong_of(&objects[i], way & 2 ? n / 10 : n, way & 1, !(way & 2));
    wrong += wrong_of_completed(n / 10);
    wrong += wrong_of_lists(n / 20 - n / 20 % 10);
    return 0;
}

int main(int argc, char **argv)
{
    struct weft_run_opt opt = {.size = sizeof opt, .no_look = true};
    int n = argc > 1 ? atoi(argv[1]) : 100000;

    is(weft_run(count_all, &n, sizeof n, &opt), 0);
    return wrong > 0;
}
