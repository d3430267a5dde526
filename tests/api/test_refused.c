/*
 * Every call that suspends and reaches the operating system, inside of a scope that was cancelled,
 * and of one whose deadline has passed: each says -ECANCELED, and why, and has had no effect. Would
 * catch a call that begins before it looks, and one that makes something and loses it.
 *
 * Not here: what always finishes (closing, draining), and calls through a file object that find
 * what they are asked for at hand. Of names: tests/names.
 */
#include <linux/futex.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "blocked.h"
#include "support/file.h"

static enum weft_cause why;

#define REFUSED(call)                                                                              \
    do {                                                                                           \
        int64_t refused_ = (call);                                                                 \
        ck_assert_msg(refused_ == -ECANCELED, "%s: %d", #call, (int)refused_);                     \
        ck_assert_msg(weft_cause() == why, "%s, and %d for a cause", #call, (int)weft_cause());    \
    } while (0)

static char bytes[64];
static struct iovec vector = {bytes, sizeof bytes};
static size_t done;
static off_t at;
static int a_file, pair[2], packets[2], fresh[2];
static weft_stream *streams[2];
static weft_file *object;
static weft_server *server;

/* -- bytes of a descriptor --------------------------------------------------------------------- */

static void reading_and_writing(void)
{
    REFUSED(weft_read(a_file, bytes, 1));
    REFUSED(weft_readv(a_file, &vector, 1));
    REFUSED(weft_write(a_file, "x", 1));
    REFUSED(weft_writev(a_file, &vector, 1));
    REFUSED(weft_pread(a_file, bytes, 1, 0));
    REFUSED(weft_pwrite(a_file, "x", 1, 0));
    REFUSED(weft_preadv(a_file, &vector, 1, 0));
    REFUSED(weft_pwritev(a_file, &vector, 1, 0));
    REFUSED(weft_read_exactly(a_file, bytes, 1, &done));
    REFUSED(weft_write_all(a_file, "x", 1, &done));
    REFUSED(weft_pread_exactly(a_file, bytes, 1, 0, &done));
    REFUSED(weft_pwrite_all(a_file, "x", 1, 0, &done));
    REFUSED(weft_readv_exactly(a_file, &vector, 1, &done));
    REFUSED(weft_writev_all(a_file, &vector, 1, &done));
    REFUSED(weft_preadv_exactly(a_file, &vector, 1, 0, &done));
    REFUSED(weft_pwritev_all(a_file, &vector, 1, 0, &done));
    REFUSED(weft_splice(ends[0], NULL, pair[0], NULL, 1, 0));
    REFUSED(weft_tee(ends[0], others[1], 1, 0));
    REFUSED(weft_sendfile(pair[0], a_file, &at, 1));
    REFUSED(weft_copy_file_range(a_file, &at, a_file, &(off_t){4}, 4, 0));
    REFUSED(weft_poll(pair[0], POLLOUT));
    REFUSED(weft_poll_until(pair[0], POLLOUT, WEFT_NEVER));
}

/* -- files ------------------------------------------------------------------------------------- */

static void files(void)
{
    static _Alignas(4096) char page[4096];
    struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0600};
    char path[128];
    struct statx status;
    weft_file *other;

    snprintf(path, sizeof path, "%s/b", folder_path);
    REFUSED(weft_open(path, O_RDWR | O_CREAT, 0600));
    REFUSED(weft_openat(folder, "b", O_RDWR | O_CREAT, 0600));
    REFUSED(weft_openat2(folder, "b", &how, sizeof how));
    REFUSED(weft_file_open(path, O_RDWR | O_CREAT, 0600, NULL, &other));
    REFUSED(weft_fsync(a_file));
    REFUSED(weft_fdatasync(a_file));
    REFUSED(weft_ftruncate(a_file, 0));
    REFUSED(weft_fallocate(a_file, 0, 0, 100));
    REFUSED(weft_sync_file_range(a_file, 0, 0, SYNC_FILE_RANGE_WRITE));
    REFUSED(weft_fadvise(a_file, 0, 0, POSIX_FADV_WILLNEED));
    REFUSED(weft_madvise(page, sizeof page, MADV_WILLNEED));
    REFUSED(weft_statx(folder, "a", 0, STATX_SIZE, &status));
    REFUSED(weft_renameat(folder, "a", folder, "b"));
    REFUSED(weft_renameat2(folder, "a", folder, "b", 0));
    REFUSED(weft_unlinkat(folder, "a", 0));
    REFUSED(weft_mkdirat(folder, "b", 0700));
    REFUSED(weft_symlinkat("a", folder, "b"));
    REFUSED(weft_linkat(folder, "a", folder, "b", 0));
    REFUSED(weft_getdents64(folder, bytes, sizeof bytes));
    snprintf(path, sizeof path, "%s/a", folder_path);
    REFUSED(weft_setxattr(path, "user.x", "x", 1, 0));
    REFUSED(weft_fsetxattr(a_file, "user.x", "x", 1, 0));
    REFUSED(weft_getxattr(path, "user.x", bytes, sizeof bytes));
    REFUSED(weft_fgetxattr(a_file, "user.x", bytes, sizeof bytes));
    REFUSED(weft_watch_add(the_watch, path, WEFT_WATCH_ALL));
    REFUSED(weft_watch_next(the_watch, NULL, 0));
}

static void file_objects(void)
{
    const void *data;
    size_t size;

    REFUSED(weft_file_read(object, bytes, 1));
    REFUSED(weft_file_read_exactly(object, bytes, 1, &done));
    REFUSED(weft_file_read_until(object, "k", 1, bytes, sizeof bytes));
    REFUSED(weft_file_read_line(object, bytes, sizeof bytes));
    REFUSED(weft_file_peek(object, &data, &size));
    REFUSED(weft_file_write(object, "x", 1, &done));
    REFUSED(weft_file_pread(object, bytes, 1, 0));
    REFUSED(weft_file_pwrite(object, "x", 1, 0, &done));
    REFUSED(weft_file_seek(object, 0, SEEK_END));
}

/* -- sockets ----------------------------------------------------------------------------------- */

static void nothing_to_release(void *arg)
{
    ++*(int *)arg;
}

static void connecting(void)
{
    struct sockaddr *to = (struct sockaddr *)&the_address;

    REFUSED(weft_bind(fresh[0], to, the_length));
    REFUSED(weft_listen_tcp("127.0.0.1:0", NULL));
    REFUSED(weft_bind(fresh[0], to, the_length));
    REFUSED(weft_connect(fresh[0], to, the_length));
    REFUSED(weft_connect_until(fresh[0], to, the_length, WEFT_NEVER));
    REFUSED(weft_connect_tcp("127.0.0.1:9", NULL));
    REFUSED(weft_accept(the_listener, NULL, NULL, 0));
    REFUSED(weft_accept_until(the_listener, NULL, NULL, 0, WEFT_NEVER));
    REFUSED(weft_datagram_socket("127.0.0.1:0", NULL, NULL));
    REFUSED(weft_shutdown(pair[0], SHUT_WR));
}

static void sending(void)
{
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    int released = 0;

    REFUSED(weft_send(pair[0], "x", 1, 0));
    REFUSED(weft_send_until(pair[0], "x", 1, 0, WEFT_NEVER));
    REFUSED(weft_send_all(pair[0], "x", 1, &done));
    REFUSED(weft_send_all_until(pair[0], "x", 1, &done, WEFT_NEVER));
    REFUSED(weft_send_give(pair[0], "x", 1, &done, nothing_to_release, &released));
    REFUSED(
        weft_send_give_until(pair[0], "x", 1, &done, nothing_to_release, &released, WEFT_NEVER));
    same(released, 2);
    REFUSED(weft_sendto(packets[0], "x", 1, 0, NULL, 0));
    REFUSED(weft_sendmsg(packets[0], &message, 0));
    REFUSED(weft_send_segments(packets[0], "x", 1, 1, NULL, 0, &done));
    REFUSED(weft_send_fds(pair[0], "x", 1, &a_file, 1));
}

static void receiving(void)
{
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    uint32_t segment, count = 1;
    int fd;

    REFUSED(weft_recv(pair[1], bytes, 1, 0));
    REFUSED(weft_recv_until(pair[1], bytes, 1, 0, WEFT_NEVER));
    REFUSED(weft_recv_exactly(pair[1], bytes, 1, &done));
    REFUSED(weft_recvfrom(packets[1], bytes, 1, 0, NULL, NULL));
    REFUSED(weft_recvmsg(packets[1], &message, 0));
    REFUSED(weft_recv_segments(packets[1], bytes, 1, &segment, 0, NULL, NULL));
    REFUSED(weft_recv_fds(pair[1], bytes, 1, &fd, &count));
}

/* -- streams, servers, protocols --------------------------------------------------------------- */

static void stream_calls(void)
{
    weft_stream *stream = streams[0];
    const void *data;
    size_t size;
    int released = 0;

    REFUSED(weft_stream_read(stream, bytes, 1, 0));
    REFUSED(weft_stream_read_until_time(stream, bytes, 1, 0, WEFT_NEVER));
    REFUSED(weft_stream_read_exactly(stream, bytes, 1, &done));
    REFUSED(weft_stream_read_until(stream, "x", 1, bytes, sizeof bytes, 0));
    REFUSED(weft_stream_read_line(stream, bytes, sizeof bytes, 0));
    REFUSED(weft_stream_peek(stream, &data, &size, 0));
    REFUSED(weft_stream_write(stream, "x", 1, &done));
    REFUSED(weft_stream_writev(stream, &vector, 1, &done));
    REFUSED(weft_stream_write_give(stream, "x", 1, &done, nothing_to_release, &released));
    same(released, 1);
    REFUSED(weft_stream_give(stream, streams[1], 1)); /* of which a view is lent */
    REFUSED(weft_stream_splice(stream, stream, 1, 0));
    REFUSED(weft_stream_drain(stream));
    REFUSED(weft_stream_shutdown(stream));
    REFUSED(weft_stream_detach(stream));
}

static int serves(weft_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    return 0;
}

static const struct weft_protocol protocol = {.size = sizeof protocol};
static const struct weft_datagram_protocol datagrams = {.size = sizeof datagrams};

static void servers(void)
{
    weft_stream *stream;
    weft_server *other;
    weft_transport *transport;
    weft_endpoint *endpoint;
    uint32_t count = 1;
    int fd;

    REFUSED(weft_open_connection("127.0.0.1:9", NULL, &stream));
    REFUSED(weft_open_unix_connection("@weft-nobody", NULL, &stream));
    REFUSED(weft_start_server(&other, "127.0.0.1:0", serves, NULL, NULL));
    REFUSED(weft_start_unix_server(&other, "@weft-refused", serves, NULL, NULL));
    REFUSED(weft_server_wait(server));
    REFUSED(weft_create_connection("127.0.0.1:9", &protocol, NULL, NULL, &transport));
    REFUSED(weft_create_unix_connection("@weft-nobody", &protocol, NULL, NULL, &transport));
    REFUSED(weft_create_server(&other, "127.0.0.1:0", &protocol, NULL, NULL));
    REFUSED(weft_create_unix_server(&other, "@weft-refused", &protocol, NULL, NULL));
    REFUSED(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &datagrams, NULL, NULL));
    REFUSED(weft_hand_over(pair[0], &the_listener, 1));
    REFUSED(weft_hand_over_until(pair[0], &the_listener, 1, WEFT_NEVER));
    REFUSED(weft_take_over(pair[0], &fd, &count));
}

/* -- processes, signals, words ----------------------------------------------------------------- */

static void processes(void)
{
    static const char *const arguments[] = {"/bin/true", NULL};
    static const uint32_t word;
    struct weft_process_output output = {.limit = 0};
    weft_process *process;
    siginfo_t info;

    REFUSED(weft_create_subprocess_exec(arguments, NULL, &process));
    REFUSED(weft_create_subprocess_shell("true", NULL, &process));
    REFUSED(weft_process_wait(the_process, NULL));
    REFUSED(weft_process_communicate(the_process, NULL, 0, &output, NULL));
    REFUSED(weft_waitid(P_PID, weft_process_pid(the_process), &info, WEXITED | WNOWAIT));
    REFUSED(weft_signals_wait(the_signals, NULL));
    REFUSED(weft_signal_wait(SIGUSR2, NULL));
    REFUSED(weft_futex_wait(&word, 0, FUTEX_PRIVATE_FLAG));
    REFUSED(weft_futex_wait_until(&word, 0, FUTEX_PRIVATE_FLAG, WEFT_NEVER));
}

/* -- around them ------------------------------------------------------------------------------- */

/* Two pairs of sockets that are told apart from `ends`. */
static void take_pair(int fds[2], void (*up)(void))
{
    up();
    memcpy(fds, ends, sizeof ends);
}

static void set_up(void)
{
    int stream_ends[2][2];
    const void *data;
    size_t size;

    a_file = file_new("a");
    same(weft_pwrite_all(a_file, "kept", 4, 0, NULL), 4);
    same(weft_file_from_fd(weft_openat(folder, "a", O_RDWR, 0), NULL, &object), 0);
    take_pair(pair, up_pair);
    take_pair(packets, up_datagrams);
    for (int i = 0; i < 2; i++) {
        take_pair(stream_ends[i], up_pair);
        same(weft_stream_open(ends[0], NULL, &streams[i]), 0);
        fresh[i] = ends[1];
        same(weft_send(ends[1], "come", 4, 0), 4);
    }
    same(weft_stream_peek(streams[1], &data, &size, 0), 1);
    up_pipes();
    same(weft_write(ends[1], "piped", 5), 5);
    up_listener();
    same(weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL), 0);
    up_process();
    up_signals();
    up_watch();
}

/* What was there is there, and nothing else. */
static void nothing_happened(void)
{
    same(at, 0);
    same((int)done, 0);
    ck_assert_str_eq(file_text("a"), "kept");
    ck_assert_str_eq(file_text("b"), "(none)");
    same(weft_recv(pair[1], bytes, 1, MSG_DONTWAIT), -EAGAIN);
    same(weft_recv(packets[1], bytes, 1, MSG_DONTWAIT), -EAGAIN);
    same(weft_recv(fresh[0], bytes, 1, MSG_DONTWAIT), -EAGAIN);
    same(weft_stream_read(streams[0], bytes, sizeof bytes, 0), 4);
    same(weft_stream_consume(streams[1], 4), 0);
    same(weft_read(ends[0], bytes, sizeof bytes), 5);
    same(weft_file_tell(object), 0);
    same(weft_server_serving(server), 1);
    same(weft_process_poll(the_process, NULL), 0);
}

static void take_down(void)
{
    for (int i = 0; i < 2; i++) {
        same(weft_stream_abort(streams[i]), 0);
        same(weft_close(fresh[i]), 0);
        same(weft_close(pair[i]), 0);
        same(weft_close(packets[i]), 0);
    }
    end_pipes();
    end_listener();
    same(weft_server_close(server), 0);
    end_process();
    end_signals();
    end_watch();
    same(weft_file_close(object), 0);
    same(weft_close(a_file), 0);
}

static void call_all(void)
{
    reading_and_writing();
    files();
    file_objects();
    connecting();
    sending();
    receiving();
    stream_calls();
    servers();
    processes();
}

static int cancelled_main(void *arg)
{
    weft_scope scope;

    (void)arg;
    why = WEFT_CAUSE_CANCEL;
    set_up();
    same(weft_scope_open(&scope, NULL), 0);
    same(weft_scope_cancel(&scope), 1);
    call_all();
    same(weft_scope_close(&scope), 0);
    nothing_happened();
    take_down();
    return 0;
}
TEST(cancelled)
{
    file_run(cancelled_main);
}

static int late_main(void *arg)
{
    weft_scope scope;

    (void)arg;
    why = WEFT_CAUSE_DEADLINE;
    set_up();
    same(weft_timeout_at(&scope, 1), 0);
    call_all();
    same(weft_scope_close(&scope), -ETIMEDOUT);
    nothing_happened();
    take_down();
    return 0;
}
TEST(too_late)
{
    file_run(late_main);
}

TEST_MAIN("refused", 60, cancelled, too_late)
