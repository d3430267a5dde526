/* echo [ADDRESS:PORT|unix:PATH [REACTORS [MS]]]: sends back what it receives, until SIGTERM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>
static uint32_t patience_ms = 60000; /* with who asks over TCP and does not read the answers */
static int conversation(void *arg)
{
    int fd = *(int *)arg; /* copied onto this task's stack */
    char line[4096];
    for (ssize_t n = 0; n >= 0 && (n = weft_recv(fd, line, sizeof line, WEFT_IDLE)) > 0;)
        n = weft_send_all(fd, line, (size_t)n, NULL); /* a stop may end a receive, not this */
    return weft_close(fd);
}
static int server(void *address) /* one on each reactor; the kernel deals the connections out */
{
    struct weft_socket_opt limits = {sizeof limits, .user_timeout_ms = patience_ms};
    struct weft_listen_opt opt = {sizeof opt, .reuse_port = weft_reactors() > 1, .socket = &limits};
    struct weft_spawn_opt next = {sizeof next, .reactor = WEFT_ON(weft_reactor_index() + 1)};
    int fd, listener = weft_listen_tcp(address, &opt);
    if (listener < 0)
        return listener;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) { /* closes when all that is in it has ended */
        if (weft_spawn(&s, server, address, 0, &next) < 0) /* no next reactor: all listen */
            printf("listening on %s\n", (char *)address), fflush(stdout);
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0)
            if (weft_spawn(&s, conversation, &fd, sizeof fd, NULL) < 0)
                weft_close(fd);
    }
    return weft_close(listener);
}
int main(int argc, char **argv)
{
    struct weft_run_opt opt = {.size = sizeof opt, .stop_on_sigterm = true};
    opt.reactors = argc > 2 && strncmp(argv[1], "unix:", 5) != 0 ? (uint32_t)atoi(argv[2]) : 1;
    patience_ms = argc > 3 ? (uint32_t)atoi(argv[3]) : patience_ms;
    int result = weft_run(server, argc > 1 ? argv[1] : (char[]){"127.0.0.1:7000"}, 0, &opt);
    return result < 0 && fprintf(stderr, "echo: %s\n", strerror(-result)) > 0;
}
