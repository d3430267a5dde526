/*
 * The timer wheel against a plain model: never early, never later than a tick, in order of due time
 * and then of arming; what weft__timers_next says; extremes; a hundred thousand in one tick.
 */
#include "support/test.h"

#include <stdlib.h>

#include "reactor/timer.h"

enum { TICK_NS = 1 << WEFT__TIMER_TICK_SHIFT, COUNT = 2000 };

struct entry {
    struct weft__timer timer;
    int64_t armed_ns;
    bool armed;
};

/* Not assertions of Check, which write to a pipe each time: these stand in loops of millions. */
static struct weft__timers wheel;
static struct entry entries[COUNT];
static int64_t now_ns, base_ns, last_due;
static uint64_t last_order, fired;

static uint64_t seed = 88172645463325252u;
static uint64_t random_u64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A span of any order of magnitude. */
static int64_t random_span(void)
{
    return (int64_t)(random_u64() >> (random_u64() % 63 + 1));
}

static void check_fire(struct weft__timer *timer)
{
    struct entry *entry = (struct entry *)timer;

    ck_model(entry->armed);
    ck_model(!weft__timer_armed(timer));
    ck_model(timer->due_ns <= now_ns); /* never early */
    if (fired > 0)
        ck_model(timer->due_ns > last_due ||
                 (timer->due_ns == last_due && timer->order > last_order));
    last_due = timer->due_ns;
    last_order = timer->order;
    entry->armed = false;
    fired++;
}

static void arm(struct entry *entry, int64_t due_ns)
{
    entry->timer.fire = check_fire;
    entry->armed = true;
    entry->armed_ns = now_ns;
    weft__timer_arm(&wheel, &entry->timer, due_ns);
}

/* The model: a look at all of them. */
static void check_against_all(void)
{
    int64_t earliest = INT64_MAX, next = weft__timers_next(&wheel);
    uint64_t alive = 0;

    for (int i = 0; i < COUNT; i++) {
        ck_model(entries[i].armed == weft__timer_armed(&entries[i].timer));
        if (!entries[i].armed)
            continue;
        alive++;
        if (entries[i].timer.due_ns < earliest)
            earliest = entries[i].timer.due_ns;
    }
    ck_model(alive == wheel.alive);
    ck_model(alive || next == INT64_MAX);
    if (earliest < INT64_MAX - 2 * TICK_NS) { /* never later than needed */
        int64_t needed = (earliest > now_ns ? earliest : now_ns) + TICK_NS;
        ck_model(next <= needed);
    }
}

static void run_at(int64_t time_ns, uint32_t count_max)
{
    now_ns = time_ns;
    fired = 0;
    weft__timers_run(&wheel, now_ns, count_max);
    weft__timers_check(&wheel);
    if (fired < count_max)
        for (int i = 0; i < COUNT; i++) /* none left that was due a tick ago */
            ck_model(!entries[i].armed || entries[i].timer.due_ns > now_ns - TICK_NS ||
                     entries[i].armed_ns > now_ns - TICK_NS);
}

TEST(random_against_a_model)
{
    int steps = test_long() ? 3000000 : 60000;

    base_ns = now_ns = (int64_t)(random_u64() >> 8);
    weft__timers_open(&wheel, now_ns);
    for (int step = 0; step < steps; step++) {
        struct entry *entry = &entries[random_u64() % COUNT];
        switch (random_u64() % 8) {
        case 0:
        case 1:
        case 2:
        case 3:
            if (!entry->armed) {
                int64_t span = random_span();
                arm(entry, span > INT64_MAX - now_ns ? INT64_MAX : now_ns + span);
            }
            break;
        case 4:
        case 5:
            weft__timer_disarm(&wheel, &entry->timer);
            weft__timer_disarm(&wheel, &entry->timer); /* twice is once */
            entry->armed = false;
            break;
        case 6: { /* on by any span that leaves room for years */
            int64_t span = random_span() % (INT64_C(1) << (random_u64() % 45));
            if (now_ns < INT64_MAX / 2)
                run_at(now_ns + span, UINT32_MAX);
            break;
        }
        case 7: { /* as the reactor does: to when it says */
            int64_t next = weft__timers_next(&wheel);
            if (next < INT64_MAX / 2)
                run_at(next > now_ns ? next : now_ns, UINT32_MAX);
            break;
        }
        }
        if (step % 64 == 0)
            check_against_all();
    }
    for (int i = 0; i < COUNT; i++) {
        weft__timer_disarm(&wheel, &entries[i].timer);
        entries[i].armed = false;
    }
    weft__timers_check(&wheel);
    ck_assert_uint_eq(wheel.alive, 0);
    ck_assert_int_eq(weft__timers_next(&wheel), INT64_MAX);
}

/* Following weft__timers_next alone, a timer fires within a tick of its due time, in few steps. */
TEST(next_leads_there)
{
    for (int i = 0; i < 3000; i++) {
        int steps = 0;
        now_ns = (int64_t)(random_u64() >> 3);
        weft__timers_open(&wheel, now_ns);
        int64_t due = now_ns + (random_span() >> 3);
        arm(&entries[0], due);
        for (int k = 1; k < 40; k++) /* so many that it does not look at each */
            arm(&entries[k], due + random_span() % TICK_NS);
        while (entries[0].armed) {
            int64_t next = weft__timers_next(&wheel);
            ck_model(next > now_ns);
            ck_model(next <= (due > now_ns ? due : now_ns) + TICK_NS);
            run_at(next, UINT32_MAX);
            ck_model(++steps <= 12);
        }
        ck_assert_int_le(now_ns, due + 2 * TICK_NS);
        for (int k = 1; k < 40; k++) {
            weft__timer_disarm(&wheel, &entries[k].timer);
            entries[k].armed = false;
        }
    }
}

/* Found once: asked again it looks at none of them, until one is armed, disarmed, or spread out. */
TEST(next_is_remembered)
{
    int64_t far_ns;

    now_ns = 5000000;
    weft__timers_open(&wheel, now_ns);
    for (int i = 0; i < 20; i++)
        arm(&entries[i], now_ns + INT64_C(300000000000) + i);
    far_ns = weft__timers_next(&wheel);
    ck_assert_int_eq(wheel.next_ns, far_ns);
    run_at(now_ns + 10 * TICK_NS, UINT32_MAX);
    ck_assert_int_eq(wheel.next_ns, far_ns);
    arm(&entries[20], now_ns + 100 * TICK_NS);
    ck_assert_int_lt(weft__timers_next(&wheel), now_ns + 102 * TICK_NS);
    weft__timer_disarm(&wheel, &entries[20].timer);
    entries[20].armed = false;
    ck_assert_int_eq(weft__timers_next(&wheel), far_ns);
    run_at(far_ns, UINT32_MAX);
    check_against_all();
    for (int i = 0; i < 20; i++)
        weft__timer_disarm(&wheel, &entries[i].timer);
    ck_assert_int_eq(weft__timers_next(&wheel), INT64_MAX);
    for (int i = 0; i < 20; i++)
        entries[i].armed = false;
}

TEST(extremes)
{
    now_ns = 5000000;
    weft__timers_open(&wheel, now_ns);
    arm(&entries[0], INT64_MIN);
    arm(&entries[1], INT64_MAX);
    arm(&entries[2], 0);
    arm(&entries[3], -1);
    arm(&entries[4], INT64_MAX - 1);
    check_against_all();
    run_at(now_ns, UINT32_MAX); /* due, but the tick is not over */
    run_at(weft__timers_next(&wheel), UINT32_MAX);
    ck_assert_uint_eq(fired, 3);
    ck_assert_uint_eq(wheel.alive, 2);
    run_at(INT64_MAX / 2, UINT32_MAX);
    ck_assert_uint_eq(fired, 0);
    now_ns = INT64_MAX - 4 * TICK_NS;
    run_at(now_ns, UINT32_MAX);
    ck_assert_uint_eq(fired, 0);
    ck_assert_int_eq(weft__timers_next(&wheel), INT64_MAX); /* the end of that tick is beyond */
    weft__timer_disarm(&wheel, &entries[1].timer);
    weft__timer_disarm(&wheel, &entries[4].timer);
    ck_assert_int_eq(weft__timers_next(&wheel), INT64_MAX);
    entries[1].armed = entries[4].armed = false;
}

/* count_max: the rest comes later, in order; meanwhile `next` says at once. */
TEST(a_few_at_a_time)
{
    uint64_t total = 0;

    now_ns = 1000;
    weft__timers_open(&wheel, now_ns);
    for (int i = 0; i < COUNT; i++)
        arm(&entries[i], 5000 + (int64_t)(random_u64() % 50000));
    now_ns = 1000000;
    fired = 0;
    while (wheel.alive > 0) {
        ck_assert_uint_le(weft__timers_run(&wheel, now_ns, 7), 7);
        ck_assert_uint_gt(fired, total);
        total = fired;
        weft__timers_check(&wheel);
        if (wheel.alive)
            ck_assert_int_eq(weft__timers_next(&wheel), 0);
        if (wheel.due && wheel.due->next && random_u64() % 4 == 0) { /* out of the due list */
            struct entry *entry = (struct entry *)wheel.due->next;
            weft__timer_disarm(&wheel, &entry->timer);
            entry->armed = false;
            total++;
            fired++;
        }
    }
    ck_assert_uint_eq(total, COUNT);
}

/* fire may disarm others and arm any, itself too; what it arms for the past comes in another run.
 */
static int again;
static void fire_again(struct weft__timer *timer)
{
    struct entry *entry = (struct entry *)timer;

    again++;
    for (int i = 0; i < 10; i++) {
        struct entry *other = &entries[random_u64() % 100];
        weft__timer_disarm(&wheel, &other->timer);
        other->timer.fire = fire_again;
        if (random_u64() % 16)
            weft__timer_arm(&wheel, &other->timer, now_ns - 5000 + (int64_t)(random_u64() % 9000));
    }
    weft__timer_disarm(&wheel, &entry->timer);
    weft__timer_arm(&wheel, &entry->timer, 0);
}
TEST(firing_changes_others)
{
    now_ns = 1000000;
    weft__timers_open(&wheel, now_ns);
    entries[0].timer.fire = fire_again;
    weft__timer_arm(&wheel, &entries[0].timer, 0);
    for (int turn = 0; turn < 20000; turn++) {
        ck_assert_uint_le(weft__timers_run(&wheel, now_ns, UINT32_MAX), 100000);
        weft__timers_check(&wheel);
        now_ns += 1024;
    }
    ck_assert_int_gt(again, 1000);
}

/* 10^5 in one tick: all fire in one run, in order, in time that is about linear. */
TEST(one_tick)
{
    enum { MANY = 100000 };
    struct entry *many = calloc(MANY, sizeof *many);

    ck_assert_ptr_nonnull(many);
    for (int shape = 0; shape < 3; shape++) { /* forwards, backwards, at random */
        now_ns = INT64_C(1) << 40;
        weft__timers_open(&wheel, now_ns);
        for (int i = 0; i < MANY; i++)
            arm(&many[i], now_ns + (int64_t)1000000 * 1024 +
                              (shape == 0   ? i * 1024 / MANY
                               : shape == 1 ? 1023 - i * 1024 / MANY
                                            : (int64_t)(random_u64() % 1024)));
        fired = 0;
        now_ns += INT64_C(1000002) * 1024;
        ck_assert_uint_eq(weft__timers_run(&wheel, now_ns, UINT32_MAX), MANY);
        ck_assert_uint_eq(fired, MANY);
    }
    free(many);
}

/* The present comes to the very tick with which the span of a list above begins: what lies in that
   list comes before what is armed later in the same span. */
TEST(where_a_span_begins)
{
    enum { SPAN = WEFT__TIMER_SLOTS };

    for (uint64_t level = 1, span = SPAN; level < 4; level++, span *= SPAN) {
        int64_t begin_ns = (int64_t)(3 * span) << WEFT__TIMER_TICK_SHIFT;
        now_ns = 0;
        weft__timers_open(&wheel, now_ns);
        arm(&entries[0], begin_ns + 2 * TICK_NS);
        run_at(begin_ns, UINT32_MAX);
        arm(&entries[1], begin_ns + 9 * TICK_NS);
        check_against_all();
        run_at(begin_ns + 20 * TICK_NS, UINT32_MAX); /* the first one first */
        ck_assert_uint_eq(fired, 2);
    }
}

/* A wheel with nothing on it keeps up with the clock: what is armed next fires when it is due. */
TEST(an_empty_wheel_keeps_up)
{
    now_ns = 1000000000;
    weft__timers_open(&wheel, now_ns);
    now_ns += INT64_C(3600000000000);
    ck_assert_uint_eq(weft__timers_run(&wheel, now_ns, 10), 0);
    arm(&entries[0], now_ns + 5 * TICK_NS);
    now_ns += 4 * TICK_NS;
    ck_assert_uint_eq(weft__timers_run(&wheel, now_ns, 10), 0);
    now_ns += 2 * TICK_NS;
    ck_assert_uint_eq(weft__timers_run(&wheel, now_ns, 10), 1);
}

TEST_MAIN("reactor.timer", 60, random_against_a_model, next_leads_there, next_is_remembered,
          extremes, a_few_at_a_time, firing_changes_others, one_tick, where_a_span_begins,
          an_empty_wheel_keeps_up)
