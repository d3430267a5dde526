/*
 * ask.c - asks the machine: the ring and its features, how many reactors fit, whether zero copy
 * pays, guards, limits.
 *
 * What always holds: what can be tried is tried, and only the reason for what is missing is
 * concluded from versions, limits and filters.
 */
#include "doctor.h"

#include "coro/stack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As a reactor opens them: src/reactor/reactor_open.c, src/io/buffers.c. */
enum { SQ_ENTRIES = 512, CQ_ENTRIES = 16384, GROUPS = 3 };
static const uint32_t group_sizes[GROUPS] = {4096, 512, 256};

/* What it costs not to have it. docs/kernel.md and docs/performance.md say how it was measured. */
static const struct {
    uint32_t bit;
    const char *cost;
} costs[] = {
    {WEFT__FEATURE_NO_SQARRAY,
     "Each request goes through a table of indices: nothing that could be measured."},
    {WEFT__FEATURE_REGISTERED_FD,
     "Each system call looks the ring's descriptor up: nothing that could be measured."},
    {WEFT__FEATURE_TASKRUN_FLAG,
     "Each turn of the loop visits the kernel, also when nothing waits there (nothing that could "
     "be measured under load), and a reactor that looks before it sleeps sees messages only."},
    {WEFT__FEATURE_RECV_MULTISHOT,
     "A stream makes two requests a message instead of one: 17 % more CPU time a message over "
     "Unix sockets, 10 % over TCP."},
    {WEFT__FEATURE_ACCEPT_MULTISHOT,
     "A listener makes one request for each connection, instead of one for all."},
    {WEFT__FEATURE_BUFFER_RING,
     "Each idle stream holds a buffer of 16 KiB instead of none, and makes two requests a message "
     "instead of one: 12 % more CPU time a message over Unix sockets, 9 % over TCP."},
    {WEFT__FEATURE_MSG_RING,
     "Reactors wake one another by eventfd: a call to a sleeping one and back takes 48.7 us "
     "instead of 42."},
    {WEFT__FEATURE_MIN_TIMEOUT, NULL},
    {WEFT__FEATURE_NO_IOWAIT,
     "top and vmstat show a sleeping server as waiting for a disk; it is as fast."},
    {WEFT__FEATURE_ABS_TIMER,
     "One more look at the clock for each sleep: nothing that could be measured."},
    {WEFT__FEATURE_FIXED_FILES,
     "Each send of a stream looks its descriptor up and counts it: 40 ns, 2 % of a message over "
     "Unix sockets."},
    {WEFT__FEATURE_FTRUNCATE,
     "A worker thread cuts files, one hand-over there and back for each weft_ftruncate."},
    {WEFT__FEATURE_WAITID, "The end of a process is waited for by a poll of its descriptor."},
    {WEFT__FEATURE_FUTEX,
     "A thread waits for a word of memory in the place of each task that does."},
    {WEFT__FEATURE_SEND_ZC,
     "Memory that is given to be sent is copied, and released with the call."},
    {WEFT__FEATURE_FIXED_BUFFERS, "The pages of what a file object reads with O_DIRECT are found "
                                  "for each read: 0.3 us and more, "
                                  "a tenth of a read of 4 KiB."},
};

static const char *cost_of(uint32_t bit)
{
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++)
        if (costs[i].bit == bit)
            return costs[i].cost;
    return "It is not known what that costs.";
}

/* -- why a feature is missing ----------------------------------------------------------------- */

/* A filter answers for a descriptor that is none; the kernel says EBADF. */
static bool register_is_forbidden(void)
{
    return syscall(SYS_io_uring_register, -1, 0, NULL, 0) < 0 && errno != EBADF &&
           errno != EOPNOTSUPP && errno != EINVAL;
}

static void explain_by_limits(struct doctor_report *report, struct doctor_feature *feature)
{
    if (register_is_forbidden())
        snprintf(feature->why, sizeof feature->why,
                 "a seccomp filter forbids io_uring_register: allow it in the profile");
    else if (feature->known->bit == WEFT__FEATURE_BUFFER_RING && report->memlock < (1u << 20))
        snprintf(feature->why, sizeof feature->why,
                 "RLIMIT_MEMLOCK is %llu bytes: raise it (ulimit -l, LimitMEMLOCK=)",
                 (unsigned long long)report->memlock);
    else
        snprintf(feature->why, sizeof feature->why,
                 "the kernel refuses it, though its version is new enough");
}

static void explain(struct doctor_report *report, struct doctor_feature *feature)
{
    uint32_t since = feature->known->since, here = report->kernel.version;

    if (report->kernel.masked & feature->known->bit)
        snprintf(feature->why, sizeof feature->why, "masked by WEFT_RING_MASK");
    else if (here < since)
        snprintf(feature->why, sizeof feature->why, "it came with Linux %u.%u, this is %u.%u",
                 since >> 16, since & 0xffff, here >> 16, here & 0xffff);
    else if (feature->known->bit == WEFT__FEATURE_RECV_MULTISHOT &&
             !(report->kernel.features & WEFT__FEATURE_BUFFER_RING))
        snprintf(feature->why, sizeof feature->why, "it needs buffer_ring");
    else
        explain_by_limits(report, feature);
}

static void ask_features(struct doctor_report *report)
{
    for (size_t i = 0; i < contract_feature_count && i < DOCTOR_FEATURES; i++) {
        struct doctor_feature *feature = &report->features[report->feature_count++];
        *feature = (struct doctor_feature){.known = &contract_features[i]};
        feature->used = report->kernel.features & feature->known->bit;
        feature->cost = cost_of(feature->known->bit);
        feature->counts = feature->cost != NULL;
        if (!feature->counts)
            feature->cost = "Nothing: weft does not use it yet.";
        if (!feature->used)
            explain(report, feature);
    }
}

/* -- how many reactors ------------------------------------------------------------------------ */

struct place {
    struct weft__ring ring;
    struct weft__buffer_ring groups[GROUPS];
};

static int open_groups(struct place *place)
{
    int error = 0;

    if (!(place->ring.features & WEFT__FEATURE_BUFFER_RING))
        return 0;
    for (int i = 0; i < GROUPS && error == 0; i++)
        error = weft__buffer_ring_open(&place->ring, &place->groups[i], (uint16_t)(i + 1),
                                       group_sizes[i]);
    return error;
}

static void close_place(struct place *place)
{
    for (int i = 0; i < GROUPS; i++)
        weft__buffer_ring_close(&place->ring, &place->groups[i]);
    weft__ring_close(&place->ring);
}

/* One ring as a reactor has it, with its buffers. */
static bool open_place(struct doctor_report *report, struct place *place)
{
    struct weft__ring_opt opt = {.sq_entries = SQ_ENTRIES,
                                 .cq_entries = CQ_ENTRIES,
                                 .error_text = report->crowded,
                                 .error_text_size = sizeof report->crowded};
    int error = weft__ring_open(&place->ring, &opt);

    if (error < 0)
        return false;
    error = open_groups(place);
    if (error == 0)
        return true;
    snprintf(report->crowded, sizeof report->crowded,
             "no room for its buffers (%s); RLIMIT_MEMLOCK is %llu bytes: raise it (ulimit -l, "
             "LimitMEMLOCK=)",
             strerror(-error), (unsigned long long)report->memlock);
    close_place(place);
    return false;
}

static void ask_reactors(struct doctor_report *report)
{
    struct place *places;

    report->cpus = weft__host_cpus();
    places = calloc(report->cpus, sizeof *places);
    if (!places)
        return;
    while (report->reactors < report->cpus && open_place(report, &places[report->reactors]))
        report->reactors++;
    for (uint32_t i = 0; i < report->reactors; i++)
        close_place(&places[i]);
    free(places);
}

/* -- what is measured ------------------------------------------------------------------------- */

/* As a run does that is not told. */
static void ask_zero_copy(struct doctor_report *report)
{
    struct weft__ring_opt opt = {.sq_entries = SQ_ENTRIES, .cq_entries = CQ_ENTRIES};
    struct weft__ring ring;

    report->zero_copy_min = UINT32_MAX;
    if (weft__ring_open(&ring, &opt) < 0)
        return;
    report->zero_copy_min = weft__ring_zero_copy_min(&ring);
    weft__ring_close(&ring);
}

/* -- limits ----------------------------------------------------------------------------------- */

static uint64_t plain(rlim_t limit)
{
    return limit == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit;
}

static void ask_limits(struct doctor_report *report)
{
    struct rlimit limit = {0, 0};
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");

    if (!file || fscanf(file, "%u", &report->mappings_max) != 1)
        report->mappings_max = 65530;
    if (file)
        fclose(file);
    getrlimit(RLIMIT_NOFILE, &limit);
    report->descriptors_soft = plain(limit.rlim_cur);
    report->descriptors_hard = plain(limit.rlim_max);
    getrlimit(RLIMIT_MEMLOCK, &limit);
    report->memlock = plain(limit.rlim_cur);
}

static void ask_guards(struct doctor_report *report)
{
    struct weft__stack_pool pool;

    if (weft__stack_pool_open(&pool, NULL) < 0)
        return;
    report->guard_marks = pool.guard_install;
    weft__stack_pool_close(&pool);
}

void doctor_ask(struct doctor_report *report)
{
    memset(report, 0, sizeof *report);
    uname(&report->names);
    ask_limits(report);
    if (contract_kernel_here(&report->kernel, report->refusal, sizeof report->refusal) < 0) {
        if (!report->refusal[0])
            snprintf(report->refusal, sizeof report->refusal, "a ring cannot be opened");
        return;
    }
    report->refusal[0] = '\0';
    ask_features(report);
    ask_reactors(report);
    ask_zero_copy(report);
    ask_guards(report);
    if (report->reactors == 0)
        memcpy(report->refusal, report->crowded, sizeof report->refusal);
}

enum doctor_verdict doctor_verdict(const struct doctor_report *report)
{
    if (report->refusal[0])
        return DOCTOR_CANNOT;
    for (unsigned i = 0; i < report->feature_count; i++)
        if (report->features[i].counts && !report->features[i].used)
            return DOCTOR_REDUCED;
    if (report->reactors < report->cpus || !report->guard_marks || report->broken_count > 0)
        return DOCTOR_REDUCED;
    return DOCTOR_FULL;
}
