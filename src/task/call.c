/*
 * task/call.c - running a task on another reactor and waiting for it; call.h says what is promised.
 *
 *      caller's reactor                          target's reactor
 *      `go` ---------------------------------->  starts a task in its root
 *      `news` -------------------------------->  lets that task see what the caller sees, and
 *      <-- `heard` ----------------------------  says so
 *      <-- `back` -----------------------------  the task has ended
 *
 * News are whatever changes in the caller's outlook: a cancellation and its cause, a drain. One is
 * under way at a time; what changes meanwhile goes out when it has come home. The caller's frame is
 * left only when each message it sent has come home.
 */
#include "task/call.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "task/binding.h"
#include "task/wait.h"

struct call {
    struct weft__message go;
    struct weft__message news;
    struct weft__message back;
    struct weft__message heard;
    struct weft__wait wait;
    struct weft_inbox *from;
    struct weft_inbox *to;
    weft_task_fn fn;
    const void *arg;
    size_t size;
    void (*drop)(void *arg);
    const char *name;
    size_t stack_size;
    struct weft__task *caller;
    struct weft__outlook at_start; /* goes along with `go` */
    struct weft__outlook outlook;  /* as last told; the target reads it while news are under way */
    bool stands_in;                /* the caller is but the near end of a remote child */
    bool telling;                  /* news are under way */
    bool over;                     /* the task on the target has ended */
    uint8_t outstanding;           /* messages that have not come home */
    /* the target's */
    weft_task task;    /* once started */
    uint32_t requests; /* of the outlook, already made of the task */
    int32_t result;
    bool refused;   /* the task, or one below it, was refused for what it was told */
    bool delivered; /* the task was refused anything at all */
};
#define CALL_OF(message, member) ((struct call *)((char *)(message)-offsetof(struct call, member)))

/* -- on the caller's reactor ---------------------------------------------------------------- */

static bool same_outlook(const struct weft__outlook *a, const struct weft__outlook *b)
{
    return a->cause == b->cause && a->hard == b->hard && a->draining == b->draining &&
           a->requests == b->requests;
}

/* Tells the target what the caller sees now, if that is news to it. */
static void tell(struct call *call)
{
    struct weft__outlook outlook;

    if (call->telling)
        return;
    outlook = weft__task_outlook(call->caller, call->stands_in);
    if (same_outlook(&outlook, &call->outlook))
        return;
    call->outlook = outlook;
    if (weft__reactor_send(call->caller->reactor, call->to, &call->news) < 0)
        return; /* the target is gone, and the task with it */
    call->telling = true;
    call->outstanding++;
}

static void came_home(struct call *call)
{
    if (--call->outstanding == 0)
        weft__wake_now(call->caller->reactor, &call->wait);
}

static void back_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct call *call = CALL_OF(message, back);

    (void)reactor;
    call->over = true;
    came_home(call);
}

static void heard_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct call *call = CALL_OF(message, heard);

    (void)reactor;
    call->telling = false;
    tell(call);
    came_home(call);
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
    int result = weft__task_body(weft__task_self(), call->fn,
                                 call->size ? (char *)arg + 16 : (void *)(uintptr_t)call->arg);

    call->result = result;
    call->refused = weft__task_self()->refused_from_home;
    call->delivered = weft__task_self()->delivered;
    answer(call, &call->back); /* from here on the caller's frame may be gone */
    return result;             /* for whoever joins it here */
}

bool weft__task_is_called(const struct weft__task *task)
{
    return task->fn == remote_main;
}

static void remote_drop(void *arg)
{
    struct call *call = *(struct call **)arg;

    call->drop(call->size ? (char *)arg + 16 : (void *)(uintptr_t)call->arg);
    call->result = -ECANCELED;
    call->delivered = true;
    answer(call, &call->back);
}

/* The task sees from now on what the caller saw when it told. */
static void hear(struct call *call, struct weft__task *task, const struct weft__outlook *outlook)
{
    weft__task_look_from(task, outlook);
    for (; call->requests != outlook->requests; call->requests++)
        weft__task_cancel(task);
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
        call->delivered = error == -ECANCELED;
        answer(call, &call->back);
        return;
    }
    /* the caller is parked, and what it points at changes no more than shared bindings do */
    weft__tasks_of(reactor)->newest->bindings = weft__bindings_retain(call->caller->bindings);
    call->task = weft__task_handle(weft__tasks_of(reactor)->newest);
    if (call->at_start.cause || call->at_start.draining || call->at_start.requests ||
        call->at_start.shielded)
        hear(call, weft__tasks_of(reactor)->newest, &call->at_start);
}

static void news_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct call *call = CALL_OF(message, news);
    int error;
    struct weft__task *task = weft__task_find(reactor, call->task, &error);

    if (task)
        hear(call, task, &call->outlook);
    answer(call, &call->heard);
}

/* -- the call ------------------------------------------------------------------------------- */

/* Ends nothing by itself, and asks to be told of what changes next. Drains come here as well, the
   wait being marked idle. */
static void call_interrupt(struct weft__wait *wait)
{
    wait->interrupted = false;
    tell((struct call *)((char *)wait - offsetof(struct call, wait)));
}

static struct weft_inbox *peer(struct weft__reactor *reactor, uint32_t index)
{
    struct weft__peers *peers = reactor->peers;

    return peers && index < peers->count ? peers->inboxes[index] : NULL;
}

/* What the caller was refused through the task that ran for it. That one may have been told to end
   by what is over there alone, a root that is cancelled: to end for that reason is no failure here
   either. */
static int call_result(struct weft__task *self, const struct call *call)
{
    self->delivered |= call->delivered;
    self->cause = WEFT_CAUSE_NONE; /* what the function returned by itself has none */
    if (self->visible && (call->refused || (call->delivered && call->result == -ECANCELED)))
        (void)weft__task_refuse(self);
    else if (self->draining && call->delivered && call->result == -ESHUTDOWN)
        (void)weft__task_refuse_idle(self);
    return call->result;
}

static int call_run(struct weft__task *self, struct call *call, uint32_t index)
{
    call->caller = self;
    call->from = self->reactor->inbox;
    call->to = peer(self->reactor, index);
    if (!call->to)
        return -ERANGE; /* no mistake: it may be asked, until there is no next one */
    call->go.run = go_run;
    call->news.run = news_run;
    call->back.run = back_run;
    call->heard.run = heard_run;
    call->wait =
        (struct weft__wait){.what = "call", .fd = -1, .idle = true, .interrupt = call_interrupt};
    call->outstanding = 1;
    call->outlook = call->at_start = weft__task_outlook(self, call->stands_in);
    if (weft__reactor_send(self->reactor, call->to, &call->go) < 0) {
        drop_unstarted(call);
        return weft__task_pass_on(self, -ESHUTDOWN);
    }
    weft__fiber_park(self->reactor, &call->wait);
    return call_result(self, call);
}

int weft_call(uint32_t reactor, weft_task_fn fn, const void *arg, size_t arg_size)
{
    struct call call = {.fn = fn, .arg = arg, .size = arg_size, .name = "call"};
    struct weft__task *self;
    int error;

    if (!fn || (arg_size && !arg))
        return weft__misuse(-EINVAL, "no function, or no argument of that size");
    if (arg_size > WEFT_ARG_SIZE_MAX)
        return weft__misuse(-E2BIG, "an argument of more than WEFT_ARG_SIZE_MAX bytes");
    error = weft__enter(&self);
    return error < 0 ? error : call_run(self, &call, reactor);
}

bool weft__call_of(const struct weft__wait *wait, uint32_t *reactor,
                   const struct weft__task **called)
{
    const struct call *call =
        (const struct call *)((const char *)wait - offsetof(struct call, wait));
    int error;

    if (wait->interrupt != call_interrupt)
        return false;
    *reactor = call->to->index;
    if (!called)
        return true;
    *called = call->task.generation && !call->over
                  ? weft__task_find(call->to->reactor, call->task, &error)
                  : NULL;
    return true;
}

/* -- the least loaded reactor --------------------------------------------------------------- */

/* What a reactor knows of how busy another one will be, beyond what can be read there. */
struct weft__neighbour {
    uint64_t turn;     /* there, when `sent` began to count */
    uint32_t sent;     /* children sent there since */
    uint32_t children; /* ours, alive there or on their way */
};

/* Tasks that stand in for children elsewhere are no load. */
static uint64_t load_of(const struct weft__reactor *reactor)
{
    /* relaxed: a guess, of a moment ago in any case; and never less than none */
    uint64_t gone = __atomic_load_n(&reactor->stats.tasks_ended, __ATOMIC_RELAXED) +
                    __atomic_load_n(&weft__tasks_of(reactor)->stand_ins, __ATOMIC_RELAXED);
    uint64_t started = __atomic_load_n(&reactor->stats.tasks_started, __ATOMIC_RELAXED);

    return started > gone ? started - gone : 0;
}

/* A peer that has turned since has started what was sent, or our stand-ins have not even run: then
   the number of our children says more. */
static uint64_t load_of_peer(const struct weft__reactor *peer, struct weft__neighbour *known)
{
    uint64_t turn = __atomic_load_n(&peer->stats.turns, __ATOMIC_RELAXED);
    uint64_t load = load_of(peer);

    if (turn != known->turn) {
        known->turn = turn;
        known->sent = 0;
    }
    load += known->sent;
    return load > known->children ? load : known->children;
}

/* The one with the fewest tasks; equals take turns. */
static uint32_t least_loaded(struct weft__reactor *reactor)
{
    struct weft__tasks *tasks = weft__tasks_of(reactor);
    const struct weft__peers *peers = reactor->peers;
    uint32_t count = peers ? peers->count : 0, best = reactor->index, at = tasks->spawned_on;
    uint64_t fewest = UINT64_MAX;

    if (count > 1 && !tasks->neighbours)
        tasks->neighbours = weft__calloc(count, sizeof *tasks->neighbours);
    for (uint32_t i = 0; tasks->neighbours && i < count; i++) {
        uint64_t load;
        at = at + 1 < count ? at + 1 : 0;
        load = at == reactor->index
                   ? load_of(reactor)
                   : load_of_peer(peers->inboxes[at]->reactor, &tasks->neighbours[at]);
        if (load < fewest) {
            fewest = load;
            best = at;
        }
    }
    tasks->spawned_on = best;
    return best;
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
    bool counted; /* among the neighbour's children */
    _Alignas(16) char bytes[];
};

static void count_stand_ins(struct weft__tasks *tasks, int64_t by)
{
    __atomic_store_n(&tasks->stand_ins, tasks->stand_ins + (uint64_t)by, __ATOMIC_RELAXED);
}

static void child_sent(struct weft__tasks *tasks, const struct remote_child *child)
{
    count_stand_ins(tasks, 1);
    if (child->counted) {
        tasks->neighbours[child->reactor].sent++;
        tasks->neighbours[child->reactor].children++;
    }
}

static void child_back(const struct remote_child *child)
{
    struct weft__tasks *tasks = weft__tasks_of(weft__self);

    count_stand_ins(tasks, -1);
    if (child->counted)
        tasks->neighbours[child->reactor].children--;
}

/* The local child that stands for the remote one. */
static int remote_child_main(void *arg)
{
    struct remote_child *child = arg;
    struct call call = {.fn = child->fn,
                        .arg = child->size ? child->bytes : child->arg,
                        .size = child->size,
                        .drop = child->drop,
                        .name = child->name,
                        .stack_size = child->stack_size,
                        .stands_in = true};
    int result = call_run(weft__task_self(), &call, child->reactor);

    child_back(child);
    return result;
}

static void remote_child_drop(void *arg)
{
    struct remote_child *child = arg;

    child_back(child);
    child->drop(child->size ? child->bytes : (void *)(uintptr_t)child->arg);
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
    int error;

    if (index == reactor->index)
        return weft__task_start(reactor, scope, fn, arg, size, opt);
    if (!peer(reactor, index))
        return -ERANGE; /* no mistake: it may be asked, until there is no next one */
    if (opt->stack_size > WEFT__STACK_SIZE_3)
        return weft__misuse(-E2BIG, "a stack larger than there are");
    *child = (struct remote_child){.fn = fn,
                                   .arg = arg,
                                   .drop = opt->drop,
                                   .name = opt->name,
                                   .stack_size = opt->stack_size,
                                   .size = (uint32_t)size,
                                   .reactor = index,
                                   .counted = weft__tasks_of(reactor)->neighbours != NULL};
    if (size)
        memcpy(child->bytes, arg, size);
    local.drop = opt->drop ? remote_child_drop : NULL;
    error =
        weft__task_start(reactor, scope, remote_child_main, child, sizeof *child + size, &local);
    if (error == 0)
        child_sent(weft__tasks_of(reactor), child);
    return error;
}
