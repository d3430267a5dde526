/*
 * io/address.c - addresses as text; address.h lists the forms.
 */
#include "io/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/misuse.h"

enum { PORT_MAX = 65535 };

/* A decimal number from `text` up to `end`, at most `max`; -EINVAL. Nothing but digits. */
static int64_t parse_number(const char *text, const char *end, int64_t max)
{
    int64_t number = 0;

    if (text == end)
        return -EINVAL;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        number = number * 10 + (*text - '0');
        if (number > max)
            return -EINVAL;
    }
    return number;
}

static int parse_unix(struct weft__address *address, const char *path)
{
    size_t length = strlen(path);
    size_t room = sizeof address->local.sun_path;

    if (length == 0 || strcmp(path, "@") == 0)
        return -EINVAL;
    /* a path ends in a zero byte, an abstract name by its length */
    if (length > room || (path[0] != '@' && length == room))
        return -ENAMETOOLONG;
    *address = (struct weft__address){.local = {.sun_family = AF_UNIX}};
    memcpy(address->local.sun_path, path, length);
    address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (path[0] == '@')
        address->local.sun_path[0] = '\0';
    else
        address->length++;
    return 0;
}

/* "::1" or "fe80::1%2", the interface by its number. */
static int parse_v6(struct weft__address *address, char *host)
{
    char *zone = strchr(host, '%');
    int64_t scope = 0;

    if (zone) {
        *zone++ = '\0';
        scope = parse_number(zone, zone + strlen(zone), UINT32_MAX);
        if (scope < 0)
            return -EINVAL;
    }
    *address =
        (struct weft__address){.v6 = {.sin6_family = AF_INET6, .sin6_scope_id = (uint32_t)scope},
                               .length = sizeof address->v6};
    return inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1 ? 0 : -EINVAL;
}

static int parse_v4(struct weft__address *address, const char *host)
{
    *address = (struct weft__address){.v4 = {.sin_family = AF_INET}, .length = sizeof address->v4};
    return inet_pton(AF_INET, host, &address->v4.sin_addr) == 1 ? 0 : -EINVAL;
}

static int parse_host(struct weft__address *address, const char *text, size_t length)
{
    char host[INET6_ADDRSTRLEN + 16];
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';

    if (length == 0) {
        *address = (struct weft__address){.v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any},
                                          .length = sizeof address->v6,
                                          .wildcard = true};
        return 0;
    }
    if (length >= sizeof host)
        return -EINVAL;
    memcpy(host, text + bracketed, length - 2 * bracketed);
    host[length - 2 * bracketed] = '\0';
    return bracketed ? parse_v6(address, host) : parse_v4(address, host);
}

static int parse_inet(struct weft__address *address, const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    int error;

    if (!colon)
        return -EINVAL;
    port = parse_number(colon + 1, colon + strlen(colon), PORT_MAX);
    if (port < 0)
        return -EINVAL;
    error = parse_host(address, text, (size_t)(colon - text));
    if (error < 0)
        return error;
    if (address->any.sa_family == AF_INET)
        address->v4.sin_port = htons((uint16_t)port);
    else
        address->v6.sin6_port = htons((uint16_t)port);
    return 0;
}

int weft__address_parse(struct weft__address *address, const char *text)
{
    struct weft__address parsed;
    int error;

    if (!text)
        return weft__misuse(-EINVAL, "no address"); /* any other text may be a user's */
    if (strncmp(text, "unix:", 5) == 0)
        error = parse_unix(&parsed, text + 5);
    else
        error = parse_inet(&parsed, text);
    if (error == 0)
        *address = parsed;
    return error;
}

int weft__address_port(const struct weft__address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(address->v4.sin_port);
    if (address->any.sa_family == AF_INET6)
        return ntohs(address->v6.sin6_port);
    return -EAFNOSUPPORT;
}
