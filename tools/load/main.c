/*
 * weft-load: speaks to an echo server over many connections, compares every byte that comes back,
 * and says how fast the answers came. The usage below says the rest; load.h how it is built.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"
#include "pattern.h"

static const char usage[] =
    "usage: weft-load [OPTION...] ADDRESS:PORT|unix:PATH\n"
    "  -c, --connections=N   connections (1)\n"
    "  -s, --size=BYTES      of a message, up to 16 MiB (64)\n"
    "  -p, --depth=N         messages in flight on each connection, up to 1024 (1)\n"
    "  -r, --rate=N          messages a second over all connections, sent on time whatever comes\n"
    "                        back; latency counts from when a message was due\n"
    "  -d, --duration=S      seconds to measure (5, or until --messages are through)\n"
    "  -w, --warmup=S        seconds before that (0)\n"
    "  -n, --messages=N      messages over all connections, then stop\n"
    "  -t, --reactors=N      reactors that the connections are spread over (1)\n"
    "      --patience=S      give up when nothing has come for so long (10)\n"
    "      --server=PID      measure the CPU time of this process as well\n"
    "      --json=FILE       the figures as JSON; - is standard output, instead of the table\n"
    "Exit status: 0 every byte was right and every message answered, 1 not so, 2 bad usage.\n";

enum { OPTION_PATIENCE = 256, OPTION_SERVER, OPTION_JSON };

static const struct option options[] = {
    {"connections", required_argument, NULL, 'c'},
    {"size", required_argument, NULL, 's'},
    {"depth", required_argument, NULL, 'p'},
    {"rate", required_argument, NULL, 'r'},
    {"duration", required_argument, NULL, 'd'},
    {"warmup", required_argument, NULL, 'w'},
    {"messages", required_argument, NULL, 'n'},
    {"reactors", required_argument, NULL, 't'},
    {"patience", required_argument, NULL, OPTION_PATIENCE},
    {"server", required_argument, NULL, OPTION_SERVER},
    {"json", required_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool number(const char *text, double low, double high, double *value)
{
    char *end;

    errno = 0;
    *value = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && *value >= low && *value <= high;
}

/* A whole number. */
static bool count(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value >= low &&
           *value <= high;
}

static bool span(const char *text, int64_t *ns)
{
    double seconds;

    if (!number(text, 0, 86400, &seconds))
        return false;
    *ns = (int64_t)(seconds * 1e9);
    return true;
}

static bool count32(const char *text, uint64_t high, uint32_t *value)
{
    uint64_t wide;

    if (!count(text, 1, high, &wide))
        return false;
    *value = (uint32_t)wide;
    return true;
}

static bool set(struct plan *plan, int option, const char *text)
{
    uint64_t value;

    switch (option) {
    case 'c':
        return count32(text, 1000000, &plan->connections);
    case 's':
        return count(text, 1, 16 << 20, &value) && (plan->size = value, true);
    case 'p':
        return count32(text, 1024, &plan->depth);
    case 'r':
        return number(text, 0.001, 1e9, &plan->rate);
    case 'd':
        return span(text, &plan->duration_ns) && plan->duration_ns > 0;
    case 'w':
        return span(text, &plan->warmup_ns);
    case 'n':
        return count(text, 1, UINT64_MAX / 2, &plan->messages);
    case 't':
        return count32(text, 1024, &plan->reactors);
    case OPTION_PATIENCE:
        return span(text, &plan->patience_ns) && plan->patience_ns > 0;
    case OPTION_SERVER:
        return count(text, 1, INT_MAX, &value) && (plan->server = (pid_t)value, true);
    case OPTION_JSON:
        plan->json = text;
        return true;
    default:
        return false;
    }
}

static bool parse(struct plan *plan, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "c:s:p:r:d:w:n:t:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (option == '?')
            return false;
        if (!set(plan, option, optarg)) {
            fprintf(stderr, "weft-load: not a fitting value: %s\n", optarg);
            return false;
        }
    }
    if (optind != argc - 1)
        return false;
    plan->address = argv[optind];
    if (plan->reactors > plan->connections)
        plan->reactors = plan->connections;
    if (plan->messages > 0 && plan->messages < plan->connections) {
        fprintf(stderr, "weft-load: fewer messages than connections\n");
        return false;
    }
    if (plan->duration_ns == 0 && plan->messages == 0)
        plan->duration_ns = 5000000000;
    return true;
}

/* A descriptor for each connection, and some for ourselves. */
static bool raise_descriptor_limit(const struct plan *plan)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return true;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (plan->connections + 32 + 8 * plan->reactors <= limit.rlim_max)
        return true;
    fprintf(stderr, "weft-load: %u connections are more than the limit of %llu descriptors\n",
            plan->connections, (unsigned long long)limit.rlim_max);
    return false;
}

int main(int argc, char **argv)
{
    static struct outcome outcome;
    struct plan plan = {.connections = 1,
                        .reactors = 1,
                        .depth = 1,
                        .size = 64,
                        .patience_ns = 10000000000,
                        .progress = isatty(STDERR_FILENO)};
    char text[512] = "";

    if (!parse(&plan, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!raise_descriptor_limit(&plan))
        return 1;
    pattern_open();
    outcome.error = lead(&plan, &outcome, text, sizeof text);
    return report(&plan, &outcome, text);
}
