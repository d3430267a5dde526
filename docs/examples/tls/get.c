/*
 * tls_get [-a CA] [-c CERTIFICATE] [-p ALPN] [-t TIMES] [-w MS] ADDRESS:PORT NAME: asks NAME, which
 * is at that address, for its page over TLS, and prints the first line of the answer and what was
 * agreed on. -a: by what authority it is verified, the system's when not said. -t: so often, one
 * after another. -w: how long to agree on all that, 10000 when not said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/tls.h>
#include <weft/weft.h>

static weft_tls_context *context;
static const char *address, *name;
static int times = 1, patience_ms = 10000;

static int ask(weft_tls *tls)
{
    struct weft_tls_info info;
    char text[4096];
    ssize_t n;

    snprintf(text, sizeof text, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", name);
    n = weft_tls_write(tls, text, strlen(text), NULL);
    if (n < 0)
        return (int)n;
    n = weft_tls_read_line(tls, text, sizeof text, 0);
    if (n < 0)
        return (int)n;
    weft_tls_get_extra_info(tls, &info, sizeof info);
    printf("%.*s (%s, protocol '%s'%s)\n", (int)strcspn(text, "\r\n"), text, info.version,
           info.alpn, info.resumed ? ", resumed" : "");
    do /* all of it came, if its end is the peer's word: else -ECONNABORTED */
        n = weft_tls_read(tls, text, sizeof text, 0);
    while (n > 0);
    return (int)n;
}

static int talk(weft_stream *stream)
{
    struct weft_tls_opt opt = {.size = sizeof opt, .server_name = name};
    weft_tls *tls;
    int error = weft_tls_open(&tls, stream, context, &opt);

    if (error < 0)
        return error;
    error = weft_tls_handshake(tls, weft_after_ms(patience_ms));
    if (error == 0)
        error = ask(tls);
    if (error < 0)
        fprintf(stderr, "%s\n", weft_tls_error(tls));
    weft_tls_close(tls);
    return error;
}

static int get(void *arg)
{
    int error = 0;

    (void)arg;
    for (int i = 0; i < times && error == 0; i++) {
        weft_stream *stream;
        error = weft_open_connection(address, NULL, &stream);
        if (error < 0)
            return error;
        error = talk(stream);
        weft_stream_close(stream);
    }
    return error;
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: tls_get [-a CA] [-c CERTIFICATE] [-p ALPN] [-t TIMES] [-w MS] ADDRESS:PORT NAME\n");
    return 2;
}

int main(int argc, char **argv)
{
    char reason[200] = "";
    struct weft_tls_context_opt opt = {.size = sizeof opt, .reason = reason};
    struct weft_run_opt run = {.size = sizeof run, .reactors = 1};
    int letter, error;

    opt.reason_size = sizeof reason;
    while ((letter = getopt(argc, argv, "a:c:p:t:w:")) != -1) {
        if (letter == 'a')
            opt.ca_file = optarg;
        else if (letter == 'c')
            opt.certificate_file = optarg;
        else if (letter == 'p')
            opt.alpn = optarg;
        else if (letter == 't')
            times = atoi(optarg);
        else if (letter == 'w')
            patience_ms = atoi(optarg);
        else
            return usage();
    }
    if (argc - optind != 2)
        return usage();
    address = argv[optind];
    name = argv[optind + 1];
    error = weft_tls_client_context(&context, &opt);
    if (error == 0)
        error = weft_run(get, NULL, 0, &run);
    if (error < 0)
        fprintf(stderr, "get: %s. %s\n", strerror(-error), reason);
    weft_tls_context_put(context);
    return error < 0;
}
