/*
 * descriptors.c - checks: numbers of descriptors, and files that a ring holds by itself.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

enum { SEND = 100, RECV = 101 };

static void above_the_standard_streams(struct contract *c)
{
    int low = 0;

    for (int i = 0; i < 5; i++)
        low += contract_socket(c, AF_INET) <= 2;
    contract_say(c, "%d of 5 below 3", low);
    contract_say_result(c, "lift 100", weft__host_fd_lift(100));
    contract_say_result(c, "lift an error", weft__host_fd_lift(-EMFILE));
}

static void closed_by_exec(struct contract *c)
{
    contract_say(c, "%s",
                 weft__host_fcntl(contract_socket(c, AF_INET), F_GETFD, 0) == FD_CLOEXEC
                     ? "closed by exec"
                     : "inherited");
}

static void below_the_most(struct contract *c)
{
    contract_say(c, "%s",
                 (uint32_t)contract_socket(c, AF_INET) < weft__host_fd_max() ? "below" : "above");
}

static void unknown_ones(struct contract *c)
{
    int fd = contract_socket(c, AF_INET);

    contract_say_result(c, "open", weft__host_fcntl(fd, F_GETFD, 0) < 0 ? -1 : 0);
    contract_say_result(c, "close", contract_drop(c, fd));
    contract_say_result(c, "fcntl", weft__host_fcntl(fd, F_GETFD, 0));
    contract_say_result(c, "close", weft__host_close(fd));
}

static void identity(struct contract *c)
{
    uint64_t device[3], inode[3];
    int one = contract_socket(c, AF_INET), two = contract_socket(c, AF_INET);

    weft__host_identity(one, &device[0], &inode[0]);
    weft__host_identity(two, &device[1], &inode[1]);
    weft__host_identity(one, &device[2], &inode[2]);
    contract_say(c, "%s", inode[0] == inode[2] && device[0] == device[2] ? "steady" : "changing");
    contract_say(c, "%s", inode[0] != inode[1] || device[0] != device[1] ? "its own" : "shared");
    contract_drop(c, two);
    contract_say_result(c, "closed", weft__host_identity(two, &device[1], &inode[1]));
}

static void a_number_given_out_again(struct contract *c)
{
    uint64_t device[2], inode[2];
    int one = contract_socket(c, AF_INET), two;

    weft__host_identity(one, &device[0], &inode[0]);
    contract_drop(c, one);
    two = contract_socket(c, AF_INET);
    weft__host_identity(two, &device[1], &inode[1]);
    contract_say(c, "%s", inode[0] != inode[1] || device[0] != device[1] ? "another" : "the same");
}

/* -- files that a ring holds ------------------------------------------------------------------ */

static int32_t send_held(struct contract *c, struct weft__ring *ring, int fd)
{
    CONTRACT_ASK(c, ring, SEND, send, fd, "x", 1, MSG_NOSIGNAL);
    ring->sqes[(ring->sq_tail - 1) & ring->sq_mask].flags = WEFT__SQE_FIXED_FILE;
    return contract_wait(c, ring, SEND).result;
}

static void held(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1};
    char text[3] = "";

    contract_pair(c, ring, AF_INET, pair);
    contract_say_result(c, "hold", weft__ring_file_hold(ring, pair[0]));
    contract_say_result(c, "send", send_held(c, ring, pair[0]));
    contract_send(c, ring, pair[0], "y", 1);
    CONTRACT_ASK(c, ring, RECV, recv, pair[1], text, 2, MSG_WAITALL, 0);
    contract_wait(c, ring, RECV);
    contract_say(c, "%s", text);
    weft__ring_file_let_go(ring, pair[0]);
}

static void not_held(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1};

    contract_pair(c, ring, AF_INET, pair);
    contract_say_result(c, "no table", send_held(c, ring, pair[0]));
    weft__ring_file_hold(ring, pair[1]);
    contract_say_result(c, "no entry", send_held(c, ring, pair[0]));
    weft__ring_file_let_go(ring, pair[1]);
}

static void held_past_its_close(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1}, number;
    char byte;

    contract_pair(c, ring, AF_INET, pair);
    weft__ring_file_hold(ring, pair[0]);
    number = pair[0];
    CONTRACT_ASK(c, ring, RECV, recv, pair[1], &byte, 1, 0, 0);
    contract_close(c, ring, pair[0]);
    contract_say(c, "%s", contract_silent(c, ring, RECV) ? "open while held" : "closed");
    weft__ring_file_let_go(ring, number);
    contract_say_result(c, "then", contract_wait(c, ring, RECV).result);
}

/* The kernels that let go late took up to a second. */
static void let_go_and_closed(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1};
    char byte;
    struct weft__cqe cqe;

    contract_pair(c, ring, AF_INET, pair);
    weft__ring_file_hold(ring, pair[0]);
    send_held(c, ring, pair[0]);
    contract_recv(c, ring, pair[1], &byte, 1);
    weft__ring_file_let_go(ring, pair[0]);
    contract_close(c, ring, pair[0]);
    CONTRACT_ASK(c, ring, RECV, recv, pair[1], &byte, 1, 0, 0);
    if (contract_next(c, ring, RECV, weft__host_now() + 500000000, &cqe))
        contract_say_result(c, "the peer, at once", cqe.result);
    else
        contract_say(c, "the peer waits");
}

static void held_and_let_go_often(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1}, right = 0;

    contract_pair(c, ring, AF_INET, pair);
    for (int i = 0; i < 50; i++) {
        right += weft__ring_file_hold(ring, pair[0]) == 0;
        right += send_held(c, ring, pair[0]) == 1;
        weft__ring_file_let_go(ring, pair[0]);
        right += send_held(c, ring, pair[0]) == -EBADF;
    }
    contract_say(c, "%d of 150", right);
}

static void what_is_not_open(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = contract_socket(c, AF_INET);

    contract_drop(c, fd);
    contract_say(c, "%s", weft__ring_file_hold(ring, fd) < 0 ? "refused" : "held");
    contract_say(c, "%s", weft__ring_file_hold(ring, 1 << 30) < 0 ? "refused" : "held");
}

static void without_the_feature(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1};

    contract_pair(c, ring, AF_INET, pair);
    contract_say(c, "%s", weft__ring_file_hold(ring, pair[0]) == 0 ? "held" : "refused");
    contract_say_result(c, "send", contract_send(c, ring, pair[0], "x", 1));
    if (contract_has(c, WEFT__FEATURE_FIXED_FILES))
        weft__ring_file_let_go(ring, pair[0]);
}

#define HOLD "src/io/stream.c, weft__stream_hold_file"
#define HELD WEFT__FEATURE_FIXED_FILES

const struct contract_check contract_descriptors[] = {
    {"descriptors/above-the-standard-streams",
     "New descriptors are never 0, 1 or 2.",
     "src/ring/host.h, weft__host_fd_lift",
     above_the_standard_streams,
     0,
     {ANSWER("0 of 5 below 3, lift 100 100, lift an error -EMFILE")}},
    {"descriptors/closed-by-exec",
     "New descriptors are closed by exec.",
     "src/ring/host.h, weft__host_socket",
     closed_by_exec,
     0,
     {ANSWER("closed by exec")}},
    {"descriptors/below-the-most",
     "The table of descriptors covers every number given out.",
     "src/io/fd.c, weft__fd_table_get",
     below_the_most,
     0,
     {ANSWER("below")}},
    {"descriptors/unknown-ones",
     "A number that is not open says -EBADF.",
     "src/io/socket.c, weft_fd_move",
     unknown_ones,
     0,
     {ANSWER("open 0, close 0, fcntl -EBADF, close -EBADF")}},
    {"descriptors/identity",
     "An open file can be told from every other.",
     "src/io/fd_verify.c",
     identity,
     0,
     {ANSWER("steady, its own, closed -EBADF")}},
    {"descriptors/a-number-given-out-again",
     "A number given out again is another file.",
     "src/io/fd_verify.c",
     a_number_given_out_again,
     0,
     {ANSWER("another")}},
    {"descriptors/held",
     "A held file is sent to by its descriptor's number.",
     HOLD,
     held,
     HELD,
     {ANSWER("hold 0, send 1, xy")}},
    {"descriptors/not-held",
     "What is not held is not there.",
     HOLD,
     not_held,
     HELD,
     {ANSWER("no table -EBADF, no entry -EBADF")}},
    {"descriptors/held-past-its-close",
     "A held file stays open until it is let go.",
     HOLD,
     held_past_its_close,
     HELD,
     {ANSWER("open while held, then 0")}},
    {"descriptors/let-go-and-closed",
     "Let go and then closed, the peer sees the end at once.",
     HOLD,
     let_go_and_closed,
     HELD,
     {ANSWER("the peer, at once 0")}},
    {"descriptors/held-and-let-go-often",
     "Holding and letting go can go on for ever.",
     HOLD,
     held_and_let_go_often,
     HELD,
     {ANSWER("150 of 150")}},
    {"descriptors/what-is-not-open",
     "What is not open cannot be held.",
     HOLD,
     what_is_not_open,
     HELD,
     {ANSWER("refused, refused")}},
    {"descriptors/without-the-feature",
     "Where files are not held, requests go on as usual.",
     HOLD,
     without_the_feature,
     0,
     {ANSWER("held, send 1", .with = HELD), ANSWER("refused, send 1", .without = HELD)}},
    {0},
};
