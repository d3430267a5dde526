/* paired: both ends of the sockets and all servers in one process, on one core, in turns.
 *
 * `paired [OPTION...]`, see usage(). Each variant has connections of its own. A round: the client
 * half writes `depth` messages on each socket; the server half runs until all are sent back, and
 * only this is timed; the client half reads back and compares. A slice is as many rounds as make
 * about a millisecond and a half of server time, after one round that is not counted and brings the
 * variant's memory back into the cache. All variants take a slice each, in an order that rotates:
 * that is one pairing. So a slow phase of the host, which lasts longer than a pairing, hits all
 * alike, and the ratios within a pairing stand. Every message is checked; a wrong byte ends the run
 * with status 1.
 *
 * What the interleaving cannot even out is where a process happens to lie in memory: epoll has been
 * seen 20 % slower for the whole life of one process in five. So the run is divided among several
 * processes, one after the other, each of which does all of the above; their pairings are pooled.
 */
#include "paired.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare_engine.h"
#include "common.h"
#include "epoll_engine.h"

enum { VARIANTS_MAX = 24, PAIRINGS_MAX = 20000, PAIRINGS_MIN = 15, PROCESSES_MAX = 50 };
enum { PATTERN_SHIFT_MAX = 4096, SIZE_MAX_BYTES = 65536, INFLIGHT_MAX_BYTES = 65536 };

struct plan {
    bool tcp;
    bool json;
    bool apart;  /* each variant in a process of its own */
    bool gather; /* the client half writes a pipeline with one send */
    int raw;     /* descriptor to write the bare pairings to, for the parent; -1: print a report */
    unsigned processes;
    unsigned connections, depth;
    size_t size;
    double seconds;        /* the run ends after the first pairing past this */
    unsigned pairings_min; /* ... and not before this many, unless three times as long and 5 s have
                              passed */
    uint64_t slice_ns;
    int cpu;
    const char *only; /* comma-separated names, NULL for the default set */
};

struct player;

struct contestant {
    struct variant variant;
    const struct player *player; /* who measures it, when variants are in processes of their own */
    int *clients;                /* our ends */
    uint64_t round;
    uint64_t enters_timed, messages_timed; /* over the counted rounds */
    double *ns_per_message;                /* one for each pairing */
};

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

/* --- variants without weft ----------------------------------------------------------------------
 */

struct bare_recipe {
    const char *name;
    const char *settings[6];
};

/* The first is the reference of all ratios. Rings without DEFER_TASKRUN cannot be compared here:
 * they receive whenever the thread leaves the kernel, so the client half's system calls would pay.
 */
static const struct bare_recipe bare_recipes[] = {
    {"bare-multishot", {NULL}},
    {"bare-single", {"single"}},
    {"bare-multishot-plain-fds", {"no-direct"}},
    {"bare-single-plain-fds", {"single", "no-direct"}},
    {"bare-single-try-first", {"single", "try-first"}},
    {"bare-multishot-wait1", {"no-match"}},
    {"bare-multishot-minimal", {"no-direct", "sqarray", "unregistered", "no-match"}},
};

/* Multishot buffers in total take no more than this, to stay within the cache; and their number
 * need only be a few times a batch, or the others wait in line for nothing. */
enum { BUFFERS_BYTES_MAX = 256 * 1024, BUFFERS_MIN = 8, BUFFERS_MAX = 256 };

static unsigned buffer_size_for(size_t bytes)
{
    unsigned size = 256;
    while (size < bytes)
        size *= 2;
    return size;
}

static int bare_open(struct variant *self, const struct paired_setup *setup)
{
    const struct bare_recipe *recipe = self->state;
    struct bare_options options;
    bare_options_best(&options);
    options.connections_max = setup->count;
    options.buffer_size = buffer_size_for(setup->size * setup->depth);
    options.buffer_count = BUFFERS_MIN;
    while (options.buffer_count < BUFFERS_MAX &&
           options.buffer_count * 2 * options.buffer_size <= BUFFERS_BYTES_MAX)
        options.buffer_count *= 2;
    for (unsigned i = 0; i < 6 && recipe->settings[i]; i++)
        bare_options_set(&options, recipe->settings[i]);
    int error;
    struct bare_engine *engine = bare_engine_open(&options, &error);
    for (unsigned i = 0; i < setup->count; i++) {
        if (!error)
            error = bare_engine_add(engine, setup->fds[i]);
        if (error)
            close(setup->fds[i]);
    }
    self->state = engine;
    if (error)
        bare_engine_close(engine);
    return error;
}

static size_t message_size; /* of the run; the engines count bytes */

static int bare_serve(struct variant *self, unsigned messages)
{
    const struct engine_counters *counters = bare_engine_counters(self->state);
    uint64_t before = counters->enters;
    int error = bare_engine_echo(self->state, messages * message_size);
    self->enters += counters->enters - before;
    return error;
}

static void bare_close(struct variant *self)
{
    bare_engine_close(self->state);
}

struct epoll_recipe {
    const char *name;
    bool edge, plain_io;
};

static const struct epoll_recipe epoll_recipes[] = {
    {"epoll", true, false},
    {"epoll-level", false, false},
    {"epoll-read-write", true, true},
};

static int epoll_open(struct variant *self, const struct paired_setup *setup)
{
    const struct epoll_recipe *recipe = self->state;
    struct epoll_options options;
    epoll_options_best(&options);
    options.edge = recipe->edge;
    options.plain_io = recipe->plain_io;
    int error;
    struct epoll_engine *engine = epoll_engine_open(&options, &error);
    for (unsigned i = 0; i < setup->count; i++) {
        if (!error)
            error = epoll_engine_add(engine, setup->fds[i]);
        if (error)
            close(setup->fds[i]);
    }
    self->state = engine;
    if (error)
        epoll_engine_close(engine);
    return error;
}

static int epoll_serve(struct variant *self, unsigned messages)
{
    const struct engine_counters *counters = epoll_engine_counters(self->state);
    uint64_t before = counters->enters;
    uint64_t target = counters->bytes + messages * message_size;
    while (counters->bytes < target) {
        int n = epoll_engine_turn(self->state, 1000);
        if (n <= 0)
            return n < 0 ? n : -ETIME;
    }
    self->enters += counters->enters - before;
    return 0;
}

static void epoll_close(struct variant *self)
{
    epoll_engine_close(self->state);
}

/* --- choosing
 * ------------------------------------------------------------------------------------- */

static bool named_in(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* By default: the reference, the single-shot form, epoll, and whatever weft brings. */
static bool wanted(const struct plan *plan, const char *name, bool by_default)
{
    if (!plan->only)
        return by_default;
    return strcmp(plan->only, "all") == 0 || named_in(plan->only, name);
}

static unsigned choose(const struct plan *plan, struct contestant *contestants)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof bare_recipes / sizeof bare_recipes[0]; i++)
        if (i == 0 || wanted(plan, bare_recipes[i].name, i < 2))
            contestants[count++].variant = (struct variant){.name = bare_recipes[i].name,
                                                            .open = bare_open,
                                                            .serve = bare_serve,
                                                            .close = bare_close,
                                                            .state = (void *)&bare_recipes[i]};
    for (unsigned i = 0; i < sizeof epoll_recipes / sizeof epoll_recipes[0]; i++)
        if (wanted(plan, epoll_recipes[i].name, i == 0))
            contestants[count++].variant = (struct variant){.name = epoll_recipes[i].name,
                                                            .open = epoll_open,
                                                            .serve = epoll_serve,
                                                            .close = epoll_close,
                                                            .state = (void *)&epoll_recipes[i]};
    struct variant weft[VARIANTS_MAX];
    unsigned more = paired_weft_variants ? paired_weft_variants(weft, VARIANTS_MAX - count) : 0;
    for (unsigned i = 0; i < more; i++)
        if (wanted(plan, weft[i].name, true))
            contestants[count++].variant = weft[i];
    return count;
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
static void close_clients(const struct plan *plan, const int *clients)
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

static int play_slice(const struct plan *plan, struct contestant *c, double *ns_per_message)
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

/* --- the run
 * -------------------------------------------------------------------------------------- */

static int open_one(const struct plan *plan, struct contestant *c)
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

static void say(const char *who, int error)
{
    fprintf(stderr, "paired: %s: %s\n", who,
            error == -EBADMSG ? "wrong bytes came back" : strerror(-error));
}

static int ask_slice(struct contestant *c, const struct player *player, double *ns_per_message);

/* Returns how many pairings were made, or a negative errno. */
static int play(const struct plan *plan, struct contestant *contestants, unsigned count)
{
    uint64_t start = now_ns();
    unsigned pairing = 0;
    for (; pairing < PAIRINGS_MAX; pairing++) {
        double passed = (double)(now_ns() - start) / 1e9;
        if (passed > plan->seconds &&
            (pairing >= plan->pairings_min || passed > 3 * plan->seconds + 5))
            break;
        for (unsigned i = 0; i < count; i++) {
            struct contestant *c = &contestants[(i + pairing) % count];
            double *ns = &c->ns_per_message[pairing];
            int error = c->player ? ask_slice(c, c->player, ns) : play_slice(plan, c, ns);
            if (error) {
                say(c->variant.name, error);
                return error;
            }
        }
    }
    return (int)pairing;
}

/* --- what came of it
 * ------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    double p2, p25, median, p75, p97;
    double median_low, median_high; /* 95 % confidence of the median, by order statistics */
};

static struct spread spread_of(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, by_value);
    double last = (double)(count - 1), half = 0.98 * sqrt((double)count);
    long low = lround(floor((double)count / 2 - half)),
         high = lround(ceil((double)count / 2 + half));
    return (struct spread){
        .p2 = values[(unsigned)(last * 0.025)],
        .p25 = values[(unsigned)(last * 0.25)],
        .median = values[count / 2],
        .p75 = values[(unsigned)(last * 0.75)],
        .p97 = values[(unsigned)ceil(last * 0.975)],
        .median_low = values[low < 0 ? 0 : low],
        .median_high = values[high >= (long)count ? (long)count - 1 : high],
    };
}

struct result {
    const char *name;
    struct spread ns, ratio;
    double enters_per_message;
};

static struct result result_of(const struct contestant *c, const struct contestant *reference,
                               unsigned pairings)
{
    struct result r = {.name = c->variant.name};
    double *values = calloc(pairings, sizeof *values);
    if (!values)
        return r;
    for (unsigned i = 0; i < pairings; i++)
        values[i] = c->ns_per_message[i] / reference->ns_per_message[i];
    r.ratio = spread_of(values, pairings);
    memcpy(values, c->ns_per_message, pairings * sizeof *values);
    r.ns = spread_of(values, pairings);
    r.enters_per_message = (double)c->enters_timed / (double)c->messages_timed;
    free(values);
    return r;
}

static void print_table(const struct plan *plan, const struct result *results, unsigned count,
                        unsigned pairings)
{
    struct utsname system;
    uname(&system);
    printf("# %s %s, cpu %d: %s, %u connections, %zu bytes, depth %u, %u pairings of %.1f ms\n",
           system.sysname, system.release, plan->cpu, plan->tcp ? "tcp" : "unix", plan->connections,
           plan->size, plan->depth, pairings, (double)plan->slice_ns / 1e6);
    printf("%-28s %10s %21s %7s %17s %17s %10s\n", "server half", "ns/message", "p25-p75", "ratio",
           "median 95%", "pairs 95%", "enters/msg");
    for (unsigned i = 0; i < count; i++) {
        const struct result *r = &results[i];
        printf("%-28s %10.0f %10.0f-%-10.0f %7.3f %8.3f-%-8.3f %8.3f-%-8.3f %10.4f\n", r->name,
               r->ns.median, r->ns.p25, r->ns.p75, r->ratio.median, r->ratio.median_low,
               r->ratio.median_high, r->ratio.p2, r->ratio.p97, r->enters_per_message);
    }
}

static void print_json(const struct plan *plan, const struct result *results, unsigned count,
                       unsigned pairings)
{
    struct json json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "transport", plan->tcp ? "tcp" : "unix");
    json_count(&json, "connections", plan->connections);
    json_count(&json, "size", plan->size);
    json_count(&json, "depth", plan->depth);
    json_count(&json, "pairings", pairings);
    json_count(&json, "slice_ns", plan->slice_ns);
    json_text(&json, "reference", results[0].name);
    json_open(&json, "variants", '[');
    for (unsigned i = 0; i < count; i++) {
        const struct result *r = &results[i];
        json_open(&json, NULL, '{');
        json_text(&json, "name", r->name);
        json_real(&json, "ns_per_message", r->ns.median);
        json_real(&json, "ns_p25", r->ns.p25);
        json_real(&json, "ns_p75", r->ns.p75);
        json_real(&json, "ratio", r->ratio.median);
        json_real(&json, "ratio_median_low", r->ratio.median_low);
        json_real(&json, "ratio_median_high", r->ratio.median_high);
        json_real(&json, "ratio_p2_5", r->ratio.p2);
        json_real(&json, "ratio_p97_5", r->ratio.p97);
        json_real(&json, "enters_per_message", r->enters_per_message);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    putchar('\n');
}

static int report(const struct plan *plan, const struct contestant *contestants, unsigned count,
                  unsigned pairings)
{
    struct result results[VARIANTS_MAX];
    if (pairings < plan->pairings_min) {
        fprintf(stderr, "paired: only %u pairings in the time given, %u are needed\n", pairings,
                plan->pairings_min);
        return 1;
    }
    for (unsigned i = 0; i < count; i++)
        results[i] = result_of(&contestants[i], &contestants[0], pairings);
    (plan->json ? print_json : print_table)(plan, results, count, pairings);
    return 0;
}

/* Each connection of each variant takes two descriptors, and all are open at once: in one process
 * while they fit, else in one for each variant. */
static void fit_descriptors(struct plan *plan, unsigned variants)
{
    uint64_t limit = raise_descriptor_limit();
    if (plan->connections <= (limit - 20 * variants - 50) / (2 * variants))
        return;
    plan->apart = true;
    uint64_t most = (limit - 200) / 2;
    fprintf(stderr, "paired: the descriptor limit is %llu: each variant in a process of its own",
            (unsigned long long)limit);
    if (plan->connections > most) {
        plan->connections = (unsigned)most;
        fprintf(stderr, ", with %u connections", plan->connections);
    }
    fputc('\n', stderr);
}

static int write_raw(const struct plan *plan, const struct contestant *contestants, unsigned count,
                     unsigned pairings)
{
    FILE *out = fdopen(plan->raw, "w");
    if (!out)
        return 1;
    fwrite(&pairings, sizeof pairings, 1, out);
    for (unsigned i = 0; i < count; i++) {
        fwrite(&contestants[i].enters_timed, sizeof(uint64_t), 1, out);
        fwrite(&contestants[i].messages_timed, sizeof(uint64_t), 1, out);
        fwrite(contestants[i].ns_per_message, sizeof(double), pairings, out);
    }
    return fclose(out) == 0 ? 0 : 1;
}

/* Measures in this process. */
static int run_here(struct plan *plan, struct contestant *contestants, unsigned count)
{
    unsigned opened = 0;
    int error = 0, pairings = 0;
    while (opened < count && !error) {
        error = open_one(plan, &contestants[opened]);
        opened += error == 0;
    }
    if (error)
        say(contestants[opened].variant.name, error);
    else
        pairings = play(plan, contestants, count);
    int status = 1;
    if (!error && pairings > 0)
        status =
            (plan->raw >= 0 ? write_raw : report)(plan, contestants, count, (unsigned)pairings);
    for (unsigned i = 0; i < opened; i++) {
        contestants[i].variant.close(&contestants[i].variant);
        close_clients(plan, contestants[i].clients);
    }
    return status;
}

/* --- variants in processes of their own ----------------------------------------------------------
 */

/* What a player says of one slice. */
struct slice {
    double ns_per_message;
    uint64_t enters, messages; /* in all slices so far */
    int error;
};

struct player {
    pid_t pid;
    int ask, answer;
};

/* A slice for each byte read, until there are no more. */
static int answer_slices(const struct plan *plan, struct contestant *c, int ask, int answer)
{
    char byte;
    struct slice slice = {.error = open_one(plan, c)};
    while (read(ask, &byte, 1) == 1) {
        if (!slice.error)
            slice.error = play_slice(plan, c, &slice.ns_per_message);
        slice.enters = c->enters_timed;
        slice.messages = c->messages_timed;
        if (write(answer, &slice, sizeof slice) != sizeof slice)
            break;
    }
    return slice.error ? 1 : 0;
}

static int start_player(const struct plan *plan, struct contestant *c, struct player *player,
                        const struct player *others, unsigned count)
{
    int ask[2], answer[2];
    if (pipe(ask) < 0 || pipe(answer) < 0)
        return -errno;
    player->pid = fork();
    if (player->pid == 0) {
        /* An end held here would keep an earlier player from seeing the end of its questions. */
        for (unsigned i = 0; i < count; i++)
            close(others[i].ask);
        close(ask[1]);
        close(answer[0]);
        _exit(answer_slices(plan, c, ask[0], answer[1]));
    }
    close(ask[0]);
    close(answer[1]);
    player->ask = ask[1];
    player->answer = answer[0];
    return player->pid < 0 ? -EAGAIN : 0;
}

static int ask_slice(struct contestant *c, const struct player *player, double *ns_per_message)
{
    struct slice slice;
    if (write(player->ask, "", 1) != 1 ||
        read(player->answer, &slice, sizeof slice) != sizeof slice)
        return -EPIPE;
    *ns_per_message = slice.ns_per_message;
    c->enters_timed = slice.enters;
    c->messages_timed = slice.messages;
    return slice.error;
}

/* One after the other, on the same core: only the descriptors are apart. */
static int run_apart(const struct plan *plan, struct contestant *contestants, unsigned count)
{
    struct player players[VARIANTS_MAX];
    unsigned started = 0;
    int error = 0, pairings = 0;
    for (; started < count && !error; started++) {
        struct contestant *c = &contestants[started];
        c->player = &players[started];
        error = start_player(plan, c, &players[started], players, started);
        c->ns_per_message = calloc(PAIRINGS_MAX, sizeof(double));
        /* An answer to a first question says that the connections are there. */
        if (!error)
            error = c->ns_per_message ? ask_slice(c, c->player, c->ns_per_message) : -ENOMEM;
        if (error)
            say(c->variant.name, error);
    }
    if (!error)
        pairings = play(plan, contestants, count);
    for (unsigned i = 0; i < started; i++) {
        close(players[i].ask);
        close(players[i].answer);
        if (players[i].pid > 0)
            waitpid(players[i].pid, NULL, 0);
    }
    return pairings > 0 ? report(plan, contestants, count, (unsigned)pairings) : 1;
}

/* --- the run divided among processes -------------------------------------------------------------
 */

/* The same program once more, to measure a part of the time and write it to `raw`. */
static pid_t start_part(const struct plan *plan, char **argv, int argc, int raw)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char seconds[32], connections[32], pairings[32], where[32];
    char **arguments = calloc((size_t)argc + 7, sizeof *arguments);
    if (!arguments)
        _exit(1);
    int n = 0;
    for (; n < argc; n++)
        arguments[n] = argv[n];
    snprintf(seconds, sizeof seconds, "--seconds-each=%g", plan->seconds / plan->processes);
    snprintf(connections, sizeof connections, "--connections=%u", plan->connections);
    snprintf(pairings, sizeof pairings, "--pairings-each=%u",
             (plan->pairings_min + plan->processes - 1) / plan->processes);
    snprintf(where, sizeof where, "--raw=%d", raw);
    arguments[n++] = seconds;
    arguments[n++] = connections;
    arguments[n++] = pairings;
    arguments[n++] = "--processes=1";
    arguments[n++] = where;
    execv("/proc/self/exe", arguments);
    _exit(127);
}

/* Adds one part's pairings behind the `*pairings` already there. */
static bool read_part(FILE *in, struct contestant *contestants, unsigned count, unsigned *pairings)
{
    unsigned more;
    if (fread(&more, sizeof more, 1, in) != 1 || more > PAIRINGS_MAX - *pairings)
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct contestant *c = &contestants[i];
        uint64_t counts[2];
        if (fread(counts, sizeof(uint64_t), 2, in) != 2 ||
            fread(c->ns_per_message + *pairings, sizeof(double), more, in) != more)
            return false;
        c->enters_timed += counts[0];
        c->messages_timed += counts[1];
    }
    *pairings += more;
    return true;
}

static int run_parts(const struct plan *plan, struct contestant *contestants, unsigned count,
                     char **argv, int argc)
{
    unsigned pairings = 0;
    for (unsigned i = 0; i < count; i++) {
        contestants[i].ns_per_message = calloc(PAIRINGS_MAX, sizeof(double));
        if (!contestants[i].ns_per_message)
            return 1;
    }
    for (unsigned part = 0; part < plan->processes; part++) {
        int ends[2], status = 1;
        if (pipe(ends) < 0)
            return 1;
        pid_t pid = start_part(plan, argv, argc, ends[1]);
        close(ends[1]);
        FILE *in = fdopen(ends[0], "r");
        bool good = pid > 0 && in && read_part(in, contestants, count, &pairings);
        if (in)
            fclose(in);
        if (pid > 0)
            waitpid(pid, &status, 0);
        if (!good || status != 0)
            return 1;
    }
    return report(plan, contestants, count, pairings);
}

static int run(struct plan *plan, char **argv, int argc)
{
    static struct contestant contestants[VARIANTS_MAX];
    unsigned count = choose(plan, contestants);
    fit_descriptors(plan, count);
    message_size = plan->size;
    int status;
    if (plan->apart)
        status = run_apart(plan, contestants, count);
    else if (plan->processes > 1)
        status = run_parts(plan, contestants, count, argv, argc);
    else
        status = run_here(plan, contestants, count);
    for (unsigned i = 0; i < count; i++) {
        free(contestants[i].clients);
        free(contestants[i].ns_per_message);
    }
    return status;
}

static int usage(void)
{
    fputs("usage: paired [OPTION...]\n"
          "  --unix | --tcp      transport (unix)\n"
          "  --connections=N     1 to 10000, capped at 9900 by a descriptor limit of 20000 (64)\n"
          "  --size=BYTES        of a message, up to 65536 (64)\n"
          "  --depth=N           messages in flight on each connection (1)\n"
          "  --gather            the client writes a pipeline with one send, not one for each "
          "message\n"
          "  --seconds=N         about how long in all; three times this if it must (5)\n"
          "  --processes=N       one after the other, pairings pooled (5)\n"
          "  --pairings=N        at least this many, 15 or more (15)\n"
          "  --slice-us=N        server time of a slice (1500)\n"
          "  --cpu=N             where to run (the last one allowed)\n"
          "  --variants=A,B,...  or all; the reference is always among them\n"
          "  --json              one JSON line instead of the table\n",
          stderr);
    return 2;
}

static bool set_number(const char *argument, const char *name, uint64_t low, uint64_t high,
                       uint64_t *value)
{
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 &&
           parse_number(argument + length, low, high, value);
}

static bool set_option(struct plan *plan, const char *argument)
{
    uint64_t value;
    if (strcmp(argument, "--unix") == 0 || strcmp(argument, "--tcp") == 0)
        plan->tcp = argument[2] == 't';
    else if (strcmp(argument, "--json") == 0)
        plan->json = true;
    else if (strcmp(argument, "--gather") == 0)
        plan->gather = true;
    else if (strncmp(argument, "--seconds-each=", 15) == 0) /* from start_part */
        plan->seconds = strtod(argument + 15, NULL);
    else if (strncmp(argument, "--variants=", 11) == 0)
        plan->only = argument + 11;
    else if (set_number(argument, "--connections=", 1, 10000, &value))
        plan->connections = (unsigned)value;
    else if (set_number(argument, "--size=", 1, SIZE_MAX_BYTES, &value))
        plan->size = value;
    else if (set_number(argument, "--depth=", 1, 1024, &value))
        plan->depth = (unsigned)value;
    else if (set_number(argument, "--seconds=", 1, 600, &value))
        plan->seconds = (double)value;
    else if (set_number(argument, "--pairings-each=", 1, PAIRINGS_MAX, &value)) /* likewise */
        plan->pairings_min = (unsigned)value;
    else if (set_number(argument, "--raw=", 0, 1000, &value)) /* from start_part */
        plan->raw = (int)value;
    else if (set_number(argument, "--processes=", 1, PROCESSES_MAX, &value))
        plan->processes = (unsigned)value;
    else if (set_number(argument, "--pairings=", PAIRINGS_MIN, PAIRINGS_MAX, &value))
        plan->pairings_min = (unsigned)value;
    else if (set_number(argument, "--slice-us=", 10, 1000000, &value))
        plan->slice_ns = value * 1000;
    else if (set_number(argument, "--cpu=", 0, CPU_SETSIZE - 1, &value))
        plan->cpu = (int)value;
    else
        return false;
    return true;
}

static int pin(struct plan *plan)
{
    cpu_set_t set;
    if (plan->cpu < 0) {
        sched_getaffinity(0, sizeof set, &set);
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &set))
                plan->cpu = cpu;
    }
    CPU_ZERO(&set);
    CPU_SET(plan->cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.connections = 64,
                        .depth = 1,
                        .size = 64,
                        .seconds = 5,
                        .pairings_min = PAIRINGS_MIN,
                        .slice_ns = 1500000,
                        .cpu = -1,
                        .processes = 5,
                        .raw = -1};
    for (int i = 1; i < argc; i++)
        if (!set_option(&plan, argv[i]))
            return usage();
    if (plan.size * plan.depth > INFLIGHT_MAX_BYTES) {
        fprintf(stderr, "paired: size times depth is at most %d bytes\n", INFLIGHT_MAX_BYTES);
        return 2;
    }
    int error = pin(&plan);
    if (error) {
        say("pinning", error);
        return 1;
    }
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof pattern; i++) {
        x = x * 1664525u + 1013904223u;
        pattern[i] = (unsigned char)(x >> 24);
    }
    calibrate();
    return run(&plan, argv, argc);
}
