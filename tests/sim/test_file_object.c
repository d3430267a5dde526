/*
 * What a file object reads ahead, on a disk that takes its time, fails and hangs: by the virtual
 * clock, which is no matter of luck. Catches reading that is not ahead, an error told of another
 * place than it befell or kept for ever, a reader who waits for what he has given up, bytes lost
 * with him, more blocks than there may be, and a close or a stop that leaves something in flight.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))
#define MS INT64_C(1000000)
#define OPT(...) (&(struct weft_file_opt){.size = sizeof(struct weft_file_opt), __VA_ARGS__})

enum { BLOCK = 4096, BLOCKS = 8 };

static char byte_of(size_t block)
{
    return (char)('a' + block);
}

/* A file of eight blocks, each of a letter of its own. */
static weft_file *made(const struct weft_file_opt *opt)
{
    static char bytes[BLOCKS * BLOCK];
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    weft_file *file;

    for (size_t i = 0; i < BLOCKS; i++)
        memset(bytes + i * BLOCK, byte_of(i), BLOCK);
    same(weft_pwrite_all(fd, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    same(weft_file_from_fd(fd, opt, &file), 0);
    return file;
}

/* One block of that byte, in another file. */
static weft_file *another(char byte)
{
    char bytes[BLOCK];
    weft_file *file;
    int fd = weft_open("/tmp/b", O_RDWR | O_CREAT, 0600);

    memset(bytes, byte, sizeof bytes);
    same(weft_pwrite_all(fd, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    same(weft_file_from_fd(fd, OPT(.block_size = BLOCK, .no_ahead = true), &file), 0);
    return file;
}

/* The block at the position is read, whole. */
static void expect(weft_file *file, size_t block)
{
    char bytes[BLOCK];

    same(weft_file_read_exactly(file, bytes, BLOCK, NULL), BLOCK);
    ck_assert_int_eq(bytes[0], byte_of(block));
    ck_assert_int_eq(bytes[BLOCK - 1], byte_of(block));
}

static void run(const char *plan, weft_task_fn task)
{
    struct world world = {.seed = 1, .plan = plan, .task = task};

    same(world_run(&world), 0);
}

/* -- the time it takes ----------------------------------------------------------------------- */

/* Reads a block in 10 ms and computes for 10 ms; how long until the end, in milliseconds. */
static int64_t time_with(const struct weft_file_opt *opt)
{
    weft_file *file = made(opt);
    int64_t begun = weft_now();

    for (size_t i = 0; i < BLOCKS; i++) {
        expect(file, i);
        same(weft_sleep(10 * MS), 0);
    }
    begun = (weft_now() - begun) / MS;
    same(weft_file_close(file), 0);
    return begun;
}

static int main_time(void *arg)
{
    int64_t after_one_another = time_with(OPT(.block_size = BLOCK, .no_ahead = true));
    int64_t ahead = time_with(OPT(.block_size = BLOCK));

    (void)arg;
    ck_assert_int_ge(after_one_another, 2 * 10 * BLOCKS);
    ck_assert_int_ge(ahead, 10 * (BLOCKS + 1)); /* computing, and the first block */
    ck_assert_int_lt(ahead, 10 * (BLOCKS + 2));
    return 0;
}

TEST(time)
{
    run("calm disk.time=10ms", main_time);
}

/* -- errors ---------------------------------------------------------------------------------- */

static int main_error(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .ahead = 4));
    char byte;

    (void)arg;
    expect(file, 0);
    same(weft_sleep(100 * MS), 0); /* the third has failed by now */
    expect(file, 1);
    same(weft_file_read(file, &byte, 1), -EIO);
    same(weft_cause(), WEFT_CAUSE_NONE);
    same(weft_file_tell(file), 2 * BLOCK);
    for (size_t i = 2; i < BLOCKS; i++) /* once more, and it is there */
        expect(file, i);
    same(weft_file_read(file, &byte, 1), 0);
    return weft_file_close(file);
}

TEST(told_where_it_is)
{
    run("calm disk.time=1ms read#3@file=EIO", main_error);
}

/* A block was read in part, and its next part fails; who has sought beyond that reads his own. */
static int tried;

static int main_sought(void *arg)
{
    weft_file *file = made(OPT(.block_size = 4 * BLOCK));
    char bytes[4 * BLOCK];
    ssize_t n = weft_file_read(file, bytes, sizeof bytes);

    (void)arg;
    if (n < 2 * BLOCK) {
        same(weft_file_seek(file, 3 * BLOCK, SEEK_SET), 3 * BLOCK);
        expect(file, 3);
        tried++;
    }
    return weft_file_close(file);
}

TEST(not_told_of_another_page)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct world world = {.seed = seed,
                              .plan = "calm read#1=short read#2=EIO",
                              .task = main_sought};
        same(world_run(&world), 0);
    }
    ck_assert_int_ge(tried, 1);
}

/* Nobody reads there, so nobody is told. */
static int main_unread(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .ahead = 4));

    (void)arg;
    expect(file, 0);
    same(weft_sleep(100 * MS), 0);
    same(weft_file_seek(file, 4 * BLOCK, SEEK_SET), 4 * BLOCK);
    expect(file, 4);
    same(weft_file_seek(file, 2 * BLOCK, SEEK_SET), 2 * BLOCK);
    expect(file, 2);
    return weft_file_close(file);
}

TEST(not_told_elsewhere)
{
    run("calm disk.time=1ms read#3@file=EIO", main_unread);
}

/* Short reads and interruptions show nowhere. */
static int main_short(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .ahead = 4));

    (void)arg;
    for (size_t i = 0; i < BLOCKS; i++)
        expect(file, i);
    return weft_file_close(file);
}

TEST(short_and_interrupted)
{
    run("calm disk.time=1ms read#1=short read#2=EINTR read#3=short read#5=short", main_short);
}

/* The end was read ahead, then something is written far behind it: in between are zeros. */
static int main_grown(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .ahead = 4));
    char byte = 'x';

    (void)arg;
    same(weft_file_seek(file, (BLOCKS - 3) * BLOCK, SEEK_SET), (BLOCKS - 3) * BLOCK);
    expect(file, BLOCKS - 3);
    expect(file, BLOCKS - 2);
    same(weft_sleep(100 * MS), 0);
    same(weft_file_pwrite(file, "far", 3, (BLOCKS + 20) * BLOCK, NULL), 3);
    expect(file, BLOCKS - 1);
    same(weft_file_read(file, &byte, 1), 1);
    same(byte, 0);
    return weft_file_close(file);
}

TEST(grown_behind_its_end)
{
    run("calm disk.time=1ms", main_grown);
}

/* -- waiting in vain ------------------------------------------------------------------------- */

static int64_t read_until(weft_file *file, void *bytes, size_t size, int64_t ms)
{
    weft_scope limit;
    ssize_t n;

    same(weft_timeout(&limit, ms * MS), 0);
    n = weft_file_read(file, bytes, size);
    return weft_scope_close(&limit) < 0 ? -ETIMEDOUT : n;
}

/* The first read hangs for a minute, cancelled or not. */
static int main_given_up(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK));
    int64_t begun = weft_now();
    char byte;

    (void)arg;
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT);
    ck_assert_int_lt(weft_now() - begun, 20 * MS); /* the task is not held */
    same(weft_file_tell(file), 0);
    expect(file, 0); /* by the same request */
    ck_assert_int_ge(weft_now() - begun, 60000 * MS);
    expect(file, 1);
    return weft_file_close(file);
}

TEST(given_up_and_had)
{
    run("calm read#1@file=stuck disk.stuck_time=60s", main_given_up);
}

/* Cancelled when the block has come: there is no wait left that could end by it. */
struct long_line {
    weft_file *file, *other;
    weft_task task;
};

static int reads_a_line(void *arg)
{
    struct long_line *line = *(struct long_line **)arg;
    char bytes[16];

    line->task = weft_current_task();
    same(weft_yield(), 0); /* the other's read is the first to be asked for, and to end */
    same(weft_file_read_line(line->file, bytes, sizeof bytes), -EMSGSIZE);
    same(weft_cancelled(), 1);
    same(weft_cause(), WEFT_CAUSE_NONE); /* nothing was told of it */
    return 0;
}

static int cancels_him(void *arg)
{
    struct long_line *line = *(struct long_line **)arg;
    char byte;

    same(weft_file_read(line->other, &byte, 1), 1);
    return weft_cancel(line->task) == 1 ? 0 : -EPROTO;
}

static int main_too_long(void *arg)
{
    struct long_line line = {made(OPT(.block_size = BLOCK, .no_ahead = true)), another('o'), {0}};
    struct long_line *there = &line;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, reads_a_line, &there, sizeof there, NULL));
        ok(weft_spawn(&s, cancels_him, &there, sizeof there, NULL));
    }
    same(weft_file_close(line.other), 0);
    return weft_file_close(line.file);
}

TEST(too_long_is_no_wait)
{
    run("calm disk.time=10ms", main_too_long);
}

/* Elsewhere there is no need to wait for it; but not for more of them than two. */
static int main_elsewhere(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .no_ahead = true));
    int64_t begun = weft_now();
    char byte;

    (void)arg;
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT);
    same(weft_file_seek(file, 4 * BLOCK, SEEK_SET), 4 * BLOCK);
    expect(file, 4);
    ck_assert_int_lt(weft_now() - begun, 20 * MS);
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT);
    same(weft_file_seek(file, 6 * BLOCK, SEEK_SET), 6 * BLOCK);
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT); /* for want of a block */
    expect(file, 6);
    ck_assert_int_ge(weft_now() - begun, 60000 * MS);
    return weft_file_close(file);
}

TEST(elsewhere)
{
    run("calm read#1@file=stuck read#3@file=stuck disk.stuck_time=60s", main_elsewhere);
}

/* -- the end --------------------------------------------------------------------------------- */

static int waits(void *arg)
{
    char byte;

    return weft_file_read(*(weft_file **)arg, &byte, 1) == -ECANCELED ? 0 : -EPROTO;
}

static int closes(void *arg)
{
    return weft_file_close(*(weft_file **)arg) == -EALREADY ? 0 : -EPROTO;
}

static int main_closed(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK));
    int64_t begun = weft_now();

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, waits, &file, sizeof file, NULL));
        same(weft_sleep(MS), 0);
        ok(weft_spawn(&s, closes, &file, sizeof file, NULL));
        same(weft_file_close(file), 0);
    }
    ck_assert_int_ge(weft_now() - begun, 60000 * MS); /* the disk has its memory until then */
    return 0;
}

TEST(closed_upon)
{
    run("calm read#1@file=stuck disk.stuck_time=60s", main_closed);
}

/* -- a view that is written from --------------------------------------------------------------- */

struct view {
    weft_file *file;
    const void *data;
    size_t size;
};

static int writes_from_it(void *arg)
{
    const struct view *view = arg;

    same(weft_file_pwrite(view->file, view->data, view->size, 4 * BLOCK, NULL), view->size);
    return 0;
}

static int closes_it(void *arg)
{
    return weft_file_close(*(weft_file **)arg);
}

/* The disk has yet to take the bytes when the file is being closed; then another is read. */
static int main_written_from(void *arg)
{
    struct view view = {.file = made(OPT(.block_size = BLOCK, .no_ahead = true))};
    weft_file *other = another('o');
    char bytes[BLOCK];
    int fd;

    (void)arg;
    same(weft_file_peek(view.file, &view.data, &view.size), 1);
    same(view.size, BLOCK);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, writes_from_it, &view, sizeof view, NULL));
        same(weft_sleep(MS), 0);
        ok(weft_spawn(&s, closes_it, &view.file, sizeof view.file, NULL));
        same(weft_sleep(MS), 0);
        same(weft_file_read_exactly(other, bytes, BLOCK, NULL), BLOCK);
        same(bytes[0], 'o');
    }
    fd = weft_open("/tmp/a", O_RDONLY, 0);
    same(weft_pread(fd, bytes, BLOCK, 4 * BLOCK), BLOCK);
    for (size_t i = 0; i < BLOCK; i++)
        same(bytes[i], byte_of(0));
    same(weft_close(fd), 0);
    return weft_file_close(other);
}

TEST(closed_while_written_from)
{
    run("calm write#3@file=stuck disk.stuck_time=1s", main_written_from);
}

static int main_left(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK));
    char byte;

    (void)arg;
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT);
    return 0; /* what is in flight, and the file, end with the run */
}

TEST(left_in_flight)
{
    run("calm read#1@file=hang", main_left);
    run("calm read#1@file=stuck disk.stuck_time=1s", main_left);
}

TEST_MAIN("file_object", 60, time, told_where_it_is, not_told_of_another_page, not_told_elsewhere,
          short_and_interrupted, grown_behind_its_end, given_up_and_had, too_long_is_no_wait,
          elsewhere, closed_upon, closed_while_written_from, left_in_flight)
