/*
 * task/binding.c - context variables; binding.h draws the list.
 */
#include "task/binding.h"

#include <errno.h>

#include "base/memory.h"
#include "task/task.h"

void weft__bindings_put(struct weft__binding *list)
{
    struct weft__binding *next;

    /* release, acquire: whoever frees it has seen the last look of all the others */
    for (; list && atomic_fetch_sub_explicit(&list->references, 1, memory_order_acq_rel) == 1;
         list = next) {
        next = list->next;
        weft__free(list);
    }
}

/* What is bound to it, or NULL. */
static struct weft__binding *find(struct weft__binding *list, const weft_context_var *var)
{
    while (list && list->var != var)
        list = list->next;
    return list && list->set ? list : NULL;
}

/* The task's own binding, which nobody else sees; NULL: it has none. */
static struct weft__binding *find_own(struct weft__binding *list, const weft_context_var *var)
{
    /* acquire: who let go of it does not look at it any more */
    for (; list && atomic_load_explicit(&list->references, memory_order_acquire) == 1;
         list = list->next)
        if (list->var == var)
            return list;
    return NULL;
}

void *weft_context_get(const weft_context_var *var)
{
    struct weft__task *self = weft__task_self();
    struct weft__binding *binding = self ? find(self->bindings, var) : NULL;

    return binding ? binding->value : var->fallback;
}

static int change(struct weft__task *self, const weft_context_var *var, void *value, bool set)
{
    struct weft__binding *own = find_own(self->bindings, var);

    if (!own) {
        own = weft__alloc(sizeof *own);
        if (!own)
            return -ENOMEM;
        own->var = var;
        own->next = self->bindings;
        atomic_init(&own->references, 1);
        self->bindings = own;
    }
    own->value = value;
    own->set = set;
    return 0;
}

int weft_context_set(const weft_context_var *var, void *value, weft_context_token *token)
{
    struct weft__task *self = weft__task_self();
    struct weft__binding *binding;
    weft_context_token before;
    int error;

    if (!self)
        return weft__outside();
    if (!var)
        return weft__misuse(-EINVAL, "no variable");
    binding = find(self->bindings, var);
    before = (weft_context_token){.var = var,
                                  .value = binding ? binding->value : NULL,
                                  .task = self->generation,
                                  .set = binding != NULL};
    error = change(self, var, value, true);
    if (error == 0 && token)
        *token = before;
    return error;
}

int weft_context_reset(weft_context_token *token)
{
    struct weft__task *self = weft__task_self();
    int error;

    if (!self)
        return weft__outside();
    if (!token || !token->var)
        return weft__misuse(-EINVAL, "no token, or one that was used");
    if (token->task != self->generation)
        return weft__misuse(-EPERM, "the token is another task's");
    error = change(self, token->var, token->value, token->set);
    if (error == 0)
        token->var = NULL;
    return error;
}

/* What is pointed at twice does not change: fn's bindings come in front of it. */
int weft_context_run(int (*fn)(void *arg), void *arg)
{
    struct weft__task *self = weft__task_self();
    struct weft__binding *before;
    int result;

    if (!self)
        return weft__outside();
    if (!fn)
        return weft__misuse(-EINVAL, "no function");
    before = weft__bindings_retain(self->bindings);
    result = fn(arg);
    weft__bindings_put(self->bindings);
    self->bindings = before;
    return result;
}
