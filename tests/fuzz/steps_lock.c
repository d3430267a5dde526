/*
 * Steps on locks, conditions and read-write locks.
 *
 * A lock is taken and released in one step, with something in between: a task that held one from
 * step to step would sooner or later wait for a child that waits for the lock in a way that cannot
 * be cancelled (a condition's), and that is the program's own fault. But a task may end with a lock
 * in its hands, if it has no scope open.
 *
 * The laws: one holder at a time; who dies with it is told of once; a notification ends one wait
 * each, and none is lost; who comes back from a condition holds the lock.
 */
#include "objects.h"

static struct lock {
    struct object object;
    weft_lock lock;
    int holder;
    bool dead;  /* the last holder ended with it */
    bool dying; /* it is about to */
} locks[OBJECTS_PER_KIND];

static struct condition {
    struct object object;
    weft_condition condition;
    int notified;  /* waits that were ended and have not come back */
    int notifying; /* calls under way: who is told may be back before */
    bool blurred;  /* somebody came back with an error of the lock's */
} conditions[OBJECTS_PER_KIND];

static struct rwlock {
    struct object object;
    weft_rwlock lock;
    int writer, readers;
} rwlocks[OBJECTS_PER_KIND];

void locks_reset(void)
{
    for (int i = 0; i < OBJECTS_PER_KIND; i++) {
        locks[i] = (struct lock){.holder = NOBODY};
        conditions[i] = (struct condition){.blurred = false};
        rwlocks[i] = (struct rwlock){.writer = NOBODY};
        object_init(&locks[i].object, "lock", i);
        object_init(&conditions[i].object, "condition", i);
        object_init(&rwlocks[i].object, "read-write lock", i);
        object_opens(&locks[i].object, true);
        object_opens(&rwlocks[i].object, true);
    }
    locks[1].lock = (weft_lock)WEFT_LOCK_SHARED_INIT;
    conditions[1].condition = (weft_condition)WEFT_CONDITION_SHARED_INIT;
    rwlocks[1].lock = (weft_rwlock)WEFT_RWLOCK_SHARED_INIT;
}

/* -- the lock -------------------------------------------------------------------------------- */

static void taken(struct lock *lock, struct task *task, int result)
{
    if (lock->holder != NOBODY)
        broke("tasks %d and %d hold one lock", lock->holder, task_index(task));
    if ((result == -EOWNERDEAD) != (lock->dead || lock->dying))
        broke("task %d takes a lock whose holder %s: %d", task_index(task),
              lock->dead || lock->dying ? "died" : "did not die", result);
    lock->holder = task_index(task);
    lock->dead = lock->dying = false;
    object_opens(&lock->object, false);
}

static void given_up(struct lock *lock)
{
    lock->holder = NOBODY;
    object_opens(&lock->object, true);
    if (lock->object.waiters == 1)
        waiters_granted(&lock->object, -1);
}

static void release(struct lock *lock, struct task *task)
{
    int result;

    if (lock->holder != task_index(task))
        broke("task %d comes to release a lock that task %d holds", task_index(task), lock->holder);
    given_up(lock);
    result = weft_lock_release(&lock->lock);
    if (result != 0)
        broke("task %d cannot release the lock it holds: %d", task_index(task), result);
}

static bool has_it(int result)
{
    return result == 0 || result == -EOWNERDEAD;
}

static int try_to_take(struct lock *lock, struct task *task)
{
    bool free = lock->holder == NOBODY && lock->object.waiters == 0 && !lock->dying;
    int result = weft_lock_acquire_nowait(&lock->lock);

    if (!object_here(&lock->object) ? result != -EPERM
        : free                      ? !has_it(result)
                                    : !has_it(result) && result != -EAGAIN)
        broke("task %d tries a lock: %d", task_index(task), result);
    if (!has_it(result))
        return result;
    served(&lock->object, NULL, -1);
    taken(lock, task, result);
    return result;
}

static int take(struct lock *lock, struct task *task, const struct step *step)
{
    enum how how = how_of(step->b);
    int64_t deadline = how == WAITS_UNTIL ? until_of(step->b / 8) : WEFT_NEVER;
    struct wait *wait;
    int result;

    if (how == WAITS_NOT)
        return try_to_take(lock, task);
    wait = wait_begin(task, &lock->object, 0, deadline);
    result = how == WAITS_UNTIL ? weft_lock_acquire_until(&lock->lock, deadline)
                                : weft_lock_acquire(&lock->lock);
    result = wait_end(wait, result, -EOWNERDEAD);
    if (!has_it(result))
        return result;
    served(&lock->object, wait, -1);
    taken(lock, task, result);
    return result;
}

/* -- the condition --------------------------------------------------------------------------- */

static void check_news(struct condition *condition)
{
    if (condition->notifying > 0)
        return;
    if (condition->notified < 0 && !condition->blurred)
        broke("a task was told by nobody");
    if (condition->object.waiters > 0)
        return;
    if (condition->notified != 0 && !condition->blurred)
        broke("%d notifications are lost", condition->notified);
    condition->notified = 0;
    condition->blurred = false;
}

static int wait_for_news(struct lock *lock, struct task *task, const struct step *step)
{
    struct condition *condition = &conditions[lock - locks];
    int64_t deadline = step->c & 0x40 ? until_of(step->c / 4) : WEFT_NEVER;
    struct wait *wait = wait_begin(task, &condition->object, 0, deadline);
    int result;

    /* it gives the lock up some time from now, and waits for it again */
    lock->holder = NOBODY;
    object_opens(&lock->object, true);
    lock->object.waiters++;
    result = deadline == WEFT_NEVER
                 ? weft_condition_wait(&condition->condition, &lock->lock)
                 : weft_condition_wait_until(&condition->condition, &lock->lock, deadline);
    lock->object.waiters--;
    result = wait_end(wait, result, -EOWNERDEAD);
    if (result == -EOWNERDEAD)
        condition->blurred = true;
    taken(lock, task, result == -EOWNERDEAD ? result : 0);
    condition->notified -= result == 0;
    check_news(condition);
    return result;
}

int step_notify(struct task *task, const struct step *step)
{
    struct condition *condition = &conditions[step->a % OBJECTS_PER_KIND];
    struct waiters waiters = waiters_of(&condition->object, -1);
    int count = step->b % 3, most = waiters.all - condition->notified, result;

    (void)task;
    if (!count && object_here(&condition->object))
        waiters_granted(&condition->object, -1);
    condition->notifying++;
    result = count ? weft_condition_notify(&condition->condition, (uint32_t)count)
                   : weft_condition_notify_all(&condition->condition);
    condition->notifying--;
    if (!object_here(&condition->object)) {
        if (result != -EPERM)
            broke("another reactor's condition: %d", result);
        return result;
    }
    if (count && most > count)
        most = count;
    if (result < 0 || (result > most && !condition->blurred))
        broke("%d tasks wait for a condition, %d of them were told already, and %d were told now",
              waiters.all, condition->notified, result);
    if (!count && waiters.sure - condition->notified > result && !condition->blurred)
        broke("%d tasks wait for a condition, and %d were told", waiters.sure, result);
    condition->notified += result;
    check_news(condition);
    return result;
}

/* -- with the lock in hand ------------------------------------------------------------------- */

enum { HOLD_SHORT, HOLD_YIELD, HOLD_SLEEP, HOLD_WAIT, HOLD_TWICE, HOLD_TO_THE_END, HOLDS };

static void take_twice(struct lock *lock, struct task *task)
{
    struct call call;
    int result;

    if (weft_lock_acquire_nowait(&lock->lock) != -EDEADLK)
        broke("task %d takes its own lock", task_index(task));
    call = call_begin(task);
    result = weft_lock_acquire(&lock->lock);
    call_end(&call, result, PLAIN);
    if (result != -EDEADLK && result != -ECANCELED)
        broke("task %d waits for its own lock: %d", task_index(task), result);
}

static void pause_in(struct task *task, int what, uint8_t span)
{
    struct call call;

    if (what != HOLD_YIELD && what != HOLD_SLEEP)
        return;
    call = call_begin(task);
    call_end(&call, what == HOLD_YIELD ? weft_yield() : weft_sleep(span_of(span) / 16), PLAIN);
}

void lock_ended(struct task *task)
{
    struct lock *lock;

    if (task->dies_with < 0 || task->scope != NOBODY)
        return;
    lock = &locks[task->dies_with];
    if (!has_it(try_to_take(lock, task)))
        return;
    pause_in(task, HOLD_SLEEP, 3); /* others come to wait for it */
    lock->holder = NOBODY;
    lock->dying = true;
    object_opens(&lock->object, true);
}

int step_lock(struct task *task, const struct step *step)
{
    struct lock *lock = &locks[step->a % OBJECTS_PER_KIND];
    int what = step->c % HOLDS, result = take(lock, task, step), waited = 0;

    if (!has_it(result))
        return result;
    pause_in(task, what, step->c / HOLDS);
    if (what == HOLD_WAIT)
        waited = wait_for_news(lock, task, step);
    else if (what == HOLD_TWICE)
        take_twice(lock, task);
    else if (what == HOLD_TO_THE_END)
        task->dies_with = (int)(lock - locks);
    if (!weft_lock_held(&lock->lock))
        broke("task %d holds a lock that nobody holds", task_index(task));
    release(lock, task);
    return waited;
}

/* A release by whoever does not hold it. */
int step_unlock(struct task *task, const struct step *step)
{
    struct lock *lock = &locks[step->a % OBJECTS_PER_KIND];
    bool certain = lock->object.waiters == 0 && !lock->dying;
    int result = weft_lock_release(&lock->lock);

    if (result != -EPERM && result != -EINVAL)
        broke("task %d releases a lock it does not hold: %d", task_index(task), result);
    if (certain && object_here(&lock->object) && (result == -EPERM) != (lock->holder != NOBODY))
        broke("task %d releases a lock that task %d holds: %d", task_index(task), lock->holder,
              result);
    return result;
}

/* -- the read-write lock --------------------------------------------------------------------- */

enum { READS, WRITES };

static void rw_taken(struct rwlock *lock, struct task *task, const struct wait *wait, int kind)
{
    if (lock->writer != NOBODY || (kind == WRITES && lock->readers > 0))
        broke("task %d %s what task %d writes and %d read", task_index(task),
              kind == READS ? "reads" : "writes", lock->writer, lock->readers);
    served(&lock->object, wait, kind == READS ? WRITES : -1);
    lock->readers += kind == READS;
    lock->writer = kind == WRITES ? task_index(task) : NOBODY;
    object_opens(&lock->object, false);
}

static void rw_release(struct rwlock *lock, struct task *task, int kind)
{
    int result;

    lock->readers -= kind == READS;
    lock->writer = NOBODY;
    if (lock->readers == 0)
        object_opens(&lock->object, true);
    if (lock->readers == 0 && lock->object.waiters == 1)
        waiters_granted(&lock->object, -1);
    result = kind == READS ? weft_rwlock_read_release(&lock->lock)
                           : weft_rwlock_write_release(&lock->lock);
    if (result != 0)
        broke("task %d cannot release a read-write lock it holds: %d", task_index(task), result);
}

static int rw_try(struct rwlock *lock, struct task *task, int kind)
{
    bool free = lock->writer == NOBODY && lock->readers == 0 && lock->object.waiters == 0;
    int result = kind == READS ? weft_rwlock_read_nowait(&lock->lock)
                               : weft_rwlock_write_nowait(&lock->lock);

    if (!object_here(&lock->object) ? result != -EPERM
        : free                      ? result != 0
                                    : result != 0 && result != -EAGAIN)
        broke("task %d tries a read-write lock: %d", task_index(task), result);
    if (result == 0)
        rw_taken(lock, task, NULL, kind);
    return result;
}

static int rw_take(struct rwlock *lock, struct task *task, const struct step *step, int kind)
{
    enum how how = how_of(step->b);
    int64_t deadline = how == WAITS_UNTIL ? until_of(step->b / 8) : WEFT_NEVER;
    struct wait *wait;
    int result;

    if (how == WAITS_NOT)
        return rw_try(lock, task, kind);
    wait = wait_begin(task, &lock->object, kind, deadline);
    if (how == WAITS_UNTIL)
        result = kind == READS ? weft_rwlock_read_until(&lock->lock, deadline)
                               : weft_rwlock_write_until(&lock->lock, deadline);
    else
        result = kind == READS ? weft_rwlock_read(&lock->lock) : weft_rwlock_write(&lock->lock);
    result = wait_end(wait, result, 0);
    if (result == 0)
        rw_taken(lock, task, wait, kind);
    return result;
}

int step_rwlock(struct task *task, const struct step *step)
{
    struct rwlock *lock = &rwlocks[step->a % OBJECTS_PER_KIND];
    int kind = step->a / OBJECTS_PER_KIND % 3 == 0 ? WRITES : READS;
    int result = rw_take(lock, task, step, kind);

    if (result != 0)
        return result;
    pause_in(task, step->c % HOLDS, step->c / HOLDS);
    rw_release(lock, task, kind);
    return 0;
}

void locks_claim(void)
{
    struct task *task = &model.tasks[0];

    if (try_to_take(&locks[0], task) != 0 || weft_condition_notify(&conditions[0].condition, 1) ||
        rw_try(&rwlocks[0], task, READS) != 0)
        broke("objects that nobody has used yet are in use");
    release(&locks[0], task);
    rw_release(&rwlocks[0], task, READS);
    (void)weft_condition_notify(&conditions[0].condition, 1);
}
