/*
 * lead.c - the task that leads: start, window, watch, end.
 *
 * The window is what lies between the two moments at which the leader looked at the clock, the
 * messages answered so far and the CPU time used, so these fit together however late it was woken.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#include "load.h"

enum { TICK_NS = 100000000, CONNECT_LOOK_NS = 1000000 };

struct look {
    int64_t now_ns;
    uint64_t messages;
    double cpu_s;
    double server_cpu_s;
};

struct leader {
    struct load load;
    struct outcome *outcome;
    clockid_t server_clock;
    struct look begun, ended;
    uint64_t progress_messages; /* when there was progress last */
    int64_t progress_ns;
    struct look shown;
};

static uint64_t messages_so_far(const struct load *load)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < load->plan->reactors; i++)
        sum += atomic_load_explicit(&load->shares[i].messages, memory_order_relaxed);
    return sum;
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    return clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + (double)t.tv_nsec / 1e9 : -1;
}

static struct look look(const struct leader *leader)
{
    return (struct look){
        .now_ns = weft_now(),
        .messages = messages_so_far(&leader->load),
        .cpu_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID),
        .server_cpu_s = leader->load.plan->server ? seconds_of(leader->server_clock) : -1,
    };
}

/* -- watching -------------------------------------------------------------------------------- */

static void show_progress(struct leader *leader)
{
    struct look now = look(leader);
    int64_t start_ns = atomic_load(&leader->load.start_ns);

    if (now.now_ns - leader->shown.now_ns < 5 * (int64_t)TICK_NS)
        return;
    if (leader->shown.now_ns > 0)
        fprintf(stderr, "\r%6.1f s  %12llu messages  %10.0f a second ",
                (double)(now.now_ns - start_ns) / 1e9, (unsigned long long)now.messages,
                (double)(now.messages - leader->shown.messages) * 1e9 /
                    (double)(now.now_ns - leader->shown.now_ns));
    leader->shown = now;
}

/* False when nothing has been answered for too long. */
static bool watch(struct leader *leader)
{
    uint64_t messages = messages_so_far(&leader->load);
    int64_t now_ns = weft_now();

    if (leader->load.plan->progress)
        show_progress(leader);
    if (messages != leader->progress_messages) {
        leader->progress_messages = messages;
        leader->progress_ns = now_ns;
    }
    return now_ns - leader->progress_ns < leader->load.plan->patience_ns;
}

static bool all_ended(const struct load *load)
{
    return atomic_load(&load->ended) == load->plan->reactors;
}

/* Sleeps until `until_ns`, or until every share has ended, or until nothing moves any more. */
static bool watch_until(struct leader *leader, int64_t until_ns)
{
    int64_t next_ns;

    while (!all_ended(&leader->load) && (next_ns = weft_now()) < until_ns) {
        /* in the message-limited run the end matters to the millisecond */
        next_ns += leader->load.plan->messages ? TICK_NS / 100 : TICK_NS;
        if (weft_sleep_until(next_ns < until_ns ? next_ns : until_ns) < 0)
            return false;
        if (!watch(leader)) {
            leader->outcome->stalled = true;
            return false;
        }
    }
    return true;
}

/* -- the phases ------------------------------------------------------------------------------ */

static int start_shares(struct leader *leader, weft_scope *scope)
{
    struct load *load = &leader->load;
    int error = 0;

    for (uint32_t i = 0; i < load->plan->reactors && error == 0; i++) {
        struct weft_spawn_opt there = {.size = sizeof there, .reactor = WEFT_ON((int)i)};
        load->shares[i].load = load;
        load->shares[i].index = i;
        error = weft_spawn(scope, share_run, &load->shares[i], 0, &there);
    }
    return error;
}

static int await_connected(struct leader *leader)
{
    struct load *load = &leader->load;
    int error = 0;

    while (atomic_load(&load->connected) < load->plan->reactors && error == 0)
        error = weft_sleep(CONNECT_LOOK_NS);
    for (uint32_t i = 0; i < load->plan->reactors && error == 0; i++)
        error = load->shares[i].trouble.connect_error;
    atomic_store(&load->measuring, load->plan->warmup_ns == 0); /* before anybody begins */
    leader->begun = look(leader);
    atomic_store(&load->start_ns, error < 0 ? -1 : weft_now());
    return error;
}

static bool run_window(struct leader *leader)
{
    struct load *load = &leader->load;
    int64_t start_ns = atomic_load(&load->start_ns);
    bool fine;

    leader->progress_ns = start_ns;
    fine = watch_until(leader, start_ns + load->plan->warmup_ns);
    if (load->plan->warmup_ns > 0) {
        leader->begun = look(leader);
        atomic_store(&load->measuring, true);
    }
    if (fine)
        fine = watch_until(leader, load->plan->duration_ns
                                       ? leader->begun.now_ns + load->plan->duration_ns
                                       : WEFT_NEVER);
    leader->ended = look(leader);
    atomic_store(&load->measuring, false);
    atomic_store(&load->stopping, true);
    return fine && watch_until(leader, WEFT_NEVER);
}

static int lead_task(void *arg)
{
    struct leader *leader = *(struct leader **)arg;
    int error = 0;

    WEFT_SCOPE(shares) {
        error = start_shares(leader, &shares);
        if (error == 0)
            error = await_connected(leader);
        if (error == 0 && !run_window(leader))
            weft_scope_cancel(&shares);
    }
    return error;
}

/* -- the outcome ------------------------------------------------------------------------------ */

static void merge_trouble(struct trouble *into, const struct trouble *from)
{
    if (into->wrong_bytes == 0 && from->wrong_bytes > 0) {
        into->wrong_connection = from->wrong_connection;
        into->wrong_offset = from->wrong_offset;
        into->wrong_expected = from->wrong_expected;
        into->wrong_got = from->wrong_got;
    }
    if (into->ended == 0 && from->ended > 0)
        into->ended_error = from->ended_error;
    if (into->connect_error == 0)
        into->connect_error = from->connect_error;
    into->wrong_bytes += from->wrong_bytes;
    into->ended += from->ended;
    into->unsent += from->unsent;
}

static void conclude(struct leader *leader)
{
    struct outcome *outcome = leader->outcome;
    struct look *from = &leader->begun, *to = &leader->ended;

    for (uint32_t i = 0; i < leader->load.plan->reactors; i++) {
        struct share *share = &leader->load.shares[i];
        if (share->latency_ns)
            histogram_merge(&outcome->latency_ns, share->latency_ns);
        merge_trouble(&outcome->trouble, &share->trouble);
        free(share->latency_ns);
        free(share->fds);
    }
    outcome->messages = to->messages - from->messages;
    outcome->messages_total = messages_so_far(&leader->load);
    outcome->seconds = (double)(to->now_ns - from->now_ns) / 1e9;
    outcome->cpu_s = to->cpu_s - from->cpu_s;
    outcome->server_cpu_s = from->server_cpu_s >= 0 && to->server_cpu_s >= 0
                                ? to->server_cpu_s - from->server_cpu_s
                                : -1;
}

int lead(const struct plan *plan, struct outcome *outcome, char *text, size_t text_size)
{
    struct leader leader = {.load = {.plan = plan}, .outcome = outcome}, *self = &leader;
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = plan->reactors,
                               .error_text = text,
                               .error_text_size = text_size};

    memset(outcome, 0, sizeof *outcome);
    if (plan->server && clock_getcpuclockid(plan->server, &leader.server_clock) != 0) {
        snprintf(text, text_size, "no process %d to watch", (int)plan->server);
        return -ESRCH;
    }
    leader.load.shares = calloc(plan->reactors, sizeof *leader.load.shares);
    if (!leader.load.shares)
        return -ENOMEM;
    outcome->error = weft_run(lead_task, &self, sizeof self, &opt);
    if (plan->progress)
        fputs("\r\033[K", stderr);
    conclude(&leader);
    free(leader.load.shares);
    return outcome->error;
}
