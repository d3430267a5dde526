/* What the comparison programs of bench/load share: addresses, the clock, a histogram, one line of
 * JSON. None of them uses weft, so that the yardstick cannot bend with the thing measured.
 *
 * Owner: each object belongs to the thread that made it; nothing here is shared between threads.
 */
#ifndef BENCH_LOAD_COMMON_H
#define BENCH_LOAD_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

/* Where to listen or connect: "127.0.0.1:7000", "[::1]:7000" or "unix:/path". */
struct address {
    struct sockaddr_storage storage;
    socklen_t length;
    bool is_unix;
};

/* Returns 0, or -EINVAL when the text is not an address. Numeric hosts only: no resolver here. */
int address_parse(struct address *address, const char *text);

/* A listening socket, non-blocking and close-on-exec when asked for by flags (SOCK_NONBLOCK).
 * TCP ones have SO_REUSEPORT and TCP_NODELAY, which accepted sockets inherit; a Unix path is
 * replaced if it is there. Returns a descriptor or a negative errno. */
int address_listen(const struct address *address, int flags);

/* A connected blocking socket, TCP_NODELAY set. Returns a descriptor or a negative errno. */
int address_connect(const struct address *address);

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Parses a whole decimal number within [low, high]. Returns false when it is not one. */
bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value);

/* Raises the soft descriptor limit to the hard one; returns what holds afterwards. */
uint64_t raise_descriptor_limit(void);

/* Log-linear: 32 steps for each doubling, so a value is kept to about 3 %. */
enum { HISTOGRAM_STEPS = 32, HISTOGRAM_SLOTS = HISTOGRAM_STEPS * 60 };

struct histogram {
    uint64_t count;
    uint64_t slots[HISTOGRAM_SLOTS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The smallest value that at least `quantile` (0 to 1) of the samples do not exceed; 0 when empty.
 */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

/* One JSON object (or array), written as it goes. Names and texts must need no escaping. */
struct json {
    FILE *out;
    bool need_comma;
};

void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_count(struct json *json, const char *name, uint64_t value);
void json_real(struct json *json, const char *name, double value);
void json_series(struct json *json, const char *name, const double *values, uint64_t count);
void json_text(struct json *json, const char *name, const char *value);

#endif
