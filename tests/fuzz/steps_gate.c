/*
 * Steps on events, semaphores and barriers.
 *
 * The laws: who waits for an event wakes once it was set, and no earlier. Permits are neither made
 * nor lost. A barrier gives each place once a round, and lets nobody through before all have come.
 */
#include "objects.h"

enum { PERMITS = 2, PARTIES = 3 };

static struct event {
    struct object object;
    weft_event event;
    bool set;
    uint64_t set_when; /* last, as the number of an event of the model */
} events[OBJECTS_PER_KIND];

static struct semaphore {
    struct object object;
    weft_semaphore semaphore;
    int permits; /* that nobody is known to have taken */
} semaphores[OBJECTS_PER_KIND];

static struct barrier {
    struct object object;
    weft_barrier barrier;
    bool broken;
    uint64_t broken_when;
    int places[PARTIES]; /* how often each was given */
} barriers[OBJECTS_PER_KIND];

void gates_reset(void)
{
    for (int i = 0; i < OBJECTS_PER_KIND; i++) {
        events[i] = (struct event){.set = false};
        semaphores[i] = (struct semaphore){.permits = PERMITS};
        barriers[i] = (struct barrier){.broken = false};
        object_init(&events[i].object, "event", i);
        object_init(&semaphores[i].object, "semaphore", i);
        object_init(&barriers[i].object, "barrier", i);
        object_opens(&semaphores[i].object, true);
    }
    events[1].event = (weft_event)WEFT_EVENT_SHARED_INIT;
    semaphores[0].semaphore = (weft_semaphore)WEFT_SEMAPHORE_BOUNDED_INIT(PERMITS);
    semaphores[1].semaphore = (weft_semaphore)WEFT_SEMAPHORE_BOUNDED_SHARED_INIT(PERMITS);
    barriers[0].barrier = (weft_barrier)WEFT_BARRIER_INIT(PARTIES);
    barriers[1].barrier = (weft_barrier)WEFT_BARRIER_SHARED_INIT(PARTIES);
}

/* -- events ---------------------------------------------------------------------------------- */

static int event_wait(struct event *event, struct task *task, const struct step *step)
{
    int64_t deadline = how_of(step->b) == WAITS_UNTIL ? until_of(step->c) : WEFT_NEVER;
    bool set = event->set;
    struct wait *wait = wait_begin(task, &event->object, 0, deadline);
    int result = deadline == WEFT_NEVER ? weft_event_wait(&event->event)
                                        : weft_event_wait_until(&event->event, deadline);

    result = wait_end(wait, result, 0);
    if (result == 0 && !set && !event->set && event->set_when < wait->call.when)
        broke("task %d waited for an event that was not set", task_index(task));
    return result;
}

static int event_change(struct event *event, bool set)
{
    bool changes = event->set != set;
    int result;

    if (!object_here(&event->object)) {
        result = set ? weft_event_set(&event->event) : weft_event_clear(&event->event);
        if (result != -EPERM)
            broke("another reactor's event: %d", result);
        return result;
    }
    event->set = set;
    object_opens(&event->object, set);
    if (set) {
        event->set_when = ++model.events;
        waiters_granted(&event->object, -1);
    }
    result = set ? weft_event_set(&event->event) : weft_event_clear(&event->event);
    if (result != changes || weft_event_is_set(&event->event) != set)
        broke("an event is %s: %d", set ? "set" : "cleared", result);
    return result;
}

enum { EVENT_SET = 4, EVENT_CLEAR, EVENT_CHANGES };

int step_event(struct task *task, const struct step *step)
{
    struct event *event = &events[step->a % OBJECTS_PER_KIND];
    int what = step->a / OBJECTS_PER_KIND % 8;

    return what < EVENT_SET ? event_wait(event, task, step)
                            : event_change(event, what != EVENT_CLEAR);
}

/* -- semaphores ------------------------------------------------------------------------------ */

static void permit_taken(struct semaphore *semaphore, struct task *task)
{
    if (semaphore->permits-- == 0)
        broke("task %d has a permit that there is not", task_index(task));
    object_opens(&semaphore->object, semaphore->permits > 0);
}

/* Of the permits some may be given to tasks that have not come back with them. */
static void check_value(const struct semaphore *semaphore)
{
    int value = (int)weft_semaphore_value(&semaphore->semaphore);

    if (value > semaphore->permits || value < semaphore->permits - semaphore->object.waiters)
        broke("a semaphore has %d permits, and should have %d; %d tasks are in calls", value,
              semaphore->permits, semaphore->object.waiters);
}

static int permit_take(struct semaphore *semaphore, struct task *task, const struct step *step)
{
    enum how how = how_of(step->b);
    int64_t deadline = how == WAITS_UNTIL ? until_of(step->c) : WEFT_NEVER;
    bool certain = semaphore->permits > semaphore->object.waiters;
    struct wait *wait;
    int result;

    if (how == WAITS_NOT) {
        result = weft_semaphore_acquire_nowait(&semaphore->semaphore);
        if (!object_here(&semaphore->object) ? result != -EPERM
            : certain                        ? result != 0
                                             : result != 0 && result != -EAGAIN)
            broke("task %d tries a semaphore with %d permits: %d", task_index(task),
                  semaphore->permits, result);
    } else {
        wait = wait_begin(task, &semaphore->object, 0, deadline);
        result = how == WAITS ? weft_semaphore_acquire(&semaphore->semaphore)
                              : weft_semaphore_acquire_until(&semaphore->semaphore, deadline);
        result = wait_end(wait, result, 0);
    }
    if (result == 0)
        permit_taken(semaphore, task);
    return result;
}

static int permit_give(struct semaphore *semaphore)
{
    bool here = object_here(&semaphore->object), full = semaphore->permits >= PERMITS;
    bool may_be_full = semaphore->permits + semaphore->object.waiters >= PERMITS;
    int result;

    if (here && !full && semaphore->permits + 1 >= semaphore->object.waiters)
        waiters_granted(&semaphore->object, -1);
    semaphore->permits += here; /* who is given it may be back before this call is */
    result = weft_semaphore_release(&semaphore->semaphore);
    if (here && result != 0)
        semaphore->permits--;
    if (!here  ? result != -EPERM
        : full ? result != -EINVAL && semaphore->object.waiters == 0
               : result != 0 && !(result == -EINVAL && may_be_full))
        broke("a permit is given to a semaphore that has %d: %d", semaphore->permits, result);
    if (here)
        object_opens(&semaphore->object, semaphore->permits > 0);
    return result;
}

int step_permit(struct task *task, const struct step *step)
{
    struct semaphore *semaphore = &semaphores[step->a % OBJECTS_PER_KIND];
    int result = step->a / OBJECTS_PER_KIND % 8 < 5 ? permit_take(semaphore, task, step)
                                                    : permit_give(semaphore);

    if (object_here(&semaphore->object))
        check_value(semaphore);
    return result;
}

/* -- barriers -------------------------------------------------------------------------------- */

static void passed(struct barrier *barrier, struct task *task, int place)
{
    int least = INT32_MAX, most = 0, all = 0;

    if (place >= PARTIES)
        broke("task %d is at place %d of a barrier", task_index(task), place);
    barrier->places[place]++;
    for (int i = 0; i < PARTIES; i++) {
        least = barrier->places[i] < least ? barrier->places[i] : least;
        most = barrier->places[i] > most ? barrier->places[i] : most;
        all += barrier->places[i];
    }
    if ((PARTIES - all % PARTIES) % PARTIES > barrier->object.waiters)
        broke("task %d is through a barrier, and not all have come", task_index(task));
    if (most - least > barrier->object.waiters)
        broke("a barrier let %d through at one place, and %d at another", most, least);
}

static int barrier_wait(struct barrier *barrier, struct task *task, const struct step *step)
{
    int64_t deadline = how_of(step->b) == WAITS_UNTIL ? until_of(step->c) : WEFT_NEVER;
    bool broken = barrier->broken;
    struct wait *wait = wait_begin(task, &barrier->object, 0, deadline);
    int result = deadline == WEFT_NEVER ? weft_barrier_wait(&barrier->barrier)
                                        : weft_barrier_wait_until(&barrier->barrier, deadline);

    result = wait_end(wait, result, -EPIPE);
    if (result >= 0)
        passed(barrier, task, result);
    if (result == -EPIPE && !broken && barrier->broken_when < wait->call.when)
        broke("task %d finds a barrier broken that nobody broke", task_index(task));
    return result;
}

enum { BARRIER_ABORT = 6, BARRIER_RESET, BARRIER_WAITS = 12 };

static int barrier_break(struct barrier *barrier, bool broken)
{
    struct waiters waiters = waiters_of(&barrier->object, -1);
    int result;

    if (!object_here(&barrier->object)) {
        result =
            broken ? weft_barrier_abort(&barrier->barrier) : weft_barrier_reset(&barrier->barrier);
        if (result != -EPERM)
            broke("another reactor's barrier: %d", result);
        return result;
    }
    result = weft_barrier_waiting(&barrier->barrier);
    if (barrier->broken ? result != -EPIPE : result < 0 || result > waiters.all)
        broke("%d tasks wait at a barrier that is %s: %d", waiters.all,
              barrier->broken ? "broken" : "whole", result);
    barrier->broken = broken;
    barrier->broken_when = ++model.events;
    object_opens(&barrier->object, broken);
    waiters_granted(&barrier->object, -1);
    result = broken ? weft_barrier_abort(&barrier->barrier) : weft_barrier_reset(&barrier->barrier);
    if (result < 0 || result > waiters.all)
        broke("a barrier sends %d away, and %d tasks wait", result, waiters.all);
    return result;
}

int step_barrier(struct task *task, const struct step *step)
{
    struct barrier *barrier = &barriers[step->a % OBJECTS_PER_KIND];
    int what = step->a / OBJECTS_PER_KIND % BARRIER_WAITS;

    if (what == BARRIER_ABORT || what == BARRIER_RESET)
        return barrier_break(barrier, what == BARRIER_ABORT);
    return barrier_wait(barrier, task, step);
}

void gates_claim(void)
{
    if (weft_event_set(&events[0].event) != 1 || weft_event_clear(&events[0].event) != 1 ||
        weft_semaphore_acquire_nowait(&semaphores[0].semaphore) != 0 ||
        weft_semaphore_release(&semaphores[0].semaphore) != 0 ||
        weft_barrier_waiting(&barriers[0].barrier) != 0)
        broke("objects that nobody has used yet are in use");
}
