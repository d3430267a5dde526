/*
 * splice.c - checks: bytes moved between descriptors, by requests and by direct calls that do not
 * wait.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

enum { SPLICE = 100, OTHER, ROOM = 65536 };

static int32_t spliced(struct contract *c, struct weft__ring *ring, int in, uint64_t offset_in,
                       int out, uint64_t offset_out, uint32_t size)
{
    CONTRACT_ASK(c, ring, SPLICE, splice, in, offset_in, out, offset_out, size, SPLICE_F_NONBLOCK);
    return contract_wait(c, ring, SPLICE).result;
}

static void piped(struct contract *c, int ends[2])
{
    ends[0] = ends[1] = -1;
    contract_need(c, weft__host_pipe(ends, 0) == 0, "a pipe can be made");
    contract_keep(c, ends[0]);
    contract_keep(c, ends[1]);
}

/* Without a name. */
static int new_file(struct contract *c, struct weft__ring *ring)
{
    struct weft__open_how how = {.flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, .mode = 0600};
    uint64_t own = 0;
    char path[64];
    int fd;

    (void)weft__host_entropy(&own, sizeof own);
    snprintf(path, sizeof path, "/tmp/weft-contract.%llx.splice", (unsigned long long)own);
    CONTRACT_ASK(c, ring, OTHER, openat2, AT_FDCWD, path, &how);
    fd = contract_keep(c, contract_wait(c, ring, OTHER).result);
    contract_need(c, fd >= 0, "a file can be made in /tmp");
    CONTRACT_ASK(c, ring, OTHER, unlinkat, AT_FDCWD, path, 0);
    (void)contract_wait(c, ring, OTHER);
    return fd;
}

static void files(struct contract *c)
{
    static const char zeros[ROOM + 1];
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int ends[2], file = new_file(c, ring);

    piped(c, ends);
    CONTRACT_ASK(c, ring, OTHER, write, file, zeros, sizeof zeros, 0);
    contract_need(c, contract_wait(c, ring, OTHER).result == sizeof zeros, "a file can be written");
    contract_say_result(c, "some", spliced(c, ring, file, 10, ends[1], UINT64_MAX, 5));
    contract_say_result(c, "back", spliced(c, ring, ends[0], UINT64_MAX, file, 0, 100));
    contract_say_result(c, "none", spliced(c, ring, ends[0], UINT64_MAX, file, 0, 100));
    contract_say_result(c, "the end", spliced(c, ring, file, ROOM + 1, ends[1], UINT64_MAX, 5));
    contract_say_result(c, "as fits", spliced(c, ring, file, 0, ends[1], UINT64_MAX, ROOM + 1));
    contract_say_result(c, "full", spliced(c, ring, file, 0, ends[1], UINT64_MAX, 1));
    contract_say_result(c, "no pipe", spliced(c, ring, file, 0, file, 10, 1));
}

static void directly(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2], ends[2];

    contract_pair(c, ring, AF_INET, pair);
    piped(c, ends);
    for (int i = 0; i < 2; i++)
        contract_need(c, weft__host_fcntl(pair[i], F_SETFL, O_RDWR | O_NONBLOCK) == 0,
                      "a socket can be made non-blocking");
    contract_say_result(c, "none", weft__host_splice(pair[0], ends[1], 9, SPLICE_F_NONBLOCK));
    contract_send(c, ring, pair[1], "abc", 3);
    contract_say_result(c, "some", weft__host_splice(pair[0], ends[1], 9, SPLICE_F_NONBLOCK));
    contract_fill(c, ring, pair[0]);
    contract_need(c, weft__host_shutdown(pair[1], SHUT_WR) == 0, "a side can be ended");
    contract_drain(c, ring, pair[0]);
    contract_say_result(c, "the end", weft__host_splice(pair[0], ends[1], 9, SPLICE_F_NONBLOCK));
    contract_say_result(c, "on", weft__host_splice(ends[0], ends[1], 9, SPLICE_F_NONBLOCK));
}

static void copied(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int from[2], to[2];

    piped(c, from);
    piped(c, to);
    contract_say_result(c, "none", weft__host_tee(from[0], to[1], 9, SPLICE_F_NONBLOCK));
    CONTRACT_ASK(c, ring, OTHER, write, from[1], "abc", 3, UINT64_MAX);
    contract_wait(c, ring, OTHER);
    contract_say_result(c, "some", weft__host_tee(from[0], to[1], 9, SPLICE_F_NONBLOCK));
    contract_say_result(c, "again", weft__host_tee(from[0], to[1], 2, SPLICE_F_NONBLOCK));
    contract_drop(c, from[1]);
    contract_say_result(c, "then", weft__host_splice(from[0], to[1], 9, SPLICE_F_NONBLOCK));
    contract_say_result(c, "the end", weft__host_tee(from[0], to[1], 9, SPLICE_F_NONBLOCK));
}

const struct contract_check contract_splicing[] = {
    {"splice/files",
     "A splice between a file and a pipe moves what fits, and does not wait for the pipe.",
     "src/io/splice.c, ask",
     files,
     0,
     {ANSWER("some 5, back 5, none -EAGAIN, the end 0, as fits 65536, full -EAGAIN, "
             "no pipe -EINVAL")}},
    {"splice/directly",
     "A splice between a pipe and a socket that does not block waits for neither.",
     "src/io/splice.c, move_directly",
     directly,
     0,
     {ANSWER("none -EAGAIN, some 3, the end 0, on -EINVAL")}},
    {"splice/copied",
     "A tee leaves the bytes where they were.",
     "src/io/splice.c, weft_tee",
     copied,
     0,
     {ANSWER("none -EAGAIN, some 3, again 2, then 3, the end 0")}},
    {0},
};
