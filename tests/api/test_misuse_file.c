/*
 * Misused calls on files, names and pipes, one line each, as in test_misuse_io.c; and the ways of
 * these calls that nothing else goes: descriptors of paths only, a file cut without the ring's
 * help, a piece of several cut off by a cancellation or a close.
 *
 * Would catch a refusal that is silent or changes something, a hook that is told of no mistake, and
 * bytes that were moved and are not told of.
 */
#include <linux/openat2.h>

#include "api/wrong.h"
#include "support/file.h"

static char byte;

/* -- mistakes ------------------------------------------------------------------------------- */

static void wrong_names(void)
{
    struct open_how how = {.flags = O_RDONLY};
    struct statx status;

    WRONG(weft_open(NULL, O_RDONLY, 0), -EFAULT, "weft_open", "NULL for a path");
    WRONG(weft_openat(folder, NULL, O_RDONLY, 0), -EFAULT, "weft_openat", "NULL for a path");
    WRONG(weft_openat2(folder, NULL, &how, sizeof how), -EFAULT, "weft_openat2", "NULL for a path");
    WRONG(weft_openat2(folder, "a", NULL, sizeof how), -EFAULT, "weft_openat2", "NULL for memory");
    WRONG(weft_statx(folder, NULL, 0, 0, &status), -EFAULT, "weft_statx", "NULL for a path");
    WRONG(weft_statx(folder, "a", 0, 0, NULL), -EFAULT, "weft_statx", "NULL for memory");
    WRONG(weft_unlinkat(folder, NULL, 0), -EFAULT, "weft_unlinkat", "NULL for a path");
    WRONG(weft_mkdirat(folder, NULL, 0700), -EFAULT, "weft_mkdirat", "NULL for a path");
    WRONG(weft_symlinkat(NULL, folder, "b"), -EFAULT, "weft_symlinkat", "NULL for a path");
    WRONG(weft_symlinkat("a", folder, NULL), -EFAULT, "weft_symlinkat", "NULL for a path");
    WRONG(weft_renameat(folder, NULL, folder, "b"), -EFAULT, "weft_renameat", "NULL for a path");
    WRONG(weft_linkat(folder, "a", folder, NULL, 0), -EFAULT, "weft_linkat", "NULL for a path");
    WRONG(weft_getxattr(NULL, "n", &byte, 1), -EFAULT, "weft_getxattr", "NULL for a path");
    WRONG(weft_setxattr(NULL, "n", &byte, 1, 0), -EFAULT, "weft_setxattr", "NULL for a path");
    WRONG(weft_getxattr("a", NULL, &byte, 1), -EFAULT, "weft_getxattr", "NULL for a name");
    WRONG(weft_setxattr("a", "n", NULL, 1, 0), -EFAULT, "weft_setxattr", "NULL for memory");
    WRONG(weft_fgetxattr(folder, "n", NULL, 1), -EFAULT, "weft_fgetxattr", "NULL for memory");
    WRONG(weft_fsetxattr(folder, NULL, &byte, 1, 0), -EFAULT, "weft_fsetxattr", "NULL for a name");
    WRONG(weft_getdents64(folder, NULL, 512), -EFAULT, "weft_getdents64", "NULL for memory");
    WRONG(weft_getdents64(-1, &byte, 1), -EBADF, "weft_getdents64", "a negative descriptor");
    /* the second is looked at, too */
    WRONG(weft_renameat(folder, "a", -1, "b"), -EBADF, "weft_renameat", "a negative descriptor");
}

static void wrong_moves(int fd)
{
    struct iovec none = {NULL, 1}, two[2] = {{&byte, 1}, {&byte, 1}};
    off_t off = -1;
    size_t done = 7;

    WRONG(weft_read(fd, NULL, 1), -EFAULT, "weft_read", "NULL for memory");
    WRONG(weft_write(fd, NULL, 1), -EFAULT, "weft_write", "NULL for memory");
    WRONG(weft_readv(fd, NULL, 1), -EFAULT, "weft_readv", "NULL for memory");
    WRONG(weft_readv(fd, NULL, 2), -EFAULT, "weft_readv", "NULL for memory");
    WRONG(weft_writev(fd, &none, 1), -EFAULT, "weft_writev", "NULL for memory");
    WRONG(weft_writev(fd, two, -1), -EINVAL, "weft_writev", "vectors");
    WRONG(weft_readv(fd, two, 1025), -EINVAL, "weft_readv", "vectors");
    WRONG(weft_preadv(fd, two, -1, 0), -EINVAL, "weft_preadv", "vectors");
    WRONG(weft_pread(fd, NULL, 1, 0), -EFAULT, "weft_pread", "NULL for memory");
    WRONG(weft_pwritev(fd, NULL, 2, 0), -EFAULT, "weft_pwritev", "NULL for memory");
    WRONG(weft_pread(fd, &byte, 1, -1), -EINVAL, "weft_pread", "a negative offset");
    WRONG(weft_copy_file_range(fd, NULL, fd, NULL, 1, 1), -EINVAL, "weft_copy_file_range", "flags");
    WRONG(weft_copy_file_range(fd, &off, fd, NULL, 1, 0), -EINVAL, "weft_copy_file_range", "neg");
    WRONG(weft_copy_file_range(fd, NULL, fd, &off, 1, 0), -EINVAL, "weft_copy_file_range", "neg");
    WRONG(weft_pwrite_all(fd, &byte, 1, -1, &done), -EINVAL, "weft_pwrite_all", "negative");
    same(done, 0);
    ck_no_misuse(weft_pread(AT_FDCWD, &byte, 1, 0), -EBADF);
    WRONG(weft_read(AT_FDCWD, &byte, 1), -EBADF, "weft_read", "a negative descriptor");
}

static int main_wrong(void *arg)
{
    int fd = file_new("a");

    (void)arg;
    wrong_names();
    wrong_moves(fd);
    WRONG(weft_pipe(NULL, 0), -EFAULT, "weft_pipe", "NULL for memory");
    same(file_size("a"), 0);
    return weft_close(fd);
}

TEST(mistakes)
{
    int fds[2];

    ck_misuse(weft_pipe(fds, 0), -EPERM, "weft_pipe", "outside of a task");
    ck_misuse(weft_ftruncate(0, 0), -EPERM, "weft_ftruncate", "outside of a task");
    ck_misuse(weft_open("/", O_RDONLY, 0), -EPERM, "weft_open", "outside of a task");
    file_run(main_wrong);
}

/* -- rare ways ------------------------------------------------------------------------------ */

static int main_ways(void *arg)
{
    struct iovec two[2] = {{(char[]){'a', 'b'}, 2}, {(char[]){'c'}, 1}};
    char text[4] = "";
    struct iovec back[2] = {{text, 1}, {text + 1, 2}};
    int fd, path, unnamed;

    (void)arg;
    fd = file_new("a");
    same(weft_pwritev_all(fd, two, 2, 0, NULL), 3);
    same(weft_readv_exactly(fd, back, 2, NULL), 3);
    ck_assert_str_eq(text, "abc");
    same(weft_readv_exactly(fd, back, 2, NULL), -ENODATA);
    path = weft_openat(folder, "a", O_PATH | O_CREAT, 0600); /* O_CREAT means nothing there */
    ok(path);
    same(weft_read(path, &byte, 1), -EBADF);
    same(weft_close(path), 0);
    unnamed = weft_openat(folder, ".", O_TMPFILE | O_RDWR, 0600);
    if (unnamed < 0) /* not every file system has them */
        same(unnamed, -EOPNOTSUPP);
    else
        same(weft_close(unnamed), 0);
    return weft_close(fd);
}

TEST(rare_ways)
{
    file_run(main_ways);
}

static int main_cut(void *arg)
{
    int fd, pipe[2];

    (void)arg;
    file_put("a", "some text");
    fd = weft_openat(folder, "a", O_RDWR, 0);
    ok(fd);
    same(weft_ftruncate(fd, 4), 0);
    ck_assert_str_eq(file_text("a"), "some");
    same(weft_ftruncate(fd, -1), -EINVAL);
    same(weft_ftruncate(-1, 4), -EBADF);
    same(weft_pipe(pipe, 0), 0);
    same(weft_ftruncate(pipe[1], 0), -EINVAL);
    same(weft_cancel(weft_current_task()), 1);
    same(weft_ftruncate(fd, 0), -ECANCELED);
    same(weft_uncancel(), 0);
    same(file_size("a"), 4);
    same(weft_close(pipe[0]), 0);
    same(weft_close(pipe[1]), 0);
    return weft_close(fd);
}

/* Before Linux 6.9 there is no request for it. */
TEST(cut_without_a_request)
{
    file_run(main_cut);
    same(setenv("WEFT_RING_MASK", "ftruncate", 1), 0);
    file_run(main_cut);
}

/* -- between two pieces --------------------------------------------------------------------- */

static struct reader {
    int fd;
    ssize_t result;
    size_t done;
} reader;

static int reads_two(void *arg)
{
    char bytes[2];

    (void)arg;
    reader.result = weft_read_exactly(reader.fd, bytes, sizeof bytes, &reader.done);
    return 0;
}

/* It waits for the second byte of two, or has just been given the first, or waits for it: which of
   these is a matter of how many turns have gone by. */
static void cut_between(int turns, bool closes)
{
    int pipe[2];
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    same(weft_pipe(pipe, 0), 0);
    reader = (struct reader){.fd = pipe[0], .result = 7, .done = 7};
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, reads_two, NULL, 0, &opt), 0);
        ok(weft_yield());
        same(weft_write(pipe[1], "x", 1), 1);
        for (int i = 0; i < turns; i++)
            ok(weft_yield());
        if (closes)
            same(weft_close(pipe[0]), 0);
        else
            same(weft_cancel(task), 1);
        ok(weft_join(task, NULL));
    }
    /* closed before it began there was nothing to read from */
    ck_assert(reader.result == -ECANCELED || (closes && reader.result == -EBADF));
    ck_assert_uint_le(reader.done, 1);
    if (!closes) { /* a byte is told of, or still there */
        same(weft_write(pipe[1], "y", 1), 1);
        same(weft_read(pipe[0], &byte, 1), 1);
        same(byte, reader.done ? 'y' : 'x');
        same(weft_close(pipe[0]), 0);
    }
    same(weft_close(pipe[1]), 0);
}

static int main_between(void *arg)
{
    (void)arg;
    for (int turns = 0; turns < 6; turns++) {
        cut_between(turns, false);
        cut_between(turns, true);
    }
    return 0;
}

TEST(cut_between_two_pieces)
{
    file_run(main_between);
}

TEST_MAIN("misuse_file", 30, mistakes, rare_ways, cut_without_a_request, cut_between_two_pieces)
