/*
 * sim/process.c - processes begin, are signalled, end and are reaped; process.h draws it. The other
 * answer to ring/host_child.h.
 *
 * What always holds: numbers of processes come from a counter of the world, so a run is the same
 * whatever the machine is called.
 */
#include "sim/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ring/host_child.h"
#include "sim/disk.h"
#include "sim/ring_core.h"
#include "sim/terminal.h"

enum { PID_FIRST = 1000, SIGNAL_LAST = 64 };

/* -- the descriptor of a process ----------------------------------------------------------------
 */

struct pidfd {
    struct weft__sim_file file;       /* first */
    struct weft_sim_process *process; /* NULL: reaped */
};

static uint32_t pidfd_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct weft_sim_process *process = ((struct pidfd *)file)->process;

    (void)sim;
    return !process || process->ended ? POLLIN : 0u;
}

static void pidfd_describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                           size_t size)
{
    const struct weft_sim_process *process = ((const struct pidfd *)file)->process;

    (void)sim;
    snprintf(text, size, "\"%s\", %s", process ? process->arguments[0] : "?",
             !process ? "reaped" : (process->ended ? "ended" : "running"));
}

static void pidfd_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct weft_sim_process *process = ((struct pidfd *)file)->process;

    (void)sim;
    if (process)
        process->pidfd = NULL;
    weft__sim_free(file);
}

static const struct weft__sim_file_ops pidfd_ops = {
    .kind = "pidfd",
    .poll = pidfd_poll,
    .describe = pidfd_describe,
    .release = pidfd_release,
};

struct weft_sim_process *weft__sim_process_behind(const struct weft__sim_file *file)
{
    return file && file->ops == &pidfd_ops ? ((const struct pidfd *)file)->process : NULL;
}

/* -- programs ------------------------------------------------------------------------------------
 */

static struct weft__sim_program *find_program(struct weft__sim *sim, const char *path)
{
    struct weft__sim_program *program = sim->programs;

    while (program && strcmp(program->path, path) != 0)
        program = program->next;
    return program;
}

int weft_sim_program(const char *path, weft_sim_main *main)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_program *program;
    size_t size;

    if (!path || !*path)
        return -EINVAL;
    program = find_program(sim, path);
    if (!program) {
        size = strlen(path) + 1;
        program = weft__sim_alloc(sizeof *program + size);
        memcpy(program->path, path, size);
        program->next = sim->programs;
        sim->programs = program;
    }
    program->main = main;
    return 0;
}

/* What else stands there: a file of the disk is no program. */
static int no_program(struct weft__sim *sim, const char *path)
{
    struct weft__sim_place at;
    int error = weft__sim_place_of(sim, AT_FDCWD, path, WEFT__SIM_WHERE_FOLLOWED, &at);

    if (error < 0)
        return error;
    if (!at.inode)
        return -ENOENT;
    return at.inode->kind == WEFT__SIM_REGULAR && at.inode->mode & 0111 ? -ENOEXEC : -EACCES;
}

static int look_at(struct weft__sim *sim, const char *path, weft_sim_main **main)
{
    const struct weft__sim_program *program = find_program(sim, path);

    if (!program)
        return no_program(sim, path);
    *main = program->main;
    return program->main ? 0 : -EACCES;
}

/* As execvp(3) looks for it: who may not be run is passed over, and told of in the end. */
static int choose(struct weft__sim *sim, char *const *paths, weft_sim_main **main)
{
    int error = -ENOENT;

    for (char *const *path = paths; *path; path++) {
        int why = look_at(sim, *path, main);
        if (why != -ENOENT && why != -ENOTDIR && why != -EACCES)
            return why;
        if (why == -EACCES || !paths[1])
            error = why;
    }
    return error;
}

/* -- starting ------------------------------------------------------------------------------------
 */

/* The words and the array that leads to them, in one piece. */
static char **copy_words(char *const *words, int *count)
{
    size_t size = 0, used;
    char **copy;

    for (*count = 0; words[*count]; (*count)++)
        size += strlen(words[*count]) + 1;
    used = ((size_t)*count + 1) * sizeof *copy;
    copy = weft__sim_alloc(used + size);
    for (int i = 0; i < *count; i++) {
        size = strlen(words[i]) + 1;
        copy[i] = (char *)copy + used;
        memcpy(copy[i], words[i], size);
        used += size;
    }
    return copy;
}

/* Linux takes no word of more bytes than that, with its NUL: MAX_ARG_STRLEN, execve(2). */
static bool has_too_long_a_word(char *const *words)
{
    enum { WORD_MAX_SIZE = 131072 };

    while (*words && strlen(*words) < WORD_MAX_SIZE)
        words++;
    return *words;
}

static int take_files(struct weft_sim_process *process, const struct weft__child *child)
{
    struct weft__sim *sim = process->sim;

    for (uint32_t i = 0; i < child->fd_count; i++) {
        const struct weft__child_fd *fd = &child->fds[i];
        struct weft__sim_file *file = NULL;

        if (fd->from != WEFT__CHILD_NULL && fd->from > 2) {
            file = weft__sim_fd_file(sim, fd->from);
            if (!file)
                return -EBADF;
            weft__sim_file_keep(file);
        }
        if (fd->to >= WEFT__SIM_PROCESS_FDS || process->fds[fd->to]) {
            if (file)
                weft__sim_file_drop(sim, file);
            return -EBADF;
        }
        process->fds[fd->to] = file;
    }
    return 0;
}

static void drop_files(struct weft_sim_process *process)
{
    for (int i = 0; i < WEFT__SIM_PROCESS_FDS; i++)
        if (process->fds[i]) {
            struct weft__sim_file *file = process->fds[i];
            process->fds[i] = NULL;
            weft__sim_file_drop(process->sim, file);
        }
}

static void arrive(struct weft__sim *sim, struct weft__sim_event *event)
{
    struct weft_sim_process *process =
        (struct weft_sim_process *)((char *)event - offsetof(struct weft_sim_process, arrival));
    uint64_t coming = process->coming;

    (void)sim;
    process->coming = 0;
    for (int number = 1; number <= SIGNAL_LAST && !process->ended; number++)
        if (coming & UINT64_C(1) << (number - 1))
            weft__sim_process_deliver(process, number);
}

static struct weft_sim_process *create(struct weft__sim *sim, const struct weft__child *child)
{
    struct weft_sim_process *process = weft__sim_alloc(sizeof *process);
    int count;

    process->sim = sim;
    process->serial = weft__sim_serial(sim, WEFT__SIM_WHO_PROCESS);
    process->pid = PID_FIRST + (int)process->serial;
    process->arguments = copy_words(child->arguments, &process->argument_count);
    process->environment = copy_words(child->environment, &count);
    process->arrival.fire = arrive;
    process->next = sim->processes;
    sim->processes = process;
    return process;
}

/* A stack that is never returned to. The running thread's own goes when it has left it. */
static void free_thread(struct weft_sim_process *process)
{
    if (!process->thread)
        return;
    process->thread->state = WEFT__SIM_ENDED;
    weft__sim_thread_free(process->sim, process->thread);
    process->thread = NULL;
}

void weft__sim_process_forget(struct weft_sim_process *process)
{
    struct weft__sim *sim = process->sim;
    struct weft_sim_process **link = &sim->processes;

    while (*link != process)
        link = &(*link)->next;
    *link = process->next;
    weft__sim_take_back(sim, &process->beginning);
    weft__sim_take_back(sim, &process->arrival);
    weft__sim_wait_no_more(&process->waiter);
    drop_files(process);
    if (process->pidfd)
        ((struct pidfd *)process->pidfd)->process = NULL;
    free_thread(process);
    weft__sim_free(process->arguments);
    weft__sim_free(process->environment);
    weft__sim_free(process->directory);
    weft__sim_free(process);
}

void weft__sim_processes_end(struct weft__sim *sim)
{
    while (sim->processes)
        weft__sim_process_forget(sim->processes);
    while (sim->programs) {
        struct weft__sim_program *program = sim->programs;
        sim->programs = program->next;
        weft__sim_free(program);
    }
}

static void *life(void *argument)
{
    struct weft_sim_process *process = argument;
    int code = process->main(process, process->argument_count, process->arguments);

    weft__sim_process_end(process, code & 255, 0);
    return NULL;
}

bool weft__sim_group_exists(const struct weft_sim_process *process, int group)
{
    const struct weft_sim_process *other = process->sim->processes;

    if (group == WEFT__SIM_GROUP_OURS)
        return process->session == WEFT__SIM_SESSION_OURS;
    while (other && (other->group != group || other->session != process->session))
        other = other->next;
    return other != NULL;
}

static int place(struct weft_sim_process *process, const struct weft__child *child)
{
    bool leads = child->session || child->group == 0;
    int group = child->group == WEFT__CHILD_GROUP_SAME ? WEFT__SIM_GROUP_OURS : child->group;

    process->session = child->session ? process->pid : WEFT__SIM_SESSION_OURS;
    if (!leads && !weft__sim_group_exists(process, group))
        return -EPERM;
    process->group = leads ? process->pid : group;
    return 0;
}

static int set_directory(struct weft_sim_process *process, const char *directory)
{
    struct weft__sim_place at;
    size_t size;
    int error;

    if (!directory)
        return 0;
    if (!*directory)
        return -ENOENT;
    error = weft__sim_place_of(process->sim, AT_FDCWD, directory, WEFT__SIM_WHERE_FOLLOWED, &at);
    if (error < 0)
        return error;
    if (!at.inode)
        return -ENOENT;
    if (at.inode->kind != WEFT__SIM_DIRECTORY)
        return -ENOTDIR;
    size = strlen(directory) + 1;
    process->directory = weft__sim_alloc(size);
    memcpy(process->directory, directory, size);
    return 0;
}

static int set_limits(struct weft_sim_process *process, const struct weft__child *child)
{
    for (int i = 0; i < RLIM_NLIMITS; i++)
        process->limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    for (uint32_t i = 0; i < child->limit_count; i++) {
        const struct weft__child_limit *limit = &child->limits[i];
        if (limit->resource < 0 || limit->resource >= RLIM_NLIMITS ||
            limit->limit.rlim_cur > limit->limit.rlim_max)
            return -EINVAL;
        process->limits[limit->resource] = limit->limit;
    }
    return 0;
}

/* In the order in which a kernel comes to it. */
static int equip(struct weft_sim_process *process, const struct weft__child *child)
{
    int error = place(process, child);

    if (error == 0)
        error = set_directory(process, child->directory);
    if (error == 0)
        error = take_files(process, child);
    if (error == 0 && child->terminal)
        error = weft__sim_terminal_control(process->fds[0], process->group);
    return error < 0 ? error : set_limits(process, child);
}

static int open_pidfd(struct weft_sim_process *process)
{
    struct pidfd *pidfd = weft__sim_alloc(sizeof *pidfd);

    weft__sim_file_begin(process->sim, &pidfd->file, &pidfd_ops);
    pidfd->process = process;
    process->pidfd = &pidfd->file;
    return weft__sim_fd_install(process->sim, &pidfd->file);
}

/* There, and not yet the program. */
static int make(struct weft__sim *sim, struct weft__child *child, struct weft_sim_process **made)
{
    struct weft__sim_dice *dice = &sim->running->dice;
    struct weft_sim_process *process;
    int pidfd;

    if (weft__sim_chance(sim, dice, WEFT__SIM_PROCESS_NONE))
        return weft__sim_pick(sim, dice, WEFT__SIM_PROCESS_NONE, 2) ? -EAGAIN : -ENOMEM;
    process = create(sim, child);
    pidfd = open_pidfd(process);
    if (pidfd < 0) {
        weft__sim_process_forget(process);
        return pidfd;
    }
    child->pid = process->pid;
    child->pidfd = pidfd;
    *made = process;
    return 0;
}

/* Becomes the program, or does not. */
static int become(struct weft_sim_process *process, const struct weft__child *child)
{
    struct weft__sim *sim = process->sim;
    int error = equip(process, child);

    if (error == 0)
        error = choose(sim, child->paths, &process->main);
    if (error == 0 &&
        (has_too_long_a_word(process->arguments) || has_too_long_a_word(process->environment)))
        error = -E2BIG;
    if (error == 0) {
        process->thread = weft__sim_thread_new(sim, life, process, process->arguments[0]);
        error = process->thread ? 0 : -EAGAIN;
    }
    if (error == 0)
        weft__sim_note(sim, WEFT__SIM_NOTE_PROCESS, process->serial, 0);
    return error;
}

int weft__host_child_start(struct weft__child *child)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_dice *dice = &sim->running->dice;
    struct weft_sim_process *process;
    int error;

    weft__sim_charge(sim);
    weft__sim_park_until(sim, "a program to be found", 0,
                         sim->now_ns + weft__sim_span(sim, dice, WEFT__SIM_EXEC_NS));
    error = make(sim, child, &process);
    if (error < 0)
        return error;
    error = become(process, child);
    if (error < 0) {
        weft__sim_fd_close(sim, child->pidfd);
        weft__sim_process_forget(process);
    }
    return error;
}

/* It has come to something: nothing of the child is looked at from now on. */
static void begun(struct weft__sim *sim, struct weft__sim_event *event)
{
    struct weft_sim_process *process =
        (struct weft_sim_process *)((char *)event - offsetof(struct weft_sim_process, beginning));
    struct weft__child *child = process->child;

    process->child = NULL;
    child->error = become(process, child);
    if (child->error < 0)
        weft__sim_process_end(process, 127, 0);
    __atomic_store_n(&child->starting, 0, __ATOMIC_RELEASE);
    weft__sim_futex_wake(sim, &child->starting, 1);
}

char *const *weft__host_child_environment(void)
{
    static char *const environment[] = {(char *)"PATH=/usr/bin:/bin", NULL};

    return environment;
}

bool weft__host_child_may_begin(void)
{
    return true;
}

int weft__host_child_begin(struct weft__child *child)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft_sim_process *process;
    int error;

    weft__sim_charge(sim);
    error = make(sim, child, &process);
    if (error < 0)
        return error;
    child->starting = 1;
    process->child = child;
    process->beginning.fire = begun;
    weft__sim_at(sim, sim->now_ns + weft__sim_span(sim, &sim->running->dice, WEFT__SIM_EXEC_NS),
                 &process->beginning);
    weft__sim_fire_due(sim);
    return 0;
}

void weft__host_child_note_signals(void)
{
}

int weft__host_pty(int fds[2], uint16_t rows, uint16_t columns)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_file *ends[2];
    int ours, theirs;

    weft__sim_charge(sim);
    ours = weft__sim_fd_refused(sim, &sim->running->dice);
    if (ours < 0)
        return ours;
    weft__sim_terminal(sim, rows, columns, ends);
    ours = weft__sim_fd_install(sim, ends[0]);
    if (ours < 0) {
        weft__sim_file_drop(sim, ends[1]);
        return ours;
    }
    theirs = weft__sim_fd_install(sim, ends[1]);
    if (theirs < 0) {
        weft__sim_fd_close(sim, ours);
        return theirs;
    }
    fds[0] = ours;
    fds[1] = theirs;
    return 0;
}

/* -- the end -------------------------------------------------------------------------------------
 */

void weft__sim_process_end(struct weft_sim_process *process, int code, int signal)
{
    struct weft__sim *sim = process->sim;

    process->ended = true;
    process->code = code;
    process->signal = signal;
    weft__sim_note(sim, WEFT__SIM_NOTE_PROCESS_END, process->serial, signal ? -signal : code);
    weft__sim_take_back(sim, &process->arrival);
    weft__sim_wait_no_more(&process->waiter);
    drop_files(process);
    if (process->pidfd)
        weft__sim_file_changed(sim, process->pidfd, POLLIN);
    if (sim->children)
        weft__sim_file_changed(sim, sim->children, POLLIN);
}

int weft__host_child_reap(int pidfd, struct weft__child_end *end)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_file *file = weft__sim_fd_file(sim, pidfd);
    struct weft_sim_process *process = weft__sim_process_behind(file);

    weft__sim_charge(sim);
    if (!file)
        return -EBADF;
    if (!process)
        return -ECHILD;
    if (!process->ended)
        return 0;
    *end = (struct weft__child_end){.code = process->signal ? -1 : process->code,
                                    .signal = process->signal};
    weft__sim_process_forget(process);
    return 1;
}

uint32_t weft_sim_processes(void)
{
    uint32_t count = 0;

    if (weft__sim_world)
        for (struct weft_sim_process *process = weft__sim_world->processes; process;
             process = process->next)
            count++;
    return count;
}

/* -- signals -------------------------------------------------------------------------------------
 */

static void send_signal(struct weft_sim_process *process, int number, struct weft__sim_dice *dice)
{
    struct weft__sim *sim = process->sim;

    if (number == 0 || process->ended)
        return;
    process->coming |= UINT64_C(1) << (number - 1);
    if (!weft__sim_queued(&process->arrival))
        weft__sim_at(sim, sim->now_ns + weft__sim_span(sim, dice, WEFT__SIM_SIGNAL_NS),
                     &process->arrival);
}

int weft__host_child_signal(int pidfd, int number)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft_sim_process *process = weft__sim_process_behind(weft__sim_fd_file(sim, pidfd));

    weft__sim_charge(sim);
    if (!process)
        return -ESRCH;
    if (number < 0 || number > SIGNAL_LAST)
        return -EINVAL;
    if (weft__sim_chance(sim, &sim->running->dice, WEFT__SIM_PROCESS_FOREIGN))
        return -EPERM;
    send_signal(process, number, &sim->running->dice);
    weft__sim_fire_due(sim);
    return 0;
}

int weft__host_child_group(int pid, int pidfd)
{
    struct weft__sim *sim = weft__sim_here();
    const struct weft_sim_process *process =
        weft__sim_process_behind(weft__sim_fd_file(sim, pidfd));

    (void)pid;
    weft__sim_charge(sim);
    return process ? process->group : -ESRCH;
}

static bool tell_group(struct weft__sim *sim, int group, int number, struct weft__sim_dice *dice)
{
    bool any = false;

    for (struct weft_sim_process *process = sim->processes; process; process = process->next)
        if (process->group == group) {
            any = true;
            send_signal(process, number, dice);
        }
    return any;
}

void weft__sim_group_tell(struct weft__sim *sim, int group, int number, struct weft__sim_dice *dice)
{
    (void)tell_group(sim, group, number, dice);
}

int weft__host_group_signal(int group, int number)
{
    struct weft__sim *sim = weft__sim_here();
    bool any;

    weft__sim_charge(sim);
    if (group <= 1)
        return -ENOTSUP;
    if (number < 0 || number > SIGNAL_LAST)
        return -EINVAL;
    if (weft__sim_chance(sim, &sim->running->dice, WEFT__SIM_PROCESS_FOREIGN))
        return -EPERM;
    any = tell_group(sim, group, number, &sim->running->dice);
    weft__sim_fire_due(sim);
    return any ? 0 : -ESRCH;
}
