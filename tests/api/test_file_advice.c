/*
 * Parts of files and of memory: written soon, wanted, not wanted. Catches a part that is not the
 * one meant, a long one that is cut to 32 bits, flags or advice that do not arrive, and a call on
 * what is no file that says nothing.
 */
#include <sys/mman.h>

#include "support/file.h"

enum { PAGE = 4096, ALL_FLAGS = 7 }; /* ALL_FLAGS: before, write, after */
#define LONG_PART (INT64_C(5) << 30) /* more than 32 bits say */

/* -- written soon --------------------------------------------------------------------------- */

static int main_written(void *arg)
{
    int fd = file_new("a"), path, pipe[2];

    (void)arg;
    same(weft_pwrite_all(fd, "bytes", 5, 0, NULL), 5);
    same(weft_sync_file_range(fd, 0, 5, SYNC_FILE_RANGE_WRITE), 0);
    same(weft_sync_file_range(fd, 0, 0, ALL_FLAGS), 0);
    same(weft_sync_file_range(fd, 2, LONG_PART, ALL_FLAGS), 0);
    same(weft_sync_file_range(folder, 0, 0, 0), 0);
    same(weft_sync_file_range(fd, 0, 5, ALL_FLAGS + 1), -EINVAL);
    same(weft_sync_file_range(fd, -1, 5, 0), -EINVAL);
    same(weft_sync_file_range(fd, 0, -1, 0), -EINVAL);
    same(weft_sync_file_range(fd, INT64_MAX, 5, 0), -EINVAL);
    same(weft_sync_file_range(fd, INT64_MAX, LONG_PART, 0), -EINVAL);
    same(weft_sync_file_range(1 << 20, 0, 5, 0), -EBADF);
    same(weft_sync_file_range(1 << 20, 0, LONG_PART, 0), -EBADF);
    path = weft_openat(folder, "a", O_PATH, 0);
    ok(path);
    same(weft_sync_file_range(path, 0, 5, 0), -EBADF);
    same(weft_pipe(pipe, 0), 0);
    same(weft_sync_file_range(pipe[1], 0, 5, 0), -ESPIPE);
    same(weft_sync_file_range(pipe[1], 0, LONG_PART, 0), -ESPIPE);
    same(weft_close(pipe[0]), 0);
    same(weft_close(pipe[1]), 0);
    same(weft_close(path), 0);
    same(weft_close(fd), 0);
    ck_assert_str_eq(file_text("a"), "bytes");
    return 0;
}

TEST(written_soon)
{
    file_run(main_written);
}

/* -- wanted, and not ------------------------------------------------------------------------ */

static int main_wanted(void *arg)
{
    int fd = file_new("a"), socket = weft_socket(AF_UNIX, SOCK_STREAM, 0), pipe[2];

    (void)arg;
    same(weft_pwrite_all(fd, "bytes", 5, 0, NULL), 5);
    for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; advice++) {
        same(weft_fadvise(fd, 0, 5, advice), 0);
        same(weft_fadvise(fd, 2, 0, advice), 0);
        same(weft_fadvise(fd, 2, LONG_PART, advice), 0);
    }
    same(weft_fadvise(fd, 0, 5, POSIX_FADV_NOREUSE + 1), -EINVAL);
    same(weft_fadvise(fd, 0, LONG_PART, POSIX_FADV_NOREUSE + 1), -EINVAL);
    same(weft_fadvise(fd, 0, -1, POSIX_FADV_NORMAL), -EINVAL);
    same(weft_fadvise(1 << 20, 0, 5, POSIX_FADV_NORMAL), -EBADF);
    same(weft_pipe(pipe, 0), 0);
    same(weft_fadvise(pipe[0], 0, 5, POSIX_FADV_NORMAL), -ESPIPE);
    same(weft_fadvise(pipe[0], 0, LONG_PART, POSIX_FADV_NORMAL), -ESPIPE);
    same(weft_fadvise(socket, 0, 5, POSIX_FADV_NORMAL), 0);
    same(weft_close(socket), 0);
    same(weft_close(pipe[0]), 0);
    same(weft_close(pipe[1]), 0);
    same(weft_close(fd), 0);
    ck_assert_str_eq(file_text("a"), "bytes");
    return 0;
}

TEST(wanted_and_not)
{
    file_run(main_wanted);
}

/* -- memory --------------------------------------------------------------------------------- */

/* It says what the call says that it replaces. */
static void like_madvise(void *memory, size_t size, int advice)
{
    int expected = madvise(memory, size, advice) < 0 ? -errno : 0;

    same(weft_madvise(memory, size, advice), expected);
}

static int main_memory(void *arg)
{
    char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)arg;
    ck_assert_ptr_ne(memory, MAP_FAILED);
    memset(memory, 'x', 2 * PAGE);
    same(weft_madvise(memory, PAGE, MADV_DONTNEED), 0);
    same(memory[0], 0);
    same(memory[PAGE], 'x');
    like_madvise(memory, PAGE, MADV_WILLNEED);
    like_madvise(memory + 1, PAGE, MADV_NORMAL);
    like_madvise(memory, PAGE, 12345);
    like_madvise(memory, 0, MADV_NORMAL);
    same(munmap(memory + PAGE, PAGE), 0);
    like_madvise(memory, 2 * PAGE, MADV_NORMAL);
    same(memory[0], 0);
    same(munmap(memory, PAGE), 0);
    return 0;
}

TEST(of_memory)
{
    file_run(main_memory);
}

static int main_much_memory(void *arg)
{
    char *memory = mmap(NULL, LONG_PART, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)arg;
    if (memory == MAP_FAILED) /* a machine that has not so many addresses to give */
        return 0;
    memory[LONG_PART - PAGE] = 'x';
    same(weft_madvise(memory, LONG_PART, MADV_DONTNEED), 0);
    same(memory[LONG_PART - PAGE], 0);
    same(munmap(memory, LONG_PART), 0);
    return 0;
}

TEST(much_memory)
{
    file_run(main_much_memory);
}

/* -- cut short ------------------------------------------------------------------------------ */

struct call {
    int fd;
    int64_t size;
    int results[2];
};

static int advises(void *arg)
{
    struct call *call = arg;

    call->results[0] = weft_sync_file_range(call->fd, 0, call->size, ALL_FLAGS);
    call->results[1] = weft_fadvise(call->fd, 0, call->size, POSIX_FADV_WILLNEED);
    return 0;
}

/* Nothing has an effect that could be missed; what was refused was refused from there on. */
static int main_cancelled(void *arg)
{
    int fd = file_new("a");

    (void)arg;
    same(weft_pwrite_all(fd, "bytes", 5, 0, NULL), 5);
    for (int turn = 0; turn < 12; turn++) {
        struct call call = {.fd = fd, .size = turn % 2 ? LONG_PART : 5};
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

        WEFT_SCOPE(s) {
            same(weft_spawn(&s, advises, &call, 0, &opt), 0);
            for (int i = 0; i < turn / 2; i++)
                ok(weft_yield());
            ok(weft_cancel(task));
            ok(weft_join(task, NULL));
        }
        ck_assert(call.results[0] == 0 || call.results[0] == -ECANCELED);
        ck_assert(call.results[1] == 0 || call.results[1] == -ECANCELED);
        if (turn < 2)
            same(call.results[0], -ECANCELED);
        if (call.results[0] == -ECANCELED)
            same(call.results[1], -ECANCELED);
    }
    same(weft_pread(fd, (char[5]){0}, 5, 0), 5);
    return weft_close(fd);
}

TEST(cancelled)
{
    file_run(main_cancelled);
}

static int main_late(void *arg)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = 1};
    int fd = file_new("a");
    char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    weft_scope scope;

    (void)arg;
    ck_assert_ptr_ne(memory, MAP_FAILED);
    memory[0] = 'x';
    same(weft_scope_open(&scope, &opt), 0);
    same(weft_madvise(memory, PAGE, MADV_DONTNEED), -ECANCELED);
    same(weft_sync_file_range(fd, 0, 0, ALL_FLAGS), -ECANCELED);
    same(weft_fadvise(fd, 0, LONG_PART, POSIX_FADV_NORMAL), -ECANCELED);
    same(weft_scope_close(&scope), -ETIMEDOUT);
    same(memory[0], 'x');
    same(munmap(memory, PAGE), 0);
    return weft_close(fd);
}

TEST(too_late)
{
    file_run(main_late);
}

TEST(outside_of_a_task)
{
    ck_assert_int_eq(weft_madvise(NULL, 0, 0), -EPERM);
    ck_assert_int_eq(weft_fadvise(0, 0, LONG_PART, 0), -EPERM);
}

TEST_MAIN("file advice", 20, written_soon, wanted_and_not, of_memory, much_memory, cancelled,
          too_late, outside_of_a_task)
