/*
 * sim/net_tcp.c - the calls on a TCP socket. What they answer is what Linux answers; the tests of
 * behaviour run on both.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "sim/net.h"

static struct weft__net_end *end_of(const struct weft__sim_file *file)
{
    static_assert(offsetof(struct weft__net_socket, file) == 0, "cast below");
    return ((const struct weft__net_socket *)file)->end;
}

/* -- bytes ----------------------------------------------------------------------------------- */

int weft__net_take_error(struct weft__net_end *end)
{
    int error = end->error;

    end->error = 0;
    return -error;
}

/* There is nothing to read: is that the end, an error, or only for now? */
static int32_t nothing_to_read(struct weft__net_end *end)
{
    if (end->wire && weft__net_in(end)->fin_arrived)
        return 0;
    if (end->error)
        return weft__net_take_error(end);
    if (end->state == WEFT__NET_LISTENING)
        return -ENOTCONN;
    if (end->shut & WEFT__NET_SHUT_READ)
        return 0;
    return end->state == WEFT__NET_CLOSED ? -ENOTCONN : -EAGAIN;
}

int32_t weft__net_receive(struct weft__net_end *end, struct weft__sim_transfer *transfer)
{
    uint64_t unread = weft__net_unread(end);
    uint32_t size = unread < transfer->length ? (uint32_t)unread : transfer->length;

    if (transfer->msg_flags & MSG_OOB)
        return end->state == WEFT__NET_CLOSED || end->state == WEFT__NET_LISTENING ? -ENOTCONN
                                                                                   : -EINVAL;
    if (unread == 0)
        return nothing_to_read(end);
    if (!(transfer->msg_flags & MSG_TRUNC))
        weft__net_bytes_look(&weft__net_in(end)->bytes, 0, transfer->memory, size);
    if (!(transfer->msg_flags & MSG_PEEK)) {
        weft__net_bytes_drop(&weft__net_in(end)->bytes, size);
        if (end->state == WEFT__NET_OPEN)
            weft__net_room_made(end->wire, !end->side);
    }
    transfer->nonempty = weft__net_unread(end) > 0 || weft__net_in(end)->fin_arrived;
    return (int32_t)size;
}

static int64_t room_to_send(const struct weft__net_end *end)
{
    const struct weft__net_way *out = weft__net_out(end);

    return end->options.send_room - (int64_t)(out->written - out->acked);
}

int32_t weft__net_send(struct weft__net_end *end, const struct weft__sim_transfer *transfer)
{
    int64_t room;
    uint32_t size = transfer->length;

    if (end->state == WEFT__NET_CONNECTING)
        return -EAGAIN;
    if (end->error || end->shut & WEFT__NET_SHUT_WRITE || end->state != WEFT__NET_OPEN)
        return end->error ? weft__net_take_error(end) : -EPIPE;
    if (transfer->msg_flags & MSG_OOB)
        return -EOPNOTSUPP; /* urgent bytes are not simulated */
    room = room_to_send(end);
    if (size == 0)
        return 0;
    if (room <= 0)
        return -EAGAIN;
    if (size > room)
        size = (uint32_t)room;
    weft__net_bytes_push(&weft__net_out(end)->bytes, transfer->memory, size);
    weft__net_out(end)->written += size;
    weft__net_pump(end->wire, end->side);
    return (int32_t)size;
}

/* A third of the buffer has to be free before a sender is called back. */
static bool is_writable(const struct weft__net_end *end)
{
    const struct weft__net_way *out;

    if (end->shut & WEFT__NET_SHUT_WRITE || !end->wire)
        return true;
    out = weft__net_out(end);
    return 3 * (int64_t)(out->written - out->acked) <= 2 * end->options.send_room;
}

uint32_t weft__net_poll(const struct weft__net_end *end)
{
    uint32_t events = end->error ? POLLERR : 0;

    if (end->state == WEFT__NET_LISTENING)
        return end->queue ? POLLIN : 0;
    if (end->shut == WEFT__NET_SHUT_BOTH || end->state == WEFT__NET_CLOSED)
        events |= POLLHUP;
    if (end->shut & WEFT__NET_SHUT_READ)
        events |= POLLIN | POLLRDHUP;
    if (end->state == WEFT__NET_CONNECTING || end->state == WEFT__NET_ARRIVING)
        return events;
    if (weft__net_unread(end) > 0)
        events |= POLLIN;
    return is_writable(end) ? events | POLLOUT : events;
}

static int32_t tcp_receive(struct weft__sim *sim, struct weft__sim_file *file,
                           struct weft__sim_transfer *transfer)
{
    (void)sim;
    return weft__net_receive(end_of(file), transfer);
}

static int32_t tcp_send(struct weft__sim *sim, struct weft__sim_file *file,
                        struct weft__sim_transfer *transfer)
{
    (void)sim;
    return weft__net_send(end_of(file), transfer);
}

static uint32_t tcp_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    (void)sim;
    return weft__net_poll(end_of(file));
}

/* -- names and beginnings --------------------------------------------------------------------- */

static int tcp_bind(struct weft__sim *sim, struct weft__sim_file *file,
                    const struct sockaddr *address, socklen_t length)
{
    struct weft__net_end *end = end_of(file);
    struct weft__net_name name;
    int error = weft__net_name_read(&name, end->family, address, length);

    (void)sim;
    return error < 0 ? error : weft__net_bind(end, &name);
}

static int tcp_listen(struct weft__sim *sim, struct weft__sim_file *file, int backlog)
{
    (void)sim;
    return weft__net_listen(end_of(file), backlog);
}

static int tcp_accept(struct weft__sim *sim, struct weft__sim_file *file,
                      struct weft__sim_file **accepted)
{
    struct weft__net_end *end = end_of(file);

    if (end->state != WEFT__NET_LISTENING)
        return -EINVAL;
    end = weft__net_accept(end);
    if (!end)
        return -EAGAIN;
    *accepted = weft__net_socket_new(sim, end);
    return 0;
}

static int tcp_connect(struct weft__sim *sim, struct weft__sim_file *file,
                       const struct sockaddr *address, socklen_t length)
{
    struct weft__net_end *end = end_of(file);
    struct weft__net_name name;
    int error;

    (void)sim;
    if (length < sizeof address->sa_family)
        return -EINVAL;
    if (end->state != WEFT__NET_CLOSED || end->wire)
        return weft__net_connect(end, NULL);
    error = weft__net_name_read(&name, end->family, address, length);
    return error < 0 ? error : weft__net_connect(end, &name);
}

static int tcp_connected(struct weft__sim *sim, struct weft__sim_file *file)
{
    (void)sim;
    return weft__net_connected(end_of(file));
}

static int tcp_getsockname(struct weft__sim *sim, struct weft__sim_file *file,
                           struct sockaddr *address, socklen_t *length)
{
    const struct weft__net_end *end = end_of(file);

    (void)sim;
    weft__net_name_write(&end->local, end->family, address, length);
    return 0;
}

static int tcp_getpeername(struct weft__sim *sim, struct weft__sim_file *file,
                           struct sockaddr *address, socklen_t *length)
{
    const struct weft__net_end *end = end_of(file);

    (void)sim;
    if (end->state != WEFT__NET_OPEN)
        return -ENOTCONN;
    weft__net_name_write(&end->remote, end->family, address, length);
    return 0;
}

/* -- options --------------------------------------------------------------------------------- */

static int tcp_setsockopt(struct weft__sim *sim, struct weft__sim_file *file, int level, int option,
                          const void *value, socklen_t length)
{
    struct weft__net_end *end = end_of(file);
    bool bound = end->same_port_link != NULL;
    int error;

    (void)sim;
    if (level == IPPROTO_TCP && option == TCP_FASTOPEN && end->state != WEFT__NET_CLOSED &&
        end->state != WEFT__NET_LISTENING)
        return -EINVAL;
    error = weft__net_option_set(&end->options, bound, level, option, value, length);
    if (error == 0 && end->state == WEFT__NET_OPEN) {
        weft__net_room_made(end->wire, !end->side);
        weft__net_doubt(end);
    }
    return error;
}

static int tcp_getsockopt(struct weft__sim *sim, struct weft__sim_file *file, int level, int option,
                          void *value, socklen_t *length)
{
    struct weft__net_end *end = end_of(file);
    int answer;

    (void)sim;
    if (level != SOL_SOCKET || (option != SO_ERROR && option != SO_ACCEPTCONN))
        return weft__net_option_get(&end->options, level, option, value, length);
    answer = option == SO_ERROR ? -weft__net_take_error(end) : end->state == WEFT__NET_LISTENING;
    weft__net_copy_out(&answer, sizeof answer, value, length);
    return 0;
}

/* -- the rest -------------------------------------------------------------------------------- */

static int tcp_shutdown(struct weft__sim *sim, struct weft__sim_file *file, int how)
{
    (void)sim;
    return weft__net_shutdown(end_of(file), how);
}

static void tcp_fault(struct weft__sim *sim, struct weft__sim_file *file, int error)
{
    struct weft__net_end *end = end_of(file);

    (void)sim;
    if (end->state == WEFT__NET_CONNECTING)
        weft__net_fail(end, -error);
    else if (end->state == WEFT__NET_OPEN && error == -ETIMEDOUT) {
        weft__net_silence(end->wire);
        weft__net_fail(end, ETIMEDOUT);
    } else if (end->state == WEFT__NET_OPEN)
        weft__net_break(end->wire, -error);
}

static void tcp_describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                         size_t size)
{
    static const char *const states[] = {"closed", "listening", "connecting", "arriving", "open"};
    const struct weft__net_end *end = end_of(file);
    char local[64], remote[64];

    (void)sim;
    weft__net_name_text(&end->local, local, sizeof local);
    weft__net_name_text(&end->remote, remote, sizeof remote);
    if (end->wire)
        snprintf(text, size, "%s %s %s, %s%s", local, end->side == 0 ? "->" : "<-", remote,
                 states[end->state], end->wire->silent ? ", silent" : "");
    else
        snprintf(text, size, "%s, %s", local, states[end->state]);
}

static void tcp_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct weft__net_end *end = end_of(file);

    (void)sim;
    weft__sim_free(file);
    weft__net_close(end);
}

static const struct weft__sim_file_ops tcp_ops = {
    .kind = "tcp",
    .is_socket = true,
    .receive = tcp_receive,
    .send = tcp_send,
    .read = tcp_receive,
    .write = tcp_send,
    .accept = tcp_accept,
    .connect = tcp_connect,
    .connected = tcp_connected,
    .poll = tcp_poll,
    .shutdown = tcp_shutdown,
    .bind = tcp_bind,
    .listen = tcp_listen,
    .getsockname = tcp_getsockname,
    .getpeername = tcp_getpeername,
    .setsockopt = tcp_setsockopt,
    .getsockopt = tcp_getsockopt,
    .fault = tcp_fault,
    .describe = tcp_describe,
    .release = tcp_release,
};

struct weft__sim_file *weft__net_socket_new(struct weft__sim *sim, struct weft__net_end *end)
{
    struct weft__net_socket *socket = weft__sim_alloc(sizeof *socket);

    socket->end = end;
    end->file = &socket->file;
    weft__sim_file_begin(sim, &socket->file, &tcp_ops);
    return &socket->file;
}

struct weft__net_wire *weft__net_wire_of(const struct weft__sim_file *file)
{
    return file->ops == &tcp_ops ? end_of(file)->wire : NULL;
}

void weft__net_is_elsewhere(struct weft__sim_file *file)
{
    if (file->ops == &tcp_ops)
        end_of(file)->elsewhere = true;
}

void weft__net_changed(struct weft__net_end *end, uint32_t events)
{
    if (end->file)
        weft__sim_file_changed(end->net->sim, end->file, events);
}
