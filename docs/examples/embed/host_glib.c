/*
 * host_glib: a GLib program with a weft server and its client in it.
 *
 * GLib's timer ticks. Each tick asks a weft task for a round trip through the server and back, and
 * its answer starts the next tick: so neither loop can go on without the other.
 */
#include "weft_in_glib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TICKS = 5 };

static struct {
    weft_loop *loop;
    GSource *guest;
    GMainLoop *main_loop;
    weft_event asked; /* a tick wants an answer */
    int ticks;
} program = {.asked = WEFT_EVENT_INIT};

static gboolean tick(gpointer arg);

/* -- weft's half ---------------------------------------------------------------------------------
 */

static int serves_one(void *arg)
{
    int listener = *(int *)arg, fd = weft_accept(listener, NULL, NULL, 0);
    char bytes[64];
    ssize_t n = fd;

    while (n >= 0 && (n = weft_recv(fd, bytes, sizeof bytes, WEFT_IDLE)) > 0)
        n = weft_send_all(fd, bytes, (size_t)n, NULL);
    if (fd >= 0)
        weft_close(fd);
    return n < 0 ? (int)n : 0;
}

static int round_trip(int fd)
{
    char bytes[4] = "weft", answer[4];
    ssize_t n = weft_send_all(fd, bytes, sizeof bytes, NULL);

    if (n >= 0)
        n = weft_recv_exactly(fd, answer, sizeof answer, NULL);
    return n < 0 ? (int)n : memcmp(bytes, answer, sizeof bytes) == 0 ? 0 : -EBADMSG;
}

static int answers(int port)
{
    char address[32];
    int fd, error;

    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    fd = weft_connect_tcp(address, NULL);
    error = fd < 0 ? fd : 0;
    for (int i = 1; i <= TICKS && error == 0; i++) {
        error = weft_event_wait(&program.asked);
        (void)weft_event_clear(&program.asked);
        if (error == 0)
            error = weft_sleep(1000000); /* a timer of weft's, too */
        if (error == 0)
            error = round_trip(fd);
        if (error == 0)
            printf("weft   answers %d\n", i);
        if (error == 0 && i < TICKS)
            g_timeout_add(2, tick, NULL); /* one thread: GLib may be called here */
    }
    if (fd >= 0)
        weft_close(fd);
    return error;
}

static int weft_main(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), error = listener < 0 ? listener : 0;

    (void)arg;
    if (error < 0)
        return error;
    WEFT_SCOPE(serving) {
        error = weft_spawn(&serving, serves_one, &listener, sizeof listener, NULL);
        if (error == 0)
            error = answers(weft_local_port(listener));
    }
    weft_close(listener);
    printf("weft   ends: %s\n", error < 0 ? strerror(-error) : "all is well");
    g_main_loop_quit(program.main_loop);
    return error;
}

/* -- GLib's half ---------------------------------------------------------------------------------
 */

static void ask(void *arg)
{
    (void)arg;
    (void)weft_event_set(&program.asked);
}

static gboolean tick(gpointer arg)
{
    (void)arg;
    printf("GLib   ticks %d\n", ++program.ticks);
    if (weft_loop_call_soon(program.loop, ask, NULL, NULL) == 0)
        weft_in_glib_kick(program.guest);
    return G_SOURCE_REMOVE;
}

int main(void)
{
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int error = weft_loop_new(&program.loop, &opt);

    if (error == 0)
        error = weft_loop_create_task(program.loop, weft_main, NULL, 0, NULL);
    program.guest = error == 0 ? weft_in_glib_new(program.loop) : NULL;
    if (!program.guest) {
        fprintf(stderr, "host_glib: %s\n", why[0] ? why : strerror(-error));
        return 1;
    }
    g_source_attach(program.guest, NULL);
    program.main_loop = g_main_loop_new(NULL, FALSE);
    g_timeout_add(2, tick, NULL);
    g_main_loop_run(program.main_loop);
    g_source_destroy(program.guest);
    g_source_unref(program.guest);
    g_main_loop_unref(program.main_loop);
    error = weft_loop_close(program.loop);
    printf("GLib   ends after %d ticks\n", program.ticks);
    return error < 0;
}
