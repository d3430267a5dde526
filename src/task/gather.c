/*
 * task/gather.c - gather and race: they own what they wait for.
 */
#include <errno.h>

#include "task/coroutine.h"
#include "task/watch.h"

/* A good list, of which `needed` have to be settled to be answered unchecked. The coroutines of one
   that is refused are used up. */
static int begin(struct weft__watches *all, struct weft__task *self, const weft_awaitable *list,
                 uint32_t count, uint32_t needed, const char *what)
{
    int error = weft__list_settled(self, list, count) >= needed ? 0 : weft__admit(self);

    if (error == 0)
        return weft__watches_begin(all, self, list, count, what);
    for (uint32_t i = 0; i < count; i++)
        weft__coroutine_used(&list[i]);
    return error;
}

/* How many have failed. */
static uint32_t tell_results(const struct weft__watches *all, int64_t *results)
{
    uint32_t failed = 0;

    for (uint32_t i = 0; i < all->count; i++) {
        failed += all->watch[i].result < 0;
        if (results)
            results[i] = all->watch[i].result;
    }
    return failed;
}

/*
 * Waits. False: the caller was cut, which has not been delivered. What cuts it cuts what it owns as
 * well, in whatever order, so an error that comes with a cancellation of the caller is that.
 */
static bool wait_uncut(struct weft__watches *all, struct weft__task *self)
{
    if (weft__watches_enough(all))
        return true;
    return weft__watches_wait(all, self, true) && !(self->visible && all->first_error < 0);
}

/* Why the others are cancelled: what cut the caller, so that it is told that cause in the end. */
static enum weft_cause cause_of(const struct weft__task *self, bool cut, enum weft_cause otherwise)
{
    return cut ? (enum weft_cause)self->visible : otherwise;
}

int weft_gather(const weft_awaitable *list, uint32_t count, int64_t *results, uint32_t flags)
{
    struct weft__task *self = weft__task_self();
    bool keep = flags & WEFT_GATHER_KEEP, cut;
    struct weft__watches all;
    uint32_t failed;
    int result;

    if (!self)
        return weft__outside();
    if (flags & ~(uint32_t)WEFT_GATHER_KEEP)
        return weft__misuse(-EINVAL, "flags that there are not");
    weft__give_way(self); /* before the list is looked at: tasks may be gone afterwards */
    result = weft__list_check(self, list, count, true);
    if (result == 0)
        result = begin(&all, self, list, count, count, "gather");
    if (result < 0)
        return result;
    all.error_is_enough = !keep;
    cut = !wait_uncut(&all, self);
    if (cut || all.done < count)
        weft__watches_cancel(&all, self, cause_of(self, cut, WEFT_CAUSE_SIBLING));
    failed = tell_results(&all, results);
    if (cut && failed > 0)
        result = weft__task_refuse(self);
    else
        result = keep ? (int)failed : (int)all.first_error;
    weft__watches_end(&all);
    weft__spend(self);
    if (result < 0 && !cut)
        self->cause = WEFT_CAUSE_NONE; /* somebody's result: nobody has refused the caller */
    return result;
}

/* The first that ended; or, when it was cut, the first that did so with a value. */
static int winner(const struct weft__watches *all, bool cut)
{
    const struct weft__watch *watch = all->first_done;

    while (watch && cut && watch->result < 0)
        watch = watch->next_done;
    return watch ? (int)(watch - all->watch) : -ECANCELED;
}

int weft_race(const weft_awaitable *list, uint32_t count, int64_t *results)
{
    struct weft__task *self = weft__task_self();
    struct weft__watches all;
    int result;
    bool cut;

    if (!self)
        return weft__outside();
    if (count == 0 || count > INT32_MAX)
        return weft__misuse(-EINVAL, "nobody races, or too many");
    weft__give_way(self); /* before the list is looked at: tasks may be gone afterwards */
    result = weft__list_check(self, list, count, true);
    if (result == 0) /* unless all are settled it waits for the losers, so it may suspend */
        result = begin(&all, self, list, count, self->stays ? count : 1, "race");
    if (result < 0)
        return result;
    all.wanted = 1;
    cut = !wait_uncut(&all, self);
    weft__watches_cancel(&all, self, cause_of(self, cut, WEFT_CAUSE_CANCEL));
    tell_results(&all, results);
    result = winner(&all, cut);
    if (result < 0)
        (void)weft__task_refuse(self);
    weft__watches_end(&all);
    weft__spend(self);
    return result;
}
