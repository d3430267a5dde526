/*
 * What tasks wait for one another with, as the model sees it: who is in a call that may wait, who
 * of them waits for certain, and who has been given what he waits for.
 *
 * A call may give way before it looks at the object, so that a task is in it does not say that it
 * waits. It does once something that was ready after it has run: model.passed.
 */
#ifndef WEFT_TESTS_FUZZ_OBJECTS_H
#define WEFT_TESTS_FUZZ_OBJECTS_H

#include "steps.h"

struct object {
    const char *name;
    bool shared;     /* else it is reactor 0's */
    int waiters;     /* tasks in calls that may wait */
    int64_t open_at; /* since then nobody has a reason to wait; WEFT_NEVER: there is one */
};

enum { OBJECTS_PER_KIND = 2 }; /* one of reactor 0, and one that is shared */

/* A call that may wait. */
struct wait {
    struct object *object; /* NULL: none */
    struct call call;
    int64_t deadline;
    int flags;                     /* of call_end */
    int kind;                      /* the object's own: what it is to be given */
    bool granted;                  /* it was, for certain */
    bool overtook;                 /* somebody who came later was served */
    uint64_t passed[REACTORS_MAX]; /* when it began */
};

enum how { WAITS, WAITS_NOT, WAITS_UNTIL, HOWS };
static inline enum how how_of(uint8_t choice)
{
    return choice % 8 < 5 ? WAITS : choice % 8 == 5 ? WAITS_NOT : WAITS_UNTIL;
}

void object_init(struct object *object, const char *name, bool shared);
bool object_here(const struct object *object);
/* There is something for who waits, or not any more. */
void object_opens(struct object *object, bool open);

struct wait *wait_begin(struct task *task, struct object *object, int kind, int64_t deadline);
/* It came to `result`: what was given, or why not. Other errors than those of any wait are the
   object's own, and in `own` if this may be one. */
int wait_end(struct wait *wait, int result, int own);
/* Who is in a call for `kind` (-1: any), and how many of them wait for certain. */
struct waiters {
    int all, sure;
};
struct waiters waiters_of(const struct object *object, int kind);
/* Those who wait for certain have been given it now. */
void waiters_granted(struct object *object, int kind);
/* Somebody who came at `wait` (NULL: now) has been served. Alone: so nobody else can be, before. */
void served(struct object *object, const struct wait *wait, int kind);

/* Before each program, and by its main task, whose reactor the local ones are to be. */
void locks_reset(void), gates_reset(void), queues_reset(void);
void locks_claim(void), gates_claim(void), queues_claim(void);
void queues_check_end(void); /* when the world is over */
/* A task that ends with a lock in its hands. */
void lock_ended(struct task *task);

#endif
