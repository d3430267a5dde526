/*
 * weft/context.h - context variables: values that a task has for itself, and that its children
 * inherit.
 *
 *     static const weft_context_var request_id = WEFT_CONTEXT_VAR("request_id", NULL);
 *
 *     weft_context_set(&request_id, &id, NULL);      // seen by this task and those it spawns now
 *     log(weft_context_get(&request_id));            // anywhere below, without an argument
 *
 * A child has what its spawner had when it spawned it, on whichever reactor it runs; what either
 * sets later the other does not see. A value is a pointer, which nobody copies or frees: what it
 * points at must live as long as the tasks that may ask for it, which a scope around them sees to.
 * None of this suspends.
 */
#ifndef WEFT_CONTEXT_H
#define WEFT_CONTEXT_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* A variable: its address is its identity. Static, as a rule. */
typedef struct weft_context_var {
    const char *name; /* for people */
    void *fallback;   /* what a task has that has no value of its own and inherited none */
} weft_context_var;
#define WEFT_CONTEXT_VAR(name, fallback)                                                           \
    {                                                                                              \
        (name), (fallback)                                                                         \
    }

/* What a variable was before a call of weft_context_set, for one call of weft_context_reset. */
typedef struct weft_context_token {
    const weft_context_var *var;
    void *value;
    uint64_t task;
    bool set;
} weft_context_token;

/*
 * The calling task's value of the variable; its fallback where there is none, and outside of tasks.
 * var must not be NULL. Any thread. Takes as long as there are variables with a value, a handful.
 */
WEFT_API void *weft_context_get(const weft_context_var *var);

/*
 * Sets it, for the calling task and those that it spawns from now on. token, if not NULL, receives
 * what it was. Returns 0; -ENOMEM; -EINVAL var is NULL; -EPERM outside of a task.
 */
WEFT_API WEFT_NODISCARD int weft_context_set(const weft_context_var *var, void *value,
                                             weft_context_token *token);

/*
 * Makes it what it was before that call of weft_context_set. Returns 0; -EINVAL no token, or one
 * that was used; -EPERM another task's; -ENOMEM when a child has inherited it meanwhile.
 */
WEFT_API int weft_context_reset(weft_context_token *token);

/*
 * Calls fn(arg), and afterwards every variable is what it was before, whatever fn has set. fn may
 * suspend if the caller may. Returns what fn returned; -EINVAL no fn; -EPERM outside of a task.
 */
WEFT_API int weft_context_run(int (*fn)(void *arg), void *arg);

WEFT_END_DECLS

#endif
