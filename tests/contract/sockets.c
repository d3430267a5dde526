/*
 * sockets.c - connections for the checks; contract.h says what the helpers promise.
 *
 * The thread of the check. What always holds: everything that may wait is a request of the check's
 * ring; a descriptor is closed once, by the check or after it.
 */
#include "contract.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

enum { TIMES_FULL = 4 }; /* in a row, before a socket counts as full */

/* -- requests made and waited for ------------------------------------------------------------- */

int32_t contract_send(struct contract *c, struct weft__ring *ring, int fd, const void *data,
                      size_t size)
{
    uint64_t token = ++c->own_tokens;

    CONTRACT_ASK(c, ring, token, send, fd, data, (uint32_t)size, MSG_NOSIGNAL | MSG_WAITALL);
    return contract_wait(c, ring, token).result;
}

int32_t contract_recv(struct contract *c, struct weft__ring *ring, int fd, void *data, size_t size)
{
    uint64_t token = ++c->own_tokens;

    CONTRACT_ASK(c, ring, token, recv, fd, data, (uint32_t)size, 0, 0);
    return contract_wait(c, ring, token).result;
}

int32_t contract_connect(struct contract *c, struct weft__ring *ring, int fd, const void *address,
                         socklen_t length)
{
    uint64_t token = ++c->own_tokens;

    CONTRACT_ASK(c, ring, token, connect, fd, address, length);
    return contract_wait(c, ring, token).result;
}

int32_t contract_accept(struct contract *c, struct weft__ring *ring, int fd)
{
    uint64_t token = ++c->own_tokens;

    CONTRACT_ASK(c, ring, token, accept, fd, SOCK_CLOEXEC, false);
    return contract_keep(c, contract_wait(c, ring, token).result);
}

int32_t contract_close(struct contract *c, struct weft__ring *ring, int fd)
{
    uint64_t token = ++c->own_tokens;
    struct weft__cqe cqe;

    CONTRACT_ASK(c, ring, token, close, fd);
    cqe = contract_wait(c, ring, token);
    if (cqe.result == 0 && !c->trouble[0])
        contract_forget(c, fd);
    return cqe.result;
}

bool contract_cancel(struct contract *c, struct weft__ring *ring, uint64_t target, int32_t *answer)
{
    uint64_t token = ++c->own_tokens;
    struct weft__cqe cqe = {.result = 0};
    bool failed;

    CONTRACT_ASK(c, ring, token, cancel, target);
    failed = contract_next(c, ring, token, contract_soon(), &cqe);
    *answer = cqe.result;
    return !failed;
}

/* -- descriptors ------------------------------------------------------------------------------ */

int contract_keep(struct contract *c, int fd)
{
    if (fd < 0)
        return fd;
    if (c->fd_count < CONTRACT_FDS)
        c->fds[c->fd_count++] = fd;
    else
        contract_trouble(c, "more descriptors than a check may have");
    return fd;
}

void contract_forget(struct contract *c, int fd)
{
    for (uint32_t i = c->fd_count; i-- > 0;)
        if (c->fds[i] == fd) {
            c->fds[i] = -1;
            return;
        }
}

int contract_drop(struct contract *c, int fd)
{
    contract_forget(c, fd);
    return weft__host_close(fd);
}

int contract_socket(struct contract *c, int family)
{
    int fd = weft__host_socket(family, SOCK_STREAM, 0);

    if (fd < 0)
        contract_trouble(c, "no socket: %d", fd);
    return contract_keep(c, fd);
}

void contract_reset_on_close(struct contract *c, int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int error = weft__host_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);

    if (error < 0)
        contract_trouble(c, "SO_LINGER: %d", error);
}

/* -- connections ------------------------------------------------------------------------------ */

static const char *const hex = "0123456789abcdef";

void contract_address(struct contract *c, int family, struct contract_address *address)
{
    *address = (struct contract_address){.length = sizeof(struct sockaddr_in)};
    if (family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
        v4->sin_family = AF_INET;
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return;
    }
    struct sockaddr_un *local = (struct sockaddr_un *)&address->storage;
    unsigned char salt[8];
    size_t length = 1; /* after the 0 of an abstract name */
    local->sun_family = AF_UNIX;
    if (weft__host_entropy(salt, sizeof salt) < 0)
        contract_trouble(c, "no entropy");
    memcpy(local->sun_path + 1, "weft-contract-", 14);
    length += 14;
    for (size_t i = 0; i < sizeof salt; i++) {
        local->sun_path[length++] = hex[salt[i] >> 4];
        local->sun_path[length++] = hex[salt[i] & 15];
    }
    address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

int contract_listener(struct contract *c, int family, int backlog, struct contract_address *address)
{
    int fd = contract_socket(c, family), error;

    contract_address(c, family, address);
    if (fd < 0)
        return fd;
    error = weft__host_bind(fd, (struct sockaddr *)&address->storage, address->length);
    if (error == 0)
        error = weft__host_listen(fd, backlog);
    if (error == 0) {
        address->length = sizeof address->storage;
        error = weft__host_getsockname(fd, (struct sockaddr *)&address->storage, &address->length);
    }
    if (error < 0)
        contract_trouble(c, "cannot listen: %d", error);
    return fd;
}

void contract_pair(struct contract *c, struct weft__ring *ring, int family, int pair[2])
{
    struct contract_address address;
    int listener = contract_listener(c, family, 8, &address);

    pair[0] = contract_socket(c, family);
    if (c->trouble[0])
        return;
    int32_t error = contract_connect(c, ring, pair[0], &address.storage, address.length);
    pair[1] = contract_accept(c, ring, listener);
    if (error < 0 || pair[1] < 0)
        contract_trouble(c, "cannot connect: %d, %d", error, pair[1]);
    else
        contract_drop(c, listener);
}

size_t contract_fill(struct contract *c, struct weft__ring *ring, int fd)
{
    static const char nothing[65536];
    size_t total = 0;
    int times_full = 0;

    while (!c->trouble[0] && times_full < TIMES_FULL) {
        uint64_t token = ++c->own_tokens;
        CONTRACT_ASK(c, ring, token, send, fd, nothing, sizeof nothing,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
        int32_t n = contract_wait(c, ring, token).result;
        if (n == -EAGAIN) { /* of bytes under way, perhaps: when they have arrived there is room */
            (void)contract_silent(c, ring, ++c->own_tokens);
            times_full++;
            continue;
        }
        if (n <= 0)
            contract_trouble(c, "cannot fill: %d", n);
        times_full = 0;
        total += n > 0 ? (size_t)n : 0;
    }
    return total;
}

size_t contract_drain(struct contract *c, struct weft__ring *ring, int fd)
{
    static char nothing[65536];
    size_t total = 0;

    while (!c->trouble[0]) {
        uint64_t token = ++c->own_tokens;
        CONTRACT_ASK(c, ring, token, recv, fd, nothing, sizeof nothing, 0, 0);
        int32_t n = contract_wait(c, ring, token).result;
        if (n <= 0)
            break;
        total += (size_t)n;
    }
    return total;
}
