/*
 * host_uv: a libuv program with a weft server and its clients in it.
 *
 * libuv's timer ticks. Each tick asks a weft task for a round trip through the server, and its
 * answer starts the next tick: so neither loop can go on without the other. Beside that, other
 * clients talk to the same server as fast as they can.
 */
#include "weft_in_uv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TICKS = 5, CLIENTS = 4, ROUNDS = 500 };

static struct {
    struct weft_in_uv guest;
    uv_timer_t ticker;
    weft_event asked; /* a tick wants an answer */
    int port;
    int ticks, rounds;
} program = {.asked = WEFT_EVENT_INIT};

/* -- weft's half ---------------------------------------------------------------------------------
 */

static int conversation(void *arg)
{
    int fd = *(int *)arg;
    char bytes[64];
    ssize_t n;

    while ((n = weft_recv(fd, bytes, sizeof bytes, WEFT_IDLE)) > 0)
        if ((n = weft_send_all(fd, bytes, (size_t)n, NULL)) < 0)
            break;
    weft_close(fd);
    return 0;
}

static int server(void *arg)
{
    int listener = *(int *)arg, fd;

    WEFT_SCOPE(connections, .on_error = WEFT_KEEP_GOING)
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0)
            if (weft_spawn(&connections, conversation, &fd, sizeof fd, NULL) < 0)
                weft_close(fd);
    return weft_close(listener);
}

static int dial(void)
{
    char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%d", program.port);
    return weft_connect_tcp(address, NULL);
}

static int round_trip(int fd)
{
    char bytes[4] = "weft", answer[4];
    ssize_t n = weft_send_all(fd, bytes, sizeof bytes, NULL);

    if (n >= 0)
        n = weft_recv_exactly(fd, answer, sizeof answer, NULL);
    return n < 0 ? (int)n : memcmp(bytes, answer, sizeof bytes) == 0 ? 0 : -EBADMSG;
}

static int client(void *arg)
{
    int fd = dial(), error = fd < 0 ? fd : 0;

    (void)arg;
    for (int i = 0; i < ROUNDS && error == 0; i++) {
        error = round_trip(fd);
        program.rounds += error == 0;
    }
    weft_close(fd);
    return error;
}

static void tick(uv_timer_t *ticker);

static int answers(void *arg)
{
    int fd = dial(), error = fd < 0 ? fd : 0;

    (void)arg;
    while (error == 0) {
        error = weft_event_wait(&program.asked);
        (void)weft_event_clear(&program.asked);
        if (error == 0)
            error = round_trip(fd);
        if (error == 0 && program.ticks == TICKS)
            break;
        if (error == 0) {
            printf("weft   answers %d\n", program.ticks);
            uv_timer_start(&program.ticker, tick, 2, 0); /* one thread: libuv may be called here */
        }
    }
    weft_close(fd);
    return error;
}

static int weft_main(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), error = listener < 0 ? listener : 0;

    (void)arg;
    if (error < 0)
        return error;
    program.port = weft_local_port(listener);
    WEFT_SCOPE(serving) {
        error = weft_spawn(&serving, server, &listener, sizeof listener, NULL);
        WEFT_SCOPE(clients) {
            for (int i = 0; i < CLIENTS && error == 0; i++)
                error = weft_spawn(&clients, client, NULL, 0, NULL);
            if (error == 0)
                error = weft_spawn(&clients, answers, NULL, 0, NULL);
        }
        weft_scope_cancel(&serving);
    }
    printf("weft   ends after %d round trips: %s\n", program.rounds,
           error < 0 ? strerror(-error) : "all is well");
    uv_close((uv_handle_t *)&program.ticker, NULL);
    weft_in_uv_stop(&program.guest); /* libuv's loop has nothing left, and returns */
    return error;
}

/* -- libuv's half --------------------------------------------------------------------------------
 */

static void ask(void *arg)
{
    (void)arg;
    (void)weft_event_set(&program.asked);
}

static void tick(uv_timer_t *ticker)
{
    (void)ticker;
    printf("libuv  ticks %d\n", ++program.ticks);
    if (weft_loop_call_soon(program.guest.loop, ask, NULL, NULL) == 0)
        weft_in_uv_kick(&program.guest);
}

int main(void)
{
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .error_text = why,
                               .error_text_size = sizeof why};
    weft_loop *loop = NULL;
    int error = weft_loop_new(&loop, &opt);

    if (error == 0)
        error = weft_loop_create_task(loop, weft_main, NULL, 0, NULL);
    if (error == 0)
        error = weft_in_uv_start(&program.guest, uv_default_loop(), loop);
    if (error < 0) {
        fprintf(stderr, "host_uv: %s\n", why[0] ? why : strerror(-error));
        return 1;
    }
    uv_timer_init(uv_default_loop(), &program.ticker);
    uv_timer_start(&program.ticker, tick, 2, 0);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    error = weft_loop_close(loop);
    uv_loop_close(uv_default_loop());
    printf("libuv  ends after %d ticks\n", program.ticks);
    return error < 0;
}
