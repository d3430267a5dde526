/* whatsup ADDRESS:PORT: answers lines; on SIGUSR1 tells on standard error what each task does. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>
static int conversation(void *arg)
{
    int fd = *(int *)arg;
    char line[512];
    ssize_t n = 0;
    while (n >= 0 && (n = weft_recv(fd, line, sizeof line, WEFT_IDLE)) > 0) {
        if (memchr(line, '?', (size_t)n)) /* a question takes thought */
            n = weft_sleep(WEFT_NEVER);
        else
            n = weft_send_all(fd, line, (size_t)n, NULL);
    }
    return weft_close(fd);
}
static int server(void *address)
{
    struct weft_spawn_opt named = {sizeof named, .name = "conversation"};
    int fd, listener = weft_listen_tcp(address, NULL);
    if (listener < 0)
        return listener;
    printf("listening on %s\n", (char *)address), fflush(stdout);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING, .name = "conversations", .max_tasks = 100) {
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0)
            if (weft_spawn(&s, conversation, &fd, sizeof fd, &named) < 0)
                weft_close(fd);
        weft_scope_cancel(&s);
    }
    return weft_close(listener);
}
int main(int argc, char **argv)
{
    struct weft_run_opt opt = {.size = sizeof opt, .stop_on_sigterm = true, .dump_signal = SIGUSR1};

    if (argc != 2) {
        fprintf(stderr, "usage: whatsup ADDRESS:PORT\n");
        return 2;
    }
    int result = weft_run(server, argv[1], 0, &opt);
    if (result < 0)
        fprintf(stderr, "whatsup: %s\n", strerror(-result));
    return result < 0;
}
