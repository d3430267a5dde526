/*
 * ring/uring_zero_copy.c - from how many bytes on a zero-copy send pays on this machine.
 *
 * A connection over the loopback is sent pieces of growing size, by turns in both ways. There the
 * kernel copies what was to be sent without a copy as well, when it hands the bytes to the
 * receiver; so the one costs more than the other by just what zero copy takes besides: pinning the
 * pages, the notification. What it would save is a copy of as many bytes out of memory that is not
 * in the nearest cache. It pays from the size on from which the second is more than the first.
 *
 * Any thread; once in a process, the first time it is asked for. What always holds: it takes some
 * milliseconds, and fractions of a second where nothing comes through; its descriptors and memory
 * are gone afterwards, and whatever goes wrong in it says "never".
 */
#include "ring/ring.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/memory.h"
#include "ring/host.h"
#include "ring/request.h"

enum {
    LEAST = 8192,   /* bytes of the smallest piece tried; each is twice the one before, */
    SIZES = 5,      /* up to 128 KiB */
    ROUNDS = 7,     /* of each the quickest counts */
    ROOM = 1 << 20, /* bytes the pieces are taken from in turn: more than the nearest caches hold */
    ENTRIES = 8,
    PATIENCE_NS = 100000000, /* for one send, and for either end of the connection */
    MEASURING = 1,
};

struct trial {
    struct weft__ring ring;
    int from, to; /* the connection's ends */
    unsigned char *memory;
    unsigned char *copy;
    size_t at;        /* where in both the next piece lies */
    uint32_t unheard; /* notifications that are to come */
};

/* Of whatever waits on the socket for that: its option. */
static bool limit(int fd, int option)
{
    struct timeval patience = {.tv_usec = PATIENCE_NS / 1000};

    return setsockopt(fd, SOL_SOCKET, option, &patience, sizeof patience) == 0;
}

/* Both ends of a connection, as far as they could be had. Rules of the machine's may have the
   loopback carry nothing: then neither is waited for as long as the kernel would. */
static bool connect_pair(struct trial *trial)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), much = 1 << 20;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    trial->from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener >= 0 && trial->from >= 0 && limit(trial->from, SO_SNDTIMEO) &&
        limit(listener, SO_RCVTIMEO) && bind(listener, (struct sockaddr *)&address, length) == 0 &&
        listen(listener, 1) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &length) == 0 &&
        connect(trial->from, (struct sockaddr *)&address, length) == 0)
        trial->to = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (listener >= 0)
        close(listener);
    if (trial->to < 0)
        return false;
    (void)setsockopt(trial->from, SOL_SOCKET, SO_SNDBUF, &much, sizeof much);
    return limit(trial->to, SO_RCVTIMEO);
}

/* Reads what has completed. A send's result is put into *result; notifications are counted. */
static void reap(struct trial *trial, int32_t *result)
{
    uint32_t head;

    for (uint32_t ready = weft__ring_ready(&trial->ring, &head); ready > 0; ready--, head++) {
        const struct weft__cqe *cqe = &trial->ring.cqes[head & trial->ring.cq_mask];
        if (cqe->flags & WEFT__CQE_NOTIFICATION) {
            trial->unheard--;
            continue;
        }
        *result = cqe->result;
        trial->unheard += (cqe->flags & WEFT__CQE_MORE) != 0;
    }
    weft__ring_seen(&trial->ring, head);
}

/* Has the other end take `size` bytes in, and drop them. */
static bool drop(const struct trial *trial, size_t size)
{
    while (size > 0) {
        ssize_t n = recv(trial->to, NULL, size, MSG_TRUNC);
        if (n <= 0)
            return false;
        size -= (size_t)n;
    }
    return true;
}

/* How long one send takes; INT64_MAX when it did not do as it should. */
static int64_t time_send(struct trial *trial, uint32_t size, bool zero_copy)
{
    struct weft__sqe *sqe = weft__ring_take(&trial->ring);
    int64_t begin = weft__host_now(), deadline = begin + PATIENCE_NS, end = begin;
    int32_t result = 0;

    if (!sqe)
        return INT64_MAX;
    if (zero_copy)
        weft__request_send_zc(sqe, trial->from, trial->memory + trial->at, size, MSG_NOSIGNAL);
    else
        weft__request_send(sqe, trial->from, trial->memory + trial->at, size, MSG_NOSIGNAL);
    sqe->user_data = 1;
    while (result == 0 && end < deadline && weft__ring_enter(&trial->ring, 1, deadline) == 0) {
        end = weft__host_now();
        reap(trial, &result);
    }
    if (result != (int32_t)size || !drop(trial, size))
        return INT64_MAX;
    if (weft__ring_enter(&trial->ring, 0, INT64_MAX) == 0) /* notifications that are here already */
        reap(trial, &result);
    return end - begin;
}

static int64_t time_copy(struct trial *trial, uint32_t size)
{
    int64_t begin = weft__host_now();

    memcpy(trial->copy + trial->at, trial->memory + trial->at, size);
    __asm__ volatile("" ::: "memory"); /* it is done, though nobody reads it */
    return weft__host_now() - begin;
}

static void keep_least(int64_t *least, int64_t time)
{
    if (time < *least)
        *least = time;
}

/* Is a copy of so many bytes saved worth what zero copy takes? */
static bool pays(struct trial *trial, uint32_t size)
{
    int64_t copying = INT64_MAX, uncopied = INT64_MAX, saved = INT64_MAX;

    for (int i = 0; i < ROUNDS; i++) {
        trial->at = (trial->at + size) % ROOM;
        keep_least(&copying, time_send(trial, size, false));
        trial->at = (trial->at + size) % ROOM;
        keep_least(&uncopied, time_send(trial, size, true));
        trial->at = (trial->at + size) % ROOM;
        keep_least(&saved, time_copy(trial, size));
    }
    return copying < INT64_MAX && uncopied < INT64_MAX && uncopied - copying <= saved;
}

/* The smallest size from which on it always does. */
static uint32_t find_least(struct trial *trial)
{
    uint32_t least = UINT32_MAX;

    for (uint32_t size = LEAST << (SIZES - 1); size >= LEAST && pays(trial, size); size /= 2)
        least = size;
    return least;
}

/* Both ends are reset, so that whatever the kernel still has of our memory is let go of. False: it
   is not, and the memory must stay. */
static bool end_sends(struct trial *trial)
{
    struct linger reset = {.l_onoff = 1};
    int64_t deadline = weft__host_now() + PATIENCE_NS;
    int32_t result;

    (void)setsockopt(trial->from, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(trial->to);
    close(trial->from);
    trial->to = trial->from = -1;
    while (trial->unheard > 0 && weft__host_now() < deadline &&
           weft__ring_enter(&trial->ring, 1, deadline) == 0)
        reap(trial, &result);
    return trial->unheard == 0;
}

static uint32_t measure(void)
{
    struct trial trial = {.from = -1, .to = -1};
    struct weft__ring_opt opt = {.sq_entries = ENTRIES, .cq_entries = ENTRIES * 8};
    uint32_t least = UINT32_MAX;
    bool let_go = true;

    if (weft__ring_open(&trial.ring, &opt) < 0)
        return UINT32_MAX;
    trial.memory = weft__alloc_aligned(WEFT__ALIGN_MAX, 2 * (size_t)ROOM);
    if (trial.memory && connect_pair(&trial)) {
        trial.copy = trial.memory + ROOM;
        memset(trial.memory, 1, 2 * (size_t)ROOM); /* its pages are there */
        least = find_least(&trial);
        let_go = end_sends(&trial);
    }
    if (trial.from >= 0)
        close(trial.from);
    if (let_go)
        weft__free(trial.memory);
    weft__ring_close(&trial.ring);
    return least;
}

/* 0: not known yet; MEASURING: a thread is at it. Nothing else is handed over by it. */
static _Atomic(uint32_t) known;

uint32_t weft__ring_zero_copy_min(const struct weft__ring *ring)
{
    uint32_t least = atomic_load_explicit(&known, memory_order_relaxed);

    if (!(ring->features & WEFT__FEATURE_SEND_ZC))
        return UINT32_MAX;
    if (least > MEASURING)
        return least;
    if (least == MEASURING ||
        !atomic_compare_exchange_strong_explicit(&known, &least, MEASURING, memory_order_relaxed,
                                                 memory_order_relaxed))
        return 0;
    least = measure();
    atomic_store_explicit(&known, least, memory_order_relaxed);
    return least;
}
