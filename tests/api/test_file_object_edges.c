/*
 * File objects where they say no, or end: who is cancelled, who comes while a view is lent, files
 * closed under their readers, behind the object's back or not at all, offsets up to the last one,
 * mistakes, and another reactor. Catches a position that moves with a refused call, bytes of a
 * stranger's file, a read beyond all offsets, a mistake that is answered otherwise than said, and
 * blocks, descriptors and memory that are left.
 */
#include "file_object.h"

/* -- cancelled, busy, closed ------------------------------------------------------------------ */

static int reads_while_cancelled(void *arg)
{
    weft_file *file = *(weft_file **)arg;
    char bytes[16];
    const void *data;
    size_t size, done = 7;

    same(weft_cancel(weft_current_task()), 1);
    same(weft_file_read(file, bytes, sizeof bytes), -ECANCELED);
    same(weft_file_peek(file, &data, &size), -ECANCELED);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, &done), -ECANCELED);
    same(weft_file_read_line(file, bytes, sizeof bytes), -ECANCELED);
    same(weft_file_write(file, bytes, 1, &done), -ECANCELED);
    ck_assert_uint_eq(done, 0);
    same(weft_file_pread(file, bytes, 1, 0), -ECANCELED);
    same(weft_file_seek(file, 0, SEEK_END), -ECANCELED);
    same(weft_file_seek(file, 0, SEEK_CUR), 5);
    same(weft_uncancel(), 0);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, NULL), sizeof bytes);
    check(bytes, sizeof bytes, 5);
    same(weft_cancel(weft_current_task()), 1);
    return weft_file_close(file); /* a release: it always finishes */
}

static int main_cancelled(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK));
    char bytes[5];

    (void)arg;
    same(weft_file_read_exactly(file, bytes, 5, NULL), 5);
    WEFT_SCOPE(s)
        ok(weft_spawn(&s, reads_while_cancelled, &file, sizeof file, NULL));
    return 0;
}

TEST(cancelled)
{
    file_run(main_cancelled);
}

/* Whoever comes while a view is lent, and whoever is inside when the file is closed. */
static int reads_to_the_end(void *arg)
{
    weft_file *file = *(weft_file **)arg;
    char bytes[100];
    ssize_t n;

    while ((n = weft_file_pread(file, bytes, sizeof bytes, 0)) > 0)
        ;
    return n == -ECANCELED || n == -EBADF ? 0 : -EPROTO;
}

static int main_busy(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK));
    char bytes[16];
    const void *data;
    size_t size;

    (void)arg;
    same(weft_file_peek(file, &data, &size), 1);
    same(weft_file_peek(file, &data, &size), -EBUSY);
    same(weft_file_read(file, bytes, 1), -EBUSY);
    same(weft_file_write(file, bytes, 1, NULL), -EBUSY);
    same(weft_file_seek(file, 0, SEEK_SET), -EBUSY);
    same(weft_file_consume(file, size + 1), -EINVAL);
    same(weft_file_discard(file), 0);
    check(data, size, 0); /* it is still lent */
    same(weft_file_consume(file, 3), 0);
    same(weft_file_consume(file, 0), -EINVAL);
    same(weft_file_read(file, bytes, 1), 1);
    check(bytes, 1, 3);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, reads_to_the_end, &file, sizeof file, NULL));
        ok(weft_spawn(&s, reads_to_the_end, &file, sizeof file, NULL));
        same(weft_yield(), 0);
        same(weft_file_peek(file, &data, &size), 1); /* a view ends with the file */
        same(weft_file_close(file), 0);
    }
    return 0;
}

TEST(busy_and_closed)
{
    file_run(main_busy);
}

static int main_left_open(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK, .ahead = 8)), *other;
    char bytes[BLOCK];

    (void)arg;
    same(weft_file_read_exactly(file, bytes, BLOCK, NULL), BLOCK); /* and more is in flight */
    same(weft_file_from_fd(weft_openat(folder, "a", O_RDONLY, 0), NULL, &other), 0);
    return 0; /* the harness counts descriptors and memory */
}

TEST(left_open)
{
    file_run(main_left_open);
}

/* -- whose descriptor it is ------------------------------------------------------------------- */

static int main_owned(void *arg)
{
    weft_file *file = made(BLOCK, NULL), *other;
    int fd = weft_file_fd(file);
    char byte;

    (void)arg;
    ck_misuse(weft_close(fd), -EBUSY, "weft_close", "a file object has");
    ck_misuse(weft_file_from_fd(fd, NULL, &other), -EBUSY, "weft_file_from_fd", "a file object");
    ck_misuse(weft_fd_move(fd), -EBUSY, "weft_fd_move", "a file object has");
    same(weft_file_read(file, &byte, 1), 1);
    done_with(file);
    file_put("w", "");
    same(weft_file_from_fd(weft_openat(folder, "w", O_WRONLY, 0), NULL, &file), 0);
    same(weft_file_pread(file, &byte, 1, 0), -EBADF); /* it is open all the same */
    same(weft_file_write(file, "x", 1, NULL), 1);
    return weft_file_close(file);
}

TEST(owned)
{
    file_run(main_owned);
}

/* By close(2), which does nothing to a simulated one; then the number is another file's. */
static int main_behind(void *arg)
{
    weft_file *file = made(3 * BLOCK, OPT(.block_size = BLOCK)), *other;
    int fd = weft_file_fd(file), again;
    char bytes[8];

    (void)arg;
    same(weft_file_read(file, bytes, 1), 1);
    if (close(fd) < 0)
        return weft_file_close(file);
    file_put("b", "stranger");
    again = weft_openat(folder, "b", O_RDWR, 0);
    same(again, fd);
    ck_misuse(weft_file_read(file, bytes, 1), -EBADF, "weft_file_read", "was closed");
    same(weft_file_pwrite(file, "x", 1, 0, NULL), -EBADF);
    same(weft_file_pread(file, bytes, 1, 0), -EBADF);
    same(weft_file_from_fd(again, NULL, &other), 0);
    same(weft_file_seek(file, 0, SEEK_END), -EBADF);
    ck_misuse(weft_file_close(file), -EBADF, "weft_file_close", "was closed");
    same(weft_file_read_exactly(other, bytes, 8, NULL), 8);
    ck_assert_mem_eq(bytes, "stranger", 8);
    return weft_file_close(other);
}

TEST(closed_behind)
{
    file_run(main_behind);
}

/* -- where offsets end ------------------------------------------------------------------------ */

/* The last bytes that have an offset, of a device that has them; the simulated disk has none. */
static void read_the_last(void)
{
    static char bytes[3 * BLOCK];
    weft_file *file;
    off_t from = INT64_MAX - (3 * BLOCK - 1);
    int error = weft_file_open("/dev/zero", O_RDONLY, 0, OPT(.block_size = BLOCK), &file);

    if (error == -ENOENT)
        return;
    same(error, 0);
    same(weft_file_seek(file, from, SEEK_SET), from);
    same(weft_file_read_exactly(file, bytes, sizeof bytes - 1, NULL), sizeof bytes - 1);
    same(weft_file_read(file, bytes, 1), 0);
    same(weft_file_close(file), 0);
}

static int main_last(void *arg)
{
    weft_file *file = made(10, OPT(.block_size = 4 * BLOCK));
    char bytes[16];

    (void)arg;
    for (off_t back = 0; back < 5 * BLOCK; back += BLOCK - 1) {
        same(weft_file_seek(file, INT64_MAX - back, SEEK_SET), INT64_MAX - back);
        same(weft_file_read(file, bytes, sizeof bytes), 0);
    }
    same(weft_file_pread(file, bytes, 10, INT64_MAX - 20), 0);
    done_with(file);
    if (!direct)
        read_the_last();
    return 0;
}

static int main_last_direct(void *arg)
{
    (void)arg;
    return has_direct() ? main_last(NULL) : 0;
}

TEST(where_offsets_end)
{
    file_run(main_last);
    file_run(main_last_direct);
}

/* -- mistakes ------------------------------------------------------------------------------- */

static int main_wrong(void *arg)
{
    weft_file *file, *none = NULL;
    char byte = 0;
    const void *data;
    size_t size;
    int pipe[2], fd = file_new("a");
    weft_stream *stream;

    (void)arg;
    same(weft_pipe(pipe, 0), 0);
    same(weft_file_from_fd(pipe[0], NULL, &file), -ESPIPE);
    same(weft_stream_open(pipe[1], NULL, &stream), 0);
    ck_misuse(weft_file_from_fd(pipe[1], NULL, &file), -EBUSY, "weft_file_from_fd", "a stream has");
    same(weft_file_from_fd(fd, &(struct weft_file_opt){.size = 1}, &file), -EINVAL);
    same(weft_file_from_fd(-1, NULL, &file), -EBADF);
    same(weft_file_from_fd(19999, NULL, &file), -EBADF);
    ck_misuse(weft_file_from_fd(fd, NULL, NULL), -EINVAL, "weft_file_from_fd", "nowhere");
    same(weft_file_from_fd(fd, OPT(.block_size = 5000), &file), -EINVAL);
    same(weft_file_from_fd(fd, OPT(.block_size = 8 << 20), &file), -EINVAL);
    same(weft_file_from_fd(fd, OPT(.block_size = 512), &file), -EINVAL);
    same(weft_file_from_fd(fd, OPT(.ahead = 65), &file), -EINVAL);
    same(weft_file_open("/tmp", O_RDONLY, 0, OPT(.ahead = 65), &file), -EINVAL);
    same(weft_file_open("/tmp", O_RDONLY, 0, NULL, NULL), -EINVAL);
    same(weft_file_open(NULL, O_RDONLY, 0, NULL, &file), -EFAULT);
    same(weft_file_from_fd(fd, NULL, &file), 0);
    ck_misuse(weft_file_read(file, NULL, 1), -EFAULT, "weft_file_read", "NULL for memory");
    same(weft_file_read_exactly(file, NULL, 1, NULL), -EFAULT);
    same(weft_file_write(file, NULL, 1, NULL), -EFAULT);
    same(weft_file_pwrite(file, NULL, 1, 0, NULL), -EFAULT);
    same(weft_file_pread(file, NULL, 1, 0), -EFAULT);
    same(weft_file_pread(file, &byte, 1, -1), -EINVAL);
    same(weft_file_pwrite(file, &byte, 1, -1, NULL), -EINVAL);
    same(weft_file_read_line(file, NULL, 1), -EFAULT);
    same(weft_file_read_line(file, &byte, 0), -EINVAL);
    same(weft_file_read_until(file, "", 0, &byte, 1), -EINVAL);
    same(weft_file_read_until(file, NULL, 1, &byte, 1), -EINVAL);
    same(weft_file_read_until(file, "x", 1, NULL, 1), -EFAULT);
    same(weft_file_peek(file, NULL, &size), -EINVAL);
    same(weft_file_peek(file, &data, NULL), -EINVAL);
    same(weft_file_read(file, NULL, 0), 0); /* no memory is needed */
    same(weft_file_read_exactly(file, NULL, 0, NULL), 0);
    same(weft_file_read_until(file, "x", 1, NULL, 0), -EMSGSIZE);
    same(weft_file_write(file, NULL, 0, NULL), 0);
    same(weft_file_seek(file, -1, SEEK_SET), -EINVAL);
    same(weft_file_seek(file, 0, 77), -EINVAL);
    same(weft_file_seek(file, INT64_MAX, SEEK_SET), INT64_MAX);
    same(weft_file_seek(file, 1, SEEK_CUR), -EINVAL);
    ck_misuse(weft_file_read(none, &byte, 1), -EINVAL, "weft_file_read", "no file");
    same(weft_file_fd(none), -EINVAL);
    same(weft_file_tell(none), -EINVAL);
    same(weft_file_seek(none, 0, SEEK_SET), -EINVAL);
    same(weft_file_peek(none, &data, &size), -EINVAL);
    same(weft_file_consume(none, 0), -EINVAL);
    same(weft_file_write(none, &byte, 1, NULL), -EINVAL);
    same(weft_file_pread(none, &byte, 1, 0), -EINVAL);
    same(weft_file_pwrite(none, &byte, 1, 0, NULL), -EINVAL);
    same(weft_file_read_exactly(none, &byte, 1, NULL), -EINVAL);
    same(weft_file_read_line(none, &byte, 1), -EINVAL);
    same(weft_file_discard(none), -EINVAL);
    same(weft_file_close(none), 0);
    same(weft_file_close(file), 0);
    same(weft_close(pipe[0]), 0);
    return weft_stream_close(stream);
}

TEST(mistakes)
{
    weft_file *file = NULL;
    char byte;

    file_run(main_wrong);
    same(weft_file_pread(file, &byte, 1, 0), -EPERM);
    same(weft_file_pwrite(file, &byte, 1, 0, NULL), -EPERM);
    same(weft_file_discard(file), -EPERM);
    same(weft_file_open("/tmp", O_RDONLY, 0, NULL, &file), -EPERM);
    same(weft_file_from_fd(0, NULL, &file), -EPERM);
    same(weft_file_close(NULL), -EPERM);
}

static int stranger(void *arg)
{
    weft_file *file = *(weft_file **)arg;
    char byte;

    same(weft_file_read(file, &byte, 1), -EXDEV);
    same(weft_file_discard(file), -EXDEV);
    return weft_file_close(file) == -EXDEV ? 0 : -EPROTO;
}

static int main_elsewhere(void *arg)
{
    weft_file *file = made(10, NULL);

    (void)arg;
    same(weft_call(1, stranger, &file, sizeof file), 0);
    done_with(file);
    return 0;
}

TEST(another_reactor)
{
    file_run_two(main_elsewhere);
}

TEST_MAIN("file_object_edges", 60, cancelled, busy_and_closed, left_open, owned, closed_behind,
          where_offsets_end, mistakes, another_reactor)
