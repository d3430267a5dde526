/*
 * What the files of steps share. A step is handed its task and its three numbers; what it finds
 * nothing to work on, it passes over.
 */
#ifndef WEFT_TESTS_FUZZ_STEPS_H
#define WEFT_TESTS_FUZZ_STEPS_H

#include "fuzz.h"

static inline int reactor_here(void)
{
    return (int)weft_reactor_index();
}

/* A deadline by a number; and did a call end by it? */
int64_t until_of(uint8_t choice);
bool is_late(int64_t result, int64_t deadline);

enum end_kind { ANY_END, FD_END, STREAM_END };
struct end *pick_end(uint8_t choice, enum end_kind kind);
struct end *pick_reader(uint8_t choice, enum end_kind kind);
void end_claim(struct end *end, const struct call *call, bool idle);
int end_flags(const struct end *end);
int end_close(struct task *task, struct end *end, bool abort);
int listener_new(struct task *task, bool tcp);
int listener_close(struct listener *listener);
int connect_to(struct task *task, int listener, int how);
int accept_from(struct task *task, struct listener *listener);

/* An open scope: of this reactor (mine: of this task), whatever reactor, or the root here. */
struct scope *pick_scope(const struct task *task, uint8_t choice, bool mine, bool any);
/* A task that a handle is known of. */
struct task *pick_task(uint8_t choice);
weft_task handle_of(const struct task *task, bool *of_stand_in);

step_fn step_spawn, step_call, step_join, step_cancel, step_uncancel, step_cancel_post;
step_fn step_sleep, step_sleep_until, step_yield, step_stop;
step_fn step_open, step_shield, step_close_scope, step_scope_cancel, step_reschedule, step_drain;
step_fn step_defer, step_errors;
step_fn step_listen, step_unlisten, step_connect, step_accept, step_recv, step_send;
step_fn step_shutdown, step_close, step_move;
step_fn step_stream, step_read, step_write, step_peek, step_flush;
step_fn step_post;
step_fn step_lock, step_unlock, step_notify, step_rwlock, step_event, step_permit, step_barrier;
step_fn step_put, step_get, step_queue;
step_fn step_future, step_await, step_several;
step_fn step_later, step_take_back, step_thread, step_context;

/* Variables: a child has what its spawner has; and a task what the model says. */
void context_inherit(struct task *child, const struct task *parent);
void context_check(const struct task *task);
/* Callbacks: before each program, and when its world is over. */
void callbacks_reset(void), callbacks_check_end(void);

#endif
