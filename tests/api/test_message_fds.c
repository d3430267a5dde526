/*
 * Descriptors passed where there is no room for them: all of them come or none, none is lost
 * silently, and none stays. Catches a message cut short and taken for whole, and a descriptor that
 * is forgotten because another one was bad.
 */
#include <sys/resource.h>

#include "support/name.h"
#include "support/net.h"

/* Both ends of a connection between Unix sockets, and a pipe. */
struct made {
    int ends[2], pipe[2];
};

static struct made make(void)
{
    const char *name = own_name("@weft-message-fds");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = (socklen_t)(sizeof(sa_family_t) + strlen(name));
    int listener = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    struct made made;

    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1); /* a 0 for the @ */
    ok(listener);
    ok(weft_bind(listener, (struct sockaddr *)&address, length));
    ok(weft_listen(listener, 5));
    made.ends[0] = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    ok(made.ends[0]);
    ok(weft_connect(made.ends[0], (struct sockaddr *)&address, length));
    made.ends[1] = weft_accept(listener, NULL, NULL, 0);
    ok(made.ends[1]);
    ok(weft_close(listener));
    ok(weft_pipe(made.pipe, 0));
    return made;
}

static void pass(const struct made *made, uint32_t count)
{
    int fds[WEFT_FDS_MAX];

    for (uint32_t i = 0; i < count; i++)
        fds[i] = made->pipe[1];
    ck_assert_int_eq(weft_send_fds(made->ends[0], "x", 1, fds, count), 1);
}

/* The writing end is open nowhere any more: none of its copies stays. */
static int unmake(const struct made *made)
{
    char byte;

    ok(weft_close(made->pipe[1]));
    ck_assert_int_eq(weft_read(made->pipe[0], &byte, 1), 0);
    ok(weft_close(made->pipe[0]));
    ok(weft_close(made->ends[0]));
    return weft_close(made->ends[1]);
}

/* Lets the process have `more` descriptors besides those it has. The limit before. */
static struct rlimit leave_room(rlim_t more)
{
    struct rlimit before, now;
    int next = dup(0);

    ok(next);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = (struct rlimit){(rlim_t)next + more, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

/* Room for none of them, and for some. */
static int main_no_more(void *arg)
{
    struct made made = make();
    char byte;

    (void)arg;
    for (rlim_t room = 0; room < 3; room++) {
        int got[4] = {-1, -1, -1, -1};
        uint32_t count = 4;
        struct rlimit before;
        pass(&made, 4);
        before = leave_room(room);
        ck_assert_int_eq(weft_recv_fds(made.ends[1], &byte, 1, got, &count), -EMFILE);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_uint_eq(count, 0);
        ck_assert_int_eq(got[0], -1); /* untouched */
    }
    return unmake(&made);
}
TEST(process_is_full)
{
    net_run(main_no_more);
}

/* More than the array has room for; as many; and bytes without any. */
static int main_array(void *arg)
{
    struct made made = make();
    int got[4], on = 1;
    uint32_t count;
    char byte;

    (void)arg;
    for (uint32_t came = 2; came <= 40; came += came < 12 ? 1 : 28) {
        count = 1;
        pass(&made, came);
        ck_assert_int_eq(weft_recv_fds(made.ends[1], &byte, 1, got, &count), -EMSGSIZE);
        ck_assert_uint_eq(count, 0);
    }
    pass(&made, 4);
    count = 4;
    ck_assert_int_eq(weft_recv_fds(made.ends[1], &byte, 1, got, &count), 1);
    ck_assert_uint_eq(count, 4);
    for (int i = 0; i < 4; i++)
        ok(weft_close(got[i]));
    /* who has sent it comes along, before the descriptors: nothing is missing for that */
    (void)weft_setsockopt(made.ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    for (uint32_t came = 0; came < 3; came++) {
        count = 1;
        if (came > 0)
            pass(&made, came);
        else
            ck_assert_int_eq(weft_send_all(made.ends[0], "x", 1, NULL), 1);
        ck_assert_int_eq(weft_recv_fds(made.ends[1], &byte, 1, got, &count),
                         came < 2 ? 1 : -EMSGSIZE);
        ck_assert_uint_eq(count, came % 2);
        if (count > 0)
            ok(weft_close(got[0]));
    }
    return unmake(&made);
}
TEST(array_is_full)
{
    net_run(main_array);
}

enum { PASSPIDFD = 76, PIDFD = 4 }; /* SO_, since 6.5, and SCM_ */

/* One that names the sender's process comes as well: nobody has asked for it in weft_recv_fds, nor
   is it one of those that were passed; weft_recvmsg gives it to the caller. */
static int main_pidfd(void *arg)
{
    struct made made = make();
    char byte, beside[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = beside,
                             .msg_controllen = sizeof beside};
    int got[4], on = 1;
    uint32_t length;
    bool comes = weft_setsockopt(made.ends[1], SOL_SOCKET, PASSPIDFD, &on, sizeof on) == 0;

    (void)arg;
    for (int round = 0; round < 2; round++) {
        for (uint32_t came = 0; came < 4; came++) {
            uint32_t count = 2;
            if (came > 0)
                pass(&made, came);
            else
                ck_assert_int_eq(weft_send_all(made.ends[0], "x", 1, NULL), 1);
            ck_assert_int_eq(weft_recv_fds(made.ends[1], &byte, 1, got, &count),
                             came < 3 ? 1 : -EMSGSIZE);
            ck_assert_uint_eq(count, came % 3);
            while (count > 0)
                ok(weft_close(got[--count]));
        }
        (void)weft_setsockopt(made.ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    }
    if (comes) {
        struct cmsghdr *header;
        ck_assert_int_eq(weft_send_all(made.ends[0], "x", 1, NULL), 1);
        ck_assert_int_eq(weft_recvmsg(made.ends[1], &message, 0), 1);
        for (header = CMSG_FIRSTHDR(&message); header->cmsg_type != PIDFD;)
            header = CMSG_NXTHDR(&message, header);
        memcpy(got, CMSG_DATA(header), sizeof got[0]);
        ok(weft_close(got[0]));
        ck_assert_int_eq(weft_send_all(made.ends[0], "x", 1, NULL), 1);
        ck_assert_int_eq(weft_recv_segments(made.ends[1], &byte, 1, &length, 0, NULL, NULL), 1);
    }
    return unmake(&made);
}
TEST(senders_process)
{
    net_run(main_pidfd);
}

/* What other options of the socket bring besides comes before the descriptors, and leaves them
   their room: by whom it was sent, with what label, and when. */
static int main_beside(void *arg)
{
    static const int options[] = {SO_TIMESTAMPNS, SO_PASSCRED, SO_PASSSEC, PASSPIDFD};
    struct made made;
    int got[2], on = 1;
    uint32_t count;
    char byte;

    (void)arg;
    made.ends[1] = weft_datagram_socket(own_name("unix:@weft-message-beside"), NULL, NULL);
    ok(made.ends[1]);
    made.ends[0] = weft_datagram_socket(NULL, own_name("unix:@weft-message-beside"), NULL);
    ok(made.ends[0]);
    ok(weft_pipe(made.pipe, 0));
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        (void)weft_setsockopt(made.ends[1], SOL_SOCKET, options[i], &on, sizeof on);
        for (uint32_t came = 1; came <= 3; came++) {
            pass(&made, came);
            count = 2;
            ck_assert_int_eq(weft_recv_fds(made.ends[1], &byte, 1, got, &count),
                             came < 3 ? 1 : -EMSGSIZE);
            ck_assert_uint_eq(count, came % 3);
            while (count > 0)
                ok(weft_close(got[--count]));
        }
    }
    return unmake(&made);
}
TEST(comes_beside)
{
    net_run(main_beside);
}

static int uses_it(void *arg)
{
    ck_assert_int_eq(weft_send(*(int *)arg, "y", 1, 0), -EXDEV);
    return 0;
}

/* A descriptor that was to be passed is none: the socket stays its reactor's. */
static int main_none(void *arg)
{
    struct weft_spawn_opt there = {.size = sizeof there, .reactor = WEFT_ON(1)};
    struct made made = make();

    (void)arg;
    ck_assert_int_eq(weft_send_fds(made.ends[0], "x", 1, (int[]){-1}, 1), -EBADF);
    WEFT_SCOPE(s)
        ok(weft_spawn(&s, uses_it, &made.ends[0], sizeof made.ends[0], &there));
    return unmake(&made);
}
TEST(socket_stays_ours)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_none, NULL, 0, &opt), 0);
}

TEST_MAIN("message_fds", 30, process_is_full, array_is_full, senders_process, comes_beside,
          socket_stays_ours)
