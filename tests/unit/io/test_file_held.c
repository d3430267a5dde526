/*
 * The file that a ring holds for a file object is let go of in time, whichever way it ends: told by
 * its lock, which goes with the last that has the open file. And what is refused is done without.
 * Would catch a file that stays open behind its close, or until the ring is gone; one that is let
 * go for another that has its number now; and a refusal that a reader gets to see.
 */
#include <linux/capability.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "io/file_object.h"
#include "ring/ring.h"
#include "support/file.h"
#include "support/misuse.h"

enum { PAGE = 4096, OFTEN = 20 };

static char path[96];

/* A file object that is read often, and locked. */
static weft_file *held(void)
{
    static char page[PAGE];
    weft_file *file;

    snprintf(path, sizeof path, "%s/a", folder_path);
    file_put("a", "text");
    same(weft_file_open(path, O_RDWR, 0, NULL, &file), 0);
    for (int i = 0; i < OFTEN; i++)
        same(weft_file_pread(file, page, PAGE, 0), 4);
    same(flock(weft_file_fd(file), LOCK_EX | LOCK_NB), 0);
    return file;
}

static bool locked(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error;

    ok(fd);
    error = flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
    close(fd);
    ck_assert(error == 0 || error == EWOULDBLOCK);
    return error != 0;
}

static int main_closed(void *arg)
{
    weft_file *file = held();
    struct weft_stats stats;
    char features[512];

    (void)arg;
    ok(weft_features(features, sizeof features));
    same(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.files_held, strstr(features, "fixed_files") ? 1 : 0);
    ck_assert_uint_eq(stats.holds_refused, 0);
    ck_assert(locked());
    same(weft_file_close(file), 0);
    ck_assert(!locked());
    return 0;
}

TEST(closed)
{
    file_run(main_closed);
}

static void nothing(int fd, int events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
}

/* Watched before it was a file object's, and no longer: the object keeps it all the same. */
static int main_watched(void *arg)
{
    int fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
    char first[16], again[16];
    weft_file *file;

    (void)arg;
    ok(fd);
    same(weft_add_reader(fd, nothing, NULL), 0);
    same(weft_file_from_fd(fd, NULL, &file), 0);
    ok(weft_file_pread(file, first, sizeof first, 0));
    ok(weft_remove_reader(fd));
    same(weft_sleep(5000000), 0); /* the watcher's end comes before the next use, as a rule */
    for (int i = 0; i < OFTEN; i++) {
        ok(weft_file_pread(file, again, sizeof again, 0));
        ck_assert_mem_eq(first, again, sizeof first);
    }
    same(weft_file_close(file), 0);
    same(fcntl(fd, F_GETFD) < 0 ? -errno : 0, -EBADF);
    return 0;
}

TEST(watched_before)
{
    file_run(main_watched);
}

static int probe = -1;

static int main_left(void *arg)
{
    (void)arg;
    (void)held();
    probe = open(path, O_RDONLY | O_CLOEXEC);
    ok(probe);
    return 0;
}

/* The ring is gone then, and what it had held it would let go of in its own time. */
TEST(left_open)
{
    file_run(main_left);
    same(flock(probe, LOCK_EX | LOCK_NB), 0);
    close(probe);
}

/* By close(2): the ring has the file, until the object is closed. */
static int main_behind(void *arg)
{
    weft_file *file = held();
    int fd = weft_file_fd(file);

    (void)arg;
    same(close(fd), 0);
    same(weft_file_close(file), -EBADF);
    ck_assert(!locked());
    return 0;
}

TEST(closed_behind)
{
    file_run(main_behind);
}

/* The same, and weft has the number again. */
static int main_number(void *arg)
{
    weft_file *file = held();
    int fd = weft_file_fd(file), again;

    (void)arg;
    same(close(fd), 0);
    again = weft_openat(folder, "b", O_RDWR | O_CREAT, 0600);
    same(again, fd);
    ck_assert(!locked());
    same(weft_file_close(file), -EBADF);
    return weft_close(again);
}

TEST(number_given_again)
{
    file_run(main_number);
}

/* Its descriptor is closed behind it, and the number is a watch's. */
static weft_watch *number_of(weft_file *file)
{
    weft_watch *watch;

    same(close(weft_file_fd(file)), 0);
    same(weft_watch_open(&watch), 0);
    ck_assert(!weft__file_is_open(file));
    return watch;
}

static int reads(void *arg)
{
    char byte;

    return weft_file_read(*(weft_file **)arg, &byte, 1) == -ECANCELED ? 0 : -EPROTO;
}

/* There is no descriptor whose close would wait for who is inside. */
static int main_inside(void *arg)
{
    weft_watch *watch = NULL;
    weft_file *file;

    (void)arg;
    file_put("a", "text");
    snprintf(path, sizeof path, "%s/a", folder_path);
    same(weft_file_open(path, O_RDONLY, 0, NULL, &file), 0);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, reads, &file, sizeof file, NULL));
        while (file->inside == 0)
            same(weft_yield(), 0);
        watch = number_of(file);
        same(weft_file_close(file), -EBADF);
    }
    return weft_watch_close(watch);
}

TEST(closed_behind_a_reader)
{
    file_run(main_inside);
}

/* And nobody closes it. */
static int main_left_behind(void *arg)
{
    (void)arg;
    (void)number_of(held());
    probe = open(path, O_RDONLY | O_CLOEXEC);
    ok(probe);
    return 0;
}

TEST(left_behind)
{
    file_run(main_left_behind);
    same(flock(probe, LOCK_EX | LOCK_NB), 0);
    close(probe);
}

static int reads_on(void *arg)
{
    char bytes[2 * PAGE];

    return weft_file_read_exactly(*(weft_file **)arg, bytes, sizeof bytes, NULL) == -EBADF
               ? 0
               : -EPROTO;
}

/* He is given what has been asked for already, and nothing of the other's. */
static int main_between(void *arg)
{
    static const struct weft_file_opt opt = {.size = sizeof opt,
                                             .block_size = PAGE,
                                             .no_ahead = true};
    weft_watch *watch = NULL;
    weft_file *file;

    (void)arg;
    file_put("a", "");
    snprintf(path, sizeof path, "%s/a", folder_path);
    same(truncate(path, 4 * PAGE), 0);
    same(weft_file_open(path, O_RDONLY, 0, &opt, &file), 0);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, reads_on, &file, sizeof file, NULL));
        while (file->blocks == 0 || weft__op_in_flight(&file->head->op))
            same(weft_yield(), 0);
        watch = number_of(file); /* the block is there, and he has yet to run */
    }
    same(weft_file_close(file), -EBADF);
    return weft_watch_close(watch);
}

TEST(closed_between_two_blocks)
{
    file_run(main_between);
}

/* Nobody has the number. With O_DIRECT the flag is asked for first. */
static void closed_for_good(int flags)
{
    _Alignas(PAGE) static char page[PAGE];
    weft_file *file;
    int error = weft_file_open(path, O_RDWR | O_CREAT | flags, 0600, NULL, &file);

    if (flags && error == -EINVAL) /* not every file system has it */
        return;
    same(error, 0);
    same(weft_file_pwrite(file, page, PAGE, 0, NULL), PAGE);
    same(close(weft_file_fd(file)), 0);
    same(weft_file_pwrite(file, page, 10, 0, NULL), -EBADF);
    same(weft_file_pread(file, page, 10, 0), -EBADF);
    same(weft_file_close(file), -EBADF);
}

static int main_for_good(void *arg)
{
    (void)arg;
    snprintf(path, sizeof path, "%s/a", folder_path);
    closed_for_good(0);
    closed_for_good(O_DIRECT);
    return 0;
}

TEST(closed_for_good_behind)
{
    file_run(main_for_good);
}

/* What a number was before: one that did not seek, and was closed behind. */
static int main_was_a_pipe(void *arg)
{
    int pipe[2], fd = file_new("a");
    weft_file *file;

    (void)arg;
    same(weft_pipe(pipe, 0), 0);
    same(weft_file_from_fd(pipe[0], NULL, &file), -ESPIPE);
    same(dup2(fd, pipe[0]), pipe[0]);
#ifdef WEFT_DEBUG
    same(weft_file_from_fd(pipe[0], NULL, &file), -EBADF); /* noticed, and forgotten */
#else
    same(weft_file_from_fd(pipe[0], NULL, &file), -ESPIPE);
#endif
    same(weft_close(pipe[0]), 0);
    same(weft_close(pipe[1]), 0);
    return weft_close(fd);
}

TEST(was_a_pipe)
{
    file_run(main_was_a_pipe);
}

/* Another reactor has the number. */
static int take_number(void *arg)
{
    int fd;

    snprintf(path, sizeof path, "%s/b", folder_path); /* the folder is another reactor's */
    fd = weft_open(path, O_RDWR | O_CREAT, 0600);
    same(fd, *(int *)arg);
    snprintf(path, sizeof path, "%s/a", folder_path);
    return weft_close(fd);
}

static int main_other(void *arg)
{
    weft_file *file = held();
    int fd = weft_file_fd(file);
    weft_task task;

    (void)arg;
    same(close(fd), 0);
    same(weft_create_task(take_number, &fd, sizeof fd,
                          &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                   .reactor = WEFT_ON(1),
                                                   .task = &task}),
         0);
    same(weft_join(task, NULL), 0);
    same(weft_file_close(file), -EBADF);
    ck_assert(!locked());
    return 0;
}

TEST(number_elsewhere)
{
    weft_task_fn fn = main_other;

    same(weft_run(file_main, &fn, sizeof fn,
                  &(struct weft_run_opt){.size = sizeof(struct weft_run_opt), .reactors = 2}),
         0);
}

/* Another reactor had the number, and now it is somebody's here, who has its file held or has not.
 */
static int main_back(void *arg)
{
    for (int holds = 0; holds < 2; holds++) {
        weft_file *file = held(), *again;
        int fd = weft_file_fd(file);
        char byte;

        (void)arg;
        same(close(fd), 0);
        same(weft_call(1, take_number, &fd, sizeof fd), 0);
        same(weft_file_open(path, O_RDWR, 0, NULL, &again), 0);
        same(weft_file_fd(again), fd);
        for (int i = 0; holds && i < OFTEN; i++)
            same(weft_file_pread(again, &byte, 1, 0), 1);
        same(weft_file_close(file), -EBADF);
        ck_assert(!locked());
        same(weft_file_pread(again, &byte, 1, 0), 1);
        same(weft_file_close(again), 0);
    }
    return 0;
}

TEST(number_comes_back)
{
    weft_task_fn fn = main_back;

    same(weft_run(file_main, &fn, sizeof fn,
                  &(struct weft_run_opt){.size = sizeof(struct weft_run_opt), .reactors = 2}),
         0);
}

/* The same, and it is a stream's here. */
static int main_stream(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);
    char address[32], byte;

    (void)arg;
    ok(listener);
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    for (int holds = 0; holds < 2; holds++) {
        weft_file *file = held();
        int fd = weft_file_fd(file), there;
        weft_stream *stream;

        same(close(fd), 0);
        same(weft_call(1, take_number, &fd, sizeof fd), 0);
        same(weft_connect_tcp(address, NULL), fd);
        there = weft_accept(listener, NULL, NULL, 0);
        ok(there);
        same(weft_stream_open(fd, NULL, &stream), 0);
        for (int i = 0; holds && i < OFTEN; i++) {
            same(weft_stream_write(stream, "x", 1, NULL), 1);
            same(weft_recv_exactly(there, &byte, 1, NULL), 1);
        }
        same(weft_file_close(file), -EBADF);
        ck_assert(!locked());
        same(weft_stream_write(stream, "y", 1, NULL), 1);
        same(weft_recv_exactly(there, &byte, 1, NULL), 1);
        same(byte, 'y');
        same(weft_stream_close(stream), 0);
        same(weft_close(there), 0);
    }
    return weft_close(listener);
}

TEST(number_is_a_streams)
{
    weft_task_fn fn = main_stream;

    same(weft_run(file_main, &fn, sizeof fn,
                  &(struct weft_run_opt){.size = sizeof(struct weft_run_opt), .reactors = 2}),
         0);
}

/* This process's own, who runs the tests may be root: looked at when the ring is opened. */
static void drop_the_capability(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    same(syscall(SYS_capget, &header, data), 0);
    data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~(uint32_t)CAP_TO_MASK(CAP_IPC_LOCK);
    same(syscall(SYS_capset, &header, data), 0);
}

static int main_refused(void *arg)
{
    weft_file *file = held();
    void *memory[3];
    struct weft_stats stats;
    char features[512];

    (void)arg;
    same(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}), 0);
    for (int i = 0; i < 3; i++) {
        same(weft_file_memory_take(1 << 20, &memory[i]), 0);
        same(weft_file_pread(file, memory[i], PAGE, 0), 4);
        ck_assert_mem_eq(memory[i], "text", 4);
    }
    same(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.memory_held, 0);
    ok(weft_features(features, sizeof features));
    /* once, and not asked for again */
    ck_assert_uint_eq(stats.holds_refused, strstr(features, "fixed_buffers") ? 1 : 0);
    for (int i = 0; i < 3; i++)
        same(weft_file_memory_put(memory[i]), 0);
    return weft_file_close(file);
}

TEST(memory_refused)
{
    drop_the_capability();
    file_run(main_refused);
}

TEST_MAIN("io/file_held", 20, closed, left_open, closed_behind, number_given_again,
          number_elsewhere, number_comes_back, number_is_a_streams, memory_refused, watched_before,
          closed_behind_a_reader, left_behind, closed_between_two_blocks, closed_for_good_behind,
          was_a_pipe)
