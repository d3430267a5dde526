/*
 * task/completed.c - results in the order in which they come.
 */
#include <errno.h>

#include "base/memory.h"
#include "task/coroutine.h"
#include "task/watch.h"

struct weft_completed {
    struct weft__watches all;
    struct weft__task *owner;
    struct weft__watch **next; /* where the next one to be told hangs, or will */
    uint32_t told;
};

int weft_as_completed(weft_completed **each, const weft_awaitable *list, uint32_t count)
{
    struct weft__task *self = weft__task_self();
    struct weft_completed *made;
    int error;

    if (!self)
        return weft__outside();
    if (!each)
        return weft__misuse(-EINVAL, "no place for it");
    weft__give_way(self); /* before the list is looked at: tasks may be gone afterwards */
    error = weft__list_check(self, list, count, true);
    if (error == 0)
        error = weft__admit(self);
    if (error < 0)
        return error;
    made = weft__alloc(sizeof *made);
    error = made ? weft__watches_begin(&made->all, self, list, count, "as_completed") : -ENOMEM;
    if (error < 0) {
        weft__free(made);
        return error;
    }
    made->owner = self;
    made->next = &made->all.first_done;
    made->told = 0;
    *each = made;
    return 0;
}

static int wait_for_next(struct weft_completed *each, struct weft__task *self, int64_t deadline)
{
    struct weft__until until;
    int error = weft__enter(&self);

    if (error == 0)
        error = weft__until_open(&until, deadline);
    if (error < 0)
        return error;
    each->all.wanted = each->told + 1;
    error = weft__watches_check(&each->all, self); /* again: it is some time since the list was */
    if (error == 0 && !weft__watches_wait(&each->all, self, true))
        error = weft__task_refuse(self);
    return (int)weft__until_close(&until, error);
}

int weft_completed_next(weft_completed *each, uint32_t *index, int64_t *result, int64_t deadline)
{
    struct weft__task *self = weft__task_self();
    struct weft__watch *watch;
    int error = 0;

    if (!self)
        return weft__outside();
    if (!each || each->owner != self)
        return weft__misuse(-EINVAL, "nothing to take from, or another task's");
    if (each->told == each->all.count)
        return 0;
    if (!*each->next)
        error = wait_for_next(each, self, deadline);
    if (error < 0)
        return error;
    watch = *each->next;
    each->next = &watch->next_done;
    each->told++;
    if (index)
        *index = (uint32_t)(watch - each->all.watch);
    if (result)
        *result = watch->result;
    weft__spend(self);
    return 1;
}

int weft_completed_close(weft_completed *each)
{
    struct weft__task *self = weft__task_self();

    if (!self)
        return weft__outside();
    if (!each || each->owner != self)
        return weft__misuse(-EINVAL, "nothing to close, or another task's");
    if (each->all.scoped && self->scope != (struct weft__scope *)&each->all.scope)
        return weft__misuse(-EPERM, "a scope opened since is still open");
    weft__enter_release(self);
    for (uint32_t i = 0; i < each->all.count; i++)
        each->all.watch[i].shielded = !each->all.watch[i].spawned;
    weft__watches_cancel(&each->all, self, WEFT_CAUSE_CANCEL);
    weft__watches_end(&each->all);
    weft__free(each);
    return 0;
}
