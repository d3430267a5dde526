/*
 * What the tests of streams that move between reactors share: two of them, a task on one, and a
 * stream that has more to send than goes at once.
 */
#ifndef WEFT_TESTS_API_STREAM_MOVE_H
#define WEFT_TESTS_API_STREAM_MOVE_H

#include "support/stream.h"

static inline void run_on_two(weft_task_fn fn)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(fn, NULL, 0, &opt), 0);
}

/* The task on that reactor, to its end. */
static inline void on(int reactor, weft_task_fn fn, void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = WEFT_ON(reactor)};

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, fn, arg, 0, &opt));
    }
}

/* A stream with more given to it, from the buffers of another one, than goes at once. */
struct given {
    int here, there, source, size;
    weft_stream *stream, *giver;
};
static inline void give_much(struct given *given)
{
    const struct weft_socket_opt small = {.size = sizeof small, .send_buffer_size = 4096};
    static unsigned char bytes[20000];
    const void *view;
    size_t seen;
    int from;

    net_pair(&given->here, &given->there);
    net_pair(&from, &given->source);
    ok(weft_socket_set(given->here, &small));
    given->stream = stream_of(given->here);
    given->giver = stream_of(from);
    net_fill(bytes, sizeof bytes, 7, 0);
    ok(weft_send_all(given->source, bytes, 20000, NULL));
    for (int i = 0; i < 2; i++) { /* the second may wait for the first, as long as that takes */
        ck_assert_int_eq(weft_stream_peek(given->giver, &view, &seen, 0), 1);
        seen = i == 0 ? seen : seen / 2;
        ck_assert_int_eq(weft_stream_give(given->stream, given->giver, seen), (ssize_t)seen);
        given->size += (int)seen;
    }
}

#endif
