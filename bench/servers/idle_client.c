/* idle-client: opens many connections, has a message echoed on each, and then holds them. Blocking
 * calls, nothing of weft's.
 *
 *     idle-client 127.0.0.1:PORT COUNT
 *
 * Prints "open COUNT" when all are there and have answered. Then each line on standard input asks
 * for another message on every 97th of them: "right NUMBER". At the end of the input it resets all
 * of them and ends. Each 8,000 connections come from a loopback address of their own, 127.1.0.1
 * and on: one has 28,000 ports, and when half are taken the kernel searches long for another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

enum { BATCH = 128, A_SOURCE = 8000, EVERY = 97, PATIENCE_S = 60 };

static int fail(const char *what, uint64_t which)
{
    fprintf(stderr, "idle-client: connection %llu: %s: %s\n", (unsigned long long)which, what,
            strerror(errno));
    return 1;
}

static int open_one(const struct address *server, uint64_t which)
{
    const struct sockaddr_in source = {.sin_family = AF_INET,
                                       .sin_addr.s_addr =
                                           htonl(0x7f010001u + (uint32_t)(which / A_SOURCE))};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const struct linger reset = {.l_onoff = 1};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(fd, (const struct sockaddr *)&source, sizeof source) < 0 ||
        connect(fd, (const struct sockaddr *)&server->storage, server->length) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int ask(int fd, uint64_t message)
{
    return send(fd, &message, sizeof message, MSG_NOSIGNAL) == sizeof message ? 0 : -1;
}

static int answered(int fd, uint64_t message)
{
    uint64_t back = 0;

    if (recv(fd, &back, sizeof back, MSG_WAITALL) != sizeof back)
        return -1;
    errno = EBADMSG;
    return back == message ? 0 : -1;
}

/* All of them, so many at a time that the listener's queue takes them. */
static int open_all(const struct address *server, int *fds, uint64_t count)
{
    for (uint64_t first = 0; first < count; first += BATCH) {
        uint64_t end = first + BATCH < count ? first + BATCH : count;

        for (uint64_t i = first; i < end; i++)
            if ((fds[i] = open_one(server, i)) < 0)
                return fail("not to be had", i);
        for (uint64_t i = first; i < end; i++)
            if (ask(fds[i], i) < 0)
                return fail("not sent", i);
        for (uint64_t i = first; i < end; i++)
            if (answered(fds[i], i) < 0)
                return fail("not answered", i);
    }
    return 0;
}

static int ask_some(const int *fds, uint64_t count)
{
    uint64_t right = 0;

    for (uint64_t i = 0; i < count; i += EVERY, right++)
        if (ask(fds[i], ~i) < 0 || answered(fds[i], ~i) < 0)
            return fail("not answered later", i);
    printf("right %llu\n", (unsigned long long)right);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct address server;
    char line[64];
    uint64_t count;
    int *fds, error;

    if (argc != 3 || address_parse(&server, argv[1]) < 0 || server.is_unix ||
        !parse_number(argv[2], 1, 10000000, &count)) {
        fputs("usage: idle-client 127.0.0.1:PORT COUNT\n", stderr);
        return 2;
    }
    raise_descriptor_limit();
    fds = malloc(count * sizeof *fds);
    if (!fds)
        return fail("memory", 0);
    error = open_all(&server, fds, count);
    if (error == 0) {
        printf("open %llu\n", (unsigned long long)count);
        fflush(stdout);
    }
    while (error == 0 && fgets(line, sizeof line, stdin))
        error = ask_some(fds, count);
    free(fds);
    return error;
}
