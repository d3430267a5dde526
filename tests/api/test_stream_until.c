/*
 * Reading up to a delimiter: weft_stream_read_until and weft_stream_read_line. Catches a delimiter
 * that is missed because it came in two pieces or lies in two buffers, bytes lost when the call
 * ends in an error, a limit that is one off, and a reader that waits for ever for bytes that
 * held_max keeps in the kernel.
 */
#include "support/stream.h"

static void end_peer(struct stream_pair *pair)
{
    ok(weft_close(pair->fd));
    pair->fd = -1;
}

static void put(struct stream_pair *pair, const void *bytes, size_t size)
{
    ck_assert_int_eq(weft_send_all(pair->fd, bytes, size, NULL), (ssize_t)size);
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        ok(weft_sleep(1000000));
}

/* -- where the delimiter may be cut ---------------------------------------------------------- */

struct sender {
    int fd;
    const char *bytes;
    size_t size;
    size_t cut, second_cut; /* in three pieces */
};

static int send_cut(void *arg)
{
    struct sender *sender = arg;
    size_t at[4] = {0, sender->cut, sender->second_cut, sender->size};

    for (int i = 0; i < 3; i++) {
        size_t size = at[i + 1] - at[i];
        ck_assert_int_eq(weft_send_all(sender->fd, sender->bytes + at[i], size, NULL),
                         (ssize_t)size);
        if (i < 2)
            ok(weft_sleep(200000)); /* long enough for the reader to have looked */
    }
    return 0;
}

static const struct {
    const char *text;      /* up to and with the delimiter */
    const char *delimiter; /* which begins as other bytes do */
} cut_cases[] = {
    {"GET / HTTP/1.0\r\n\r\r\n\r\n", "\r\n\r\n"},
    {"aaaaaaab", "aaab"},
    {"ababaabababc", "ababc"},
    {"x\n", "\n"},
    {"END", "END"},
};

/* Sent in three pieces, cut at every two places, with what belongs to the next message behind. */
static int main_cuts(void *arg)
{
    struct stream_pair pair;
    char buffer[64], rest[8];

    (void)arg;
    stream_pair_open(&pair, NULL);
    for (size_t c = 0; c < sizeof cut_cases / sizeof cut_cases[0]; c++) {
        size_t length = strlen(cut_cases[c].text), size = length + 4;
        char bytes[64];
        snprintf(bytes, sizeof bytes, "%snext", cut_cases[c].text);
        for (size_t cut = 0; cut <= size; cut++)
            for (size_t second = cut; second <= size; second += test_long() ? 1 : 11) {
                struct sender sender = {pair.fd, bytes, size, cut, second};
                WEFT_SCOPE(s) {
                    ok(weft_spawn(&s, send_cut, &sender, 0, NULL));
                    ck_assert_int_eq(weft_stream_read_until(pair.stream, cut_cases[c].delimiter,
                                                            strlen(cut_cases[c].delimiter), buffer,
                                                            sizeof buffer, 0),
                                     (ssize_t)length);
                    ck_assert_mem_eq(buffer, bytes, length);
                    ck_assert_int_eq(weft_stream_read_exactly(pair.stream, rest, 4, NULL), 4);
                    ck_assert_mem_eq(rest, "next", 4);
                }
            }
    }
    stream_pair_close(&pair);
    return 0;
}

TEST(cut_everywhere)
{
    net_run(main_cuts);
}

enum { BUFFER = 4096 };

/* In buffers of 4096 bytes that were filled to the brim the delimiter lies across their edge, at
   each of its bytes; once already there, once with the second buffer still to come, once with one
   byte of that and the others later. */
static int main_buffers(void *arg)
{
    static char bytes[3 * BUFFER], got[3 * BUFFER];
    static const char delimiter[] = "--boundary--";
    struct weft_stream_opt opt = {.size = sizeof opt, .buffer_size = BUFFER};
    size_t length = sizeof delimiter - 1;

    (void)arg;
    for (size_t before = BUFFER - length - 1; before <= BUFFER + 1; before++)
        for (int later = 0; later < 3; later++) {
            struct stream_pair pair;
            stream_pair_open(&pair, &opt);
            memset(bytes, '-', sizeof bytes);
            memset(bytes, 'x', before);
            memcpy(bytes + before, delimiter, length);
            bytes[before + length] = '!';
            struct sender sender = {pair.fd, bytes, before + length + 1, later ? BUFFER : 0, 0};
            if (sender.cut > sender.size)
                sender.cut = sender.size;
            sender.second_cut = sender.cut;
            if (later == 2 && sender.cut < sender.size)
                sender.second_cut++;
            WEFT_SCOPE(s) {
                ok(weft_spawn(&s, send_cut, &sender, 0, NULL));
                if (!later)
                    settle();
                ck_assert_int_eq(weft_stream_read_until(pair.stream, delimiter, length, got,
                                                        sizeof got, 0),
                                 (ssize_t)(before + length));
                ck_assert_mem_eq(got, bytes, before + length);
                ck_assert_int_eq(weft_stream_read_exactly(pair.stream, got, 1, NULL), 1);
                ck_assert_int_eq(got[0], '!');
            }
            stream_pair_close(&pair);
        }
    return 0;
}

TEST(across_buffers)
{
    net_run(main_buffers);
}

TEST(across_buffers_without_a_pool)
{
    setenv("WEFT_RING_MASK", "buffer_ring", 1);
    net_run(main_buffers);
    net_run(main_cuts);
}

/* -- nothing is consumed --------------------------------------------------------------------- */

static ssize_t line(struct stream_pair *pair, char *buffer, size_t size)
{
    return weft_stream_read_line(pair->stream, buffer, size, 0);
}

static int puts_later(void *arg)
{
    ok(weft_sleep(1000000));
    put(*(struct stream_pair **)arg, "later\n", 6);
    return 0;
}

static int main_limit(void *arg)
{
    struct stream_pair pair, *pointer = &pair;
    char buffer[16];
    volatile size_t any = SIZE_MAX;

    (void)arg;
    stream_pair_open(&pair, NULL);
    put(&pair, "12345678\n", 9);
    for (size_t size = 1; size <= 9; size++) {
        ck_assert_int_eq(line(&pair, buffer, size), -EMSGSIZE);
        ck_assert_int_eq(weft_stream_read_until(pair.stream, "\n", 1, buffer, size - 1, 0),
                         -EMSGSIZE);
    }
    ck_assert_int_eq(line(&pair, buffer, 10), 9);
    ck_assert_str_eq(buffer, "12345678\n");

    /* the limit is reached before any delimiter has come, and while one has begun */
    put(&pair, "abcd\r", 5);
    ck_assert_int_eq(weft_stream_read_until(pair.stream, "\r\n", 2, buffer, 5, 0), -EMSGSIZE);
    ck_assert_int_eq(weft_stream_read_until(pair.stream, "long", 4, buffer, 3, 0), -EMSGSIZE);
    put(&pair, "\n", 1);
    ck_assert_int_eq(weft_stream_read_until(pair.stream, "\r\n", 2, buffer, 6, 0), 6);
    ck_assert_mem_eq(buffer, "abcd\r\n", 6);
    put(&pair, "\n\n", 2);
    ck_assert_int_eq(line(&pair, buffer, 2), 1);
    ck_assert_str_eq(buffer, "\n");
    ck_assert_int_eq(line(&pair, buffer, 16), 1);
    WEFT_SCOPE(s) { /* as large a limit as there is */
        ok(weft_spawn(&s, puts_later, &pointer, sizeof pointer, NULL));
        ck_assert_int_eq(line(&pair, buffer, any), 6);
    }
    stream_pair_close(&pair);
    return 0;
}

TEST(limits)
{
    net_run(main_limit);
}

static int main_end(void *arg)
{
    struct stream_pair pair;
    char buffer[16];

    (void)arg;
    stream_pair_open(&pair, NULL);
    ck_assert_int_eq(weft_stream_at_eof(pair.stream), 0);
    put(&pair, "one\ntwo", 7);
    end_peer(&pair);
    ck_assert_int_eq(line(&pair, buffer, 16), 4);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(weft_stream_at_eof(pair.stream), 0);
        ck_assert_int_eq(line(&pair, buffer, 16), -ENODATA);
    }
    ck_assert_int_eq(weft_stream_read_exactly(pair.stream, buffer, 3, NULL), 3);
    ck_assert_mem_eq(buffer, "two", 3);
    ck_assert_int_eq(weft_stream_at_eof(pair.stream), 1);
    ck_assert_int_eq(line(&pair, buffer, 16), -ENODATA);
    ck_assert_int_eq(weft_stream_read(pair.stream, buffer, 1, 0), 0);
    stream_pair_close(&pair);

    /* an error, too, leaves what came before it */
    struct weft_socket_opt reset = {.size = sizeof reset, .reset_on_close = true};
    stream_pair_open(&pair, NULL);
    put(&pair, "kept", 4);
    settle();
    ok(weft_socket_set(pair.fd, &reset));
    end_peer(&pair);
    settle();
    ck_assert_int_eq(line(&pair, buffer, 16), -ECONNRESET);
    ck_assert_int_eq(weft_stream_read_exactly(pair.stream, buffer, 4, NULL), 4);
    ck_assert_mem_eq(buffer, "kept", 4);
    ck_assert_int_eq(line(&pair, buffer, 16), -ECONNRESET);
    stream_pair_close(&pair);
    return 0;
}

TEST(end_and_error)
{
    net_run(main_end);
}

struct reader {
    weft_stream *stream;
    int flags;
    ssize_t result;
    char buffer[64];
};

static int run_line(void *arg)
{
    struct reader *reader = arg;

    reader->result = weft_stream_read_line(reader->stream, reader->buffer, 64, reader->flags);
    return 0;
}

/* Cancelled before the first byte and after some; at a deadline; and the line is there after all.
 */
static int main_cancel(void *arg)
{
    struct stream_pair pair;
    struct reader reader = {.flags = 0};
    char buffer[16];

    (void)arg;
    stream_pair_open(&pair, NULL);
    reader.stream = pair.stream;
    for (int part = 0; part < 3; part++) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, run_line, &reader, 0, &opt));
            put(&pair, "ab", (size_t)part);
            settle();
            ck_assert_int_eq(line(&pair, buffer, 16), -EBUSY);
            ok(weft_cancel(task));
            ok(weft_join(task, NULL));
        }
        ck_assert_int_eq(reader.result, -ECANCELED);
        weft_scope limit;
        ok(weft_timeout(&limit, 2000000));
        ck_assert_int_eq(line(&pair, buffer, 16), -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&limit), -ETIMEDOUT);
        put(&pair, &"ab\n"[part], (size_t)(3 - part));
        ck_assert_int_eq(line(&pair, buffer, 16), 3);
        ck_assert_str_eq(buffer, "ab\n");
    }
    stream_pair_close(&pair);
    return 0;
}

TEST(cancelled)
{
    net_run(main_cancel);
}

struct late {
    int fd;
    int64_t after_ns;
};

static int send_late(void *arg)
{
    struct late *late = arg;

    ok(weft_sleep(late->after_ns));
    ck_assert_int_eq(weft_send_all(late->fd, "uest\n", 5, NULL), 5);
    return 0;
}

/* A drain ends a wait for the first byte, and none for the rest. */
static int main_drain(void *arg)
{
    struct stream_pair idle, busy;
    struct reader none = {.flags = WEFT_IDLE}, part = {.flags = WEFT_IDLE};

    (void)arg;
    stream_pair_open(&idle, NULL);
    stream_pair_open(&busy, NULL);
    none.stream = idle.stream;
    part.stream = busy.stream;
    put(&busy, "req", 3);
    WEFT_SCOPE(outer) {
        struct late late = {busy.fd, 20000000};
        ok(weft_spawn(&outer, send_late, &late, 0, NULL));
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, run_line, &none, 0, NULL));
            ok(weft_spawn(&s, run_line, &part, 0, NULL));
            settle();
            ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(60000), weft_after_ms(60000)), 0);
        }
    }
    ck_assert_int_eq(none.result, -ESHUTDOWN);
    ck_assert_int_eq(part.result, 8);
    ck_assert_str_eq(part.buffer, "request\n");
    stream_pair_close(&idle);
    stream_pair_close(&busy);
    return 0;
}

TEST(drained)
{
    net_run(main_drain);
}

static int main_closed(void *arg)
{
    (void)arg;
    for (int turns = 0; turns < 4; turns++) {
        struct stream_pair pair;
        struct reader reader = {.flags = 0};
        stream_pair_open(&pair, NULL);
        reader.stream = pair.stream;
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, run_line, &reader, 0, NULL));
            put(&pair, "part", 4);
            for (int i = 0; i < turns; i++)
                ok(weft_sleep(100000));
            stream_pair_close(&pair);
        }
        ck_assert_int_eq(reader.result, turns ? -ECANCELED : reader.result);
        ck_assert_int_lt(reader.result, 0);
    }
    return 0;
}

TEST(closed_under)
{
    net_run(main_closed);
}

/* -- more than a stream holds of itself ------------------------------------------------------ */

enum { FAR = 200000 };

struct flood {
    int fd;
    size_t piece;
};

static int flood(void *arg)
{
    struct flood *f = arg;
    static unsigned char bytes[FAR];

    memset(bytes, 'f', sizeof bytes);
    bytes[FAR - 1] = '\n';
    for (size_t sent = 0; sent < FAR; sent += f->piece) {
        size_t size = FAR - sent < f->piece ? FAR - sent : f->piece;
        if (weft_send_all(f->fd, bytes + sent, size, NULL) < 0)
            break;
    }
    return 0;
}

/* A message far longer than held_max: what is missing is let in all the same. With a limit below
   it, the limit is said, and the stream still holds little more than that. */
static int main_far(void *arg)
{
    struct weft_stream_opt opt = {.size = sizeof opt, .held_max = 8192, .buffer_size = 4096};
    char *buffer = malloc(FAR + 1);

    (void)arg;
    for (size_t piece = 1100; piece < 2 * FAR; piece *= 20) {
        struct stream_pair pair;
        stream_pair_open(&pair, &opt);
        struct flood f = {pair.fd, piece};
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, flood, &f, 0, NULL));
            ck_assert_int_eq(line(&pair, buffer, 60000), -EMSGSIZE);
            ck_assert_int_eq(line(&pair, buffer, FAR), -EMSGSIZE);
            ck_assert_int_eq(line(&pair, buffer, FAR + 1), FAR);
            ck_assert_uint_eq(strspn(buffer, "f"), FAR - 1);
        }
        put(&pair, "again\n", 6);
        ck_assert_int_eq(line(&pair, buffer, 100), 6);
        stream_pair_close(&pair);
    }
    free(buffer);
    return 0;
}

TEST(far_away)
{
    net_run(main_far);
}

TEST(far_away_without_a_pool)
{
    setenv("WEFT_RING_MASK", "buffer_ring", 1);
    net_run(main_far);
}

static int main_arguments(void *arg)
{
    struct stream_pair pair;
    char buffer[8];

    (void)arg;
    stream_pair_open(&pair, NULL);
    ck_assert_int_eq(weft_stream_read_until(NULL, "\n", 1, buffer, 8, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_read_until(pair.stream, NULL, 1, buffer, 8, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_read_until(pair.stream, "\n", 0, buffer, 8, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_read_until(pair.stream, "\n", 1, NULL, 8, 0), -EFAULT);
    ck_assert_int_eq(weft_stream_read_until(pair.stream, "\n", 1, buffer, 8, MSG_PEEK), -EINVAL);
    ck_assert_int_eq(weft_stream_read_until(pair.stream, "\n", 1, NULL, 0, 0), -EMSGSIZE);
    ck_assert_int_eq(weft_stream_read_line(pair.stream, NULL, 8, 0), -EFAULT);
    ck_assert_int_eq(weft_stream_read_line(pair.stream, buffer, 0, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_read_line(pair.stream, buffer, 1, 0), -EMSGSIZE);
    ck_assert_int_eq(weft_stream_at_eof(NULL), -EINVAL);
    stream_pair_close(&pair);
    return 0;
}

TEST(arguments)
{
    char buffer[8];

    ck_assert_int_eq(weft_stream_read_line(NULL, buffer, 8, 0), -EPERM);
    net_run(main_arguments);
}

TEST_MAIN("stream_until", 60, cut_everywhere, across_buffers, across_buffers_without_a_pool, limits,
          end_and_error, cancelled, drained, closed_under, far_away, far_away_without_a_pool,
          arguments)
