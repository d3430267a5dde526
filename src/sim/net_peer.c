/*
 * sim/net_peer.c - scripted peers: connections that nobody's task holds. net_script.h says what a
 * script may say.
 *
 * A peer is a socket like any other, seen through the calls of its file, and an event that goes on
 * with the script. What always holds: it waits either for the file or for the event, never both;
 * it is freed with the end of its script, or with the network.
 */
#include <errno.h>
#include <netinet/in.h>
#include <weft/sim.h>

#include "sim/net.h"
#include "sim/net_script.h"
#include "sim/world.h"

enum { PIECE = 4096 };

struct weft__net_peer {
    struct weft__sim_net *net;
    struct weft__net_peer *next, **link;
    struct weft__net_script *script;
    struct weft__sim_file *file; /* NULL: not begun */
    struct weft__sim_waiter waiter;
    struct weft__sim_event event;
    uint64_t serial;
    uint32_t step;
    uint64_t done;   /* bytes of this step */
    bool connecting; /* begun, and not known how it ended */
    bool knocking;   /* to be begun again */
    bool makes_more; /* the one of a script that begins the others */
    uint8_t held[PIECE];
    uint32_t held_size, held_sent; /* of an echo */
};

static void event_fires(struct weft__sim *sim, struct weft__sim_event *event);
static void told(struct weft__sim *sim, struct weft__sim_waiter *waiter, uint32_t events);

static struct weft__net_peer *peer_new(struct weft__sim_net *net, struct weft__net_script *script,
                                       struct weft__sim_file *file)
{
    struct weft__net_peer *peer = weft__sim_alloc(sizeof *peer);

    peer->net = net;
    peer->script = script;
    script->refs++;
    peer->file = file;
    peer->event.fire = event_fires;
    peer->waiter.notify = told;
    peer->serial = weft__sim_serial(net->sim, WEFT__SIM_WHO_NET);
    peer->next = net->peers;
    peer->link = &net->peers;
    if (peer->next)
        peer->next->link = &peer->next;
    net->peers = peer;
    return peer;
}

static void script_drop(struct weft__net_script *script)
{
    if (--script->refs == 0)
        weft__sim_free(script);
}

static void peer_free(struct weft__net_peer *peer)
{
    struct weft__sim *sim = peer->net->sim;

    weft__sim_take_back(sim, &peer->event);
    weft__sim_wait_no_more(&peer->waiter);
    if (peer->file)
        weft__sim_file_drop(sim, peer->file);
    *peer->link = peer->next;
    if (peer->next)
        peer->next->link = peer->link;
    script_drop(peer->script);
    weft__sim_free(peer);
}

void weft__net_peers_free(struct weft__sim_net *net)
{
    while (net->peers)
        peer_free(net->peers);
}

/* -- waiting --------------------------------------------------------------------------------- */

static void wait_until(struct weft__net_peer *peer, int64_t when_ns)
{
    weft__sim_at(peer->net->sim, when_ns, &peer->event);
}

static void told(struct weft__sim *sim, struct weft__sim_waiter *waiter, uint32_t events)
{
    struct weft__net_peer *peer =
        (struct weft__net_peer *)(void *)((char *)waiter - offsetof(struct weft__net_peer, waiter));

    (void)events;
    weft__sim_wait_no_more(waiter);
    wait_until(peer, weft__sim_now(sim));
}

static void wait_for(struct weft__net_peer *peer, uint32_t events)
{
    peer->waiter.events = events;
    weft__sim_wait_on(peer->file, &peer->waiter);
}

/* -- the steps: 1 done, 0 waits, or an error that ends the script ------------------------------ */

static int32_t move(struct weft__net_peer *peer, void *memory, uint32_t size, bool out)
{
    struct weft__sim_transfer transfer = {.memory = memory, .length = size};
    struct weft__sim *sim = peer->net->sim;
    int32_t result = out ? peer->file->ops->send(sim, peer->file, &transfer)
                         : peer->file->ops->receive(sim, peer->file, &transfer);

    if (result == -EAGAIN)
        wait_for(peer, out ? POLLOUT : POLLIN);
    return result;
}

/* What it sends next: its text, or letters. */
static uint32_t fill(struct weft__net_peer *peer, const struct weft__net_step *step,
                     uint64_t size_max)
{
    uint64_t size = step->size - peer->done;

    if (size > size_max)
        size = size_max;
    for (uint32_t i = 0; i < size; i++)
        peer->held[i] = step->text ? (uint8_t)step->text[peer->done + i]
                                   : (uint8_t)('a' + (peer->done + i) % 26);
    return (uint32_t)size;
}

static int step_send(struct weft__net_peer *peer, const struct weft__net_step *step)
{
    while (peer->done < step->size) {
        int32_t sent = move(peer, peer->held, fill(peer, step, PIECE), true);
        if (sent < 0)
            return sent == -EAGAIN ? 0 : sent;
        peer->done += (uint64_t)sent;
    }
    return 1;
}

static int step_drip(struct weft__net_peer *peer, const struct weft__net_step *step)
{
    int32_t sent;

    if (peer->done == step->size)
        return 1;
    sent = move(peer, peer->held, fill(peer, step, 1), true);
    if (sent < 0)
        return sent == -EAGAIN ? 0 : sent;
    peer->done += (uint64_t)sent;
    wait_until(peer, weft__sim_now(peer->net->sim) + step->time_ns);
    return 0;
}

static int step_read(struct weft__net_peer *peer, const struct weft__net_step *step)
{
    while (peer->done < step->size) {
        uint64_t size = step->size - peer->done;
        int32_t got = move(peer, peer->held, size < PIECE ? (uint32_t)size : PIECE, false);
        if (got <= 0)
            return got == -EAGAIN ? 0 : got < 0 ? got : 1;
        peer->done += (uint64_t)got;
    }
    return 1;
}

static int step_echo(struct weft__net_peer *peer)
{
    for (;;) {
        int32_t moved;

        while (peer->held_sent < peer->held_size) {
            moved =
                move(peer, peer->held + peer->held_sent, peer->held_size - peer->held_sent, true);
            if (moved < 0)
                return moved == -EAGAIN ? 0 : moved;
            peer->held_sent += (uint32_t)moved;
        }
        moved = move(peer, peer->held, PIECE, false);
        if (moved <= 0)
            return moved == -EAGAIN ? 0 : moved < 0 ? moved : 1;
        peer->held_size = (uint32_t)moved;
        peer->held_sent = 0;
    }
}

static int step_wait(struct weft__net_peer *peer, const struct weft__net_step *step)
{
    if (peer->done++)
        return 1;
    wait_until(peer, weft__sim_now(peer->net->sim) + step->time_ns);
    return 0;
}

/* A Unix socket is left open, which for the other end is the same. */
static int step_vanish(struct weft__net_peer *peer)
{
    struct weft__net_wire *wire = weft__net_wire_of(peer->file);

    if (wire)
        weft__net_silence(wire);
    return 0;
}

static int step_reset(struct weft__net_peer *peer)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)peer->file->ops->setsockopt(peer->net->sim, peer->file, SOL_SOCKET, SO_LINGER, &linger,
                                      sizeof linger);
    return -ECONNRESET;
}

static int do_step(struct weft__net_peer *peer, const struct weft__net_step *step)
{
    switch (step->kind) {
    case WEFT__NET_STEP_SEND:
        return step_send(peer, step);
    case WEFT__NET_STEP_DRIP:
        return step_drip(peer, step);
    case WEFT__NET_STEP_READ:
        return step_read(peer, step);
    case WEFT__NET_STEP_ECHO:
        return step_echo(peer);
    case WEFT__NET_STEP_WAIT:
        return step_wait(peer, step);
    case WEFT__NET_STEP_HALF:
        return peer->file->ops->shutdown(peer->net->sim, peer->file, SHUT_WR) < 0 ? -EPIPE : 1;
    case WEFT__NET_STEP_RESET:
        return step_reset(peer);
    case WEFT__NET_STEP_VANISH:
        return step_vanish(peer);
    case WEFT__NET_STEP_HOLD:
        break;
    }
    return 0;
}

static void play(struct weft__net_peer *peer)
{
    int result = 1;

    while (result > 0 && peer->step < peer->script->step_count) {
        if (peer->done == 0)
            weft__sim_note(peer->net->sim, WEFT__SIM_NOTE_NET_PEER, peer->serial, peer->step);
        result = do_step(peer, &peer->script->steps[peer->step]);
        if (result > 0) {
            peer->step++;
            peer->done = 0;
        }
    }
    if (result != 0)
        peer_free(peer);
}

/* -- beginnings ------------------------------------------------------------------------------ */

static int open_file(struct weft__net_peer *peer)
{
    int error = weft__sim_net_socket(peer->net->sim, peer->script->address.ss_family, SOCK_STREAM,
                                     0, &peer->file);

    if (error == 0)
        weft__net_is_elsewhere(peer->file);
    return error;
}

/* Connected, about to be, or not yet: the backlog of a Unix socket is full, so it will knock again.
 */
static void go_on_connecting(struct weft__net_peer *peer, int error)
{
    peer->connecting = error == -EINPROGRESS || (peer->connecting && error == -EAGAIN);
    peer->knocking = error == -EAGAIN && !peer->connecting;
    if (peer->connecting || peer->knocking)
        wait_for(peer, POLLOUT);
    else if (error == 0)
        play(peer);
    else
        peer_free(peer);
}

static void knock(struct weft__net_peer *peer)
{
    const struct weft__net_script *script = peer->script;

    go_on_connecting(peer, peer->file->ops->connect(peer->net->sim, peer->file,
                                                    (const struct sockaddr *)&script->address,
                                                    script->length));
}

static void begin_to_connect(struct weft__net_peer *peer)
{
    if (open_file(peer) == 0)
        knock(peer);
    else
        peer_free(peer);
}

/* Begins the next connection, and comes again for the one after it. */
static void make_more(struct weft__net_peer *peer)
{
    struct weft__net_script *script = peer->script;
    struct weft__sim *sim = peer->net->sim;

    while (script->count > 0) {
        script->count--;
        begin_to_connect(peer_new(peer->net, script, NULL));
        if (script->every_ns > 0 && script->count > 0) {
            wait_until(peer, weft__sim_now(sim) + script->every_ns);
            return;
        }
    }
    peer_free(peer);
}

static int begin_to_listen(struct weft__net_peer *peer)
{
    const struct weft__net_script *script = peer->script;
    struct weft__sim *sim = peer->net->sim;
    int error = open_file(peer);

    if (error == 0)
        error = peer->file->ops->bind(sim, peer->file, (const struct sockaddr *)&script->address,
                                      script->length);
    if (error == 0)
        error = peer->file->ops->listen(sim, peer->file, SOMAXCONN);
    if (error == 0)
        wait_for(peer, POLLIN);
    return error;
}

static void take_connections(struct weft__net_peer *peer)
{
    struct weft__net_script *script = peer->script;
    struct weft__sim_file *file;

    while (script->count > 0 && peer->file->ops->accept(peer->net->sim, peer->file, &file) == 0) {
        script->count--;
        play(peer_new(peer->net, script, file));
    }
    if (script->count > 0)
        wait_for(peer, POLLIN);
    else
        peer_free(peer);
}

static void event_fires(struct weft__sim *sim, struct weft__sim_event *event)
{
    struct weft__net_peer *peer =
        (struct weft__net_peer *)(void *)((char *)event - offsetof(struct weft__net_peer, event));

    (void)sim;
    if (peer->makes_more && peer->script->listens)
        take_connections(peer);
    else if (peer->makes_more)
        make_more(peer);
    else if (peer->knocking)
        knock(peer);
    else if (peer->connecting)
        go_on_connecting(peer, peer->file->ops->connected(peer->net->sim, peer->file));
    else
        play(peer);
}

int weft__sim_net_peer(struct weft__sim *sim, const char *text)
{
    struct weft__sim_net *net = weft__sim_net(sim);
    struct weft__net_script *script = weft__sim_alloc(sizeof *script);
    struct weft__net_peer *peer;
    int error = weft__net_script_parse(script, text);

    if (error == 0) {
        peer = peer_new(net, script, NULL);
        peer->makes_more = true;
        if (script->listens)
            error = begin_to_listen(peer);
        else
            wait_until(peer, weft__sim_now(sim) + script->after_ns);
        if (error < 0)
            peer_free(peer);
    }
    script_drop(script);
    return error;
}

int weft_sim_peer(const char *script)
{
    if (!script)
        return -EINVAL;
    return weft__sim_world ? weft__sim_net_peer(weft__sim_world, script) : -EPERM;
}
