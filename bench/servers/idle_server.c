/* idle-server: echoes, on streams with a task each or by a protocol with none, so that what an idle
 * connection takes can be seen from outside.
 *
 *     idle-server stream|protocol ADDRESS:PORT
 *
 * Prints "listening on ADDRESS:PORT"; SIGTERM ends it, and then one line of JSON says how many
 * connections there were at one time and what of the runtime's they took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "common.h"

static struct {
    bool protocol;
    const char *address;
} plan;

static int converse(weft_stream *stream, void *arg)
{
    const void *data;
    size_t size;
    ssize_t n;

    (void)arg;
    while ((n = weft_stream_peek(stream, &data, &size, WEFT_IDLE)) > 0)
        if ((n = weft_stream_give(stream, stream, size)) < 0)
            break;
    return (int)n;
}

static void received(weft_transport *transport, const void *data, size_t size, void *self)
{
    (void)self;
    weft_transport_write(transport, data, size);
}

static int serve(void *arg)
{
    static const struct weft_protocol echo = {.size = sizeof echo, .data_received = received};
    const struct weft_listen_opt listen = {.size = sizeof listen, .backlog = 4096};
    const struct weft_server_opt opt = {.size = sizeof opt, .listen = &listen};
    struct weft_server_counts counts;
    weft_server *server;
    int error;

    (void)arg;
    error = plan.protocol ? weft_create_server(&server, plan.address, &echo, NULL, &opt)
                          : weft_start_server(&server, plan.address, converse, NULL, &opt);
    if (error < 0)
        return error;
    printf("listening on %s\n", plan.address);
    fflush(stdout);
    error = weft_server_wait(server); /* a drain ends it, or whoever ends the run */
    weft_server_counts(server, &counts, sizeof counts);
    printf("{\"finished\": %llu, \"failed\": %llu, \"cut\": %llu}\n",
           (unsigned long long)counts.finished, (unsigned long long)counts.failed,
           (unsigned long long)counts.cut);
    weft_server_close(server);
    return error == -ECANCELED || error == -ESHUTDOWN ? 0 : error;
}

int main(int argc, char **argv)
{
    char why[512] = "";
    const struct weft_run_opt opt = {.size = sizeof opt,
                                     .stop_on_sigterm = true,
                                     .error_text = why,
                                     .error_text_size = sizeof why};
    int result;

    if (argc != 3 || (strcmp(argv[1], "stream") != 0 && strcmp(argv[1], "protocol") != 0)) {
        fputs("usage: idle-server stream|protocol ADDRESS:PORT\n", stderr);
        return 2;
    }
    plan.protocol = strcmp(argv[1], "protocol") == 0;
    plan.address = argv[2];
    raise_descriptor_limit();
    result = weft_run(serve, NULL, 0, &opt);
    if (result < 0)
        fprintf(stderr, "idle-server: %s: %s\n", plan.address, why[0] ? why : strerror(-result));
    return result < 0;
}
