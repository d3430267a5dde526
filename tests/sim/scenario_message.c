/*
 * The scenarios of datagrams, and of protocols told by callbacks; scenario.h says by which rules.
 */
#include "scenario.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { SEGMENT = 100, SEGMENTS = 3, ROUNDS = 3, PATIENCE_MS = 20000 };

static int any_socket(int port, const struct weft_socket_opt *opt)
{
    char remote[32];

    snprintf(remote, sizeof remote, "127.0.0.1:%d", port);
    return weft_datagram_socket("127.0.0.1:0", port ? remote : NULL, opt);
}

/* -- datagrams by calls ---------------------------------------------------------------------------
 */

struct talk {
    int fd;
    bool asks;
};

/* A batch is sent, and the next one once this one is said to be complete. */
static int asks(int fd)
{
    char bytes[SEGMENT * SEGMENTS], said;
    struct way *way = &ledger.ways[0];
    ssize_t n = 0;

    for (int i = 0; i < ROUNDS && n >= 0; i++) {
        size_t done = 0;
        for (int at = 0; at < SEGMENTS; at++)
            memset(bytes + (size_t)at * SEGMENT, i * SEGMENTS + at + 1, SEGMENT);
        way->offered += sizeof bytes;
        n = weft_send_segments(fd, bytes, sizeof bytes, SEGMENT, NULL, 0, &done);
        if (done % SEGMENT != 0 || (n >= 0) != (done == sizeof bytes))
            scenario_failed("%zd of the batch, and %zu bytes of it done", n, done);
        way->sent += done;
        do {
            said = (char)i;
            n = n < 0 ? n : weft_recv(fd, &said, 1, 0);
        } while (n > 0 && said < i); /* an earlier answer came twice */
        if (said > i)
            scenario_failed("the answer to %d is %d", i, said);
    }
    return n < 0 ? (int)n : 0;
}

/* Each is whole, in whatever order and company it comes. The net may bring one twice. */
static void take_segments(const char *bytes, size_t size, uint32_t segment, uint32_t *seen)
{
    for (size_t at = 0; at < size; at += segment) {
        uint32_t bit = 1u << bytes[at];
        if (segment != SEGMENT || size - at < segment)
            scenario_failed("%zu bytes in segments of %u, the first %d", size, segment, bytes[at]);
        for (size_t i = 0; i < segment; i++)
            if (bytes[at + i] != bytes[at])
                scenario_failed("a datagram is made of two");
        if (!(*seen & bit)) {
            ledger.ways[0].received += segment;
            ledger.ways[0].echoed += segment;
        }
        *seen |= bit;
    }
}

static int answers(int fd)
{
    struct sockaddr_storage from;
    char bytes[SEGMENT * SEGMENTS * 2];
    uint32_t seen = 0, segment;
    ssize_t n = 0;

    for (int i = 0; i < ROUNDS && n >= 0;) {
        socklen_t length = sizeof from;
        n = weft_recv_segments(fd, bytes, sizeof bytes, &segment, 0, (struct sockaddr *)&from,
                               &length);
        if (n > 0)
            take_segments(bytes, (size_t)n, segment, &seen);
        if (n > 0 && __builtin_popcount(seen) == SEGMENTS * (i + 1)) {
            char said = (char)i++;
            n = weft_sendto(fd, &said, 1, 0, (struct sockaddr *)&from, length);
        }
    }
    return n < 0 ? (int)n : 0;
}

static int talks(void *arg)
{
    const struct talk *talk = arg;
    int error = talk->asks ? asks(talk->fd) : answers(talk->fd);

    if (error < 0) /* the other would wait for nothing */
        (void)weft_scope_cancel(ledger.scope);
    return error;
}

int scenario_datagrams_main(void *arg)
{
    const struct weft_socket_opt joined = {.size = sizeof joined, .join_datagrams = true};
    struct talk sides[2] = {{.fd = any_socket(0, &joined)}, {.fd = -EBADF, .asks = true}};
    int error = sides[0].fd;

    (void)arg;
    if (error >= 0)
        error = sides[1].fd = any_socket(weft_local_port(sides[0].fd), NULL);
    if (error >= 0)
        error = scenario_side_by_side(talks, sides, sizeof sides[0], 2);
    for (int i = 0; i < 2; i++)
        if (sides[i].fd >= 0)
            weft_close(sides[i].fd);
    return error;
}

/* -- what callbacks note down ---------------------------------------------------------------------
 */

static struct told {
    int made, lost; /* of those that there are */
    bool asked;     /* who began it has ended */
    int error;      /* the first that anybody was told, or met */
    weft_event over;
} told;

static void note_error(int error)
{
    if (error < 0 && told.error == 0)
        told.error = error;
}

static void note_lost(int error)
{
    note_error(error);
    if (++told.lost > told.made)
        scenario_failed("%d were made, and %d lost", told.made, told.lost);
    (void)weft_event_set(&told.over);
}

/* Until all have ended. */
static int wait_lost(void)
{
    int error = 0;

    while (error == 0 && (told.lost < told.made || !told.asked)) {
        (void)weft_event_clear(&told.over);
        error = weft_event_wait(&told.over);
    }
    return error;
}

static void finish(int error)
{
    if (told.lost != told.made)
        scenario_failed("%d were made, and %d lost", told.made, told.lost);
    ledger.scope = NULL;
    ledger.whole = error == 0 && !weft_cancelled();
}

/* -- datagrams by callbacks -----------------------------------------------------------------------
 */

static weft_endpoint *near_end, *far_end;

static void hang_up(void)
{
    if (near_end)
        (void)weft_endpoint_close(near_end);
    if (far_end)
        (void)weft_endpoint_close(far_end);
}

static void ask_next(weft_endpoint *endpoint)
{
    char bytes[SEGMENT];
    ssize_t n;

    scenario_fill(0, bytes, sizeof bytes);
    ledger.ways[0].sent += sizeof bytes;
    n = weft_endpoint_sendto(endpoint, bytes, sizeof bytes, NULL, 0);
    if (n < 0) {
        note_error((int)n);
        hang_up();
    }
}

/* The next of them, and not an earlier one that the net brings twice. */
static bool expected(const void *data, uint64_t at)
{
    return *(const unsigned char *)data == scenario_byte(0, at);
}

static void near_made(weft_endpoint *endpoint, void *self)
{
    (void)self;
    ask_next(endpoint);
}

static void near_received(weft_endpoint *endpoint, const void *data, size_t size, int flags,
                          const struct sockaddr *from, socklen_t from_length, void *self)
{
    struct way *way = &ledger.ways[0];

    (void)from, (void)from_length, (void)self;
    if (flags || size != SEGMENT)
        scenario_failed("%zu bytes came back, flags %x", size, flags);
    if (!expected(data, way->echoed))
        return;
    way->echoed += size;
    if (way->echoed == (uint64_t)SEGMENT * ROUNDS)
        hang_up();
    else
        ask_next(endpoint);
}

static void far_received(weft_endpoint *endpoint, const void *data, size_t size, int flags,
                         const struct sockaddr *from, socklen_t from_length, void *self)
{
    ssize_t n;

    (void)flags, (void)self;
    if (expected(data, ledger.ways[0].received))
        scenario_received(0, data, size);
    n = weft_endpoint_sendto(endpoint, data, size, from, from_length);
    if (n < 0) {
        note_error((int)n);
        hang_up();
    }
}

static void end_error(weft_endpoint *endpoint, int error, void *self)
{
    (void)endpoint, (void)self;
    note_error(error);
    hang_up();
}

static void end_lost(weft_endpoint *endpoint, int error, void *self)
{
    (void)self;
    told.asked = true;
    if (endpoint == near_end)
        near_end = NULL;
    else
        far_end = NULL;
    note_lost(error);
    hang_up();
}

static const struct weft_datagram_protocol near_protocol = {.size = sizeof near_protocol,
                                                            .connection_made = near_made,
                                                            .datagram_received = near_received,
                                                            .error_received = end_error,
                                                            .connection_lost = end_lost};
static const struct weft_datagram_protocol far_protocol = {.size = sizeof far_protocol,
                                                           .datagram_received = far_received,
                                                           .error_received = end_error,
                                                           .connection_lost = end_lost};

static int make_endpoint(weft_endpoint **endpoint, const struct weft_datagram_protocol *protocol,
                         int port)
{
    char remote[32];
    int error;

    snprintf(remote, sizeof remote, "127.0.0.1:%d", port);
    error = weft_create_datagram_endpoint(endpoint, "127.0.0.1:0", port ? remote : NULL, protocol,
                                          NULL, NULL);
    told.made += error == 0;
    return error;
}

int scenario_endpoints_main(void *arg)
{
    const struct weft_scope_opt opt = {.size = sizeof opt, .deadline = weft_after_ms(PATIENCE_MS)};
    weft_scope s;
    int error = weft_scope_open(&s, &opt), closed;

    (void)arg;
    if (error < 0)
        return error;
    told = (struct told){.made = 0};
    near_end = far_end = NULL;
    ledger.scope = &s;
    error = make_endpoint(&far_end, &far_protocol, 0);
    if (error == 0)
        error =
            make_endpoint(&near_end, &near_protocol, weft_local_port(weft_endpoint_fd(far_end)));
    if (error == 0)
        error = wait_lost();
    if (error < 0)
        hang_up();
    closed = weft_scope_close(&s);
    error = error < 0 ? error : closed < 0 ? closed : told.error;
    finish(error);
    return error;
}

/* -- connections by callbacks ---------------------------------------------------------------------
 */

enum { MUCH = 2100, MARK_HIGH = 300, MARK_LOW = 100 };

/* What was read is not more than was written: who cannot write does not read. */
static void echo_made(weft_transport *transport, void *self)
{
    (void)self;
    told.made++;
    (void)weft_transport_set_write_limits(transport, MARK_HIGH, MARK_LOW);
}

static void echo_received(weft_transport *transport, const void *data, size_t size, void *self)
{
    (void)self;
    scenario_received(0, data, size);
    if (weft_transport_write(transport, data, size) < 0)
        (void)weft_transport_abort(transport);
}

static void echo_pause(weft_transport *transport, void *self)
{
    (void)self;
    (void)weft_transport_pause_reading(transport);
}

static void echo_resume(weft_transport *transport, void *self)
{
    (void)self;
    (void)weft_transport_resume_reading(transport);
}

/* Whoever began it is told why, too. */
static void echo_lost(weft_transport *transport, int error, void *self)
{
    (void)transport, (void)self, (void)error;
    note_lost(0);
}

static const struct weft_protocol echo_protocol = {.size = sizeof echo_protocol,
                                                   .connection_made = echo_made,
                                                   .data_received = echo_received,
                                                   .pause_writing = echo_pause,
                                                   .resume_writing = echo_resume,
                                                   .connection_lost = echo_lost};

/* Writes on whenever it may, reads into a place of its own, and ends when all is back. */
struct asker {
    char place[64];
    bool paused;
};

static void write_on(weft_transport *transport, struct asker *asker)
{
    char bytes[MUCH / 7];
    struct way *way = &ledger.ways[0];

    while (!asker->paused && way->sent < MUCH) {
        ssize_t n;
        scenario_fill(0, bytes, sizeof bytes);
        way->sent += sizeof bytes; /* pause_writing may be called before it returns */
        n = weft_transport_write(transport, bytes, sizeof bytes);
        if (n < 0) {
            note_error((int)n);
            (void)weft_transport_abort(transport);
            return;
        }
    }
}

static void asker_made(weft_transport *transport, void *self)
{
    told.made++;
    (void)weft_transport_set_write_limits(transport, MARK_HIGH, MARK_LOW);
    write_on(transport, self);
}

static void *asker_place(weft_transport *transport, size_t hint, size_t *size, void *self)
{
    struct asker *asker = self;

    (void)transport, (void)hint;
    *size = sizeof asker->place;
    return asker->place;
}

static void asker_updated(weft_transport *transport, size_t size, void *self)
{
    (void)self;
    ledger.ways[0].echoed += size;
    if (ledger.ways[0].echoed == MUCH)
        (void)weft_transport_close(transport);
}

static void asker_pause(weft_transport *transport, void *self)
{
    (void)transport;
    ((struct asker *)self)->paused = true;
}

static void asker_resume(weft_transport *transport, void *self)
{
    struct asker *asker = self;

    asker->paused = false;
    write_on(transport, asker);
}

static void asker_lost(weft_transport *transport, int error, void *self)
{
    (void)transport, (void)self;
    note_error(error < 0 || ledger.ways[0].echoed == MUCH ? error : -ENODATA);
    told.asked = true;
    note_lost(0);
}

static const struct weft_protocol asker_protocol = {.size = sizeof asker_protocol,
                                                    .state_size = sizeof(struct asker),
                                                    .connection_made = asker_made,
                                                    .get_buffer = asker_place,
                                                    .buffer_updated = asker_updated,
                                                    .pause_writing = asker_pause,
                                                    .resume_writing = asker_resume,
                                                    .connection_lost = asker_lost};

static int talk_by_callbacks(void)
{
    weft_server *server;
    weft_transport *transport;
    char address[32];
    int error = weft_create_server(&server, "127.0.0.1:0", &echo_protocol, NULL, NULL);

    if (error < 0)
        return error;
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    error = weft_create_connection(address, &asker_protocol, NULL, NULL, &transport);
    if (error == 0 && (error = wait_lost()) < 0 && !told.asked) {
        (void)weft_transport_abort(transport);
        WEFT_SHIELD(weft_after_ms(1000)) /* told on the loop, and then it is gone */
            (void)wait_lost();
    }
    (void)weft_server_drain(server, weft_after_ms(100), weft_after_ms(200));
    (void)weft_server_close(server);
    return error;
}

static int talks_by_callbacks(void *arg)
{
    int error = talk_by_callbacks();

    (void)arg;
    return error < 0 ? error : told.error;
}

int scenario_transports_main(void *arg)
{
    int error;

    told = (struct told){.made = 0};
    error = scenario_side_by_side(talks_by_callbacks, &arg, sizeof arg, 1);
    return error;
}
