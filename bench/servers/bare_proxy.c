/*
 * bare-proxy: the least a proxy on a ring can do, to hold docs/examples/proxy against.
 *
 *     bare-proxy LISTEN TARGET
 *
 * One thread, one ring. Each way of a connection has a multishot receive that takes from one ring
 * of buffers, and what it brings is sent from there. No task, no limit of time, no splice, no
 * answer to a lack of anything: what a proxy needs besides is the difference to one. Made for small
 * messages; does not use weft.
 *
 *      recv completes -> chunk queued -> head of queue sent -> send completes -> chunk released
 *
 * Way w receives from slot w of the ring's files and sends to slot w ^ 1; both slots are a pair's.
 * A way that comes to its end passes it on when all is sent; the slots are used again once both
 * ways are over, and then nothing of theirs is in flight.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bare_ring.h"
#include "common.h"

enum { WAYS = 8192, BUFFERS = 512, BUFFER_SIZE = 4096, GROUP = 1, BATCH = 64, NONE = -1 };
enum kind { RECEIVED, SENT, ACCEPTED };

#define MATCH_LIMIT_NS 50000000u /* how long waiting for more than one may be wrong */

struct chunk {
    unsigned offset, length;
    int next; /* in the way's queue */
};

struct way {
    int fd; /* what is in its slot */
    int head, tail;
    bool sending;
    bool ended; /* nothing more will come */
    bool over;  /* and all of it is sent, or never will be */
    bool failed;
};

static struct {
    struct bare_ring ring;
    struct io_uring_buf_ring *buffer_ring;
    struct address target;
    int listener;
    int free_pair;    /* the first way of it; the next is in that way's `head` */
    unsigned waiting; /* receives that found no buffer */
    unsigned sends_queued;
    struct way ways[WAYS];
    struct chunk chunks[BUFFERS];
    uint16_t starved[WAYS];
    _Alignas(4096) char buffers[BUFFERS][BUFFER_SIZE];
} proxy;

static void die(const char *what, int error)
{
    fprintf(stderr, "bare-proxy: %s: %s\n", what, strerror(-error));
    exit(1);
}

static void finish(struct io_uring_sqe *sqe, enum kind kind, int way)
{
    sqe->user_data = (uint64_t)(unsigned)way << 8 | kind;
}

static void arm(int way)
{
    struct io_uring_sqe *sqe = bare_ring_request(&proxy.ring);

    io_uring_prep_recv(sqe, way, NULL, 0, 0);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    finish(sqe, RECEIVED, way);
}

static void offer(int chunk)
{
    io_uring_buf_ring_add(proxy.buffer_ring, proxy.buffers[chunk], BUFFER_SIZE,
                          (unsigned short)chunk, io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(proxy.buffer_ring, 1);
    if (proxy.waiting > 0)
        arm(proxy.starved[--proxy.waiting]);
}

static void send_head(int index)
{
    struct way *way = &proxy.ways[index];
    struct chunk *chunk = &proxy.chunks[way->head];
    struct io_uring_sqe *sqe = bare_ring_request(&proxy.ring);

    io_uring_prep_send(sqe, index ^ 1, proxy.buffers[way->head] + chunk->offset, chunk->length,
                       MSG_WAITALL | MSG_NOSIGNAL);
    sqe->flags = IOSQE_FIXED_FILE;
    finish(sqe, SENT, index);
    way->sending = true;
    proxy.sends_queued++;
}

static int put_in_slot(int slot, int fd)
{
    struct io_uring_files_update update = {.offset = (unsigned)slot,
                                           .fds = (uint64_t)(uintptr_t)&fd};

    if (syscall(__NR_io_uring_register, proxy.ring.fd, IORING_REGISTER_FILES_UPDATE, &update, 1) <
        0)
        return -errno;
    return 0;
}

/* At once: a request to close would be submitted with the next ones, when the slot may have
   another file already, and close that. */
static void close_slot(int slot)
{
    put_in_slot(slot, NONE);
    close(proxy.ways[slot].fd);
}

static void end_when_done(int index)
{
    struct way *way = &proxy.ways[index];

    if (way->over || !way->ended || way->sending || way->head != NONE)
        return;
    way->over = true;
    if (!proxy.ways[index ^ 1].over) {
        shutdown(proxy.ways[index ^ 1].fd, SHUT_WR);
        return;
    }
    close_slot(index);
    close_slot(index ^ 1);
    proxy.ways[index & ~1].head = proxy.free_pair;
    proxy.free_pair = index & ~1;
}

/* Both ways end: their receives are told so by the sockets. */
static void fail(int index)
{
    struct way *way = &proxy.ways[index];

    if (!way->failed) {
        way->failed = true;
        shutdown(way->fd, SHUT_RDWR);
        shutdown(proxy.ways[index ^ 1].fd, SHUT_RDWR);
    }
    while (way->head != NONE && !way->sending) {
        int chunk = way->head;
        way->head = proxy.chunks[chunk].next;
        offer(chunk);
    }
}

static void queue(int index, int chunk, unsigned length)
{
    struct way *way = &proxy.ways[index];

    proxy.chunks[chunk] = (struct chunk){.length = length, .next = NONE};
    if (way->head == NONE)
        way->head = chunk;
    else
        proxy.chunks[way->tail].next = chunk;
    way->tail = chunk;
    if (way->failed)
        fail(index);
    else if (!way->sending)
        send_head(index);
}

static void received(int index, const struct io_uring_cqe *cqe)
{
    int chunk =
        cqe->flags & IORING_CQE_F_BUFFER ? (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT) : NONE;

    if (cqe->res > 0)
        queue(index, chunk, (unsigned)cqe->res);
    else if (chunk != NONE)
        offer(chunk);
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res > 0 || cqe->res == -EINTR) {
        arm(index);
    } else if (cqe->res == -ENOBUFS) {
        proxy.starved[proxy.waiting++] = (uint16_t)index;
    } else {
        proxy.ways[index].ended = true;
        if (cqe->res < 0)
            fail(index);
        end_when_done(index);
    }
}

static void sent(int index, int result)
{
    struct way *way = &proxy.ways[index];
    struct chunk *chunk = &proxy.chunks[way->head];

    way->sending = false;
    if (result <= 0 && result != -EINTR) {
        fail(index);
    } else {
        chunk->offset += result > 0 ? (unsigned)result : 0;
        chunk->length -= result > 0 ? (unsigned)result : 0;
        if (chunk->length == 0) {
            int done = way->head;
            way->head = chunk->next;
            offer(done);
        }
        if (way->head != NONE)
            send_head(index);
    }
    end_when_done(index);
}

static void take(int slot, int fd)
{
    int error = put_in_slot(slot, fd);

    if (error < 0)
        die("a file of the ring", error);
    proxy.ways[slot] = (struct way){.fd = fd, .head = NONE, .tail = NONE};
    arm(slot);
}

static void accept_more(void)
{
    struct io_uring_sqe *sqe = bare_ring_request(&proxy.ring);

    io_uring_prep_multishot_accept(sqe, proxy.listener, NULL, NULL, SOCK_CLOEXEC);
    finish(sqe, ACCEPTED, 0);
}

/* Waits for the connection to the target: there is no other work worth measuring meanwhile. */
static void accepted(const struct io_uring_cqe *cqe)
{
    int pair = proxy.free_pair, fd = cqe->res, target;

    if (!(cqe->flags & IORING_CQE_F_MORE))
        accept_more();
    if (fd < 0)
        return;
    target = pair == NONE ? NONE : address_connect(&proxy.target);
    if (target < 0) {
        close(fd);
        return;
    }
    proxy.free_pair = proxy.ways[pair].head;
    take(pair, fd);
    take(pair + 1, target);
}

static void handle(const struct io_uring_cqe *cqe)
{
    int way = (int)(cqe->user_data >> 8);

    switch ((enum kind)(cqe->user_data & 0xff)) {
    case RECEIVED:
        received(way, cqe);
        break;
    case SENT:
        sent(way, cqe->res);
        break;
    case ACCEPTED:
        accepted(cqe);
        break;
    }
}

/* Sends complete while they are submitted, and bring nothing to do: one more is waited for. */
static void turn(void)
{
    struct bare_ring *ring = &proxy.ring;
    unsigned wait = proxy.sends_queued < BATCH ? proxy.sends_queued + 1 : BATCH;
    unsigned head, tail;

    proxy.sends_queued = 0;
    bare_ring_enter(ring, wait, wait > 1 ? MATCH_LIMIT_NS : 0);
    head = *ring->cq_khead;
    tail = __atomic_load_n(ring->cq_ktail, __ATOMIC_ACQUIRE);
    for (; head != tail; head++)
        handle(&ring->cqes[head & ring->cq_mask]);
    __atomic_store_n(ring->cq_khead, head, __ATOMIC_RELEASE);
}

static int open_ring(void)
{
    const struct bare_ring_options options = {.sq_entries = 1024,
                                              .cq_entries = 8192,
                                              .defer = true,
                                              .no_sqarray = true,
                                              .registered = true};
    struct io_uring_rsrc_register files = {.nr = WAYS, .flags = IORING_RSRC_REGISTER_SPARSE};
    struct io_uring_buf_reg buffers = {.ring_entries = BUFFERS, .bgid = GROUP};
    int error = bare_ring_open(&proxy.ring, &options);

    if (error < 0)
        return error;
    if (syscall(__NR_io_uring_register, proxy.ring.fd, IORING_REGISTER_FILES2, &files,
                sizeof files) < 0)
        return -errno;
    proxy.buffer_ring = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (proxy.buffer_ring == MAP_FAILED)
        return -ENOMEM;
    buffers.ring_addr = (uint64_t)(uintptr_t)proxy.buffer_ring;
    if (syscall(__NR_io_uring_register, proxy.ring.fd, IORING_REGISTER_PBUF_RING, &buffers, 1) < 0)
        return -errno;
    io_uring_buf_ring_init(proxy.buffer_ring);
    for (int i = 0; i < BUFFERS; i++)
        offer(i);
    return 0;
}

static int port_of(int fd)
{
    struct sockaddr_in name;
    socklen_t length = sizeof name;

    return getsockname(fd, (struct sockaddr *)&name, &length) < 0 ? 0 : ntohs(name.sin_port);
}

int main(int argc, char **argv)
{
    struct address here;
    int error;

    if (argc != 3 || address_parse(&here, argv[1]) < 0 ||
        address_parse(&proxy.target, argv[2]) < 0) {
        fprintf(stderr, "usage: bare-proxy LISTEN TARGET\n");
        return 2;
    }
    raise_descriptor_limit();
    error = open_ring();
    if (error < 0)
        die("the ring", error);
    proxy.free_pair = NONE;
    for (int pair = WAYS - 2; pair >= 0; pair -= 2) {
        proxy.ways[pair].head = proxy.free_pair;
        proxy.free_pair = pair;
    }
    proxy.listener = address_listen(&here, 0);
    if (proxy.listener < 0)
        die(argv[1], proxy.listener);
    printf("proxy: port %d, to %s\n", port_of(proxy.listener), argv[2]);
    fflush(stdout);
    accept_more();
    for (;;)
        turn();
}
