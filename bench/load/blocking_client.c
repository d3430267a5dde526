/* blocking-client: an independent client on plain blocking sockets, a thread for each connection.
 *
 * `blocking-client ADDRESS:PORT|unix:PATH CONNECTIONS MESSAGES SIZE [SECONDS]`: each connection
 * sends a message, reads it back whole, compares every byte, and goes on: a closed loop of depth
 * one. Prints one JSON line. Exit status 0 only when all MESSAGES of all CONNECTIONS came back
 * right; 1 on any wrong byte, error, or when SECONDS (default 60) have passed; 2 for bad arguments.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common.h"

enum { CONNECTIONS_MAX = 4000, STACK_BYTES = 64 * 1024 };

struct plan {
    struct address address;
    uint64_t connections, messages, size;
    uint64_t deadline_ns;
    pthread_barrier_t connected;
};

/* One connection; touched by its own thread only until joined. */
struct talker {
    struct plan *plan;
    pthread_t thread;
    uint64_t index;
    uint64_t messages, errors, wrong_bytes;
    struct histogram *latency_ns;
};

/* Bytes that differ between connections, messages and places, so that a mixed-up, shifted or
 * repeated echo cannot pass. */
static void fill(unsigned char *into, uint64_t size, uint64_t connection, uint64_t message)
{
    uint64_t x = connection * 0x9e3779b97f4a7c15u ^ (message + 1) * 0xbf58476d1ce4e5b9u;
    for (uint64_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        into[i] = (unsigned char)(x >> 24);
    }
}

static bool move_all(int fd, unsigned char *bytes, uint64_t size, bool sending)
{
    uint64_t done = 0;
    while (done < size) {
        ssize_t n = sending ? send(fd, bytes + done, size - done, MSG_NOSIGNAL)
                            : recv(fd, bytes + done, size - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (uint64_t)n;
    }
    return true;
}

/* A message larger than what the sockets hold would block both ends if it were sent whole before
 * reading, so it goes in pieces of at most this. */
enum { PIECE_BYTES = 64 * 1024 };

static bool exchange(int fd, unsigned char *out, unsigned char *in, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += PIECE_BYTES) {
        uint64_t piece = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;
        if (!move_all(fd, out + at, piece, true) || !move_all(fd, in + at, piece, false))
            return false;
    }
    return true;
}

static void talk(struct talker *t, int fd, unsigned char *out, unsigned char *in)
{
    uint64_t size = t->plan->size;
    for (uint64_t m = 0; m < t->plan->messages; m++) {
        fill(out, size, t->index, m);
        uint64_t start = now_ns();
        if (start > t->plan->deadline_ns || !exchange(fd, out, in, size)) {
            t->errors++;
            return;
        }
        histogram_add(t->latency_ns, now_ns() - start);
        t->messages++;
        if (memcmp(out, in, size) == 0)
            continue;
        for (uint64_t i = 0; i < size; i++)
            t->wrong_bytes += out[i] != in[i];
        t->errors++;
    }
}

static void *talker_main(void *argument)
{
    struct talker *t = argument;
    unsigned char *out = malloc(t->plan->size), *in = malloc(t->plan->size);
    int fd = address_connect(&t->plan->address);
    /* A peer that stops answering ends the run instead of hanging it. */
    struct timeval patience = {.tv_sec = 10};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    pthread_barrier_wait(&t->plan->connected);
    if (fd >= 0 && out && in)
        talk(t, fd, out, in);
    else
        t->errors++;
    if (fd >= 0)
        close(fd);
    free(out);
    free(in);
    return NULL;
}

static int start_all(struct talker *talkers, struct plan *plan)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (uint64_t i = 0; i < plan->connections; i++) {
        talkers[i] = (struct talker){.plan = plan, .index = i};
        talkers[i].latency_ns = calloc(1, sizeof *talkers[i].latency_ns);
        if (!talkers[i].latency_ns ||
            pthread_create(&talkers[i].thread, &attributes, talker_main, &talkers[i]) != 0)
            return -EAGAIN;
    }
    pthread_attr_destroy(&attributes);
    return 0;
}

static void print(const struct plan *plan, const struct talker *sum, double seconds)
{
    struct json json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_count(&json, "connections", plan->connections);
    json_count(&json, "size", plan->size);
    json_count(&json, "messages", sum->messages);
    json_real(&json, "seconds", seconds);
    json_real(&json, "messages_per_second", (double)sum->messages / seconds);
    json_real(&json, "p50_us", (double)histogram_quantile(sum->latency_ns, 0.5) / 1e3);
    json_real(&json, "p99_us", (double)histogram_quantile(sum->latency_ns, 0.99) / 1e3);
    json_real(&json, "p99_9_us", (double)histogram_quantile(sum->latency_ns, 0.999) / 1e3);
    json_count(&json, "errors", sum->errors);
    json_count(&json, "wrong_bytes", sum->wrong_bytes);
    json_close(&json, '}');
    putchar('\n');
}

static int run(struct plan *plan, uint64_t limit_seconds)
{
    static struct histogram latency_ns;
    struct talker sum = {.latency_ns = &latency_ns};
    struct talker *talkers = calloc(plan->connections, sizeof *talkers);
    raise_descriptor_limit();
    pthread_barrier_init(&plan->connected, NULL, (unsigned)plan->connections + 1);
    plan->deadline_ns = now_ns() + limit_seconds * 1000000000u;
    if (!talkers || start_all(talkers, plan) < 0) {
        fprintf(stderr, "blocking-client: cannot start that many threads\n");
        return 1;
    }
    pthread_barrier_wait(&plan->connected);
    uint64_t start = now_ns();
    for (uint64_t i = 0; i < plan->connections; i++) {
        pthread_join(talkers[i].thread, NULL);
        sum.messages += talkers[i].messages;
        sum.errors += talkers[i].errors;
        sum.wrong_bytes += talkers[i].wrong_bytes;
        histogram_merge(sum.latency_ns, talkers[i].latency_ns);
        free(talkers[i].latency_ns);
    }
    print(plan, &sum, (double)(now_ns() - start) / 1e9);
    free(talkers);
    bool complete = sum.messages == plan->connections * plan->messages;
    return complete && sum.errors == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct plan plan;
    uint64_t limit_seconds = 60;
    if (argc < 5 || argc > 6 || address_parse(&plan.address, argv[1]) < 0 ||
        !parse_number(argv[2], 1, CONNECTIONS_MAX, &plan.connections) ||
        !parse_number(argv[3], 1, 1000000000, &plan.messages) ||
        !parse_number(argv[4], 1, 16 << 20, &plan.size) ||
        (argc == 6 && !parse_number(argv[5], 1, 3600, &limit_seconds))) {
        fprintf(stderr, "usage: blocking-client ADDRESS:PORT|unix:PATH CONNECTIONS MESSAGES SIZE "
                        "[SECONDS]\n");
        return 2;
    }
    return run(&plan, limit_seconds);
}
