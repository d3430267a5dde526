/* counted: weft_run with counters; see counted.h. */
#include "counted.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "common.h"

struct run {
    const char *program;
    weft_task_fn fn;
    const void *arg;
    size_t arg_size;
    uint32_t reactors;
    weft_inbox *inboxes[COUNTED_REACTORS_MAX];
    struct rusage since;
};

/* Each in a cache line of its own; written by its reactor alone. */
static struct {
    uint64_t messages;
    uint64_t line[7];
} counts[COUNTED_REACTORS_MAX] __attribute__((aligned(64)));

static struct run run;
static weft_inbox *leader; /* while the run lasts: where the handler of SIGUSR1 posts */

uint64_t *counted_messages(void)
{
    return &counts[weft_reactor_index()].messages;
}

static uint64_t us_between(const struct timeval *from, const struct timeval *to)
{
    return (uint64_t)(to->tv_sec - from->tv_sec) * 1000000u + (uint64_t)to->tv_usec -
           (uint64_t)from->tv_usec;
}

static void add(struct weft_stats *sum, const struct weft_stats *more)
{
    sum->bytes_sent += more->bytes_sent;
    sum->enters += more->enters;
    sum->accepts += more->accepts;
    sum->accept_errors += more->accept_errors;
    sum->turns += more->turns;
    sum->switches += more->switches;
    sum->sqes += more->sqes;
    sum->cqes += more->cqes;
    sum->allocations = more->allocations; /* of the whole process */
}

static void print_counters(void *unused)
{
    struct weft_stats sum = {0}, one;
    struct json json = {.out = stdout};
    struct rusage now;
    uint64_t messages = 0;

    (void)unused;
    for (uint32_t i = 0; i < run.reactors; i++) {
        if (weft_stats_read(run.inboxes[i], &one, sizeof one) == 0)
            add(&sum, &one);
        messages += __atomic_load_n(&counts[i].messages, __ATOMIC_RELAXED);
    }
    getrusage(RUSAGE_SELF, &now);
    json_open(&json, NULL, '{');
    json_text(&json, "program", run.program);
    json_count(&json, "threads", run.reactors);
    if (messages > 0)
        json_count(&json, "messages", messages);
    json_count(&json, "bytes", sum.bytes_sent);
    json_count(&json, "enters", sum.enters);
    json_count(&json, "connections", sum.accepts);
    json_count(&json, "errors", sum.accept_errors);
    json_count(&json, "turns", sum.turns);
    json_count(&json, "switches", sum.switches);
    json_count(&json, "sqes", sum.sqes);
    json_count(&json, "cqes", sum.cqes);
    json_count(&json, "allocations", sum.allocations);
    json_count(&json, "cpu_user_us", us_between(&run.since.ru_utime, &now.ru_utime));
    json_count(&json, "cpu_system_us", us_between(&run.since.ru_stime, &now.ru_stime));
    json_close(&json, '}');
    putchar('\n');
    fflush(stdout);
}

static void on_signal(int number)
{
    static struct weft_post_slot slot = WEFT_POST_SLOT_INIT(print_counters, NULL);

    (void)number;
    (void)weft_post_signal(leader, &slot); /* busy: one is on its way already */
}

static int main_task(void *arg)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    int result;

    run.reactors = weft_reactors();
    for (uint32_t i = 0; i < run.reactors; i++)
        run.inboxes[i] = weft_inbox_get(i);
    leader = run.inboxes[0];
    getrusage(RUSAGE_SELF, &run.since);
    sigaction(SIGUSR1, &action, NULL);
    result = run.fn(run.arg_size ? arg : (void *)(uintptr_t)run.arg);
    signal(SIGUSR1, SIG_IGN);
    print_counters(NULL);
    for (uint32_t i = 0; i < run.reactors; i++)
        weft_inbox_put(run.inboxes[i]);
    return result;
}

int counted_run(const char *program, weft_task_fn fn, const void *arg, size_t arg_size,
                const struct weft_run_opt *opt)
{
    if (opt && opt->reactors > COUNTED_REACTORS_MAX)
        return -EINVAL;
    raise_descriptor_limit();
    run = (struct run){.program = program, .fn = fn, .arg = arg, .arg_size = arg_size};
    return weft_run(main_task, arg, arg_size, opt);
}
