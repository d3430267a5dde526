/* What the comparison servers share besides common.h: arguments, threads, signals, counters.
 *
 * `PROGRAM ADDRESS:PORT|unix:PATH [THREADS] [OPTION...]`: one engine for each thread, each with its
 * own SO_REUSEPORT listener (a Unix path has one listener, shared). With one thread everything runs
 * on the main thread: a second one, even asleep, would make every descriptor lookup an atomic.
 * SIGTERM and SIGINT end the server with one JSON line; SIGUSR1 prints the same line and goes on.
 */
#ifndef BENCH_LOAD_SERVER_H
#define BENCH_LOAD_SERVER_H

#include <stdint.h>

/* Written by the owner only; any thread may read. */
struct engine_counters {
    uint64_t messages; /* receives that brought bytes: a server sees no other boundary */
    uint64_t bytes;    /* sent back */
    uint64_t enters;   /* system calls made on the path: io_uring_enter, or epoll_wait+recv+send */
    uint64_t connections; /* accepted or added so far */
    uint64_t errors;      /* connections that ended otherwise than by the peer's close */
};

/* One kind of server. Called on the thread that will run the engine. */
struct server_kind {
    const char *program;
    const char *options_help;
    int (*option)(const char *text); /* before any open; 0 or -EINVAL */
    /* Starts serving `listener`; `stop` becomes readable when server_signal should be asked.
     * Returns NULL with *error set on failure. */
    void *(*open)(int listener, int stop, int *error);
    int (*run)(void *engine); /* until `stop` is readable: 0; else a negative errno */
    void (*close)(void *engine);
    const struct engine_counters *(*counters)(const void *engine);
};

int server_main(int argc, char **argv, const struct server_kind *kind);

#endif
