/*
 * Many completions at once: they come to the tasks as one batch, although the kernel hands them
 * over in several; and with so many in flight that the loop fetches ahead what they touch. Catches
 * a batch that is broken up, a completion left behind, a wait that nobody ends.
 */
#include <sys/un.h>

#include "support/net.h"

enum { COUNT = 60, MANY = 400 };

struct reader {
    int fd;
    uint64_t turn; /* of the loop, when the byte had come */
};

static int read_one(void *arg)
{
    struct reader *reader = *(struct reader **)arg;
    struct weft_stats stats;
    char byte;

    ck_assert_int_eq(weft_recv(reader->fd, &byte, 1, 0), 1);
    ok(weft_stats(&stats, sizeof stats));
    reader->turn = stats.turns;
    return 0;
}

static bool tells_of_more(void)
{
    const char *mask = getenv("WEFT_RING_MASK");

    return !mask || !strstr(mask, "taskrun_flag");
}

/* One that has nothing to receive all the while. */
static int wait_idly(void *arg)
{
    char byte;

    return weft_recv(*(int *)arg, &byte, 1, 0) == -ECANCELED ? 0 : -EPROTO;
}

static void open_one(int *here, int *there)
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *here = pair[0];
    *there = pair[1];
}

/* Sockets are written to behind the reactor's back, so that all are ready when it next looks. */
static void together(weft_scope *scope)
{
    struct reader readers[COUNT];
    int peers[COUNT];

    for (int i = 0; i < COUNT; i++) {
        struct reader *reader = &readers[i];
        open_one(&reader->fd, &peers[i]);
        ok(weft_spawn(scope, read_one, &reader, sizeof reader, NULL));
    }
    ok(weft_sleep(5000000)); /* each has its receive in the kernel */
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(write(peers[i], "x", 1), 1);
    while (weft_scope_tasks(scope) > 0)
        ok(weft_sleep(100000));
    for (int i = 0; i < COUNT; i++) {
        if (tells_of_more())
            ck_assert_uint_eq(readers[i].turn, readers[0].turn);
        ok(weft_close(readers[i].fd));
        ck_assert_int_eq(close(peers[i]), 0);
    }
}

static int main_together(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        together(&s);
    return 0;
}

TEST(one_batch)
{
    net_run(main_together);
}

/* The same where so many are in flight that what completions touch is fetched ahead, for a part of
   the batch at a time. */
static int main_among_many(void *arg)
{
    static int idle[MANY], peers[MANY];

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < MANY; i++) {
            open_one(&idle[i], &peers[i]);
            ok(weft_spawn(&s, wait_idly, &idle[i], sizeof idle[i], NULL));
        }
        WEFT_SCOPE(t)
            together(&t);
        weft_scope_cancel(&s);
    }
    for (int i = 0; i < MANY; i++) {
        ok(weft_close(idle[i]));
        ck_assert_int_eq(close(peers[i]), 0);
    }
    return 0;
}

TEST(one_batch_among_many)
{
    net_run(main_among_many);
}

/* -- with many in flight ---------------------------------------------------------------------- */

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char buffer[64];
    ssize_t n;

    while ((n = weft_recv(fd, buffer, sizeof buffer, 0)) > 0)
        ck_assert_int_eq(weft_send_all(fd, buffer, (size_t)n, NULL), n);
    ok(weft_close(fd));
    return (int)n;
}

static int echo_stream(void *arg)
{
    weft_stream *stream;
    const void *data;
    size_t size;
    int n;

    ck_assert_int_eq(weft_stream_open(*(int *)arg, NULL, &stream), 0);
    while ((n = weft_stream_peek(stream, &data, &size, 0)) > 0)
        ck_assert_int_eq(weft_stream_give(stream, stream, size), (ssize_t)size);
    ok(weft_stream_close(stream));
    return n;
}

/* Rounds in which every connection has something, and some tasks are cancelled in the midst. */
static int main_many(void *arg)
{
    static int peers[MANY];
    static weft_task tasks[MANY];
    char text[8];

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        for (int i = 0; i < MANY; i++) {
            int pair[2];
            struct weft_spawn_opt opt = {.size = sizeof opt, .task = &tasks[i]};
            ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
            peers[i] = pair[1];
            ok(weft_spawn(&s, i % 2 ? echo : echo_stream, &pair[0], sizeof pair[0], &opt));
        }
        for (int round = 0; round < 10; round++) {
            ok(weft_yield());
            for (int i = round; i < MANY; i++) {
                snprintf(text, sizeof text, "%07d", round * MANY + i);
                ck_assert_int_eq(write(peers[i], text, 7), 7);
            }
            for (int i = round; i < MANY; i++) {
                char back[8] = "";
                ck_assert_int_eq(weft_recv_exactly(peers[i], back, 7, NULL), 7);
                snprintf(text, sizeof text, "%07d", round * MANY + i);
                ck_assert_str_eq(back, text);
            }
            ok(weft_cancel(tasks[round])); /* whose peer hears no more of it */
        }
        for (int i = 0; i < MANY; i++) {
            ok(weft_close(peers[i]));
            ok(weft_join(tasks[i], NULL));
        }
    }
    return 0;
}

TEST(many_in_flight)
{
    net_run(main_many);
}

TEST_MAIN("batch", 30, one_batch, one_batch_among_many, many_in_flight)
