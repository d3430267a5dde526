/*
 * What the simulated kernel is said to do to a program, it does: over a fixed set of seeds of the
 * mix (mix.h), everything in the tables below has come up, each at least once.
 *
 * Would catch: a trouble that is no longer drawn, or whose odds have become nothing; a pair of a
 * cancel's answer and its operation's end that no seed can bring; an error that is legal for an
 * opcode and never seen. WEFT_AUDIT_TALK=1 prints the counts.
 *
 * What the broken plan gives no odds comes up where it is asked for: enter.lost, op.hang and
 * cancel.missed in test_ring.c; who touches lent memory early, or lets its frame end, in
 * test_ring_lent.c; net.silence, net.unanswered and net.bind in test_net_fault.c.
 */
#include <stdlib.h>

#include "mix.h"
#include "sim/ring_core.h"

enum { SEEDS = 150, OPCODES = 64, ERRNOS = 1024, CANCELS = 256 };

enum answer { ANSWER_0, ANSWER_ENOENT, ANSWER_EALREADY, ANSWERS };
enum end { SUCCESS, PARTIAL, CANCELED, INTERRUPTED, RESTART_LEAKED, ENDS };

static const char *const answers[ANSWERS] = {"0", "-ENOENT", "-EALREADY"};
static const char *const ends[ENDS] = {"success", "part of it", "-ECANCELED", "-EINTR",
                                       "-ERESTARTSYS"};

/* What was seen. */
static uint64_t pairs[ANSWERS][ENDS];
static uint64_t orders[2]; /* the answer first, or the operation's end */
static uint64_t errors[OPCODES][ERRNOS];
static uint64_t came_true[WEFT__SIM_KNOB_COUNT];
static uint64_t submitted;
static struct {
    uint64_t again, busy; /* from an enter */
    uint64_t no_request;
    uint64_t ended_by_overflow, ended_for_nothing; /* multishots */
    uint64_t jumps;
} seen;

/* Cancels of which the answer or the operation's end is still to come. */
static struct cancel {
    uint64_t canceller, target; /* serial numbers; 0: free */
    bool answered, ended;
    enum answer answer;
    enum end end;
} cancels[CANCELS];

/* -- watching ------------------------------------------------------------------------------------
 */

int __real_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns);
int __wrap_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns);
int __wrap_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns)
{
    int result = __real_weft__ring_enter(ring, wait_count, deadline_ns);

    seen.again += result == -EAGAIN;
    seen.busy += result == -EBUSY;
    return result;
}

struct weft__sqe *__real_weft__ring_take_slow(struct weft__ring *ring);
struct weft__sqe *__wrap_weft__ring_take_slow(struct weft__ring *ring);
struct weft__sqe *__wrap_weft__ring_take_slow(struct weft__ring *ring)
{
    struct weft__sqe *sqe = __real_weft__ring_take_slow(ring);

    seen.no_request += sqe == NULL;
    return sqe;
}

/* The request, which is in its ring's table until its completion has been noted. */
static const struct weft__sim_request *request_of(uint64_t serial)
{
    for (const struct weft__sim_ring *ring = weft__sim_world->rings; ring; ring = ring->next)
        for (size_t i = 0; i < WEFT__SIM_CHAINS; i++)
            for (const struct weft__sim_request *r = ring->table[i]; r; r = r->next)
                if (r->serial == serial)
                    return r;
    return NULL;
}

static enum answer answer_of(int64_t result)
{
    return result == -ENOENT ? ANSWER_ENOENT : result == -EALREADY ? ANSWER_EALREADY : ANSWER_0;
}

static enum end end_of(const struct weft__sim_request *request, int64_t result)
{
    if (result >= 0)
        return request->for_all && result < request->sqe.length ? PARTIAL : SUCCESS;
    return result == -ECANCELED ? CANCELED
           : result == -EINTR   ? INTERRUPTED
           : result == -512     ? RESTART_LEAKED
                                : ENDS; /* an error of its own */
}

static void begin_cancel(uint64_t canceller, uint64_t target)
{
    size_t i = 0;

    while (i < CANCELS && cancels[i].target)
        i++;
    ck_assert_uint_lt(i, CANCELS);
    cancels[i] = (struct cancel){.canceller = canceller, .target = target};
}

static void note_end(const struct weft__sim_request *request, int64_t result)
{
    for (size_t i = 0; i < CANCELS; i++) {
        struct cancel *cancel = &cancels[i];
        if (!cancel->target)
            continue;
        if (cancel->canceller == request->serial) {
            cancel->answer = answer_of(result);
            cancel->answered = true;
            orders[cancel->ended]++;
        } else if (cancel->target == request->serial) {
            cancel->end = end_of(request, result);
            cancel->ended = true;
        }
        if (!cancel->answered || !cancel->ended)
            continue;
        if (cancel->end < ENDS)
            pairs[cancel->answer][cancel->end]++;
        cancel->target = 0;
    }
}

static void note_result(uint64_t serial, int64_t result, int64_t flags)
{
    const struct weft__sim_request *request = request_of(serial);

    ck_assert_ptr_nonnull(request);
    if (result < 0 && result > -ERRNOS && !request->cancelled)
        errors[request->sqe.opcode % OPCODES][-result]++;
    if (flags & WEFT__CQE_MORE)
        return;
    note_end(request, result);
    if (weft__sim_is_multishot(request) && result > 0) {
        seen.ended_by_overflow += weft__sim_cq_full(request->ring);
        seen.ended_for_nothing += !weft__sim_cq_full(request->ring);
    }
}

static void watch(const struct weft_sim_event *event, void *context)
{
    static uint64_t last_submitted;
    static int64_t result;

    (void)context;
    if (strcmp(event->what, "submit") == 0) {
        last_submitted = event->who;
        submitted++;
    } else if (strcmp(event->what, "cancel") == 0) {
        begin_cancel(last_submitted, event->who);
    } else if (strcmp(event->what, "result") == 0) {
        result = event->value;
    } else if (strcmp(event->what, "flags") == 0) {
        note_result(event->who, result, event->value);
    } else if (strcmp(event->what, "clock") == 0) {
        seen.jumps++;
    }
}

/* What is done when it is submitted is so nearly always: both ways are counted. */
static void at_end(void)
{
    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++)
        came_true[i] += weft__sim_world->came_true[i];
    memset(cancels, 0, sizeof cancels);
}

/* -- the tables ----------------------------------------------------------------------------------
 */

static bool talk;
static int missing;

static __attribute__((format(printf, 2, 3))) void expect(uint64_t count, const char *format, ...)
{
    char what[128];
    __builtin_va_list arguments;

    __builtin_va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    __builtin_va_end(arguments);
    if (talk || count == 0)
        fprintf(stderr, "%10llu  %s\n", (unsigned long long)count, what);
    missing += count == 0;
}

static const char *const knobs[WEFT__SIM_KNOB_COUNT] = {
#define NAME(id, name, ...) name,
    WEFT__SIM_KNOBS(NAME, NAME, NAME)};

/* A rule and no trouble; two that need requests weft does not make, which test_ring_lent.c has; the
   disk's, which test_disk.c has; those of processes, which test_process.c has; memory for files,
   which test_file_object_held.c has; and what is given to be sent, which api-sim/send_give has. */
static bool is_elsewhere(const char *name)
{
    if (strncmp(name, "disk.", 5) == 0 || strncmp(name, "power.", 6) == 0 ||
        strncmp(name, "net.datagram_", 13) == 0 || strncmp(name, "process.", 8) == 0 ||
        strncmp(name, "zc.", 3) == 0)
        return true;
    return strcmp(name, "net.privileged") == 0 || strcmp(name, "buffers.early") == 0 ||
           strcmp(name, "recv.end_unseen") == 0 || strcmp(name, "memory.hold") == 0;
}

/* Every knob that has odds in the broken plan, and is no span. */
static void expect_knobs(void)
{
    struct weft__sim_plan plan;

    ck_assert_int_eq(weft__sim_plan_parse(&plan, "broken"), 0);
    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++)
        if (plan.knobs[i].low > 0 && plan.knobs[i].low == plan.knobs[i].high &&
            plan.knobs[i].low < WEFT__SIM_ODDS && !is_elsewhere(knobs[i]))
            expect(came_true[i], "drawn: %s", knobs[i]);
}

static void expect_errors(void)
{
    static const struct {
        uint8_t opcode;
        int errors[16];
    } legal[] = {
        {WEFT__OP_POLL_ADD, {ENOMEM}},
        {WEFT__OP_ACCEPT,
         {ECONNABORTED, EPROTO, ENOMEM, ENOBUFS, ENFILE, EMFILE, ENETDOWN, EPERM, EHOSTUNREACH,
          ENETUNREACH}},
        {WEFT__OP_CONNECT,
         {ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, ETIMEDOUT, EADDRNOTAVAIL, ENOMEM, EPERM,
          ECONNRESET}},
        {WEFT__OP_SEND, {ENOMEM, ENOBUFS, EINTR, ECONNRESET, EPIPE}},
        {WEFT__OP_RECV, {ENOMEM, EINTR, ENOBUFS, ECONNRESET}},
        {WEFT__OP_MSG_RING, {ENOMEM, EOVERFLOW}},
    };

    for (size_t i = 0; i < sizeof legal / sizeof legal[0]; i++)
        for (const int *error = legal[i].errors; *error; error++)
            expect(errors[legal[i].opcode][*error], "%s: %s",
                   weft__sim_opcode_name(legal[i].opcode), strerror(*error));
}

static void expect_pairs(void)
{
    for (int answer = 0; answer < ANSWERS; answer++)
        for (int end = 0; end < ENDS; end++)
            expect(pairs[answer][end], "cancel: %s, and its operation: %s", answers[answer],
                   ends[end]);
    expect(orders[0], "a cancel answered before its operation ends");
    expect(orders[1], "a cancel answered after its operation has ended");
}

TEST(everything_that_is_said_comes_up)
{
    static const char *const plans[] = {"broken op.errno=1/50 fd.none=1/30 host.errno=1/50",
                                        "broken sq.size=2..4 cq.size=4..5 cq.full=1/50",
                                        "broken cancel.time=0 op.held=1/3 op.reset=1/500",
                                        "broken net.latency=0..20us net.refused=1/50 "
                                        "net.unreachable=1/50",
                                        "broken ring.open=1/10 bell.open=1/10 buffers.open=1/10 "
                                        "file.hold=1/10 thread.none=1/3 ring.lacks=1/5 "
                                        "bell.copy=1/5"};

    mix_at_end = at_end;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world world = {.seed = seed, .plan = plans[seed % 5], .trace = watch};
        mix_run(&world, true);
    }
    talk = getenv("WEFT_AUDIT_TALK") != NULL;
    expect_knobs();
    expect_errors();
    expect_pairs();
    expect(submitted - came_true[WEFT__SIM_INLINE], "done later than submitted");
    expect(seen.again, "an enter: -EAGAIN");
    expect(seen.busy, "an enter: -EBUSY");
    expect(seen.no_request, "no request to be had");
    expect(seen.ended_by_overflow, "a multishot ended by a full queue");
    expect(seen.ended_for_nothing, "a multishot ended for no reason");
    expect(seen.jumps, "a jump of the clock");
    ck_assert_msg(missing == 0, "%d of what was expected never came up", missing);
}

TEST_MAIN("sim/audit", 600, everything_that_is_said_comes_up)
