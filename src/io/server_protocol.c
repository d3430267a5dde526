/*
 * io/server_protocol.c - a listener whose connections are transports: they are in its list, oldest
 * first, so that one timer watches over the time of all.
 *
 * What always holds: a transport in the list has its gate, in the frame of a listener that does not
 * return before the list is empty.
 */
#include "io/server.h"
#include "io/transport.h"
#include "ring/host.h"
#include "task/wait.h"

static void over_time(struct weft__timer *timer)
{
    struct weft__gate *gate =
        (struct weft__gate *)((char *)timer - offsetof(struct weft__gate, timer));
    struct weft_transport *transport = gate->first;
    int64_t now = weft__host_now();

    for (; transport && transport->until_ns <= now; transport = transport->next)
        weft__transport_cut(transport, -ETIMEDOUT, WEFT__SERVER_OVER_TIME);
    if (transport)
        weft__timer_arm(&weft__self->timers, timer, transport->until_ns);
}

static void enter(struct weft__gate *gate, struct weft_transport *transport)
{
    const struct weft_server_opt *opt = &gate->server->opt;

    transport->gate = gate;
    transport->link = gate->last;
    *gate->last = transport;
    gate->last = &transport->next;
    if (opt->connection_bytes)
        transport->left = opt->connection_bytes;
    if (!opt->connection_ns)
        return;
    transport->until_ns = weft_after_ns(opt->connection_ns);
    if (!weft__timer_armed(&gate->timer))
        weft__timer_arm(&weft__self->timers, &gate->timer, transport->until_ns);
}

int weft__gate_admit(struct weft__gate *gate, int fd)
{
    struct weft_server *server = gate->server;
    weft_transport *transport;
    int error =
        weft_transport_open(fd, server->protocol, server->arg, &server->stream_opt, &transport);

    if (error == 0) {
        transport->stream->first_due = server->opt.serve_first;
        enter(gate, transport);
    }
    return error;
}

void weft__gate_left(struct weft_transport *transport, int error)
{
    struct weft__gate *gate = transport->gate;
    enum weft__server_count what = error < 0 ? WEFT__SERVER_FAILED : WEFT__SERVER_FINISHED;

    *transport->link = transport->next;
    if (transport->next)
        transport->next->link = transport->link;
    else
        gate->last = transport->link;
    weft__gate_leave(gate, transport->fate < WEFT__SERVER_COUNTS
                               ? (enum weft__server_count)transport->fate
                               : what);
}

/* Waits until the list is empty. 0; -ETIME at the deadline; -ECANCELED. */
static int wait_for_all(struct weft__gate *gate, int64_t deadline, bool interruptible)
{
    struct weft__wait wait = {.what = "connections", .fd = -1};
    int error = 0;

    gate->waiter = &wait;
    while (gate->first && error == 0)
        error = weft__wait_for_wake_until(weft__task_self(), &wait, interruptible, deadline);
    gate->waiter = NULL;
    return error;
}

static void tell_of_drain(struct weft__gate *gate)
{
    for (struct weft_transport *transport = gate->first; transport; transport = transport->next) {
        transport->drained = true;
        weft__transport_stir(transport);
    }
}

void weft__gate_finish(struct weft__gate *gate, bool drains)
{
    int64_t soft = atomic_load_explicit(&gate->server->soft, memory_order_relaxed);
    int error = -ECANCELED;

    if (drains) { /* by the server's own times, or by a scope around it, which cancels in time */
        tell_of_drain(gate);
        error = wait_for_all(gate, soft ? soft : WEFT_NEVER, true);
    }
    if (error < 0) {
        for (struct weft_transport *t = gate->first; t; t = t->next)
            weft__transport_cut(t, -ECANCELED, WEFT__SERVER_CUT);
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
