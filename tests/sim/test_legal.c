/*
 * Which errors a request may have because of the machine or of the peer: the pages of the manual
 * once more, opcode by opcode, against what is drawn. Catches an error that is legal and never
 * comes, one that comes and is not legal, and one that an opcode has for what it cannot have it
 * for: a close of a socket does not fail, and only an open that makes a file finds the disk full.
 */
#include <fcntl.h>
#include <linux/openat2.h>

#include "sim/legal.h"
#include "sim/ring_core.h"
#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

enum { DRAWS = 2000, OPCODES = 256, ERRORS = 4096 };

#define DISK EIO, ENOMEM
#define ROOM ENOSPC, EDQUOT
#define ICMP ECONNREFUSED, EHOSTUNREACH

/* `of` is what the request is made on: the kind of a file, or "make", "below" for an open. */
static const struct {
    uint8_t opcode;
    const char *of;
    int errors[20];
} legal[] = {
    {WEFT__OP_NOP, "", {0}},
    {WEFT__OP_ASYNC_CANCEL, "", {0}}, /* its answers are not errors of this kind */
    {WEFT__OP_POLL_ADD, "tcp", {ENOMEM}},
    {WEFT__OP_WAITID, "pidfd", {EINTR, ENOMEM}},
    {WEFT__OP_FUTEX_WAIT, "futex", {ENOMEM}},
    {WEFT__OP_MSG_RING, "ring", {ENOMEM, EOVERFLOW}},
    {WEFT__OP_ACCEPT,
     "tcp",
     {ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO, ETIMEDOUT, ENETDOWN,
      ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH}},
    {WEFT__OP_CONNECT,
     "tcp",
     {EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EHOSTUNREACH, EINTR, ENETUNREACH,
      ENOBUFS, ENOMEM, ETIMEDOUT}},
    {WEFT__OP_SEND, "tcp", {EINTR, ENOBUFS, ENOMEM}},
    {WEFT__OP_SEND_ZC, "tcp", {EINTR, ENOBUFS, ENOMEM}},
    {WEFT__OP_SENDMSG, "tcp", {EINTR, ENOBUFS, ENOMEM}},
    {WEFT__OP_SEND, "unix", {EINTR, ENOBUFS, ENOMEM}},
    {WEFT__OP_SENDMSG, "unix", {EINTR, ENOBUFS, ENOMEM, ETOOMANYREFS}},
    {WEFT__OP_SENDMSG, "packets", {EINTR, ENOBUFS, ENOMEM, ETOOMANYREFS}},
    {WEFT__OP_SEND, "udp", {EINTR, ENOBUFS, ENOMEM, ICMP, ENETUNREACH, EPERM}},
    {WEFT__OP_SEND_ZC, "udp", {EINTR, ENOBUFS, ENOMEM, ICMP, ENETUNREACH, EPERM}},
    {WEFT__OP_SENDMSG, "udp", {EINTR, ENOBUFS, ENOMEM, ICMP, ENETUNREACH, EPERM}},
    {WEFT__OP_RECV, "tcp", {EINTR, ENOMEM}},
    {WEFT__OP_RECVMSG, "tcp", {EINTR, ENOMEM}},
    {WEFT__OP_RECV, "udp", {EINTR, ENOMEM, ICMP}},
    {WEFT__OP_RECVMSG, "udp", {EINTR, ENOMEM, ICMP}},
    {WEFT__OP_READ, "file", {DISK, EINTR}},
    {WEFT__OP_READV, "file", {DISK, EINTR}},
    {WEFT__OP_WRITE, "file", {DISK, EINTR, ROOM, EFBIG}},
    {WEFT__OP_WRITEV, "file", {DISK, EINTR, ROOM, EFBIG}},
    {WEFT__OP_SPLICE, "pipe", {DISK, EINTR, ROOM, EFBIG}},
    {WEFT__OP_CLOSE, "file", {EIO, EINTR, ROOM}},
    {WEFT__OP_CLOSE, "pipe", {0}},
    {WEFT__OP_CLOSE, "tcp", {0}},
    {WEFT__OP_CLOSE, "directory", {0}},
    {WEFT__OP_FSYNC, "pipe", {DISK, EINTR, ROOM}}, /* no bytes that could be lost: drawn as it is */
    {WEFT__OP_SYNC_RANGE, "file", {DISK, ENOSPC}},
    {WEFT__OP_FALLOCATE, "file", {DISK, EINTR, ROOM, EFBIG}},
    {WEFT__OP_FTRUNCATE, "file", {DISK, EINTR, EFBIG}},
    {WEFT__OP_FADVISE, "file", {DISK}},
    {WEFT__OP_MADVISE, "", {DISK, EAGAIN, EBUSY}},
    {WEFT__OP_FGETXATTR, "file", {DISK}},
    {WEFT__OP_FSETXATTR, "file", {DISK, ROOM}},
    {WEFT__OP_OPENAT2, "", {DISK, EINTR, EMFILE, ENFILE}},
    {WEFT__OP_OPENAT2, "make", {DISK, EINTR, EMFILE, ENFILE, ROOM}},
    {WEFT__OP_OPENAT2, "below", {DISK, EINTR, EMFILE, ENFILE, EAGAIN}},
    {WEFT__OP_STATX, "", {DISK}},
    {WEFT__OP_GETXATTR, "", {DISK}},
    {WEFT__OP_SETXATTR, "", {DISK, ROOM}},
    {WEFT__OP_UNLINKAT, "", {DISK, EBUSY}},
    {WEFT__OP_RENAMEAT, "", {DISK, EBUSY, EMLINK, ROOM, EXDEV}},
    {WEFT__OP_LINKAT, "", {DISK, EMLINK, ROOM, EXDEV}},
    {WEFT__OP_MKDIRAT, "", {DISK, EMLINK, ROOM}},
    {WEFT__OP_SYMLINKAT, "", {DISK, ROOM}},
    {WEFT__SIM_CALL_COPY, "call", {DISK, EINTR, ROOM, EFBIG, EXDEV}},
};

enum { ROWS = sizeof legal / sizeof legal[0] };

static bool is_listed(size_t row, int error)
{
    for (const int *e = legal[row].errors; *e; e++)
        if (*e == error)
            return true;
    return false;
}

/* One row: what comes in so many draws is what is listed. */
static void expect_drawn(struct weft__sim_request *request, size_t row)
{
    static bool seen[ERRORS];
    const char *name = weft__sim_opcode_name(legal[row].opcode);

    memset(seen, 0, sizeof seen);
    for (uint64_t serial = 1; serial <= DRAWS; serial++) {
        int32_t error;
        request->dice = weft__sim_dice(WEFT__SIM_WHO_REQUEST, serial);
        error = weft__sim_errno_of(request);
        ck_assert_int_gt(error, -ERRORS);
        ck_assert_msg(error == 0 ? !legal[row].errors[0] : is_listed(row, -error),
                      "%s of '%s' cannot have %s", name, legal[row].of,
                      error ? strerrorname_np(-error) : "none");
        seen[-error] = true;
    }
    for (const int *e = legal[row].errors; *e; e++)
        ck_assert_msg(seen[*e], "%s of '%s' never has %s", name, legal[row].of,
                      strerrorname_np(*e));
}

static int world_of_draws(void *arg)
{
    struct weft__sim_ring ring = {.sim = weft__sim_world};

    (void)arg;
    for (size_t i = 0; i < ROWS; i++) {
        const struct weft__sim_file_ops ops = {.kind = legal[i].of};
        struct weft__sim_file file = {.ops = &ops}, *fds[] = {&file}, **own = ring.sim->fds;
        uint32_t own_room = ring.sim->fds_room;
        struct weft__open_how how = {.flags = strcmp(legal[i].of, "make") == 0 ? O_CREAT : 0,
                                     .resolve = strcmp(legal[i].of, "below") == 0
                                                    ? WEFT__RESOLVE_IN_ROOT
                                                    : 0};
        struct weft__sim_request request = {.ring = &ring, .sqe = {.opcode = legal[i].opcode}};

        if (legal[i].opcode == WEFT__SIM_CALL_COPY)
            continue;                            /* the next test has it */
        if (legal[i].opcode == WEFT__OP_CLOSE) { /* holds no file: it looks behind the number 0 */
            ring.sim->fds = fds;
            ring.sim->fds_room = 1;
        } else if (legal[i].of[0]) {
            request.file = &file;
        }
        if (legal[i].opcode == WEFT__OP_OPENAT2) {
            request.file = NULL;
            request.sqe.offset = (uint64_t)(uintptr_t)&how;
        }
        expect_drawn(&request, i);
        ring.sim->fds = own;
        ring.sim->fds_room = own_room;
    }
    return 0;
}

TEST(drawn_is_what_is_legal)
{
    struct world world = {.seed = 1, .plan = "calm"};

    same(world_run_fn(&world, world_of_draws, NULL), 0);
}

/* Of the table itself: every opcode that the simulated kernel answers is looked at above, each row
   names its page, and what a row has is what is listed. */
TEST(the_table)
{
    bool listed[OPCODES] = {false};

    for (size_t i = 0; i < ROWS; i++)
        listed[legal[i].opcode] = true;
    for (int opcode = 0; opcode < OPCODES; opcode++)
        for (int which = 0; which <= WEFT__SIM_FOR_BELOW_DIR; which++) {
            const struct weft__sim_legal *row =
                weft__sim_legal_of((uint8_t)opcode, (enum weft__sim_legal_for)which);
            ck_assert_msg(!row || listed[opcode], "opcode %d is not looked at", opcode);
            ck_assert(!row || strchr(row->pages, '('));
            ck_assert(!row || weft__sim_legal_count(row) > 0);
        }
    for (int opcode = 0; opcode < OPCODES; opcode++)
        ck_assert_msg(strcmp(weft__sim_opcode_name((uint8_t)opcode), "unknown") == 0 ||
                          listed[opcode],
                      "%s is not looked at", weft__sim_opcode_name((uint8_t)opcode));
}

/* -- calls that a worker makes ----------------------------------------------------------------- */

static bool copies_met[ERRORS];

static int main_copies(void *arg)
{
    int fd;

    (void)arg;
    do
        fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    while (fd < 0);
    for (int i = 0; i < 200; i++) {
        ssize_t n = weft_copy_file_range(fd, NULL, fd, &(off_t){100}, 10, 0);
        ck_assert_int_le(n, 10);
        if (n < 0)
            copies_met[-n] = true;
    }
    (void)weft_close(fd);
    return 0;
}

TEST(copies)
{
    struct world world = {.seed = 1, .plan = "calm op.errno=1/2", .task = main_copies};
    int found = 0, met = 0;

    same(world_run(&world), 0);
    for (size_t i = 0; i < ROWS; i++)
        for (const int *e = legal[i].errors; legal[i].opcode == WEFT__SIM_CALL_COPY && *e; e++) {
            ck_assert_msg(copies_met[*e], "a copy never has %s", strerrorname_np(*e));
            found++;
        }
    for (int error = 0; error < ERRORS; error++)
        met += copies_met[error];
    same(met, found);
}

/* -- a close that fails ------------------------------------------------------------------------ */

static bool closes_met[ERRORS];

/* The number is free whatever is said, and the next that is opened may have it. */
static int main_closes(void *arg)
{
    uint32_t open = weft__sim_world->fds_open;
    int fd, result;

    (void)arg;
    do
        fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    while (fd < 0);
    same(weft__sim_world->fds_open, open + 1);
    result = weft_close(fd);
    ck_assert_int_le(result, 0);
    same(weft_cause(), WEFT_CAUSE_NONE);
    closes_met[-result] = true;
    ck_assert_ptr_null(weft__sim_fd_file(weft__sim_world, fd));
    same(weft__sim_world->fds_open, open);
    return 0;
}

TEST(a_close_that_fails_has_closed)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world world = {.seed = seed, .plan = "calm op.errno=1/2", .task = main_closes};
        same(world_run(&world), 0);
    }
    ck_assert(closes_met[0] && closes_met[EIO] && closes_met[EINTR] && closes_met[ENOSPC] &&
              closes_met[EDQUOT]);
    for (int error = 1; error < ERRORS; error++)
        ck_assert(!closes_met[error] || error == EIO || error == EINTR || error == ENOSPC ||
                  error == EDQUOT);
}

/* By order, of anything: it is told as it is, once, and what has the number afterwards keeps it. */
static int main_ordered(void *arg)
{
    int error = *(int *)arg, fds[2], next;

    ok(weft_pipe(fds, 0));
    same(weft_close(fds[0]), -error);
    same(weft_cause(), WEFT_CAUSE_NONE);
    next = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(next);
    same(weft_pwrite_all(next, "bytes", 5, 0, NULL), 5);
    same(weft_write(fds[1], "x", 1), -EPIPE); /* nobody can read any more */
    same(weft_close(fds[1]), 0);
    return weft_close(next);
}

static int ordered_in_turn(void *arg)
{
    return weft_run(main_ordered, arg, sizeof(int), NULL);
}

TEST(a_close_by_order)
{
    static const int errors[] = {EIO, EINTR, ENOSPC, EDQUOT};

    for (size_t i = 0; i < 4; i++) {
        char plan[64];
        struct world world = {.seed = 1, .plan = plan};
        int error = errors[i];
        snprintf(plan, sizeof plan, "calm close#1=%s", strerrorname_np(error));
        same(world_run_fn(&world, ordered_in_turn, &error), 0);
    }
}

/* -- a sync that fails ------------------------------------------------------------------------- */

/* An interrupted sync has lost nothing: asked again it writes. One that could not write has. */
static int main_syncs(void *arg)
{
    char bytes[5] = "";
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600), folder;

    ok(fd);
    folder = weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    ok(folder);
    same(weft_fsync(folder), 0);
    same(weft_pwrite_all(fd, "bytes", 5, 0, NULL), 5);
    ck_assert_int_lt(weft_fsync(fd), 0);
    same(weft_fsync(fd), 0);
    same(weft_close(fd), 0);
    same(weft_close(folder), 0);
    same(weft_sim_power_off(), 0);
    same(weft_sim_power_on(), 0);
    fd = weft_open("/tmp/a", O_RDONLY, 0);
    ok(fd);
    ok(weft_read(fd, bytes, 5));
    **(bool **)arg = memcmp(bytes, "bytes", 5) == 0;
    return weft_close(fd);
}

static int synced_in_turn(void *arg)
{
    return weft_run(main_syncs, &arg, sizeof arg, NULL);
}

TEST(a_sync_that_fails)
{
    static const struct {
        const char *error;
        bool keeps;
    } syncs[] = {{"EINTR", true}, {"ENOMEM", true}, {"EIO", false}, {"EDQUOT", false}};

    for (size_t i = 0; i < sizeof syncs / sizeof syncs[0]; i++) {
        char plan[64];
        struct world world = {.seed = 1, .plan = plan};
        bool kept;
        snprintf(plan, sizeof plan, "calm power.page=never fsync#2=%s", syncs[i].error);
        same(world_run_fn(&world, synced_in_turn, &kept), 0);
        same(kept, syncs[i].keeps);
    }
}

TEST_MAIN("sim/legal", 60, drawn_is_what_is_legal, the_table, copies, a_close_that_fails_has_closed,
          a_close_by_order, a_sync_that_fails)
