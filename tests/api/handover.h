/*
 * What the tests of listening sockets that change hands share: a server that answers with a word,
 * who asks it, and the two ends that a hand-over goes through.
 */
#ifndef WEFT_TESTS_API_HANDOVER_H
#define WEFT_TESTS_API_HANDOVER_H

#include "support/misuse.h"
#include "support/name.h"
#include "support/server.h"

/* Answers each line with `arg`, a word; "hold" only after a while. */
static inline int answer(weft_stream *stream, void *arg)
{
    char line[64];
    ssize_t n;

    while ((n = weft_stream_read_line(stream, line, sizeof line, WEFT_IDLE)) > 0) {
        if (strcmp(line, "hold\n") == 0)
            ok(weft_sleep(20000000));
        n = weft_stream_write(stream, arg, strlen(arg), NULL);
        if (n < 0)
            break;
    }
    return n == -ENODATA ? 0 : (int)n;
}

static inline weft_stream *connect_to(int port)
{
    char address[64];
    weft_stream *stream;

    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    ok(weft_open_connection(address, NULL, &stream));
    return stream;
}

static inline void ask(weft_stream *stream, const char *line)
{
    ok(weft_stream_write(stream, line, strlen(line), NULL));
}

/* Which of the two served it: 0 the old one, 1 the new one. */
static inline int answered(weft_stream *stream)
{
    char line[64];

    ok(weft_stream_read_line(stream, line, sizeof line, 0));
    ck_assert(strcmp(line, "old\n") == 0 || strcmp(line, "new\n") == 0);
    return line[0] == 'n';
}

/* Two ends of a Unix socket, for those who hand over. */
static inline void channel(int ends[2])
{
    int listener = weft_listen_tcp(own_name("unix:@weft-handover-test"), NULL);

    ok(listener);
    ends[0] = weft_connect_tcp(own_name("unix:@weft-handover-test"), NULL);
    ok(ends[0]);
    ends[1] = weft_accept(listener, NULL, NULL, 0);
    ok(ends[1]);
    ok(weft_close(listener));
}

#endif
