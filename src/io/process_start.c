/*
 * io/process_start.c - what a process is to be given: the path, the ends of pipes, the rest; then
 * the keeper starts it.
 *
 * On the creator's task, which does not go on before the start has come to something. What always
 * holds: of a process that could not be started nothing is left, no descriptor either.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/process.h>

#include "base/memory.h"
#include "base/option.h"
#include "io/fd.h"
#include "io/process.h"
#include "io/stream.h"
#include "ring/host.h"
#include "task/wait.h"

enum { FD_BASE = 16, ROWS = 24, COLUMNS = 80 };
#define GRACE_NS_DEFAULT INT64_C(5000000000)
static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

/* -- the options ------------------------------------------------------------------------------- */

static bool is_end(int end, bool of_err)
{
    return (end >= WEFT_INHERIT && end <= (of_err ? WEFT_STDOUT : WEFT_DEVNULL)) || end >= FD_BASE;
}

static bool fds_are_good(const struct weft_process_opt *opt)
{
    if (opt->fd_count > WEFT__PROCESS_FDS_MAX || (opt->fd_count && !opt->fds))
        return false;
    for (uint32_t i = 0; i < opt->fd_count; i++) {
        if (opt->fds[i].to < 3 || opt->fds[i].to > WEFT__PROCESS_FD_MAX || opt->fds[i].from < 0)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (opt->fds[j].to == opt->fds[i].to)
                return false;
    }
    return true;
}

static int check(const char *const arguments[], const struct weft_process_opt *opt,
                 weft_process **result)
{
    bool ends_inherited =
        opt->in == WEFT_INHERIT && opt->out == WEFT_INHERIT && opt->err == WEFT_INHERIT;

    if (!arguments || !arguments[0] || !result)
        return weft__misuse(-EINVAL, "no program, or nowhere to put the process");
    if (!is_end(opt->in, false) || !is_end(opt->out, false) || !is_end(opt->err, true))
        return weft__misuse(-EINVAL, "an end of the process that is none");
    if (opt->pty && !ends_inherited)
        return weft__misuse(-EINVAL, "a terminal, and other ends besides");
    if (!fds_are_good(opt) || opt->limit_count > WEFT__PROCESS_LIMITS_MAX ||
        (opt->limit_count && !opt->limits) || opt->group < WEFT_GROUP_SAME)
        return weft__misuse(-EINVAL, "descriptors, limits or a group out of range");
    return 0;
}

/* -- where the program may be ------------------------------------------------------------------ */

/* That of its own environment, if it is given one. */
static const char *search_path(const struct weft_process_opt *opt)
{
    const char *path = NULL;

    for (const char *const *word = opt->environment; word && *word; word++)
        if (strncmp(*word, "PATH=", 5) == 0)
            return *word + 5;
    path = secure_getenv("PATH");
    return path ? path : default_path;
}

static size_t count_of(const char *path)
{
    size_t count = 1;

    for (; *path; path++)
        count += *path == ':';
    return count;
}

/* One after the other in `room`; an empty part of PATH is the directory itself. */
static void put_paths(struct weft__launch *launch, size_t count, const char *path, const char *name,
                      char *room)
{
    size_t name_size = strlen(name) + 1;

    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(path, ":");
        launch->paths[i] = room;
        memcpy(room, path, length);
        room += length;
        if (length > 0)
            *room++ = '/';
        memcpy(room, name, name_size);
        room += name_size;
        path += length + 1;
    }
    launch->paths[count] = NULL;
}

/* -- all of it --------------------------------------------------------------------------------- */

static size_t words_in(const char *const *words)
{
    size_t count = 0;

    while (words && words[count])
        count++;
    return count;
}

/* One block: the struct, its paths, the words of the environment, the bytes of the paths. The words
   are noted here, on the creator's task: while the child begins others may change the array that
   they are in, which the C library then moves. */
static struct weft__launch *launch_new(const char *const arguments[],
                                       const struct weft_process_opt *opt)
{
    const char *path = strchr(arguments[0], '/') || !*arguments[0] ? "" : search_path(opt);
    const char *const *environment =
        opt->environment ? opt->environment : (const char *const *)weft__host_child_environment();
    size_t count = count_of(path), words = words_in(environment);
    size_t size = (count + 1 + words + 1) * sizeof(char *) + strlen(path) +
                  count * (strlen(arguments[0]) + 2);
    struct weft__launch *launch = weft__calloc(1, sizeof *launch + size);

    if (!launch)
        return NULL;
    put_paths(launch, count, path, arguments[0], (char *)&launch->paths[count + 1 + words + 1]);
    if (words > 0)
        memcpy(&launch->paths[count + 1], environment, words * sizeof(char *));
    launch->child = (struct weft__child){
        .paths = launch->paths,
        .arguments = (char *const *)(uintptr_t)arguments,
        .environment = &launch->paths[count + 1],
        .directory = opt->directory,
        .fds = launch->fds,
        .limits = launch->limits,
        .limit_count = opt->limit_count,
        .group = opt->group,
        .session = opt->session || opt->pty,
        .terminal = opt->pty,
        .stack = launch->stack,
    };
    for (int i = 0; i < 3; i++)
        launch->theirs[i] = -1;
    for (uint32_t i = 0; i < opt->limit_count; i++)
        launch->limits[i] =
            (struct weft__child_limit){opt->limits[i].resource, opt->limits[i].limit};
    return launch;
}

/* -- its descriptors --------------------------------------------------------------------------- */

static void give(struct weft__launch *launch, int from, int to)
{
    launch->fds[launch->child.fd_count++] = (struct weft__child_fd){from, to};
}

/* Our end becomes a stream; theirs stays as it is. On an error both are closed. */
static int open_end(struct weft_process *process, int which, int ours, int theirs)
{
    struct weft__io *io = process->io;
    int error = weft__fd_adopt(io, ours);

    if (error == 0) {
        error = weft_stream_open(ours, NULL, &process->streams[which]);
        if (error < 0)
            (void)weft_close(ours);
        else
            process->streams[which]->owner = process; /* so it stays, and does not move */
    }
    if (error < 0)
        weft__host_close(theirs);
    else
        process->launch->theirs[which] = theirs;
    return error;
}

static int open_pipe(struct weft_process *process, int which)
{
    int fds[2], error = weft__host_pipe(fds, 0);

    if (error < 0)
        return error;
    error = which == 0 ? open_end(process, which, fds[1], fds[0])
                       : open_end(process, which, fds[0], fds[1]);
    if (error == 0)
        give(process->launch, process->launch->theirs[which], which);
    return error;
}

/* 1: of the last, it goes where .out does. */
static int set_end(struct weft_process *process, int which, const struct weft_process_opt *opt)
{
    int end = which == 0 ? opt->in : (which == 1 ? opt->out : opt->err);

    if (end == WEFT_PIPE)
        return open_pipe(process, which);
    if (end == WEFT_DEVNULL)
        give(process->launch, WEFT__CHILD_NULL, which);
    else if (end >= FD_BASE)
        give(process->launch, end - FD_BASE, which);
    return end == WEFT_STDOUT ? 1 : 0;
}

/* Where .out goes, which may be nowhere in particular: then where ours does. */
static void copy_out(struct weft__launch *launch)
{
    int from = 1;

    for (uint32_t i = 0; i < launch->child.fd_count; i++)
        if (launch->fds[i].to == 1)
            from = launch->fds[i].from;
    give(launch, from, 2);
}

static int open_terminal(struct weft_process *process, const struct weft_process_opt *opt)
{
    int fds[2];
    int error =
        weft__host_pty(fds, opt->rows ? opt->rows : ROWS, opt->columns ? opt->columns : COLUMNS);

    if (error == 0)
        error = open_end(process, 0, fds[0], fds[1]);
    if (error < 0)
        return error;
    process->streams[1] = process->streams[2] = process->streams[0];
    process->streams[0]->hangs_up = true;
    for (int i = 0; i < 3; i++)
        give(process->launch, fds[1], i);
    return 0;
}

static int open_ends(struct weft_process *process, const struct weft_process_opt *opt)
{
    int error = 0;

    if (opt->pty)
        error = open_terminal(process, opt);
    for (int which = 0; which < 3 && error == 0 && !opt->pty; which++)
        error = set_end(process, which, opt);
    if (error > 0) { /* the last */
        copy_out(process->launch);
        error = 0;
    }
    for (uint32_t i = 0; i < opt->fd_count && error == 0; i++)
        give(process->launch, opt->fds[i].from, opt->fds[i].to);
    for (uint32_t i = 0; i < process->launch->child.fd_count; i++)
        weft__fd_note_passed(process->io, process->launch->fds[i].from);
    return error;
}

/* -- starting ---------------------------------------------------------------------------------- */

static struct weft_process *create(struct weft__io *io, struct weft__launch *launch,
                                   const struct weft_process_opt *opt)
{
    struct weft_process *process = launch ? weft__calloc(1, sizeof *process) : NULL;

    if (!process)
        return NULL;
    process->io = io;
    process->launch = launch;
    process->pidfd = -1;
    process->pty = opt->pty;
    process->grace_ns = opt->grace_ns ? opt->grace_ns : GRACE_NS_DEFAULT;
    process->next = io->processes;
    process->link = &io->processes;
    if (process->next)
        process->next->link = &process->next;
    io->processes = process;
    return process;
}

/* Has a keeper start it, and waits for what that comes to. */
static int keep(struct weft__task *self, struct weft_process *process)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "process"};
    struct weft__wait wait = {.what = "exec", .fd = -1};
    int error;

    process->creator = &wait;
    error = weft_create_task(weft__process_keep, &process, sizeof process, &opt);
    if (error < 0)
        return error;
    while (process->state == WEFT__PROCESS_STARTING)
        (void)weft__wait_for_wake(self, &wait, false);
    process->creator = NULL;
    return process->state == WEFT__PROCESS_FAILED ? process->error : 0;
}

static void launch_end(struct weft_process *process)
{
    struct weft__launch *launch = process->launch;

    for (int i = 0; i < 3; i++)
        if (launch->theirs[i] >= 0)
            weft__host_close(launch->theirs[i]);
    weft__free(launch);
    process->launch = NULL;
}

static void undo(struct weft_process *process)
{
    for (int i = 0; i < 3; i++)
        (void)weft_stream_close(process->streams[i]);
    weft__process_free(process);
}

int weft_create_subprocess_exec(const char *const arguments[], const struct weft_process_opt *opt,
                                weft_process **result)
{
    struct weft_process_opt own;
    struct weft_process *process;
    struct weft__launch *launch;
    struct weft__task *self;
    int error = weft__enter(&self);

    if (error == 0)
        error = weft__option_copy(&own, sizeof own, opt);
    if (error == 0)
        error = check(arguments, &own, result);
    if (error < 0)
        return error;
    launch = launch_new(arguments, &own);
    process = create(weft__io_of(self->reactor), launch, &own);
    if (!process) {
        weft__free(launch);
        return -ENOMEM;
    }
    error = open_ends(process, &own);
    if (error == 0)
        error = keep(self, process);
    launch_end(process);
    if (error < 0)
        undo(process);
    else
        *result = process;
    return error;
}

int weft_create_subprocess_shell(const char *command, const struct weft_process_opt *opt,
                                 weft_process **process)
{
    const char *arguments[] = {"/bin/sh", "-c", command, NULL};

    if (!command)
        return weft__misuse(-EINVAL, "no command");
    return weft_create_subprocess_exec(arguments, opt, process);
}
