/*
 * Parts of files copied into others. Catches bytes that are copied wrongly, to the wrong place or
 * twice, offsets and positions that say something else than what was copied, a copy that reads what
 * it has just written, one that a cancellation does not end, and a close that does not wait for it.
 */
#include "support/file.h"

enum { MIB = 1 << 20, LONG = 5 * MIB / 2, LONGER = 4 * MIB };

/* Every so often, and across each piece's end, a mark that is like no other; between them, zeros.
 */
enum { STRIDE = 1 << 15, MARK = 16 };

static off_t mark_of(int number, char mark[MARK])
{
    snprintf(mark, MARK, "%15d", number);
    return number > 0 ? (off_t)number * STRIDE - MARK / 2 : 0;
}

static void fill(int fd, off_t size)
{
    char mark[MARK];
    off_t at;

    same(weft_ftruncate(fd, size), 0);
    for (int i = 0; (at = mark_of(i, mark)) + MARK <= size; i++)
        same(weft_pwrite_all(fd, mark, MARK, at, NULL), MARK);
}

/* From `at` on there are the first `size` bytes, and nothing behind them. */
static void is_filled(int fd, off_t at, off_t size)
{
    char mark[MARK], there[MARK];
    off_t offset;

    for (int i = 0; (offset = mark_of(i, mark)) + MARK <= size; i++) {
        same(weft_pread_exactly(fd, there, MARK, at + offset, NULL), MARK);
        ck_assert_mem_eq(there, mark, MARK);
    }
    if (size > 0)
        same(weft_pread(fd, there, MARK, at + size - 1), 1);
    same(weft_pread(fd, there, MARK, at + size), 0);
}

static int file_of(const char *name, const char *text)
{
    int fd = file_new(name);

    same(weft_pwrite_all(fd, text, strlen(text), 0, NULL), (int)strlen(text));
    return fd;
}

/* -- what is copied ------------------------------------------------------------------------- */

static int main_places(void *arg)
{
    int from = file_of("from", "0123456789"), to = file_of("to", "abcdef");
    off_t in = 2, out = 4;
    char byte;

    (void)arg;
    same(weft_copy_file_range(from, &in, to, &out, 5, 0), 5);
    same(in, 7);
    same(out, 9);
    ck_assert_str_eq(file_text("to"), "abcd23456");
    same(weft_read(from, &byte, 1), 1); /* its position is where it was */
    same(byte, '0');
    same(weft_copy_file_range(from, NULL, to, NULL, 3, 0), 3);
    ck_assert_str_eq(file_text("to"), "123d23456");
    same(weft_copy_file_range(from, NULL, to, &out, 2, 0), 2);
    same(weft_copy_file_range(from, &in, to, NULL, 100, 0), 3); /* which is where it ends */
    same(in, 10);
    same(out, 11);
    ck_assert_str_eq(file_text("to"), "12378945645");
    same(weft_copy_file_range(from, &in, to, &out, 100, 0), 0);
    same(weft_copy_file_range(from, &(off_t){99}, to, &out, 100, 0), 0);
    same(weft_copy_file_range(from, &(off_t){0}, to, &out, 0, 0), 0);
    same(out, 11);
    same(weft_read(from, &byte, 1), 1);
    same(byte, '6');
    same(weft_close(to), 0);
    return weft_close(from);
}
TEST(places)
{
    file_run(main_places);
}

static int main_long(void *arg)
{
    int from = file_new("from"), to = file_new("to");
    off_t in = 0, out = 10;

    (void)arg;
    fill(from, LONG);
    same(weft_copy_file_range(from, &in, to, &out, SIZE_MAX, 0), LONG);
    same(in, LONG);
    same(out, LONG + 10);
    is_filled(to, 10, LONG);
    same(weft_copy_file_range(from, NULL, to, NULL, MIB + 7, 0), MIB + 7);
    same(weft_copy_file_range(from, NULL, to, NULL, SIZE_MAX, 0), LONG - MIB - 7);
    same(weft_ftruncate(to, LONG), 0);
    is_filled(to, 0, LONG);
    same(weft_close(to), 0);
    return weft_close(from);
}
TEST(in_several_pieces)
{
    file_run(main_long);
}

/* To its own end: what it writes there is not read again, however much is asked for. */
static int main_itself(void *arg)
{
    int fd = file_new("a"), other = weft_openat(folder, "a", O_RDWR, 0);
    off_t in = 0, out = LONG;

    (void)arg;
    ok(other);
    fill(fd, LONG);
    same(weft_copy_file_range(fd, &in, other, &out, 16 * MIB, 0), LONG);
    same(file_size("a"), 2 * LONG);
    is_filled(fd, LONG, LONG);
    same(weft_close(other), 0);
    return weft_close(fd);
}
TEST(to_its_own_end)
{
    file_run(main_itself);
}

/* The same where all that was asked for would be one piece. */
static int main_itself_short(void *arg)
{
    int fd = file_of("a", "0123456789");
    off_t in = 4, out = 20;

    (void)arg;
    same(weft_copy_file_range(fd, &in, fd, &out, 30, 0), 6);
    same(in, 10);
    same(out, 26);
    same(file_size("a"), 26);
    same(weft_copy_file_range(fd, &(off_t){26}, fd, &(off_t){90}, 30, 0), 0);
    same(file_size("a"), 26);
    return weft_close(fd);
}
TEST(to_its_own_end_in_one_piece)
{
    file_run(main_itself_short);
}

/* -- what is not ---------------------------------------------------------------------------- */

static int main_overlap(void *arg)
{
    int fd = file_new("a"), other = weft_openat(folder, "a", O_RDWR, 0);

    (void)arg;
    ok(other);
    fill(fd, LONG);
    same(weft_copy_file_range(fd, &(off_t){0}, fd, &(off_t){9}, 10, 0), -EINVAL);
    same(weft_copy_file_range(fd, &(off_t){9}, other, &(off_t){0}, 10, 0), -EINVAL);
    same(weft_copy_file_range(fd, NULL, fd, NULL, 10, 0), -EINVAL);
    same(weft_copy_file_range(fd, NULL, other, NULL, LONG, 0), -EINVAL);
    /* of these no two pieces overlap that are copied at a time */
    same(weft_copy_file_range(fd, &(off_t){0}, other, &(off_t){MIB}, LONG, 0), -EINVAL);
    same(weft_copy_file_range(fd, &(off_t){MIB}, fd, &(off_t){0}, LONG, 0), -EINVAL);
    is_filled(fd, 0, LONG);
    same(weft_copy_file_range(fd, &(off_t){0}, fd, &(off_t){10}, 10, 0), 10);
    same(weft_close(other), 0);
    return weft_close(fd);
}
TEST(overlapping)
{
    file_run(main_overlap);
}

static int main_wrong(void *arg)
{
    int from = file_of("from", "0123456789"), to = file_of("to", "");
    int reads = weft_openat(folder, "to", O_RDONLY, 0), pipe[2];
    int appends = weft_openat(folder, "to", O_WRONLY | O_APPEND, 0);
    off_t in = 0, out = 0;

    (void)arg;
    ok(reads);
    ok(appends);
    same(weft_pipe(pipe, 0), 0);
    for (size_t size = 5; size < 2 * LONG; size += LONG) {
        same(weft_copy_file_range(from, &in, reads, &out, size, 0), -EBADF);
        same(weft_copy_file_range(from, &in, appends, &out, size, 0), -EBADF);
        same(weft_copy_file_range(appends, &in, to, &out, size, 0), -EBADF);
        same(weft_copy_file_range(folder, &in, to, &out, size, 0), -EISDIR);
        same(weft_copy_file_range(pipe[0], NULL, to, &out, size, 0), -EINVAL);
        same(weft_copy_file_range(from, &in, pipe[1], NULL, size, 0), -EINVAL);
        same(weft_copy_file_range(from, &in, 1 << 20, &out, size, 0), -EBADF);
        same(weft_copy_file_range(1 << 20, &in, to, &out, size, 0), -EBADF);
    }
    same(in, 0);
    same(out, 0);
    same(file_size("to"), 0);
    same(weft_copy_file_range(from, &in, to, &out, 5, 0), 5); /* all of them are let go of */
    same(weft_copy_file_range(from, NULL, to, NULL, 5, 0), 5);
    same(weft_close(pipe[0]), 0);
    same(weft_close(pipe[1]), 0);
    same(weft_close(appends), 0);
    same(weft_close(reads), 0);
    same(weft_close(to), 0);
    return weft_close(from);
}
TEST(what_is_none)
{
    file_run(main_wrong);
}

TEST(outside_of_a_task)
{
    ck_assert_int_eq(weft_copy_file_range(0, NULL, 1, NULL, 1, 0), -EPERM);
}

/* -- while it goes on ----------------------------------------------------------------------- */

struct copy {
    int from, to;
    bool here; /* at the positions */
    off_t in, out;
    bool begun, ended;
    ssize_t result;
    int next; /* what the next call says */
};

static int copies(void *arg)
{
    struct copy *copy = arg;

    copy->begun = true;
    copy->result = weft_copy_file_range(copy->from, copy->here ? NULL : &copy->in, copy->to,
                                        copy->here ? NULL : &copy->out, LONGER, 0);
    copy->ended = true;
    copy->next = weft_yield();
    return 0;
}

static weft_task start(weft_scope *scope, struct copy *copy)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    same(weft_spawn(scope, copies, copy, 0, &opt), 0);
    while (!copy->begun)
        ok(weft_yield());
    return task;
}

static struct copy copy_of(void)
{
    struct copy copy = {.from = file_new("from"), .to = file_new("to")};

    fill(copy.from, LONGER);
    return copy;
}

static void done_with(struct copy *copy)
{
    same(weft_close(copy->from), 0);
    same(weft_close(copy->to), 0);
    same(weft_unlinkat(folder, "from", 0), 0);
    same(weft_unlinkat(folder, "to", 0), 0);
}

/* What it says was copied is there, and nothing else. */
static void is_told(const struct copy *copy)
{
    off_t copied = copy->result > 0 ? copy->result : 0;

    same(copy->in, copied);
    same(copy->out, copied);
    is_filled(copy->to, 0, copied);
}

static int main_cancelled(void *arg)
{
    struct copy copy = copy_of();

    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task = start(&s, &copy);
        ck_assert(!copy.ended);
        same(weft_cancel(task), 1);
        same(weft_join(task, NULL), 0);
    }
    ck_assert_int_gt(copy.result, 0); /* the piece that was under way */
    ck_assert_int_lt(copy.result, LONGER);
    same(copy.next, -ECANCELED);
    is_told(&copy);
    same(weft_copy_file_range(copy.from, &copy.in, copy.to, &copy.out, LONGER, 0),
         LONGER - copy.result);
    is_filled(copy.to, 0, LONGER);
    done_with(&copy);
    return 0;
}
TEST(cancelled)
{
    file_run(main_cancelled);
}

static int main_at_any_time(void *arg)
{
    (void)arg;
    for (int turns = 0; turns < 5; turns++) {
        struct copy copy = copy_of();
        WEFT_SCOPE(s) {
            weft_task task;
            struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
            same(weft_spawn(&s, copies, &copy, 0, &opt), 0);
            for (int i = 0; i < turns; i++)
                ok(weft_yield());
            ok(weft_cancel(task));
            same(weft_join(task, NULL), 0);
        }
        ck_assert(copy.result > 0 || copy.result == -ECANCELED);
        if (turns == 0)
            same(copy.result, -ECANCELED);
        is_told(&copy);
        done_with(&copy);
    }
    return 0;
}
TEST(cancelled_at_any_time)
{
    file_run(main_at_any_time);
}

/* A deadline that has passed, and one that passes meanwhile. */
static int main_deadline(void *arg)
{
    struct copy copy = copy_of();
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = 1};
    weft_scope scope;

    (void)arg;
    same(weft_scope_open(&scope, &opt), 0);
    same(weft_copy_file_range(copy.from, &copy.in, copy.to, &copy.out, 5, 0), -ECANCELED);
    same(weft_cause(), WEFT_CAUSE_DEADLINE);
    same(weft_scope_close(&scope), -ETIMEDOUT);
    is_told(&copy);
    opt.deadline = weft_after_ns(1000);
    same(weft_scope_open(&scope, &opt), 0);
    copies(&copy);
    ck_assert(copy.result > 0 || copy.result == -ECANCELED);
    while (weft_yield() == 0)
        ;
    same(weft_scope_close(&scope), -ETIMEDOUT);
    is_told(&copy);
    done_with(&copy);
    return 0;
}
TEST(a_deadline)
{
    file_run(main_deadline);
}

/* At the positions there is one at a time; beside it any number. */
static int main_busy(void *arg)
{
    struct copy copy = copy_of();
    char byte;

    (void)arg;
    copy.here = true;
    WEFT_SCOPE(s) {
        (void)start(&s, &copy);
        ck_assert(!copy.ended);
        same(weft_read(copy.from, &byte, 1), -EBUSY);
        same(weft_write(copy.to, "x", 1), -EBUSY);
        same(weft_copy_file_range(copy.from, &(off_t){0}, copy.to, NULL, 1, 0), -EBUSY);
        same(weft_pread(copy.from, &byte, 1, 0), 1);
    }
    same(copy.result, LONGER);
    is_filled(copy.to, 0, LONGER);
    done_with(&copy);
    return 0;
}
TEST(one_at_a_position)
{
    file_run(main_busy);
}

static int main_closed_under(void *arg)
{
    (void)arg;
    for (int turn = 0; turn < 4; turn++) {
        struct copy copy = copy_of();
        int last = turn % 2 ? copy.from : copy.to;
        copy.here = turn >= 2;
        WEFT_SCOPE(s) {
            (void)start(&s, &copy);
            ck_assert(!copy.ended);
            same(weft_close(turn % 2 ? copy.to : copy.from), 0);
            ck_assert(copy.ended); /* it was waited for */
        }
        ck_assert_int_gt(copy.result, 0);
        ck_assert_int_lt(copy.result, LONGER);
        same(copy.next, 0);
        same(file_size("to"), copy.result);
        same(weft_close(last), 0);
        same(weft_unlinkat(folder, "from", 0), 0);
        same(weft_unlinkat(folder, "to", 0), 0);
    }
    return 0;
}
TEST(closed_under_it)
{
    file_run(main_closed_under);
}

TEST_MAIN("file copy", 60, places, in_several_pieces, to_its_own_end, to_its_own_end_in_one_piece,
          overlapping, what_is_none, outside_of_a_task, cancelled, cancelled_at_any_time,
          a_deadline, one_at_a_position, closed_under_it)
