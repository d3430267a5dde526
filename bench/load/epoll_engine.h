/* An echo server on epoll: what weft is measured against.
 *
 * Owner: the thread that opened it. One buffer serves all connections, so it stays in the cache;
 * only a connection whose peer does not read gets memory of its own, for what could not be sent.
 */
#ifndef BENCH_LOAD_EPOLL_ENGINE_H
#define BENCH_LOAD_EPOLL_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "server.h"

struct epoll_options {
    bool edge;     /* EPOLLET; else level-triggered */
    bool plain_io; /* read and write; else recv and send */
    unsigned buffer_size;
    unsigned batch; /* events taken by one epoll_wait */
};

/* The setting that measured best on 6.18. */
void epoll_options_best(struct epoll_options *options);

struct epoll_engine;

struct epoll_engine *epoll_engine_open(const struct epoll_options *options, int *error);
void epoll_engine_close(struct epoll_engine *engine);

/* Accepts from the non-blocking `listener`, which stays the caller's. Returns 0 or -errno. */
int epoll_engine_listen(struct epoll_engine *engine, int listener);

/* Reports in `epoll_engine_signalled` once `fd` is readable; one report for each call. */
int epoll_engine_watch(struct epoll_engine *engine, int fd);
bool epoll_engine_signalled(struct epoll_engine *engine);

/* Takes the connected socket `fd`, made non-blocking and closed with the connection. */
int epoll_engine_add(struct epoll_engine *engine, int fd);

/* Waits once, at most `timeout_ms` (-1: no limit), and serves what is ready.
 * Returns the number of events or a negative errno. */
int epoll_engine_turn(struct epoll_engine *engine, int timeout_ms);

const struct engine_counters *epoll_engine_counters(const struct epoll_engine *engine);

#endif
