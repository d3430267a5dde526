/*
 * Errors that the manual pages list of calls on descriptors: each call, made on each kind of thing
 * that a descriptor may stand for, on one that is closed, on another reactor's, and outside of a
 * task. Would catch an error that is told as another, a call that works on what it should refuse or
 * waits there, and a simulated kernel that answers otherwise than the machine's.
 *
 * Not here: what a disk, or the machine, is short of: sim/errors_each.
 */
#include "errors.h"

#include <sys/xattr.h>

static char bytes[4096];
static struct iovec vector = {bytes, 8};

/* -- the calls --------------------------------------------------------------------------------- */

static int64_t reads(int fd)
{
    return weft_read(fd, bytes, 8);
}
static int64_t readvs(int fd)
{
    return weft_readv(fd, &vector, 1);
}
static int64_t preads(int fd)
{
    return weft_pread(fd, bytes, 8, 0);
}
static int64_t preadvs(int fd)
{
    return weft_preadv(fd, &vector, 1, 0);
}
static int64_t reads_exactly(int fd)
{
    return weft_read_exactly(fd, bytes, 8, NULL);
}
static int64_t readvs_exactly(int fd)
{
    return weft_readv_exactly(fd, &vector, 1, NULL);
}
static int64_t preads_exactly(int fd)
{
    return weft_pread_exactly(fd, bytes, 8, 0, NULL);
}
static int64_t preadvs_exactly(int fd)
{
    return weft_preadv_exactly(fd, &vector, 1, 0, NULL);
}
static int64_t writes(int fd)
{
    return weft_write(fd, bytes, 8);
}
static int64_t writevs(int fd)
{
    return weft_writev(fd, &vector, 1);
}
static int64_t pwrites(int fd)
{
    return weft_pwrite(fd, bytes, 8, 0);
}
static int64_t pwritevs(int fd)
{
    return weft_pwritev(fd, &vector, 1, 0);
}
static int64_t writes_all(int fd)
{
    return weft_write_all(fd, bytes, 8, NULL);
}
static int64_t writevs_all(int fd)
{
    return weft_writev_all(fd, &vector, 1, NULL);
}
static int64_t pwrites_all(int fd)
{
    return weft_pwrite_all(fd, bytes, 8, 0, NULL);
}
static int64_t pwritevs_all(int fd)
{
    return weft_pwritev_all(fd, &vector, 1, 0, NULL);
}
static int64_t syncs(int fd)
{
    return weft_fsync(fd);
}
static int64_t syncs_data(int fd)
{
    return weft_fdatasync(fd);
}
static int64_t syncs_range(int fd)
{
    return weft_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}
static int64_t cuts(int fd)
{
    return weft_ftruncate(fd, 8);
}
static int64_t allocates(int fd)
{
    return weft_fallocate(fd, 0, 0, 8);
}
static int64_t advises(int fd)
{
    return weft_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
}
static int64_t lists(int fd)
{
    return weft_getdents64(fd, bytes, sizeof bytes);
}
static int64_t makes_object(int fd)
{
    weft_file *file;

    return weft_file_from_fd(fd, NULL, &file);
}
static int64_t makes_stream(int fd)
{
    weft_stream *stream;

    return weft_stream_open(fd, NULL, &stream);
}
static int64_t polls(int fd)
{
    return weft_poll_until(fd, POLLIN, weft_after_ms(600000));
}

/* -- to and from another one ------------------------------------------------------------------- */

static int a_file, in_pipe[2], out_pipe[2]; /* bytes in the first, room in the second */

static int64_t splices_from(int fd)
{
    return weft_splice(fd, NULL, out_pipe[1], NULL, 8, 0);
}
static int64_t splices_to(int fd)
{
    return weft_splice(in_pipe[0], NULL, fd, NULL, 8, 0);
}
static int64_t tees_from(int fd)
{
    return weft_tee(fd, out_pipe[1], 8, 0);
}
static int64_t tees_to(int fd)
{
    return weft_tee(in_pipe[0], fd, 8, 0);
}
static int64_t sends_from(int fd)
{
    off_t at = 0;

    return weft_sendfile(out_pipe[1], fd, &at, 8);
}
static int64_t sends_to(int fd)
{
    off_t at = 0;

    return weft_sendfile(fd, a_file, &at, 8);
}
static int64_t copies_from(int fd)
{
    off_t in = 0, out = 0;

    return weft_copy_file_range(fd, &in, a_file, &out, 8, 0);
}
static int64_t copies_to(int fd)
{
    off_t in = 0, out = 0;

    return weft_copy_file_range(a_file, &in, fd, &out, 8, 0);
}

/* -- what they are made on --------------------------------------------------------------------- */

enum what { CLOSED, FROM_PIPE, TO_PIPE, DIRECTORY, READ_ONLY, WRITE_ONLY, TCP, UDP, WHATS };

static struct errors_kind kinds[WHATS] = {
    {.name = "a closed one"},
    {.name = "the end of a pipe to read from"},
    {.name = "the end of a pipe to write to"},
    {.name = "a directory"},
    {.name = "a file for reading"},
    {.name = "a file for writing"},
    {.name = "a socket of TCP"},
    {.name = "a socket of UDP"},
};

enum { S = -ESPIPE, I = -EINVAL };

/* The sockets are neither connected nor bound. */
static const struct errors_call calls[] = {
    {"read", reads, {B, FINE, B, -EISDIR, FINE, B, -ENOTCONN, FINE}},
    {"readv", readvs, {B, FINE, B, -EISDIR, FINE, B, -ENOTCONN, FINE}},
    {"pread", preads, {B, S, S, -EISDIR, FINE, B, S, S}},
    {"preadv", preadvs, {B, S, S, -EISDIR, FINE, B, S, S}},
    {"read_exactly", reads_exactly, {B, FINE, B, -EISDIR, FINE, B, -ENOTCONN, FINE}},
    {"readv_exactly", readvs_exactly, {B, FINE, B, -EISDIR, FINE, B, -ENOTCONN, FINE}},
    {"pread_exactly", preads_exactly, {B, S, S, -EISDIR, FINE, B, S, S}},
    {"preadv_exactly", preadvs_exactly, {B, S, S, -EISDIR, FINE, B, S, S}},
    {"write", writes, {B, B, FINE, B, B, FINE, -EPIPE, -EDESTADDRREQ}},
    {"writev", writevs, {B, B, FINE, B, B, FINE, -EPIPE, -EDESTADDRREQ}},
    {"pwrite", pwrites, {B, S, S, B, B, FINE, S, S}},
    {"pwritev", pwritevs, {B, S, S, B, B, FINE, S, S}},
    {"write_all", writes_all, {B, B, FINE, B, B, FINE, -EPIPE, -EDESTADDRREQ}},
    {"writev_all", writevs_all, {B, B, FINE, B, B, FINE, -EPIPE, -EDESTADDRREQ}},
    {"pwrite_all", pwrites_all, {B, S, S, B, B, FINE, S, S}},
    {"pwritev_all", pwritevs_all, {B, S, S, B, B, FINE, S, S}},
    {"fsync", syncs, {B, I, I, FINE, FINE, FINE, I, I}},
    {"fdatasync", syncs_data, {B, I, I, FINE, FINE, FINE, I, I}},
    {"sync_file_range", syncs_range, {B, S, S, FINE, FINE, FINE, S, S}},
    {"ftruncate", cuts, {B, I, I, I, I, FINE, I, I}},
    {"fallocate", allocates, {B, B, S, B, B, FINE, -ENODEV, -ENODEV}},
    {"fadvise", advises, {B, S, S, FINE, FINE, FINE, FINE, FINE}},
    {"getdents64", lists, {B, -ENOTDIR, -ENOTDIR, FINE, -ENOTDIR, -ENOTDIR, -ENOTDIR, -ENOTDIR}},
    {"file_from_fd", makes_object, {B, S, S, FINE, FINE, FINE, S, S}},
    {"stream_open", makes_stream, {B, FINE, FINE, I, I, I, FINE, I}},
    {"poll", polls, {B, FINE, FINE, FINE, FINE, FINE, FINE, FINE}},
    {"splice from", splices_from, {B, FINE, B, FINE, FINE, B, FINE, FINE}},
    {"splice to", splices_to, {B, B, FINE, B, B, FINE, FINE, FINE}},
    {"tee from", tees_from, {B, FINE, B, I, I, B, I, I}},
    {"tee to", tees_to, {B, B, FINE, B, B, I, I, I}},
    {"sendfile from", sends_from, {B, S, S, FINE, FINE, B, S, S}},
    {"sendfile to", sends_to, {B, B, FINE, I, I, I, FINE, FINE}},
    {"copy_file_range from", copies_from, {B, I, I, -EISDIR, FINE, B, I, I}},
    {"copy_file_range to", copies_to, {B, I, I, -EISDIR, B, FINE, I, I}},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

static void set_up(void)
{
    int pipes[2];

    file_put("file", "twelve bytes");
    a_file = weft_openat(folder, "file", O_RDWR, 0);
    same(weft_pipe(in_pipe, 0), 0);
    same(weft_write(in_pipe[1], bytes, 8), 8);
    same(weft_pipe(out_pipe, 0), 0);
    same(weft_pipe(pipes, 0), 0);
    kinds[FROM_PIPE].fd = pipes[0];
    kinds[TO_PIPE].fd = pipes[1];
    kinds[DIRECTORY].fd = weft_openat(folder, ".", O_RDONLY | O_DIRECTORY, 0);
    kinds[READ_ONLY].fd = weft_openat(folder, "file", O_RDONLY, 0);
    kinds[WRITE_ONLY].fd = weft_openat(folder, "other", O_WRONLY | O_CREAT, 0600);
    kinds[TCP].fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    kinds[UDP].fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
    kinds[CLOSED].fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
    for (int what = 0; what < WHATS; what++)
        ok(kinds[what].fd);
    same(weft_close(kinds[CLOSED].fd), 0);
}

static void take_down(void)
{
    for (int what = CLOSED + 1; what < WHATS; what++)
        same(weft_close(kinds[what].fd), 0);
    for (int i = 0; i < 2; i++) {
        same(weft_close(in_pipe[i]), 0);
        same(weft_close(out_pipe[i]), 0);
    }
    same(weft_close(a_file), 0);
}

static int each_main(void *arg)
{
    int wrong = 0;

    (void)arg;
    set_up();
    for (size_t i = 0; i < CALLS; i++)
        wrong += errors_wrong(&calls[i], kinds, WHATS);
    same(wrong, 0);
    take_down();
    return 0;
}
TEST(each_of_each)
{
    file_run(each_main);
}

static int elsewhere(void *arg)
{
    int accepted = 0;

    (void)arg;
    for (size_t i = 0; i < CALLS; i++)
        accepted += errors_accepted(&calls[i], kinds, WHATS);
    return accepted;
}
static int others_main(void *arg)
{
    (void)arg;
    set_up();
    same(weft_call(1, elsewhere, NULL, 0), 0);
    take_down();
    return 0;
}
TEST(another_reactors)
{
    file_run_two(others_main);
}

TEST(outside)
{
    for (size_t i = 0; i < CALLS; i++)
        ck_assert_msg(calls[i].call(0) == -EPERM, "%s", calls[i].name);
}

/* -- bad memory, places and counts ------------------------------------------------------------- */

static int memory_main(void *arg)
{
    int fd = file_new("file");

    (void)arg;
    same(weft_read(fd, NULL, 1), -EFAULT);
    same(weft_readv(fd, NULL, 1), -EFAULT);
    same(weft_pread(fd, NULL, 1, 0), -EFAULT);
    same(weft_preadv(fd, NULL, 1, 0), -EFAULT);
    same(weft_read_exactly(fd, NULL, 1, NULL), -EFAULT);
    same(weft_readv_exactly(fd, NULL, 1, NULL), -EFAULT);
    same(weft_pread_exactly(fd, NULL, 1, 0, NULL), -EFAULT);
    same(weft_preadv_exactly(fd, NULL, 1, 0, NULL), -EFAULT);
    same(weft_write(fd, NULL, 1), -EFAULT);
    same(weft_writev(fd, NULL, 1), -EFAULT);
    same(weft_pwrite(fd, NULL, 1, 0), -EFAULT);
    same(weft_pwritev(fd, NULL, 1, 0), -EFAULT);
    same(weft_write_all(fd, NULL, 1, NULL), -EFAULT);
    same(weft_writev_all(fd, NULL, 1, NULL), -EFAULT);
    same(weft_pwrite_all(fd, NULL, 1, 0, NULL), -EFAULT);
    same(weft_pwritev_all(fd, NULL, 1, 0, NULL), -EFAULT);
    same(weft_getdents64(folder, NULL, 64), -EFAULT);
    same(weft_fgetxattr(fd, NULL, bytes, 1), -EFAULT);
    same(weft_fsetxattr(fd, NULL, bytes, 1, 0), -EFAULT);
    return weft_close(fd);
}
TEST(memory)
{
    file_run(memory_main);
}

static void places(int fd)
{
    same(weft_pread(fd, bytes, 1, -1), -EINVAL);
    same(weft_pwrite(fd, bytes, 1, -1), -EINVAL);
    same(weft_preadv(fd, &vector, 1, -1), -EINVAL);
    same(weft_pwritev(fd, &vector, 1, -1), -EINVAL);
    same(weft_pread_exactly(fd, bytes, 1, -1, NULL), -EINVAL);
    same(weft_pwrite_all(fd, bytes, 1, -1, NULL), -EINVAL);
    same(weft_preadv_exactly(fd, &vector, 1, -1, NULL), -EINVAL);
    same(weft_pwritev_all(fd, &vector, 1, -1, NULL), -EINVAL);
    same(weft_ftruncate(fd, -1), -EINVAL);
    same(weft_fallocate(fd, 0, -1, 1), -EINVAL);
    same(weft_fallocate(fd, 0, 0, 0), -EINVAL);
    same(weft_sync_file_range(fd, -1, 1, SYNC_FILE_RANGE_WRITE), -EINVAL);
    same(weft_sync_file_range(fd, 0, 1, 1u << 20), -EINVAL);
    same(weft_fadvise(fd, 0, 0, 1 << 20), -EINVAL);
    same(weft_copy_file_range(fd, &(off_t){-1}, fd, &(off_t){8}, 1, 0), -EINVAL);
    same(weft_copy_file_range(fd, &(off_t){0}, fd, &(off_t){1}, 4, 0), -EINVAL); /* they overlap */
    same(weft_fallocate(fd, 1 << 30, 0, 1), -EOPNOTSUPP);
}

static void counts(int fd)
{
    static const struct iovec many[1025];
    static const int wrong[] = {-1, 1025};

    for (int i = 0; i < 2; i++) {
        same(weft_readv(fd, many, wrong[i]), -EINVAL);
        same(weft_writev(fd, many, wrong[i]), -EINVAL);
        same(weft_preadv(fd, many, wrong[i], 0), -EINVAL);
        same(weft_pwritev(fd, many, wrong[i], 0), -EINVAL);
        same(weft_readv_exactly(fd, many, wrong[i], NULL), -EINVAL);
        same(weft_writev_all(fd, many, wrong[i], NULL), -EINVAL);
        same(weft_preadv_exactly(fd, many, wrong[i], 0, NULL), -EINVAL);
        same(weft_pwritev_all(fd, many, wrong[i], 0, NULL), -EINVAL);
    }
}

static int numbers_main(void *arg)
{
    int fd = file_new("file");

    (void)arg;
    same(weft_pwrite_all(fd, "eightone", 8, 0, NULL), 8);
    places(fd);
    counts(fd);
    same(weft_close(fd), 0);
    ck_assert_str_eq(file_text("file"), "eightone");
    return 0;
}
TEST(numbers)
{
    file_run(numbers_main);
}

/* -- who is at the other end, and who is at this ----------------------------------------------- */

static int64_t (*const takers[])(int fd) = {reads,          readvs,       reads_exactly,
                                            readvs_exactly, splices_from, tees_from};
static int64_t (*const givers[])(int fd) = {writes,      writevs,    writes_all,
                                            writevs_all, splices_to, tees_to};
enum { TAKERS = sizeof takers / sizeof takers[0] };

static int waits_to_read(void *arg)
{
    (void)arg;
    return (int)weft_read(ends[0], bytes, 1);
}
static int waits_to_write(void *arg)
{
    (void)arg;
    return (int)weft_write(ends[1], bytes, 1);
}

/* Somebody is at that side already. */
static void busy(weft_task_fn fn, int64_t (*const calls_of[])(int fd), int fd)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int result = 0;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, fn, NULL, 0, &opt));
        for (int i = 0; i < 3; i++) /* to where it waits */
            same(weft_yield(), 0);
        for (int i = 0; i < TAKERS; i++)
            same(calls_of[i](fd), -EBUSY);
        same(weft_cancel(task), 1);
        same(weft_join(task, &result), 0);
        same(result, -ECANCELED);
    }
}

static int ends_main(void *arg)
{
    (void)arg;
    set_up();
    up_pipe();
    busy(waits_to_read, takers, ends[0]);
    end_pair();
    up_full_pipe();
    busy(waits_to_write, givers, ends[1]);
    same(weft_close(ends[0]), 0);
    for (int i = 0; i < TAKERS; i++)
        same(givers[i](ends[1]), -EPIPE);
    same(weft_close(ends[1]), 0);
    up_pipe();
    same(weft_close(ends[1]), 0);
    same(reads(ends[0]), 0);
    same(reads_exactly(ends[0]), -ENODATA);
    same(readvs_exactly(ends[0]), -ENODATA);
    same(splices_from(ends[0]), 0);
    same(tees_from(ends[0]), 0);
    same(weft_close(ends[0]), 0);
    take_down();
    return 0;
}
TEST(other_users)
{
    file_run(ends_main);
}

/* A reset is told once, by whichever call comes first. */
static int resets_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++) {
        int fd = net_reset_one();
        same(takers[i](fd), -ECONNRESET);
        same(weft_close(fd), 0);
        fd = net_reset_one();
        same(givers[i](fd), -ECONNRESET);
        same(givers[i](fd), -EPIPE);
        same(weft_close(fd), 0);
    }
    return 0;
}
TEST(resets)
{
    file_run(resets_main);
}

TEST_MAIN("errors_fd", 60, each_of_each, another_reactors, outside, memory, numbers, other_users,
          resets)
