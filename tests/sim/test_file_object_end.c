/*
 * A file object that has something in flight, and whose reader is cancelled in the very turn in
 * which it comes, or who is closed upon, or left. Catches a cancellation that goes with another
 * error or is told twice, steps that go on after a close, a view that ends under who writes from
 * it, memory that the disk still has, and a close or a stop that leaves something in flight.
 */
#include <stdlib.h>

#include "file_object.h"

/* -- in the very turn ------------------------------------------------------------------------ */

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

/* The same, where more is wanted: then it is told, and what was read counts. */
static int reads_two_blocks(void *arg)
{
    struct long_line *line = *(struct long_line **)arg;
    char bytes[2 * BLOCK];
    size_t done;

    line->task = weft_current_task();
    same(weft_yield(), 0);
    same(weft_file_read_exactly(line->file, bytes, sizeof bytes, &done), -ECANCELED);
    ck_assert_uint_eq(done, BLOCK);
    same(weft_file_tell(line->file), BLOCK);
    return 0;
}

static int reads_until(void *arg)
{
    struct long_line *line = *(struct long_line **)arg;
    char bytes[2 * BLOCK];

    line->task = weft_current_task();
    same(weft_yield(), 0);
    same(weft_file_read_until(line->file, "none", 4, bytes, sizeof bytes), -ECANCELED);
    same(weft_file_tell(line->file), 0);
    return 0;
}

static weft_task_fn is_cancelled;

static int main_cancelled_between(void *arg)
{
    struct long_line line = {made(OPT(.block_size = BLOCK, .no_ahead = true)), another('o'), {0}};
    struct long_line *there = &line;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, is_cancelled, &there, sizeof there, NULL));
        ok(weft_spawn(&s, cancels_him, &there, sizeof there, NULL));
    }
    same(weft_file_close(line.other), 0);
    return weft_file_close(line.file);
}

TEST(cancelled_between_two_blocks)
{
    is_cancelled = reads_two_blocks;
    run("calm disk.time=10ms", main_cancelled_between);
    is_cancelled = reads_until;
    run("calm disk.time=10ms", main_cancelled_between);
}

static int seeks_the_end(void *arg)
{
    struct long_line *line = *(struct long_line **)arg;

    same(weft_yield(), 0);
    same(weft_file_seek(line->file, 0, SEEK_END), -ECANCELED);
    return 0;
}

static int writes_much(void *arg)
{
    struct long_line *line = *(struct long_line **)arg;
    static char bytes[3 * BLOCK + 1];
    size_t done;

    same(weft_yield(), 0);
    same(weft_file_pwrite(line->file, bytes + 1, 3 * BLOCK, 0, &done), -ECANCELED);
    ck_assert_uint_eq(done, BLOCK);
    return 0;
}

/* The unit is a guess of a page: what a sector brings is not all that lies before the byte. */
static int reads_a_part(void *arg)
{
    struct long_line *line = *(struct long_line **)arg;
    char byte;

    same(weft_yield(), 0);
    same(weft_file_pread(line->file, &byte, 1, 1000), -ECANCELED);
    same(weft_cause(), WEFT_CAUSE_NONE);
    return 0;
}

/* Reads as long as the other's request takes, and closes his file when both have come. */
static int closes_on_him(void *arg)
{
    struct long_line *line = *(struct long_line **)arg;
    char byte;

    same(weft_file_read(line->other, &byte, 1), 1);
    return weft_file_close(line->file);
}

static int with_direct;

static int main_closed_between(void *arg)
{
    struct long_line line = {NULL, another('o'), {0}}, *there = &line;
    char *bytes = aligned_alloc(BLOCK, BLOCK);

    (void)arg;
    memset(bytes, 'x', BLOCK);
    same(weft_file_open("/tmp/a", O_RDWR | O_CREAT | with_direct, 0600, OPT(.block_size = BLOCK),
                        &line.file),
         0);
    same(weft_file_pwrite(line.file, bytes, BLOCK, 0, NULL), BLOCK); /* and the unit is known */
    free(bytes);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, is_cancelled, &there, sizeof there, NULL));
        ok(weft_spawn(&s, closes_on_him, &there, sizeof there, NULL));
    }
    return weft_file_close(line.other);
}

TEST(closed_between_two_steps)
{
    is_cancelled = seeks_the_end;
    run("calm disk.time=10ms", main_closed_between);
    is_cancelled = writes_much;
    with_direct = O_DIRECT;
    run("calm disk.time=10ms", main_closed_between);
    is_cancelled = reads_a_part;
    run("calm disk.time=10ms statx#1=EIO read#2=short", main_closed_between);
}

/* A view of a block whose rest is still being read, by who was cancelled. When that has come
   nothing is read ahead of a view that is not good any more, or of a file that is closed. */
static bool closes_then;

static int main_view_in_flight(void *arg)
{
    weft_file *file = made(OPT(.block_size = 2 * BLOCK));
    const void *data;
    char bytes[2 * BLOCK];
    size_t size;
    ssize_t n = weft_file_read(file, bytes, sizeof bytes);

    (void)arg;
    ck_assert_int_lt(n, BLOCK);
    same(read_until(file, bytes, 1, 10), -ETIMEDOUT);
    same(weft_file_seek(file, 0, SEEK_SET), 0);
    same(weft_file_peek(file, &data, &size), 1);
    ck_assert_uint_eq(size, n);
    if (closes_then)
        return weft_file_close(file);
    same(weft_file_discard(file), 0);
    same(weft_sleep(2000 * MS), 0);
    same(*(const char *)data, byte_of(0));
    same(weft_file_consume(file, size), 0);
    same(weft_file_seek(file, BLOCK, SEEK_SET), BLOCK);
    expect(file, 1);
    expect(file, 2);
    return weft_file_close(file);
}

TEST(a_view_in_flight)
{
    static const char plan[] = "calm read#1=short read#2@file=stuck disk.stuck_time=1s";

    run(plan, main_view_in_flight);
    closes_then = true;
    run(plan, main_view_in_flight);
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

/* More than one block is. */
static int main_left_ahead(void *arg)
{
    (void)arg;
    expect(made(OPT(.block_size = BLOCK, .ahead = 4)), 0);
    return 0;
}

TEST(left_reading_ahead)
{
    run("calm disk.time=10ms", main_left_ahead);
}

TEST_MAIN("file_object_end", 60, too_long_is_no_wait, cancelled_between_two_blocks,
          closed_between_two_steps, a_view_in_flight, closed_upon, closed_while_written_from,
          left_in_flight, left_reading_ahead)
