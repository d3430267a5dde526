/*
 * Calls on files that are cut short: cancelled before, meanwhile and after, timed out, closed
 * under, met by a second caller, made of what is none. Catches an effect that is not told, a frame
 * that ends before the kernel is done, a descriptor that leaks, and a close that does not wait.
 */
#include <linux/openat2.h>

#include "support/file.h"

/* -- before --------------------------------------------------------------------------------- */

/* A cancelled task is refused by every call, before anything happens. */
static int calls_cancelled(void *arg)
{
    int fd = *(int *)arg;
    char byte = 'x';
    struct iovec vector = {&byte, 1};
    struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0600};
    struct statx status;
    size_t done = 99;

    same(weft_open("/tmp/never", O_RDWR | O_CREAT, 0600), -ECANCELED);
    same(weft_openat2(folder, "b", &how, sizeof how), -ECANCELED);
    same(weft_read(fd, &byte, 1), -ECANCELED);
    same(weft_write(fd, &byte, 1), -ECANCELED);
    same(weft_readv(fd, &vector, 1), -ECANCELED);
    same(weft_pwritev(fd, &vector, 1, 0), -ECANCELED);
    same(weft_pread(fd, &byte, 1, 0), -ECANCELED);
    same(weft_pwrite_all(fd, &byte, 1, 0, &done), -ECANCELED);
    ck_assert_uint_eq(done, 0);
    same(weft_write_all(fd, &byte, 0, NULL), -ECANCELED); /* even where there is nothing to do */
    same(weft_fsync(fd), -ECANCELED);
    same(weft_fdatasync(fd), -ECANCELED);
    same(weft_ftruncate(fd, 0), -ECANCELED);
    same(weft_fallocate(fd, 0, 0, 1), -ECANCELED);
    same(weft_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &status), -ECANCELED);
    same(weft_renameat(folder, "a", folder, "b"), -ECANCELED);
    same(weft_linkat(folder, "a", folder, "b", 0), -ECANCELED);
    same(weft_unlinkat(folder, "a", 0), -ECANCELED);
    same(weft_mkdirat(folder, "b", 0700), -ECANCELED);
    same(weft_symlinkat("a", folder, "b"), -ECANCELED);
    same(weft_getdents64(folder, &vector, sizeof vector), -ECANCELED);
    same(weft_copy_file_range(fd, &(off_t){0}, fd, &(off_t){4}, 4, 0), -ECANCELED);
    same(weft_cause(), WEFT_CAUSE_CANCEL);
    return 0;
}

static int main_before(void *arg)
{
    int fd = file_new("a");
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    same(weft_pwrite_all(fd, "kept", 4, 0, NULL), 4);
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, calls_cancelled, &fd, sizeof fd, &opt), 0);
        same(weft_cancel(task), 1);
        same(weft_join(task, NULL), 0);
    }
    same(weft_close(fd), 0);
    ck_assert_str_eq(file_text("a"), "kept");
    ck_assert_str_eq(file_text("b"), "(none)");
    return 0;
}

TEST(cancelled_before)
{
    file_run(main_before);
}

/* -- meanwhile ------------------------------------------------------------------------------ */

struct call {
    int fd;
    int turn;
    int64_t result;
};

static int opens(void *arg)
{
    struct call *call = arg;

    call->result = weft_openat(folder, "opened", O_RDWR | O_CREAT, 0600);
    return 0;
}

static int writes(void *arg)
{
    struct call *call = arg;

    call->result = weft_pwrite(call->fd, "abc", 3, 3 * call->turn);
    return 0;
}

static int syncs(void *arg)
{
    struct call *call = arg;

    call->result = weft_fsync(call->fd);
    return 0;
}

static int makes(void *arg)
{
    struct call *call = arg;

    call->result = weft_mkdirat(folder, "made", 0700);
    return 0;
}

static void cancel_soon(weft_task_fn fn, struct call *call)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    WEFT_SCOPE(s) {
        same(weft_spawn(&s, fn, call, 0, &opt), 0);
        for (int i = 0; i < call->turn; i++)
            ok(weft_yield());
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
}

/* Whatever a call says is so: what it did, or that it did nothing. */
static int main_meanwhile(void *arg)
{
    int fd = file_new("a"), opened;
    char bytes[3];

    (void)arg;
    for (int turn = 0; turn < 8; turn++) {
        struct call call = {.fd = fd, .turn = turn};
        cancel_soon(opens, &call);
        if (call.result >= 0)
            same(weft_close((int)call.result), 0);
        else
            same(call.result, -ECANCELED);
        opened = weft_openat(folder, "opened", O_RDWR, 0);
        ck_assert(opened >= 0 || (opened == -ENOENT && call.result < 0));
        if (opened >= 0) {
            same(weft_close(opened), 0);
            same(weft_unlinkat(folder, "opened", 0), 0);
        }
        cancel_soon(writes, &call);
        ck_assert((call.result > 0 && call.result <= 3) || call.result == -ECANCELED);
        if (call.result > 0) {
            same(weft_pread_exactly(fd, bytes, (size_t)call.result, 3 * turn, NULL), call.result);
            ck_assert_mem_eq(bytes, "abc", (size_t)call.result);
        }
        cancel_soon(syncs, &call);
        ck_assert(call.result == 0 || call.result == -ECANCELED);
        cancel_soon(makes, &call);
        ck_assert(call.result == 0 || call.result == -ECANCELED);
        same(weft_unlinkat(folder, "made", AT_REMOVEDIR), call.result == 0 ? 0 : -ENOENT);
    }
    return weft_close(fd);
}

TEST(cancelled_meanwhile)
{
    file_run(main_meanwhile);
}

/* -- after ---------------------------------------------------------------------------------- */

/* What was done before stays done and told; the next call is refused. */
static int write_then_sync(void *arg)
{
    struct call *call = arg;

    call->result = weft_pwrite_all(call->fd, "told", 4, 0, NULL);
    same(weft_cancel(weft_current_task()), 1);
    same(weft_fsync(call->fd), -ECANCELED);
    return 0;
}

static int main_after(void *arg)
{
    struct call call = {.fd = file_new("a")};

    (void)arg;
    WEFT_SCOPE(s)
        same(weft_spawn(&s, write_then_sync, &call, 0, NULL), 0);
    same(call.result, 4);
    same(weft_close(call.fd), 0);
    ck_assert_str_eq(file_text("a"), "told");
    return 0;
}

TEST(cancelled_after)
{
    file_run(main_after);
}

/* -- a limit -------------------------------------------------------------------------------- */

/* A read that never ends by itself: the scope's deadline ends it, and its edge says so. */
static int main_deadline(void *arg)
{
    struct weft_scope_opt opt = {.size = sizeof opt};
    weft_scope scope;
    int pipe[2];
    char byte;

    (void)arg;
    same(weft_pipe(pipe, 0), 0);
    opt.deadline = weft_after_ms(5);
    same(weft_scope_open(&scope, &opt), 0);
    same(weft_read(pipe[0], &byte, 1), -ECANCELED);
    same(weft_cause(), WEFT_CAUSE_DEADLINE);
    same(weft_pwrite(folder, &byte, 1, 0), -ECANCELED);
    same(weft_scope_close(&scope), -ETIMEDOUT);
    same(weft_write_all(pipe[1], "x", 1, NULL), 1);
    same(weft_read(pipe[0], &byte, 1), 1); /* nothing was lost */
    same(weft_close(pipe[0]), 0);
    return weft_close(pipe[1]);
}

TEST(a_deadline)
{
    file_run(main_deadline);
}

/* -- closed, and met by others -------------------------------------------------------------- */

static int reads_pipe(void *arg)
{
    struct call *call = arg;
    char byte;

    call->result = weft_read(call->fd, &byte, 1);
    return 0;
}

static int main_closed_under(void *arg)
{
    struct call call = {0};
    int pipe[2];
    char byte;

    (void)arg;
    same(weft_pipe(pipe, 0), 0);
    call.fd = pipe[0];
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, reads_pipe, &call, 0, NULL), 0);
        ok(weft_sleep(1000000));
        same(weft_read(pipe[0], &byte, 1), -EBUSY);
        same(weft_fd_move(pipe[0]), -EBUSY);
        same(weft_close(pipe[0]), 0);
        same(call.result, -ECANCELED); /* it has ended by now */
    }
    same(weft_write(pipe[1], "x", 1), -EPIPE);
    return weft_close(pipe[1]);
}

TEST(closed_under_a_reader)
{
    file_run(main_closed_under);
}

/* Many requests on one file, and a close in the midst: it waits for them all. */
struct uses {
    int fd;
    int under_way;
    int ended;
};

static int use_file(void *arg)
{
    struct uses *uses = *(struct uses **)arg;
    static char bytes[65536];
    ssize_t n;

    uses->under_way++;
    n = weft_pread(uses->fd, bytes, sizeof bytes, 0);
    ck_assert(n >= 0 || n == -ECANCELED || n == -EBADF);
    uses->under_way--;
    uses->ended++;
    return 0;
}

static int main_closed_under_many(void *arg)
{
    (void)arg;
    for (int turns = 0; turns < 6; turns++) {
        struct uses uses = {.fd = weft_openat(folder, "a", O_RDWR | O_CREAT, 0600)};
        struct uses *pointer = &uses;
        ok(uses.fd);
        same(weft_ftruncate(uses.fd, 65536), 0);
        WEFT_SCOPE(s) {
            for (int i = 0; i < 20; i++)
                same(weft_spawn(&s, use_file, &pointer, sizeof pointer, NULL), 0);
            for (int i = 0; i < turns; i++)
                ok(weft_yield());
            same(weft_close(uses.fd), 0);
            same(uses.under_way, 0);
        }
        same(uses.ended, 20);
    }
    return 0;
}

TEST(closed_under_many)
{
    file_run(main_closed_under_many);
}

/* -- what is none --------------------------------------------------------------------------- */

static int main_wrong(void *arg)
{
    struct iovec vectors[2] = {{NULL, 0}, {NULL, 0}};
    int pipe[2], fd = file_new("a");
    char byte = 'x';

    (void)arg;
    same(weft_pipe(pipe, 0), 0);
    same(weft_pread(pipe[0], &byte, 1, 0), -ESPIPE);
    same(weft_pwrite(pipe[1], &byte, 1, 0), -ESPIPE);
    same(weft_ftruncate(pipe[1], 0), -EINVAL);
    same(weft_fsync(pipe[1]), -EINVAL);
    same(weft_read(folder, &byte, 1), -EISDIR);
    same(weft_readv(fd, vectors, 0), 0);
    same(weft_writev(fd, vectors, 2), 0);
    same(weft_write(fd, NULL, 0), 0);
    same(weft_pread(fd, (char *)8, 1, 0), 0); /* the end comes first */
    same(weft_pwrite(fd, (char *)8, 1, 0), -EFAULT);
    same(weft_close(pipe[0]), 0);
    same(weft_close(pipe[1]), 0);
    return weft_close(fd);
}

TEST(what_is_none)
{
    file_run(main_wrong);
}

TEST_MAIN("file cancel", 60, cancelled_before, cancelled_meanwhile, cancelled_after, a_deadline,
          closed_under_a_reader, closed_under_many, what_is_none)
