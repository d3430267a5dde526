/*
 * task/binding.h - a task's context variables: what is bound to what.
 *
 * A list of bindings, the newest first, each counted. A child points at its spawner's list, so
 * inheriting costs one count; who then sets a variable puts a binding of its own in front. Those at
 * the front that nobody else points at are a task's own, and changed in place: so a list has at
 * most one binding of its own and some inherited ones for each variable. Shared ones never change.
 *
 *      parent ---> [id = 7] ---> [user = x]
 *                      ^
 *      child ----------'--- before it sets id;   after:  child ---> [id = 9] ---> [id = 7] ---> ...
 *
 * Tasks of other reactors may point at the same bindings: hence the atomic count.
 */
#ifndef WEFT_TASK_BINDING_H
#define WEFT_TASK_BINDING_H

#include <stdatomic.h>
#include <weft/context.h>

struct weft__binding {
    _Atomic(uint32_t) references;
    bool set; /* false: as if there were none, here and further on */
    const weft_context_var *var;
    void *value;
    struct weft__binding *next;
};

/* One more who points at the list. NULL is a list, too. */
static inline struct weft__binding *weft__bindings_retain(struct weft__binding *list)
{
    if (__builtin_expect(list != NULL, 0))
        atomic_fetch_add_explicit(&list->references, 1, memory_order_relaxed);
    return list;
}

/* One less; frees what nobody points at any more. */
void weft__bindings_put(struct weft__binding *list);

#endif
