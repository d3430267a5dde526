/*
 * A descriptor belongs to the reactor that used it first; a number that turns out to be nobody's
 * descriptor must belong to none afterwards, or whoever is given that number next, on another
 * reactor, is refused what is his own. Each call that can find this out is made on such numbers:
 * one that weft has never heard of, and one that it made, and that was closed behind its back.
 */
#include "support/net.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static char memory[64];
static int good; /* a descriptor of the first reactor, for calls that take two */

static int told;

static void tell(int fd, int events, void *arg)
{
    (void)fd;
    (void)arg;
    told = events;
}

static ssize_t receives(int fd)
{
    return weft_recv(fd, memory, 1, 0);
}

static ssize_t sends(int fd)
{
    return weft_send(fd, memory, 1, 0);
}

static ssize_t reads(int fd)
{
    return weft_read(fd, memory, 1);
}

static ssize_t reads_at(int fd)
{
    return weft_pread(fd, memory, 1, 0);
}

static ssize_t accepts(int fd)
{
    return weft_accept(fd, NULL, NULL, 0);
}

static ssize_t shuts(int fd)
{
    return weft_shutdown(fd, SHUT_WR);
}

static ssize_t polls(int fd)
{
    return weft_poll(fd, POLLIN);
}

static ssize_t copies_from(int fd)
{
    return weft_copy_file_range(fd, NULL, good, NULL, 1, 0);
}

static ssize_t copies_to(int fd)
{
    return weft_copy_file_range(good, NULL, fd, NULL, 1, 0);
}

static ssize_t lists(int fd)
{
    return weft_getdents64(fd, memory, sizeof memory);
}

static ssize_t sends_message(int fd)
{
    struct iovec vector = {memory, 1};

    return weft_sendmsg(fd, &(struct msghdr){.msg_iov = &vector, .msg_iovlen = 1}, 0);
}

static ssize_t connects(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};

    return weft_connect(fd, (struct sockaddr *)&address, sizeof address);
}

static ssize_t moves(int fd)
{
    return weft_fd_move(fd);
}

static ssize_t splices_from(int fd)
{
    return weft_splice(fd, NULL, good, NULL, 1, 0);
}

static ssize_t splices_to(int fd)
{
    return weft_splice(good, NULL, fd, NULL, 1, 0);
}

static ssize_t opens_a_stream(int fd)
{
    weft_stream *stream;

    return weft_stream_open(fd, NULL, &stream);
}

static ssize_t syncs(int fd)
{
    return weft_fsync(fd);
}

static void released(void *arg)
{
    ++*(int *)arg;
}

static ssize_t gives(int fd)
{
    int releases = 0;
    ssize_t n = weft_send_give(fd, memory, 1, NULL, released, &releases);

    ck_assert_int_eq(releases, 1);
    return n;
}

static ssize_t makes_a_file(int fd)
{
    weft_file *file;

    return weft_file_from_fd(fd, NULL, &file);
}

static ssize_t watches(int fd)
{
    return weft_add_reader(fd, tell, NULL);
}

static ssize_t connects_nowait(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};

    return weft_connect_nowait(fd, (struct sockaddr *)&address, sizeof address);
}

static ssize_t receives_nowait(int fd)
{
    return weft_recvfrom_nowait(fd, memory, 1, 0, NULL, NULL);
}

static ssize_t sends_nowait(int fd)
{
    return weft_sendto_nowait(fd, memory, 1, 0, NULL, 0);
}

static ssize_t closes_nowait(int fd)
{
    return weft_close_nowait(fd);
}

static const struct {
    const char *name;
    ssize_t (*on)(int fd);
} calls[] = {{"recv", receives},
             {"send", sends},
             {"send_give", gives},
             {"read", reads},
             {"pread", reads_at},
             {"accept", accepts},
             {"shutdown", shuts},
             {"poll", polls},
             {"getdents64", lists},
             {"sendmsg", sends_message},
             {"connect", connects},
             {"fd_move", moves},
             {"splice from", splices_from},
             {"splice to", splices_to},
             {"stream_open", opens_a_stream},
             {"copy_file_range from", copies_from},
             {"copy_file_range to", copies_to},
             {"fsync", syncs},
             {"file_from_fd", makes_a_file},
             {"add_reader", watches},
             {"connect_nowait", connects_nowait},
             {"recvfrom_nowait", receives_nowait},
             {"sendto_nowait", sends_nowait},
             {"close_nowait", closes_nowait}};

/* On the other reactor. */
static int is_nobodys(void *arg)
{
    return (int)weft_recv(*(int *)arg, memory, 1, 0);
}

static int never_heard_of(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int heard_of(void)
{
    return weft_socket(AF_UNIX, SOCK_STREAM, 0);
}

static void try_each(int (*make)(void), const int pipes[2])
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int number = make(), result;

        ck_assert_int_ge(number, 0);
        ck_assert_int_eq(close(number), 0);
        good = calls[i].on == splices_from ? pipes[1] : pipes[0];
        told = 0;
        result = (int)calls[i].on(number);
        if (calls[i].on == watches && result == 0) { /* its callback is told, in a turn to come */
            while (told == 0)
                ok(weft_yield());
            result = told;
        }
        ck_assert_msg(result == -EBADF, "%s: %d", calls[i].name, result);
        result = weft_call(1, is_nobodys, &number, sizeof number);
        ck_assert_msg(result == -EBADF, "%s has kept what is nobody's: %d", calls[i].name, result);
    }
}

static int main_forgotten(void *arg)
{
    int pipes[2];

    (void)arg;
    ck_assert_int_eq(pipe(pipes), 0);
    try_each(never_heard_of, pipes);
    try_each(heard_of, pipes);
    ok(weft_close(pipes[0]));
    ok(weft_close(pipes[1]));
    return 0;
}
TEST(a_wrong_number_is_forgotten)
{
    ck_assert_int_eq(weft_run(main_forgotten, NULL, 0,
                              &(struct weft_run_opt){.size = sizeof(struct weft_run_opt),
                                                     .reactors = 2}),
                     0);
}

TEST_MAIN("fd_forgotten", 30, a_wrong_number_is_forgotten)
