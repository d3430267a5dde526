/*
 * io/server_serve.c - the tasks of a server: accepting, and one connection.
 *
 * What always holds: each connection accepted is counted once when it ends; a listener is closed
 * before those it brought are waited for, so that nobody connects to a server that drains.
 */
#include "io/accept.h"
#include "io/server.h"
#include "io/transport.h"
#include "task/wait.h"

/* -- one connection --------------------------------------------------------------------------- */

struct connection {
    struct weft__gate *gate;
    int fd;
};

static void charge(struct weft__budget *budget, uint64_t bytes)
{
    if (bytes <= budget->left) {
        budget->left -= bytes;
        return;
    }
    budget->left = 0;
    budget->over = true;
    weft__scope_cancel(budget->scope, WEFT_CAUSE_CANCEL, false);
}

void weft__stream_charge(struct weft_stream *stream, uint64_t bytes)
{
    if (stream->owned == WEFT__OWNED_BY_BUDGET)
        charge(stream->owner, bytes);
    else
        weft__transport_charge(weft__transport_of(stream), bytes);
}

static bool affords(struct weft__budget *budget, uint64_t bytes)
{
    if (bytes > budget->left)
        charge(budget, bytes);
    return !budget->over;
}

bool weft__stream_affords(struct weft_stream *stream, uint64_t bytes)
{
    bytes += weft__stream_pending(stream);
    if (stream->owned == WEFT__OWNED_BY_BUDGET)
        return affords(stream->owner, bytes);
    return weft__transport_affords(weft__transport_of(stream), bytes);
}

/* Runs the handler in a scope with the limits of a connection. What became of it, and whether it
   has closed the stream, which is freed then. */
static enum weft__server_count handle(struct weft_server *server, struct weft_stream *stream,
                                      int64_t deadline, bool *closed)
{
    const struct weft_server_opt *opt = &server->opt;
    struct weft_scope_opt limit = {.size = sizeof limit,
                                   .deadline = deadline,
                                   .name = "connection"};
    struct weft__budget budget = {.left = opt->connection_bytes};
    weft_scope scope;
    int result, edge;

    (void)!weft_scope_open(&scope, &limit); /* in a task, and with options that are right */
    budget.scope = (struct weft__scope *)&scope;
    stream->owner = &budget;
    stream->owned = opt->connection_bytes ? WEFT__OWNED_BY_BUDGET : 0;
    result = server->handler(stream, server->arg);
    edge = weft_scope_close(&scope); /* until then those it has spawned go on */
    *closed = weft__stream_disown(stream);
    if (budget.over)
        return WEFT__SERVER_OVER_BYTES;
    if (edge == -ETIMEDOUT && budget.scope->deadline_fired)
        return WEFT__SERVER_OVER_TIME;
    if (edge >= 0 && (result >= 0 || (result == -ESHUTDOWN && weft_draining())))
        return WEFT__SERVER_FINISHED;
    return edge == -ECANCELED ? WEFT__SERVER_CUT : WEFT__SERVER_FAILED;
}

void weft__gate_leave(struct weft__gate *gate, enum weft__server_count what)
{
    weft__server_count(gate->server, WEFT__SERVER_ACTIVE, (uint64_t)-1);
    weft__server_count(gate->server, what, 1);
    gate->active--;
    if (gate->waiter)
        weft__wake_now(weft__self, gate->waiter);
}

/* Sends what is left in the time that is left: a peer that does not read has no more than that. Who
   was cut has none. */
static void close_in_time(struct weft_stream *stream, enum weft__server_count what,
                          int64_t deadline)
{
    bool at_once = what == WEFT__SERVER_CUT || what == WEFT__SERVER_OVER_TIME ||
                   what == WEFT__SERVER_OVER_BYTES;
    struct weft_scope_opt limit = {.size = sizeof limit,
                                   .deadline = at_once ? 1 : deadline,
                                   .name = "close"};
    weft_scope scope;

    (void)!weft_scope_open(&scope, &limit);
    weft_stream_close(stream);
    (void)weft_scope_close(&scope);
}

static int connection(void *arg)
{
    const struct connection *self = arg;
    struct weft_server *server = self->gate->server;
    struct weft_stream *stream;
    enum weft__server_count what = WEFT__SERVER_REFUSED;
    int64_t span = server->opt.connection_ns, deadline = span ? weft_after_ns(span) : 0;
    bool closed;

    if (weft_stream_open(self->fd, &server->stream_opt, &stream) < 0) {
        weft_close(self->fd);
    } else {
        stream->first_due = server->opt.serve_first;
        what = handle(server, stream, deadline, &closed);
        if (!closed)
            close_in_time(stream, what, deadline);
    }
    weft__gate_leave(self->gate, what);
    return 0;
}

/* -- one listener ------------------------------------------------------------------------------ */

static bool retires(const struct weft_server *server)
{
    return atomic_load_explicit(&server->retires, memory_order_relaxed);
}

static bool is_full(const struct weft__gate *gate)
{
    uint32_t most = gate->server->opt.connections_max;

    return most != 0 && gate->active >= most;
}

/* A server that retires refuses nobody: who came came to be served. */
static bool refuses(const struct weft__gate *gate)
{
    return !retires(gate->server) && (is_full(gate) || weft_draining());
}

/* Waits until there is room for one more, unless those who come then are to be refused. */
static int wait_for_room(struct weft__gate *gate)
{
    struct weft__wait wait = {.what = "room for a connection", .fd = -1, .idle = true};
    int error = 0;

    gate->waiter = &wait;
    while (error == 0 && is_full(gate) && !gate->server->opt.refuse)
        error = weft__wait_for_wake(weft__task_self(), &wait, true);
    gate->waiter = NULL;
    return error;
}

static int begin(struct weft__gate *gate, weft_scope *connections, int fd)
{
    struct connection made = {gate, fd};
    struct weft_spawn_opt opt = {.size = sizeof opt,
                                 .name = gate->server->opt.name,
                                 .stack_size = gate->server->opt.stack_size};

    if (gate->server->protocol)
        return weft__gate_admit(gate, fd);
    return weft_spawn_nowait(connections, connection, &made, sizeof made, &opt);
}

/* Begins to serve it, or refuses it. */
static void admit(struct weft__gate *gate, weft_scope *connections, int fd, bool refuse)
{
    gate->active++;
    weft__server_count(gate->server, WEFT__SERVER_ACTIVE, 1);
    if (!refuse && begin(gate, connections, fd) == 0)
        return;
    weft_close(fd);
    weft__gate_leave(gate, WEFT__SERVER_REFUSED);
}

/* The server has its listener for itself, by the word of the record. That is another one: it was
   closed behind the server, and whose the number is now is asked nothing, and not closed. */
static bool is_lost(int listener, uint64_t word)
{
    return weft__fd_word(weft__io_of(weft__self), listener) != word;
}

/* Accepts until it is told to end. What told it. */
static int accept_all(struct weft__gate *gate, weft_scope *connections, int listener, uint64_t word)
{
    int result = 0;

    while (result >= 0) {
        result = wait_for_room(gate);
        if (result == 0 && is_lost(listener, word))
            result = weft_draining() ? -ESHUTDOWN : -EBADF;
        if (result == 0)
            result = weft_accept(listener, NULL, NULL, 0);
        if (result >= 0)
            admit(gate, connections, result, refuses(gate));
    }
    return result;
}

/* Those that were accepted before the accepting has ended. They came to be served, and whoever has
   the sockets now knows nothing of them. */
static void admit_rest(struct weft__gate *gate, weft_scope *connections, int listener)
{
    int fd;

    while ((fd = weft__accept_rest(weft__task_self(), listener)) >= 0)
        admit(gate, connections, fd, false);
}

static void drain(struct weft_server *server, weft_scope *connections)
{
    int64_t soft = atomic_load_explicit(&server->soft, memory_order_relaxed);

    if (soft) /* else a scope around the server drains, and its times hold */
        weft_scope_drain(connections, soft,
                         atomic_load_explicit(&server->hard, memory_order_relaxed));
}

static int listener(struct weft_server *server, uint32_t index, int fd)
{
    struct weft_scope_opt opt = {.size = sizeof opt,
                                 .name = "connections",
                                 .on_error = WEFT_KEEP_GOING};
    struct weft__gate gate;
    struct weft__fd *record;
    weft_scope connections;
    int result = weft__fd_find(weft__io_of(weft__self), fd, &record);
    uint64_t word = weft__fd_word(weft__io_of(weft__self), fd);

    (void)!weft_scope_open(&connections, &opt); /* as in handle */
    weft__gate_open(&gate, server);
    if (result == 0)
        result = accept_all(&gate, &connections, fd, word);
    if (result == -ESHUTDOWN && retires(server) && !is_lost(fd, word))
        admit_rest(&gate, &connections, fd);
    atomic_store_explicit(&server->shown[index], -1, memory_order_relaxed);
    if (!is_lost(fd, word))
        weft_close(fd);
    if (server->protocol)
        weft__gate_finish(&gate, result == -ESHUTDOWN);
    else if (result == -ESHUTDOWN)
        drain(server, &connections);
    else
        weft_scope_cancel(&connections);
    weft_scope_close(&connections);
    return result == -ESHUTDOWN ? 0 : result;
}

/* -- the server -------------------------------------------------------------------------------- */

struct place {
    struct weft_server *server;
    uint32_t index;
};

/* The number is taken out of the list by who closes it. */
static int listener_of(struct weft_server *server, uint32_t index)
{
    int fd = server->fds[index];

    server->fds[index] = -1;
    return listener(server, index, fd);
}

static int listener_there(void *arg)
{
    const struct place *place = arg;

    return listener_of(place->server, place->index);
}

/* Whose the listener is. Those made here are one of each reactor's. */
static uint32_t reactor_of(const struct weft_server *server, uint32_t index)
{
    uint32_t here = weft_reactor_index();

    if (!server->opt.every_reactor)
        return here;
    return server->given ? (here + index) % weft_reactors() : index;
}

/* The other listeners, each on its reactor. */
static int spawn_others(struct weft_server *server)
{
    int error = 0;

    for (uint32_t i = 0; i < server->count && error == 0; i++) {
        struct place place = {server, i};
        struct weft_spawn_opt opt = {.size = sizeof opt,
                                     .name = "server",
                                     .reactor = WEFT_ON((int)reactor_of(server, i))};
        if (i != server->here)
            error = weft_spawn(&server->listeners, listener_there, &place, sizeof place, &opt);
    }
    return error == -ESHUTDOWN ? 0 : error; /* drained before it ran: the listener here sees it */
}

static void close_left(struct weft_server *server)
{
    for (uint32_t i = 0; i < server->count; i++)
        if (server->fds[i] >= 0)
            weft_close(server->fds[i]);
}

/* Of the body and of those on other reactors: who failed first, not who was cancelled for it. */
static int worse(int body, int others)
{
    return others < 0 && (body >= 0 || body == -ECANCELED) ? others : body;
}

int weft__server_main(void *arg)
{
    struct weft_server *server = *(struct weft_server **)arg;
    int result;

    (void)!weft_scope_open(&server->listeners, NULL); /* as in handle */
    server->serving = true;
    if (atomic_load_explicit(&server->soft, memory_order_relaxed)) /* told before we ran */
        weft__scope_drain_begin((struct weft__scope *)&server->listeners);
    result = spawn_others(server);
    if (result == 0)
        result = listener_of(server, server->here);
    if (result < 0)
        weft_scope_cancel(&server->listeners);
    server->serving = false;
    result = worse(result, weft_scope_close(&server->listeners));
    close_left(server);
    server->ended = true;
    server->result = result;
    return result;
}
