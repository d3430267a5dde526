/*
 * sim/net_unix.c - Unix sockets: streams, packets in order, datagrams.
 */
#include "sim/net_unix.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ALL_EVENTS = POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR };
enum { BACKLOG_MAX = 4096, SHOWN = 212992, NO_NAME = sizeof(sa_family_t), MAY_WRITE = 0200 };

struct unix_file {
    struct weft__sim_file file;
    struct weft__net_local *local;
};

static struct weft__net_local *local_of(const struct weft__sim_file *file)
{
    static_assert(offsetof(struct unix_file, file) == 0, "cast below");
    return ((const struct unix_file *)file)->local;
}

static bool is_datagrams(const struct weft__net_local *local)
{
    return local->options.type == SOCK_DGRAM;
}

static void changed(struct weft__net_local *local, uint32_t events)
{
    if (local->file)
        weft__sim_file_changed(local->net->sim, local->file, events);
}

/* -- beginning and end ----------------------------------------------------------------------- */

static struct weft__net_local *local_new(struct weft__sim_net *net, int type)
{
    struct weft__net_local *local = weft__sim_alloc(sizeof *local);
    struct weft__sim_dice dice;

    local->net = net;
    local->serial = weft__sim_serial(net->sim, WEFT__SIM_WHO_NET);
    local->name = (struct weft__net_local_name){.address.sun_family = AF_UNIX, .length = NO_NAME};
    local->peer_name = local->name;
    local->queue_tail = &local->queue;
    local->next = net->locals;
    local->link = &net->locals;
    if (local->next)
        local->next->link = &local->next;
    net->locals = local;
    dice = weft__sim_dice(WEFT__SIM_WHO_NET, local->serial);
    local->options = (struct weft__net_options){
        .type = type,
        .domain = AF_UNIX,
        .send_buffer = SHOWN,
        .receive_buffer = SHOWN,
        .send_room = weft__sim_span(net->sim, &dice, WEFT__SIM_NET_UNIX_BUFFER),
    };
    return local;
}

static void broken(struct weft__net_local *local, int error)
{
    if (error)
        local->error = error;
    local->shut = WEFT__NET_SHUT_BOTH;
    changed(local, ALL_EVENTS);
}

/* Those who wait for room in a datagram socket: nothing keeps account of them, so
   all are told, and look. */
static void room_for_datagrams(struct weft__sim_net *net)
{
    for (struct weft__net_local *local = net->locals, *next; local; local = next) {
        next = local->next;
        if (is_datagrams(local))
            changed(local, POLLOUT);
    }
}

/* Tells the other end, if there is one, and frees. */
static void local_free(struct weft__net_local *local, int error)
{
    bool datagrams = is_datagrams(local);
    struct weft__sim_net *net = local->net;
    struct weft__net_local *other;

    /* first: files that are dropped with it may be the other end's last */
    weft__net_marks_free(local->net->sim, &local->marks);
    other = local->other;
    weft__net_path_leave(local);
    weft__net_bytes_free(&local->in);
    *local->link = local->next;
    if (local->next)
        local->next->link = local->link;
    weft__sim_free(local);
    if (datagrams)
        room_for_datagrams(net);
    if (!other)
        return;
    other->other = NULL;
    broken(other, error);
}

static struct weft__net_local *dequeue(struct weft__net_local *listener)
{
    struct weft__net_local *local = listener->queue;

    listener->queue = local->queue_next;
    if (!listener->queue)
        listener->queue_tail = &listener->queue;
    listener->queued--;
    local->queue_next = NULL;
    local->listener = NULL;
    return local;
}

/* Those who wait for room in this listener's queue, or for its end: nothing keeps account of them,
   so all who have not connected are told, and look. */
static void room_in_queue(struct weft__sim_net *net)
{
    struct weft__net_local *next;

    for (struct weft__net_local *local = net->locals; local; local = next) {
        next = local->next;
        if (local->state == WEFT__NET_CLOSED)
            changed(local, POLLOUT);
    }
}

static void unix_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct weft__net_local *local = local_of(file);
    struct weft__sim_net *net = local->net;
    bool listened = local->state == WEFT__NET_LISTENING;

    (void)sim;
    local->file = NULL;
    weft__sim_free(file);
    while (local->queue)
        local_free(dequeue(local), ECONNRESET);
    local_free(local, local->in.count > 0 ? ECONNRESET : 0);
    if (listened)
        room_in_queue(net);
}

/* Drops what is under way to one of them. False: there is nothing more. Whoever was held by that
   alone is gone then, perhaps this one: a socket may be on its way to itself. */
static bool drop_under_way(struct weft__sim_net *net)
{
    struct weft__net_local *local = net->locals;
    struct weft__net_marks marks;

    while (local && !local->marks.first)
        local = local->next;
    if (!local)
        return false;
    marks = local->marks;
    local->marks.first = local->marks.last = NULL;
    weft__net_marks_free(net->sim, &marks);
    return true;
}

void weft__net_unix_close_all(struct weft__sim_net *net)
{
    while (drop_under_way(net))
        ;
    while (net->locals)
        local_free(net->locals, 0);
}

/* -- connecting ------------------------------------------------------------------------------ */

static int unix_bind(struct weft__sim *sim, struct weft__sim_file *file,
                     const struct sockaddr *address, socklen_t length)
{
    (void)sim;
    return weft__net_local_bind(local_of(file), address, length);
}

static int unix_listen(struct weft__sim *sim, struct weft__sim_file *file, int backlog)
{
    struct weft__net_local *local = local_of(file);

    (void)sim;
    if (is_datagrams(local))
        return -EOPNOTSUPP;
    if (local->state == WEFT__NET_OPEN || local->name.length <= NO_NAME)
        return -EINVAL;
    local->state = WEFT__NET_LISTENING;
    local->backlog = backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : (uint32_t)backlog;
    room_in_queue(local->net);
    return 0;
}

/* Who listens at that name for sockets of the type; a negative errno through *error. Of another
   type it may be, whether it listens or not. */
static struct weft__net_local *listener_at(struct weft__sim_net *net, int type,
                                           const struct weft__net_local_name *name, int *error)
{
    struct weft__net_path *path = weft__net_path_find(net, name);
    struct weft__net_local *owner = path ? path->owner : NULL;

    *error = -ECONNREFUSED;
    if (!path && weft__net_local_is_file(name))
        *error = -ENOENT;
    else if (path && weft__net_local_is_file(name) && !(path->mode & MAY_WRITE))
        *error = -EACCES;
    else if (owner && owner->options.type != type)
        *error = -EPROTOTYPE;
    else if (owner && owner->state == WEFT__NET_LISTENING && !(owner->shut & WEFT__NET_SHUT_READ))
        *error = owner->queued > owner->backlog ? -EAGAIN : 0;
    return *error < 0 ? NULL : owner;
}

static void join(struct weft__net_local *here, struct weft__net_local *listener)
{
    struct weft__net_local *there = local_new(here->net, here->options.type);

    weft__net_option_inherit(&there->options, &listener->options);
    there->name = here->peer_name = listener->name;
    there->peer_name = here->name;
    there->other = here;
    here->other = there;
    here->state = there->state = WEFT__NET_OPEN;
    there->listener = listener;
    *listener->queue_tail = there;
    listener->queue_tail = &there->queue_next;
    listener->queued++;
    weft__sim_note(here->net->sim, WEFT__SIM_NOTE_NET_BEGIN, here->serial, 0);
    changed(here, POLLOUT);
    changed(listener, POLLIN);
}

/* Who has that name, for a datagram; a negative errno through *error. */
static struct weft__net_local *owner_of(struct weft__sim_net *net,
                                        const struct weft__net_local_name *name, int *error)
{
    struct weft__net_path *path = weft__net_path_find(net, name);
    struct weft__net_local *owner = path ? path->owner : NULL;

    *error = !path && weft__net_local_is_file(name) ? -ENOENT : -ECONNREFUSED;
    if (path && weft__net_local_is_file(name) && !(path->mode & MAY_WRITE))
        *error = -EACCES;
    else if (owner)
        *error = is_datagrams(owner) ? 0 : -EPROTOTYPE;
    return *error < 0 ? NULL : owner;
}

/* Datagrams: where those go that say nothing else. It is that socket, whatever becomes of its name.
 */
static int aim(struct weft__net_local *local, const struct weft__net_local_name *name)
{
    int error;
    const struct weft__net_local *to = owner_of(local->net, name, &error);

    if (!to)
        return error;
    local->aimed = to->serial;
    local->peer_name = *name;
    local->state = WEFT__NET_OPEN;
    return 0;
}

/* NULL: it is no more. */
static struct weft__net_local *aimed_at(const struct weft__net_local *local)
{
    struct weft__net_local *to = local->net->locals;

    while (to && to->serial != local->aimed)
        to = to->next;
    return to;
}

static int connect_local(struct weft__net_local *local, const struct sockaddr *address,
                         socklen_t length)
{
    struct weft__net_local_name name;
    struct weft__net_local *listener;
    int error = weft__net_local_read(&name, address, length);

    if (error < 0)
        return error;
    if (is_datagrams(local))
        return aim(local, &name);
    listener = listener_at(local->net, local->options.type, &name, &error);
    if (!listener && error != -EAGAIN)
        return error;
    if (local->state != WEFT__NET_CLOSED)
        return local->state == WEFT__NET_OPEN ? -EISCONN : -EINVAL;
    if (listener)
        join(local, listener);
    return error;
}

static int unix_connect(struct weft__sim *sim, struct weft__sim_file *file,
                        const struct sockaddr *address, socklen_t length)
{
    (void)sim;
    return connect_local(local_of(file), address, length);
}

static int unix_connected(struct weft__sim *sim, struct weft__sim_file *file)
{
    (void)sim;
    return local_of(file)->state == WEFT__NET_OPEN ? 0 : -EAGAIN;
}

/* As the real one does it: by connecting and leaving, which the listener sees. */
int weft__sim_net_probe(struct weft__sim *sim, const struct sockaddr *address, socklen_t length)
{
    struct weft__net_local *local;
    int error;

    if (address->sa_family != AF_UNIX)
        return 1;
    local = local_new(weft__sim_net(sim), SOCK_STREAM);
    error = connect_local(local, address, length);
    local_free(local, 0);
    if (error == -ECONNREFUSED || error == -ENOENT)
        return 0;
    return error == 0 || error == -EAGAIN || error == -EPROTOTYPE ? 1 : error;
}

static struct weft__sim_file *file_new(struct weft__net_local *local);

static int unix_accept(struct weft__sim *sim, struct weft__sim_file *file,
                       struct weft__sim_file **accepted)
{
    struct weft__net_local *listener = local_of(file), *local;

    (void)sim;
    if (is_datagrams(listener))
        return -EOPNOTSUPP;
    if (listener->state != WEFT__NET_LISTENING)
        return -EINVAL;
    if (!listener->queue)
        return -EAGAIN;
    local = dequeue(listener);
    *accepted = file_new(local);
    if (listener->queued == listener->backlog)
        room_in_queue(listener->net);
    return 0;
}

/* -- bytes ----------------------------------------------------------------------------------- */

static bool is_writable(const struct weft__net_local *local)
{
    return !local->other || (int64_t)local->other->in.count * 4 <= local->options.send_room;
}

static int32_t nothing_to_read(struct weft__net_local *local)
{
    int error = local->error;

    local->error = 0;
    if (error)
        return -error;
    return local->shut & WEFT__NET_SHUT_READ ? 0 : -EAGAIN;
}

/* How far a receive of a stream goes: to the end of the bytes that came with files. */
static size_t stream_part(const struct weft__net_local *local, size_t size)
{
    const struct weft__net_mark *mark = local->marks.first;

    if (!mark || mark->begin >= local->marks.read + size)
        return size;
    return mark->end - local->marks.read < size ? (size_t)(mark->end - local->marks.read) : size;
}

static void drop_bytes(struct weft__net_local *local, size_t size)
{
    weft__net_bytes_drop(&local->in, size);
    local->marks.read += size;
    if (local->other && is_writable(local->other))
        changed(local->other, POLLOUT);
}

static int32_t stream_receive(struct weft__net_local *local, struct weft__sim_transfer *transfer)
{
    size_t size = transfer->length < local->in.count ? transfer->length : local->in.count;

    if (local->in.count == 0)
        return nothing_to_read(local);
    size = stream_part(local, size);
    weft__net_bytes_look(&local->in, 0, transfer->memory, size);
    if (!(transfer->msg_flags & MSG_PEEK)) {
        struct weft__net_mark *mark = local->marks.first;
        if (mark && mark->begin < local->marks.read + size) {
            mark->begin = UINT64_MAX; /* its files go with the first of its bytes */
            if (transfer->message) {
                transfer->message->rights = mark->rights;
                mark->rights = NULL;
            }
        }
        drop_bytes(local, size);
        while (local->marks.first && local->marks.first->end <= local->marks.read)
            weft__net_mark_take(local->net->sim, &local->marks, NULL);
    }
    transfer->nonempty = local->in.count > 0;
    return (int32_t)size;
}

/* One message; what does not fit is lost. */
static int32_t packet_receive(struct weft__net_local *local, struct weft__sim_transfer *transfer)
{
    const struct weft__net_mark *mark = local->marks.first;
    uint32_t whole, size;

    if (!mark)
        return nothing_to_read(local);
    whole = (uint32_t)(mark->end - mark->begin);
    size = whole < transfer->length ? whole : transfer->length;
    weft__net_bytes_look(&local->in, 0, transfer->memory, size);
    if (transfer->message) {
        transfer->message->flags |= size < whole ? MSG_TRUNC : 0;
        memcpy(&transfer->message->name, &mark->from, sizeof mark->from);
        transfer->message->name_length = mark->from_length;
    }
    if (!(transfer->msg_flags & MSG_PEEK)) {
        drop_bytes(local, whole);
        weft__net_mark_take(local->net->sim, &local->marks, transfer->message);
        if (is_datagrams(local))
            room_for_datagrams(local->net);
    }
    return (int32_t)(transfer->msg_flags & MSG_TRUNC ? whole : size);
}

static int32_t unix_receive(struct weft__sim *sim, struct weft__sim_file *file,
                            struct weft__sim_transfer *transfer)
{
    struct weft__net_local *local = local_of(file);

    (void)sim;
    if (transfer->msg_flags & MSG_OOB)
        return is_datagrams(local) ? -EOPNOTSUPP : -EINVAL;
    if (local->state != WEFT__NET_OPEN && !is_datagrams(local))
        return local->options.type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
    return local->options.type == SOCK_STREAM ? stream_receive(local, transfer)
                                              : packet_receive(local, transfer);
}

/* Puts the bytes in, as one message where they are one, or where files go with them. */
static int32_t put(struct weft__net_local *from, struct weft__net_local *to,
                   const struct weft__sim_transfer *transfer, uint32_t size)
{
    struct weft__sim_message *message = transfer->message;

    if (to->options.type != SOCK_STREAM || (message && message->rights)) {
        struct weft__net_mark *mark = weft__net_mark_add(&to->marks, size, message);
        if (is_datagrams(from) && from->name.length > NO_NAME) {
            memcpy(&mark->from, &from->name.address, from->name.length);
            mark->from_length = from->name.length;
        }
    }
    weft__net_bytes_push(&to->in, transfer->memory, size);
    to->marks.written += size;
    weft__sim_note(from->net->sim, WEFT__SIM_NOTE_NET_UNIX, from->serial, size);
    changed(to, POLLIN);
    return (int32_t)size;
}

/* Who is to have it; a negative errno through *error. One that was connected to a socket which is
   gone is told so once, and is connected to none then. */
static struct weft__net_local *receiver_of(struct weft__net_local *local,
                                           const struct weft__sim_message *message, int *error)
{
    struct weft__net_local_name name;
    struct weft__net_local *to = NULL;

    if (message && message->name_length) {
        *error = weft__net_local_read(&name, (const struct sockaddr *)&message->name,
                                      message->name_length);
        return *error < 0 ? NULL : owner_of(local->net, &name, error);
    }
    *error = -ENOTCONN;
    if (local->state == WEFT__NET_OPEN && !(to = aimed_at(local))) {
        local->state = WEFT__NET_CLOSED;
        *error = -ECONNREFUSED;
    }
    return to;
}

static int32_t datagram_send(struct weft__net_local *local, struct weft__sim_transfer *transfer)
{
    int error;
    struct weft__net_local *to = receiver_of(local, transfer->message, &error);

    if (!to || local->shut & WEFT__NET_SHUT_WRITE)
        return to ? -EPIPE : error;
    if (to->shut & WEFT__NET_SHUT_READ)
        return -EPIPE;
    if (transfer->length > local->options.send_room)
        return -EMSGSIZE;
    if ((int64_t)to->in.count + transfer->length > local->options.send_room)
        return -EAGAIN;
    return put(local, to, transfer, transfer->length);
}

static int32_t unix_send(struct weft__sim *sim, struct weft__sim_file *file,
                         struct weft__sim_transfer *transfer)
{
    struct weft__net_local *local = local_of(file), *other = local->other;
    bool whole = local->options.type != SOCK_STREAM;
    uint32_t size = transfer->length;
    int64_t room;

    (void)sim;
    if (transfer->msg_flags & MSG_OOB)
        return -EOPNOTSUPP; /* urgent bytes are not simulated */
    if (is_datagrams(local))
        return datagram_send(local, transfer);
    if (local->state != WEFT__NET_OPEN)
        return -ENOTCONN;
    if (transfer->message && transfer->message->name_length && !whole)
        return -EISCONN;
    if (whole && local->error) /* of packets those who send are told of a reset, too */
        return nothing_to_read(local);
    if (!other || local->shut & WEFT__NET_SHUT_WRITE)
        return -EPIPE;
    room = local->options.send_room - (int64_t)other->in.count;
    if (size == 0 && !whole)
        return 0;
    if (whole && size > local->options.send_room)
        return -EMSGSIZE;
    if (room <= 0 || (whole && size > room))
        return -EAGAIN;
    if (size > room)
        size = (uint32_t)room;
    return put(local, other, transfer, size);
}

/* Whose messages go by a name: whether the one of that name has room. */
static bool peer_has_room(const struct weft__net_local *local)
{
    const struct weft__net_local *to;

    if (local->state != WEFT__NET_OPEN)
        return true;
    to = aimed_at(local);
    return !to || (int64_t)to->in.count * 4 <= local->options.send_room;
}

static uint32_t unix_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct weft__net_local *local = local_of(file);
    uint32_t events = local->error ? POLLERR : 0;

    (void)sim;
    if (local->shut == WEFT__NET_SHUT_BOTH ||
        (local->state == WEFT__NET_CLOSED && !is_datagrams(local)))
        events |= POLLHUP;
    if (local->shut & WEFT__NET_SHUT_READ)
        events |= POLLIN | POLLRDHUP;
    if (local->in.count > 0 || local->queue || local->marks.first)
        events |= POLLIN;
    if (is_datagrams(local) ? peer_has_room(local)
                            : local->state != WEFT__NET_LISTENING && is_writable(local))
        events |= POLLOUT;
    return events;
}

/* -- the rest -------------------------------------------------------------------------------- */

static int unix_shutdown(struct weft__sim *sim, struct weft__sim_file *file, int how)
{
    struct weft__net_local *local = local_of(file), *other = local->other;
    uint8_t mine = (uint8_t)(how + 1);

    (void)sim;
    if (how < SHUT_RD || how > SHUT_RDWR)
        return -EINVAL;
    local->shut |= mine;
    if (other)
        other->shut |= (uint8_t)((mine & WEFT__NET_SHUT_READ ? WEFT__NET_SHUT_WRITE : 0) |
                                 (mine & WEFT__NET_SHUT_WRITE ? WEFT__NET_SHUT_READ : 0));
    changed(local, ALL_EVENTS & ~(POLLERR | POLLHUP));
    if (other)
        changed(other, ALL_EVENTS & ~(POLLERR | POLLHUP));
    return 0;
}

static int unix_getsockname(struct weft__sim *sim, struct weft__sim_file *file,
                            struct sockaddr *address, socklen_t *length)
{
    const struct weft__net_local *local = local_of(file);

    (void)sim;
    weft__net_copy_out(&local->name.address, local->name.length, address, length);
    return 0;
}

static int unix_getpeername(struct weft__sim *sim, struct weft__sim_file *file,
                            struct sockaddr *address, socklen_t *length)
{
    const struct weft__net_local *local = local_of(file);

    (void)sim;
    if (local->state != WEFT__NET_OPEN)
        return -ENOTCONN;
    weft__net_copy_out(&local->peer_name.address, local->peer_name.length, address, length);
    return 0;
}

static int unix_setsockopt(struct weft__sim *sim, struct weft__sim_file *file, int level,
                           int option, const void *value, socklen_t length)
{
    (void)sim;
    return weft__net_option_set(&local_of(file)->options, false, level, option, value, length);
}

static int unix_getsockopt(struct weft__sim *sim, struct weft__sim_file *file, int level,
                           int option, void *value, socklen_t *length)
{
    struct weft__net_local *local = local_of(file);
    int answer;

    (void)sim;
    if (level != SOL_SOCKET || (option != SO_ERROR && option != SO_ACCEPTCONN))
        return weft__net_option_get(&local->options, level, option, value, length);
    answer = option == SO_ERROR ? local->error : local->state == WEFT__NET_LISTENING;
    if (option == SO_ERROR)
        local->error = 0;
    weft__net_copy_out(&answer, sizeof answer, value, length);
    return 0;
}

static void unix_fault(struct weft__sim *sim, struct weft__sim_file *file, int error)
{
    struct weft__net_local *local = local_of(file), *other = local->other;

    if (local->state != WEFT__NET_OPEN)
        return;
    weft__sim_note(sim, WEFT__SIM_NOTE_NET_BROKEN, local->serial, -error);
    broken(local, -error);
    if (other)
        broken(other, -error);
}

static void unix_describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                          size_t size)
{
    static const char *const states[] = {"closed", "listening", "", "", "open"};
    const struct weft__net_local *local = local_of(file);
    const struct weft__net_local_name *name =
        local->name.length > NO_NAME ? &local->name : &local->peer_name;
    const char *path = name->length > NO_NAME ? name->address.sun_path : "(unnamed)";

    (void)sim;
    snprintf(text, size, "unix:%s%.*s, %s", *path ? "" : "@", NO_NAME + 104,
             *path ? path : path + 1, states[local->state]);
}

#define UNIX_CALLS                                                                                 \
    .is_socket = true, .receive = unix_receive, .send = unix_send, .read = unix_receive,           \
    .write = unix_send, .accept = unix_accept, .connect = unix_connect,                            \
    .connected = unix_connected, .poll = unix_poll, .shutdown = unix_shutdown, .bind = unix_bind,  \
    .listen = unix_listen, .getsockname = unix_getsockname, .getpeername = unix_getpeername,       \
    .setsockopt = unix_setsockopt, .getsockopt = unix_getsockopt, .fault = unix_fault,             \
    .describe = unix_describe, .release = unix_release

static const struct weft__sim_file_ops unix_ops = {.kind = "unix", UNIX_CALLS};
static const struct weft__sim_file_ops packet_ops = {.kind = "packets", .whole = true, UNIX_CALLS};

static struct weft__sim_file *file_new(struct weft__net_local *local)
{
    struct unix_file *made = weft__sim_alloc(sizeof *made);

    made->local = local;
    local->file = &made->file;
    weft__sim_file_begin(local->net->sim, &made->file,
                         local->options.type == SOCK_STREAM ? &unix_ops : &packet_ops);
    return &made->file;
}

struct weft__sim_file *weft__net_unix_new(struct weft__sim_net *net, int type)
{
    return file_new(local_new(net, type));
}
