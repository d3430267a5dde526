/*
 * The laws of waiting, whatever it is for: see objects.h.
 *
 *   - Who was given something has it, whatever comes after.
 *   - Nobody waits while there is no reason to.
 *   - Nobody is served before those who surely waited when he came.
 */
#include "objects.h"

static struct wait waits[TASKS_MAX];

void object_init(struct object *object, const char *name, bool shared)
{
    *object = (struct object){.name = name, .shared = shared, .open_at = WEFT_NEVER};
}

bool object_here(const struct object *object)
{
    return object->shared || reactor_here() == 0;
}

void object_opens(struct object *object, bool open)
{
    if (!open)
        object->open_at = WEFT_NEVER;
    else if (object->open_at == WEFT_NEVER)
        object->open_at = weft_now();
}

struct wait *wait_begin(struct task *task, struct object *object, int kind, int64_t deadline)
{
    struct wait *wait = &waits[task_index(task)];

    *wait = (struct wait){.object = object, .deadline = deadline, .kind = kind};
    memcpy(wait->passed, model.passed, sizeof wait->passed);
    wait->call = call_begin(task);
    object->waiters++;
    return wait;
}

static bool refused(int result)
{
    return result == -ECANCELED || result == -ETIMEDOUT;
}

/* Does the task wait in the row, and can nothing have taken it out? */
static bool surely_waits(const struct wait *wait)
{
    const struct task *task = wait->call.task;

    return wait->call.when < model.passed[task->reactor] && weft_now() < wait->deadline &&
           !view_of(task).may;
}

static void check_reason(const struct object *object, const struct wait *wait)
{
    int64_t since = wait->call.begun > object->open_at ? wait->call.begun : object->open_at;

    if (!program.faults && object->open_at != WEFT_NEVER && weft_now() - SOON_NS > since)
        broke("task %d waited for the %s for %lld ns, and had no reason to",
              task_index(wait->call.task), object->name, (long long)(weft_now() - since));
}

int wait_end(struct wait *wait, int result, int own)
{
    struct task *task = wait->call.task;
    struct object *object = wait->object;
    struct wait ended = *wait;

    wait->object = NULL;
    object->waiters--;
    call_end(&ended.call, result, ended.flags);
    if (ended.granted && refused(result))
        broke("task %d was given what it waited for (%s), and told %s", task_index(task),
              object->name, strerror(-result));
    if (ended.overtook && (result >= 0 || (result == own && own == -EOWNERDEAD)))
        broke("task %d got what somebody was given who came later (%s)", task_index(task),
              object->name);
    if (result == -ETIMEDOUT && !is_late(result, ended.deadline))
        broke("task %d was told that it is late, and it is not (%s)", task_index(task),
              object->name);
    if (ended.call.before)
        return result;
    if (!object_here(object) ? result != -EPERM && !refused(result)
                             : result < 0 && !refused(result) && result != own && !program.faults)
        broke("task %d waits for a %s: %s", task_index(task), object->name, strerror(-result));
    if (object_here(object))
        check_reason(object, &ended);
    return result;
}

struct waiters waiters_of(const struct object *object, int kind)
{
    struct waiters count = {0, 0};

    for (int i = 0; i < TASKS_MAX; i++)
        if (waits[i].object == object && (kind < 0 || waits[i].kind == kind)) {
            count.all++;
            count.sure += surely_waits(&waits[i]);
        }
    return count;
}

void waiters_granted(struct object *object, int kind)
{
    for (int i = 0; i < TASKS_MAX; i++)
        if (waits[i].object == object && (kind < 0 || waits[i].kind == kind) &&
            surely_waits(&waits[i]))
            waits[i].granted = true;
}

void served(struct object *object, const struct wait *wait, int kind)
{
    const uint64_t *passed = wait ? wait->passed : model.passed;

    for (int i = 0; i < TASKS_MAX; i++) {
        struct wait *other = &waits[i];
        if (other->object != object || other == wait || (kind >= 0 && other->kind != kind) ||
            other->call.when >= passed[other->call.task->reactor])
            continue;
        if (surely_waits(other))
            broke("a task got the %s before task %d, which came first", object->name,
                  task_index(other->call.task));
        other->overtook = true;
    }
}
