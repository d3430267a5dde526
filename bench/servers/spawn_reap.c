/* spawn-reap: what it costs to start a program and wait for its end, through weft and by
 * posix_spawn and waitpid.
 *
 *     spawn-reap [ROUNDS [PROCESSES [PROGRAM]]]
 *
 * One process at a time; the contenders take turns with each, in an order that turns, PROCESSES
 * times a round, after a round that warms up. CPU time is this process's and its children's, user
 * and system; all are given the same environment. One line of JSON: for each contender what a
 * process took in each round, on the average.
 *
 * A process of weft begins a group of its own, with the signals as they were before the run, and
 * has no descriptors but those given to it. posix_spawn is told to do the same where it can: the
 * group and the signals; and once more with nothing asked of it.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <weft/weft.h>

#include "common.h"

enum { ROUNDS_MAX = 1000, CONTENDERS = 4 };

struct contender {
    const char *name;
    int (*once)(void);
    double cpu_us[ROUNDS_MAX], self_us[ROUNDS_MAX], elapsed_us[ROUNDS_MAX];
};

/* Of a contender, in a round. */
struct sums {
    double self_us, children_us, elapsed_us;
};

static struct {
    uint64_t rounds, processes;
    const char *arguments[2];
} plan = {.rounds = 15, .processes = 40, .arguments = {"/bin/true", NULL}};

extern char **environ;

/* -- the contenders ---------------------------------------------------------------------------- */

static int spawn_and_wait(const posix_spawnattr_t *attributes)
{
    int status, error;
    pid_t pid;

    error =
        posix_spawn(&pid, plan.arguments[0], NULL, attributes, (char **)plan.arguments, environ);
    if (error)
        return -error;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int by_spawn(void)
{
    return spawn_and_wait(NULL);
}

static int by_spawn_apart(void)
{
    posix_spawnattr_t attributes;
    sigset_t set;
    int error = -posix_spawnattr_init(&attributes);

    if (error < 0)
        return error;
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attributes, &set);
    sigaddset(&set, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &set);
    error = spawn_and_wait(&attributes);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static int through_weft(const struct weft_process_opt *opt)
{
    struct weft_process_status status = {.code = -1};
    weft_process *process;
    int error = weft_create_subprocess_exec(plan.arguments, opt, &process);

    if (error < 0)
        return error;
    error = weft_process_wait(process, &status);
    weft_process_close(process);
    return error < 0 ? error : status.code == 0 ? 0 : -EIO;
}

static int by_weft(void)
{
    return through_weft(NULL);
}

static int by_weft_same_group(void)
{
    const struct weft_process_opt opt = {.size = sizeof opt, .group = WEFT_GROUP_SAME};

    return through_weft(&opt);
}

static struct contender contenders[CONTENDERS] = {
    {.name = "weft", .once = by_weft},
    {.name = "spawn", .once = by_spawn},
    {.name = "weft-same-group", .once = by_weft_same_group},
    {.name = "spawn-apart", .once = by_spawn_apart},
};

/* -- the run ----------------------------------------------------------------------------------- */

static double us_of(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e6 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

static double cpu_us_of(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return us_of(&usage);
}

/* One process; what it took is added to the round's. */
static int measure(struct contender *c, struct sums *sums)
{
    uint64_t began = now_ns();
    double self = cpu_us_of(RUSAGE_SELF), children = cpu_us_of(RUSAGE_CHILDREN);
    int error = c->once();

    sums->self_us += cpu_us_of(RUSAGE_SELF) - self;
    sums->children_us += cpu_us_of(RUSAGE_CHILDREN) - children;
    sums->elapsed_us += (double)(now_ns() - began) / 1e3;
    return error;
}

/* They take turns process by process, so that what is slow for a while is slow for all. */
static int measure_round(uint64_t round)
{
    struct sums sums[CONTENDERS] = {{0}};
    double count = (double)plan.processes;
    int error = 0;

    for (uint64_t i = 0; i < plan.processes; i++)
        for (unsigned j = 0; j < CONTENDERS && error == 0; j++) {
            unsigned which = (unsigned)((i + j + round) % CONTENDERS);
            error = measure(&contenders[which], &sums[which]);
        }
    for (unsigned i = 0; i < CONTENDERS && round > 0; i++) {
        contenders[i].self_us[round - 1] = sums[i].self_us / count;
        contenders[i].cpu_us[round - 1] = (sums[i].self_us + sums[i].children_us) / count;
        contenders[i].elapsed_us[round - 1] = sums[i].elapsed_us / count;
    }
    return error;
}

static int measure_all(void *arg)
{
    int error = 0;

    (void)arg;
    for (uint64_t round = 0; round <= plan.rounds && error == 0; round++)
        error = measure_round(round);
    return error;
}

static void report(void)
{
    struct json json = {.out = stdout};

    json_open(&json, NULL, '{');
    json_text(&json, "program", plan.arguments[0]);
    json_count(&json, "processes", plan.processes);
    json_open(&json, "contenders", '{');
    for (unsigned i = 0; i < CONTENDERS; i++) {
        json_open(&json, contenders[i].name, '{');
        json_series(&json, "cpu_us", contenders[i].cpu_us, plan.rounds);
        json_series(&json, "self_us", contenders[i].self_us, plan.rounds);
        json_series(&json, "elapsed_us", contenders[i].elapsed_us, plan.rounds);
        json_close(&json, '}');
    }
    json_close(&json, '}');
    json_close(&json, '}');
    putchar('\n');
}

int main(int argc, char **argv)
{
    char why[512] = "";
    const struct weft_run_opt opt = {.size = sizeof opt,
                                     .error_text = why,
                                     .error_text_size = sizeof why};
    int error;

    if (argc > 4 || (argc > 1 && !parse_number(argv[1], 1, ROUNDS_MAX, &plan.rounds)) ||
        (argc > 2 && !parse_number(argv[2], 1, 100000, &plan.processes))) {
        fputs("usage: spawn-reap [ROUNDS [PROCESSES [PROGRAM]]]\n", stderr);
        return 2;
    }
    if (argc > 3)
        plan.arguments[0] = argv[3];
    error = weft_run(measure_all, NULL, 0, &opt);
    if (error == 0)
        report();
    else
        fprintf(stderr, "spawn-reap: %s: %s\n", plan.arguments[0], why[0] ? why : strerror(-error));
    return error < 0;
}
