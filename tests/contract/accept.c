/*
 * accept.c - checks: each connection is accepted once, and what goes wrong is told apart.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { ACCEPT = 100 };

/* A client's end, connected to `address`. */
static int client(struct contract *c, struct weft__ring *ring,
                  const struct contract_address *address)
{
    int fd = contract_socket(c, address->storage.ss_family);
    int32_t error = contract_connect(c, ring, fd, &address->storage, address->length);

    if (error < 0)
        contract_trouble(c, "cannot connect: %d", error);
    return fd;
}

static void gives_a_descriptor(struct contract *c, int family)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, family, 8, &address), accepted, end;
    char byte = 0;

    end = client(c, ring, &address);
    accepted = contract_accept(c, ring, listener);
    contract_send(c, ring, end, "x", 1);
    contract_recv(c, ring, accepted, &byte, 1);
    contract_say(c, "%c", byte);
}

static void tcp(struct contract *c)
{
    gives_a_descriptor(c, AF_INET);
}

static void local(struct contract *c)
{
    gives_a_descriptor(c, AF_UNIX);
}

static void waits(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address);

    CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, false);
    contract_say(c, "%s", contract_silent(c, ring, ACCEPT) ? "waits" : "ends");
    client(c, ring, &address);
    contract_say(c, "%s",
                 contract_keep(c, contract_wait(c, ring, ACCEPT).result) >= 0 ? "then one" : "no");
}

static void closes_on_exec(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address);

    client(c, ring, &address);
    contract_say(c, "%s",
                 weft__host_fcntl(contract_accept(c, ring, listener), F_GETFD, 0) == FD_CLOEXEC
                     ? "close-on-exec"
                     : "inherited");
}

static void stays_armed(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address);

    CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, true);
    for (int i = 0; i < 3; i++) {
        client(c, ring, &address);
        struct weft__cqe cqe = contract_wait(c, ring, ACCEPT);
        contract_keep(c, cqe.result);
        contract_say(c, "%s", cqe.result >= 0 ? contract_more(cqe) : "failed");
    }
}

static void finds_those_that_wait(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 16, &address);
    uint32_t count = 0;
    struct weft__cqe cqe;

    for (int i = 0; i < 10; i++)
        client(c, ring, &address);
    CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, true);
    while (count < 10 && contract_next(c, ring, ACCEPT, contract_late(), &cqe))
        count += contract_keep(c, cqe.result) >= 0;
    contract_say(c, "%u of 10, %s", count, contract_more(cqe));
}

static void inherits_options(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address), on = 1, value = 0;
    socklen_t length = sizeof value;

    contract_say_result(c, "set",
                        weft__host_setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    client(c, ring, &address);
    weft__host_getsockopt(contract_accept(c, ring, listener), IPPROTO_TCP, TCP_NODELAY, &value,
                          &length);
    contract_say(c, "%s", value ? "inherited" : "not inherited");
}

static void no_such_option_does_no_harm(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_UNIX, 8, &address), on = 1;

    contract_say(c, "%s",
                 weft__host_setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0
                     ? "refused"
                     : "taken");
    client(c, ring, &address);
    contract_say(c, "%s", contract_accept(c, ring, listener) >= 0 ? "accepts" : "does not");
}

static void knows_its_peer(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    struct sockaddr_in peer = {0}, own = {0};
    socklen_t length = sizeof peer, own_length = sizeof own;
    int listener = contract_listener(c, AF_INET, 8, &address), end = client(c, ring, &address);

    weft__host_getsockname(end, (struct sockaddr *)&own, &own_length);
    contract_say_result(c, "getpeername",
                        weft__host_getpeername(contract_accept(c, ring, listener),
                                               (struct sockaddr *)&peer, &length));
    contract_say(c, "%s", peer.sin_port == own.sin_port ? "its port" : "another port");
}

static void a_peer_that_left(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address), accepted;
    char byte;

    contract_drop(c, client(c, ring, &address));
    accepted = contract_accept(c, ring, listener);
    contract_say(c, "%s", accepted >= 0 ? "accepted" : "not accepted");
    contract_say_result(c, "recv", contract_recv(c, ring, accepted, &byte, 1));
}

static void a_peer_that_reset(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address), end = client(c, ring, &address);
    int accepted;
    char byte;

    contract_reset_on_close(c, end);
    contract_drop(c, end);
    accepted = contract_accept(c, ring, listener);
    contract_say(c, "%s", accepted >= 0 ? "accepted" : "not accepted");
    contract_say_result(c, "recv", contract_recv(c, ring, accepted, &byte, 1));
}

static void one_that_does_not_listen(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_say_result(c, "accept", contract_accept(c, ring, contract_socket(c, AF_INET)));
}

static void one_without_connections(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = contract_keep(c, weft__host_socket(AF_INET, SOCK_DGRAM, 0));

    contract_say_result(c, "accept", contract_accept(c, ring, fd));
}

static void one_that_is_closed(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = contract_socket(c, AF_INET);

    contract_drop(c, fd);
    contract_say_result(c, "accept", contract_accept(c, ring, fd));
}

static void one_that_is_no_socket(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, 1);

    contract_say_result(c, "accept", contract_accept(c, ring, bell->eventfd));
}

/* Opens sockets until there are no more descriptors. False: there is no limit in reach. */
static bool use_up(struct contract *c)
{
    for (int i = 0; i < 2 * CONTRACT_FD_LIMIT; i++) {
        int fd = weft__host_socket(AF_INET, SOCK_STREAM, 0);
        if (fd == -EMFILE)
            return true;
        contract_keep(c, fd);
    }
    return false;
}

static void without_descriptors(struct contract *c, bool multishot)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address), spare;
    struct weft__cqe cqe;

    client(c, ring, &address);
    spare = contract_socket(c, AF_INET);
    if (!use_up(c)) {
        contract_say(c, "no limit in reach");
        return;
    }
    CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, multishot);
    cqe = contract_wait(c, ring, ACCEPT);
    contract_say_result(c, "accept", cqe.result);
    contract_say(c, "%s", contract_more(cqe));
    contract_drop(c, spare);
    contract_say(c, "%s", contract_accept(c, ring, listener) >= 0 ? "then accepted" : "then lost");
}

static void single_without_descriptors(struct contract *c)
{
    without_descriptors(c, false);
}

static void armed_without_descriptors(struct contract *c)
{
    without_descriptors(c, true);
}

static void armed_on_a_closed_one(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address), other;

    CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, true);
    contract_submit(c, ring);
    contract_drop(c, listener);
    other = contract_socket(c, AF_INET);
    contract_say_result(c, "connect",
                        contract_connect(c, ring, other, &address.storage, address.length));
    contract_say(c, "%s",
                 contract_keep(c, contract_wait(c, ring, ACCEPT).result) >= 0 ? "goes on accepting"
                                                                              : "has ended");
}

static void the_address_is_free_again(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address), again;
    int32_t answer;

    CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, true);
    contract_submit(c, ring);
    contract_cancel(c, ring, ACCEPT, &answer);
    contract_wait(c, ring, ACCEPT);
    contract_say_result(c, "close", contract_close(c, ring, listener));
    again = contract_socket(c, AF_INET);
    contract_say_result(c, "bind",
                        weft__host_bind(again, (struct sockaddr *)&address.storage,
                                        address.length));
}

#define REFUSED "src/io/accept.c, refused"

const struct contract_check contract_accepting[] = {
    {"accept/tcp",
     "An accepted TCP connection carries bytes.",
     "src/io/accept.c, accepted",
     tcp,
     0,
     {ANSWER("x")}},
    {"accept/local",
     "An accepted Unix connection carries bytes.",
     "src/io/accept.c, accepted",
     local,
     0,
     {ANSWER("x")}},
    {"accept/waits",
     "An accept waits for a connection.",
     "src/io/accept.c, wait_once",
     waits,
     0,
     {ANSWER("waits, then one")}},
    {"accept/closes-on-exec",
     "Accepted descriptors are closed by exec.",
     "src/io/accept.c, arm",
     closes_on_exec,
     0,
     {ANSWER("close-on-exec")}},
    {"accept/stays-armed",
     "An armed accept gives one connection after the other.",
     "src/io/accept.c, completed",
     stays_armed,
     WEFT__FEATURE_ACCEPT_MULTISHOT,
     {ANSWER("more, more, more")}},
    {"accept/finds-those-that-wait",
     "Arming finds the connections that came before.",
     "src/io/accept.c, arm",
     finds_those_that_wait,
     WEFT__FEATURE_ACCEPT_MULTISHOT,
     {ANSWER("10 of 10, more")}},
    {"accept/inherits-options",
     "Connections inherit TCP_NODELAY from their listener.",
     "src/io/accept.c, create",
     inherits_options,
     0,
     {ANSWER("set 0, inherited")}},
    {"accept/no-such-option-does-no-harm",
     "A Unix listener refuses TCP_NODELAY and goes on.",
     "src/io/accept.c, create",
     no_such_option_does_no_harm,
     0,
     {ANSWER("refused, accepts")}},
    {"accept/knows-its-peer",
     "An accepted connection can be asked for its peer's address.",
     "src/io/accept.c, dress",
     knows_its_peer,
     0,
     {ANSWER("getpeername 0, its port")}},
    {"accept/a-peer-that-left",
     "One whose peer has left is accepted, and reads as ended.",
     "src/io/accept.c, accepted",
     a_peer_that_left,
     0,
     {ANSWER("accepted, recv 0")}},
    {"accept/a-peer-that-reset",
     "One whose peer has reset it is accepted, and reads as reset.",
     "src/io/accept.c, accepted",
     a_peer_that_reset,
     0,
     {ANSWER("accepted, recv -ECONNRESET")}},
    {"accept/one-that-does-not-listen",
     "Errors of the listener itself can be told: -EINVAL.",
     REFUSED,
     one_that_does_not_listen,
     0,
     {ANSWER("accept -EINVAL")}},
    {"accept/one-without-connections",
     "A datagram socket says -ENOTSUP.",
     REFUSED,
     one_without_connections,
     0,
     {ANSWER("accept -ENOTSUP")}},
    {"accept/one-that-is-closed",
     "A closed descriptor says -EBADF.",
     REFUSED,
     one_that_is_closed,
     0,
     {ANSWER("accept -EBADF")}},
    {"accept/one-that-is-no-socket",
     "What is no socket says -ENOTSOCK.",
     REFUSED,
     one_that_is_no_socket,
     0,
     {ANSWER("accept -ENOTSOCK")}},
    {"accept/single-without-descriptors",
     "Out of descriptors an accept says so, and the connection waits for the next.",
     REFUSED,
     single_without_descriptors,
     0,
     {ANSWER("accept -EMFILE, the last, then accepted")}},
    {"accept/armed-without-descriptors",
     "Out of descriptors an armed accept ends, and the connection waits for the next.",
     REFUSED,
     armed_without_descriptors,
     WEFT__FEATURE_ACCEPT_MULTISHOT,
     {ANSWER("accept -EMFILE, the last, then accepted")}},
    {"accept/armed-on-a-closed-one",
     "An accept outlives its descriptor, so it is cancelled before the descriptor is closed.",
     "src/io/close.c, close_record",
     armed_on_a_closed_one,
     WEFT__FEATURE_ACCEPT_MULTISHOT,
     {ANSWER("connect 0, goes on accepting")}},
    {"accept/the-address-is-free-again",
     "A listener that was cancelled, waited for and closed has let go of its address.",
     "src/io/listen.c, bind_patiently",
     the_address_is_free_again,
     0,
     {ANSWER("close 0, bind 0")}},
    {0},
};
