/*
 * Programs as bytes: the table of kinds, decoding, generating, printing, taking steps out.
 *
 *      byte 0      plan                          4      connections made beforehand, and how
 *           1      reactors, budget              5      spans of a stop
 *           2, 3   seed of the world             6, 7   more of the seed
 *      then steps: kind, a, b, c
 */
#include "steps.h"

#include <stdio.h>

/* The last ones press hard on one thing. Clocks that jump are kept short of the spans of a stop. */
static const char *const plans[] = {
    "calm",
    "rough",
    "broken clock.jump_time=1ms..200ms",
    "rough",
    "rough sq.size=2 cq.size=4 op.short=1/2 cq.full=1/20 multishot.end=1/4",
    "rough buffers.none=1/4 buffers.on_error=always buffers.early=always",
    "rough op.inline=never op.held=1/2 op.late=1/8 sched.starve=1/50",
    "broken op.errno=2% op.reset=1% fd.none=1% clock.jump_time=1ms..200ms",
};
enum { PLANS = sizeof plans / sizeof plans[0], PLAN_FAULTS = 1 << 2 | 1 << 7 };

const struct kind kinds[] = {
    [KIND_END] = {"end", "", "", "", NULL, 12},
    [KIND_RETURN] = {"return", "value", "of the last step", "", NULL, 4},
    [KIND_BLOCK] = {"block", "steps", "deadline", "on_error", NULL, 8},
    {"spawn", "body", "where", "how", step_spawn, 26},
    {"call", "body", "reactor", "argument", step_call, 5},
    {"join", "task", "await", "", step_join, 8},
    {"cancel", "task", "", "", step_cancel, 8},
    {"uncancel", "", "", "", step_uncancel, 2},
    {"cancel_post", "task", "", "", step_cancel_post, 3},
    {"sleep", "span", "", "", step_sleep, 8},
    {"sleep_until", "span", "", "", step_sleep_until, 3},
    {"yield", "", "", "", step_yield, 5},
    {"stop", "", "", "", step_stop, 1},
    {"open", "on_error", "deadline", "limit", step_open, 12},
    {"shield", "span", "", "", step_shield, 4},
    {"close_scope", "", "", "", step_close_scope, 10},
    {"scope_cancel", "scope", "whose", "", step_scope_cancel, 4},
    {"reschedule", "scope", "deadline", "", step_reschedule, 3},
    {"drain", "scope", "soft", "hard", step_drain, 5},
    {"defer", "sleeps", "", "", step_defer, 4},
    {"errors", "scope", "", "", step_errors, 3},
    {"listen", "tcp", "", "", step_listen, 2},
    {"unlisten", "listener", "", "", step_unlisten, 1},
    {"connect", "listener", "how", "", step_connect, 7},
    {"accept", "listener", "", "", step_accept, 7},
    {"recv", "end", "size", "how", step_recv, 18},
    {"send", "end", "size", "how", step_send, 14},
    {"shutdown", "end", "how", "", step_shutdown, 3},
    {"close", "end", "abort", "", step_close, 5},
    {"move", "end", "", "", step_move, 3},
    {"stream", "end", "held", "buffer", step_stream, 10},
    {"read", "end", "size", "how", step_read, 16},
    {"write", "end", "size", "", step_write, 10},
    {"peek", "end", "meanwhile", "then", step_peek, 16},
    {"flush", "end", "", "", step_flush, 2},
    {"post", "reactor", "way", "spawns", step_post, 5},
    {"lock", "lock", "how", "holding", step_lock, 8},
    {"unlock", "lock", "", "", step_unlock, 1},
    {"notify", "condition", "count", "", step_notify, 3},
    {"rwlock", "lock", "how", "holding", step_rwlock, 5},
    {"event", "event", "how", "span", step_event, 6},
    {"permit", "semaphore", "how", "span", step_permit, 7},
    {"barrier", "barrier", "how", "span", step_barrier, 4},
    {"put", "queue", "how", "span", step_put, 7},
    {"get", "queue", "how", "span", step_get, 6},
    {"queue", "queue", "what", "", step_queue, 5},
    {"future", "what", "future", "callback", step_future, 14},
    {"await", "future", "how", "span", step_await, 8},
    {"several", "what", "things", "span", step_several, 10},
    {"later", "way", "span", "handle", step_later, 5},
    {"take_back", "callback", "", "", step_take_back, 2},
    {"thread", "", "", "", step_thread, 2},
    {"context", "variable", "value", "reset", step_context, 4},
};
const int kind_count = sizeof kinds / sizeof kinds[0];

int64_t span_of(uint8_t choice)
{
    static const int64_t spans[] = {0, 1000, 20000, 100000, 1000000, 5000000, 40000000, 300000000};

    return spans[choice % 8] + spans[choice % 8] / 16 * (choice / 8);
}

size_t size_of(uint8_t choice)
{
    static const size_t sizes[] = {1, 16, 300, 1024, 4096, 9000, 20000, 60000};

    return sizes[choice % 8] + choice / 8 % 4;
}

/* -- decoding -------------------------------------------------------------------------------- */

static void decode_header(struct program *out, const uint8_t *bytes)
{
    static const int64_t spans[] = {100000000000, 20000000000, 1000000000000, 50000000000};

    out->plan = plans[bytes[0] % PLANS];
    out->faults = PLAN_FAULTS >> bytes[0] % PLANS & 1;
    out->reactors = 1 + bytes[1] % REACTORS_MAX;
    out->budget_of_one = bytes[1] & 0x80;
    out->seed = 1 + (bytes[2] | (uint64_t)bytes[3] << 8 | (uint64_t)bytes[6] << 16 |
                     (uint64_t)bytes[7] << 24);
    out->pairs = bytes[4] % 5;
    out->unix_pairs = bytes[4] & 0x80;
    out->drain_ns = 1000000 + spans[3] / 1000 * (bytes[5] % 4);
    out->cancel_ns = spans[bytes[5] / 4 % 4];
}

void program_decode(struct program *out, const uint8_t *bytes, size_t size)
{
    uint8_t header[HEADER_SIZE] = {0};

    memset(out, 0, sizeof *out);
    memcpy(header, bytes, size < HEADER_SIZE ? size : HEADER_SIZE);
    decode_header(out, header);
    out->bodies = 1;
    for (size_t at = HEADER_SIZE; at + STEP_SIZE <= size && out->count < STEPS_MAX;
         at += STEP_SIZE) {
        const struct step step = {(uint8_t)(bytes[at] % kind_count), bytes[at + 1], bytes[at + 2],
                                  bytes[at + 3]};
        out->steps[out->count++] = step;
        out->body[out->bodies - 1].count++;
        if (step.kind != KIND_END || out->bodies == BODIES_MAX)
            continue;
        out->body[out->bodies - 1].count--;
        out->body[out->bodies++].first = out->count;
    }
}

size_t program_without(uint8_t *bytes, size_t size, int n, int how_many)
{
    size_t at = HEADER_SIZE + (size_t)n * STEP_SIZE, length = (size_t)how_many * STEP_SIZE;

    if (at + length > size)
        return 0;
    memmove(bytes + at, bytes + at + length, size - at - length);
    return size - length;
}

/* -- generating ------------------------------------------------------------------------------ */

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int kind_of(step_fn *run)
{
    int kind = 0;

    while (kinds[kind].run != run)
        kind++;
    return kind;
}

/* A program is about everything, or more than usual about what tasks wait for one another with, or
   about futures and what is called later: then so much is met there as well. */
enum { THEMES = 4, IN_THEME = 4 };

static int theme_of(int kind)
{
    return kinds[kind].run == NULL        ? 0
           : kind >= kind_of(step_future) ? 3
           : kind >= kind_of(step_lock)   ? 2
                                          : 1;
}

static uint32_t weight_of(int kind, int theme)
{
    return kinds[kind].weight * (theme_of(kind) == theme && theme > 1 ? IN_THEME : 1);
}

static uint8_t draw_kind(uint64_t *state, int theme)
{
    uint32_t total = 0, at;
    int kind = 0;

    for (int i = 0; i < kind_count; i++)
        total += weight_of(i, theme);
    at = (uint32_t)(draw(state) % total);
    while (at >= weight_of(kind, theme))
        at -= weight_of(kind++, theme);
    return (uint8_t)kind;
}

size_t program_generate(uint8_t *bytes, uint64_t seed, int plan)
{
    uint64_t state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    size_t size = HEADER_SIZE;
    int steps = 8 + (int)(draw(&state) % (STEPS_MAX - 8)) * (1 + (int)(seed % 3)) / 3;

    for (int i = 0; i < HEADER_SIZE; i++)
        bytes[i] = (uint8_t)draw(&state);
    if (plan >= 0)
        bytes[0] = (uint8_t)plan;
    for (int i = 0; i < steps; i++, size += STEP_SIZE) {
        uint64_t numbers = draw(&state);
        bytes[size] = draw_kind(&state, (int)(seed % THEMES));
        for (int k = 1; k < STEP_SIZE; k++)
            bytes[size + (size_t)k] = (uint8_t)(numbers >> 8 * k);
    }
    return size;
}

/* -- printing -------------------------------------------------------------------------------- */

static void print_number(const char *name, int value)
{
    if (*name)
        fprintf(stderr, " %s=%d", name, value);
}

static void print_step(const struct program *p, int i)
{
    const struct step *step = &p->steps[i];
    const struct kind *kind = &kinds[step->kind];

    fprintf(stderr, "    %3d  %s", i, kind->name);
    print_number(kind->a, step->a);
    print_number(kind->b, step->b);
    print_number(kind->c, step->c);
    fputc('\n', stderr);
}

void program_print(const uint8_t *bytes, size_t size)
{
    static struct program p;

    program_decode(&p, bytes, size);
    fprintf(stderr,
            "  world: WEFT_SIM_SEED=%llu WEFT_SIM_PLAN='%s'; %d reactors, budget %s, %d %s "
            "connections\n",
            (unsigned long long)p.seed, p.plan, p.reactors, p.budget_of_one ? "1" : "as usual",
            p.pairs, p.unix_pairs ? "Unix" : "TCP");
    for (int b = 0; b < p.bodies; b++) {
        fprintf(stderr, "  body %d\n", b);
        for (int i = p.body[b].first; i < p.body[b].first + p.body[b].count; i++)
            print_step(&p, i);
    }
}
