/*
 * libFuzzer's bytes as the text of an address. What is accepted is what the C library makes of the
 * same words, and stands as it is written out again; what is not has changed nothing.
 */
#include "io/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool right)
{
    if (!right)
        abort();
}

static bool same(const struct weft__address *one, const struct weft__address *other)
{
    return one->length == other->length && memcmp(&one->any, &other->any, one->length) == 0;
}

/* Between the last colon and what stands before it; the C library reads both. */
static void check_by_library(const char *text, const struct weft__address *address)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_family = address->any.sa_family,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    char *host = strndup(text + bracketed, (size_t)(colon - text) - 2 * bracketed);
    struct addrinfo *found = NULL;

    must(host && getaddrinfo(address->wildcard ? "::" : host, colon + 1, &hints, &found) == 0);
    must(found->ai_addrlen == address->length);
    if (address->any.sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, found->ai_addr, sizeof v6);
        must(memcmp(&v6.sin6_addr, &address->v6.sin6_addr, sizeof v6.sin6_addr) == 0);
        must(v6.sin6_port == address->v6.sin6_port);
        must(v6.sin6_scope_id == address->v6.sin6_scope_id);
    } else {
        must(memcmp(found->ai_addr, &address->any, address->length) == 0);
    }
    freeaddrinfo(found);
    free(host);
}

static void check_inet(const char *text, const struct weft__address *address)
{
    char host[INET6_ADDRSTRLEN], again[INET6_ADDRSTRLEN + 32];
    int port = weft__address_port(address);
    struct weft__address read;

    must(port >= 0 && port <= UINT16_MAX);
    check_by_library(text, address);
    if (address->any.sa_family == AF_INET) {
        must(inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host) != NULL);
        snprintf(again, sizeof again, "%s:%d", host, port);
    } else {
        must(inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host) != NULL);
        snprintf(again, sizeof again, "[%s%%%u]:%d", host, address->v6.sin6_scope_id, port);
    }
    must(weft__address_parse(&read, again) == 0);
    must(same(&read, address) && !read.wildcard);
    must(address->wildcard == (text[0] == ':'));
}

static void check_unix(const char *path, const struct weft__address *address)
{
    size_t size = address->length - offsetof(struct sockaddr_un, sun_path);
    bool abstract = path[0] == '@';

    must(size <= sizeof address->local.sun_path);
    must(size == strlen(path) + !abstract);
    must(address->local.sun_path[0] == (abstract ? '\0' : path[0]));
    must(memcmp(address->local.sun_path + 1, path + 1, size - 1) == 0);
    must(weft__address_port(address) == -EAFNOSUPPORT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = calloc(1, size + 1);
    struct weft__address address, before;
    int error;

    must(text != NULL);
    if (size > 0)
        memcpy(text, bytes, size);
    memset(&before, 0x5a, sizeof before);
    address = before;
    error = weft__address_parse(&address, text);
    if (error < 0) {
        must(memcmp(&address, &before, sizeof before) == 0);
        must(error == -EINVAL || (error == -ENAMETOOLONG && strncmp(text, "unix:", 5) == 0));
    } else if (strncmp(text, "unix:", 5) == 0) {
        check_unix(text + 5, &address);
    } else {
        check_inet(text, &address);
    }
    free(text);
    return 0;
}
