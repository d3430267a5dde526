/*
 * Memory of a stream's buffers under the address sanitizer: only what has been received and not yet
 * read may be touched. Each case is run in a process of its own, first as it should be, which must
 * go well in every build (it catches bytes hidden that are the reader's), then with one byte read
 * that it may not, which the sanitizer must report.
 */
#include <sys/wait.h>

#include "coro/sanitize.h"
#include "io/buffers.h"
#include "io/io.h"
#include "support/net.h"

enum { SIZE = 1003 }; /* not a multiple of eight: the last granule counts */

static bool trespassing;
static const volatile char *forbidden;

static void trespass(const void *at)
{
    forbidden = at;
    if (trespassing)
        (void)*forbidden;
}

/* -- processes ----------------------------------------------------------------------------------
 */

static _Noreturn void be_the_process(weft_task_fn fn, const int *errors)
{
    int result;

    dup2(errors[1], 2);
    close(errors[0]);
    close(errors[1]);
    result = weft_run(fn, NULL, 0, NULL);
    _exit(result == 0 ? 42 : 43);
}

/* What the process leaves on standard error; its status. */
static int run_apart(weft_task_fn fn, char *text, size_t size)
{
    int status, errors[2];
    size_t length = 0;
    ssize_t n;
    pid_t pid;

    ok(pipe(errors));
    pid = fork();
    ok(pid);
    if (pid == 0)
        be_the_process(fn, errors);
    close(errors[1]);
    while ((n = read(errors[0], text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    close(errors[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void check(weft_task_fn fn)
{
    static char text[1 << 18];
    int status;

    trespassing = false;
    status = run_apart(fn, text, sizeof text);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "%.2000s", text);
#ifdef WEFT__SAN_ADDRESS
    trespassing = true;
    status = run_apart(fn, text, sizeof text);
    ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 42, "it went unnoticed");
    ck_assert_msg(strstr(text, "use-after-poison") || strstr(text, "heap-use-after-free"),
                  "%.2000s", text); /* the latter of a buffer that is not the pool's */
#endif
}

/* -- scenes -------------------------------------------------------------------------------------
 */

static int peer;

/* A stream that has been sent `size` bytes. */
static weft_stream *open_stream(size_t size)
{
    unsigned char bytes[4 * SIZE];
    weft_stream *stream;
    int there;

    net_pair(&peer, &there);
    ok(weft_stream_open(there, NULL, &stream));
    net_fill(bytes, size, 1, 0);
    ck_assert_int_eq(weft_send_all(peer, bytes, size, NULL), (ssize_t)size);
    return stream;
}

static int close_stream(weft_stream *stream)
{
    ok(weft_close(peer));
    return weft_stream_close(stream);
}

static const unsigned char *view(weft_stream *stream, size_t size, uint64_t from)
{
    const void *data;
    size_t lent;

    ck_assert_int_eq(weft_stream_peek(stream, &data, &lent, 0), 1);
    ck_assert_uint_eq(lent, size);
    net_check(data, lent, 1, from);
    return data;
}

static int main_consumed(void *arg)
{
    weft_stream *stream = open_stream(SIZE);
    const unsigned char *data = view(stream, SIZE, 0);

    (void)arg;
    ok(weft_stream_consume(stream, SIZE));
    trespass(data + SIZE / 2);
    return close_stream(stream);
}

TEST(a_view_put_back)
{
    check(main_consumed);
}

static int main_partly_consumed(void *arg)
{
    weft_stream *stream = open_stream(SIZE);
    const unsigned char *data = view(stream, SIZE, 0);

    (void)arg;
    ok(weft_stream_consume(stream, 4));
    ok(weft_stream_consume(stream, 0) == -EINVAL ? 0 : -1);
    ck_assert_ptr_eq(view(stream, SIZE - 4, 4), data + 4);
    ok(weft_stream_consume(stream, 100)); /* ends in the middle of a granule */
    ck_assert_ptr_eq(view(stream, SIZE - 104, 104), data + 104);
    trespass(data + 103);
    return close_stream(stream);
}

TEST(part_of_a_view_put_back)
{
    check(main_partly_consumed);
}

static int look_beyond(weft_stream *stream)
{
    const unsigned char *data = view(stream, SIZE, 0);

    trespass(data + SIZE);
    return close_stream(stream);
}

static int main_beyond(void *arg)
{
    (void)arg;
    return look_beyond(open_stream(SIZE));
}

TEST(beyond_what_was_filled)
{
    check(main_beyond);
}

TEST(beyond_what_was_filled_without_a_pool)
{
    setenv("WEFT_RING_MASK", "buffer_ring", 1);
    check(main_beyond);
}

TEST(a_view_put_back_without_a_pool)
{
    setenv("WEFT_RING_MASK", "buffer_ring", 1);
    check(main_consumed);
}

/* Small pieces are copied behind one another into one buffer: all of them may be read, and no more.
 */
static int main_copied_behind(void *arg)
{
    weft_stream *stream = open_stream(SIZE);
    unsigned char bytes[3];
    const unsigned char *data;

    (void)arg;
    if (!net_has("buffer_ring")) /* without a pool nothing is copied */
        return look_beyond(stream);
    for (uint64_t i = 0; i < 7; i++) {
        uint64_t before = net_stats().cqes;
        net_fill(bytes, sizeof bytes, 1, SIZE + i * sizeof bytes);
        ck_assert_int_eq(weft_send_all(peer, bytes, sizeof bytes, NULL), sizeof bytes);
        while (net_stats().cqes < before + 2)
            ok(weft_sleep(100000));
    }
    data = view(stream, SIZE + 7 * sizeof bytes, 0);
    trespass(data + SIZE + 7 * sizeof bytes);
    return close_stream(stream);
}

TEST(copied_behind_one_another)
{
    check(main_copied_behind);
}

static int main_read(void *arg)
{
    weft_stream *stream = open_stream(SIZE);
    const unsigned char *data = view(stream, SIZE, 0);
    unsigned char bytes[SIZE];

    (void)arg;
    ok(weft_stream_consume(stream, 0));
    ck_assert_int_eq(weft_stream_read(stream, bytes, SIZE / 2, 0), SIZE / 2);
    net_check(bytes, SIZE / 2, 1, 0);
    ck_assert_ptr_eq(view(stream, SIZE - SIZE / 2, SIZE / 2), data + SIZE / 2);
    trespass(data);
    return close_stream(stream);
}

TEST(read_already)
{
    check(main_read);
}

static int main_given(void *arg)
{
    weft_stream *stream = open_stream(SIZE);
    const unsigned char *data = view(stream, SIZE, 0);
    unsigned char bytes[SIZE];

    (void)arg;
    ck_assert_int_eq(weft_stream_give(stream, stream, SIZE), SIZE);
    trespass(data);
    ck_assert_int_eq(weft_recv_exactly(peer, bytes, SIZE, NULL), SIZE);
    net_check(bytes, SIZE, 1, 0);
    return close_stream(stream);
}

TEST(given_away)
{
    check(main_given);
}

/* The stream is closed with all of it unread: its buffer goes back. */
static int main_closed(void *arg)
{
    weft_stream *stream = open_stream(SIZE);
    const unsigned char *data = view(stream, SIZE, 0);

    (void)arg;
    ok(weft_stream_consume(stream, 0));
    ok(close_stream(stream));
    trespass(data + 1);
    return 0;
}

TEST(closed_unread)
{
    check(main_closed);
}

/* The buffers that are the kernel's at this moment. */
static int main_offered(void *arg)
{
    weft_stream *stream = open_stream(SIZE);
    struct weft__buffers *buffers = weft__io_of(weft__self)->buffers;

    struct weft__buffer_group *group = &buffers->groups[0];

    (void)arg;
    if (!net_has("buffer_ring")) /* then it has none while something is held */
        return look_beyond(stream);
    view(stream, SIZE, 0);
    ck_assert_uint_gt(group->offered, 1);
    trespass(group->records[group->opened / 2].data + 1);
    return close_stream(stream);
}

TEST(the_kernels)
{
    check(main_offered);
}

/* What was hidden is open again once the pool is gone: the memory is somebody else's next. */
static char *memory;
static size_t memory_size;

static int main_left_behind(void *arg)
{
    weft_stream *stream = open_stream(SIZE);
    struct weft__buffer_group *group = &weft__io_of(weft__self)->buffers->groups[0];

    (void)arg;
    view(stream, SIZE, 0);
    ck_assert(group->opened > 0 || !net_has("buffer_ring"));
    memory = group->memory;
    memory_size = (size_t)group->opened * weft__buffer_size(0);
    return close_stream(stream);
}

static const void *first_hidden(void)
{
#ifdef WEFT__SAN_ADDRESS
    return memory_size == 0 ? NULL : __asan_region_is_poisoned(memory, memory_size);
#else
    return NULL;
#endif
}

TEST(nothing_stays_hidden)
{
    net_run(main_left_behind);
    ck_assert_ptr_null(first_hidden());
}

TEST_MAIN("io.poison", 60, a_view_put_back, part_of_a_view_put_back, beyond_what_was_filled,
          beyond_what_was_filled_without_a_pool, a_view_put_back_without_a_pool,
          copied_behind_one_another, read_already, given_away, closed_unread, the_kernels,
          nothing_stays_hidden)
