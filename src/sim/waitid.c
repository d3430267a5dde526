/*
 * sim/waitid.c - waiting for simulated processes by their numbers, groups or descriptors; see
 * waitid(2).
 *
 * Simulated processes end, and neither stop nor go on. What always holds: who waits for one of
 * several is told of each that ends, and looks.
 */
#include <errno.h>
#include <sys/wait.h>

#include "ring/host_child.h"
#include "sim/process.h"

static uint32_t children_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct weft_sim_process *process = sim->processes;

    (void)file;
    while (process && !process->ended)
        process = process->next;
    return process ? POLLIN : 0u;
}

static void children_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    sim->children = NULL;
    weft__sim_free(file);
}

static const struct weft__sim_file_ops children_ops = {
    .kind = "children",
    .poll = children_poll,
    .release = children_release,
};

struct weft__sim_file *weft__sim_children(struct weft__sim *sim)
{
    if (sim->children) {
        weft__sim_file_keep(sim->children);
        return sim->children;
    }
    sim->children = weft__sim_alloc(sizeof *sim->children);
    weft__sim_file_begin(sim, sim->children, &children_ops);
    return sim->children;
}

static int check(int type, int id, int options)
{
    const int events = WEXITED | WSTOPPED | WCONTINUED;

    if (options & ~(events | WNOHANG | WNOWAIT) || !(options & events))
        return -EINVAL;
    switch (type) {
    case P_ALL:
        return 0;
    case P_PID:
        return id <= 0 ? -EINVAL : 0;
    case P_PGID:
    case P_PIDFD:
        return id < 0 ? -EINVAL : 0;
    default:
        return -EINVAL;
    }
}

static bool is_meant(const struct weft_sim_process *process, int type, int id)
{
    switch (type) {
    case P_PID:
        return process->pid == id;
    case P_PGID:
        return process->group == (id ? id : WEFT__SIM_GROUP_OURS);
    case P_PIDFD:
        return process == weft__sim_process_behind(weft__sim_fd_file(process->sim, id));
    default:
        return true;
    }
}

static void tell(const struct weft_sim_process *process, siginfo_t *info)
{
    info->si_signo = SIGCHLD;
    info->si_pid = process->pid;
    info->si_code = process->signal ? CLD_KILLED : CLD_EXITED;
    info->si_status = process->signal ? process->signal : process->code;
}

int weft__sim_waitid(struct weft__sim *sim, int type, int id, siginfo_t *info, int options)
{
    struct weft_sim_process *found = NULL;
    int error = check(type, id, options);
    bool any = false;

    if (error < 0)
        return error;
    if (type == P_PIDFD && !weft__sim_fd_file(sim, id))
        return -EBADF;
    for (struct weft_sim_process *process = sim->processes; process; process = process->next)
        if (is_meant(process, type, id)) {
            any = true;
            if (process->ended && options & WEXITED)
                found = process; /* the last of the list: the oldest */
        }
    if (!found)
        return any ? -EAGAIN : -ECHILD;
    tell(found, info);
    if (!(options & WNOWAIT))
        weft__sim_process_forget(found);
    return 0;
}

int weft__host_waitid(int type, int id, siginfo_t *info, int options)
{
    struct weft__sim *sim = weft__sim_here();
    int result;

    weft__sim_charge(sim);
    info->si_pid = 0;
    result = weft__sim_waitid(sim, type, id, info, options);
    return result == -EAGAIN ? 0 : result;
}
