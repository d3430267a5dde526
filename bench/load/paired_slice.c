/* What `paired` times: connections of one contestant, rounds on them, and slices of rounds.
 *
 * A round: the client half writes, the server half runs until all is sent back, and only this is
 * timed; the client half reads back and compares. What always holds: every byte is compared, and a
 * slice counts only rounds in which the core was ours.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common.h"
#include "paired_plan.h"

static unsigned char pattern[SIZE_MAX_BYTES + PATTERN_SHIFT_MAX];
static unsigned char scratch[INFLIGHT_MAX_BYTES];

/* --- the time stamp -----------------------------------------------------------------------------
 */

/* clock_gettime costs 40 ns, twice in a round of 2 us; the cycle counter costs 10. */
#if defined(__x86_64__)
static inline uint64_t stamp(void)
{
    unsigned aux;
    return __builtin_ia32_rdtscp(&aux);
}
#else
static inline uint64_t stamp(void)
{
    return now_ns();
}
#endif

static double stamps_per_ns;

static void calibrate(void)
{
    uint64_t start_ns = now_ns(), start = stamp();
    while (now_ns() - start_ns < 20000000u)
        ;
    stamps_per_ns = (double)(stamp() - start) / (double)(now_ns() - start_ns);
}

/* --- the watchdog --------------------------------------------------------------------------------
 */

/* No slice takes this long, unless a server waits for something that will not come. */
enum { STUCK_SECONDS = 30 };

static const char *playing = "nothing"; /* the variant whose turn it is */

static void on_stuck(int signal)
{
    static const char before[] = "paired: stuck in ", after[] = "\n";
    (void)signal;
    if (write(STDERR_FILENO, before, sizeof before - 1) < 0 ||
        write(STDERR_FILENO, playing, strlen(playing)) < 0 ||
        write(STDERR_FILENO, after, sizeof after - 1) < 0)
        _exit(3);
    _exit(3);
}

/* Gives `name` its time. Whoever measures also ends when its parent does. */
static void watch(const char *name)
{
    if (strcmp(playing, "nothing") == 0) {
        signal(SIGALRM, on_stuck);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    playing = name;
    alarm(STUCK_SECONDS);
}

/* --- sockets
 * -------------------------------------------------------------------------------------- */

/* Room for a whole message both ways, asked for on every socket alike. */
static void set_room(int fd)
{
    int bytes = 4 * INFLIGHT_MAX_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static int connect_pair(int listener, const struct address *address, int pair[2])
{
    pair[0] = address_connect(address);
    if (pair[0] < 0)
        return pair[0];
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (pair[1] >= 0)
        return 0;
    int error = -errno;
    close(pair[0]);
    return error;
}

static int connect_all(const struct plan *plan, int *clients, int *servers)
{
    struct address address;
    int listener = -1;
    address_parse(&address, "127.0.0.1:0");
    if (plan->tcp) {
        listener = address_listen(&address, 0);
        if (listener < 0 ||
            getsockname(listener, (struct sockaddr *)&address.storage, &address.length) < 0)
            return -errno;
    }
    int error = 0;
    for (unsigned i = 0; i < plan->connections && !error; i++) {
        int pair[2];
        if (plan->tcp)
            error = connect_pair(listener, &address, pair);
        else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            error = -errno;
        if (error)
            break;
        clients[i] = pair[0];
        servers[i] = pair[1];
        if (plan->size * plan->depth > 4096) {
            set_room(clients[i]);
            set_room(servers[i]);
        }
    }
    if (listener >= 0)
        close(listener);
    return error;
}

/* Closing with a reset leaves no TIME_WAIT behind. */
void paired_close_clients(const struct plan *plan, const int *clients)
{
    struct linger reset = {.l_onoff = 1};
    for (unsigned i = 0; i < plan->connections; i++) {
        if (plan->tcp)
            setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(clients[i]);
    }
}

/* --- one round
 * ------------------------------------------------------------------------------------ */

/* The bytes of a message: a window of the pattern that differs between rounds, connections and
 * places in the pipeline. */
static const unsigned char *expected(uint64_t round, unsigned connection, unsigned place)
{
    return pattern + (round * 131 + connection * 17u + place * 257u) % PATTERN_SHIFT_MAX;
}

static int write_whole(int fd, const void *bytes, size_t size)
{
    ssize_t n = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n == (ssize_t)size)
        return 0;
    return n < 0 ? -errno : -EMSGSIZE; /* it did not fit: the plan is too large */
}

static int write_all(const struct plan *plan, struct contestant *c)
{
    int error = 0;
    for (unsigned i = 0; i < plan->connections && !error; i++) {
        for (unsigned j = 0; j < plan->depth && !error; j++) {
            const unsigned char *bytes = expected(c->round, i, j);
            if (plan->gather)
                memcpy(scratch + j * plan->size, bytes, plan->size);
            else
                error = write_whole(c->clients[i], bytes, plan->size);
        }
        if (plan->gather)
            error = write_whole(c->clients[i], scratch, plan->size * plan->depth);
    }
    return error;
}

static int read_back(const struct plan *plan, struct contestant *c, unsigned i)
{
    size_t total = plan->size * plan->depth, done = 0;
    while (done < total) {
        ssize_t n = recv(c->clients[i], scratch + done, total - done, MSG_DONTWAIT);
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (n == 0)
            return -ECONNRESET;
        /* All was sent, so what is missing is on its way through the loopback device. */
        struct pollfd wait = {.fd = c->clients[i], .events = POLLIN};
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        if (poll(&wait, 1, 1000) == 0)
            return -ETIME;
    }
    for (unsigned j = 0; j < plan->depth; j++)
        if (memcmp(scratch + j * plan->size, expected(c->round, i, j), plan->size) != 0)
            return -EBADMSG;
    return 0;
}

struct round {
    uint64_t spent;   /* stamps the server half took */
    bool interrupted; /* another thread had the core meanwhile, and its time is in `spent` */
};

/* What this thread has used and how often it was pushed aside. */
struct usage {
    uint64_t cpu_ns;
    long pushed;
};

static struct usage usage_now(void)
{
    struct rusage usage;
    struct timespec cpu;
    getrusage(RUSAGE_THREAD, &usage);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    return (struct usage){.cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec,
                          .pushed = usage.ru_nivcsw};
}

/* Reading the two above costs under a microsecond: nothing in a round of this length, so that what
 * they say can stand for a round that was interrupted. Shorter ones are played again. */
enum { LONG_ROUND_NS = 100000 };

static int play_round(const struct plan *plan, struct contestant *c, struct round *round)
{
    int error = write_all(plan, c);
    if (error)
        return error;
    struct usage before = usage_now();
    uint64_t start = stamp();
    error = c->variant.serve(&c->variant, plan->connections * plan->depth);
    round->spent = stamp() - start;
    struct usage after = usage_now();
    round->interrupted = after.pushed != before.pushed;
    if (round->interrupted && after.cpu_ns - before.cpu_ns >= LONG_ROUND_NS) {
        round->spent = (uint64_t)((double)(after.cpu_ns - before.cpu_ns) * stamps_per_ns);
        round->interrupted = false;
    }
    for (unsigned i = 0; i < plan->connections && !error; i++)
        error = read_back(plan, c, i);
    c->round++;
    return error;
}

/* On a machine that has other work, some rounds of a slice are lost to it; but a core that is never
 * ours must not hold up the run. */
enum { INTERRUPTED_MAX = 50 };

int paired_slice(const struct plan *plan, struct contestant *c, double *ns_per_message)
{
    struct round round;
    uint64_t total = 0, rounds = 0, interrupted = 0;
    uint64_t budget = (uint64_t)((double)plan->slice_ns * stamps_per_ns);
    watch(c->variant.name);
    int error = play_round(plan, c, &round);
    while (!error && total < budget) {
        uint64_t enters = c->variant.enters;
        error = play_round(plan, c, &round);
        if (round.interrupted && interrupted++ < INTERRUPTED_MAX)
            continue;
        total += round.spent;
        rounds++;
        c->enters_timed += c->variant.enters - enters;
    }
    uint64_t messages = rounds * plan->connections * plan->depth;
    c->messages_timed += messages;
    *ns_per_message = (double)total / stamps_per_ns / (double)messages;
    return error;
}

/* Until new connections behave like old ones: TCP acknowledges the first messages at once. */
static int warm_up(const struct plan *plan, struct contestant *c)
{
    uint64_t end_ns = now_ns() + 200000000u;
    struct round round;
    int error = 0;
    for (unsigned i = 0; i < 100 && !error && now_ns() < end_ns; i++)
        error = play_round(plan, c, &round);
    return error;
}

/* --- one contestant
 * --------------------------------------------------------------------------------- */

int paired_open(const struct plan *plan, struct contestant *c)
{
    int *servers = calloc(plan->connections, sizeof *servers);
    watch(c->variant.name);
    c->clients = calloc(plan->connections, sizeof *c->clients);
    c->ns_per_message = calloc(PAIRINGS_MAX, sizeof *c->ns_per_message);
    if (!servers || !c->clients || !c->ns_per_message)
        return -ENOMEM;
    int error = connect_all(plan, c->clients, servers);
    struct paired_setup setup = {.fds = servers,
                                 .count = plan->connections,
                                 .size = plan->size,
                                 .depth = plan->depth};
    if (!error)
        error = c->variant.open(&c->variant, &setup);
    free(servers);
    return error ? error : warm_up(plan, c);
}

void paired_prepare(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof pattern; i++) {
        x = x * 1664525u + 1013904223u;
        pattern[i] = (unsigned char)(x >> 24);
    }
    calibrate();
}
