/*
 * Every kind of wait, cancelled before it began, in flight, completed and not yet seen, and from
 * another core. What must hold for each: a wait that was cancelled has had no effect, and what it
 * waited for is there for the next one; what had happened before the cancellation is the result,
 * and the cancellation shows at the next call. Would catch a wait that forgets either, or that
 * leaves something of itself behind.
 */
#include "support/net.h"
#include "sync.h"

struct kind {
    const char *name;
    void (*set_up)(void);
    int (*wait)(void);      /* the call; in a task of its own */
    void (*complete)(void); /* makes it end; NULL: only time does */
    void (*finish)(void);
    int value; /* what it answers then */
    bool owns; /* cancelled, it cancels what it waits for: set up again after that */
    bool late; /* completing takes a while: the cancellation may come first */
    bool runs; /* once a thread has begun it cannot be cancelled, and its result is the answer */
};

static weft_lock lock;
static weft_rwlock rwlock;
static weft_event event, shared_event;
static weft_semaphore semaphore;
static weft_condition condition;
static weft_barrier barrier;
static weft_queue queue;
static weft_future *future;
static weft_generator *generator;
static weft_scope inner;
static weft_task target;
static int fds[2], listener, port, released;
static bool target_ended;

static void nothing(void)
{
}

/* -- time ------------------------------------------------------------------------------------ */

static int wait_sleep(void)
{
    return weft_sleep(HOUR);
}
static int wait_until(void)
{
    return weft_sleep_until(weft_after_ns(HOUR));
}

/* -- locks and their like -------------------------------------------------------------------- */

static void up_lock(void)
{
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    is(weft_lock_acquire_nowait(&lock), 0);
}
static int then_release(int result)
{
    return result == 0 ? weft_lock_release(&lock) : result;
}
static int wait_lock(void)
{
    return then_release(weft_lock_acquire(&lock));
}
static int wait_lock_until(void)
{
    return then_release(weft_lock_acquire_until(&lock, weft_after_ns(HOUR)));
}
static void complete_lock(void)
{
    is(weft_lock_release(&lock), 0);
}
static void end_lock(void)
{
    if (weft_lock_held(&lock))
        is(weft_lock_release(&lock), 0);
}

static void up_rwlock(void)
{
    rwlock = KIND(weft_rwlock, WEFT_RWLOCK_INIT, WEFT_RWLOCK_SHARED_INIT);
    is(weft_rwlock_write_nowait(&rwlock), 0);
    released = 0;
}
static int wait_read(void)
{
    int result = weft_rwlock_read(&rwlock);

    return result == 0 ? weft_rwlock_read_release(&rwlock) : result;
}
static int wait_write(void)
{
    int result = weft_rwlock_write(&rwlock);

    return result == 0 ? weft_rwlock_write_release(&rwlock) : result;
}
static void complete_rwlock(void)
{
    is(weft_rwlock_write_release(&rwlock), 0);
    released = 1;
}
static void end_rwlock(void)
{
    if (!released)
        complete_rwlock();
}

static void up_event(void)
{
    event = KIND(weft_event, WEFT_EVENT_INIT, WEFT_EVENT_SHARED_INIT);
}
static int wait_event(void)
{
    return weft_event_wait(&event);
}
static void complete_event(void)
{
    weft_event_set(&event);
}

static void up_semaphore(void)
{
    semaphore = KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(0), WEFT_SEMAPHORE_SHARED_INIT(0));
}
static int wait_semaphore(void)
{
    return weft_semaphore_acquire(&semaphore);
}
static void complete_semaphore(void)
{
    is(weft_semaphore_release(&semaphore), 0);
}
static void end_semaphore(void)
{
    is(weft_semaphore_value(&semaphore), 0); /* none made, none lost */
}

static void up_condition(void)
{
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    condition = KIND(weft_condition, WEFT_CONDITION_INIT, WEFT_CONDITION_SHARED_INIT);
}
static int wait_condition(void)
{
    int result = weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    result = weft_condition_wait(&condition, &lock);
    is(weft_lock_release(&lock), 0); /* held in any case */
    return result;
}
static void complete_condition(void)
{
    is(weft_condition_notify(&condition, 1), 1);
}

static void up_barrier(void)
{
    barrier = KIND(weft_barrier, WEFT_BARRIER_INIT(2), WEFT_BARRIER_SHARED_INIT(2));
}
static int wait_barrier(void)
{
    return weft_barrier_wait(&barrier);
}
static void complete_barrier(void)
{
    is(weft_barrier_wait(&barrier), 1);
}

/* -- queues ---------------------------------------------------------------------------------- */

static void up_get(void)
{
    queue = (weft_queue){.shared = of_shared_kind, .item_size = sizeof(int), .max = 1};
}
static int wait_get(void)
{
    int item = 0, result = weft_queue_get(&queue, &item);

    is(item, result == 0 ? 6 : 0);
    return result == 0 ? weft_queue_task_done(&queue) == 0 ? 0 : -EIO : result;
}
static int wait_select(void)
{
    int item = 0;
    weft_case cases[] = {weft_case_until(WEFT_NEVER), weft_case_get(&queue, &item)};
    int result = weft_select(cases, 2, 0);

    is(item, result == 1 ? 6 : 0);
    return result;
}
static void complete_get(void)
{
    int item = 6;

    is(weft_queue_put_nowait(&queue, &item), 0);
}
static void up_put(void)
{
    up_get();
    complete_get();
}
static int wait_put(void)
{
    int item = 6;

    return weft_queue_put(&queue, &item);
}
static void complete_put(void)
{
    int item;

    is(weft_queue_get_nowait(&queue, &item), 0);
}
static int wait_queue_join(void)
{
    return weft_queue_join(&queue);
}
static void complete_queue_join(void)
{
    complete_put();
    is(weft_queue_task_done(&queue), 0);
}
static void end_queue(void)
{
    ck_assert(weft_queue_destroy(&queue) >= 0);
}

/* -- tasks and futures ----------------------------------------------------------------------- */

static int target_main(void *arg)
{
    (void)arg;
    is(weft_event_wait(&event), 0);
    target_ended = true;
    return 8;
}
static void up_target(void)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &target};

    up_event();
    target_ended = false;
    is(weft_create_task(target_main, NULL, 0, &opt), 0);
}
static int wait_await(void)
{
    int result = 0, error = weft_await(target, &result);

    return error < 0 ? error : result;
}
static void complete_target(void)
{
    complete_event();
    while (!target_ended)
        is(weft_yield(), 0);
}

static void up_future(void)
{
    is(weft_future_create(&future, NULL), 0);
}
static int told(int error, int64_t result)
{
    return error < 0 ? error : (int)result;
}
static int wait_future(void)
{
    int64_t result = 0;
    int error = weft_future_await(future, &result);

    return told(error, result);
}
static int wait_future_until(void)
{
    int64_t result = 0;
    int error = weft_future_await_until(future, &result, weft_after_ns(HOUR));

    return told(error, result);
}
static int wait_gather(void)
{
    int64_t result = 0;
    int error = weft_gather(WEFT_LIST(weft_of_future(future)), &result, 0);

    return told(error, result);
}
static int wait_race(void)
{
    return weft_race(WEFT_LIST(weft_of_future(future), weft_of_future(future)), NULL);
}
static int wait_wait(void)
{
    return weft_wait(WEFT_LIST(weft_of_future(future)), NULL, WEFT_ALL, WEFT_NEVER);
}
static int wait_wait_for(void)
{
    int64_t result = 0;
    weft_awaitable shielded = weft_shield(weft_of_future(future));
    int error = weft_wait_for(shielded, &result, WEFT_NEVER);

    return told(error, result);
}
static int wait_completed(void)
{
    weft_completed *each;
    int64_t result = 0;
    int error = weft_as_completed(&each, WEFT_LIST(weft_of_future(future)));

    if (error < 0)
        return error;
    error = weft_completed_next(each, NULL, &result, WEFT_NEVER);
    is(weft_completed_close(each), 0);
    return error < 0 ? error : (int)result;
}
static void complete_future(void)
{
    is(weft_future_set_result(future, 9), 0);
}
static void end_future(void)
{
    weft_future_put(future);
}

static int yields_one(weft_generator *self, void *arg)
{
    int item = 4, error = weft_event_wait(&event);

    (void)arg;
    while (error == 0)
        error = weft_generator_produce(self, &item);
    return error;
}
static void up_generator(void)
{
    up_event();
    is(weft_generator_open(&generator, sizeof(int), yields_one, NULL, 0, NULL), 0);
}
static int wait_generator(void)
{
    int item = 0, result = weft_generator_next(generator, &item);

    return result == 1 ? item : result;
}
static void end_generator(void)
{
    is(weft_generator_close(generator), 0);
}

static int quick(void *arg)
{
    (void)arg;
    return 0;
}
static void up_room(void)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .max_tasks = 1};

    is(weft_scope_open(&inner, &opt), 0);
    up_target();
}
static int wait_room(void)
{
    return weft_spawn(&inner, quick, NULL, 0, NULL);
}
static void end_room(void)
{
    complete_event();
    is(weft_scope_close(&inner), 0);
}

/* -- elsewhere ------------------------------------------------------------------------------- */

static void up_call(void)
{
    shared_event = (weft_event)WEFT_EVENT_SHARED_INIT;
}
static int remote(void *arg)
{
    int error = weft_event_wait(&shared_event);

    (void)arg;
    return error < 0 ? error : 7;
}
static int wait_call(void)
{
    return weft_call(1, remote, NULL, 0);
}
static void complete_call(void)
{
    weft_event_set(&shared_event);
}

static void up_thread(void)
{
    __atomic_store_n(&released, 0, __ATOMIC_RELAXED);
}
static int blocks(void *arg)
{
    static const struct timespec pause = {.tv_nsec = 100000};

    (void)arg;
    while (!__atomic_load_n(&released, __ATOMIC_RELAXED))
        nanosleep(&pause, NULL);
    return 3;
}
static int wait_thread(void)
{
    return weft_to_thread(blocks, NULL);
}
static void complete_thread(void)
{
    __atomic_store_n(&released, 1, __ATOMIC_RELAXED);
}

/* -- operations ------------------------------------------------------------------------------ */

static void up_pair(void)
{
    net_pair(&fds[0], &fds[1]);
}
static int wait_recv(void)
{
    char byte = 0;

    return (int)weft_recv(fds[1], &byte, 1, 0);
}
static void complete_recv(void)
{
    is(weft_send(fds[0], "x", 1, 0), 1);
}
static void up_pipe(void)
{
    is(weft_pipe(fds, 0), 0);
}
static int wait_pipe(void)
{
    char byte = 0;

    return (int)weft_read(fds[0], &byte, 1);
}
static void complete_pipe(void)
{
    is(weft_write(fds[1], "x", 1), 1);
}
static void end_pair(void)
{
    is(weft_close(fds[0]), 0);
    is(weft_close(fds[1]), 0);
}
static void up_listener(void)
{
    listener = net_listen(&port);
}
static int wait_accept(void)
{
    int fd = weft_accept(listener, NULL, NULL, 0);

    return fd < 0 ? fd : weft_close(fd);
}
static void complete_accept(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is(weft_connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    is(weft_close(fd), 0);
}
static void end_listener(void)
{
    is(weft_close(listener), 0);
}

/* -- the table ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct kind kinds[] = {
    {"sleep", nothing, wait_sleep, NULL, nothing, 0, 0, 0, 0},
    {"sleep_until", nothing, wait_until, NULL, nothing, 0, 0, 0, 0},
    {"lock", up_lock, wait_lock, complete_lock, end_lock, 0, 0, 0, 0},
    {"lock_until", up_lock, wait_lock_until, complete_lock, end_lock, 0, 0, 0, 0},
    {"read", up_rwlock, wait_read, complete_rwlock, end_rwlock, 0, 0, 0, 0},
    {"write", up_rwlock, wait_write, complete_rwlock, end_rwlock, 0, 0, 0, 0},
    {"event", up_event, wait_event, complete_event, nothing, 0, 0, 0, 0},
    {"semaphore", up_semaphore, wait_semaphore, complete_semaphore, end_semaphore, 0, 0, 0, 0},
    {"condition", up_condition, wait_condition, complete_condition, nothing, 0, 0, 0, 0},
    {"barrier", up_barrier, wait_barrier, complete_barrier, nothing, 0, 0, 0, 0},
    {"get", up_get, wait_get, complete_get, end_queue, 0, 0, 0, 0},
    {"put", up_put, wait_put, complete_put, end_queue, 0, 0, 0, 0},
    {"queue_join", up_put, wait_queue_join, complete_queue_join, end_queue, 0, 0, 0, 0},
    {"select", up_get, wait_select, complete_get, end_queue, 1, 0, 0, 0},
    {"await", up_target, wait_await, complete_target, complete_event, 8, 0, 0, 0},
    {"future", up_future, wait_future, complete_future, end_future, 9, 0, 0, 0},
    {"future_until", up_future, wait_future_until, complete_future, end_future, 9, 0, 0, 0},
    {"gather", up_future, wait_gather, complete_future, end_future, 9, true, 0, 0},
    {"race", up_future, wait_race, complete_future, end_future, 0, true, 0, 0},
    {"wait", up_future, wait_wait, complete_future, end_future, 1, 0, 0, 0},
    {"wait_for", up_future, wait_wait_for, complete_future, end_future, 9, 0, 0, 0},
    {"as_completed", up_future, wait_completed, complete_future, end_future, 9, 0, 0, 0},
    {"generator", up_generator, wait_generator, complete_event, end_generator, 4, 0, true, 0},
    {"room", up_room, wait_room, complete_target, end_room, 0, 0, 0, 0},
    {"call", up_call, wait_call, complete_call, nothing, 7, 0, true, 0},
    {"to_thread", up_thread, wait_thread, complete_thread, nothing, 3, 0, true, true},
    {"recv", up_pair, wait_recv, complete_recv, end_pair, 1, 0, true, 0},
    {"read_pipe", up_pipe, wait_pipe, complete_pipe, end_pair, 1, 0, true, 0},
    {"accept", up_listener, wait_accept, complete_accept, end_listener, 0, 0, true, 0},
};
/* clang-format on */
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static int waits(void *arg)
{
    const struct kind *kind = *(const struct kind **)arg;
    int result = kind->wait();

    if (result == -ECANCELED)
        is(weft_cause(), WEFT_CAUSE_CANCEL);
    else if (weft_cancelled())
        is(weft_yield(), -ECANCELED); /* pending, not eaten */
    return result;
}

static weft_task start(weft_scope *scope, const struct kind *kind, bool parked)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task, .name = kind->name};

    is(weft_spawn(scope, waits, &kind, sizeof kind, &opt), 0);
    while (parked && strcmp(sync_waits_for(task), "nothing") == 0)
        is(weft_yield(), 0);
    for (int i = 0; parked && i < 5; i++) /* calls that take several steps to get there */
        is(weft_yield(), 0);
    return task;
}

/* Whoever comes next has what the cancelled one did not take. */
static void and_the_next(weft_scope *scope, const struct kind *kind)
{
    weft_task task;

    if (kind->owns) {
        kind->finish();
        kind->set_up();
    }
    if (!kind->complete)
        return;
    task = start(scope, kind, true);
    kind->complete();
    is(sync_result(task), kind->value);
}

struct there {
    weft_inbox *inbox;
    weft_task task;
};
static int cancels_from_there(void *arg)
{
    const struct there *there = arg;

    return weft_cancel_post(there->inbox, there->task);
}
static void cancel_from_there(weft_task task)
{
    struct there there = {weft_inbox_here(), task};

    is(weft_call(1, cancels_from_there, &there, sizeof there), 0);
    weft_inbox_put(there.inbox);
}

enum when { BEFORE, IN_FLIGHT, COMPLETED, FROM_ELSEWHERE, WHENS };

static void one(const struct kind *kind, enum when when)
{
    weft_scope scope;
    weft_task task;
    int result;

    is(weft_scope_open(&scope, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                        .on_error = WEFT_KEEP_GOING}),
       0);
    kind->set_up();
    task = start(&scope, kind, when != BEFORE);
    if (when == COMPLETED)
        kind->complete();
    if (when == FROM_ELSEWHERE)
        cancel_from_there(task);
    else
        ck_assert_int_ge(weft_cancel(task), 0);
    if (kind->runs && when != COMPLETED)
        kind->complete();
    result = sync_result(task);
    if (when == COMPLETED ? result != kind->value && !(kind->late && result == -ECANCELED)
                          : result != -ECANCELED && !(kind->runs && result == kind->value))
        ck_abort_msg("%s gave %d", kind->name, result);
    if (when != COMPLETED || result == -ECANCELED)
        and_the_next(&scope, kind);
    kind->finish();
    is(weft_scope_close(&scope), 0);
}

static int each_main(void *arg)
{
    const enum when when = *(enum when *)arg;

    for (int i = 0; i < KINDS; i++)
        if (when != COMPLETED || kinds[i].complete)
            one(&kinds[i], when);
    return 0;
}

static void run_each(enum when when)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    for (int kind = 0; kind < 2; kind++) {
        of_shared_kind = kind != 0;
        is(weft_run(each_main, &when, sizeof when, &opt), 0);
    }
}

TEST(before)
{
    run_each(BEFORE);
}
TEST(in_flight)
{
    run_each(IN_FLIGHT);
}
TEST(completed_and_not_seen)
{
    run_each(COMPLETED);
}
TEST(from_another_core)
{
    run_each(FROM_ELSEWHERE);
}

TEST_MAIN("cancel_each", 60, before, in_flight, completed_and_not_seen, from_another_core)
