/*
 * io/process.c - the life of a process from its start to its reaping; process.h draws it.
 *
 * On the reactor that started it. What always holds: the keeper returns only when the process was
 * reaped, whatever the ring answers; where no request is to be had it looks every millisecond.
 */
#include "io/process.h"

#include <errno.h>
#include <signal.h>

#include "base/memory.h"
#include "io/offload.h"
#include "io/stream.h"
#include "ring/host.h"
#include "task/operation.h"
#include "task/wait.h"

enum { PAUSE_NS = 1000000 };

/* -- the keeper -------------------------------------------------------------------------------- */

static void pause_shortly(struct weft__task *self, const struct weft_process *process)
{
    struct weft__wait wait = {.what = "process", .fd = process->pidfd};

    (void)weft__wait_for_wake_until(self, &wait, false, weft__host_now() + PAUSE_NS);
}

/* What may end a watch before the process has: the keeper's cancellation and whoever closes the
   process; the end of the grace, which is a cancellation; nothing. */
enum until { ASKED, GRACE_OVER, NOTHING };

/* One request; its result. */
static int32_t watch_once(struct weft__task *self, struct weft_process *process, enum until until)
{
    struct weft__operation operation;
    struct weft__sqe *sqe = weft__operation_begin(self, &operation, "process", process->pidfd);
    bool too_late = until == ASKED && process->ending; /* since a moment ago */
    int32_t result;

    if (!sqe)
        return -EAGAIN;
    if (until == NOTHING)
        weft__operation_hold(&operation);
    if (too_late)
        weft__request_nop(sqe);
    else if (self->reactor->ring.features & WEFT__FEATURE_WAITID)
        weft__request_waitid(sqe, process->pidfd);
    else
        weft__request_poll(sqe, process->pidfd, WEFT__POLL_IN, false);
    process->watch = until == ASKED ? &operation.op : NULL;
    result = weft__operation_wait(self, &operation, sqe);
    process->watch = NULL;
    return too_late ? -ECANCELED : result;
}

/* Waits until it has ended: 0; -ECANCELED: asked to stop waiting. */
static int watch(struct weft__task *self, struct weft_process *process, enum until until)
{
    for (;;) {
        int32_t result;

        if (until != NOTHING && self->visible)
            return weft__task_note_refusal(self);
        if (until == ASKED && process->ending)
            return -ECANCELED;
        result = watch_once(self, process, until);
        if (result >= 0 || result == -ECHILD)
            return 0;
        if (!weft__result_is_cancel(result))
            pause_shortly(self, process);
    }
}

/* To the group that it was put in. When it is gone, or has left a group that another leads, that
   number may be a stranger's by now. */
static int signal_group(const struct weft_process *process, int number)
{
    int group = weft__host_child_group(process->pid, process->pidfd);

    if (group == -ESRCH || (!process->leads && group != process->group))
        return -ESRCH;
    return weft__host_group_signal(process->group, number);
}

/* To it and all that it has started; it may have left the group that it leads. */
static void signal_all(const struct weft_process *process, int number)
{
    int group = weft__host_child_group(process->pid, process->pidfd);
    int error = process->leads ? signal_group(process, number) : -ESRCH;

    if (error < 0 || group != process->group || number == SIGKILL)
        (void)weft__host_child_signal(process->pidfd, number);
}

/* Waits for its end at most that long: a scope with a deadline, shielded from what made us end it.
   A grace without end ends, too, since no shield is without a deadline. */
static void wait_at_most(struct weft__task *self, struct weft_process *process, int64_t span_ns)
{
    int64_t deadline = weft_after_ns(span_ns);
    struct weft_scope_opt opt = {.size = sizeof opt,
                                 .deadline = deadline < WEFT_NEVER ? deadline : WEFT_NEVER - 1,
                                 .name = "grace"};
    weft_scope shield, scope;

    if (weft_shield_open(&shield, opt.deadline) < 0)
        return;
    if (weft_scope_open(&scope, &opt) == 0) {
        (void)watch(self, process, GRACE_OVER);
        (void)weft_scope_close(&scope);
    }
    (void)weft_scope_close(&shield);
}

/* Asks it to end, gives it the grace, and ends it. The group is signalled for the last time while
   its leader has not been reaped, so that its number cannot have become a stranger's. */
static void end_group(struct weft__task *self, struct weft_process *process)
{
    if (process->grace_ns > 0) {
        signal_all(process, SIGTERM);
        signal_all(process, SIGCONT);
        wait_at_most(self, process, process->grace_ns);
    }
    signal_all(process, SIGKILL);
    (void)watch(self, process, NOTHING);
}

static void wake_waiters(struct weft_process *process)
{
    for (struct weft__process_waiter *waiter = process->waiters; waiter; waiter = waiter->next)
        weft__wake_now(process->io->reactor, &waiter->wait);
}

/* The kernel forgets it: 0, and how it ended; -ECHILD. */
static int reap_it(struct weft__task *self, struct weft_process *process,
                   struct weft__child_end *end)
{
    int result;

    while ((result = weft__host_child_reap(process->pidfd, end)) == 0)
        pause_shortly(self, process);
    weft__host_close(process->pidfd);
    process->pidfd = -1;
    return result < 0 ? result : 0;
}

static void reap(struct weft__task *self, struct weft_process *process)
{
    struct weft__child_end end = {.code = -1};

    process->error = reap_it(self, process, &end);
    process->status = (struct weft_process_status){.code = end.code,
                                                   .signal = end.signal,
                                                   .core_dumped = end.core_dumped};
    process->state = WEFT__PROCESS_ENDED;
    process->ended = true;
    wake_waiters(process);
}

/* -- the start --------------------------------------------------------------------------------- */

static int64_t start_there(void *arg)
{
    return weft__host_child_start(arg);
}

/* One request, never interrupted: until then the child runs on memory of ours. */
static void wait_for_word(struct weft__task *self, const struct weft_process *process,
                          const uint32_t *word)
{
    struct weft__operation operation;
    struct weft__sqe *sqe = weft__operation_begin(self, &operation, "exec", -1);
    int32_t result = -ENOMEM;

    if (sqe) {
        weft__operation_hold(&operation);
        weft__request_futex_wait(sqe, word, 1, false);
        result = weft__operation_wait(self, &operation, sqe);
    }
    if (result < 0 && result != -EAGAIN)
        pause_shortly(self, process);
}

/* It starts itself, while other tasks run. One that failed has ended, or is about to; so is one
   whose descriptor lies where none may stay. */
static int start_here(struct weft__task *self, struct weft_process *process,
                      struct weft__child *child)
{
    struct weft__child_end end;
    int error = weft__host_child_begin(child);
    bool no_room = error == 0 && child->pidfd < WEFT__CHILD_PIDFD_MIN;

    if (error < 0)
        return error;
    process->pidfd = child->pidfd;
    if (no_room)
        (void)weft__host_child_signal(process->pidfd, SIGKILL);
    /* acquire: pairs with the kernel's clearing, behind which the child writes nothing */
    while (__atomic_load_n(&child->starting, __ATOMIC_ACQUIRE))
        wait_for_word(self, process, &child->starting);
    if (child->error < 0 || no_room) {
        (void)watch(self, process, NOTHING);
        (void)reap_it(self, process, &end);
    }
    return no_room ? -EMFILE : child->error;
}

static int start(struct weft__task *self, struct weft_process *process)
{
    struct weft__child *child = &process->launch->child;
    bool here = self->reactor->ring.features & WEFT__FEATURE_FUTEX && weft__host_child_may_begin();
    int error = here ? start_here(self, process, child)
                     : (int)weft__offload_run(self, "exec", -1, start_there, child);

    if (error < 0)
        return error;
    process->pid = child->pid;
    process->pidfd = child->pidfd;
    process->leads = child->session || child->group == 0;
    process->group = process->leads ? child->pid : (child->group > 0 ? child->group : 0);
    return 0;
}

int weft__process_keep(void *arg)
{
    struct weft_process *process = *(struct weft_process **)arg;
    struct weft__task *self;
    int error = weft__enter(&self);

    if (error == 0)
        error = start(self, process);
    process->error = error;
    process->state = error < 0 ? WEFT__PROCESS_FAILED : WEFT__PROCESS_RUNS;
    weft__wake_now(process->io->reactor, process->creator);
    if (error < 0)
        return 0; /* the creator is told, and frees it */
    if (watch(self, process, ASKED) < 0)
        end_group(self, process);
    reap(self, process);
    return 0;
}

/* -- waiting for its end ----------------------------------------------------------------------- */

int weft__process_check(const struct weft_process *process)
{
    if (!weft__task_self())
        return weft__outside();
    if (!process)
        return weft__misuse(-EINVAL, "no process");
    if (process->io->reactor != weft__self)
        return weft__misuse(-EXDEV, "the process is another reactor's");
    return process->closing ? -EBADF : 0;
}

void weft__process_leave_user(struct weft_process *process)
{
    if (--process->users == 0 && process->closer)
        weft__wake_now(process->io->reactor, process->closer);
}

static int tell(const struct weft_process *process, struct weft_process_status *status)
{
    if (process->error < 0)
        return process->error;
    if (status)
        *status = process->status;
    return 0;
}

static __attribute__((noinline)) void link_waiter(struct weft_process *process,
                                                  struct weft__process_waiter *waiter)
{
    waiter->next = process->waiters;
    waiter->link = &process->waiters;
    if (waiter->next)
        waiter->next->link = &waiter->next;
    process->waiters = waiter;
}

/* Until it has ended: 0, or -ECANCELED. */
static int wait_for_end(struct weft__task *self, struct weft_process *process, bool interruptible)
{
    struct weft__process_waiter waiter = {.wait = {.what = "process", .fd = -1}};
    int error = 0;

    link_waiter(process, &waiter);
    if (interruptible)
        error = weft__wait_for_done(self, &waiter.wait, &process->ended);
    else
        while (!process->ended)
            (void)weft__wait_for_wake(self, &waiter.wait, false);
    *waiter.link = waiter.next;
    if (waiter.next)
        waiter.next->link = waiter.link;
    return error;
}

/* A user before anything that may suspend, so that who closes it meanwhile waits for us. */
int weft_process_wait(weft_process *process, struct weft_process_status *status)
{
    int error = weft__process_check(process);
    struct weft__task *self;

    if (error < 0 || process->ended)
        return error < 0 ? error : tell(process, status);
    process->users++;
    error = weft__enter(&self);
    if (error == 0 && !process->ended)
        error = wait_for_end(self, process, true);
    if (error == 0)
        error = tell(process, status);
    weft__process_leave_user(process);
    return error;
}

int weft_process_poll(const weft_process *process, struct weft_process_status *status)
{
    int error = weft__process_check(process);

    if (error < 0 || !process->ended)
        return error;
    error = tell(process, status);
    return error < 0 ? error : 1;
}

/* -- signals ----------------------------------------------------------------------------------- */

int weft_process_send_signal(weft_process *process, int number)
{
    int error = weft__process_check(process);

    if (error < 0)
        return error;
    return process->ended ? -ESRCH : weft__host_child_signal(process->pidfd, number);
}

int weft_process_terminate(weft_process *process)
{
    return weft_process_send_signal(process, SIGTERM);
}

int weft_process_kill(weft_process *process)
{
    return weft_process_send_signal(process, SIGKILL);
}

int weft_process_signal_group(weft_process *process, int number)
{
    int error = weft__process_check(process);

    if (error < 0)
        return error;
    if (process->ended)
        return -ESRCH;
    return process->group ? signal_group(process, number) : -ENOTSUP;
}

/* -- what is known of it ----------------------------------------------------------------------- */

int weft_process_pid(const weft_process *process)
{
    return process ? process->pid : weft__misuse(-EINVAL, "no process");
}

weft_stream *weft__process_stream(const struct weft_process *process, int which)
{
    weft_stream *stream = process->streams[which];

    return stream && !stream->closing && !stream->flushing ? stream : NULL;
}

weft_stream *weft_process_stdin(const weft_process *process)
{
    return process ? weft__process_stream(process, 0) : NULL;
}

weft_stream *weft_process_stdout(const weft_process *process)
{
    return process ? weft__process_stream(process, 1) : NULL;
}

weft_stream *weft_process_stderr(const weft_process *process)
{
    return process ? weft__process_stream(process, 2) : NULL;
}

/* -- the end ----------------------------------------------------------------------------------- */

int weft_process_close_stdin(weft_process *process)
{
    int error = weft__process_check(process);

    return error < 0 ? error : weft_stream_close(weft__process_stream(process, 0));
}

/* A terminal is one, by three names. */
static void disown_streams(struct weft_process *process)
{
    for (int i = 0; i < (process->pty ? 1 : 3); i++)
        if (process->streams[i])
            (void)weft__stream_disown(process->streams[i]);
}

void weft__process_free(struct weft_process *process)
{
    *process->link = process->next;
    if (process->next)
        process->next->link = process->link;
    disown_streams(process);
    weft__free(process);
}

static void wait_for_users(struct weft__task *self, struct weft_process *process)
{
    struct weft__wait wait = {.what = "process", .fd = -1};

    process->closer = &wait;
    while (process->users > 0)
        (void)weft__wait_for_wake(self, &wait, false);
    process->closer = NULL;
}

int weft_process_close(weft_process *process)
{
    struct weft__task *self = weft__task_self();

    if (!self)
        return weft__outside();
    if (!process)
        return 0;
    if (process->io->reactor != self->reactor)
        return weft__misuse(-EXDEV, "the process is another reactor's");
    if (process->closing)
        return -EALREADY;
    weft__enter_release(self);
    process->closing = true;
    process->ending = true;
    if (process->watch)
        weft__op_cancel(self->reactor, process->watch);
    for (int i = 0; i < 3; i++)
        (void)weft_stream_close(process->streams[i]);
    if (!process->ended)
        (void)wait_for_end(self, process, false);
    wait_for_users(self, process);
    weft__process_free(process);
    return 0;
}

/* No task is left, so no keeper: all have ended, and nobody looks at them. */
void weft__processes_stop(struct weft__io *io)
{
    while (io->processes)
        weft__process_free(io->processes);
}
