/*
 * x86_64/dispatch.c - the handler of dispatch.h.
 *
 * It returns by rt_sigreturn(2), which is a system call as well; the C library's would be
 * dispatched again, without an end. So the handler is put in place past the C library, with a way
 * back of our own, in the stretch that the kernel lets through (dispatch.S).
 */
#define _GNU_SOURCE

#include "arch/dispatch.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    SIGNAL_SET_SIZE = 8,
    INSTRUCTION_SIZE = 2,
    LAYERS_MAX = 8,
    DISPATCHED = 2, /* SYS_USER_DISPATCH, which no header of the C library has */
};
#define SIGSYS_BIT (UINT64_C(1) << (SIGSYS - 1))
#define RESTORER 0x04000000ul /* SA_RESTORER, which no header of the C library has */

/* What rt_sigaction(2) takes. */
struct action {
    void (*handler)(int number, siginfo_t *info, void *frame);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

extern const char weft__dispatch_low[], weft__dispatch_high[];
long weft__dispatch_call(long number, const uintptr_t arguments[6]);
void weft__dispatch_restore(void);

__thread volatile char weft__dispatch_selector;
static __thread uint32_t begun;
static __thread bool was_blocked; /* SIGSYS, when the thread began */

static atomic_flag busy = ATOMIC_FLAG_INIT; /* guards what follows */
static uint32_t threads;
static _Atomic(weft__trap_fn *) tell;

/* Whom signals of other kinds are for, the last that came first. One that was put on top of ours,
   and stayed when ours was over, has ours below it: when ours is put on top of that again, each of
   the two calls the other, and a signal goes down here, one step with each call, to the first. */
static struct action layers[LAYERS_MAX]; /* written before ours is in place */
static _Atomic(uint32_t) layer_count;
static bool left_on_top; /* somebody's, when ours was over */
static __thread uint32_t layers_passed;

/* -- the handler ----------------------------------------------------------------------------- */

static void die_of(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

static void pass_on(int number, siginfo_t *info, void *frame)
{
    /* acquire: pairs with the release in put_in_place, after the layer was written */
    uint32_t count = atomic_load_explicit(&layer_count, memory_order_acquire);
    void (*handler)(int, siginfo_t *, void *) = NULL;

    if (layers_passed < count)
        handler = layers[count - 1 - layers_passed].handler;
    if ((void (*)(int))(void (*)(void))handler == SIG_DFL) {
        die_of(number);
    } else if ((void (*)(int))(void (*)(void))handler != SIG_IGN) {
        layers_passed++;
        handler(number, info, frame); /* one of one argument looks at the first */
        layers_passed--;
    }
}

/* Calls that act on the frame they are made from, or never return to it: they are made by the
   program's own instruction, unseen; and so is what follows, until it is selected again. */
static bool is_own(long number)
{
    switch (number) {
    case SYS_rt_sigreturn:
    case SYS_rt_sigsuspend:
    case SYS_sigaltstack:
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_vfork:
    case SYS_execve:
    case SYS_execveat:
    case SYS_exit:
    case SYS_exit_group:
        return true;
    default:
        return false;
    }
}

/* By process_vm_readv(2), of ourselves; the kernel looks whether both are there. Where that call is
   forbidden (some containers') the memory has to be. */
int weft__dispatch_copy(void *to, const void *from, size_t size)
{
    const struct iovec here = {to, size}, there = {(void *)(uintptr_t)from, size};
    const uintptr_t none[6] = {0};
    const uintptr_t arguments[6] = {(uintptr_t)weft__dispatch_call(SYS_getpid, none),
                                    (uintptr_t)&here, 1, (uintptr_t)&there, 1};
    long result = weft__dispatch_call(SYS_process_vm_readv, arguments);

    if (result == (long)size)
        return 0;
    return result < 0 ? (int)result : -EFAULT;
}

static int copy(void *to, const void *from, size_t size)
{
    int error = weft__dispatch_copy(to, from, size);

    if (error == 0 || error == -EFAULT)
        return error;
    memcpy(to, from, size);
    return 0;
}

/* The mask is what the return from the handler makes it. Without SIGSYS, whoever asks for that (the
   C library blocks all signals where it starts a thread): the next call would kill. */
static long change_mask(ucontext_t *context, const uintptr_t *arguments)
{
    uint64_t before, set = 0;

    memcpy(&before, &context->uc_sigmask, sizeof before);
    if (arguments[3] != SIGNAL_SET_SIZE)
        return -EINVAL;
    if (arguments[1]) {
        if (copy(&set, (const void *)arguments[1], sizeof set) < 0)
            return -EFAULT;
        if (arguments[0] > SIG_SETMASK)
            return -EINVAL;
        if (arguments[0] == SIG_BLOCK)
            set |= before;
        else if (arguments[0] == SIG_UNBLOCK)
            set = before & ~set;
        set &= ~SIGSYS_BIT;
        memcpy(&context->uc_sigmask, &set, sizeof set);
    }
    return arguments[2] ? copy((void *)arguments[2], &before, sizeof before) : 0;
}

static void on_trap(int number, siginfo_t *info, void *frame)
{
    ucontext_t *context = frame;
    greg_t *registers = context->uc_mcontext.gregs;
    struct weft__trap trap = {
        .number = (long)registers[REG_RAX],
        .arguments = {(uintptr_t)registers[REG_RDI], (uintptr_t)registers[REG_RSI],
                      (uintptr_t)registers[REG_RDX], (uintptr_t)registers[REG_R10],
                      (uintptr_t)registers[REG_R8], (uintptr_t)registers[REG_R9]},
        .address = (const void *)(uintptr_t)registers[REG_RIP],
        .frame = frame};
    char selector = weft__dispatch_selector;
    int saved_errno = errno;

    weft__dispatch_select(false);
    if (info->si_code != DISPATCHED) {
        pass_on(number, info, frame);
    } else {
        weft__trap_fn *fn = atomic_load_explicit(&tell, memory_order_acquire);
        if (fn)
            fn(&trap);
        if (is_own(trap.number)) {
            registers[REG_RIP] -= INSTRUCTION_SIZE;
            selector = false;
        } else if (trap.number == SYS_rt_sigprocmask) {
            registers[REG_RAX] = change_mask(context, trap.arguments);
        } else {
            registers[REG_RAX] = weft__dispatch_call(trap.number, trap.arguments);
        }
    }
    errno = saved_errno;
    weft__dispatch_select(selector);
}

/* -- in place -------------------------------------------------------------------------------- */

static int set_action(const struct action *action, struct action *old)
{
    const uintptr_t arguments[6] = {SIGSYS, (uintptr_t)action, (uintptr_t)old, SIGNAL_SET_SIZE};

    return (int)weft__dispatch_call(SYS_rt_sigaction, arguments);
}

/* What is there now, and ours is to be put on top of: a further one to pass on to, or the one of
   the last time. Ours: somebody has put back what was there before theirs, which may be the last.
 */
static void note_layer(const struct action *now)
{
    uint32_t count = atomic_load_explicit(&layer_count, memory_order_relaxed);

    if (now->handler == on_trap && count > 0) {
        count -= !left_on_top && count > 1;
    } else if (count == 0 || now->handler != layers[count - 1].handler) {
        if (count < LAYERS_MAX)
            count++;
        layers[count - 1] = now->handler == on_trap ? (struct action){.handler = NULL} : *now;
    }
    /* release: pairs with the acquire in pass_on */
    atomic_store_explicit(&layer_count, count, memory_order_release);
}

/* Not deferred: a call made in a handler that interrupts ours is seen, too, and a SIGSYS that is
   blocked would kill. */
static int put_in_place(void)
{
    struct action ours = {.handler = on_trap,
                          .flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | RESTORER,
                          .restorer = weft__dispatch_restore};
    struct action now;
    int error = 0;

    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        ;
    if (threads == 0) {
        error = set_action(NULL, &now);
        if (error == 0) {
            note_layer(&now);
            error = set_action(&ours, NULL);
        }
    }
    threads += error == 0;
    atomic_flag_clear_explicit(&busy, memory_order_release);
    return error;
}

/* Not if somebody has put theirs on top meanwhile, who may pass on to us. */
static void take_away(void)
{
    struct action now;
    uint32_t count;

    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        ;
    if (--threads == 0) {
        left_on_top = set_action(NULL, &now) < 0 || now.handler != on_trap;
        count = atomic_load_explicit(&layer_count, memory_order_relaxed);
        if (!left_on_top)
            (void)set_action(&layers[count - 1], NULL);
        if (!left_on_top && count == 1) /* nobody is left who has ours below theirs */
            atomic_store_explicit(&layer_count, 0, memory_order_relaxed);
    }
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

/* Was it blocked? */
static bool block_sigsys(bool blocked)
{
    uint64_t set = SIGSYS_BIT, before = 0;
    const uintptr_t arguments[6] = {blocked ? SIG_BLOCK : SIG_UNBLOCK, (uintptr_t)&set,
                                    (uintptr_t)&before, SIGNAL_SET_SIZE};

    (void)weft__dispatch_call(SYS_rt_sigprocmask, arguments);
    return before & SIGSYS_BIT;
}

static int turn(unsigned long mode)
{
    uintptr_t low = (uintptr_t)weft__dispatch_low, high = (uintptr_t)weft__dispatch_high;
    bool on = mode == PR_SYS_DISPATCH_ON;

    return prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, on ? low : 0, on ? high - low : 0,
                 on ? &weft__dispatch_selector : NULL) < 0
               ? -ENOSYS
               : 0;
}

int weft__dispatch_probe(void)
{
    return begun ? 0 : turn(PR_SYS_DISPATCH_OFF);
}

int weft__dispatch_begin(weft__trap_fn *fn)
{
    int error;

    atomic_store_explicit(&tell, fn, memory_order_release);
    if (begun > 0) {
        begun++;
        return 0;
    }
    error = put_in_place();
    if (error < 0)
        return error;
    weft__dispatch_select(false);
    error = turn(PR_SYS_DISPATCH_ON);
    if (error < 0) {
        take_away();
        return error;
    }
    was_blocked = block_sigsys(false);
    begun = 1;
    return 0;
}

void weft__dispatch_end(void)
{
    if (begun == 0 || --begun > 0)
        return;
    weft__dispatch_select(false);
    (void)turn(PR_SYS_DISPATCH_OFF);
    if (was_blocked)
        (void)block_sigsys(true);
    take_away();
}
