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
#include "paired_plan.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

/* --- the run
 * -------------------------------------------------------------------------------------- */

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
            int error = c->player ? ask_slice(c, c->player, ns) : paired_slice(plan, c, ns);
            if (error) {
                say(c->variant.name, error);
                return error;
            }
        }
    }
    return (int)pairing;
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
        error = paired_open(plan, &contestants[opened]);
        opened += error == 0;
    }
    if (error)
        say(contestants[opened].variant.name, error);
    else
        pairings = play(plan, contestants, count);
    int status = 1;
    if (!error && pairings > 0)
        status = (plan->raw >= 0 ? write_raw : paired_report)(plan, contestants, count,
                                                              (unsigned)pairings);
    for (unsigned i = 0; i < opened; i++) {
        contestants[i].variant.close(&contestants[i].variant);
        paired_close_clients(plan, contestants[i].clients);
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
    struct slice slice = {.error = paired_open(plan, c)};
    while (read(ask, &byte, 1) == 1) {
        if (!slice.error)
            slice.error = paired_slice(plan, c, &slice.ns_per_message);
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
    return pairings > 0 ? paired_report(plan, contestants, count, (unsigned)pairings) : 1;
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
    return paired_report(plan, contestants, count, pairings);
}

static int run(struct plan *plan, char **argv, int argc)
{
    static struct contestant contestants[VARIANTS_MAX];
    unsigned count = paired_choose(plan, contestants);
    fit_descriptors(plan, count);
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
    paired_prepare();
    return run(&plan, argv, argc);
}
