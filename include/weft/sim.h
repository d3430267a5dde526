/*
 * weft/sim.h - the simulated kernel, for tests of your own servers.
 *
 * Link weft-sim instead of weft, and the same program runs on a kernel that is a single thread, a
 * seed and a virtual clock. It is hostile on purpose: completions come late and out of order,
 * transfers are short, cancellations lose their races, connections break. Time costs nothing: a
 * sleep of an hour takes microseconds. A run depends on the seed, the plan and the program alone,
 * so what failed once fails again.
 *
 *     int main(void)
 *     {
 *         struct weft_sim_opt opt = {.size = sizeof opt, .plan = "broken"};
 *
 *         for (opt.seed = 1; opt.seed <= 1000; opt.seed++)
 *             if (weft_sim_run(&opt, test, NULL, NULL) != 0)   // test() calls weft_run
 *                 return 1;
 *         return 0;
 *     }
 *
 * What a thread does between two calls of weft takes no virtual time. Threads started by
 * pthread_create and calls that go past weft (socket(2), sleep(3)) are not part of the simulated
 * world: descriptors of weft's fail there with EBADF.
 */
#ifndef WEFT_SIM_H
#define WEFT_SIM_H

#include <sys/resource.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/* One thing that happened, for a trace. */
struct weft_sim_event {
    uint64_t step;    /* completions delivered and switches so far, of tasks and of threads */
    int64_t time_ns;  /* virtual, from the beginning of the run */
    uint32_t thread;  /* the thread that runs, from 1 */
    const char *what; /* "run", "submit", "result", "fault", ... */
    uint64_t who;     /* the serial number of what it befell */
    int64_t value;    /* opcode, result, error, as `what` says */
};

struct weft_sim_opt {
    size_t size; /* sizeof(struct weft_sim_opt) */
    uint64_t seed;
    /*
     * The plan: words apart by blanks, commas or semicolons, the later ones winning. NULL: "rough".
     *   calm             a well-behaved kernel: everything at once, in order
     *   rough            late, out of order, in small pieces, but nothing fails
     *   broken           rough, and things fail: errors, resets, no descriptors, clock jumps; a run
     *                    may be refused its rings and not begin
     *   NAME=ODDS        how often: "1/8", "2%", "never", "always", or parts per million
     *   NAME=LOW..HIGH   a span: of numbers, or of time ("1ms..20ms"); one value is both bounds
     *   OP#N[@WHAT]=R    the N-th request of that kind ("recv", "send", "accept", "connect",
     *                    "close", "poll", "read", "write", "cancel", "msg_ring",
     *                    "sendmsg", "recvmsg", "splice", "readv", "writev", "fsync", "fallocate",
     *                    "ftruncate", "statx", "open", "sync_range", "fadvise", "madvise",
     *                    "getxattr", "setxattr", "fgetxattr", "fsetxattr", "rename", "unlink",
     *                    "mkdir", "symlink", "link", "waitid", "futex"; and "copy", a thread's), on
     *                    the file with serial number WHAT, or, of a kind of file ("tcp", "unix",
     *                    "eventfd", "file", "directory", "pipe"), or, when left out, of all,
     *                    has the outcome R: an error by its name (ENOMEM), "reset" (the peer
     *                    resets, for both ends), "short" (one byte), "hang" (nothing, until
     *                    cancelled), "late", "stuck" (so for disk.stuck_time, cancelled or not)
     *
     * The names are those of src/sim/knobs.h; weft_sim_plan_text prints them all.
     */
    const char *plan;
    /* So many steps, and the run ends with -ETIMEDOUT; 0: 100 million. Also one that makes none,
       but goes on calling weft. A loop that never does cannot be ended. */
    uint64_t steps_max;
    uint32_t cpus;      /* of the simulated machine; 0: 4 */
    uint32_t fds_max;   /* descriptors of the simulated machine; 0: 16,384 */
    char *report;       /* receives what went wrong, as text; NULL allowed */
    size_t report_size; /* bytes */
    bool quiet;         /* do not print the report on standard error as well */
    void (*trace)(const struct weft_sim_event *event, void *context);
    void *context;
};

/* What a run came to. */
struct weft_sim_result {
    size_t size;     /* sizeof(struct weft_sim_result) */
    uint64_t hash;   /* of everything that happened, in order */
    uint64_t steps;  /* completions delivered and switches, of tasks and of threads */
    int64_t time_ns; /* that passed in the simulated world */
    uint64_t faults; /* draws of odds that came true */
};

/*
 * Runs fn(arg) in a simulated world of its own, on a stack of its own (8 MiB), and gives what it
 * returned. fn is not a task; it may call weft_run, once or more. opt may be NULL; `result` too.
 * WEFT_SIM_SEED and WEFT_SIM_PLAN in the environment win over opt: that is how a run is replayed.
 *
 * Returns what fn returned; -EDEADLK nothing could run and nothing was due; -ETIMEDOUT steps_max;
 * -EFAULT memory lent to the kernel was changed, or its frame ended, before the completion; -EINVAL
 * a plan that is not understood; -EBUSY inside a run. After -EDEADLK, -ETIMEDOUT and -EFAULT of the
 * simulated kernel what fn had open is leaked: its stacks are never returned to. A result below 0
 * is reported, with seed, plan and the command that replays it.
 */
WEFT_API int weft_sim_run(const struct weft_sim_opt *opt, int (*fn)(void *arg), void *arg,
                          struct weft_sim_result *result);

/* The seed of the run under way; 0 outside of one. For a test's own dice. */
WEFT_API uint64_t weft_sim_seed(void);

/* The virtual time in nanoseconds that has passed in the run under way; 0 outside of one. */
WEFT_API int64_t weft_sim_time(void);

/*
 * Has a peer play `script` in the run under way: a client, or a server elsewhere, that needs no
 * task and misbehaves as told.
 *
 *     "127.0.0.1:7000 x5 every 20ms: send 'GET / HTTP/1.0\r\n'; wait 1ms; reset"
 *     "[::1]:7000 after 1s: drip 1000 10ms; half; read"
 *     "listen 192.0.2.80:80: read 100; vanish"
 *     "listen unix:/run/backend: echo"
 *
 * Before the colon: the address to connect to, or to listen on (of any host); how many connections
 * (else one, or all that come), how far apart, how long from now. Then steps, apart by semicolons:
 *   send 'text' | send N    text with \r \n \0 \\ \' in it, or N letters
 *   drip N TIME             N letters, a byte at a time, TIME apart
 *   read N | read           N bytes, or to the end
 *   echo                    sends back what comes, to the end
 *   wait TIME               "5us", "10ms", "2s"
 *   half                    ends its own way of the connection
 *   reset                   and is gone; after its last step it is gone, too, with a close
 *   vanish                  from now on nothing gets through, and nobody is told
 *   hold                    does nothing more, and reads nothing
 * It begins once something waits in the simulated world. 0; -EINVAL not understood; -EPERM outside
 * of a run; of one that listens -EADDRINUSE and what else bind answers.
 */
WEFT_API int weft_sim_peer(const char *script);

/*
 * The power of the simulated machine. A world has a disk, with "/" and "/tmp" on it at first, which
 * outlives every weft_run in that world; so what a program finds after a crash can be tested:
 *
 *     static int one_world(void *arg)                       // given to weft_sim_run
 *     {
 *         weft_sim_power_off_after(n);                      // or weft_sim_power_off() in a task
 *         int first = weft_run(a_life, arg, 0, NULL);       // ends, as nothing works any more
 *         weft_sim_power_on();
 *         return weft_run(what_must_hold_then, arg, 0, NULL);
 *     }
 *
 * When the power goes, what was synced stays: a file's bytes by weft_fsync or weft_fdatasync of it,
 * a name by weft_fsync of its directory. Of all else draws decide (the knobs power.*; a calm world
 * keeps none of it): of a file some pages may be new and others old, some torn by sectors of 512
 * bytes, and its end anywhere between; of a directory the changes may be there up to any one of
 * them, in their order, each whole: a rename is done or not, in both directories.
 *
 * From then on this is a machine without power: files that are open answer -EIO and never work
 * again, names answer -EIO, connections are reset, and new ones -ENETDOWN, so that nobody outside
 * is told of anything that will not be there. The program itself goes on, as one must if its last
 * lines are to be run: it should come to its end. What it did is the past of the next life.
 */

/* The power goes now; or with the n-th change to the disk from now (a write, a sync, a name), which
   is the last that happens: every crash can be tried, by n = 1, 2, ... until it is not reached (0
   takes it back). 0, or -EPERM outside of a run. */
WEFT_API int weft_sim_power_off(void);
WEFT_API int weft_sim_power_off_after(uint64_t changes);
WEFT_API bool weft_sim_power_is_off(void);
/* The power is back: files can be opened again. 0, or -EPERM outside of a run. */
WEFT_API int weft_sim_power_on(void);

/*
 * Programs that weft_create_subprocess_exec finds in the simulated world: `path` stands for `main`
 * from now on (NULL: for a file that may not be run). A program is a function on a stack of its
 * own; what it sees of the world are the calls below, and it is to make no others that wait. When a
 * signal ends it, it is never returned to: it should hold no memory of its own while it waits. 0;
 * -EINVAL no path.
 */
typedef struct weft_sim_process weft_sim_process;
typedef int weft_sim_main(weft_sim_process *process, int argc, char **argv);
WEFT_API int weft_sim_program(const char *path, weft_sim_main *main);

/* As read(2), write(2) (all of it, or until a signal) and close(2) there: descriptors of its own. 0
   to 2 are /dev/null where they are nothing else. -EINTR: a signal was caught. Writing to a pipe
   that nobody reads ends it by SIGPIPE, unless that is ignored. */
WEFT_API ssize_t weft_sim_process_read(weft_sim_process *process, int fd, void *buffer,
                                       size_t size);
WEFT_API ssize_t weft_sim_process_write(weft_sim_process *process, int fd, const void *buffer,
                                        size_t size);
WEFT_API int weft_sim_process_close(weft_sim_process *process, int fd);
/* Sleeps. Returns 0; -EINTR a signal was caught. */
WEFT_API int weft_sim_process_sleep(weft_sim_process *process, int64_t ns);
/* What a signal does to it: what it does by default, nothing, or it is caught: the call it is in
   ends, and _caught names it (0: none more). */
enum weft_sim_on_signal { WEFT_SIM_DEFAULT, WEFT_SIM_IGNORES, WEFT_SIM_CATCHES };
WEFT_API int weft_sim_process_on_signal(weft_sim_process *process, int number,
                                        enum weft_sim_on_signal what);
WEFT_API int weft_sim_process_caught(weft_sim_process *process);
/* What its environment says; its id. */
WEFT_API const char *weft_sim_process_getenv(const weft_sim_process *process, const char *name);
WEFT_API int weft_sim_process_pid(const weft_sim_process *process);
/* What else it was started with: the directory, as it was named ("/": none was); its group and its
   session, 1 being those of the simulated program; and its limits, which nothing enforces: 0 and
   *limit (RLIM_INFINITY where none was set), or -EINVAL. */
WEFT_API const char *weft_sim_process_directory(const weft_sim_process *process);
WEFT_API int weft_sim_process_group(const weft_sim_process *process);
WEFT_API int weft_sim_process_session(const weft_sim_process *process);
WEFT_API int weft_sim_process_limit(const weft_sim_process *process, int resource,
                                    struct rlimit *limit);
/* Is that descriptor a terminal (weft_process_opt.pty), and how large? 0 or -ENOTTY. What it does
   by itself is what a new one of the kernel's does: it takes whole lines, shows what is typed, ends
   lines with "\r\n" where the program writes "\n"; ^D ends the input, ^C is SIGINT. Lines are not
   edited. When weft's end is closed its group gets SIGHUP. */
WEFT_API int weft_sim_process_terminal(const weft_sim_process *process, int fd, uint16_t *rows,
                                       uint16_t *columns);
/* Puts it into a group: 0: a new one of its own; 1: that of the simulated program; else one that
   there is. 0; -EPERM there is none in its session, or it began that. */
WEFT_API int weft_sim_process_set_group(weft_sim_process *process, int group);
/* How many processes there are in the run under way, zombies counted. */
WEFT_API uint32_t weft_sim_processes(void);

/* A signal comes to the program that runs in the simulated world, with a value if it is a real-time
   one (sigqueue(3)). 0; -ESRCH nothing in the program takes it (weft/signal.h); -EINVAL; -EAGAIN
   too many wait. */
WEFT_API int weft_sim_signal(int number, int value);

/* Writes the plan in full, every name with its value; snprintf's result, or -EINVAL. NULL: the
   default plan. */
WEFT_API int weft_sim_plan_text(const char *plan, char *text, size_t size);

WEFT_END_DECLS

#endif
