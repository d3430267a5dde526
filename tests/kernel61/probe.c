/* What the floor kernel must offer: set-up flags, features, operations, and one exchange over
 * loopback TCP that uses them. Also that this is the floor: what came later must be missing, else
 * the run proves nothing about old kernels.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <liburing.h>

#define SETUP_NO_SQARRAY (1U << 16) /* 6.6 */
enum { OP_FUTEX_WAIT = 51 };        /* 6.7 */

static int failures;

static void check(bool good, const char *what)
{
    printf("%s %s\n", good ? "ok  " : "FAIL", what);
    failures += !good;
}

static int try_setup(unsigned flags, struct io_uring *ring, struct io_uring_params *params)
{
    memset(params, 0, sizeof *params);
    params->flags = flags;
    return io_uring_queue_init_params(8, ring, params);
}

static void check_setup(void)
{
    struct io_uring_params params;
    struct io_uring ring;
    int error =
        try_setup(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                      IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP,
                  &ring, &params);
    check(error == 0, "setup SINGLE_ISSUER DEFER_TASKRUN TASKRUN_FLAG SUBMIT_ALL CLAMP");
    if (error)
        return;
    printf("     features %#x\n", params.features);
    const unsigned needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG |
                            IORING_FEAT_FAST_POLL | IORING_FEAT_CQE_SKIP | IORING_FEAT_LINKED_FILE;
    check((params.features & needed) == needed, "features of 6.1");
    check(io_uring_register_ring_fd(&ring) == 1, "registered ring descriptor");
    io_uring_queue_exit(&ring);
    error = try_setup(SETUP_NO_SQARRAY, &ring, &params);
    check(error == -EINVAL, "setup NO_SQARRAY (6.6) is refused");
    if (error == 0)
        io_uring_queue_exit(&ring);
}

static void check_operations(void)
{
    static const struct {
        int op;
        const char *name;
    } needed[] = {
        {IORING_OP_NOP, "NOP"},           {IORING_OP_ACCEPT, "ACCEPT"},
        {IORING_OP_CONNECT, "CONNECT"},   {IORING_OP_RECV, "RECV"},
        {IORING_OP_SEND, "SEND"},         {IORING_OP_SHUTDOWN, "SHUTDOWN"},
        {IORING_OP_CLOSE, "CLOSE"},       {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
        {IORING_OP_TIMEOUT, "TIMEOUT"},   {IORING_OP_POLL_ADD, "POLL_ADD"},
        {IORING_OP_MSG_RING, "MSG_RING"}, {IORING_OP_SEND_ZC, "SEND_ZC"},
        {IORING_OP_READ, "READ"},         {IORING_OP_WRITE, "WRITE"},
        {IORING_OP_SPLICE, "SPLICE"},     {IORING_OP_SOCKET, "SOCKET"},
    };
    struct io_uring_probe *probe = io_uring_get_probe();
    check(probe != NULL, "probe of operations");
    if (!probe)
        return;
    printf("     last operation %u\n", probe->last_op);
    for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++)
        check(io_uring_opcode_supported(probe, needed[i].op), needed[i].name);
    check(probe->last_op < OP_FUTEX_WAIT, "FUTEX_WAIT (6.7) is missing");
    io_uring_free_probe(probe);
}

static int listen_somewhere(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)address, length) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &length) < 0)
        return -1;
    return fd;
}

/* Waits for the completion of the request tagged `tag`, a second at most, and drops others. */
static bool completed(struct io_uring *ring, uint64_t tag, struct io_uring_cqe *result)
{
    struct __kernel_timespec limit = {.tv_sec = 5};
    struct io_uring_cqe *cqe;
    for (int i = 0; i < 8; i++) {
        if (io_uring_submit_and_wait_timeout(ring, &cqe, 1, &limit, NULL) < 0)
            return false;
        *result = *cqe;
        io_uring_cqe_seen(ring, cqe);
        if (result->user_data == tag)
            return true;
    }
    return false;
}

enum { TAG_ACCEPT = 1, TAG_RECV, GROUP = 7, BUFFERS = 4, BUFFER_BYTES = 64 };

static bool offer_buffers(struct io_uring *ring, char *memory)
{
    struct io_uring_buf_ring *br =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)br,
                                   .ring_entries = BUFFERS,
                                   .bgid = GROUP};
    if (br == MAP_FAILED || io_uring_register_buf_ring(ring, &reg, 0) < 0)
        return false;
    io_uring_buf_ring_init(br);
    for (int i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(br, memory + i * BUFFER_BYTES, BUFFER_BYTES, (unsigned short)i,
                              io_uring_buf_ring_mask(BUFFERS), i);
    io_uring_buf_ring_advance(br, BUFFERS);
    return true;
}

static void check_receive(struct io_uring *ring, int client, int server)
{
    static char memory[BUFFERS * BUFFER_BYTES];
    struct io_uring_cqe cqe;
    check(offer_buffers(ring, memory), "buffer ring");
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_recv(sqe, server, NULL, 0, 0);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = TAG_RECV;
    for (int round = 0; round < 2; round++) {
        check(send(client, "weft", 4, 0) == 4, "send over loopback");
        bool came = completed(ring, TAG_RECV, &cqe);
        check(came && cqe.res == 4 && (cqe.flags & IORING_CQE_F_MORE) &&
                  (cqe.flags & IORING_CQE_F_BUFFER) &&
                  memcmp(memory + (cqe.flags >> IORING_CQE_BUFFER_SHIFT) * BUFFER_BYTES, "weft",
                         4) == 0,
              "multishot receive into a chosen buffer");
    }
}

static void check_exchange(void)
{
    struct io_uring_params params;
    struct io_uring ring;
    struct sockaddr_in address;
    struct io_uring_cqe cqe;
    if (try_setup(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, &ring, &params) < 0) {
        check(false, "ring for the exchange");
        return;
    }
    int listener = listen_somewhere(&address);
    check(listener >= 0, "listen on loopback");
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
    sqe->user_data = TAG_ACCEPT;
    io_uring_submit(&ring);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(client, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    bool came = completed(&ring, TAG_ACCEPT, &cqe);
    check(came && cqe.res >= 0 && (cqe.flags & IORING_CQE_F_MORE), "multishot accept");
    if (came && cqe.res >= 0) {
        check_receive(&ring, client, cqe.res);
        close(cqe.res);
    }
    close(client);
    close(listener);
    io_uring_queue_exit(&ring);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    check_setup();
    check_operations();
    check_exchange();
    printf("%d failures\n", failures);
    return failures ? 1 : 0;
}
