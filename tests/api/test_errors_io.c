/*
 * Errors that the headers promise of calls on descriptors, files and connections, and that no other
 * test asks for. Would catch one that is told as another, a call that waits where it should refuse,
 * and a simulated kernel that answers otherwise than the machine's.
 */
#include "support/file.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#include "sync.h"

#include "blocked.h"

static void until_it_waits(weft_task task)
{
    while (strcmp(sync_waits_for(task), "ready") == 0)
        same(weft_yield(), 0);
}

/* Calls fn(arg) in a task, and cancels it once it waits. What it answered. */
static int cancelled(weft_task_fn fn, void *arg)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int result = 0;

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, fn, arg, 0, &opt));
        until_it_waits(task);
        same(weft_cancel(task), 1);
        same(weft_join(task, &result), 0);
    }
    return result;
}

/* -- files ------------------------------------------------------------------------------------- */

static int positions_main(void *arg)
{
    char byte = 0;
    struct iovec vector = {&byte, 1};
    weft_file *file;

    (void)arg;
    up_pipe();
    same(weft_preadv(ends[0], &vector, 1, 0), -ESPIPE);
    same(weft_pwritev(ends[1], &vector, 1, 0), -ESPIPE);
    same(weft_file_from_fd(ends[0], NULL, &file), -ESPIPE);
    end_pair();
    return 0;
}
TEST(positions)
{
    same(weft_run(positions_main, NULL, 0, NULL), 0);
}

static bool seen; /* that it is busy */

/* Again and again, until either has come while the other was at it. */
static int lists(void *arg)
{
    _Alignas(8) char buffer[512];

    (void)arg;
    while (!seen) {
        ssize_t n = weft_getdents64(folder, buffer, sizeof buffer);
        ck_assert(n >= 0 || n == -EBUSY);
        seen |= n == -EBUSY;
        same(weft_yield(), 0);
    }
    return 0;
}

/* "-EBUSY another task reads from the descriptor." */
static int listing_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, lists, NULL, 0, NULL));
        same(lists(NULL), 0);
    }
    return 0;
}
TEST(listing)
{
    file_run(listing_main);
}

static int memory_main(void *arg)
{
    (void)arg;
    same(weft_madvise((void *)0x10000, 4096, MADV_DONTNEED), -ENOMEM); /* nothing is ever there */
    same(weft_madvise((void *)0x10001, 4096, MADV_DONTNEED), -EINVAL); /* no beginning of a page */
    same(weft_madvise((void *)0x10000, 4096, 9999), -EINVAL);
    return 0;
}
TEST(memory)
{
    same(weft_run(memory_main, NULL, 0, NULL), 0);
}

/* By path: what is so of a descriptor is asked by test_xattr. */
static int attributes_main(void *arg)
{
    static char much[65537], name[300];
    char path[128], value[4];
    int error;

    (void)arg;
    file_put("a", "");
    snprintf(path, sizeof path, "%s/a", folder_path);
    memset(name, 'x', sizeof name - 1);
    memcpy(name, "user.", 5);
    error = weft_setxattr(path, "user.kept", "value", 5, XATTR_REPLACE);
    if (error == -EOPNOTSUPP) /* this file system has none */
        return 0;
    same(error, -ENODATA);
    same(weft_setxattr(path, "user.kept", "value", 5, XATTR_CREATE), 0);
    same(weft_setxattr(path, "user.kept", "value", 5, XATTR_CREATE), -EEXIST);
    same(weft_getxattr(path, "user.kept", value, sizeof value), -ERANGE);
    same(weft_getxattr(path, name, value, sizeof value), -ERANGE);
    same(weft_setxattr(path, name, "x", 1, 0), -ERANGE);
    same(weft_setxattr(path, "user.much", much, sizeof much, 0), -E2BIG);
    same(weft_getxattr(path, "none", value, sizeof value), -EOPNOTSUPP);
    same(weft_getxattr(path, "user.none", value, sizeof value), -ENODATA);
    return 0;
}
TEST(attributes)
{
    file_run(attributes_main);
}

static int watches_main(void *arg)
{
    static char path[8192];
    weft_watch *watch;

    (void)arg;
    same(weft_watch_open(&watch), 0);
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    same(weft_watch_add(watch, path, WEFT_WATCH_ALL), -ENAMETOOLONG);
    same(weft_symlinkat("round", folder, "round"), 0);
    snprintf(path, sizeof path, "%s/round", folder_path);
    same(weft_watch_add(watch, path, WEFT_WATCH_ALL), -ELOOP);
    return weft_watch_close(watch);
}
TEST(watches)
{
    file_run(watches_main);
}

/* -- words ------------------------------------------------------------------------------------- */

static uint32_t words[2];

static int waits_for_word(void *arg)
{
    (void)arg;
    return weft_futex_wait_until(words, 0, 0, weft_after_ns(HOUR));
}

static int words_main(void *arg)
{
    (void)arg;
    same(weft_futex_wait_until((char *)words + 1, 0, 0, weft_after_ns(HOUR)), -EINVAL);
    same(weft_futex_wait_until(words, 0, 1 << 30, weft_after_ns(HOUR)), -EINVAL);
    same(weft_futex_wait_until(words, 1, 0, weft_after_ns(HOUR)), -EAGAIN);
    same(weft_futex_wait_until(words, 0, 0, weft_after_ms(1)), -ETIMEDOUT);
    same(cancelled(waits_for_word, NULL), -ECANCELED);
    return 0;
}
TEST(futex)
{
    same(weft_futex_wait_until(words, 0, 0, weft_after_ms(1)), -EPERM); /* outside */
    same(weft_run(words_main, NULL, 0, NULL), 0);
}

/* -- sockets ----------------------------------------------------------------------------------- */

/* A port of 127.0.0.1 where nobody is, held by *fd. */
static struct sockaddr_in nobody(int type, int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;

    *fd = weft_socket(AF_INET, type, 0);
    ok(*fd);
    same(weft_bind(*fd, (struct sockaddr *)&address, length), 0);
    same(weft_getsockname(*fd, (struct sockaddr *)&address, &length), 0);
    return address;
}

static int connecting_main(void *arg)
{
    int held, fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = nobody(SOCK_STREAM, &held);

    (void)arg;
    same(weft_connect_until(fd, (struct sockaddr *)&address, sizeof address, weft_after_ns(HOUR)),
         -ECONNREFUSED);
    same(weft_connect_until(fd, (struct sockaddr *)&address, sizeof address, weft_after_ns(HOUR)),
         -ENOTCONN); /* of no use any more */
    same(weft_close(fd), 0);
    same(weft_close(held), 0);
    net_pair(&fd, &held);
    address.sin_port = htons(9);
    same(weft_connect_until(fd, (struct sockaddr *)&address, sizeof address, weft_after_ns(HOUR)),
         -EISCONN);
    same(weft_close(fd), 0);
    same(weft_close(held), 0);
    return 0;
}
TEST(connecting)
{
    same(weft_run(connecting_main, NULL, 0, NULL), 0);
}

static int receives(void *arg)
{
    char byte;

    (void)arg;
    return (int)weft_recv(ends[1], &byte, 1, 0);
}

static int transfers_main(void *arg)
{
    char byte = 0;

    (void)arg;
    up_pair();
    same(weft_recv_until(ends[1], &byte, 1, MSG_DONTWAIT, weft_after_ns(HOUR)), -EAGAIN);
    same(cancelled(receives, NULL), -ECANCELED);
    same(weft_shutdown(ends[0], SHUT_WR), 0);
    same(weft_send_until(ends[0], "x", 1, 0, weft_after_ns(HOUR)), -EPIPE);
    end_pair();
    return 0;
}
TEST(transfers)
{
    same(weft_run(transfers_main, NULL, 0, NULL), 0);
}

/* Nowhere to send it to; to where nobody is, which is told by the next call. */
static int datagrams_main(void *arg)
{
    struct iovec vector = {"x", 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    int held, fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = nobody(SOCK_DGRAM, &held), other = address;
    char byte;

    (void)arg;
    same(weft_sendto(fd, "x", 1, 0, NULL, 0), -EDESTADDRREQ);
    same(weft_sendmsg(fd, &message, 0), -EDESTADDRREQ);
    same(weft_sendto(-1, "x", 1, 0, NULL, 0), -EBADF);
    other.sin_port = htons(9);
    same(weft_connect(held, (struct sockaddr *)&other, sizeof other), 0); /* hears that one alone */
    same(weft_connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    same(weft_sendmsg(fd, &message, 0), 1);
    vector.iov_base = &byte;
    same(weft_recvmsg(fd, &message, 0), -ECONNREFUSED);
    same(weft_close(fd), 0);
    same(weft_close(held), 0);
    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    same(weft_sendto(fd, "x", 1, 0, NULL, 0), -EPIPE); /* as send(2) has it of TCP */
    same(weft_close(fd), 0);
    return 0;
}
TEST(datagrams)
{
    same(weft_run(datagrams_main, NULL, 0, NULL), 0);
}

static int addresses_main(void *arg)
{
    char text[256] = "unix:/tmp/";
    weft_stream *stream;

    (void)arg;
    memset(text + 10, 'x', sizeof text - 11);
    same(weft_datagram_socket(text, NULL, NULL), -ENAMETOOLONG);
    same(weft_open_connection(text, NULL, &stream), -ENAMETOOLONG);
    same(weft_datagram_socket("203.0.113.1:0", NULL, NULL), -EADDRNOTAVAIL);
    return 0;
}
TEST(addresses)
{
    same(weft_run(addresses_main, NULL, 0, NULL), 0);
}

/* -- waits that a drain ends --------------------------------------------------------------------
 */

static int polls(void *arg)
{
    (void)arg;
    return weft_poll(ends[1], POLLIN | WEFT_IDLE);
}
static int polls_until(void *arg)
{
    (void)arg;
    return weft_poll_until(ends[0], POLLIN | WEFT_IDLE, weft_after_ns(HOUR));
}

static int drained_main(void *arg)
{
    weft_task_fn fns[] = {polls, polls_until};

    (void)arg;
    up_pair();
    for (int i = 0; i < 2; i++) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        int result = 0;
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            ok(weft_spawn(&s, fns[i], NULL, 0, &opt));
            until_it_waits(task);
            (void)weft_scope_drain(&s, weft_after_ns(HOUR), weft_after_ns(HOUR));
            same(weft_join(task, &result), 0);
            same(result, -ESHUTDOWN);
        }
    }
    end_pair();
    return 0;
}
TEST(drained)
{
    same(weft_run(drained_main, NULL, 0, NULL), 0);
}

/* -- out of descriptors --------------------------------------------------------------------------
 */

/* Whatever makes one says so, and leaves nothing behind. */
static void ask_for_descriptors(int file, int socket)
{
    static const int number = SIGUSR1;
    static const char *const none[] = {"/bin/true", NULL};
    struct weft_process_opt opt = {.size = sizeof opt, .out = WEFT_PIPE};
    weft_process *process;
    weft_watch *watch;
    weft_file *object;
    off_t from = 0;

    same(weft_pipe(others, 0), -EMFILE);
    same(weft_socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
    same(weft_socket_nowait(AF_INET, SOCK_STREAM, 0), -EMFILE);
    same(weft_datagram_socket("127.0.0.1:0", NULL, NULL), -EMFILE);
    same(weft_listen_tcp("127.0.0.1:0", NULL), -EMFILE);
    same(weft_open("/", O_RDONLY | O_DIRECTORY, 0), -EMFILE);
    same(weft_file_open("/", O_RDONLY, 0, NULL, &object), -EMFILE);
    same(weft_watch_open(&watch), -EMFILE);
    same(weft_signals_open(&number, 1, &the_signals), -EMFILE);
    same(weft_create_subprocess_exec(none, &opt, &process), -EMFILE);
    same(weft_sendfile(socket, file, &from, 1), -EMFILE);
    same(from, 0);
}

static int no_descriptors_main(void *arg)
{
    struct rlimit limit, low;
    int file = file_new("file");

    (void)arg;
    same(weft_write_all(file, "x", 1, NULL), 1);
    up_pair();
    same(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 3;
    same(setrlimit(RLIMIT_NOFILE, &low), 0);
    ask_for_descriptors(file, ends[0]);
    same(setrlimit(RLIMIT_NOFILE, &limit), 0);
    same(weft_close(file), 0);
    up_signals(); /* they are free */
    end_signals();
    end_pair();
    return 0;
}
TEST(no_descriptors)
{
    file_run(no_descriptors_main);
}

/* -- streams, processes -------------------------------------------------------------------------
 */

static int drains(void *arg)
{
    (void)arg;
    return weft_stream_drain(the_stream);
}

static int streams_main(void *arg)
{
    char line[8];

    (void)arg;
    up_pending_stream();
    same(cancelled(drains, NULL), -ECANCELED);
    same(weft_close(ends[1]), 0); /* with bytes unread: a reset */
    ck_assert(weft_stream_drain(the_stream) < 0);
    same(weft_stream_abort(the_stream), 0);
    up_stream();
    same(weft_send_all(ends[0], "ab", 2, NULL), 2);
    same(weft_shutdown(ends[0], SHUT_WR), 0);
    same(weft_stream_read_until(the_stream, "c", 1, line, sizeof line, 0), -ENODATA);
    same(weft_stream_read(the_stream, line, sizeof line, 0), 2);
    end_stream();
    return 0;
}
TEST(streams)
{
    same(weft_run(streams_main, NULL, 0, NULL), 0);
}

static int communicates(void *arg)
{
    struct weft_process_output output = {.limit = 0};
    int result = weft_process_communicate(the_process, NULL, 0, &output, NULL);

    (void)arg;
    same(weft_process_output_free(&output), 0);
    return result;
}

static int processes_main(void *arg)
{
    (void)arg;
    up_process();
    same(weft_process_send_signal(the_process, 1000), -EINVAL);
    WEFT_SCOPE(s) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        int result = 0;
        ok(weft_spawn(&s, communicates, NULL, 0, &opt));
        until_it_waits(task);
        same(communicates(NULL), -EBUSY);
        same(weft_cancel(task), 1);
        same(weft_join(task, &result), 0);
        same(result, -ECANCELED); /* and the process goes on */
    }
    complete_process();
    same(weft_process_wait(the_process, NULL), 0);
    same(weft_process_terminate(the_process), -ESRCH);
    same(weft_process_send_signal(the_process, SIGUSR1), -ESRCH);
    end_process();
    return 0;
}
TEST(processes)
{
    same(weft_run(processes_main, NULL, 0, NULL), 0);
}

TEST_MAIN("errors_io", 60, positions, listing, memory, attributes, watches, futex, connecting,
          transfers, datagrams, addresses, drained, no_descriptors, streams, processes)
