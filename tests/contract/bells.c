/*
 * bells.c - checks: a sleeper wakes however it is rung, and nothing rings that was not rung.
 */
#include "contract.h"

#include <errno.h>

enum { BELL = 100, SENT = 101, NOP = 102 };

static void by_hand(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__cqe cqe;

    contract_submit(c, ring);
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "silent" : "rings by itself");
    weft__bell_ring(bell);
    cqe = contract_wait(c, ring, BELL);
    contract_say(c, "%s, %s", cqe.result > 0 ? "heard" : "an error", contract_more(cqe));
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "once" : "again");
}

static void before_it_is_armed(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    weft__bell_ring(contract_bell(c, ring, BELL)); /* the request is taken, and not submitted */
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "lost" : "heard");
}

static void many_times(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__cqe cqe;
    unsigned count = 0;

    contract_submit(c, ring);
    for (int i = 0; i < 100; i++)
        weft__bell_ring(bell);
    while (contract_next(c, ring, BELL, contract_soon(), &cqe))
        count++;
    contract_say(c, "%s", count == 0 ? "none" : count <= 100 ? "1 to 100" : "more");
    weft__bell_ring(bell);
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "then deaf" : "and again");
}

static void one_after_the_other(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    unsigned heard = 0;

    for (int i = 0; i < 50; i++) {
        weft__bell_ring(bell);
        struct weft__cqe cqe = contract_wait(c, ring, BELL);
        heard += cqe.result > 0;
        if (!(cqe.flags & WEFT__CQE_MORE))
            weft__bell_rearm(bell, ring);
    }
    contract_say(c, "%u of 50", heard);
}

static void beside_requests(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);

    contract_submit(c, ring);
    CONTRACT_ASK(c, ring, NOP, nop);
    weft__bell_ring(bell);
    contract_wait(c, ring, NOP);
    contract_wait(c, ring, BELL);
    contract_say(c, "both");
}

/* Two rings: a bell of the one, messages through the other. False: this kernel has none. */
static bool message(struct contract *c, struct weft__bell *bell, struct weft__ring *from)
{
    struct weft__sqe *sqe = contract_take(c, from);

    if (c->trouble[0] || !weft__bell_prepare(bell, from, sqe))
        return false;
    sqe->user_data = SENT;
    return true;
}

static void by_message(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *from = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__cqe cqe;

    contract_submit(c, ring);
    contract_say(c, "%s", message(c, bell, from) ? "prepared" : "refused");
    contract_submit(c, from);
    cqe = contract_wait(c, ring, BELL);
    contract_say(c, "%s, %s", cqe.result > 0 ? "heard" : "an error", contract_more(cqe));
    contract_say(c, "%s", contract_silent(c, from, SENT) ? "sender silent" : "sender told");
}

static void by_message_many_times(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *from = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    unsigned heard = 0;
    struct weft__cqe cqe;

    contract_submit(c, ring);
    for (int i = 0; i < 10; i++)
        message(c, bell, from);
    contract_submit(c, from);
    while (contract_next(c, ring, BELL, contract_soon(), &cqe))
        heard += cqe.flags & WEFT__CQE_MORE ? 1 : 0;
    contract_say(c, "%u of 10", heard);
}

static void messages_leave_it_armed(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *from = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);

    contract_submit(c, ring);
    message(c, bell, from);
    contract_submit(c, from);
    contract_wait(c, ring, BELL);
    weft__bell_ring(bell);
    contract_say(c, "%s", contract_wait(c, ring, BELL).result > 0 ? "still armed" : "an error");
}

static void a_message_is_pending(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *from = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);

    contract_submit(c, ring);
    message(c, bell, from);
    contract_submit(c, from);
    contract_say(c, "%s", weft__ring_pending(ring) ? "told" : "not told");
    contract_wait(c, ring, BELL);
}

static void a_ring_by_hand_is_pending(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);

    contract_submit(c, ring);
    weft__bell_ring(bell);
    contract_say(c, "%s", weft__ring_pending(ring) ? "told" : "not told");
    contract_wait(c, ring, BELL);
}

static void without_messages(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__sqe sqe = {.user_data = 5};
    bool prepared;

    if (c->trouble[0])
        return;
    prepared = weft__bell_prepare(bell, ring, &sqe);
    contract_say(c, "%s", prepared ? "prepared" : sqe.user_data == 5 ? "untouched" : "spoilt");
    weft__bell_ring(bell);
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "deaf" : "heard by hand");
}

/* A descriptor that is no ring's stands for a target that cannot be reached. */
static void a_message_that_fails(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *from = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL), wrong = *bell;
    int fd = contract_socket(c, AF_INET);

    contract_submit(c, ring);
    wrong.ring_fd = fd;
    contract_say(c, "%s", message(c, &wrong, from) ? "prepared" : "refused");
    contract_say(c, "%s", contract_wait(c, from, SENT).result < 0 ? "sender told" : "no error");
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "silent" : "heard");
}

static void outlives_its_ring(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *other;
    struct weft__bell *bell = contract_bell(c, ring, BELL);

    contract_submit(c, ring);
    contract_ring_close(c, ring);
    other = contract_ring(c, 0, 0); /* may take the number that became free */
    weft__bell_ring(bell);
    contract_say(c, "%s", contract_silent(c, other, BELL) ? "nobody hears" : "a stranger hears");
}

static void a_message_to_a_closed_ring(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *from = contract_ring(c, 0, 0), *other;
    struct weft__bell *bell = contract_bell(c, ring, BELL);

    contract_submit(c, ring);
    contract_ring_close(c, ring);
    other = contract_ring(c, 0, 0);
    message(c, bell, from);
    contract_submit(c, from);
    contract_say(c, "%s", contract_silent(c, other, BELL) ? "nobody hears" : "a stranger hears");
}

static void each_its_own(struct contract *c)
{
    struct weft__ring *one = contract_ring(c, 0, 0), *two = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, one, BELL);

    contract_bell(c, two, BELL);
    contract_submit(c, one);
    contract_submit(c, two);
    weft__bell_ring(bell);
    contract_say(c, "%s", contract_silent(c, one, BELL) ? "its ring deaf" : "its ring");
    contract_say(c, "%s", contract_silent(c, two, BELL) ? "alone" : "and the other");
}

static void settling(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);

    contract_submit(c, ring);
    if (c->trouble[0])
        return;
    contract_say(c, "%s", weft__bell_settle(bell, 0) ? "at once" : "not");
    for (int i = 0; i < 3; i++)
        weft__bell_ring(bell);
    contract_say(c, "%s", weft__bell_settle(bell, 3) ? "after three" : "not");
}

#define INBOX "src/reactor/inbox.h, the wake-up promise"

const struct contract_check contract_bells[] = {
    {"bells/by-hand",
     "Each ring is heard, once; a bell nobody rings is silent.",
     INBOX,
     by_hand,
     0,
     {ANSWER("silent, heard, more, once")}},
    {"bells/before-it-is-armed",
     "A ring before the first enter is heard.",
     INBOX,
     before_it_is_armed,
     0,
     {ANSWER("heard")}},
    {"bells/many-times",
     "Rings may melt together, into one at least.",
     INBOX,
     many_times,
     0,
     {ANSWER("1 to 100, and again")}},
    {"bells/one-after-the-other",
     "A bell rings as often as it is listened to.",
     INBOX,
     one_after_the_other,
     0,
     {ANSWER("50 of 50")}},
    {"bells/beside-requests",
     "A ring and a completion do not hide each other.",
     INBOX,
     beside_requests,
     0,
     {ANSWER("both")}},
    {"bells/by-message",
     "A message rings like a hand, and its sender hears nothing of it.",
     "src/reactor/reactor_open.c, ring_along",
     by_message,
     WEFT__FEATURE_MSG_RING,
     {ANSWER("prepared, heard, more, sender silent")}},
    {"bells/by-message-many-times",
     "Each message is a completion.",
     "src/reactor/inbox.h, rung_along",
     by_message_many_times,
     WEFT__FEATURE_MSG_RING,
     {ANSWER("10 of 10")}},
    {"bells/messages-leave-it-armed",
     "A message does not end the bell's poll.",
     "src/ring/uring_bell.c, weft__bell_prepare",
     messages_leave_it_armed,
     WEFT__FEATURE_MSG_RING,
     {ANSWER("still armed")}},
    {"bells/a-message-is-pending",
     "The flag tells of a message without a call.",
     "src/reactor/look.c, something_came",
     a_message_is_pending,
     WEFT__FEATURE_MSG_RING | WEFT__FEATURE_TASKRUN_FLAG,
     {ANSWER("told")}},
    {"bells/a-ring-by-hand-is-pending",
     "The flag tells of a ring without a call.",
     "src/reactor/look.c, something_came",
     a_ring_by_hand_is_pending,
     WEFT__FEATURE_TASKRUN_FLAG,
     /* ringing only counts there, so that it may be done in a signal handler: the next call tells
      */
     {ANSWER("told", .whose = CONTRACT_REAL), ANSWER("not told", .whose = CONTRACT_SIMULATED)}},
    {"bells/without-messages",
     "Where messages are not used preparing one changes nothing.",
     "src/reactor/reactor_open.c, ring_along",
     without_messages,
     0,
     {ANSWER("prepared, heard by hand", .with = WEFT__FEATURE_MSG_RING),
      ANSWER("untouched, heard by hand", .without = WEFT__FEATURE_MSG_RING)}},
    {"bells/a-message-that-fails",
     "A message that reaches nobody is told to its sender.",
     "src/reactor/reactor_open.c, weft__reactor_ring_again",
     a_message_that_fails,
     WEFT__FEATURE_MSG_RING,
     {ANSWER("prepared, sender told, silent")}},
    {"bells/outlives-its-ring",
     "Ringing the bell of a closed ring does nothing.",
     "src/runtime/member.c, the end of a run",
     outlives_its_ring,
     0,
     {ANSWER("nobody hears")}},
    {"bells/a-message-to-a-closed-ring",
     "A message to a closed ring reaches no stranger.",
     "src/ring/uring_bell.c, weft__bell_open",
     a_message_to_a_closed_ring,
     WEFT__FEATURE_MSG_RING,
     {ANSWER("nobody hears")}},
    {"bells/each-its-own",
     "A bell rings in its own ring only.",
     INBOX,
     each_its_own,
     0,
     {ANSWER("its ring, alone")}},
    {"bells/settling",
     "Rings by hand can be counted to the last before the bell is closed.",
     "src/reactor/reactor_open.c, shut_door",
     settling,
     0,
     {ANSWER("at once, after three")}},
    {0},
};
