/*
 * io/server.c - starting servers and ending them; server.h draws one. And connections opened.
 */
#include "io/server.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/memory.h"
#include "base/option.h"
#include "io/transport.h"
#include "ring/host.h"
#include "task/wait.h"

enum { TEXT_SIZE = WEFT__ADDRESS_TEXT_SIZE, STACK_MAX = 1 << 20, GIVEN_MAX = 1024 };

/* "unix:" before a path, as addresses are written. */
int weft__unix_address(char text[TEXT_SIZE], const char *path)
{
    if (!path)
        return weft__misuse(-EINVAL, "no path");
    if (strlen(path) >= sizeof(struct sockaddr_un))
        return -ENAMETOOLONG;
    snprintf(text, TEXT_SIZE, "unix:%s", path);
    return 0;
}

/* -- opening a connection ---------------------------------------------------------------------- */

static int connect_by(const char *address, const struct weft_connection_opt *opt)
{
    struct weft__until until;
    int result;

    if (opt->deadline == 0)
        return weft_connect_tcp(address, opt->socket);
    result = weft__until_open(&until, opt->deadline);
    if (result < 0)
        return result;
    return (int)weft__until_close(&until, weft_connect_tcp(address, opt->socket));
}

int weft__connection_open(const char *address, const struct weft_connection_opt *opt,
                          struct weft_connection_opt *own)
{
    int error = weft__option_copy(own, sizeof *own, opt);

    return error < 0 ? error : connect_by(address, own);
}

int weft_open_connection(const char *address, const struct weft_connection_opt *opt,
                         weft_stream **stream)
{
    struct weft_connection_opt own;
    int fd, error;

    if (!stream)
        return weft__misuse(-EINVAL, "nowhere to put the stream");
    fd = weft__connection_open(address, opt, &own);
    if (fd < 0)
        return fd;
    error = weft_stream_open(fd, own.stream, stream);
    if (error < 0)
        weft_close(fd);
    return error;
}

int weft_open_unix_connection(const char *path, const struct weft_connection_opt *opt,
                              weft_stream **stream)
{
    char text[TEXT_SIZE];
    int error = weft__unix_address(text, path);

    return error < 0 ? error : weft_open_connection(text, opt, stream);
}

/* -- the object -------------------------------------------------------------------------------- */

static void destroy(struct weft_server *server)
{
    *server->link = server->next;
    if (server->next)
        server->next->link = server->link;
    weft__free(server->fds);
    weft__free((void *)server->shown);
    weft__free(server);
}

void weft__servers_free(struct weft__io *io)
{
    while (io->servers)
        destroy(io->servers);
}

static int check_given(const struct weft_server_opt *opt, const char *address, bool turns_away)
{
    if (address || turns_away || opt->fd_count == 0 || opt->fd_count > GIVEN_MAX)
        return weft__misuse(-EINVAL, "an address beside sockets, or none or too many of them");
    for (uint32_t i = 0; i < opt->fd_count; i++) {
        int listens = 0;
        socklen_t length = sizeof listens;
        int error =
            weft__host_getsockopt(opt->fds[i], SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
        if (error < 0 || !listens)
            return error == -EBADF ? error : -EINVAL;
        for (uint32_t j = 0; j < i; j++)
            if (opt->fds[j] == opt->fds[i])
                return weft__misuse(-EINVAL, "the same socket twice");
    }
    return 0;
}

static int check_options(const struct weft_server_opt *opt, const char *address)
{
    bool turns_away = opt->listen &&
                      opt->listen->size > offsetof(struct weft_listen_opt, turn_away) &&
                      opt->listen->turn_away;

    if (opt->connection_ns < 0)
        return weft__misuse(-EINVAL, "options out of range");
    if (opt->stack_size > STACK_MAX)
        return -E2BIG;
    if (opt->fds)
        return check_given(opt, address, turns_away);
    if (opt->every_reactor && (turns_away || !address || strncmp(address, "unix:", 5) == 0))
        return weft__misuse(-EINVAL, "such a listener cannot be on every reactor");
    return 0;
}

static struct weft_server *create(struct weft__io *io, const struct weft_server_opt *opt)
{
    struct weft_server *server = weft__calloc(1, sizeof *server);
    uint32_t count = opt->fds ? opt->fd_count : opt->every_reactor ? weft_reactors() : 1;

    if (!server)
        return NULL;
    server->fds = weft__calloc(count, sizeof *server->fds);
    server->shown = weft__calloc(count, sizeof *server->shown);
    if (!server->fds || !server->shown) {
        weft__free(server->fds);
        weft__free((void *)server->shown);
        weft__free(server);
        return NULL;
    }
    server->given = opt->fds != NULL;
    server->io = io;
    server->opt = *opt;
    server->opt.listen = NULL; /* the caller's, and not needed any more */
    server->opt.stream = NULL;
    server->opt.fds = NULL;
    if (!server->opt.name)
        server->opt.name = "connection";
    server->count = count;
    server->here = count > 1 && !opt->fds ? weft_reactor_index() : 0;
    for (uint32_t i = 0; i < count; i++)
        server->fds[i] = -1;
    server->next = io->servers;
    server->link = &io->servers;
    if (server->next)
        server->next->link = &server->next;
    io->servers = server;
    return server;
}

/* -- listening --------------------------------------------------------------------------------- */

/* The same address with the port that the first listener was given. */
static void with_port(char text[TEXT_SIZE], const char *address, int port)
{
    const char *colon = strrchr(address, ':');

    snprintf(text, TEXT_SIZE, "%.*s:%d", (int)(colon - address), address, port);
}

/* One more listener beside the first, for the reactor of that index. */
static int listen_beside(struct weft_server *server, const char *address,
                         const struct weft_listen_opt *opt, uint32_t index)
{
    char text[TEXT_SIZE];
    int error;

    with_port(text, address, server->port);
    error = weft_listen_tcp(text, opt);
    if (error < 0)
        return error;
    server->fds[index] = error;
    return weft_fd_move(error);
}

static int listen_all(struct weft_server *server, const char *address,
                      const struct weft_listen_opt *given)
{
    struct weft_listen_opt opt;
    int error = weft__option_copy(&opt, sizeof opt, given);

    if (error < 0)
        return error;
    opt.reuse_port |= server->count > 1;
    error = weft_listen_tcp(address, &opt);
    if (error < 0)
        return error;
    server->fds[server->here] = error;
    server->port = weft_local_port(error);
    error = 0;
    for (uint32_t i = 0; i < server->count && error == 0; i++)
        if (i != server->here)
            error = listen_beside(server, address, &opt, i);
    return error;
}

/* Sockets that listen already. Those that other reactors are to serve are let go of. */
static int take_given(struct weft_server *server, const int *fds)
{
    int error = 0;

    server->port = weft_local_port(fds[0]);
    for (uint32_t i = 0; i < server->count && error == 0; i++) {
        server->fds[i] = fds[i];
        error = weft_fd_move(fds[i]);
    }
    return error;
}

static int start(struct weft_server *server, const char *address, const struct weft_server_opt *opt)
{
    struct weft_spawn_opt spawn = {.size = sizeof spawn, .name = "server", .task = &server->task};
    int error = opt->fds ? take_given(server, opt->fds) : listen_all(server, address, opt->listen);

    for (uint32_t i = 0; i < server->count; i++)
        atomic_init(&server->shown[i], server->fds[i]);
    if (error == 0)
        error = weft_create_task(weft__server_main, &server, sizeof server, &spawn);
    for (uint32_t i = 0; i < server->count && error < 0 && !server->given; i++)
        if (server->fds[i] >= 0)
            weft_close(server->fds[i]);
    return error;
}

/* What it serves by is a handler or a protocol; the caller has looked at it. */
static int start_server(weft_server **result, const char *address, const struct weft_server *by,
                        const struct weft_server_opt *opt)
{
    struct weft_stream_opt stream_opt;
    struct weft_server_opt own;
    struct weft_server *server;
    struct weft__task *self;
    int error = weft__option_copy(&own, sizeof own, opt);

    if (error == 0)
        error = weft__option_copy(&stream_opt, sizeof stream_opt, own.stream);
    if (error == 0)
        error = weft__enter(&self);
    if (error == 0)
        error = result ? check_options(&own, address)
                       : weft__misuse(-EINVAL, "nowhere to put the server");
    if (error < 0)
        return error;
    server = create(weft__io_of(self->reactor), &own);
    if (!server)
        return -ENOMEM;
    server->handler = by->handler;
    server->protocol = by->protocol;
    server->arg = by->arg;
    server->stream_opt = stream_opt;
    error = start(server, address, &own);
    if (error < 0) {
        destroy(server);
        return error;
    }
    *result = server;
    return 0;
}

int weft_start_server(weft_server **server, const char *address, weft_connection_fn handler,
                      void *arg, const struct weft_server_opt *opt)
{
    if (!handler)
        return weft__misuse(-EINVAL, "no handler");
    return start_server(server, address, &(struct weft_server){.handler = handler, .arg = arg},
                        opt);
}

int weft_start_unix_server(weft_server **server, const char *path, weft_connection_fn handler,
                           void *arg, const struct weft_server_opt *opt)
{
    char text[TEXT_SIZE];
    int error = weft__unix_address(text, path);

    return error < 0 ? error : weft_start_server(server, text, handler, arg, opt);
}

int weft_create_server(weft_server **server, const char *address,
                       const struct weft_protocol *protocol, void *arg,
                       const struct weft_server_opt *opt)
{
    int error = weft__protocol_check(protocol);

    if (error < 0)
        return error;
    return start_server(server, address, &(struct weft_server){.protocol = protocol, .arg = arg},
                        opt);
}

int weft_create_unix_server(weft_server **server, const char *path,
                            const struct weft_protocol *protocol, void *arg,
                            const struct weft_server_opt *opt)
{
    char text[TEXT_SIZE];
    int error = weft__unix_address(text, path);

    return error < 0 ? error : weft_create_server(server, text, protocol, arg, opt);
}

/* -- looking at it ----------------------------------------------------------------------------- */

static int check(const struct weft_server *server)
{
    if (!server)
        return weft__misuse(-EINVAL, "no server");
    if (!weft__self)
        return weft__outside();
    return server->io->reactor == weft__self
               ? 0
               : weft__misuse(-EXDEV, "the server is another reactor's");
}

int weft_server_counts(const weft_server *server, struct weft_server_counts *counts,
                       size_t counts_size)
{
    struct weft_server_counts all;
    uint64_t values[WEFT__SERVER_COUNTS];
    int error = check(server);

    if (error == 0 && (!counts || counts_size == 0 || counts_size > sizeof all))
        error = weft__misuse(-EINVAL, "nowhere to put the counts");
    if (error < 0)
        return error;
    _Static_assert(sizeof all == sizeof values, "the same, in the same order");
    for (int i = 0; i < WEFT__SERVER_COUNTS; i++)
        values[i] = atomic_load_explicit(&server->counts[i], memory_order_relaxed);
    memcpy(counts, values, counts_size);
    return 0;
}

/* Has it not been told to end? */
static bool accepts(const struct weft_server *server)
{
    return !server->ended && atomic_load_explicit(&server->soft, memory_order_relaxed) == 0;
}

int weft_server_serving(const weft_server *server)
{
    int error = check(server);

    return error < 0 ? error : accepts(server);
}

int weft_server_port(const weft_server *server)
{
    int error = check(server);

    if (error < 0)
        return error;
    return accepts(server) ? server->port : -ENOTCONN;
}

int weft_server_listeners(const weft_server *server, int *fds, uint32_t count)
{
    int error = check(server);

    if (error == 0 && !fds && count > 0)
        error = weft__misuse(-EINVAL, "nowhere to put the sockets");
    if (error < 0)
        return error;
    if (!accepts(server))
        return -ENOTCONN;
    for (uint32_t i = 0; i < server->count; i++) {
        int fd = atomic_load_explicit(&server->shown[i], memory_order_relaxed);
        if (fd < 0)
            return -ENOTCONN;
        if (i < count)
            fds[i] = fd;
    }
    return (int)server->count;
}

/* -- the end ----------------------------------------------------------------------------------- */

/* The server's task, as long as it has not ended. */
static struct weft__task *task_of(struct weft__task *self, const struct weft_server *server)
{
    int why;

    return server->ended ? NULL : weft__task_find(self->reactor, server->task, &why);
}

/* May the caller wait for the server's end? */
static int may_wait(struct weft__task *self, const struct weft_server *server)
{
    struct weft__task *task = task_of(self, server);

    if (task && weft__task_would_deadlock(self, task))
        return weft__misuse(-EDEADLK, "a connection would wait for the end of its own server");
    return 0;
}

/* Waits for the server's task. interruptible: -ECANCELED instead. */
static int wait_for_end(struct weft__task *self, struct weft_server *server, bool interruptible)
{
    struct weft__joiner joiner = {.wait = {.what = "server", .fd = -1}};
    struct weft__task *task = task_of(self, server);
    int error;

    if (!task)
        return 0;
    weft__joiner_link(task, &joiner);
    self->joins = task;
    error = weft__wait_for_wake(self, &joiner.wait, interruptible);
    self->joins = NULL;
    if (joiner.done)
        return 0;
    weft__joiner_unlink(&joiner);
    return error;
}

static int enter_end(const struct weft_server *server, struct weft__task **self)
{
    int error = check(server);

    *self = weft__task_self();
    if (error == 0 && !*self)
        error = weft__outside();
    if (error == 0)
        error = may_wait(*self, server);
    if (error == 0)
        weft__enter_release(*self);
    return error;
}

static uint64_t cut_so_far(const struct weft_server *server)
{
    return atomic_load_explicit(&server->counts[WEFT__SERVER_CUT], memory_order_relaxed);
}

static void leave_user(struct weft_server *server)
{
    if (--server->users == 0 && server->closer)
        weft__wake_now(server->io->reactor, server->closer);
}

static int drain(struct weft_server *server, int64_t soft, int64_t hard, bool retires)
{
    struct weft__task *self;
    uint64_t before, cut;
    int error = enter_end(server, &self);

    if (error < 0)
        return error;
    server->users++;
    before = cut_so_far(server);
    if (retires)
        atomic_store_explicit(&server->retires, true, memory_order_relaxed);
    atomic_store_explicit(&server->hard, hard, memory_order_relaxed);
    atomic_store_explicit(&server->soft, soft > 0 ? soft : 1, memory_order_relaxed);
    if (server->serving) /* else it has not run yet, and looks itself, or is at its end */
        weft__scope_drain_begin((struct weft__scope *)&server->listeners);
    if (wait_for_end(self, server, true) < 0) {
        (void)weft_cancel(server->task);
        (void)wait_for_end(self, server, false);
    }
    cut = cut_so_far(server) - before;
    leave_user(server);
    return (int)cut;
}

int weft_server_drain(weft_server *server, int64_t soft, int64_t hard)
{
    return drain(server, soft, hard, false);
}

int weft_server_retire(weft_server *server, int64_t soft, int64_t hard)
{
    return drain(server, soft, hard, true);
}

int weft_server_wait(weft_server *server)
{
    struct weft__task *self;
    int error = check(server);

    if (error == 0)
        error = weft__enter(&self);
    if (error == 0)
        error = may_wait(self, server);
    if (error < 0)
        return error;
    server->users++;
    error = wait_for_end(self, server, true);
    if (error == 0)
        error = weft__task_pass_on(self, server->result);
    leave_user(server);
    return error;
}

/* Those who waited for its end have been told of it, and look yet. */
static void wait_for_users(struct weft__task *self, struct weft_server *server)
{
    struct weft__wait wait = {.what = "server", .fd = -1};

    server->closer = &wait;
    while (server->users > 0)
        (void)weft__wait_for_wake(self, &wait, false);
    server->closer = NULL;
}

int weft_server_close(weft_server *server)
{
    struct weft__task *self;
    int error = server ? enter_end(server, &self) : 0;

    if (error < 0 || !server)
        return error;
    if (server->closing)
        return -EALREADY;
    server->closing = true;
    if (!server->ended)
        (void)weft_cancel(server->task);
    (void)wait_for_end(self, server, false);
    if (weft__task_find(self->reactor, server->task, &error)) /* else its scope has closed */
        error = weft_join(server->task, NULL);
    wait_for_users(self, server);
    error = server->result == -ECANCELED ? 0 : server->result;
    destroy(server);
    return weft__task_pass_on(self, error);
}
