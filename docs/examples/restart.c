/*
 * restart ADDRESS:PORT SOCKET - answers lines, and is replaced by being started once more.
 *
 *     restart 127.0.0.1:7000 /run/lines &      the first listens
 *     restart 127.0.0.1:7000 /run/lines &      each further one takes the place of the one before
 *
 * Whoever serves waits at the Unix socket SOCKET for its successor. To that it hands the socket
 * that it listens on, and this one, and once the successor serves it accepts nobody any more,
 * goes on serving those it has, and ends with the last of them. So no client is refused, reset, or
 * cut off in the middle. SIGTERM ends whoever serves, for good.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

enum { LISTENER, MEETING, SOCKETS };

static char address[128], meeting[128] = "unix:";
static const size_t path_at = sizeof "unix:" - 1;

static int conversation(weft_stream *stream, void *arg)
{
    char line[512], answer[600];
    ssize_t n;

    (void)arg;
    while ((n = weft_stream_read_line(stream, line, sizeof line, 0)) > 0) {
        int size = snprintf(answer, sizeof answer, "%d: %s", (int)getpid(), line);
        if ((n = weft_stream_write(stream, answer, (size_t)size, NULL)) < 0)
            break;
    }
    return n == -ENODATA ? 0 : (int)n;
}

/* The sockets of whoever serves. Returns the channel to him, or -ENOENT, -ECONNREFUSED: nobody. */
static int take_over(int fds[SOCKETS])
{
    for (;;) {
        uint32_t count = SOCKETS;
        int channel = weft_connect_tcp(meeting, NULL), error;

        if (channel < 0)
            return channel;
        error = weft_take_over(channel, fds, &count);
        if (error == 0)
            return channel;
        weft_close(channel);
        if (error != -ENODATA && error != -ECONNRESET)
            return error;
        /* he has been replaced himself just now: the next one answers */
    }
}

static int start_first(weft_server **server, int fds[SOCKETS])
{
    fds[MEETING] = weft_listen_tcp(meeting, NULL);
    if (fds[MEETING] < 0)
        return fds[MEETING];
    return weft_start_server(server, address, conversation, NULL, NULL);
}

static int start(weft_server **server, int fds[SOCKETS])
{
    struct weft_server_opt opt = {.size = sizeof opt, .fds = &fds[LISTENER], .fd_count = 1};
    int error, old = take_over(fds);

    if (old == -ENOENT || old == -ECONNREFUSED)
        return start_first(server, fds);
    if (old < 0)
        return old;
    error = weft_start_server(server, NULL, conversation, NULL, &opt);
    if (error == 0)
        error = weft_take_over_done(old); /* now he stops accepting */
    weft_close(old);
    return error;
}

/* 0: it serves; -ESHUTDOWN: there is to be none. One that fails to come up changes nothing. */
static int wait_for_successor(const weft_server *server, int fds[SOCKETS])
{
    for (;;) {
        int error, next = weft_accept(fds[MEETING], NULL, NULL, 0);

        if (next < 0)
            return next;
        error = weft_server_listeners(server, &fds[LISTENER], 1);
        if (error > 0)
            error = weft_hand_over_until(next, fds, SOCKETS, weft_after_ms(60000));
        weft_close(next);
        if (error == 0)
            return 0;
        fprintf(stderr, "restart: no successor: %s\n", strerror(-error));
    }
}

static int serve(void *arg)
{
    int fds[SOCKETS], error;
    weft_server *server;

    (void)arg;
    error = start(&server, fds);
    if (error < 0)
        return error;
    printf("%d serves\n", (int)getpid());
    fflush(stdout);
    error = wait_for_successor(server, fds);
    weft_close(fds[MEETING]);
    if (error == 0) {
        weft_server_retire(server, WEFT_NEVER, WEFT_NEVER);
    } else {
        weft_unlinkat(AT_FDCWD, meeting + path_at, 0);
        weft_server_drain(server, weft_after_ms(2000), weft_after_ms(3000));
    }
    return weft_server_close(server);
}

int main(int argc, char **argv)
{
    struct weft_run_opt opt = {.size = sizeof opt, .stop_on_sigterm = true};
    int result;

    if (argc != 3) {
        fprintf(stderr, "usage: restart ADDRESS:PORT SOCKET\n");
        return 2;
    }
    snprintf(address, sizeof address, "%s", argv[1]);
    snprintf(meeting + path_at, sizeof meeting - path_at, "%s", argv[2]);
    result = weft_run(serve, NULL, 0, &opt);
    if (result < 0)
        fprintf(stderr, "restart: %s\n", strerror(-result));
    return result < 0;
}
