/*
 * Each call is told each error that its request may have for want of something, or of its peer: the
 * table of sim/legal.h, which is the manual's, row by row and error by error. Each error is told as
 * it is, with no cause of ours, and the call made again does what it is for. Would catch an error
 * that a call takes for another, keeps to itself, or stumbles over; one that leaves a descriptor or
 * a use of one behind; and a row that grows without anybody looking at who is told.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "ring/ring.h"
#include "sim/legal.h"
#include "sim/plan.h"
#include "support/net.h"

#undef ok
#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

static int fd; /* what the call is made on; a file of five bytes, or a socket */
static char bytes[16];
static struct iovec vectors[] = {{bytes, 1}, {bytes + 1, 3}}; /* one is read as bytes are */

/* -- bytes of a file --------------------------------------------------------------------------- */

static int64_t reads(void)
{
    return weft_read(fd, bytes, 1);
}
static int64_t preads(void)
{
    return weft_pread(fd, bytes, 4, 0);
}
static int64_t readvs(void)
{
    return weft_readv(fd, vectors, 2);
}
static int64_t preadvs(void)
{
    return weft_preadv(fd, vectors, 2, 0);
}
static int64_t reads_exactly(void)
{
    return weft_read_exactly(fd, bytes, 1, NULL);
}
static int64_t preads_exactly(void)
{
    return weft_pread_exactly(fd, bytes, 4, 0, NULL);
}
static int64_t readvs_exactly(void)
{
    struct iovec some[] = {{bytes, 1}, {bytes + 1, 1}};

    return weft_readv_exactly(fd, some, 2, NULL);
}
static int64_t preadvs_exactly(void)
{
    return weft_preadv_exactly(fd, vectors, 2, 0, NULL);
}
static int64_t writes(void)
{
    return weft_write(fd, bytes, 4);
}
static int64_t pwrites(void)
{
    return weft_pwrite(fd, bytes, 4, 0);
}
static int64_t writevs(void)
{
    return weft_writev(fd, vectors, 2);
}
static int64_t pwritevs(void)
{
    return weft_pwritev(fd, vectors, 2, 0);
}
static int64_t writes_all(void)
{
    return weft_write_all(fd, bytes, 4, NULL);
}
static int64_t pwrites_all(void)
{
    return weft_pwrite_all(fd, bytes, 4, 0, NULL);
}
static int64_t writevs_all(void)
{
    return weft_writev_all(fd, vectors, 2, NULL);
}
static int64_t pwritevs_all(void)
{
    return weft_pwritev_all(fd, vectors, 2, 0, NULL);
}
static int64_t copies(void)
{
    return weft_copy_file_range(fd, &(off_t){0}, fd, &(off_t){100}, 4, 0);
}
static int64_t splices(void)
{
    int ends[2], error = weft_pipe(ends, 0);
    int64_t result;

    ok(error);
    result = weft_splice(fd, &(off_t){0}, ends[1], NULL, 4, 0);
    same(weft_close(ends[0]), 0);
    same(weft_close(ends[1]), 0);
    return result;
}

/* Read and written through an object, made for it. */
static int64_t by_object(int64_t (*call)(weft_file *file))
{
    weft_file *file;
    int64_t result;
    int error = weft_file_from_fd(weft_open("/tmp/a", O_RDWR, 0), NULL, &file);

    ok(error);
    result = call(file);
    same(weft_file_close(file), 0);
    return result;
}
static int64_t reads_object(weft_file *file)
{
    return weft_file_read(file, bytes, 4);
}
static int64_t reads_object_exactly(weft_file *file)
{
    return weft_file_read_exactly(file, bytes, 4, NULL);
}
static int64_t reads_object_until(weft_file *file)
{
    return weft_file_read_until(file, "s", 1, bytes, sizeof bytes);
}
static int64_t reads_object_line(weft_file *file)
{
    return weft_file_read_line(file, bytes, sizeof bytes);
}
static int64_t peeks_object(weft_file *file)
{
    const void *data;
    size_t size;

    return weft_file_peek(file, &data, &size);
}
static int64_t preads_object(weft_file *file)
{
    return weft_file_pread(file, bytes, 4, 0);
}
static int64_t writes_object(weft_file *file)
{
    return weft_file_write(file, bytes, 4, NULL);
}
static int64_t pwrites_object(weft_file *file)
{
    return weft_file_pwrite(file, bytes, 4, 0, NULL);
}
static int64_t seeks_object(weft_file *file)
{
    return weft_file_seek(file, 0, SEEK_END);
}
#define BY_OBJECT(name)                                                                            \
    static int64_t name##_here(void)                                                               \
    {                                                                                              \
        return by_object(name);                                                                    \
    }
BY_OBJECT(reads_object)
BY_OBJECT(reads_object_exactly)
BY_OBJECT(reads_object_until)
BY_OBJECT(reads_object_line)
BY_OBJECT(peeks_object)
BY_OBJECT(preads_object)
BY_OBJECT(writes_object)
BY_OBJECT(pwrites_object)
BY_OBJECT(seeks_object)

/* -- a file as a whole, and names -------------------------------------------------------------- */

static int64_t syncs(void)
{
    return weft_fsync(fd);
}
static int64_t syncs_data(void)
{
    return weft_fdatasync(fd);
}
static int64_t syncs_part(void)
{
    return weft_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}
static int64_t cuts(void)
{
    return weft_ftruncate(fd, 5);
}
static int64_t allocates(void)
{
    return weft_fallocate(fd, 0, 0, 5);
}
static int64_t advises(void)
{
    return weft_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
}
static int64_t advises_memory(void)
{
    static _Alignas(4096) char page[4096];

    return weft_madvise(page, sizeof page, MADV_WILLNEED);
}
static int64_t sets(void)
{
    return weft_fsetxattr(fd, "user.x", "x", 1, 0);
}
static int64_t sets_by_path(void)
{
    return weft_setxattr("/tmp/a", "user.x", "x", 1, 0);
}
static int64_t not_there(int64_t result)
{
    return result == -ENODATA ? 0 : result;
}
static int64_t gets(void)
{
    return not_there(weft_fgetxattr(fd, "user.none", bytes, sizeof bytes));
}
static int64_t gets_by_path(void)
{
    return not_there(weft_getxattr("/tmp/a", "user.none", bytes, sizeof bytes));
}
static int64_t then_close(int opened)
{
    return opened < 0 ? opened : weft_close(opened);
}
static int64_t opens(void)
{
    return then_close(weft_open("/tmp/a", O_RDWR, 0));
}
static int64_t closes(void)
{
    int opened = weft_open("/tmp/a", O_RDWR, 0);

    ok(opened);
    return weft_close(opened); /* and it is closed, whatever that says */
}
static int64_t opens_at(void)
{
    return then_close(weft_openat(AT_FDCWD, "/tmp/a", O_RDWR, 0));
}
static int64_t opens_object(void)
{
    weft_file *file;
    int error = weft_file_open("/tmp/a", O_RDWR, 0, NULL, &file);

    return error < 0 ? error : weft_file_close(file);
}
static int64_t makes(void)
{
    return then_close(weft_openat(AT_FDCWD, "/tmp/a", O_RDWR | O_CREAT, 0600));
}
static int64_t opens_below(void)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};

    return then_close(weft_openat2(AT_FDCWD, "/tmp/a", &how, sizeof how));
}
static int64_t looks(void)
{
    struct statx status;

    return weft_statx(AT_FDCWD, "/tmp/a", 0, STATX_SIZE, &status);
}
static int64_t renames(void)
{
    return weft_renameat(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/a");
}
static int64_t renames_so(void)
{
    return weft_renameat2(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/b", RENAME_NOREPLACE);
}
static int64_t links(void)
{
    return weft_linkat(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/b", 0);
}
static int64_t unlinks(void)
{
    return weft_unlinkat(AT_FDCWD, "/tmp/a", 0);
}
static int64_t makes_folder(void)
{
    return weft_mkdirat(AT_FDCWD, "/tmp/b", 0700);
}
static int64_t makes_link(void)
{
    return weft_symlinkat("a", AT_FDCWD, "/tmp/b");
}

/* -- sockets ----------------------------------------------------------------------------------- */

static int peer, listener, port;

static void up_file(void)
{
    fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(fd);
    same(weft_pwrite_all(fd, "bytes\n", 6, 0, NULL), 6);
}
static void end_file(void)
{
    same(weft_close(fd), 0);
}
static void up_tcp(void)
{
    net_pair(&fd, &peer);
    same(weft_send_all(peer, "come", 4, NULL), 4); /* send#1 */
}
static void up_unix(void)
{
    int there = weft_listen_tcp("unix:@errors-each", NULL);

    ok(there);
    peer = weft_connect_tcp("unix:@errors-each", NULL);
    ok(peer);
    fd = weft_accept(there, NULL, NULL, 0);
    ok(fd);
    same(weft_close(there), 0);
    same(weft_send_all(peer, "come", 4, NULL), 4);
}
static void up_silent(void)
{
    net_pair(&fd, &peer);
}
static void up_udp(void)
{
    char text[32];

    peer = weft_datagram_socket("127.0.0.1:0", NULL, NULL);
    ok(peer);
    snprintf(text, sizeof text, "127.0.0.1:%d", weft_local_port(peer));
    fd = weft_datagram_socket("127.0.0.1:0", text, NULL);
    ok(fd);
    snprintf(text, sizeof text, "127.0.0.1:%d", weft_local_port(fd));
}
/* With a datagram to be received, twice, as an error takes none of them. */
static void up_udp_to_read(void)
{
    struct sockaddr_in here;
    socklen_t length = sizeof here;

    up_udp();
    same(weft_getsockname(fd, (struct sockaddr *)&here, &length), 0);
    same(weft_sendto(peer, "come", 4, 0, (struct sockaddr *)&here, length), 4);
}
static void end_pair(void)
{
    same(weft_close(fd), 0);
    same(weft_close(peer), 0);
}
static void up_listener(void)
{
    listener = net_listen(&port);
}
static void end_listener(void)
{
    same(weft_close(listener), 0);
}

static int64_t receives(void)
{
    return weft_recv(fd, bytes, 4, 0);
}
static int64_t receives_until(void)
{
    return weft_recv_until(fd, bytes, 4, 0, WEFT_NEVER);
}
static int64_t receives_exactly(void)
{
    return weft_recv_exactly(fd, bytes, 4, NULL);
}
static int64_t receives_from(void)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;

    return weft_recvfrom(fd, bytes, 4, 0, (struct sockaddr *)&from, &length);
}
static int64_t receives_message(void)
{
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};

    return weft_recvmsg(fd, &message, 0);
}
static int64_t receives_segments(void)
{
    uint32_t segment;

    return weft_recv_segments(fd, bytes, sizeof bytes, &segment, 0, NULL, NULL);
}
static int64_t receives_fds(void)
{
    uint32_t count = 1;
    int one;

    return weft_recv_fds(fd, bytes, 4, &one, &count);
}
static int64_t sends(void)
{
    return weft_send(fd, bytes, 4, 0);
}
static int64_t sends_until(void)
{
    return weft_send_until(fd, bytes, 4, 0, WEFT_NEVER);
}
static int64_t sends_all(void)
{
    return weft_send_all(fd, bytes, 4, NULL);
}
static int64_t sends_all_until(void)
{
    return weft_send_all_until(fd, bytes, 4, NULL, WEFT_NEVER);
}
static void release(void *arg)
{
    ++*(int *)arg;
}
static int64_t gives(void)
{
    int released = 0;
    int64_t result = weft_send_give(fd, bytes, 4, NULL, release, &released);

    same(released, 1);
    return result;
}
static int64_t sends_to(void)
{
    return weft_sendto(fd, bytes, 4, 0, NULL, 0);
}
static int64_t sends_message(void)
{
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};

    return weft_sendmsg(fd, &message, 0);
}
static int64_t sends_segments(void)
{
    return weft_send_segments(fd, bytes, 4, 4, NULL, 0, NULL);
}
static int64_t sends_fds(void)
{
    return weft_send_fds(fd, bytes, 4, &peer, 1); /* which is then on its way to itself */
}
/* Nothing is there when it begins, and something comes. */
static int says(void *arg)
{
    (void)arg;
    same(weft_sleep(1000000), 0);
    same(weft_send(peer, "x", 1, 0), 1);
    return 0;
}
static int64_t polls(void)
{
    int64_t result = 0;

    WEFT_SCOPE(s) {
        same(weft_spawn(&s, says, NULL, 0, NULL), 0);
        result = weft_poll(fd, POLLIN);
    }
    return result;
}
static int64_t polls_until(void)
{
    int64_t result = 0;

    WEFT_SCOPE(s) {
        same(weft_spawn(&s, says, NULL, 0, NULL), 0);
        result = weft_poll_until(fd, POLLIN, WEFT_NEVER);
    }
    return result;
}

static struct sockaddr_in there(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

    address.sin_port = htons((uint16_t)port);
    return address;
}
static int64_t connects(void)
{
    struct sockaddr_in address = there();
    int one = weft_socket(AF_INET, SOCK_STREAM, 0), result;

    ok(one);
    result = weft_connect(one, (struct sockaddr *)&address, sizeof address);
    if (result < 0 && result != -ENOMEM) /* of no use any more; but nothing was tried then */
        same(weft_connect(one, (struct sockaddr *)&address, sizeof address), -ENOTCONN);
    same(weft_close(one), 0);
    return result;
}
static int64_t connects_until(void)
{
    struct sockaddr_in address = there();
    int one = weft_socket(AF_INET, SOCK_STREAM, 0), result;

    ok(one);
    result = weft_connect_until(one, (struct sockaddr *)&address, sizeof address, WEFT_NEVER);
    same(weft_close(one), 0);
    return result;
}
static int64_t connects_tcp(void)
{
    char text[32];

    snprintf(text, sizeof text, "127.0.0.1:%d", port);
    return then_close(weft_connect_tcp(text, NULL));
}
static int64_t connects_stream(void)
{
    weft_stream *stream;
    char text[32];
    int error;

    snprintf(text, sizeof text, "127.0.0.1:%d", port);
    error = weft_open_connection(text, NULL, &stream);
    return error < 0 ? error : weft_stream_close(stream);
}
static int comes(void *arg)
{
    (void)arg;
    same(connects_tcp(), 0);
    return 0;
}
static int64_t accepts(void)
{
    int64_t result = 0;

    WEFT_SCOPE(s) {
        same(weft_spawn(&s, comes, NULL, 0, NULL), 0);
        result = then_close(weft_accept(listener, NULL, NULL, 0));
    }
    return result;
}
static int64_t accepts_until(void)
{
    int64_t result = 0;

    WEFT_SCOPE(s) {
        same(weft_spawn(&s, comes, NULL, 0, NULL), 0);
        result = then_close(weft_accept_until(listener, NULL, NULL, 0, WEFT_NEVER));
    }
    return result;
}

static void nothing(void)
{
}

/* -- words ------------------------------------------------------------------------------------- */

static uint32_t word;

static int wakes(void *arg)
{
    (void)arg;
    while (weft_futex_wake(&word, 1, FUTEX_PRIVATE_FLAG) == 0)
        if (weft_sleep(1000) < 0) /* nobody waits */
            break;
    return 0;
}
static int64_t waits(void)
{
    int64_t result = 0;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        result = weft_spawn(&s, wakes, NULL, 0, NULL);
        same(result, 0);
        result = weft_futex_wait(&word, 0, FUTEX_PRIVATE_FLAG);
        weft_scope_cancel(&s);
    }
    return result;
}

/* -- each with each ---------------------------------------------------------------------------- */

enum {
    ANY = WEFT__SIM_FOR_ANY,
    AGAIN = 1, /* an interruption is no end: the call goes on */
    OVER = 2,  /* nor is anything else: it is counted and passed over */
};

static const struct row {
    const char *name;
    int64_t (*call)(void);
    uint8_t opcode;
    uint8_t which; /* enum weft__sim_legal_for */
    int nth;       /* of its kind: those before are made to set up */
    void (*up)(void), (*end)(void);
    int traits;
} rows[] = {
    {"read", reads, WEFT__OP_READ, ANY, 1, up_file, end_file, 0},
    {"pread", preads, WEFT__OP_READ, ANY, 1, up_file, end_file, 0},
    {"readv", readvs, WEFT__OP_READV, ANY, 1, up_file, end_file, 0},
    {"preadv", preadvs, WEFT__OP_READV, ANY, 1, up_file, end_file, 0},
    {"read_exactly", reads_exactly, WEFT__OP_READ, ANY, 1, up_file, end_file, AGAIN},
    {"pread_exactly", preads_exactly, WEFT__OP_READ, ANY, 1, up_file, end_file, AGAIN},
    {"readv_exactly", readvs_exactly, WEFT__OP_READV, ANY, 1, up_file, end_file, AGAIN},
    {"preadv_exactly", preadvs_exactly, WEFT__OP_READV, ANY, 1, up_file, end_file, AGAIN},
    {"write", writes, WEFT__OP_WRITE, ANY, 2, up_file, end_file, 0},
    {"pwrite", pwrites, WEFT__OP_WRITE, ANY, 2, up_file, end_file, 0},
    {"writev", writevs, WEFT__OP_WRITEV, ANY, 1, up_file, end_file, 0},
    {"pwritev", pwritevs, WEFT__OP_WRITEV, ANY, 1, up_file, end_file, 0},
    {"write_all", writes_all, WEFT__OP_WRITE, ANY, 2, up_file, end_file, AGAIN},
    {"pwrite_all", pwrites_all, WEFT__OP_WRITE, ANY, 2, up_file, end_file, AGAIN},
    {"writev_all", writevs_all, WEFT__OP_WRITEV, ANY, 1, up_file, end_file, AGAIN},
    {"pwritev_all", pwritevs_all, WEFT__OP_WRITEV, ANY, 1, up_file, end_file, AGAIN},
    {"copy_file_range", copies, WEFT__SIM_CALL_COPY, ANY, 1, up_file, end_file, 0},
    {"splice", splices, WEFT__OP_SPLICE, ANY, 1, up_file, end_file, 0},
    {"file_read", reads_object_here, WEFT__OP_READ, ANY, 1, up_file, end_file, AGAIN},
    {"file_read_exactly", reads_object_exactly_here, WEFT__OP_READ, ANY, 1, up_file, end_file,
     AGAIN},
    {"file_read_until", reads_object_until_here, WEFT__OP_READ, ANY, 1, up_file, end_file, AGAIN},
    {"file_read_line", reads_object_line_here, WEFT__OP_READ, ANY, 1, up_file, end_file, AGAIN},
    {"file_peek", peeks_object_here, WEFT__OP_READ, ANY, 1, up_file, end_file, AGAIN},
    {"file_pread", preads_object_here, WEFT__OP_READ, ANY, 1, up_file, end_file, 0},
    {"file_write", writes_object_here, WEFT__OP_WRITE, ANY, 2, up_file, end_file, AGAIN},
    {"file_pwrite", pwrites_object_here, WEFT__OP_WRITE, ANY, 2, up_file, end_file, AGAIN},
    {"file_seek", seeks_object_here, WEFT__OP_STATX, ANY, 1, up_file, end_file, 0},
    {"close", closes, WEFT__OP_CLOSE, WEFT__SIM_FOR_FILE, 1, up_file, end_file, 0},
    {"fsync", syncs, WEFT__OP_FSYNC, ANY, 1, up_file, end_file, 0},
    {"fdatasync", syncs_data, WEFT__OP_FSYNC, ANY, 1, up_file, end_file, 0},
    {"sync_file_range", syncs_part, WEFT__OP_SYNC_RANGE, ANY, 1, up_file, end_file, 0},
    {"ftruncate", cuts, WEFT__OP_FTRUNCATE, ANY, 1, up_file, end_file, 0},
    {"fallocate", allocates, WEFT__OP_FALLOCATE, ANY, 1, up_file, end_file, 0},
    {"fadvise", advises, WEFT__OP_FADVISE, ANY, 1, up_file, end_file, 0},
    {"madvise", advises_memory, WEFT__OP_MADVISE, ANY, 1, up_file, end_file, 0},
    {"fgetxattr", gets, WEFT__OP_FGETXATTR, ANY, 1, up_file, end_file, 0},
    {"fsetxattr", sets, WEFT__OP_FSETXATTR, ANY, 1, up_file, end_file, 0},
    {"getxattr", gets_by_path, WEFT__OP_GETXATTR, ANY, 1, up_file, end_file, 0},
    {"setxattr", sets_by_path, WEFT__OP_SETXATTR, ANY, 1, up_file, end_file, 0},
    {"open", opens, WEFT__OP_OPENAT2, ANY, 2, up_file, end_file, 0},
    {"openat", opens_at, WEFT__OP_OPENAT2, ANY, 2, up_file, end_file, 0},
    {"file_open", opens_object, WEFT__OP_OPENAT2, ANY, 2, up_file, end_file, 0},
    {"openat, O_CREAT", makes, WEFT__OP_OPENAT2, WEFT__SIM_FOR_O_CREAT, 2, up_file, end_file, 0},
    {"openat2", opens_below, WEFT__OP_OPENAT2, WEFT__SIM_FOR_BELOW_DIR, 2, up_file, end_file, 0},
    {"statx", looks, WEFT__OP_STATX, ANY, 1, up_file, end_file, 0},
    {"renameat", renames, WEFT__OP_RENAMEAT, ANY, 1, up_file, end_file, 0},
    {"renameat2", renames_so, WEFT__OP_RENAMEAT, ANY, 1, up_file, end_file, 0},
    {"linkat", links, WEFT__OP_LINKAT, ANY, 1, up_file, end_file, 0},
    {"unlinkat", unlinks, WEFT__OP_UNLINKAT, ANY, 1, up_file, end_file, 0},
    {"mkdirat", makes_folder, WEFT__OP_MKDIRAT, ANY, 1, up_file, end_file, 0},
    {"symlinkat", makes_link, WEFT__OP_SYMLINKAT, ANY, 1, up_file, end_file, 0},
    {"recv", receives, WEFT__OP_RECV, ANY, 1, up_tcp, end_pair, 0},
    {"recv_until", receives_until, WEFT__OP_RECV, ANY, 1, up_tcp, end_pair, 0},
    {"recv_exactly", receives_exactly, WEFT__OP_RECV, ANY, 1, up_tcp, end_pair, 0},
    {"recv of UDP", receives, WEFT__OP_RECV, WEFT__SIM_FOR_UDP, 1, up_udp_to_read, end_pair, 0},
    {"recvfrom", receives_from, WEFT__OP_RECVMSG, WEFT__SIM_FOR_UDP, 1, up_udp_to_read, end_pair,
     0},
    {"recvmsg", receives_message, WEFT__OP_RECVMSG, WEFT__SIM_FOR_UDP, 1, up_udp_to_read, end_pair,
     0},
    {"recv_segments", receives_segments, WEFT__OP_RECVMSG, WEFT__SIM_FOR_UDP, 1, up_udp_to_read,
     end_pair, 0},
    {"recv_fds", receives_fds, WEFT__OP_RECVMSG, ANY, 1, up_unix, end_pair, 0},
    {"send", sends, WEFT__OP_SEND, ANY, 2, up_tcp, end_pair, 0},
    {"send_until", sends_until, WEFT__OP_SEND, ANY, 2, up_tcp, end_pair, 0},
    {"send_all", sends_all, WEFT__OP_SEND, ANY, 2, up_tcp, end_pair, 0},
    {"send_all_until", sends_all_until, WEFT__OP_SEND, ANY, 2, up_tcp, end_pair, 0},
    {"send_give", gives, WEFT__OP_SEND, ANY, 2, up_tcp, end_pair, 0},
    {"send of UDP", sends, WEFT__OP_SEND, WEFT__SIM_FOR_UDP, 1, up_udp, end_pair, 0},
    {"sendto", sends_to, WEFT__OP_SENDMSG, WEFT__SIM_FOR_UDP, 1, up_udp, end_pair, 0},
    {"sendmsg", sends_message, WEFT__OP_SENDMSG, WEFT__SIM_FOR_UDP, 1, up_udp, end_pair, 0},
    {"send_segments", sends_segments, WEFT__OP_SENDMSG, WEFT__SIM_FOR_UDP, 1, up_udp, end_pair, 0},
    {"send_fds", sends_fds, WEFT__OP_SENDMSG, WEFT__SIM_FOR_UNIX, 1, up_unix, end_pair, 0},
    {"poll", polls, WEFT__OP_POLL_ADD, ANY, 1, up_silent, end_pair, 0},
    {"poll_until", polls_until, WEFT__OP_POLL_ADD, ANY, 1, up_silent, end_pair, 0},
    {"connect", connects, WEFT__OP_CONNECT, ANY, 1, up_listener, end_listener, 0},
    {"connect_until", connects_until, WEFT__OP_CONNECT, ANY, 1, up_listener, end_listener, 0},
    {"connect_tcp", connects_tcp, WEFT__OP_CONNECT, ANY, 1, up_listener, end_listener, 0},
    {"open_connection", connects_stream, WEFT__OP_CONNECT, ANY, 1, up_listener, end_listener, 0},
    {"accept", accepts, WEFT__OP_ACCEPT, ANY, 1, up_listener, end_listener, OVER},
    {"accept_until", accepts_until, WEFT__OP_ACCEPT, ANY, 1, up_listener, end_listener, OVER},
    {"futex_wait", waits, WEFT__OP_FUTEX_WAIT, ANY, 1, nothing, nothing, 0},
};

static const struct row *row;
static int error;

static int main_told(void *arg)
{
    bool passed = row->traits & OVER || (row->traits & AGAIN && error == EINTR);
    int64_t result;

    (void)arg;
    row->up();
    result = row->call();
    if (passed ? result < 0 : result != -error)
        ck_abort_msg("%s: %d instead of %s", row->name, (int)result, strerrorname_np(error));
    if (!passed) {
        same(weft_cause(), WEFT_CAUSE_NONE);
        result = row->call();
        if (result < 0)
            ck_abort_msg("%s, again: %d after %s", row->name, (int)result, strerrorname_np(error));
    }
    row->end();
    return 0;
}

static int world_of_row(void *arg)
{
    (void)arg;
    return weft_run(main_told, NULL, 0, NULL);
}

/* How often the kernel has said so. */
static void listen_for_it(const struct weft_sim_event *event, void *context)
{
    *(int *)context += strcmp(event->what, "result") == 0 && event->value == -error;
}

/* Of what others make, too: the reactor's own poll is of an eventfd. */
static const char *kind_of(const struct row *one)
{
    return one->opcode == WEFT__OP_POLL_ADD ? "@tcp" : one->opcode == WEFT__OP_CLOSE ? "@file" : "";
}

static void tell(int wanted)
{
    char plan[96];
    int said = 0;
    struct world world = {.seed = 1, .plan = plan, .trace = listen_for_it, .context = &said};

    error = wanted;
    snprintf(plan, sizeof plan, "calm net.latency=0 %s#%d%s=%s", weft__sim_opcode_name(row->opcode),
             row->nth, kind_of(row), strerrorname_np(error));
    same(world_run_fn(&world, world_of_row, NULL), 0);
    if (row->opcode != WEFT__SIM_CALL_COPY) /* which is no request */
        ck_assert_msg(said == 1, "%s: %s %d times", row->name, strerrorname_np(error), said);
}

TEST(each_is_told)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct weft__sim_legal *legal;
        row = &rows[i];
        legal = weft__sim_legal_of(row->opcode, (enum weft__sim_legal_for)row->which);
        ck_assert_ptr_nonnull(legal);
        for (size_t e = 0; e < weft__sim_legal_count(legal); e++)
            tell(legal->errors[e]);
    }
}

TEST_MAIN("sim/errors each", 60, each_is_told)
