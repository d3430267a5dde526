/*
 * files.c - checks: opening, reading and writing, names, and what a cancel does to them.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { FILE_REQUEST = 100, SECOND, MANY = 40 };

static int32_t answer(struct contract *c, struct weft__ring *ring)
{
    return contract_wait(c, ring, FILE_REQUEST).result;
}

static int32_t open_at(struct contract *c, struct weft__ring *ring, int dirfd, const char *path,
                       uint64_t flags)
{
    struct weft__open_how how = {.flags = flags | O_CLOEXEC, .mode = flags & O_CREAT ? 0600 : 0};

    CONTRACT_ASK(c, ring, FILE_REQUEST, openat2, dirfd, path, &how);
    return answer(c, ring);
}

static int32_t remove_name(struct contract *c, struct weft__ring *ring, const char *path,
                           uint32_t flags)
{
    CONTRACT_ASK(c, ring, FILE_REQUEST, unlinkat, AT_FDCWD, path, flags);
    return answer(c, ring);
}

/* A new file, which is open and has no name any more. */
static int new_file(struct contract *c, struct weft__ring *ring, uint64_t flags)
{
    const char *path = contract_path("file");
    int32_t fd;

    (void)remove_name(c, ring, path, 0);
    fd = open_at(c, ring, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | flags);
    contract_need(c, fd >= 0, "a file can be made in /tmp");
    (void)remove_name(c, ring, path, 0);
    return contract_keep(c, fd);
}

static int32_t write_at(struct contract *c, struct weft__ring *ring, int fd, const char *text,
                        uint64_t offset)
{
    CONTRACT_ASK(c, ring, FILE_REQUEST, write, fd, text, (uint32_t)strlen(text), offset);
    return answer(c, ring);
}

static int32_t read_at(struct contract *c, struct weft__ring *ring, int fd, char *text,
                       uint32_t size, uint64_t offset)
{
    memset(text, 0, size);
    CONTRACT_ASK(c, ring, FILE_REQUEST, read, fd, text, size, offset);
    return answer(c, ring);
}

/* -- opening ---------------------------------------------------------------------------------- */

static void opening(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    const char *path = contract_path("open");
    int32_t fd;

    (void)remove_name(c, ring, path, 0);
    contract_say_result(c, "none", open_at(c, ring, AT_FDCWD, path, O_RDWR));
    fd = contract_keep(c, open_at(c, ring, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL));
    contract_say(c, "%s", fd > 2 ? "made" : "not made");
    contract_say_result(c, "again", open_at(c, ring, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL));
    contract_say_result(c, "as a folder", open_at(c, ring, AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
    contract_say_result(c, "below it", open_at(c, ring, fd, "x", O_RDONLY));
    contract_say_result(c, "a folder to write", open_at(c, ring, AT_FDCWD, "/tmp", O_RDWR));
    contract_say_result(c, "no name", open_at(c, ring, AT_FDCWD, "", O_RDONLY));
    contract_say_result(c, "no folder", open_at(c, ring, 1 << 20, "x", O_RDONLY));
    contract_say_result(c, "unlink", remove_name(c, ring, path, 0));
}

/* The words are the kernel's until they were submitted, and no longer. */
static void words_are_copied(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    char path[64];
    struct weft__open_how how = {.flags = O_RDWR | O_CREAT | O_CLOEXEC, .mode = 0600};
    int32_t fd;

    snprintf(path, sizeof path, "%s", contract_path("copied"));
    (void)remove_name(c, ring, path, 0);
    CONTRACT_ASK(c, ring, FILE_REQUEST, openat2, AT_FDCWD, path, &how);
    contract_submit(c, ring);
    memset(path, 'x', sizeof path);
    memset(&how, 0xff, sizeof how);
    fd = contract_keep(c, answer(c, ring));
    contract_say(c, "%s", fd >= 0 ? "opened" : "refused");
    contract_say_result(c, "unlink", remove_name(c, ring, contract_path("copied"), 0));
}

static void nowhere(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__open_how how = {.flags = O_RDONLY};
    int fd = new_file(c, ring, 0);

    CONTRACT_ASK(c, ring, FILE_REQUEST, openat2, AT_FDCWD, (const char *)8, &how);
    contract_say_result(c, "path", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, write, fd, (const void *)8, 1, 0);
    contract_say_result(c, "write", answer(c, ring));
    write_at(c, ring, fd, "x", 0);
    CONTRACT_ASK(c, ring, FILE_REQUEST, read, fd, (void *)8, 1, 0);
    contract_say_result(c, "read", answer(c, ring));
}

/* -- bytes ------------------------------------------------------------------------------------ */

static void offsets_and_positions(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);
    char text[8] = "";

    contract_say_result(c, "write", write_at(c, ring, fd, "abcdef", WEFT__OFFSET_CURRENT));
    contract_say_result(c, "at an offset", write_at(c, ring, fd, "XY", 1));
    contract_say_result(c, "on", write_at(c, ring, fd, "g", WEFT__OFFSET_CURRENT));
    contract_say_result(c, "read", read_at(c, ring, fd, text, 7, 0));
    contract_say(c, "%.7s", text);
    contract_say_result(c, "the end", read_at(c, ring, fd, text, 7, WEFT__OFFSET_CURRENT));
    contract_say_result(c, "beyond", read_at(c, ring, fd, text, 7, 1000));
    contract_say_result(c, "part", read_at(c, ring, fd, text, 7, 5));
}

static void appending(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, O_APPEND);
    char text[8] = "";

    write_at(c, ring, fd, "ab", 0);
    write_at(c, ring, fd, "cd", 0);
    contract_say_result(c, "read", read_at(c, ring, fd, text, 7, 0));
    contract_say(c, "%.7s", text);
}

static void vectors(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);
    char a[2], b[3];
    struct iovec out[] = {{"abc", 3}, {"", 0}, {"de", 2}}, in[] = {{a, 2}, {b, 3}};

    CONTRACT_ASK(c, ring, FILE_REQUEST, writev, fd, out, 3, 0);
    contract_submit(c, ring);
    memset(out, 0xff, sizeof out);
    contract_say_result(c, "write", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, readv, fd, in, 2, 0);
    contract_say_result(c, "read", answer(c, ring));
    contract_say(c, "%.2s %.3s", a, b);
    CONTRACT_ASK(c, ring, FILE_REQUEST, readv, fd, in, 0, 0);
    contract_say_result(c, "none", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, readv, fd, in, 1025, 0);
    contract_say_result(c, "too many", answer(c, ring));
}

/* Any number at once, and each comes to its own end. */
static void many_at_once(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 64, 0);
    int fd = new_file(c, ring, 0);
    char bytes[MANY];
    int right = 0;

    for (int i = 0; i < MANY; i++) {
        bytes[i] = (char)('A' + i % 26);
        CONTRACT_ASK(c, ring, 1000 + (uint64_t)i, write, fd, &bytes[i], 1, (uint64_t)i);
    }
    for (int i = 0; i < MANY; i++)
        right += contract_wait(c, ring, 1000 + (uint64_t)i).result == 1;
    contract_say(c, "%d of 40", right);
    memset(bytes, 0, sizeof bytes);
    contract_say_result(c, "read", read_at(c, ring, fd, bytes, MANY, 0));
    contract_say(c, "%.4s", bytes + 26);
}

static void wrong_ways(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    char text[4];
    int folder = contract_keep(c, open_at(c, ring, AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY));
    const char *path = contract_path("wrong");
    int32_t fd = contract_keep(c, open_at(c, ring, AT_FDCWD, path, O_WRONLY | O_CREAT));

    contract_say_result(c, "a folder", read_at(c, ring, folder, text, 4, 0));
    contract_say_result(c, "to write only", read_at(c, ring, fd, text, 4, 0));
    contract_say_result(c, "closed", read_at(c, ring, 1 << 20, text, 4, 0));
    contract_say_result(c, "unlink", remove_name(c, ring, path, 0));
}

/* -- the file as a whole ---------------------------------------------------------------------- */

static void syncing(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0), pipe[2] = {-1, -1};
    int folder = contract_keep(c, open_at(c, ring, AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY));

    (void)weft__host_pipe(pipe, 0);
    contract_keep(c, pipe[0]);
    contract_keep(c, pipe[1]);
    CONTRACT_ASK(c, ring, FILE_REQUEST, fsync, fd, 0);
    contract_say_result(c, "file", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, fsync, fd, WEFT__FSYNC_DATA);
    contract_say_result(c, "its data", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, fsync, folder, 0);
    contract_say_result(c, "a folder", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, fsync, pipe[1], 0);
    contract_say_result(c, "a pipe", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, fsync, fd, 1u << 7);
    contract_say_result(c, "flags", answer(c, ring));
}

static void cutting(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);
    char text[8];

    write_at(c, ring, fd, "abcdef", 0);
    CONTRACT_ASK(c, ring, FILE_REQUEST, ftruncate, fd, 3);
    contract_say_result(c, "cut", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, ftruncate, fd, 5);
    contract_say_result(c, "longer", answer(c, ring));
    contract_say_result(c, "read", read_at(c, ring, fd, text, 8, 0));
    contract_say(c, "%s", memcmp(text, "abc\0\0", 5) == 0 ? "zeros" : "other bytes");
    CONTRACT_ASK(c, ring, FILE_REQUEST, ftruncate, fd, (uint64_t)-1);
    contract_say_result(c, "negative", answer(c, ring));
}

static void cutting_directly(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);
    char text[8];

    write_at(c, ring, fd, "abcdef", 0);
    contract_say_result(c, "cut", weft__host_ftruncate(fd, 3));
    contract_say_result(c, "read", read_at(c, ring, fd, text, 8, 0));
    contract_say_result(c, "negative", weft__host_ftruncate(fd, -1));
    contract_say_result(c, "closed", weft__host_ftruncate(1 << 20, 0));
}

static void copying(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int from = new_file(c, ring, 0), to = new_file(c, ring, 0), pipe[2] = {-1, -1};
    char text[8] = "";

    (void)weft__host_pipe(pipe, 0);
    contract_keep(c, pipe[0]);
    contract_keep(c, pipe[1]);
    write_at(c, ring, from, "abcdef", 0);
    contract_say_result(c, "at offsets", weft__host_copy_file_range(from, 2, to, 0, 3));
    contract_say_result(c, "to the end", weft__host_copy_file_range(from, 4, to, 3, 100));
    contract_say_result(c, "at the end", weft__host_copy_file_range(from, 6, to, 3, 100));
    contract_say_result(c, "read", read_at(c, ring, to, text, sizeof text, 0));
    contract_say(c, "%.5s", text);
    contract_say_result(c, "overlapping", weft__host_copy_file_range(from, 0, from, 3, 4));
    contract_say_result(c, "beside", weft__host_copy_file_range(from, 0, from, 3, 3));
    contract_say_result(c, "a pipe", weft__host_copy_file_range(pipe[0], -1, to, 0, 1));
    contract_say_result(c, "closed", weft__host_copy_file_range(1 << 20, 0, to, 0, 1));
    contract_say_result(c, "between two", weft__host_copy_size(from, 0, to, 0, 100));
    contract_say_result(c, "within one", weft__host_copy_size(from, 2, from, 6, 100));
    contract_say_result(c, "too near", weft__host_copy_size(from, 2, from, 5, 100));
}

static void allocating(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);
    struct statx status = {.stx_size = 1};

    CONTRACT_ASK(c, ring, FILE_REQUEST, fallocate, fd, 0, 0, 10000);
    contract_say_result(c, "allocate", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &status);
    contract_say_result(c, "statx", answer(c, ring));
    contract_say(c, "%llu bytes", (unsigned long long)status.stx_size);
    CONTRACT_ASK(c, ring, FILE_REQUEST, fallocate, fd, 0, 0, 0);
    contract_say_result(c, "none", answer(c, ring));
}

static void what_seeks(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0), socket = contract_socket(c, AF_INET), pipe[2] = {-1, -1};
    int folder = contract_keep(c, open_at(c, ring, AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY));

    contract_say_result(c, "pipes", weft__host_pipe(pipe, 0));
    contract_say_result(c, "file", weft__host_seeks(fd));
    contract_say_result(c, "folder", weft__host_seeks(folder));
    contract_say_result(c, "pipe", weft__host_seeks(contract_keep(c, pipe[0])));
    contract_keep(c, pipe[1]);
    contract_say_result(c, "socket", weft__host_seeks(socket));
    contract_say_result(c, "closed", weft__host_seeks(1 << 20));
}

/* -- names ------------------------------------------------------------------------------------ */

static void names(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    const char *folder = contract_path("folder");
    int32_t at;

    CONTRACT_ASK(c, ring, FILE_REQUEST, mkdirat, AT_FDCWD, folder, 0700);
    contract_say_result(c, "mkdir", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, mkdirat, AT_FDCWD, folder, 0700);
    contract_say_result(c, "again", answer(c, ring));
    at = contract_keep(c, open_at(c, ring, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY));
    contract_keep(c, open_at(c, ring, at, "a", O_RDWR | O_CREAT));
    CONTRACT_ASK(c, ring, FILE_REQUEST, linkat, at, "a", at, "b", 0);
    contract_say_result(c, "link", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, symlinkat, "b", at, "c");
    contract_say_result(c, "symlink", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, renameat, at, "a", at, "d", 0);
    contract_say_result(c, "rename", answer(c, ring));
    CONTRACT_ASK(c, ring, FILE_REQUEST, renameat, at, "d", at, "b", 1 /* RENAME_NOREPLACE */);
    contract_say_result(c, "not over", answer(c, ring));
    contract_say_result(c, "full", remove_name(c, ring, folder, AT_REMOVEDIR));
    for (const char *name = "bcd"; *name; name++) {
        char one[2] = {*name, 0};
        CONTRACT_ASK(c, ring, FILE_REQUEST, unlinkat, at, one, 0);
        contract_need(c, answer(c, ring) == 0, "each can be unlinked");
    }
    contract_say_result(c, "as a file", remove_name(c, ring, folder, 0));
    contract_say_result(c, "rmdir", remove_name(c, ring, folder, AT_REMOVEDIR));
}

static void listing(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    const char *folder = contract_path("listing");
    _Alignas(8) char buffer[512];
    int32_t at;
    ssize_t n;

    CONTRACT_ASK(c, ring, FILE_REQUEST, mkdirat, AT_FDCWD, folder, 0700);
    contract_need(c, answer(c, ring) == 0, "mkdir");
    at = contract_keep(c, open_at(c, ring, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY));
    n = weft__host_getdents(at, buffer, sizeof buffer);
    contract_say_result(c, "an empty one", n); /* "." and "..", 24 bytes each */
    contract_say_result(c, "again", weft__host_getdents(at, buffer, sizeof buffer));
    contract_say_result(c, "a file", weft__host_getdents(new_file(c, ring, 0), buffer, 512));
    contract_say_result(c, "rmdir", remove_name(c, ring, folder, AT_REMOVEDIR));
}

/* -- cancelling ------------------------------------------------------------------------------- */

/* What was done when the cancel came says so. */
static void a_cancel_too_late(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);
    int32_t said = 0;

    CONTRACT_ASK(c, ring, FILE_REQUEST, fsync, fd, 0);
    contract_wait(c, ring, FILE_REQUEST);
    contract_say(c, "%s", contract_cancel(c, ring, FILE_REQUEST, &said) ? "found" : "not found");
}

#define FILES "src/io/file.c"
#define MOVES "src/io/rw.c"

const struct contract_check contract_files[] = {
    {"files/opening",
     "Opening tells what is there, and a new descriptor is above 2 where those are taken.",
     FILES ", weft_openat",
     opening,
     0,
     {ANSWER("none -ENOENT, made, again -EEXIST, as a folder -ENOTDIR, below it -ENOTDIR, "
             "a folder to write -EISDIR, no name -ENOENT, no folder -EBADF, unlink 0")}},
    {"files/words-are-copied",
     "A path and what goes with it may change once they were submitted.",
     FILES ", weft_openat",
     words_are_copied,
     0,
     {ANSWER("opened, unlink 0")}},
    {"files/nowhere",
     "Memory that is none is -EFAULT.",
     MOVES,
     nowhere,
     0,
     {ANSWER("path -EFAULT, write -EFAULT, read -EFAULT")}},
    {"files/offsets-and-positions",
     "Without an offset the position moves, with one it does not.",
     MOVES ", fill",
     offsets_and_positions,
     0,
     {ANSWER("write 6, at an offset 2, on 1, read 7, aXYdefg, the end 0, beyond 0, part 2")}},
    {"files/appending",
     "With O_APPEND a write goes to the end, whatever its offset.",
     MOVES ", fill",
     appending,
     0,
     {ANSWER("read 4, abcd")}},
    {"files/vectors",
     "A vector may change once it was submitted.",
     MOVES ", window_of",
     vectors,
     0,
     {ANSWER("write 5, read 5, ab cde, none 0, too many -EINVAL")}},
    {"files/many-at-once",
     "Any number of requests at offsets are made of a file at once.",
     "src/io/use.h",
     many_at_once,
     0,
     {ANSWER("40 of 40, read 40, ABCD")}},
    {"files/wrong-ways",
     "A file says when it cannot be read.",
     MOVES,
     wrong_ways,
     0,
     {ANSWER("a folder -EISDIR, to write only -EBADF, closed -EBADF, unlink 0")}},
    {"files/syncing",
     "Files and folders are synced; what has nothing to sync says so.",
     FILES ", sync_file",
     syncing,
     0,
     {ANSWER("file 0, its data 0, a folder 0, a pipe -EINVAL, flags -EINVAL")}},
    {"files/cutting",
     "A file is cut and made longer through the ring.",
     FILES ", weft_ftruncate",
     cutting,
     WEFT__FEATURE_FTRUNCATE,
     {ANSWER("cut 0, longer 0, read 5, zeros, negative -EINVAL")}},
    {"files/cutting-directly",
     "So it is by the call that a worker makes.",
     FILES ", truncate_elsewhere",
     cutting_directly,
     0,
     {ANSWER("cut 0, read 3, negative -EINVAL, closed -EBADF")}},
    {"files/copying",
     "A part of a file is copied into another by the call that a worker makes.",
     "src/io/file_copy.c, copy_there",
     copying,
     0,
     {ANSWER(
         "at offsets 3, to the end 2, at the end 0, read 5, cdeef, overlapping -EINVAL, beside 3, "
         "a pipe -EINVAL, closed -EBADF, between two 100, within one 4, too near -EINVAL")}},
    {"files/allocating",
     "Room is made for a file, which grows with it.",
     FILES ", weft_fallocate",
     allocating,
     0,
     {ANSWER("allocate 0, statx 0, 10000 bytes, none -EINVAL"),
      ANSWER("allocate -ENOTSUP, statx 0, 0 bytes, none -ENOTSUP")}},
    {"files/what-seeks",
     "What has a position can be told from what has none, without waiting.",
     "src/io/fd.c, weft__fd_ask_kind",
     what_seeks,
     0,
     {ANSWER("pipes 0, file 0, folder 0, pipe -ESPIPE, socket -ESPIPE, closed -EBADF")}},
    {"files/names",
     "Names are made, changed and removed through the ring.",
     FILES ", at_two",
     names,
     0,
     {ANSWER("mkdir 0, again -EEXIST, link 0, symlink 0, rename 0, not over -EEXIST, "
             "full -ENOTEMPTY, as a file -EISDIR, rmdir 0")}},
    {"files/listing",
     "A directory lists what is in it, and then nothing.",
     FILES ", weft_getdents64",
     listing,
     0,
     {ANSWER("an empty one 48, again 0, a file -ENOTDIR, rmdir 0")}},
    {"files/a-cancel-too-late",
     "A cancel of what has ended finds nothing.",
     "src/reactor/op.h",
     a_cancel_too_late,
     0,
     {ANSWER("not found")}},
    {0},
};
