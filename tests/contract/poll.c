/*
 * poll.c - checks: the poll under a bell, which is never read and so works by edges.
 */
#include "contract.h"

enum { BELL = 100 };

static void is_never_read(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    unsigned heard = 0;

    contract_submit(c, ring);
    for (int i = 0; i < 5; i++) {
        weft__bell_ring(bell);
        heard += contract_wait(c, ring, BELL).result > 0;
        contract_enter(c, ring, 1, contract_soon()); /* the counter still stands: no edge */
    }
    contract_say(c, "%u of 5, %s", heard, contract_here(c, ring, BELL) ? "and more" : "no more");
}

static void armed_again_while_it_stands(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__cqe cqe;
    unsigned count = 0;
    int32_t answer;

    weft__bell_ring(bell);
    contract_wait(c, ring, BELL);
    contract_cancel(c, ring, BELL, &answer);
    contract_wait(c, ring, BELL);
    if (!c->trouble[0])
        weft__bell_rearm(bell, ring);
    while (contract_next(c, ring, BELL, contract_soon(), &cqe))
        count++;
    contract_say(c, "%s", count <= 1 ? "one at most" : "many");
    weft__bell_ring(bell);
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "deaf" : "heard");
}

static void ended_says_so(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__cqe cqe;
    int32_t answer;

    contract_submit(c, ring);
    contract_cancel(c, ring, BELL, &answer);
    cqe = contract_wait(c, ring, BELL);
    contract_say(c, "%s", contract_more(cqe));
    weft__bell_ring(bell);
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "deaf from then on" : "heard");
    if (!c->trouble[0])
        weft__bell_rearm(bell, ring);
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "lost" : "heard when armed again");
}

static void a_sleep_for_each(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    unsigned slept = 0;

    contract_submit(c, ring);
    for (int i = 0; i < 20; i++) {
        int64_t begin_ns = weft__host_now();
        weft__bell_ring(bell);
        contract_enter(c, ring, 1, begin_ns + INT64_C(3600000000000));
        slept += contract_here(c, ring, BELL) > 0;
        contract_wait(c, ring, BELL);
    }
    contract_say(c, "%u of 20 sleeps ended", slept);
}

static void at_the_next_enter(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);

    contract_submit(c, ring);
    weft__bell_ring(bell);
    contract_say(c, "%u before an enter", contract_here(c, ring, BELL));
    contract_submit(c, ring);
    contract_say(c, "%u after", contract_here(c, ring, BELL));
}

#define POLL "src/ring/uring_bell.c, the eventfd is never read"

const struct contract_check contract_polling[] = {
    {"poll/is-never-read",
     "The poll completes for each ring and not for what stands there.",
     POLL,
     is_never_read,
     0,
     {ANSWER("5 of 5, no more")}},
    {"poll/armed-again-while-it-stands",
     "Arming it again may give one that nobody rang.",
     "src/ring/ring.h, bells",
     armed_again_while_it_stands,
     0,
     {ANSWER("one at most, heard")}},
    {"poll/ended-says-so",
     "A poll that ended has said so, and loses no ring until it is armed.",
     "src/reactor/reactor.c, bell_unarmed",
     ended_says_so,
     0,
     {ANSWER("the last, deaf from then on, heard when armed again")}},
    {"poll/a-sleep-for-each",
     "A ring just before a sleep ends it.",
     "src/reactor/inbox.h",
     a_sleep_for_each,
     0,
     {ANSWER("20 of 20 sleeps ended")}},
    {"poll/at-the-next-enter",
     "A ring is seen in an enter and at no other time.",
     "src/reactor/reactor.c, visit_kernel",
     at_the_next_enter,
     0,
     {ANSWER("0 before an enter, 1 after")}},
    {0},
};
