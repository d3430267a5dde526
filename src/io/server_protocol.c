/*
 * io/server_protocol.c - a listener whose connections are transports. They are found among the
 * reactor's streams; those that have limits are in a list beside, oldest first, so that one timer
 * watches over the time of all.
 *
 * What always holds: a transport that was brought by a listener has its gate, in the frame of the
 * listener, which does not return before there is none.
 */
#include "io/server.h"
#include "io/transport.h"
#include "ring/host.h"
#include "task/wait.h"

static int64_t until_of(struct weft_transport *transport)
{
    return weft__transport_limits(transport)->until_ns;
}

static struct weft_transport *next_of(struct weft_transport *transport)
{
    return weft__transport_limits(transport)->next;
}

static void over_time(struct weft__timer *timer)
{
    struct weft__gate *gate =
        (struct weft__gate *)((char *)timer - offsetof(struct weft__gate, timer));
    struct weft_transport *transport = gate->first;
    int64_t now = weft__host_now();

    for (; transport && until_of(transport) <= now; transport = next_of(transport))
        weft__transport_cut(transport, -ETIMEDOUT, WEFT__SERVER_OVER_TIME);
    if (transport)
        weft__timer_arm(&weft__self->timers, timer, until_of(transport));
}

bool weft__gate_limits(const struct weft__gate *gate)
{
    return gate->server->opt.connection_bytes || gate->server->opt.connection_ns;
}

static void set_limits(struct weft__gate *gate, struct weft_transport *transport)
{
    const struct weft_server_opt *opt = &gate->server->opt;
    struct weft__transport_limits *limits = weft__transport_limits(transport);

    limits->left = opt->connection_bytes ? opt->connection_bytes : UINT64_MAX;
    limits->link = gate->last;
    *gate->last = transport;
    gate->last = &limits->next;
    if (!opt->connection_ns)
        return;
    limits->until_ns = weft_after_ns(opt->connection_ns);
    if (!weft__timer_armed(&gate->timer))
        weft__timer_arm(&weft__self->timers, &gate->timer, limits->until_ns);
}

int weft__gate_admit(struct weft__gate *gate, int fd)
{
    struct weft_server *server = gate->server;
    weft_transport *transport;
    int error = weft__transport_open(fd, server->protocol, server->arg, gate, &server->stream_opt,
                                     &transport);

    if (error < 0)
        return error;
    transport->stream.first_due = server->opt.serve_first;
    if (transport->limited)
        set_limits(gate, transport);
    return 0;
}

static void leave_limited(struct weft__gate *gate, const struct weft__transport_limits *limits)
{
    *limits->link = limits->next;
    if (limits->next)
        weft__transport_limits(limits->next)->link = limits->link;
    else
        gate->last = limits->link;
}

void weft__gate_left(struct weft_transport *transport, int error)
{
    struct weft__gate *gate = transport->stream.owner;
    enum weft__server_count what = error < 0 ? WEFT__SERVER_FAILED : WEFT__SERVER_FINISHED;

    if (transport->limited)
        leave_limited(gate, weft__transport_limits(transport));
    transport->stream.owner = NULL;
    weft__gate_leave(gate, transport->fate < WEFT__SERVER_COUNTS
                               ? (enum weft__server_count)transport->fate
                               : what);
}

/* All of its transports: what is done neither ends one nor begins one. */
static void for_each(const struct weft__gate *gate, void (*what)(struct weft_transport *transport))
{
    struct weft__io *io = weft__io_of(weft__self);

    for (uint32_t i = 0; io->buffers && i < WEFT__STREAMS_LISTS; i++)
        for (struct weft__starved *place = *weft__streams_list(io, i); place; place = place->next) {
            struct weft_stream *stream = weft__stream_at(place);
            if (stream->owned == WEFT__OWNED_BY_TRANSPORT && stream->owner == gate)
                what(weft__transport_of(stream));
        }
}

/* Waits until there are none. 0; -ETIME at the deadline; -ECANCELED. */
static int wait_for_all(struct weft__gate *gate, int64_t deadline, bool interruptible)
{
    struct weft__wait wait = {.what = "connections", .fd = -1};
    int error = 0;

    gate->waiter = &wait;
    while (gate->active > 0 && error == 0)
        error = weft__wait_for_wake_until(weft__task_self(), &wait, interruptible, deadline);
    gate->waiter = NULL;
    return error;
}

static void tell_of_drain(struct weft_transport *transport)
{
    transport->drained = true;
    weft__transport_stir(transport);
}

static void cut(struct weft_transport *transport)
{
    weft__transport_cut(transport, -ECANCELED, WEFT__SERVER_CUT);
}

void weft__gate_finish(struct weft__gate *gate, bool drains)
{
    int64_t soft = atomic_load_explicit(&gate->server->soft, memory_order_relaxed);
    int error = -ECANCELED;

    if (drains) { /* by the server's own times, or by a scope around it, which cancels in time */
        for_each(gate, tell_of_drain);
        error = wait_for_all(gate, soft ? soft : WEFT_NEVER, true);
    }
    if (error < 0) {
        for_each(gate, cut);
        (void)wait_for_all(gate, WEFT_NEVER, false);
    }
    weft__timer_disarm(&weft__self->timers, &gate->timer);
}

void weft__gate_open(struct weft__gate *gate, struct weft_server *server)
{
    *gate = (struct weft__gate){.server = server};
    gate->last = &gate->first;
    gate->timer.fire = over_time;
}
