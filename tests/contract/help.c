/*
 * help.c - rings, requests and completions for the checks; contract.h says what the helpers
 * promise.
 *
 * The thread of the check. What always holds: every request taken by a helper is known to be in
 * flight until its last completion was read, so that the check can be wound up.
 */
#include "contract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PATIENCE_NS = 3000000000, MOMENT_NS = 3000000, ENTRIES = 16 };

int64_t contract_soon(void)
{
    return weft__host_now() + MOMENT_NS;
}

int64_t contract_late(void)
{
    return weft__host_now() + PATIENCE_NS;
}

static struct contract_ring *of(struct weft__ring *ring)
{
    return (struct contract_ring *)ring;
}

struct weft__ring *contract_ring(struct contract *c, uint32_t sq_entries, uint32_t cq_entries)
{
    char text[CONTRACT_TEXT] = "";
    struct weft__ring_opt opt = {.sq_entries = sq_entries ? sq_entries : ENTRIES,
                                 .cq_entries = cq_entries,
                                 .error_text = text,
                                 .error_text_size = sizeof text};
    struct contract_ring *made = &c->rings[c->ring_count % CONTRACT_RINGS];
    int error;

    c->ring_count++;
    error = weft__ring_open(&made->ring, &opt);
    if (error < 0)
        contract_trouble(c, "no ring (%d): %s", error, text);
    made->open = error == 0;
    made->walked = made->ring.sq_tail; /* probing the kernel took some */
    return &made->ring;
}

bool contract_has(const struct contract *c, uint32_t feature)
{
    return c->kernel->features & feature;
}

/* -- what is in flight ------------------------------------------------------------------------ */

/* Notes the requests taken since the last time; they have been filled by now. */
static void walk(struct contract *c, struct contract_ring *ring)
{
    for (; ring->walked != ring->ring.sq_tail; ring->walked++) {
        const struct weft__sqe *sqe = &ring->ring.sqes[ring->walked & ring->ring.sq_mask];
        if (sqe->flags & WEFT__SQE_SKIP_SUCCESS)
            continue;
        if (ring->in_flight_count == CONTRACT_STASH)
            contract_trouble(c, "more requests than a check may make");
        else
            ring->in_flight[ring->in_flight_count++] = sqe->user_data;
    }
}

static void ended(struct contract_ring *ring, uint64_t token)
{
    for (uint32_t i = 0; i < ring->in_flight_count; i++)
        if (ring->in_flight[i] == token) {
            ring->in_flight[i] = ring->in_flight[--ring->in_flight_count];
            return;
        }
}

struct weft__sqe *contract_take(struct contract *c, struct weft__ring *ring)
{
    struct weft__sqe *sqe = NULL;

    if (!c->trouble[0]) {
        walk(c, of(ring));
        sqe = weft__ring_take(ring);
        if (!sqe)
            contract_trouble(c, "no request to be had");
    }
    return sqe ? sqe : &c->nowhere;
}

void contract_enter(struct contract *c, struct weft__ring *ring, uint32_t wait_count,
                    int64_t deadline_ns)
{
    int error;

    if (c->trouble[0])
        return;
    walk(c, of(ring));
    error = weft__ring_enter(ring, wait_count, deadline_ns);
    if (error < 0 && error != -EBUSY && error != -EAGAIN)
        contract_trouble(c, "entering the ring: %d", error);
}

void contract_submit(struct contract *c, struct weft__ring *ring)
{
    contract_enter(c, ring, 0, INT64_MAX);
}

/* -- completions ------------------------------------------------------------------------------ */

static void stash_all(struct contract *c, struct contract_ring *ring)
{
    uint32_t head, count = weft__ring_ready(&ring->ring, &head);

    for (; count > 0; count--, head++) {
        const struct weft__cqe *cqe = &ring->ring.cqes[head & ring->ring.cq_mask];
        if (!(cqe->flags & WEFT__CQE_MORE))
            ended(ring, cqe->user_data);
        if (ring->stashed == CONTRACT_STASH)
            contract_trouble(c, "more completions than a check can keep");
        else
            ring->stash[ring->stashed++] = *cqe;
    }
    weft__ring_seen(&ring->ring, head);
}

bool contract_unstash(struct contract *c, struct weft__ring *ring, uint64_t token,
                      struct weft__cqe *cqe)
{
    struct contract_ring *own = of(ring);

    (void)c;
    for (uint32_t i = 0; i < own->stashed; i++)
        if (own->stash[i].user_data == token) {
            *cqe = own->stash[i];
            own->stashed--;
            memmove(&own->stash[i], &own->stash[i + 1], (own->stashed - i) * sizeof *cqe);
            return true;
        }
    return false;
}

uint32_t contract_here(struct contract *c, struct weft__ring *ring, uint64_t token)
{
    struct contract_ring *own = of(ring);
    uint32_t count = 0;

    if (c->trouble[0])
        return 0;
    stash_all(c, own);
    for (uint32_t i = 0; i < own->stashed; i++)
        count += own->stash[i].user_data == token;
    return count;
}

bool contract_next(struct contract *c, struct weft__ring *ring, uint64_t token, int64_t deadline_ns,
                   struct weft__cqe *cqe)
{
    /* at least one enter, however late it is: what is under way in the kernel shows then */
    for (bool entered = false; !c->trouble[0]; entered = true) {
        stash_all(c, of(ring));
        if (contract_unstash(c, ring, token, cqe))
            return true;
        if (entered && weft__host_now() >= deadline_ns)
            return false;
        contract_enter(c, ring, 1, deadline_ns);
    }
    return false;
}

struct weft__cqe contract_wait(struct contract *c, struct weft__ring *ring, uint64_t token)
{
    struct weft__cqe cqe = {.user_data = token};

    if (!contract_next(c, ring, token, contract_late(), &cqe))
        contract_trouble(c, "no completion came for request %llu", (unsigned long long)token);
    return cqe;
}

bool contract_silent(struct contract *c, struct weft__ring *ring, uint64_t token)
{
    struct weft__cqe cqe;

    return !contract_next(c, ring, token, contract_soon(), &cqe);
}

const char *contract_more(struct weft__cqe cqe)
{
    return cqe.flags & WEFT__CQE_MORE ? "more" : "the last";
}

/* -- buffers and bells ------------------------------------------------------------------------ */

struct weft__buffer_ring *contract_buffers(struct contract *c, struct weft__ring *ring,
                                           uint16_t group, uint32_t count, void *memory,
                                           uint32_t size, uint32_t offered)
{
    struct contract_ring *own = of(ring);
    struct weft__buffer_ring *made = &own->groups[own->group_count % 4];
    int error;

    if (c->trouble[0])
        return made;
    error = weft__buffer_ring_open(ring, made, group, count);
    if (error < 0) {
        contract_trouble(c, "no ring of buffers: %d", error);
        return made;
    }
    own->group_count++;
    for (uint32_t id = 0; id < offered; id++)
        weft__buffer_ring_add(made, (char *)memory + (size_t)id * size, size, (uint16_t)id);
    if (offered > 0)
        weft__buffer_ring_publish(made);
    return made;
}

struct weft__bell *contract_bell(struct contract *c, struct weft__ring *ring, uint64_t token)
{
    struct weft__bell *bell = &c->bells[c->bell_count % 4];
    int error;

    *bell = (struct weft__bell){.eventfd = -1, .ring_fd = -1};
    if (c->trouble[0])
        return bell;
    walk(c, of(ring));
    error = weft__bell_open(bell, ring, token);
    if (error < 0)
        contract_trouble(c, "no bell: %d", error);
    else
        c->bell_count++;
    return bell;
}

/* -- winding up ------------------------------------------------------------------------------- */

static bool is_bell(const struct contract *c, uint64_t token)
{
    for (uint32_t i = 0; i < c->bell_count; i++)
        if (c->bells[i].token == token)
            return true;
    return false;
}

const char *contract_path(const char *name)
{
    static char paths[4][64];
    static unsigned next;
    static uint64_t own;
    char *path = paths[next++ % 4];

    if (own == 0)
        (void)weft__host_entropy(&own, sizeof own);
    snprintf(path, sizeof paths[0], "/tmp/weft-contract.%llx.%s", (unsigned long long)own, name);
    return path;
}

/* Cancels what is in flight and waits for its end. Runs after trouble, too, so it does not use the
   helpers that do nothing then. */
static void end_all(struct contract *c, struct contract_ring *ring)
{
    int64_t deadline_ns = contract_late();
    uint64_t token = 0;
    uint32_t left;

    walk(c, ring);
    do {
        left = 0;
        for (uint32_t i = 0; i < ring->in_flight_count; i++)
            if (!is_bell(c, ring->in_flight[i])) {
                token = ring->in_flight[i];
                left++;
                struct weft__sqe *sqe = weft__ring_take(&ring->ring);
                if (!sqe)
                    break;
                weft__request_cancel(sqe, token);
                sqe->user_data = 0;
                ring->walked = ring->ring.sq_tail;
            }
        if (left == 0 && weft__ring_queued(&ring->ring) == 0)
            return;
        weft__ring_enter(&ring->ring, 1, contract_soon());
        ring->stashed = 0;
        stash_all(c, ring);
    } while (weft__host_now() < deadline_ns);
    contract_trouble(c, "request %llu does not end when it is cancelled",
                     (unsigned long long)token);
}

void contract_ring_close(struct contract *c, struct weft__ring *ring)
{
    struct contract_ring *own = of(ring);

    if (!own->open)
        return;
    end_all(c, own);
    while (own->group_count > 0)
        weft__buffer_ring_close(ring, &own->groups[--own->group_count]);
    weft__ring_close(ring);
    own->open = false;
}

void contract_tidy_up(struct contract *c);

void contract_tidy_up(struct contract *c)
{
    for (uint32_t i = CONTRACT_RINGS; i-- > 0;)
        contract_ring_close(c, &c->rings[i].ring);
    for (uint32_t i = c->fd_count; i-- > 0;)
        if (c->fds[i] >= 0)
            weft__host_close(c->fds[i]);
    while (c->bell_count > 0)
        weft__bell_close(&c->bells[--c->bell_count]);
}
