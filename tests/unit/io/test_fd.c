/*
 * The table of descriptors, driven directly with two io layers: who owns a number, and that a late
 * answer about an old one never touches its new owner.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/transfer.h"
#include "reactor/reactor.h"
#include "support/name.h"
#include "support/net.h"

static struct weft__io a = {.id = 7}, b = {.id = 9};

static void begin(void)
{
    ck_assert_int_eq(weft__fd_table_get(&a.fds, &a.fd_count), 0);
    ck_assert_int_eq(weft__fd_table_get(&b.fds, &b.fd_count), 0);
    ck_assert_ptr_eq(a.fds, b.fds);
}

static void end(void)
{
    weft__fd_release_all(&a);
    weft__fd_release_all(&b);
    weft__fd_table_put();
    weft__fd_table_put();
}

TEST(first_use_owns)
{
    struct weft__fd *record;
    struct weft__op op, other;

    begin();
    ck_assert_int_eq(weft__fd_enter(&a, 0, WEFT__READER, &op, &record), 0);
    ck_assert_int_eq(weft__fd_find(&b, 0, &record), -EXDEV);
    ck_assert_int_eq(weft__fd_enter(&a, 0, WEFT__READER, &other, &record), -EBUSY);
    ck_assert_int_eq(weft__fd_enter(&a, 0, WEFT__WRITER, &other, &record), 0);
    weft__fd_forget(&a, record); /* held: stays */
    ck_assert_int_eq(weft__fd_find(&b, 0, &record), -EXDEV);
    weft__fd_leave(&a, record, WEFT__READER, &op);
    weft__fd_leave(&a, record, WEFT__WRITER, &other);
    weft__fd_forget(&a, record);
    ck_assert_int_eq(weft__fd_find(&b, 0, &record), 0);
    ck_assert_int_eq(weft__fd_find(&a, 0, &record), -EXDEV);
    ck_assert_int_eq(weft__fd_find(&a, -1, &record), -EBADF);
    ck_assert_int_eq(weft__fd_find(&a, (int)a.fd_count, &record), -EBADF);
    end();
}

/* The kernel has closed it and given the number to b before a learns of that. */
TEST(number_reused_before_the_close_returns)
{
    struct weft__fd *record;
    struct weft__op op;
    uint64_t word;

    begin();
    ck_assert_int_eq(weft__fd_find(&a, 0, &record), 0);
    word = weft__fd_close_begin(record);
    ck_assert_int_eq(weft__fd_find(&a, 0, &record), -EBADF);
    ck_assert_int_eq(weft__fd_find(&b, 0, &record), -EXDEV);
    ck_assert(weft__fd_closes_here(&a, 0));
    ck_assert(!weft__fd_closes_here(&b, 0));
    weft__fd_close_publish(record, word);
    ck_assert_int_eq(weft__fd_adopt(&b, 0), 0);
    ck_assert_int_eq(weft__fd_enter(&b, 0, WEFT__READER, &op, &record), 0);
    weft__fd_close_end(record, word);
    ck_assert_int_eq(weft__fd_find(&a, 0, &record), -EXDEV);
    ck_assert_ptr_eq(record->sides[WEFT__READER], &op);

    /* and the same when a itself got the number again */
    weft__fd_leave(&b, record, WEFT__READER, &op);
    word = weft__fd_close_begin(record);
    weft__fd_close_publish(record, word);
    ck_assert_int_eq(weft__fd_adopt(&b, 0), 0);
    weft__fd_close_end(record, word);
    ck_assert_int_eq(weft__fd_find(&a, 0, &record), -EXDEV);
    end();
}

/* Of those that are in flight only its own count: not another's, not one of the file that had the
   number before, and not one that nobody waits for. */
TEST(used_by_its_own)
{
    struct weft__fd_use first, beside, second;
    struct weft__fd *record, *other;
    struct weft__op op;

    begin();
    ck_assert_int_eq(weft__fd_find(&a, 0, &record), 0);
    ck_assert_int_eq(weft__fd_find(&a, 1, &other), 0);
    weft__fd_use_begin(&a, record, 0, &first, &op);
    weft__fd_use_begin(&a, other, 1, &beside, &op);
    ck_assert(weft__fd_used(&a, 0, record));
    ck_assert(weft__fd_used(&a, 1, other));
    ck_assert_int_eq(weft__fd_adopt(&a, 0), 0);
    ck_assert(!weft__fd_used(&a, 0, record));
    weft__fd_use_begin(&a, record, 0, &second, &op);
    ck_assert(weft__fd_used(&a, 0, record));
    second.given_up = true;
    ck_assert(!weft__fd_used(&a, 0, record));
    weft__fd_use_end(&a, record, &second);
    weft__fd_use_end(&a, other, &beside);
    weft__fd_use_end(&a, record, &first);
    ck_assert(!weft__fd_used(&a, 1, other));
    ck_assert_ptr_null(a.uses);
    end();
}

TEST(poisoned)
{
    struct weft__fd *record;
    struct weft__op op;
    uint64_t word;

    begin();
    ck_assert_int_eq(weft__fd_find(&a, 0, &record), 0);
    weft__fd_poison(record);
    ck_assert_int_eq(weft__fd_enter(&a, 0, WEFT__READER, &op, &record), -ENOTCONN);
    ck_assert_int_eq(weft__fd_enter(&a, 0, WEFT__WRITER, &op, &record), -ENOTCONN);
    word = weft__fd_close_begin(record);
    ck_assert_ptr_null(record->sides[WEFT__READER]);
    ck_assert_ptr_null(record->sides[WEFT__WRITER]);
    weft__fd_close_end(record, word);
    ck_assert_int_eq(weft__fd_find(&a, 0, &record),
                     0); /* another file, of which nothing is known */
    ck_assert_uint_eq(record->flags, 0);
    end();
}

/* The limit was raised after the table was made: such a number is nobody's, and goes. */
TEST(beyond_the_table)
{
    struct weft__io small;
    int fd, before = test_descriptors();

    begin();
    small = a;
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ok(fd);
    small.fd_count = (uint32_t)fd;
    ck_assert_int_eq(weft__fd_adopt(&small, fd), -EMFILE);
    ck_assert_int_eq(test_descriptors(), before);
    end();
}

/* No room for another operation, and no memory for more: a close closes all the same. */
static int main_no_slot(void *arg)
{
    int here, there, before = test_descriptors();
    uint32_t none = UINT32_MAX, slots;

    (void)arg;
    net_pair(&here, &there);
    slots = weft__self->ops.free;
    weft__self->ops.free = none;
    weft__alloc_fail_after(1);
    ck_assert_int_eq(weft_close(here), 0);
    weft__alloc_fail_after(0);
    weft__self->ops.free = slots;
    ok(weft_close(there));
    ck_assert_int_eq(test_descriptors(), before);
    return 0;
}

TEST(closed_without_a_slot)
{
    net_run(main_no_slot);
}

/* A close(2) behind our back, the number given to another file: debug builds notice. */
static int main_behind_our_back(void *arg)
{
    int here, there, pipes[2];
    char byte;

    (void)arg;
    net_pair(&here, &there);
    ck_assert_int_eq(weft_recv(here, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    ok(pipe(pipes));
    ok(dup2(pipes[0], here)); /* closes the socket, takes its number */
#ifdef WEFT_DEBUG
    ck_assert_int_eq(weft_recv(here, &byte, 1, MSG_DONTWAIT), -EBADF);
#endif
    ck_assert_int_eq(weft_recv(here, &byte, 1, MSG_DONTWAIT), -ENOTSOCK);
    close(pipes[0]);
    close(pipes[1]);
    ok(weft_close(here));
    return weft_close(there);
}

TEST(closed_behind_our_back)
{
    net_run(main_behind_our_back);
}

/* A close asks for the end of what uses the descriptor beside others, and does not just wait. */
static int polls(void *arg)
{
    ck_assert_int_eq(weft_poll(*(int *)arg, POLLIN), -ECANCELED);
    return 0;
}

static int main_used(void *arg)
{
    int pipes[2];
    uint64_t before;

    (void)arg;
    ok(weft_pipe(pipes, 0));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, polls, &pipes[0], sizeof pipes[0], NULL));
        while (!weft__io_of(weft__self)->uses)
            ok(weft_yield());
        before = net_stats().cancels_sent;
        ok(weft_close(pipes[0])); /* the request may not even have been submitted */
        ck_assert_uint_eq(net_stats().cancels_sent, before + 1);
    }
    return weft_close(pipes[1]);
}

TEST(closed_under_a_use)
{
    net_run(main_used);
}

enum { DATAGRAMS = 10000, DATAGRAM_SIZE = 1000 };

struct sender {
    int fd, sent;
    ssize_t result;
};

static int sends_many(void *arg)
{
    static const char bytes[DATAGRAM_SIZE];
    struct sender *sender = arg;

    sender->result = DATAGRAM_SIZE;
    for (; sender->sent < DATAGRAMS && sender->result == DATAGRAM_SIZE; sender->sent++)
        sender->result = weft_send(sender->fd, bytes, DATAGRAM_SIZE, 0);
    return 0;
}

/* A sender waits for room at its peer, and its number becomes another socket's, of which it then
   knows nothing: neither may it send there, nor hold its side. */
static int main_behind_a_sender(void *arg)
{
    const char *first = own_name("unix:@weft-fd-first"), *second = own_name("unix:@weft-fd-second");
    int to[2] = {weft_datagram_socket(first, NULL, NULL), weft_datagram_socket(second, NULL, NULL)};
    struct sender sender = {weft_datagram_socket(NULL, first, NULL), 0, 0};
    char bytes[DATAGRAM_SIZE];

    (void)arg;
    WEFT_SCOPE(s) {
        int before = -1, taken = 0;
        ok(weft_spawn(&s, sends_many, &sender, 0, NULL));
        while (sender.sent != before) {
            before = sender.sent;
            ok(weft_sleep(1000000));
        }
        close(sender.fd);
        ck_assert_int_eq(weft_datagram_socket(NULL, second, NULL), sender.fd);
        while (taken < before) /* there is room now */
            taken += weft_recv(to[0], bytes, sizeof bytes, 0) == DATAGRAM_SIZE;
    }
    ck_assert_int_eq(sender.result, -EBADF);
    ck_assert_int_eq(weft_send(sender.fd, "x", 1, 0), 1);
    ck_assert_int_eq(weft_recv(to[1], bytes, sizeof bytes, 0), 1);
    ok(weft_close(sender.fd));
    ok(weft_close(to[0]));
    return weft_close(to[1]);
}
TEST(closed_behind_a_sender)
{
    net_run(main_behind_a_sender);
}

/* Who ends on a file that had the number before tells nobody who has it now, on whichever reactor.
 */
TEST(another_closes_by_then)
{
    struct weft__closer closer = {.wait = {.what = "close"}};
    struct weft__fiber fiber = {.wait = &closer.wait};
    struct weft__fd_use use;
    struct weft__fd *record;
    struct weft__op op;
    uint64_t word;

    begin();
    ck_assert_int_eq(weft__fd_enter(&a, 0, WEFT__READER, &op, &record), 0);
    weft__fd_use_begin(&a, record, 0, &use, &op);
    ck_assert_int_eq(weft__fd_adopt(&b, 0), 0);
    record->sides[WEFT__READER] = &op; /* b's, as far as a may know */
    record->uses = 1;
    word = weft__fd_close_begin(record);
    closer.wait.fiber = &fiber;
    weft__fd_closer_begin(&b, record, &closer);
    weft__fd_leave(&a, record, WEFT__READER, &op);
    ck_assert(!weft__fd_use_end(&a, record, &use));
    ck_assert_ptr_eq(fiber.wait, &closer.wait);
    ck_assert_ptr_eq(record->sides[WEFT__READER], &op);
    ck_assert_uint_eq(record->uses, 1);
    ck_assert_ptr_eq(record->closer, &closer.wait);
    weft__fd_closer_end(record, &closer);
    ck_assert_ptr_null(record->closer);
    ck_assert_ptr_null(b.closers);
    weft__fd_close_end(record, word);
    end();
}

/* What was in flight is told of the close, and not of a signal when the number is another's. */
TEST(errors_of_what_is_gone)
{
    struct weft__fd *record;
    uint64_t word, closing;

    begin();
    ck_assert_int_eq(weft__fd_find(&a, 0, &record), 0);
    word = weft__fd_word_of(record);
    ck_assert_int_eq(weft__error_of_gone(record, word, -EINTR), -EINTR);
    ck_assert_int_eq(weft__error_of_gone(record, word, -ENOMEM), -ENOMEM);
    closing = weft__fd_close_begin(record);
    ck_assert_int_eq(weft__fd_why_not(record, word), -ECANCELED);
    ck_assert_int_eq(weft__error_of_gone(record, word, -EINTR), -ECANCELED);
    ck_assert_int_eq(weft__error_of_gone(record, word, -ENOMEM), -ECANCELED);
    ck_assert_uint_eq(weft__fd_word_of(record), word);
    weft__fd_close_end(record, closing);
    ck_assert_int_eq(weft__fd_adopt(&b, 0), 0);
    ck_assert_int_eq(weft__fd_why_not(record, word), -EBADF);
    ck_assert_int_eq(weft__error_of_gone(record, word, -EINTR), -ECANCELED);
    ck_assert_int_eq(weft__error_of_gone(record, word, -ECANCELED), -ECANCELED);
    ck_assert_int_eq(weft__error_of_gone(record, word, -ENOMEM), -ENOMEM);
    end();
}

static int receives(void *arg)
{
    char byte;

    return (int)weft_recv(*(int *)arg, &byte, 1, 0);
}

static int closes(void *arg)
{
    return weft_close(*(int *)arg);
}

/* The number becomes another reactor's while it is closed: who waits for those who use it hears of
   their end all the same. */
static int main_elsewhere(void *arg)
{
    struct weft__io elsewhere = *weft__io_of(weft__self);
    weft_task tasks[2];
    struct weft_spawn_opt opt = {.size = sizeof opt};
    int here, there, result;

    (void)arg;
    elsewhere.id = UINT32_C(0x7fffffff);
    net_pair(&here, &there);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        opt.task = &tasks[0];
        ok(weft_spawn(&s, receives, &here, sizeof here, &opt));
        ok(weft_sleep(1000000));
        opt.task = &tasks[1];
        ok(weft_spawn(&s, closes, &here, sizeof here, &opt));
        while (!weft__io_of(weft__self)->closers)
            ok(weft_yield());
        ck_assert_int_eq(dup2(STDERR_FILENO, here), here);
        ck_assert_int_eq(weft__fd_adopt(&elsewhere, here), 0);
        ck_assert_int_eq(weft_join(tasks[0], &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_int_eq(weft_join(tasks[1], &result), 0);
        ck_assert_int_eq(result, -EBADF);
    }
    ck_assert_ptr_null(weft__io_of(weft__self)->closers);
    ck_assert_int_eq(weft_close(here), -EXDEV); /* the next has it, and it is open */
    weft__fd_close_end(elsewhere.fds + here, weft__fd_word(&elsewhere, here));
    ok(close(here));
    return weft_close(there);
}

TEST(closed_behind_who_closes)
{
    net_run(main_elsewhere);
}

/* -- lost between two pieces -------------------------------------------------------------------
 */

enum { COPIED = 16 << 20 };

static struct copying {
    int from, to;
    off_t in, out;
    ssize_t result;
} copying;

static int copies(void *arg)
{
    (void)arg;
    copying.result =
        weft_copy_file_range(copying.from, &copying.in, copying.to, &copying.out, COPIED, 0);
    return 0;
}

/* A copy whose target's number becomes another's ends there: not with the piece that a worker may
   have already, and long before the last. */
static int main_copy(void *arg)
{
    int victim = memfd_create("victim", MFD_CLOEXEC);

    (void)arg;
    copying = (struct copying){memfd_create("from", MFD_CLOEXEC), memfd_create("to", MFD_CLOEXEC),
                               .result = -1};
    ck_assert_int_ge(victim, 0);
    ok(ftruncate(copying.from, COPIED));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, copies, NULL, 0, NULL));
        while (copying.out == 0)
            ok(weft_yield());
        ck_assert_int_eq(dup2(victim, copying.to), copying.to);
        ck_assert_int_eq(weft__fd_adopt(weft__io_of(weft__self), copying.to), 0);
    }
    ck_assert_int_eq(copying.result, copying.out);
    ck_assert_int_gt(copying.result, 0);
    ck_assert_int_lt(copying.result, COPIED / 2);
    ok(close(victim));
    ok(weft_close(copying.from));
    return weft_close(copying.to);
}

TEST(copied_to_another)
{
    net_run(main_copy);
}

/* One made after the other has the number after it, as a rule. */
TEST(neighbours_are_told_apart)
{
    enum { COUNT = 64 };
    uint32_t identities[COUNT];
    int fds[COUNT];

    for (int i = 0; i < COUNT; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ok(fds[i]);
        identities[i] = weft__fd_identity(fds[i]);
        ck_assert_uint_ne(identities[i], 0);
        for (int other = 0; other < i; other++)
            ck_assert_uint_ne(identities[other], identities[i]);
    }
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

/* What is passed along is noted of each descriptor, wherever it stands in the message, and of no
   other: neither behind the end of what is sent, nor where the kernel refuses it all. */
static union {
    struct cmsghdr header;
    char bytes[256];
} control;

enum { SCM_NONE = 99 }; /* no kernel has it */

static size_t put_header(size_t at, int type, const void *data, size_t size)
{
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(size),
                             .cmsg_level = SOL_SOCKET,
                             .cmsg_type = type};

    memcpy(control.bytes + at, &header, sizeof header);
    memcpy(control.bytes + at + CMSG_LEN(0), data, size);
    return at + CMSG_SPACE(size);
}

static ssize_t send_control(int fd, size_t size)
{
    struct iovec vector = {(void *)(uintptr_t) "x", 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = size};

    return weft_sendmsg(fd, &message, 0);
}

static bool passed(int fd)
{
    return weft__io_of(weft__self)->fds[fd].flags & WEFT__FD_PASSED;
}

static int main_passed(void *arg)
{
    struct ucred own = {getpid(), getuid(), getgid()};
    int ends[2], fds[4];
    size_t size;

    (void)arg;
    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    ok(weft_pipe(fds, 0));
    ok(weft_pipe(fds + 2, 0));
    (void)put_header(0, SCM_RIGHTS, fds, 2 * sizeof *fds);
    ck_assert_int_eq(send_control(ends[0], 1), 1); /* too short for a header: there is none */
    ck_assert_int_eq(send_control(ends[0], CMSG_LEN(sizeof *fds)), -EINVAL); /* longer than all */
    size = put_header(0, SCM_NONE, fds, 2 * sizeof *fds);
    ck_assert_int_eq(send_control(ends[0], size), -EINVAL);
    ck_assert(!passed(fds[0]) && !passed(fds[1]));
    size = put_header(0, SCM_CREDENTIALS, &own, sizeof own);
    size = put_header(size, SCM_RIGHTS, fds + 1, 2 * sizeof *fds);
    ck_assert_int_eq(send_control(ends[0], size), 1);
    ck_assert(!passed(fds[0]) && passed(fds[1]) && passed(fds[2]) && !passed(fds[3]));
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(weft_close(fds[i]), 0);
    ok(weft_close(ends[0]));
    return weft_close(ends[1]);
}

TEST(noted_when_passed)
{
    net_run(main_passed);
}

TEST_MAIN("fd", 10, first_use_owns, number_reused_before_the_close_returns, poisoned,
          used_by_its_own, beyond_the_table, closed_without_a_slot, closed_behind_our_back,
          closed_under_a_use, closed_behind_a_sender, another_closes_by_then,
          errors_of_what_is_gone, closed_behind_who_closes, copied_to_another,
          neighbours_are_told_apart, noted_when_passed)
