/*
 * talk.c - one connection: what it sends, when, and what comes back.
 *
 * Closed loop: one task, which keeps `depth` messages in flight, sends when there is room in that
 * window and else receives. A window that may not fit in the sockets is sent without waiting, so
 * that the task always comes back to receiving: as the server echoes what it was sent, the two
 * cannot lock each other out.
 *
 * Open loop: a task that sends when the plan says, however late the answers are, and one that
 * receives. Message k of connection c is due at start + (k * connections + c) / rate, and its
 * latency counts from there: a server that stalls is charged for every message it made late, not
 * for the one that met the stall (coordinated omission).
 *
 * Both tasks of a connection run on the share's reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "load.h"
#include "pattern.h"

enum {
    BUFFER_SIZE = 32 * 1024, /* on the task's stack, touched as far as receives fill it */
    FITS_SIZE = 32 * 1024,   /* in the sockets of any kernel, unread */
    BATCH_SIZE = 16 * 1024,  /* overdue messages of the open loop go together, up to this */
};

struct talk {
    struct share *share;
    const struct plan *plan;
    int fd;
    uint32_t connection;
    uint64_t sent, received; /* bytes */
    uint64_t answered;       /* messages */
    uint64_t limit;          /* messages to send */
    int64_t *sent_ns;        /* closed loop: of the last `depth` messages */
    int64_t now_ns;          /* read after the last receive */
};

uint64_t talk_limit(const struct plan *plan, uint32_t connection)
{
    if (plan->messages == 0)
        return UINT64_MAX;
    return plan->messages / plan->connections +
           (connection < plan->messages % plan->connections ? 1 : 0);
}

static void talk_open_with(struct talk *talk, const struct talk_arg *arg)
{
    *talk = (struct talk){.share = arg->share,
                          .plan = arg->share->load->plan,
                          .fd = arg->share->fds[arg->slot],
                          .connection = share_connection(arg->share, arg->slot)};
    talk->limit = talk_limit(talk->plan, talk->connection);
}

static bool stopping(const struct talk *talk)
{
    return atomic_load_explicit(&talk->share->load->stopping, memory_order_relaxed);
}

/* -- receiving ------------------------------------------------------------------------------- */

static void note_wrong(struct talk *talk, const char *bytes, uint64_t count, size_t first)
{
    struct trouble *trouble = &talk->share->trouble;

    if (trouble->wrong_bytes == 0) {
        trouble->wrong_connection = talk->connection;
        trouble->wrong_offset = talk->received + first;
        trouble->wrong_expected = *pattern_at(talk->connection, trouble->wrong_offset);
        trouble->wrong_got = (uint8_t)bytes[first];
    }
    trouble->wrong_bytes += count;
}

static int64_t due_ns(const struct talk *talk, uint64_t message)
{
    double place = (double)message * talk->plan->connections + talk->connection;

    return atomic_load_explicit(&talk->share->load->start_ns, memory_order_relaxed) +
           (int64_t)(place * 1e9 / talk->plan->rate);
}

static void note_answer(struct talk *talk)
{
    struct load *load = talk->share->load;
    int64_t from_ns;
    bool measured;

    if (talk->plan->rate > 0) {
        from_ns = due_ns(talk, talk->answered);
        measured = from_ns >= atomic_load_explicit(&load->start_ns, memory_order_relaxed) +
                                  talk->plan->warmup_ns;
    } else {
        from_ns = talk->sent_ns[talk->answered % talk->plan->depth];
        measured = atomic_load_explicit(&load->measuring, memory_order_relaxed);
    }
    if (measured)
        histogram_add(talk->share->latency_ns, (uint64_t)(talk->now_ns - from_ns));
    talk->answered++;
    /* only this reactor writes it: no locked instruction is needed */
    atomic_store_explicit(&talk->share->messages,
                          atomic_load_explicit(&talk->share->messages, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Takes what one receive brought: every byte is compared. */
static void take(struct talk *talk, const char *bytes, size_t size)
{
    size_t first;
    uint64_t wrong = pattern_compare((const unsigned char *)bytes, size, talk->connection,
                                     talk->received, &first);

    if (wrong > 0)
        note_wrong(talk, bytes, wrong, first);
    talk->now_ns = weft_now();
    talk->received += size;
    while ((talk->answered + 1) * talk->plan->size <= talk->received)
        note_answer(talk);
}

/* The server ended the connection, or it broke (0 or a negative errno). */
static void note_end(struct talk *talk, ssize_t error)
{
    struct trouble *trouble = &talk->share->trouble;

    if (error == -ECANCELED) {
        trouble->unsent++;
        return;
    }
    if (trouble->ended++ == 0)
        trouble->ended_error = (int)error;
}

/* -- the closed loop -------------------------------------------------------------------------- */

/* How many bytes may go now. */
static uint64_t window(const struct talk *talk)
{
    uint64_t last = talk->answered + talk->plan->depth;

    if (stopping(talk)) /* a message begun is finished, nothing else */
        last = (talk->sent + talk->plan->size - 1) / talk->plan->size;
    else if (last > talk->limit)
        last = talk->limit;
    return last * talk->plan->size - talk->sent;
}

/* Those whose first byte is about to go. */
static void stamp(struct talk *talk, uint64_t size)
{
    uint64_t first = (talk->sent + talk->plan->size - 1) / talk->plan->size;

    for (uint64_t m = first; m * talk->plan->size < talk->sent + size; m++)
        talk->sent_ns[m % talk->plan->depth] = talk->now_ns;
}

static ssize_t fill_window(struct talk *talk, uint64_t size, bool fits)
{
    const unsigned char *bytes = pattern_at(talk->connection, talk->sent);
    ssize_t n;

    if (size > PATTERN_RUN)
        size = PATTERN_RUN;
    stamp(talk, size);
    n = fits ? weft_send_all(talk->fd, bytes, size, NULL)
             : weft_send(talk->fd, bytes, size, MSG_DONTWAIT);
    if (n > 0)
        talk->sent += (uint64_t)n;
    return n == -EAGAIN ? 0 : n;
}

static ssize_t closed_loop(struct talk *talk)
{
    bool fits = talk->plan->size * talk->plan->depth <= FITS_SIZE;
    char buffer[BUFFER_SIZE];
    uint64_t room;
    ssize_t n;

    talk->now_ns = weft_now();
    for (;;) {
        room = window(talk);
        if (room > 0 && (n = fill_window(talk, room, fits)) < 0)
            return n;
        if (talk->received == talk->sent) {
            if (window(talk) == 0)
                return 1;
            continue;
        }
        n = weft_recv(talk->fd, buffer, sizeof buffer, 0);
        if (n <= 0)
            return n;
        take(talk, buffer, (size_t)n);
    }
}

int talk_closed(void *arg)
{
    struct talk talk;
    ssize_t result;

    talk_open_with(&talk, arg);
    talk.sent_ns = calloc(talk.plan->depth, sizeof *talk.sent_ns);
    result = talk.sent_ns ? closed_loop(&talk) : -ENOMEM;
    if (result <= 0)
        note_end(&talk, result);
    free(talk.sent_ns);
    return weft_close(talk.fd);
}

/* -- the open loop ---------------------------------------------------------------------------- */

/* How many messages from `next` on are due and may go in one piece. */
static uint64_t overdue(const struct talk *talk, uint64_t next, int64_t now_ns)
{
    uint64_t most = BATCH_SIZE / talk->plan->size, count = 1;

    while (count < most && next + count < talk->limit && due_ns(talk, next + count) <= now_ns)
        count++;
    return count;
}

static ssize_t send_message(struct talk *talk, uint64_t size)
{
    ssize_t n = 1;

    for (uint64_t end = talk->sent + size; talk->sent < end && n > 0;) {
        uint64_t run = end - talk->sent < PATTERN_RUN ? end - talk->sent : PATTERN_RUN;
        size_t done;
        n = weft_send_all(talk->fd, pattern_at(talk->connection, talk->sent), run, &done);
        talk->sent += done;
    }
    return n;
}

/* The end of what is sent: told to the server, whose close ends the receiving task. */
static int send_when_due(void *arg)
{
    struct talk *talk = arg;
    ssize_t n = 1;

    for (uint64_t next = 0; next < talk->limit && n > 0;) {
        int64_t now_ns = weft_now(), due = due_ns(talk, next);
        if (due > now_ns && weft_sleep_until(due) < 0)
            break;
        if (stopping(talk))
            break;
        uint64_t count = overdue(talk, next, now_ns);
        n = send_message(talk, count * talk->plan->size);
        next += count;
    }
    weft_shutdown(talk->fd, SHUT_WR);
    return 0; /* what went wrong, the receiver sees too */
}

static ssize_t receive_all(struct talk *talk)
{
    char buffer[BUFFER_SIZE];
    ssize_t n;

    while ((n = weft_recv(talk->fd, buffer, sizeof buffer, 0)) > 0)
        take(talk, buffer, (size_t)n);
    return n;
}

int talk_open(void *arg)
{
    struct talk talk;
    ssize_t result = 0;
    int error = -ENOMEM;

    talk_open_with(&talk, arg);
    WEFT_SCOPE(sender) {
        error = weft_spawn(&sender, send_when_due, &talk, 0, NULL);
        if (error == 0)
            result = receive_all(&talk);
        weft_scope_cancel(&sender);
    }
    if (error < 0)
        result = error;
    if (result < 0 || talk.received < talk.sent ||
        !(stopping(&talk) || talk.answered == talk.limit))
        note_end(&talk, result);
    return weft_close(talk.fd);
}
