/*
 * tls_serve [-c CA] [-p ALPN] [-n NAME=CERTIFICATE]... [-w MS] ADDRESS:PORT CERTIFICATE: answers
 * requests of HTTP over TLS with what was agreed on, until SIGTERM. CERTIFICATE: a file with
 * certificate and key. -n: another, for those who ask for NAME. -c: only to clients with a
 * certificate of this authority's. -w: how long to agree on all that, 10000 when not said; who has
 * not asked and taken the answer after twice as long, or says more than a request is, is cut off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/tls.h>
#include <weft/weft.h>

static weft_tls_context *context;
static const char *address;
static int patience_ms = 10000;

static int answer(weft_tls *tls)
{
    struct weft_tls_info info;
    char line[1024], text[2048];
    ssize_t n;

    do
        n = weft_tls_read_line(tls, line, sizeof line, WEFT_IDLE);
    while (n > 2); /* up to the empty line */
    if (n < 0)
        return (int)n;
    weft_tls_get_extra_info(tls, &info, sizeof info);
    snprintf(text, sizeof text,
             "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"
             "%s, protocol '%s', name '%s', client '%s'%s\n",
             info.version, info.alpn, info.server_name, info.peer_subject,
             info.resumed ? ", resumed" : "");
    n = weft_tls_write(tls, text, strlen(text), NULL);
    return n < 0 ? (int)n : weft_tls_shutdown(tls);
}

/* The stream is the server's to close, the layer is ours. */
static int conversation(weft_stream *stream, void *arg)
{
    weft_tls *tls;
    int error = weft_tls_open(&tls, stream, arg, NULL);

    if (error < 0)
        return error;
    error = weft_tls_handshake(tls, weft_after_ms(patience_ms)); /* who is slower is let go */
    if (error == 0)
        error = answer(tls);
    if (error < 0 && error != -ECANCELED)
        fprintf(stderr, "%s: %s\n", strerror(-error), weft_tls_error(tls));
    weft_tls_close(tls);
    return error;
}

static int serve(void *arg)
{
    const struct weft_server_opt opt = {.size = sizeof opt,
                                        .connections_max = 1000, /* others wait their turn */
                                        .connection_ns = patience_ms * INT64_C(2000000),
                                        .connection_bytes = 65536};
    weft_server *server;
    int error = weft_start_server(&server, address, conversation, context, &opt);

    (void)arg;
    if (error < 0)
        return error;
    printf("listening on %d\n", weft_server_port(server));
    fflush(stdout);
    weft_server_wait(server); /* until a stop */
    return weft_server_close(server);
}

/* NAME=CERTIFICATE */
static int add_name(char *text, struct weft_tls_context_opt opt)
{
    weft_tls_context *other;
    char *file = strchr(text, '=');
    int error;

    if (!file)
        return -EINVAL;
    *file = '\0';
    opt.certificate_file = file + 1;
    error = weft_tls_server_context(&other, &opt);
    if (error == 0)
        error = weft_tls_context_add_name(context, text, other);
    if (error == 0)
        weft_tls_context_put(other);
    return error;
}

static int usage(void)
{
    fprintf(stderr, "usage: tls_serve [-c CA] [-p ALPN] [-n NAME=CERTIFICATE]... [-w MS] "
                    "ADDRESS:PORT CERTIFICATE\n");
    return 2;
}

int main(int argc, char **argv)
{
    char reason[200] = "", *names[16];
    struct weft_tls_context_opt opt = {.size = sizeof opt, .reason = reason};
    struct weft_run_opt run = {.size = sizeof run, .reactors = 1, .stop_on_sigterm = true};
    int letter, error, count = 0;

    opt.reason_size = sizeof reason;
    while ((letter = getopt(argc, argv, "c:n:p:w:")) != -1) {
        if (letter == 'c')
            opt.ca_file = optarg;
        else if (letter == 'p')
            opt.alpn = optarg;
        else if (letter == 'w')
            patience_ms = atoi(optarg);
        else if (letter == 'n' && count < 16)
            names[count++] = optarg;
        else
            return usage();
    }
    if (argc - optind != 2)
        return usage();
    address = argv[optind];
    opt.certificate_file = argv[optind + 1];
    opt.clients = opt.ca_file ? WEFT_TLS_CLIENTS_CERTIFIED : WEFT_TLS_CLIENTS_UNASKED;
    error = weft_tls_server_context(&context, &opt);
    while (error == 0 && count > 0)
        error = add_name(names[--count], opt);
    if (error == 0)
        error = weft_run(serve, NULL, 0, &run);
    if (error < 0)
        fprintf(stderr, "serve: %s. %s\n", strerror(-error), reason);
    weft_tls_context_put(context);
    return error < 0;
}
