/* Shared words of the comparison programs; see common.h. */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

static int parse_unix(struct address *address, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&address->storage;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof un->sun_path)
        return -EINVAL;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length + 1);
    address->length = sizeof *un;
    address->is_unix = true;
    return 0;
}

int address_parse(struct address *address, const char *text)
{
    memset(address, 0, sizeof *address);
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(address, text + 5);

    char host[64];
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || !parse_number(colon + 1, 0, 65535, &port))
        return -EINVAL;
    bool bracketed = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    size_t length = (size_t)(colon - text) - (bracketed ? 2 : 0);
    if (length == 0 || length >= sizeof host)
        return -EINVAL;
    memcpy(host, text + bracketed, length);
    host[length] = '\0';

    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    if (!bracketed && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        address->length = sizeof *v4;
        return 0;
    }
    if (bracketed && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        address->length = sizeof *v6;
        return 0;
    }
    return -EINVAL;
}

static void set_option(int fd, int level, int option)
{
    int on = 1;
    setsockopt(fd, level, option, &on, sizeof on);
}

int address_listen(const struct address *address, int flags)
{
    const struct sockaddr *sa = (const struct sockaddr *)&address->storage;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0)
        return -errno;
    if (address->is_unix) {
        unlink(((const struct sockaddr_un *)sa)->sun_path);
    } else {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR);
        set_option(fd, SOL_SOCKET, SO_REUSEPORT);
        set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    }
    if (bind(fd, sa, address->length) < 0 || listen(fd, 4096) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int address_connect(const struct address *address)
{
    const struct sockaddr *sa = (const struct sockaddr *)&address->storage;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, sa, address->length) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    if (!address->is_unix)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    return fd;
}

bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || number < low || number > high)
        return false;
    *value = number;
    return true;
}

uint64_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

/* Values below HISTOGRAM_STEPS have a slot each; above, the five bits under the leading one
 * choose the step within its doubling. */
static unsigned slot_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned shift = (unsigned)(63 - __builtin_clzll(value)) - 5;
    unsigned slot = (shift + 1) * HISTOGRAM_STEPS + (unsigned)((value >> shift) - HISTOGRAM_STEPS);
    return slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1;
}

static uint64_t value_of(unsigned slot)
{
    if (slot < HISTOGRAM_STEPS)
        return slot;
    unsigned shift = slot / HISTOGRAM_STEPS - 1;
    uint64_t step = HISTOGRAM_STEPS + slot % HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->slots[slot_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
        into->slots[i] += from->slots[i];
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    if (histogram->count == 0)
        return 0;
    uint64_t rank = (uint64_t)(quantile * (double)histogram->count);
    if ((double)rank < quantile * (double)histogram->count || rank == 0)
        rank++;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += histogram->slots[i];
        if (seen >= rank)
            return value_of(i);
    }
    return value_of(HISTOGRAM_SLOTS - 1);
}

static void json_name(struct json *json, const char *name)
{
    if (json->need_comma)
        fputs(", ", json->out);
    if (name)
        fprintf(json->out, "\"%s\": ", name);
    json->need_comma = true;
}

void json_open(struct json *json, const char *name, char bracket)
{
    json_name(json, name);
    fputc(bracket, json->out);
    json->need_comma = false;
}

void json_close(struct json *json, char bracket)
{
    fputc(bracket, json->out);
    json->need_comma = true;
}

void json_count(struct json *json, const char *name, uint64_t value)
{
    json_name(json, name);
    fprintf(json->out, "%llu", (unsigned long long)value);
}

void json_real(struct json *json, const char *name, double value)
{
    json_name(json, name);
    fprintf(json->out, "%.6g", value);
}

void json_series(struct json *json, const char *name, const double *values, uint64_t count)
{
    json_open(json, name, '[');
    for (uint64_t i = 0; i < count; i++)
        json_real(json, NULL, values[i]);
    json_close(json, ']');
}

void json_text(struct json *json, const char *name, const char *value)
{
    json_name(json, name);
    fprintf(json->out, "\"%s\"", value);
}
