/*
 * recv.c - checks: bytes, the end, errors and hints of a receive into the caller's own memory.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum { RECV = 100, SEND = 101 };

struct ends {
    struct weft__ring *ring;
    int near, far;
};

static struct ends connected(struct contract *c, int family)
{
    struct ends ends = {.ring = contract_ring(c, 0, 0), .near = -1, .far = -1};
    int pair[2] = {-1, -1};

    contract_pair(c, ends.ring, family, pair);
    ends.near = pair[1];
    ends.far = pair[0];
    return ends;
}

static struct weft__cqe receive(struct contract *c, struct ends ends, void *memory, uint32_t size,
                                uint32_t flags, uint16_t hint)
{
    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, memory, size, flags, hint);
    return contract_wait(c, ends.ring, RECV);
}

static void what_is_there(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[16] = "";

    contract_send(c, ends.ring, ends.far, "hello", 5);
    contract_say_result(c, "recv", receive(c, ends, text, 15, 0, 0).result);
    contract_say(c, "%s", text);
}

static void what_comes_later(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[16] = "";

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, text, 15, 0, 0);
    contract_say(c, "%s", contract_silent(c, ends.ring, RECV) ? "waits" : "ends");
    contract_send(c, ends.ring, ends.far, "later", 5);
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
    contract_say(c, "%s", text);
}

static void a_hint_that_is_wrong(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[16] = "";

    contract_send(c, ends.ring, ends.far, "there", 5);
    contract_say_result(c, "recv", receive(c, ends, text, 15, 0, WEFT__RECV_POLL_FIRST).result);
    contract_say(c, "%s", text);
}

static void a_hint_that_is_right(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[16] = "";

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, text, 15, 0, WEFT__RECV_POLL_FIRST);
    contract_say(c, "%s", contract_silent(c, ends.ring, RECV) ? "waits" : "ends");
    contract_send(c, ends.ring, ends.far, "later", 5);
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
}

static void a_hint_on_what_is_no_socket(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, 1);
    char byte;

    contract_say_result(c, "looked at", contract_recv(c, ring, bell->eventfd, &byte, 1));
    weft__bell_ring(bell);
    CONTRACT_ASK(c, ring, RECV, recv, bell->eventfd, &byte, 1, 0, WEFT__RECV_POLL_FIRST);
    contract_say_result(c, "waited for", contract_wait(c, ring, RECV).result);
}

static void the_end(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char byte;

    contract_drop(c, ends.far);
    contract_say_result(c, "recv", receive(c, ends, &byte, 1, 0, 0).result);
    contract_say_result(c, "again", receive(c, ends, &byte, 1, 0, 0).result);
    contract_say_result(c, "with a hint",
                        receive(c, ends, &byte, 1, 0, WEFT__RECV_POLL_FIRST).result);
}

static void the_end_while_waiting(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char byte;

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, &byte, 1, 0, 0);
    contract_submit(c, ends.ring);
    contract_drop(c, ends.far);
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
}

static void bytes_before_the_end(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[4] = "";

    contract_send(c, ends.ring, ends.far, "end", 3);
    contract_drop(c, ends.far);
    contract_say_result(c, "recv", receive(c, ends, text, 3, 0, 0).result);
    contract_say_result(c, "then", receive(c, ends, text, 3, 0, 0).result);
}

static void more_than_asked_for(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[8];
    struct weft__cqe cqe;

    contract_send(c, ends.ring, ends.far, "abcdef", 6);
    cqe = receive(c, ends, text, 3, 0, 0);
    contract_say(c, "%s", cqe.flags & WEFT__CQE_SOCK_NONEMPTY ? "more is there" : "not told");
    cqe = receive(c, ends, text, 8, 0, 0);
    contract_say(c, "%s", cqe.flags & WEFT__CQE_SOCK_NONEMPTY ? "still more" : "then nothing");
}

static void without_waiting(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[4] = "";

    contract_say_result(c, "empty", receive(c, ends, text, 3, MSG_DONTWAIT, 0).result);
    contract_send(c, ends.ring, ends.far, "abc", 3);
    receive(c, ends, text, 3, MSG_PEEK, 0); /* it has arrived */
    contract_say_result(c, "full", receive(c, ends, text, 3, MSG_DONTWAIT, 0).result);
}

static void a_look(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char seen[4] = "", taken[4] = "";

    contract_send(c, ends.ring, ends.far, "abc", 3);
    receive(c, ends, seen, 3, MSG_PEEK, 0);
    receive(c, ends, taken, 3, 0, 0);
    contract_say(c, "%s and %s", seen, taken);
}

static void waiting_for_all(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[8] = "";

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, text, 6, MSG_WAITALL, 0);
    contract_send(c, ends.ring, ends.far, "abc", 3);
    contract_say(c, "%s", contract_silent(c, ends.ring, RECV) ? "waits" : "ends");
    contract_send(c, ends.ring, ends.far, "def", 3);
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
    contract_say(c, "%s", text);
}

/* Why weft waits for all by itself: an error behind the first bytes is lost here. */
static void waiting_for_all_hides_a_reset(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[8];

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, text, 6, MSG_WAITALL, 0);
    contract_send(c, ends.ring, ends.far, "abc", 3);
    contract_need(c, contract_silent(c, ends.ring, RECV), "the receive goes on after 3 bytes");
    contract_reset_on_close(c, ends.far);
    contract_drop(c, ends.far);
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
}

static void a_reset(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char byte;

    contract_reset_on_close(c, ends.far);
    contract_drop(c, ends.far);
    contract_say_result(c, "recv", receive(c, ends, &byte, 1, 0, 0).result);
    contract_say_result(c, "send", contract_send(c, ends.ring, ends.near, "x", 1));
}

static void a_reset_while_waiting(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char byte;

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, &byte, 1, 0, WEFT__RECV_POLL_FIRST);
    contract_submit(c, ends.ring);
    contract_reset_on_close(c, ends.far);
    contract_drop(c, ends.far);
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
}

static void half_closed(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char byte = 0;

    weft__host_shutdown(ends.far, SHUT_WR);
    contract_say_result(c, "recv", receive(c, ends, &byte, 1, 0, 0).result);
    contract_say_result(c, "send", contract_send(c, ends.ring, ends.near, "x", 1));
    contract_recv(c, ends.ring, ends.far, &byte, 1);
    contract_say(c, "%c", byte);
}

static void shut_down_under_it(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char byte;

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, &byte, 1, 0, 0);
    contract_submit(c, ends.ring);
    weft__host_shutdown(ends.near, SHUT_RDWR);
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
}

static void closed_under_it(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char byte = 0;

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, &byte, 1, 0, 0);
    contract_submit(c, ends.ring);
    contract_drop(c, ends.near);
    contract_say_result(c, "send", contract_send(c, ends.ring, ends.far, "x", 1));
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
}

static void memory_that_is_none(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char *nowhere = weft__host_reserve(65536);
    char byte = 0;

    contract_send(c, ends.ring, ends.far, "x", 1);
    weft__host_unreserve(nowhere, 65536);
    contract_say_result(c, "recv", receive(c, ends, nowhere, 1, 0, 0).result);
    contract_say_result(c, "then", receive(c, ends, &byte, 1, 0, 0).result);
    contract_say(c, "%c", byte);
}

static void not_connected(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    char byte;

    contract_say_result(c, "recv", contract_recv(c, ring, contract_socket(c, AF_INET), &byte, 1));
}

static void both_sides_at_once(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char near = 0, far = 0;

    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, &near, 1, 0, 0);
    CONTRACT_ASK(c, ends.ring, SEND, send, ends.near, "a", 1, MSG_NOSIGNAL);
    contract_wait(c, ends.ring, SEND);
    contract_recv(c, ends.ring, ends.far, &far, 1);
    contract_send(c, ends.ring, ends.far, "b", 1);
    contract_wait(c, ends.ring, RECV);
    contract_say(c, "%c and %c", far, near);
}

static void a_nonblocking_descriptor(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char byte;

    weft__host_fcntl(ends.near, F_SETFL, O_RDWR | O_NONBLOCK);
    CONTRACT_ASK(c, ends.ring, RECV, recv, ends.near, &byte, 1, 0, 0);
    contract_say(c, "%s", contract_silent(c, ends.ring, RECV) ? "waits" : "ends");
    contract_send(c, ends.ring, ends.far, "x", 1);
    contract_say_result(c, "recv", contract_wait(c, ends.ring, RECV).result);
}

static void nothing_asked_for(struct contract *c)
{
    struct ends ends = connected(c, AF_INET);
    char text[4] = "";

    contract_send(c, ends.ring, ends.far, "abc", 3);
    contract_say_result(c, "recv", receive(c, ends, text, 0, 0, 0).result);
    contract_say_result(c, "then", receive(c, ends, text, 3, 0, 0).result);
}

static void a_local_end(struct contract *c)
{
    struct ends ends = connected(c, AF_UNIX);
    char text[4] = "";

    contract_send(c, ends.ring, ends.far, "abc", 3);
    contract_drop(c, ends.far);
    contract_say_result(c, "recv", receive(c, ends, text, 3, 0, 0).result);
    contract_say_result(c, "then", receive(c, ends, text, 3, 0, 0).result);
}

#define CALL "src/io/transfer.c, receive_once"

const struct contract_check contract_receiving[] = {
    {"recv/what-is-there",
     "A receive gives what is there, and does not wait for all.",
     CALL,
     what_is_there,
     0,
     {ANSWER("recv 5, hello")}},
    {"recv/what-comes-later",
     "A receive with nothing there waits.",
     CALL,
     what_comes_later,
     0,
     {ANSWER("waits, recv 5, later")}},
    {"recv/a-hint-that-is-wrong",
     "Told to wait first, it still finds what is there already.",
     "src/io/transfer.c, receive_hint",
     a_hint_that_is_wrong,
     0,
     {ANSWER("recv 5, there")}},
    {"recv/a-hint-that-is-right",
     "Told to wait first, it waits.",
     "src/io/transfer.c, receive_hint",
     a_hint_that_is_right,
     0,
     {ANSWER("waits, recv 5")}},
    {"recv/a-hint-on-what-is-no-socket",
     "What is no socket is refused, with and without the hint.",
     "src/io/transfer.c, look",
     a_hint_on_what_is_no_socket,
     0,
     {ANSWER("looked at -ENOTSOCK, waited for -ENOTSOCK")}},
    {"recv/the-end",
     "The end reads as 0, however often it is asked for.",
     CALL,
     the_end,
     0,
     {ANSWER("recv 0, again 0, with a hint 0")}},
    {"recv/the-end-while-waiting",
     "A receive that waits is ended by the end.",
     CALL,
     the_end_while_waiting,
     0,
     {ANSWER("recv 0")}},
    {"recv/bytes-before-the-end",
     "The bytes before the end come first.",
     CALL,
     bytes_before_the_end,
     0,
     {ANSWER("recv 3, then 0")}},
    {"recv/more-than-asked-for",
     "A flag says that the socket holds more, and when it does not.",
     "src/io/transfer.c, note_received",
     more_than_asked_for,
     0,
     {ANSWER("more is there, then nothing")}},
    {"recv/without-waiting",
     "MSG_DONTWAIT answers at once.",
     "<weft/net.h>, weft_recv",
     without_waiting,
     0,
     {ANSWER("empty -EAGAIN, full 3")}},
    {"recv/a-look",
     "MSG_PEEK leaves the bytes where they are.",
     "<weft/net.h>, weft_recv",
     a_look,
     0,
     {ANSWER("abc and abc")}},
    {"recv/waiting-for-all",
     "With MSG_WAITALL one request waits for all its bytes.",
     "src/io/transfer.c, receive_waitall",
     waiting_for_all,
     0,
     {ANSWER("waits, recv 6, abcdef")}},
    {"recv/waiting-for-all-hides-a-reset",
     "MSG_WAITALL loses an error behind the first bytes, so weft waits for all by itself.",
     "src/io/transfer.c, receive_all",
     waiting_for_all_hides_a_reset,
     0,
     {ANSWER("recv 3")}},
    {"recv/a-reset",
     "After a reset a receive says so once, and a send finds a broken pipe.",
     "<weft/net.h>, errors",
     a_reset,
     0,
     {ANSWER("recv -ECONNRESET, send -EPIPE")}},
    {"recv/a-reset-while-waiting",
     "A receive that waits is ended by a reset.",
     CALL,
     a_reset_while_waiting,
     0,
     {ANSWER("recv -ECONNRESET")}},
    {"recv/half-closed",
     "The end of what the peer sends is not the end of what it reads.",
     "<weft/net.h>, weft_shutdown",
     half_closed,
     0,
     {ANSWER("recv 0, send 1, x")}},
    {"recv/shut-down-under-it",
     "Shutting a socket down ends a receive that waits on it.",
     "<weft/net.h>, weft_shutdown",
     shut_down_under_it,
     0,
     {ANSWER("recv 0")}},
    {"recv/closed-under-it",
     "A receive outlives its descriptor, so it is cancelled before the descriptor is closed.",
     "src/io/close.c, end_users",
     closed_under_it,
     0,
     {ANSWER("send 1, recv 1")}},
    {"recv/memory-that-is-none",
     "Memory that is none is an error, and costs no byte.",
     "<weft/net.h>, -EFAULT",
     memory_that_is_none,
     0,
     {ANSWER("recv -EFAULT, then 1, x")}},
    {"recv/not-connected",
     "A socket without a peer says so.",
     "<weft/net.h>, -ENOTCONN",
     not_connected,
     0,
     {ANSWER("recv -ENOTCONN")}},
    {"recv/both-sides-at-once",
     "One receive and one send on a socket do not wait for each other.",
     "src/io/fd.h, two sides",
     both_sides_at_once,
     0,
     {ANSWER("a and b")}},
    {"recv/a-nonblocking-descriptor",
     "O_NONBLOCK is for calls made by others: through the ring a receive waits all the same.",
     "src/io/accept.c, dress",
     a_nonblocking_descriptor,
     0,
     {ANSWER("waits, recv 1")}},
    {"recv/nothing-asked-for",
     "A receive of 0 bytes takes none.",
     "<weft/net.h>, weft_recv",
     nothing_asked_for,
     0,
     {ANSWER("recv 0, then 3")}},
    {"recv/a-local-end",
     "Unix sockets give the bytes before the end, too.",
     CALL,
     a_local_end,
     0,
     {ANSWER("recv 3, then 0")}},
    {0},
};
