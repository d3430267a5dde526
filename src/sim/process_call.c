/*
 * sim/process_call.c - what a simulated program can do: the calls of <weft/sim.h> that take its
 * process.
 *
 * Each is made by the process's own thread. What always holds: a call that waits ends with -EINTR
 * when a signal comes that is caught; one that ends the process never returns.
 */
#include <errno.h>
#include <string.h>

#include "sim/process.h"
#include "sim/terminal.h"

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

/* -- signals -------------------------------------------------------------------------------------
 */

static bool means_nothing(int number)
{
    return number == SIGCHLD || number == SIGURG || number == SIGWINCH || number == SIGCONT ||
           number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* Not to be run again: off the list of those who could, and nothing will wake it. */
static void stand_still(struct weft__sim *sim, struct weft__sim_thread *thread)
{
    weft__sim_take_back(sim, &thread->alarm);
    thread->left_to_stand = false;
    for (uint32_t i = 0; i < sim->runnable_count; i++)
        if (sim->runnable[i] == thread) {
            memmove(&sim->runnable[i], &sim->runnable[i + 1],
                    (--sim->runnable_count - i) * sizeof *sim->runnable);
            break;
        }
    thread->state = WEFT__SIM_ENDED;
}

void weft__sim_process_deliver(struct weft_sim_process *process, int number)
{
    struct weft__sim *sim = process->sim;
    bool kill = number == SIGKILL;

    if (!kill && (process->ignored & bit_of(number)))
        return;
    if (!kill && (process->caught & bit_of(number))) {
        process->pending |= bit_of(number);
        weft__sim_wake(sim, process->thread);
    } else if (kill || !means_nothing(number)) {
        stand_still(sim, process->thread);
        weft__sim_process_end(process, -1, number);
    }
}

/* What runs has ended, and stands still until it is reaped. */
static _Noreturn void stop_here(struct weft_sim_process *process)
{
    for (;;)
        weft__sim_park(process->sim, "nothing: it has ended", process->serial);
}

/* Ends the process that runs: of its own doing. */
static _Noreturn void die(struct weft_sim_process *process, int number)
{
    weft__sim_process_end(process, -1, number);
    stop_here(process);
}

/* What came of a call happens; a signal may be among it. */
static void settle(struct weft_sim_process *process)
{
    weft__sim_fire_due(process->sim);
    if (process->ended)
        stop_here(process);
}

int weft_sim_process_on_signal(struct weft_sim_process *process, int number,
                               enum weft_sim_on_signal what)
{
    if (number < 1 || number > 64 || number == SIGKILL || number == SIGSTOP)
        return -EINVAL;
    process->ignored &= ~bit_of(number);
    process->caught &= ~bit_of(number);
    if (what == WEFT_SIM_IGNORES)
        process->ignored |= bit_of(number);
    if (what == WEFT_SIM_CATCHES)
        process->caught |= bit_of(number);
    return 0;
}

int weft_sim_process_caught(struct weft_sim_process *process)
{
    int number = process->pending ? __builtin_ctzll(process->pending) + 1 : 0;

    if (number)
        process->pending &= ~bit_of(number);
    return number;
}

/* -- waiting -------------------------------------------------------------------------------------
 */

static void told(struct weft__sim *sim, struct weft__sim_waiter *waiter, uint32_t events)
{
    struct weft_sim_process *process =
        (struct weft_sim_process *)((char *)waiter - offsetof(struct weft_sim_process, waiter));

    (void)events;
    weft__sim_wait_no_more(waiter);
    weft__sim_wake(sim, process->thread);
}

static void wait_for(struct weft_sim_process *process, struct weft__sim_file *file, uint32_t events)
{
    process->waiter.events = events;
    process->waiter.notify = told;
    weft__sim_wait_on(file, &process->waiter);
    weft__sim_park(process->sim, "a pipe", file->serial);
    weft__sim_wait_no_more(&process->waiter);
}

static void begin(struct weft_sim_process *process)
{
    weft__sim_charge(process->sim);
    weft__sim_give_way(process->sim);
}

int weft_sim_process_sleep(struct weft_sim_process *process, int64_t ns)
{
    struct weft__sim *sim = process->sim;
    int64_t until_ns = ns > INT64_MAX - sim->now_ns ? INT64_MAX : sim->now_ns + ns;

    begin(process);
    while (sim->now_ns < until_ns && !process->pending)
        weft__sim_park_until(sim, "its sleep to end", process->serial, until_ns);
    return process->pending ? -EINTR : 0;
}

/* -- moving bytes --------------------------------------------------------------------------------
 */

static struct weft__sim_file *file_of(const struct weft_sim_process *process, int fd)
{
    return fd >= 0 && fd < WEFT__SIM_PROCESS_FDS ? process->fds[fd] : NULL;
}

ssize_t weft_sim_process_read(struct weft_sim_process *process, int fd, void *buffer, size_t size)
{
    struct weft__sim *sim = process->sim;
    struct weft__sim_file *file = file_of(process, fd);
    struct weft__sim_transfer transfer = {.memory = buffer, .offset = -1};
    int32_t result;

    begin(process);
    if (!file)
        return fd >= 0 && fd <= 2 ? 0 : -EBADF; /* /dev/null */
    if (!file->ops->read)
        return -EINVAL;
    for (;;) {
        transfer.length = size < INT32_MAX ? (uint32_t)size : INT32_MAX;
        if (size > 1 && weft__sim_chance(sim, &sim->running->dice, WEFT__SIM_PROCESS_SHORT))
            transfer.length =
                1 + (uint32_t)weft__sim_pick(sim, &sim->running->dice, WEFT__SIM_PROCESS_SHORT,
                                             transfer.length - 1);
        result = file->ops->read(sim, file, &transfer);
        settle(process);
        if (result != -EAGAIN)
            return result;
        if (process->pending)
            return -EINTR;
        wait_for(process, file, POLLIN | POLLRDHUP);
    }
}

/* One piece, or the wait for room. */
static ssize_t write_some(struct weft_sim_process *process, struct weft__sim_file *file,
                          const char *bytes, size_t size)
{
    struct weft__sim_transfer transfer = {
        .memory = (void *)(uintptr_t)bytes,
        .length = size < INT32_MAX ? (uint32_t)size : INT32_MAX,
        .offset = -1,
    };
    int32_t result = file->ops->write(process->sim, file, &transfer);

    settle(process);
    if (result == -EPIPE && !(process->ignored & bit_of(SIGPIPE)))
        die(process, SIGPIPE);
    if (result != -EAGAIN)
        return result;
    if (process->pending)
        return -EINTR;
    wait_for(process, file, POLLOUT);
    return 0;
}

ssize_t weft_sim_process_write(struct weft_sim_process *process, int fd, const void *buffer,
                               size_t size)
{
    struct weft__sim_file *file = file_of(process, fd);
    size_t done = 0;

    begin(process);
    if (!file)
        return fd >= 0 && fd <= 2 ? (ssize_t)size : -EBADF;
    if (!file->ops->write)
        return -EINVAL;
    while (done < size) {
        ssize_t n = write_some(process, file, (const char *)buffer + done, size - done);
        if (n < 0)
            return done > 0 ? (ssize_t)done : n;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int weft_sim_process_close(struct weft_sim_process *process, int fd)
{
    struct weft__sim_file *file = file_of(process, fd);

    begin(process);
    if (!file)
        return -EBADF;
    process->fds[fd] = NULL;
    weft__sim_file_drop(process->sim, file);
    return 0;
}

/* -- about itself --------------------------------------------------------------------------------
 */

const char *weft_sim_process_getenv(const struct weft_sim_process *process, const char *name)
{
    size_t length = strlen(name);

    for (char **word = process->environment; *word; word++)
        if (strncmp(*word, name, length) == 0 && (*word)[length] == '=')
            return *word + length + 1;
    return NULL;
}

int weft_sim_process_pid(const struct weft_sim_process *process)
{
    return process->pid;
}

const char *weft_sim_process_directory(const struct weft_sim_process *process)
{
    return process->directory ? process->directory : "/";
}

int weft_sim_process_group(const struct weft_sim_process *process)
{
    return process->group;
}

int weft_sim_process_session(const struct weft_sim_process *process)
{
    return process->session;
}

int weft_sim_process_limit(const struct weft_sim_process *process, int resource,
                           struct rlimit *limit)
{
    if (resource < 0 || resource >= RLIM_NLIMITS || !limit)
        return -EINVAL;
    *limit = process->limits[resource];
    return 0;
}

int weft_sim_process_terminal(const struct weft_sim_process *process, int fd, uint16_t *rows,
                              uint16_t *columns)
{
    return weft__sim_terminal_size(file_of(process, fd), rows, columns);
}

int weft_sim_process_set_group(struct weft_sim_process *process, int group)
{
    if (process->session == process->pid ||
        (group != 0 && group != process->pid && !weft__sim_group_exists(process, group)))
        return -EPERM;
    process->group = group ? group : process->pid;
    return 0;
}
