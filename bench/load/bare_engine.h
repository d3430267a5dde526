/* An echo server written straight on a bare ring: what weft is measured against.
 *
 * Owner: the thread that opened it. Connections are added as descriptors or accepted from a
 * listener; each turn submits, waits once and handles what completed.
 * Always holds: a chunk of buffer memory belongs either to the kernel, or to one connection's
 * queue of bytes to be echoed; one send is in flight per connection at most, so bytes keep order.
 */
#ifndef BENCH_LOAD_BARE_ENGINE_H
#define BENCH_LOAD_BARE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "bare_ring.h"
#include "server.h"

struct bare_options {
    struct bare_ring_options ring;
    bool multishot;        /* multishot receive from a buffer ring; else POLL_FIRST single-shot */
    bool poll_first;       /* single-shot only: do not try before polling */
    bool direct;           /* direct descriptors */
    bool match;            /* wait for the sends just queued and one receive, not for one event */
    unsigned buffer_size;  /* bytes a receive may bring */
    unsigned buffer_count; /* multishot: buffers in the ring, a power of two up to 32768 */
    unsigned batch;        /* never wait for more than this: the kernel then runs no more at once */
    unsigned connections_max;
};

/* The setting that measured best on 6.18; size from the traffic where it is known. */
void bare_options_best(struct bare_options *options);

/* Changes one thing by name: multishot, single, try-first, defer, plain, no-sqarray, sqarray,
 * registered, unregistered, direct, no-direct, match, no-match, buffer=BYTES,
 * buffers=COUNT, batch=COUNT. Returns false when unknown. */
bool bare_options_set(struct bare_options *options, const char *name);

struct bare_engine;

struct bare_engine *bare_engine_open(const struct bare_options *options, int *error);
void bare_engine_close(struct bare_engine *engine);

/* Accepts from `listener` from the next turn on. It stays the caller's. */
void bare_engine_listen(struct bare_engine *engine, int listener);

/* Reports in `bare_engine_signalled` once `fd` is readable; one report for each call. */
void bare_engine_watch(struct bare_engine *engine, int fd);
bool bare_engine_signalled(struct bare_engine *engine);

/* Takes the connected blocking socket `fd`, which is closed with the connection.
 * Returns 0 or a negative errno, nothing taken. With direct descriptors, not for an engine that
 * also listens: the two choose slots differently. */
int bare_engine_add(struct bare_engine *engine, int fd);

/* One turn of a server. Returns 0 or a negative errno that no later turn would cure. */
int bare_engine_turn(struct bare_engine *engine);

/* Turns until `bytes` more have been sent back, with every wait matched to what must come: each of
 * the connections has something to read. -ETIME when nothing moved for a second. */
int bare_engine_echo(struct bare_engine *engine, uint64_t bytes);

const struct engine_counters *bare_engine_counters(const struct bare_engine *engine);

#endif
