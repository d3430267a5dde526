/*
 * task/call.c - running a task on another reactor and waiting for it; call.h says what is promised.
 *
 *      caller's reactor                          target's reactor
 *      `go` ---------------------------------->  starts a task in its root
 *      cancelled: `stop` --------------------->  cancels that task, sends `stopped` back
 *      draining: `drain` --------------------->  that task drains, sends `drained` back
 *      <-- `back` -----------------------------  the task has ended
 *
 * All kinds of answer may be under way at once; the caller's frame is left only when each message
 * it sent has come home.
 */
#include "task/call.h"

#include <errno.h>
#include <string.h>

#include "task/wait.h"

struct call {
    struct weft__message go;
    struct weft__message stop;
    struct weft__message back;
    struct weft__message stopped;
    struct weft__message drain;
    struct weft__message drained;
    struct weft__wait wait;
    struct weft_inbox *from;
    struct weft_inbox *to;
    weft_task_fn fn;
    const void *arg;
    size_t size;
    void (*drop)(void *arg);
    const char *name;
    size_t stack_size;
    weft_task task; /* on the target, once started */
    int32_t result;
    uint8_t outstanding; /* messages that have not come home */
    bool drain_sent;
    struct weft__reactor *reactor; /* the caller's */
};
#define CALL_OF(message, member) ((struct call *)((char *)(message)-offsetof(struct call, member)))

/* -- on the caller's reactor ---------------------------------------------------------------- */

static void came_home(struct call *call)
{
    if (--call->outstanding == 0)
        weft__wake_now(call->reactor, &call->wait);
}

static void back_run(struct weft__message *message, struct weft__reactor *reactor)
{
    (void)reactor;
    came_home(CALL_OF(message, back));
}

static void stopped_run(struct weft__message *message, struct weft__reactor *reactor)
{
    (void)reactor;
    came_home(CALL_OF(message, stopped));
}

static void drained_run(struct weft__message *message, struct weft__reactor *reactor)
{
    (void)reactor;
    came_home(CALL_OF(message, drained));
}

/* -- on the target's reactor ---------------------------------------------------------------- */

/* Nobody will run it: what its argument owns is let go of. */
static void drop_unstarted(struct call *call)
{
    if (call->drop)
        call->drop((void *)(uintptr_t)call->arg);
}

/* Sends an answer home. The caller's reactor outlives its calls, so this cannot be refused. */
static void answer(struct call *call, struct weft__message *message)
{
    (void)weft__reactor_send(weft__self, call->from, message);
}

/* The body of the task on the target: the call's function, then word that it has ended. */
static int remote_main(void *arg)
{
    struct call *call = *(struct call **)arg;

    call->result = weft__task_body(weft__task_self(), call->fn,
                                   call->size ? (char *)arg + 16 : (void *)(uintptr_t)call->arg);
    answer(call, &call->back); /* from here on the caller's frame may be gone */
    return 0;
}

static void remote_drop(void *arg)
{
    struct call *call = *(struct call **)arg;

    call->drop(call->size ? (char *)arg + 16 : (void *)(uintptr_t)call->arg);
    call->result = -ECANCELED;
    answer(call, &call->back);
}

static void go_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct call *call = CALL_OF(message, go);
    struct weft__scope *root = weft__root(reactor);
    _Alignas(16) char bytes[16 + WEFT_ARG_SIZE_MAX];
    struct weft_spawn_opt opt = {.size = sizeof opt,
                                 .name = call->name,
                                 .stack_size = call->stack_size,
                                 .drop = call->drop ? remote_drop : NULL};
    int error = root->cause ? -ECANCELED : 0; /* a drain lets calls under way go on */

    memcpy(bytes, &call, sizeof call);
    if (call->size)
        memcpy(bytes + 16, call->arg, call->size);
    if (error == 0)
        error = weft__task_start(reactor, root, remote_main, bytes, 16 + call->size, &opt);
    if (error < 0) {
        drop_unstarted(call);
        call->result = error;
        answer(call, &call->back);
        return;
    }
    call->task = weft__task_handle(weft__tasks_of(reactor)->newest);
}

static void stop_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct call *call = CALL_OF(message, stop);
    int error;
    struct weft__task *task = weft__task_find(reactor, call->task, &error);

    if (task && !task->ended)
        weft__task_cancel(task);
    answer(call, &call->stopped);
}

static void drain_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct call *call = CALL_OF(message, drain);
    int error;
    struct weft__task *task = weft__task_find(reactor, call->task, &error);

    if (task && !task->ended)
        weft__task_drain(task);
    answer(call, &call->drained);
}

/* -- the call ------------------------------------------------------------------------------- */

static void tell(struct call *call, struct weft__message *message)
{
    call->outstanding++;
    if (weft__reactor_send(call->reactor, call->to, message) < 0)
        call->outstanding--; /* the target is gone, and the task with it */
}

static void tell_drain(struct call *call)
{
    if (!call->drain_sent)
        tell(call, &call->drain);
    call->drain_sent = true;
}

/* The wait is marked idle, so that a drain comes here as well: it is passed on, ends nothing, and
   the cancellation that may follow has the usual way. */
static void call_interrupt(struct weft__wait *wait)
{
    struct call *call = (struct call *)((char *)wait - offsetof(struct call, wait));

    if (((const struct weft__task *)wait->fiber)->visible) {
        tell(call, &call->stop);
        return;
    }
    wait->interrupted = false;
    tell_drain(call);
}

static struct weft_inbox *peer(struct weft__reactor *reactor, uint32_t index)
{
    struct weft__peers *peers = reactor->peers;

    return peers && index < peers->count ? peers->inboxes[index] : NULL;
}

static int call_run(struct weft__task *self, struct call *call, uint32_t index)
{
    call->reactor = self->reactor;
    call->from = self->reactor->inbox;
    call->to = peer(self->reactor, index);
    if (!call->to)
        return -ERANGE;
    call->go.run = go_run;
    call->stop.run = stop_run;
    call->back.run = back_run;
    call->stopped.run = stopped_run;
    call->drain.run = drain_run;
    call->drained.run = drained_run;
    call->wait =
        (struct weft__wait){.what = "call", .fd = -1, .idle = true, .interrupt = call_interrupt};
    call->outstanding = 1;
    if (weft__reactor_send(self->reactor, call->to, &call->go) < 0) {
        drop_unstarted(call);
        return -ESHUTDOWN;
    }
    if (self->visible) { /* a remote child, cancelled before it first ran: so is the far end */
        call->wait.interrupt = NULL;
        tell(call, &call->stop);
    }
    if (self->draining)
        tell_drain(call);
    weft__fiber_park(self->reactor, &call->wait);
    if (call->result == -ECANCELED && self->visible)
        return weft__task_refuse(self);
    return call->result;
}

int weft_call(uint32_t reactor, weft_task_fn fn, const void *arg, size_t arg_size)
{
    struct call call = {.fn = fn, .arg = arg, .size = arg_size, .name = "call"};
    struct weft__task *self;
    int error;

    if (!fn || (arg_size && !arg))
        return -EINVAL;
    if (arg_size > WEFT_ARG_SIZE_MAX)
        return -E2BIG;
    error = weft__enter(&self);
    return error < 0 ? error : call_run(self, &call, reactor);
}

/* -- remote children ------------------------------------------------------------------------ */

struct remote_child {
    weft_task_fn fn;
    const void *arg; /* when size is 0 */
    void (*drop)(void *arg);
    const char *name;
    size_t stack_size;
    uint32_t size;
    uint32_t reactor;
    _Alignas(16) char bytes[];
};

/* The local child that stands for the remote one. */
static int remote_child_main(void *arg)
{
    struct remote_child *child = arg;
    struct call call = {.fn = child->fn,
                        .arg = child->size ? child->bytes : child->arg,
                        .size = child->size,
                        .drop = child->drop,
                        .name = child->name,
                        .stack_size = child->stack_size};

    return call_run(weft__task_self(), &call, child->reactor);
}

static void remote_child_drop(void *arg)
{
    struct remote_child *child = arg;

    child->drop(child->size ? child->bytes : (void *)(uintptr_t)child->arg);
}

static uint32_t least_loaded(struct weft__reactor *reactor)
{
    struct weft__peers *peers = reactor->peers;
    uint64_t fewest = UINT64_MAX;
    uint32_t best = reactor->index;

    for (uint32_t i = 0; peers && i < peers->count; i++) {
        uint64_t alive =
            __atomic_load_n(&peers->inboxes[i]->reactor->stats.tasks_alive, __ATOMIC_RELAXED);
        if (alive < fewest) {
            fewest = alive;
            best = i;
        }
    }
    return best;
}

int weft__spawn_remote(struct weft__task *self, struct weft__scope *scope, weft_task_fn fn,
                       const void *arg, size_t size, const struct weft_spawn_opt *opt)
{
    struct weft__reactor *reactor = self->reactor;
    uint32_t index =
        opt->reactor == WEFT_LEAST_LOADED ? least_loaded(reactor) : (uint32_t)opt->reactor - 1;
    _Alignas(16) char memory[sizeof(struct remote_child) + WEFT_ARG_SIZE_MAX];
    struct remote_child *child = (struct remote_child *)memory;
    struct weft_spawn_opt local = {.size = sizeof local, .name = opt->name, .task = opt->task};

    if (index == reactor->index)
        return weft__task_start(reactor, scope, fn, arg, size, opt);
    if (!peer(reactor, index))
        return -ERANGE;
    if (opt->stack_size > WEFT__STACK_SIZE_3)
        return -E2BIG;
    *child = (struct remote_child){.fn = fn,
                                   .arg = arg,
                                   .drop = opt->drop,
                                   .name = opt->name,
                                   .stack_size = opt->stack_size,
                                   .size = (uint32_t)size,
                                   .reactor = index};
    if (size)
        memcpy(child->bytes, arg, size);
    local.drop = opt->drop ? remote_child_drop : NULL;
    return weft__task_start(reactor, scope, remote_child_main, child, sizeof *child + size, &local);
}
