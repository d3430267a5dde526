/*
 * connect.c - checks: connecting, shutting down, closing, and the addresses of sockets.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { RECV = 100 };

static void to_one_that_listens(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address tcp, local;

    contract_listener(c, AF_INET, 8, &tcp);
    contract_listener(c, AF_UNIX, 8, &local);
    contract_say_result(c, "tcp",
                        contract_connect(c, ring, contract_socket(c, AF_INET), &tcp.storage,
                                         tcp.length));
    contract_say_result(c, "local",
                        contract_connect(c, ring, contract_socket(c, AF_UNIX), &local.storage,
                                         local.length));
}

/* The port is taken by a socket that does not listen, so nobody else can have it. */
static void to_nobody(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int taken = contract_socket(c, AF_INET);

    contract_address(c, AF_INET, &address);
    weft__host_bind(taken, (struct sockaddr *)&address.storage, address.length);
    address.length = sizeof address.storage;
    weft__host_getsockname(taken, (struct sockaddr *)&address.storage, &address.length);
    contract_say_result(c, "tcp",
                        contract_connect(c, ring, contract_socket(c, AF_INET), &address.storage,
                                         address.length));
    contract_address(c, AF_UNIX, &address);
    contract_say_result(c, "local",
                        contract_connect(c, ring, contract_socket(c, AF_UNIX), &address.storage,
                                         address.length));
}

static void to_no_such_file(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/weft-contract-none"};

    contract_say_result(c, "connect",
                        contract_connect(c, ring, contract_socket(c, AF_UNIX), &address,
                                         sizeof address));
}

static void twice(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int fd = contract_socket(c, AF_INET);

    contract_listener(c, AF_INET, 8, &address);
    contract_connect(c, ring, fd, &address.storage, address.length);
    contract_say_result(c, "again",
                        contract_connect(c, ring, fd, &address.storage, address.length));
}

static void wrong_addresses(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    struct sockaddr_in strange = {.sin_family = AF_UNIX};

    contract_listener(c, AF_INET, 8, &address);
    contract_say_result(c, "short",
                        contract_connect(c, ring, contract_socket(c, AF_INET), &address.storage,
                                         3));
    contract_say_result(c, "other family",
                        contract_connect(c, ring, contract_socket(c, AF_INET), &strange,
                                         sizeof strange));
    contract_say_result(c, "nowhere",
                        contract_connect(c, ring, contract_socket(c, AF_INET), (void *)8,
                                         sizeof strange));
}

static void wrong_descriptors(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int fd = contract_socket(c, AF_INET);

    contract_listener(c, AF_INET, 8, &address);
    contract_drop(c, fd);
    contract_say_result(c, "closed",
                        contract_connect(c, ring, fd, &address.storage, address.length));
}

static void closing(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = contract_socket(c, AF_INET);

    contract_say_result(c, "close", contract_close(c, ring, fd));
    contract_say_result(c, "again", contract_close(c, ring, fd));
    contract_say_result(c, "fcntl", weft__host_fcntl(fd, F_GETFD, 0));
}

static void closing_tells_the_peer(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1};
    char byte;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, RECV, recv, pair[1], &byte, 1, 0, 0);
    contract_close(c, ring, pair[0]);
    contract_say_result(c, "the peer", contract_wait(c, ring, RECV).result);
}

/* A receive in flight keeps the file: the peer learns of the end only when it has ended. */
static void closing_under_a_receive(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1};
    char byte, far;
    int32_t answer;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, RECV, recv, pair[0], &byte, 1, 0, 0);
    CONTRACT_ASK(c, ring, RECV + 1, recv, pair[1], &far, 1, 0, 0);
    contract_submit(c, ring);
    contract_close(c, ring, pair[0]);
    contract_say(c, "%s", contract_silent(c, ring, RECV + 1) ? "the peer waits" : "the peer knows");
    contract_cancel(c, ring, RECV, &answer);
    contract_wait(c, ring, RECV);
    contract_say_result(c, "then", contract_wait(c, ring, RECV + 1).result);
}

/* The way weft_close does it. */
static void cancel_wait_close(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1};
    char byte, far;
    int32_t answer;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, RECV, recv, pair[0], &byte, 1, 0, 0);
    CONTRACT_ASK(c, ring, RECV + 1, recv, pair[1], &far, 1, 0, 0);
    contract_submit(c, ring);
    contract_cancel(c, ring, RECV, &answer);
    contract_wait(c, ring, RECV);
    contract_say_result(c, "close", contract_close(c, ring, pair[0]));
    contract_say_result(c, "the peer", contract_wait(c, ring, RECV + 1).result);
}

static void shutting_down(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2] = {-1, -1};
    char byte = 0;

    contract_pair(c, ring, AF_INET, pair);
    contract_say_result(c, "shutdown", weft__host_shutdown(pair[0], SHUT_WR));
    contract_say_result(c, "the peer", contract_recv(c, ring, pair[1], &byte, 1));
    contract_send(c, ring, pair[1], "x", 1);
    contract_recv(c, ring, pair[0], &byte, 1);
    contract_say(c, "back %c", byte);
}

static void shutting_down_what_is_not(struct contract *c)
{
    int fd = contract_socket(c, AF_INET);

    contract_say_result(c, "not connected", weft__host_shutdown(fd, SHUT_WR));
    contract_drop(c, fd);
    contract_say_result(c, "closed", weft__host_shutdown(fd, SHUT_WR));
}

/* -- addresses and options -------------------------------------------------------------------- */

static void a_port_is_given(struct contract *c)
{
    struct contract_address address;

    contract_listener(c, AF_INET, 8, &address);
    contract_say(c, "%s", ((struct sockaddr_in *)&address.storage)->sin_port ? "a port" : "none");
}

static int bind_again(struct contract *c, const struct contract_address *address, int option)
{
    int fd = contract_socket(c, AF_INET), on = 1;

    if (option)
        weft__host_setsockopt(fd, SOL_SOCKET, option, &on, sizeof on);
    return weft__host_bind(fd, (const struct sockaddr *)&address->storage, address->length);
}

static void an_address_in_use(struct contract *c)
{
    struct contract_address address;

    contract_listener(c, AF_INET, 8, &address);
    contract_say_result(c, "bind", bind_again(c, &address, 0));
    contract_say_result(c, "reusing", bind_again(c, &address, SO_REUSEADDR));
}

static void a_shared_port(struct contract *c)
{
    struct contract_address address;
    int fd = contract_socket(c, AF_INET), on = 1;

    contract_address(c, AF_INET, &address);
    weft__host_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    weft__host_bind(fd, (struct sockaddr *)&address.storage, address.length);
    weft__host_listen(fd, 8);
    address.length = sizeof address.storage;
    weft__host_getsockname(fd, (struct sockaddr *)&address.storage, &address.length);
    contract_say_result(c, "bind", bind_again(c, &address, SO_REUSEPORT));
    contract_say_result(c, "without", bind_again(c, &address, 0));
}

static void socket_files(struct contract *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct contract_address unique;
    int fd = contract_socket(c, AF_UNIX);

    contract_address(c, AF_UNIX, &unique);
    strcpy(address.sun_path, "/tmp/");
    strcat(address.sun_path, ((struct sockaddr_un *)&unique.storage)->sun_path + 1);
    contract_say_result(c, "none", weft__host_is_socket_file(address.sun_path));
    contract_say_result(c, "bind",
                        weft__host_bind(fd, (struct sockaddr *)&address, sizeof address));
    contract_say_result(c, "there", weft__host_is_socket_file(address.sun_path));
    contract_say_result(c, "mode", weft__host_chmod(address.sun_path, 0600));
    contract_say_result(c, "nobody",
                        weft__host_connect_probe((struct sockaddr *)&address, sizeof address));
    weft__host_listen(fd, 1);
    contract_say_result(c, "somebody",
                        weft__host_connect_probe((struct sockaddr *)&address, sizeof address));
    contract_say_result(c, "unlink", weft__host_unlink(address.sun_path));
    fd = contract_keep(c, weft__host_socket(AF_UNIX, SOCK_DGRAM, 0));
    weft__host_bind(fd, (struct sockaddr *)&address, sizeof address);
    contract_say_result(c, "of another kind",
                        weft__host_connect_probe((struct sockaddr *)&address, sizeof address));
    weft__host_unlink(address.sun_path);
}

static int32_t option_of(int fd, int option)
{
    int value = -1;
    socklen_t length = sizeof value;
    int error = weft__host_getsockopt(fd, SOL_SOCKET, option, &value, &length);

    return error < 0 ? error : value;
}

static void what_a_socket_is(struct contract *c)
{
    int tcp = contract_socket(c, AF_INET), local = contract_socket(c, AF_UNIX);
    int datagrams = contract_keep(c, weft__host_socket(AF_INET, SOCK_DGRAM, 0));

    contract_say(c, "%s", option_of(tcp, SO_PROTOCOL) == IPPROTO_TCP ? "tcp" : "not tcp");
    contract_say(c, "%s", option_of(local, SO_PROTOCOL) == IPPROTO_TCP ? "tcp" : "not tcp");
    contract_say(c, "%s", option_of(tcp, SO_TYPE) == SOCK_STREAM ? "a stream" : "no stream");
    contract_say(c, "%s", option_of(datagrams, SO_TYPE) == SOCK_STREAM ? "a stream" : "no stream");
}

static void options_are_taken(struct contract *c)
{
    static const struct {
        int level, option;
    } options[] = {{SOL_SOCKET, SO_REUSEADDR},     {SOL_SOCKET, SO_REUSEPORT},
                   {SOL_SOCKET, SO_KEEPALIVE},     {SOL_SOCKET, SO_RCVBUF},
                   {SOL_SOCKET, SO_SNDBUF},        {IPPROTO_TCP, TCP_NODELAY},
                   {IPPROTO_TCP, TCP_USER_TIMEOUT}};
    int fd = contract_socket(c, AF_INET), value = 65536, taken = 0;

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        taken += weft__host_setsockopt(fd, options[i].level, options[i].option, &value,
                                       sizeof value) == 0;
    contract_say(c, "%d of 7", taken);
}

#define CONNECT "src/io/socket.c, connect_once"
#define NOTHING "src/io/socket.c, nothing_happened"

const struct contract_check contract_connecting[] = {
    {"connect/to-one-that-listens",
     "A connect succeeds before anybody accepts.",
     CONNECT,
     to_one_that_listens,
     0,
     {ANSWER("tcp 0, local 0")}},
    {"connect/to-nobody",
     "Where nobody listens it is refused.",
     CONNECT,
     to_nobody,
     0,
     {ANSWER("tcp -ECONNREFUSED, local -ECONNREFUSED")}},
    {"connect/to-no-such-file",
     "A Unix address that does not exist is told apart.",
     CONNECT,
     to_no_such_file,
     0,
     {ANSWER("connect -ENOENT")}},
    {"connect/twice",
     "A connected socket says so, and stays good.",
     NOTHING,
     twice,
     0,
     {ANSWER("again -EISCONN")}},
    {"connect/wrong-addresses",
     "An address that is wrong is told before anything happens.",
     NOTHING,
     wrong_addresses,
     0,
     {ANSWER("short -EINVAL, other family -EAFNOSUPPORT, nowhere -EFAULT")}},
    {"connect/wrong-descriptors",
     "A closed descriptor says -EBADF.",
     NOTHING,
     wrong_descriptors,
     0,
     {ANSWER("closed -EBADF")}},
    {"close/closing",
     "A close through the ring frees the number, once.",
     "src/io/close.c, weft__close_request",
     closing,
     0,
     {ANSWER("close 0, again -EBADF, fcntl -EBADF")}},
    {"close/tells-the-peer",
     "The peer of a closed socket sees the end.",
     "src/io/close.c, close_record",
     closing_tells_the_peer,
     0,
     {ANSWER("the peer 0")}},
    {"close/under-a-receive",
     "With a receive in flight closing ends nothing, so it is cancelled first.",
     "src/io/close.c, end_users",
     closing_under_a_receive,
     0,
     {ANSWER("the peer waits, then 0")}},
    {"close/cancel-wait-close",
     "Cancelled, waited for and closed, it is over for the peer, too.",
     "src/io/close.c, close_record",
     cancel_wait_close,
     0,
     {ANSWER("close 0, the peer 0")}},
    {"close/shutting-down",
     "Shutting one direction down leaves the other.",
     "src/io/stream_write.c, weft_stream_shutdown",
     shutting_down,
     0,
     {ANSWER("shutdown 0, the peer 0, back x")}},
    {"close/shutting-down-what-is-not",
     "What is not connected, or not open, says so.",
     "src/io/close.c, weft_shutdown",
     shutting_down_what_is_not,
     0,
     {ANSWER("not connected -ENOTCONN, closed -EBADF")}},
    {"connect/a-port-is-given",
     "Binding port 0 gives a port that can be asked for.",
     "src/io/socket.c, weft_local_port",
     a_port_is_given,
     0,
     {ANSWER("a port")}},
    {"connect/an-address-in-use",
     "An address somebody listens on cannot be bound.",
     "src/io/listen.c, bind_patiently",
     an_address_in_use,
     0,
     {ANSWER("bind -EADDRINUSE, reusing -EADDRINUSE")}},
    {"connect/a-shared-port",
     "SO_REUSEPORT shares a port among those who all ask for it.",
     "src/io/listen.c, set_options",
     a_shared_port,
     0,
     {ANSWER("bind 0, without -EADDRINUSE")}},
    {"connect/socket-files",
     "A socket file that nobody listens on can be told and removed.",
     "src/io/bind.c, remove_stale",
     socket_files,
     0,
     {ANSWER("none -ENOENT, bind 0, there 1, mode 0, nobody 0, somebody 1, unlink 0, "
             "of another kind 1")}},
    {"connect/what-a-socket-is",
     "A socket tells its type and its protocol.",
     "src/io/socket.c, is_tcp",
     what_a_socket_is,
     0,
     {ANSWER("tcp, not tcp, a stream, no stream")}},
    {"connect/options-are-taken",
     "The options that weft sets are there.",
     "src/io/socket.c, weft__socket_set",
     options_are_taken,
     0,
     {ANSWER("7 of 7")}},
    {0},
};
