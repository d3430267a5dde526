/* Arguments, the ready line and the counters of a peer's echo server; see tally.h. */
#include "tally.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct rusage since;

int tally_listen(int argc, char **argv, struct address *address)
{
    if (argc != 2 || address_parse(address, argv[1]) < 0) {
        fprintf(stderr, "usage: %s ADDRESS:PORT|unix:PATH\n", argv[0]);
        exit(2);
    }
    raise_descriptor_limit();
    int listener = address_listen(address, SOCK_NONBLOCK);
    if (listener < 0) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(-listener));
        exit(1);
    }
    return listener;
}

void tally_ready(const char *where)
{
    getrusage(RUSAGE_SELF, &since);
    printf("listening on %s\n", where);
    fflush(stdout);
}

static uint64_t us_between(const struct timeval *from, const struct timeval *to)
{
    return (uint64_t)(to->tv_sec - from->tv_sec) * 1000000u + (uint64_t)to->tv_usec -
           (uint64_t)from->tv_usec;
}

void tally_print(const char *program, const struct engine_counters *counters)
{
    struct rusage now;
    getrusage(RUSAGE_SELF, &now);
    struct json json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "program", program);
    json_count(&json, "threads", 1);
    json_count(&json, "messages", counters->messages);
    json_count(&json, "bytes", counters->bytes);
    json_count(&json, "connections", counters->connections);
    json_count(&json, "errors", counters->errors);
    json_count(&json, "cpu_user_us", us_between(&since.ru_utime, &now.ru_utime));
    json_count(&json, "cpu_system_us", us_between(&since.ru_stime, &now.ru_stime));
    json_close(&json, '}');
    putchar('\n');
    fflush(stdout);
}
