/* kv's server: a task for each connection, a line for each request. */
#include "kv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct conversation {
    struct kv *kv;
    int64_t patience_ns;
    int fd;
};

static int answer(const struct conversation *with, const char *line)
{
    int64_t deadline = weft_after_ns(with->patience_ns); /* of who does not read, too */
    ssize_t n = weft_send_all_until(with->fd, line, strlen(line), NULL, deadline);

    return n < 0 ? (int)n : 0;
}

static int handle(const struct conversation *with, const char *line)
{
    char command[8] = "", key[64] = "", value[64] = "", more[2], reply[128];
    int words = sscanf(line, "%7s %63s %63s %1s", command, key, value, more);

    if (words == 3 && strcmp(command, "SET") == 0) {
        int error = kv_set(with->kv, key, value);
        if (error < 0)
            snprintf(reply, sizeof reply, "ERR %s\n", strerror(-error));
        else
            snprintf(reply, sizeof reply, "OK\n");
    } else if (words == 2 && strcmp(command, "GET") == 0) {
        const char *found = kv_get(with->kv, key);
        snprintf(reply, sizeof reply, found ? "VALUE %s\n" : "NONE\n", found);
    } else {
        snprintf(reply, sizeof reply, "ERR what?\n");
    }
    return answer(with, reply);
}

static int conversation(void *arg)
{
    const struct conversation *with = arg;
    int64_t deadline = weft_after_ns(with->patience_ns);
    char buffer[256], *end;
    size_t have = 0;
    ssize_t n;
    int error = 0;

    while (error == 0 && have < sizeof buffer - 1 &&
           (n = weft_recv_until(with->fd, buffer + have, sizeof buffer - 1 - have, WEFT_IDLE,
                                deadline)) > 0) {
        have += (size_t)n;
        while (error == 0 && (end = memchr(buffer, '\n', have))) {
            *end++ = 0; /* a line with a zero in it is no line of text */
            error = handle(with, strlen(buffer) + 1 == (size_t)(end - buffer) ? buffer : "");
            have -= (size_t)(end - buffer);
            memmove(buffer, end, have);
            deadline = weft_after_ns(with->patience_ns); /* of the next line, from here */
        }
    }
    if (have == sizeof buffer - 1)
        (void)answer(with, "ERR too long\n");
    weft_close(with->fd);
    return 0; /* how one peer ended is no failure of the server's */
}

int kv_serve(struct kv *kv, const char *address, int64_t patience_ns)
{
    int listener = weft_listen_tcp(address, NULL);

    if (listener < 0)
        return listener;
    WEFT_SCOPE(connections, .on_error = WEFT_KEEP_GOING, .max_tasks = 1000) {
        struct conversation with = {.kv = kv, .patience_ns = patience_ns};
        while ((with.fd = weft_accept(listener, NULL, NULL, 0)) >= 0)
            if (weft_spawn(&connections, conversation, &with, sizeof with, NULL) < 0)
                weft_close(with.fd);
        weft_scope_drain(&connections, weft_after_ms(1000), weft_after_ms(2000));
    }
    return weft_close(listener);
}
