/*
 * sim/net_udp.c - sockets of UDP, and the datagrams between them.
 *
 *      sendmsg --> a datagram on its way (lost; come twice; later than one sent after it)
 *           --> arrived: the socket that is connected to its sender, else the one bound there
 *                  room in it: waits to be received       none: lost, and nobody is told
 *                  nobody there: its sender, if connected, meets -ECONNREFUSED
 *
 * What always holds: each socket is in the network's list, and each datagram in one list: of those
 * on their way, or of one socket. Other machines are out of reach (-ENETUNREACH).
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "sim/message.h"
#include "sim/net.h"

enum {
    SIZE_MAX_V4 = 65507,
    FIRST_CHOSEN = 32768,
    LAST_CHOSEN = 60999,
    SHOWN = 212992,
    SEGMENTS_MAX = 64, /* by one request, and joined to one message */
    OVERHEAD = 256,    /* what a datagram takes of the room besides its bytes */
};

struct weft__net_datagram {
    struct weft__sim_event event; /* first: its arrival */
    struct weft__sim_net *net;
    struct weft__net_datagram *next, **link;
    struct weft__net_name from, to;
    uint32_t size;
    unsigned char bytes[];
};

struct weft__net_udp {
    struct weft__sim_file file; /* first */
    struct weft__sim_net *net;
    struct weft__net_udp *next, **link;
    struct weft__net_options options;
    struct weft__net_name local, remote; /* remote.port 0: not connected */
    struct weft__sim_dice dice;
    sa_family_t family;
    uint8_t shut;
    bool bound;
    int error; /* positive, told once */
    struct weft__net_datagram *first, **last;
    uint64_t waiting; /* bytes of those, their overhead counted */
};

static struct weft__net_udp *udp_of(struct weft__sim_file *file)
{
    static_assert(offsetof(struct weft__net_udp, file) == 0, "cast below");
    return (struct weft__net_udp *)file;
}

static void link_datagram(struct weft__net_datagram *datagram, struct weft__net_datagram **place)
{
    datagram->next = *place;
    datagram->link = place;
    if (datagram->next)
        datagram->next->link = &datagram->next;
    *place = datagram;
}

static void unlink_datagram(struct weft__net_datagram *datagram)
{
    *datagram->link = datagram->next;
    if (datagram->next)
        datagram->next->link = datagram->link;
}

/* -- ports ------------------------------------------------------------------------------------- */

static bool same_place(const struct weft__net_name *one, const struct weft__net_name *other)
{
    return weft__net_host_same(one, other) || weft__net_host_is_any(one) ||
           weft__net_host_is_any(other);
}

static bool in_use(const struct weft__net_udp *udp, const struct weft__net_name *name)
{
    for (const struct weft__net_udp *other = udp->net->udps; other; other = other->next)
        if (other != udp && other->bound && other->local.port == name->port &&
            same_place(&other->local, name) &&
            !(other->options.reuse_port && udp->options.reuse_port) &&
            !(other->options.reuse_address && udp->options.reuse_address))
            return true;
    return false;
}

static int bind_name(struct weft__net_udp *udp, struct weft__net_name name)
{
    const uint32_t count = LAST_CHOSEN - FIRST_CHOSEN + 1;
    uint32_t first;

    if (!weft__net_host_is_here(&name))
        return -EADDRNOTAVAIL;
    if (name.port != 0 && name.port <= weft__sim_most(udp->net->sim, WEFT__SIM_NET_PRIVILEGED))
        return -EACCES;
    if (name.port != 0 && in_use(udp, &name))
        return -EADDRINUSE;
    weft__sim_step(&udp->net->dice);
    first = (uint32_t)weft__sim_pick(udp->net->sim, &udp->net->dice, WEFT__SIM_NET_PORT, count);
    for (uint32_t i = 0; name.port == 0 && i < count; i++) {
        name.port = (uint16_t)(FIRST_CHOSEN + (first + i) % count);
        if (in_use(udp, &name))
            name.port = 0;
    }
    if (name.port == 0)
        return -EADDRINUSE;
    udp->local = name;
    udp->bound = true;
    return 0;
}

static int udp_bind(struct weft__sim *sim, struct weft__sim_file *file,
                    const struct sockaddr *address, socklen_t length)
{
    struct weft__net_udp *udp = udp_of(file);
    struct weft__net_name name;
    int error = weft__net_name_read(&name, udp->family, address, length);

    (void)sim;
    if (error < 0)
        return error;
    return udp->bound ? -EINVAL : bind_name(udp, name);
}

static int bind_somewhere(struct weft__net_udp *udp)
{
    return udp->bound ? 0 : bind_name(udp, udp->local);
}

/* Of hosts there are no others, and to all at once (of the loopback's net: those are the only ones)
   nothing goes: a socket would have to be allowed that first. */
static int reach(const struct weft__net_name *to)
{
    static const uint8_t everybody[4] = {127, 255, 255, 255};

    if (!weft__net_host_is_here(to))
        return -ENETUNREACH;
    return weft__net_host_is_v4(to) && memcmp(to->host + 12, everybody, 4) == 0 ? -EACCES : 0;
}

static int udp_connect(struct weft__sim *sim, struct weft__sim_file *file,
                       const struct sockaddr *address, socklen_t length)
{
    struct weft__net_udp *udp = udp_of(file);
    struct weft__net_name name;
    int error = weft__net_name_read(&name, udp->family, address, length);

    (void)sim;
    if (error == 0)
        error = reach(&name);
    if (error == 0)
        error = bind_somewhere(udp);
    if (error < 0)
        return error;
    weft__net_host_of_destination(&name);
    udp->remote = name;
    if (weft__net_host_is_any(&udp->local)) {
        uint16_t port = udp->local.port;
        weft__net_host_of_source(&udp->local, &name);
        udp->local.port = port;
    }
    return 0;
}

static int udp_connected(struct weft__sim *sim, struct weft__sim_file *file)
{
    (void)sim, (void)file;
    return 0;
}

/* -- on their way ------------------------------------------------------------------------------ */

/* Who gets it: one connected to its sender before others. */
static struct weft__net_udp *receiver_of(const struct weft__net_datagram *datagram)
{
    struct weft__net_udp *found = NULL;

    for (struct weft__net_udp *udp = datagram->net->udps; udp; udp = udp->next) {
        if (!udp->bound || udp->local.port != datagram->to.port ||
            !(weft__net_host_is_any(&udp->local) ||
              weft__net_host_same(&udp->local, &datagram->to)))
            continue;
        if (udp->remote.port == 0)
            found = found ? found : udp;
        else if (udp->remote.port == datagram->from.port &&
                 weft__net_host_same(&udp->remote, &datagram->from))
            return udp;
    }
    return found;
}

/* Nobody was there. */
static void refuse(const struct weft__net_datagram *datagram)
{
    for (struct weft__net_udp *udp = datagram->net->udps; udp; udp = udp->next)
        if (udp->bound && udp->local.port == datagram->from.port &&
            udp->remote.port == datagram->to.port &&
            weft__net_host_same(&udp->remote, &datagram->to)) {
            udp->error = ECONNREFUSED;
            weft__sim_file_changed(udp->net->sim, &udp->file, POLLERR);
        }
}

static void arrives(struct weft__sim *sim, struct weft__sim_event *event)
{
    struct weft__net_datagram *datagram = (struct weft__net_datagram *)event;
    struct weft__net_udp *udp = receiver_of(datagram);

    unlink_datagram(datagram);
    if (!udp)
        refuse(datagram);
    if (!udp || udp->waiting + datagram->size + OVERHEAD > (uint64_t)udp->options.receive_room) {
        weft__sim_free(datagram);
        return;
    }
    datagram->next = NULL;
    datagram->link = udp->last;
    *udp->last = datagram;
    udp->last = &datagram->next;
    udp->waiting += datagram->size + OVERHEAD;
    weft__sim_file_changed(sim, &udp->file, POLLIN);
}

static void send_off(struct weft__net_udp *udp, const struct weft__net_name *to, const void *bytes,
                     uint32_t size)
{
    struct weft__sim *sim = udp->net->sim;
    struct weft__net_datagram *datagram = weft__sim_alloc(sizeof *datagram + size);
    int64_t when_ns = weft__sim_now(sim) + weft__sim_span(sim, &udp->dice, WEFT__SIM_NET_LATENCY);

    datagram->event.fire = arrives;
    datagram->net = udp->net;
    datagram->from = udp->local;
    if (weft__net_host_is_any(&udp->local)) {
        weft__net_host_of_source(&datagram->from, to);
        datagram->from.port = udp->local.port;
    }
    datagram->to = *to;
    datagram->size = size;
    if (size > 0)
        memcpy(datagram->bytes, bytes, size);
    link_datagram(datagram, &udp->net->datagrams);
    weft__sim_at(sim, when_ns, &datagram->event);
}

static int destination(struct weft__net_udp *udp, const struct weft__sim_message *message,
                       struct weft__net_name *to)
{
    int error = 0;

    *to = udp->remote;
    if (message && message->name_length)
        error = weft__net_name_read(to, udp->family, (const struct sockaddr *)&message->name,
                                    message->name_length);
    if (error < 0)
        return error;
    if (to->port == 0)
        return message && message->name_length ? -EINVAL : -EDESTADDRREQ;
    weft__net_host_of_destination(to);
    return reach(to);
}

static int take_error(struct weft__net_udp *udp)
{
    int error = udp->error;

    udp->error = 0;
    return -error;
}

/* One datagram: lost, come once, or twice. */
static void send_one(struct weft__net_udp *udp, const struct weft__net_name *to, const void *bytes,
                     uint32_t size)
{
    struct weft__sim *sim = udp->net->sim;

    weft__sim_step(&udp->dice);
    if (weft__sim_chance(sim, &udp->dice, WEFT__SIM_NET_DATAGRAM_LOST))
        return;
    send_off(udp, to, bytes, size);
    weft__sim_step(&udp->dice);
    if (weft__sim_chance(sim, &udp->dice, WEFT__SIM_NET_DATAGRAM_TWICE))
        send_off(udp, to, bytes, size);
}

/* How long each datagram is to be; the whole of it when it is not to be cut up. */
static uint32_t segment_of(const struct weft__net_udp *udp,
                           const struct weft__sim_transfer *transfer)
{
    uint32_t segment = transfer->message ? transfer->message->segment : 0;

    segment = segment ? segment : (uint32_t)udp->options.segment;
    return segment && segment < transfer->length ? segment : transfer->length;
}

static int32_t udp_send(struct weft__sim *sim, struct weft__sim_file *file,
                        struct weft__sim_transfer *transfer)
{
    struct weft__net_udp *udp = udp_of(file);
    uint32_t segment = segment_of(udp, transfer);
    struct weft__net_name to;
    int error;

    (void)sim;
    if (transfer->msg_flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (transfer->length > SIZE_MAX_V4)
        return -EMSGSIZE;
    if (transfer->length > (uint64_t)segment * SEGMENTS_MAX ||
        (segment < transfer->length && udp->options.no_check))
        return -EINVAL; /* each needs a sum of its own */
    error = destination(udp, transfer->message, &to);
    if (error == 0 && udp->shut & WEFT__NET_SHUT_WRITE)
        error = -EPIPE;
    if (error == 0 && udp->error)
        error = take_error(udp);
    if (error == 0)
        error = bind_somewhere(udp);
    if (error < 0)
        return error;
    if (transfer->length == 0)
        send_one(udp, &to, NULL, 0);
    for (uint32_t at = 0; at < transfer->length; at += segment)
        send_one(udp, &to, (const char *)transfer->memory + at,
                 transfer->length - at < segment ? transfer->length - at : segment);
    return (int32_t)transfer->length;
}

static void dequeue(struct weft__net_udp *udp)
{
    struct weft__net_datagram *datagram = udp->first;

    udp->waiting -= datagram->size + OVERHEAD;
    if (!datagram->next)
        udp->last = &udp->first;
    unlink_datagram(datagram);
    weft__sim_free(datagram);
}

/* Those behind the first, which was as long as each of them may be, and has been taken. */
static uint32_t join_more(struct weft__net_udp *udp, const struct weft__net_name *from,
                          uint32_t segment, struct weft__sim_transfer *transfer)
{
    uint32_t size = segment, last = segment;

    for (int joined = 1; joined < SEGMENTS_MAX && last == segment && udp->first; joined++) {
        const struct weft__net_datagram *next = udp->first;
        last = next->size;
        if (last == 0 || last > segment || last > transfer->length - size ||
            next->from.port != from->port || !weft__net_host_same(&next->from, from) ||
            weft__sim_chance(udp->net->sim, &udp->dice, WEFT__SIM_SHORT))
            break;
        memcpy((char *)transfer->memory + size, next->bytes, last);
        size += last;
        dequeue(udp);
    }
    return size;
}

static int32_t udp_receive(struct weft__sim *sim, struct weft__sim_file *file,
                           struct weft__sim_transfer *transfer)
{
    struct weft__net_udp *udp = udp_of(file);
    const struct weft__net_datagram *datagram = udp->first;
    uint32_t size, whole;

    (void)sim;
    if (udp->error)
        return take_error(udp);
    if (!datagram)
        return udp->shut & WEFT__NET_SHUT_READ ? 0 : -EAGAIN;
    whole = datagram->size;
    size = whole < transfer->length ? whole : transfer->length;
    if (size > 0)
        memcpy(transfer->memory, datagram->bytes, size);
    if (transfer->message) {
        transfer->message->flags |= size < whole ? MSG_TRUNC : 0;
        transfer->message->name_length = sizeof transfer->message->name;
        weft__net_name_write(&datagram->from, udp->family,
                             (struct sockaddr *)&transfer->message->name,
                             &transfer->message->name_length);
    }
    if (!(transfer->msg_flags & MSG_PEEK)) {
        struct weft__net_name from = datagram->from;
        dequeue(udp);
        if (transfer->message && udp->options.join && size == whole && size > 0) {
            size = join_more(udp, &from, whole, transfer);
            transfer->message->segment = size > whole ? whole : 0;
            whole = size;
        }
    }
    transfer->nonempty = udp->first != NULL;
    return (int32_t)(transfer->msg_flags & MSG_TRUNC ? whole : size);
}

static uint32_t udp_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct weft__net_udp *udp = udp_of(file);

    (void)sim;
    return POLLOUT | (udp->error ? POLLERR : 0) |
           (udp->first || udp->error || udp->shut & WEFT__NET_SHUT_READ ? POLLIN : 0);
}

/* -- the rest ---------------------------------------------------------------------------------- */

static int udp_shutdown(struct weft__sim *sim, struct weft__sim_file *file, int how)
{
    struct weft__net_udp *udp = udp_of(file);

    if (how < SHUT_RD || how > SHUT_RDWR)
        return -EINVAL;
    if (udp->remote.port == 0)
        return -ENOTCONN;
    udp->shut |= (uint8_t)(how + 1);
    weft__sim_file_changed(sim, file, POLLIN | POLLOUT);
    return 0;
}

static int udp_getsockname(struct weft__sim *sim, struct weft__sim_file *file,
                           struct sockaddr *address, socklen_t *length)
{
    const struct weft__net_udp *udp = udp_of(file);

    (void)sim;
    weft__net_name_write(&udp->local, udp->family, address, length);
    return 0;
}

static int udp_getpeername(struct weft__sim *sim, struct weft__sim_file *file,
                           struct sockaddr *address, socklen_t *length)
{
    const struct weft__net_udp *udp = udp_of(file);

    (void)sim;
    if (udp->remote.port == 0)
        return -ENOTCONN;
    weft__net_name_write(&udp->remote, udp->family, address, length);
    return 0;
}

static int udp_setsockopt(struct weft__sim *sim, struct weft__sim_file *file, int level, int option,
                          const void *value, socklen_t length)
{
    struct weft__net_udp *udp = udp_of(file);

    (void)sim;
    return weft__net_option_set(&udp->options, udp->bound, level, option, value, length);
}

static int udp_getsockopt(struct weft__sim *sim, struct weft__sim_file *file, int level, int option,
                          void *value, socklen_t *length)
{
    struct weft__net_udp *udp = udp_of(file);
    int answer;

    (void)sim;
    if (level != SOL_SOCKET || option != SO_ERROR)
        return weft__net_option_get(&udp->options, level, option, value, length);
    answer = -take_error(udp);
    weft__net_copy_out(&answer, sizeof answer, value, length);
    return 0;
}

static void udp_describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                         size_t size)
{
    const struct weft__net_udp *udp = (const struct weft__net_udp *)file;

    (void)sim;
    weft__net_name_text(&udp->local, text, size);
}

static void udp_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct weft__net_udp *udp = udp_of(file);

    (void)sim;
    while (udp->first)
        dequeue(udp);
    *udp->link = udp->next;
    if (udp->next)
        udp->next->link = udp->link;
    weft__sim_free(udp);
}

static const struct weft__sim_file_ops udp_ops = {
    .kind = "udp",
    .is_socket = true,
    .whole = true,
    .receive = udp_receive,
    .send = udp_send,
    .read = udp_receive,
    .write = udp_send,
    .connect = udp_connect,
    .connected = udp_connected,
    .poll = udp_poll,
    .shutdown = udp_shutdown,
    .bind = udp_bind,
    .getsockname = udp_getsockname,
    .getpeername = udp_getpeername,
    .setsockopt = udp_setsockopt,
    .getsockopt = udp_getsockopt,
    .describe = udp_describe,
    .release = udp_release,
};

struct weft__sim_file *weft__net_udp_new(struct weft__sim_net *net, sa_family_t family)
{
    struct weft__net_udp *udp = weft__sim_alloc(sizeof *udp);

    udp->net = net;
    udp->family = family;
    udp->last = &udp->first;
    if (family == AF_INET) /* bound to nothing: 0.0.0.0 */
        udp->local.host[10] = udp->local.host[11] = 0xff;
    udp->dice = weft__sim_dice(WEFT__SIM_WHO_NET, weft__sim_serial(net->sim, WEFT__SIM_WHO_NET));
    udp->options = (struct weft__net_options){.type = SOCK_DGRAM,
                                              .protocol = IPPROTO_UDP,
                                              .domain = family,
                                              .send_buffer = SHOWN,
                                              .receive_buffer = SHOWN,
                                              .send_room = SHOWN,
                                              .receive_room = SHOWN};
    udp->next = net->udps;
    udp->link = &net->udps;
    if (udp->next)
        udp->next->link = &udp->next;
    net->udps = udp;
    weft__sim_file_begin(net->sim, &udp->file, &udp_ops);
    return &udp->file;
}

/* The world ends. Sockets are files, which have gone before. */
void weft__net_udp_close_all(struct weft__sim_net *net)
{
    while (net->datagrams) {
        struct weft__net_datagram *datagram = net->datagrams;
        weft__sim_take_back(net->sim, &datagram->event);
        unlink_datagram(datagram);
        weft__sim_free(datagram);
    }
}
