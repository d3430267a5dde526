/*
 * weft/process.h - other programs: starting them, talking to them, ending them.
 *
 * A process is a child of a scope, as a task is: of the innermost open one of who starts it, else
 * of the root scope. It counts as one of the scope's tasks (max_tasks bounds how many run at once),
 * a scope that closes waits for its end, and a scope that is cancelled ends it: its group gets
 * SIGTERM, after a grace SIGKILL, and it is reaped. So no process outlives its scope, and none
 * becomes a zombie. What it leaves behind in its group is killed when it was ended so, and lives on
 * when it ended by itself.
 *
 *     const char *arguments[] = {"sort", "-u", NULL};
 *     struct weft_process_opt opt = {.size = sizeof opt, .in = WEFT_PIPE, .out = WEFT_PIPE};
 *     weft_process *process;
 *
 *     if (weft_create_subprocess_exec(arguments, &opt, &process) == 0) {
 *         ... weft_stream_write(weft_process_stdin(process), ...), or weft_process_communicate
 *         weft_process_close(process);
 *     }
 *
 * A process belongs to the reactor that started it: -EXDEV elsewhere. Every call here may also
 * answer -EPERM outside a task and -EINVAL (NULL, bad options).
 */
#ifndef WEFT_PROCESS_H
#define WEFT_PROCESS_H

#include <sys/resource.h>
#include <weft/base.h>
#include <weft/stream.h>

WEFT_BEGIN_DECLS

typedef struct weft_process weft_process;

/* What .in, .out and .err may say, besides WEFT_FD(fd): that descriptor of ours. */
enum weft_process_end {
    WEFT_INHERIT = 0, /* as ours */
    WEFT_PIPE,        /* a pipe; our end of it is a stream */
    WEFT_DEVNULL,     /* nothing to read; what is written is gone */
    WEFT_STDOUT       /* of .err alone: where .out goes */
};
#define WEFT_FD(fd) ((fd) + 16)

/* For .group: the process stays in our own group. Signals then go to it alone. */
enum { WEFT_GROUP_SAME = -1 };

/* One more descriptor that the process is to have: ours and the number it has there. */
struct weft_process_fd {
    int from;
    int to; /* 3 or more */
};

struct weft_process_limit {
    int resource; /* RLIMIT_* */
    struct rlimit limit;
};

struct weft_process_opt {
    size_t size;                       /* sizeof(struct weft_process_opt) */
    int in, out, err;                  /* enum weft_process_end, or WEFT_FD(fd) */
    const char *const *environment;    /* "NAME=value", NULL at the end; NULL: ours */
    const char *directory;             /* to begin in; NULL: ours */
    const struct weft_process_fd *fds; /* besides 0, 1 and 2: nothing else stays open there */
    uint32_t fd_count;                 /* at most 64 */
    int group;        /* 0: a new one of its own; WEFT_GROUP_SAME; > 0: joins that one */
    bool session;     /* begins a session (and a group) of its own */
    bool pty;         /* .in, .out and .err, all WEFT_INHERIT then, are a terminal: a new one, its
                         session's own; our end of it is one stream, in and out */
    uint16_t rows;    /* of that terminal; 0: 24 */
    uint16_t columns; /* 0: 80 */
    const struct weft_process_limit *limits;
    uint32_t limit_count; /* at most 16 */
    int64_t grace_ns;     /* between SIGTERM and SIGKILL; 0: 5 s; < 0: SIGKILL at once */
};

/* How a process ended. */
struct weft_process_status {
    int code;         /* what it returned, 0 to 255; -1: it was ended by a signal */
    int signal;       /* that signal, or 0 */
    bool core_dumped; /* and left a core */
};

/*
 * Starts the program `arguments[0]`, looked for along PATH unless there is a slash in it, with the
 * arguments (NULL at the end). Of our descriptors it has those named in the options. Its signals
 * are as ours were before the runtime began: blocked is what was blocked then; ignored is what was
 * ignored then, though the runtime may have taken it since, and what the program itself ignores
 * (but for SIGPIPE), unless it has set it to its default since.
 *
 * Its environment, where the options give none, is ours as it is at the call, though other tasks
 * change it meanwhile. The strings themselves are read until the call returns: those that setenv(3)
 * made the C library keeps, those of putenv(3), and all that the options give, stay as they are
 * until then. A thread that changes the environment during the call is as ever: a mistake.
 *
 * Suspends until the program runs: looking for the file may wait for a disk, and other tasks run
 * meanwhile. That is not interrupted; a cancellation meanwhile is seen at the next call.
 *
 * Returns 0 and *process, which weft_process_close must be called for; -ENOENT, -EACCES, -ENOEXEC
 * and what else execve(2) answers; -ENOTDIR, ... of the directory; -EAGAIN, -ENOMEM no process to
 * be had; -EMFILE, -ENFILE; -EBADF of a descriptor named; -EPERM of a limit or a group; -E2BIG;
 * -ECANCELED or -ESHUTDOWN before anything was started.
 */
WEFT_API WEFT_NODISCARD int weft_create_subprocess_exec(const char *const arguments[],
                                                        const struct weft_process_opt *opt,
                                                        weft_process **process) WEFT_SUSPENDS;
/* weft_create_subprocess_exec with /bin/sh -c `command`. What the command is made of must be
 * trusted. */
WEFT_API WEFT_NODISCARD int weft_create_subprocess_shell(const char *command,
                                                         const struct weft_process_opt *opt,
                                                         weft_process **process) WEFT_SUSPENDS;

/* Its id, for others to see; stays after its end. */
WEFT_API int weft_process_pid(const weft_process *process);

/* Our ends of its pipes; NULL where there is none, or it was closed. They are the process's: closed
   by weft_process_close, or earlier by weft_stream_close, _abort or weft_process_close_stdin, and
   freed by weft_process_close alone; so one that was closed answers -EBADF. Of a pty all three are
   one stream. A stream to write to ends, for the process, when it is closed or shut down. */
WEFT_API weft_stream *weft_process_stdin(const weft_process *process);
WEFT_API weft_stream *weft_process_stdout(const weft_process *process);
WEFT_API weft_stream *weft_process_stderr(const weft_process *process);
/* weft_stream_close of weft_process_stdin: the end of its input. 0 when there is none. */
WEFT_API int weft_process_close_stdin(weft_process *process) WEFT_SUSPENDS;

/*
 * Waits for the end of the process; any number of tasks may. One that has ended is answered at
 * once, unchecked for cancellation. Cancelling the wait leaves the process as it is.
 * Beware of a process that waits for us to read its output: weft_process_communicate does both.
 *
 * Returns 0 and *status (NULL allowed); -ECANCELED; -ECHILD: it has ended, and somebody else in
 * this program has waited for it, or SIGCHLD is ignored, so nobody knows how.
 */
WEFT_API int weft_process_wait(weft_process *process,
                               struct weft_process_status *status) WEFT_SUSPENDS;

/* weft_process_wait without waiting. Returns 1 it has ended; 0 it runs; -ECHILD. */
WEFT_API int weft_process_poll(const weft_process *process, struct weft_process_status *status);

/* A signal to the process; _terminate: SIGTERM; _kill: SIGKILL. 0; -ESRCH it has ended; -EINVAL no
   such signal; -EPERM it has another user's rights. */
WEFT_API int weft_process_send_signal(weft_process *process, int number);
WEFT_API int weft_process_terminate(weft_process *process);
WEFT_API int weft_process_kill(weft_process *process);
/* A signal to all of the group that it was started in. As weft_process_send_signal; -ESRCH also
   when it has left a group that it does not lead; -ENOTSUP the group is ours; -EPERM all of them
   have another user's rights. */
WEFT_API int weft_process_signal_group(weft_process *process, int number);

/* What a process has written. Zero it, or set the limit, before use. */
struct weft_process_output {
    size_t limit; /* bytes of each; 0: 64 MiB */
    char *out;    /* ended by a zero byte that is not counted; NULL where there is no stream */
    size_t out_size;
    char *err;
    size_t err_size;
};

/*
 * Writes `input` (NULL: nothing) to its stdin and closes that, reads stdout and stderr to their
 * ends, all at the same time, and waits for the end of the process. That it does not read all its
 * input is no error.
 *
 * Returns 0, with what came in *output (NULL: thrown away), to be freed by
 * weft_process_output_free, and how it ended in *status (NULL allowed). On an error, too, *output
 * holds what came: -EMSGSIZE more than the limit; -ENOMEM; -ECANCELED; -ECHILD; -EBUSY a task is
 * reading or writing; what reading and writing answer. The process then goes on.
 */
WEFT_API int weft_process_communicate(weft_process *process, const void *input, size_t input_size,
                                      struct weft_process_output *output,
                                      struct weft_process_status *status) WEFT_SUSPENDS;
/* Returns 0. */
WEFT_API int weft_process_output_free(struct weft_process_output *output);

/*
 * Closes its streams and lets go of it. One that still runs is ended, as by a cancelled scope.
 * Always finishes: when the process has ended. NULL does nothing. Others who wait for it are
 * answered first. 0; -EALREADY another task closes it; -EXDEV.
 */
WEFT_API int weft_process_close(weft_process *process) WEFT_SUSPENDS;

/*
 * waitid(2): suspends until a child of this process has ended (WEXITED), was stopped (WSTOPPED) or
 * goes on (WCONTINUED); for children that somebody else has started. Those of
 * weft_create_subprocess are reaped by their scopes: P_ALL, and P_PGID with their groups, may take
 * their ends away unless WNOWAIT is among the options; their scopes then go on without knowing how
 * they ended.
 *
 * type, id: P_PID, P_PGID, P_PIDFD, P_ALL (<sys/wait.h>). info (a siginfo_t; NULL allowed): what
 * became of which child; si_pid 0 where WNOHANG found none. Before Linux 6.7 it is asked again and
 * again, every 50 ms at last. A child that was reaped is told, though the call was cancelled
 * meanwhile.
 *
 * Returns 0; -ECHILD there is no such child; -EINVAL; -EBADF; -ENOMEM; -ECANCELED.
 */
WEFT_API int weft_waitid(int type, int id, void *info, int options) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
