/* The echo server on epoll; see epoll_engine.h.
 *
 * Always holds: a connection with a backlog is watched for EPOLLOUT and not read from; one without
 * is watched for EPOLLIN.
 */
#include "epoll_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int fd;
    char *backlog; /* bytes read and not yet sent, NULL when none */
    unsigned backlog_offset, backlog_length;
    struct connection *previous, *next; /* all connections of the engine */
};

struct epoll_engine {
    int epoll;
    struct epoll_options options;
    struct engine_counters counters;
    char *buffer;
    struct epoll_event *events;
    struct connection *connections;
    int listener;
    bool listening, listen_stopped;
    bool signalled;
    struct connection accepting, watched; /* stand for the listener and the watched descriptor */
};

void epoll_options_best(struct epoll_options *options)
{
    *options =
        (struct epoll_options){.edge = true, .plain_io = false, .buffer_size = 65536, .batch = 256};
}

/* Counters are read by another thread at a stop or on request; a plain store would be a race. */
static void count(uint64_t *counter, uint64_t more)
{
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static int control(struct epoll_engine *e, int what, int fd, uint32_t events, void *who)
{
    struct epoll_event event = {.events = events, .data.ptr = who};
    return epoll_ctl(e->epoll, what, fd, &event) < 0 ? -errno : 0;
}

static uint32_t interest(const struct epoll_engine *e, uint32_t direction)
{
    return direction | (e->options.edge ? EPOLLET : 0u);
}

static ssize_t receive(struct epoll_engine *e, int fd)
{
    count(&e->counters.enters, 1);
    return e->options.plain_io ? read(fd, e->buffer, e->options.buffer_size)
                               : recv(fd, e->buffer, e->options.buffer_size, 0);
}

/* Sends what the peer will take now. Returns the count, which may be 0, or a negative errno. */
static ssize_t transmit(struct epoll_engine *e, int fd, const char *from, size_t length)
{
    size_t done = 0;
    while (done < length) {
        count(&e->counters.enters, 1);
        ssize_t n = e->options.plain_io ? write(fd, from + done, length - done)
                                        : send(fd, from + done, length - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return -errno;
        if (n < 0)
            break;
        done += (size_t)n;
        count(&e->counters.bytes, (uint64_t)n);
    }
    return (ssize_t)done;
}

static void end(struct epoll_engine *e, struct connection *c, bool failed)
{
    if (failed)
        count(&e->counters.errors, 1);
    close(c->fd);
    free(c->backlog);
    if (c->previous)
        c->previous->next = c->next;
    else
        e->connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    free(c);
    if (e->listen_stopped) {
        e->listen_stopped = false;
        control(e, EPOLL_CTL_MOD, e->listener, EPOLLIN, &e->accepting);
    }
}

/* Keeps the unsent rest. EPOLL_CTL_MOD reports at once what is already ready, also when
 * edge-triggered, so nothing is missed between the send that failed and this. */
static int keep_backlog(struct epoll_engine *e, struct connection *c, const char *rest,
                        size_t length)
{
    c->backlog = malloc(length);
    if (!c->backlog)
        return -ENOMEM;
    memcpy(c->backlog, rest, length);
    c->backlog_offset = 0;
    c->backlog_length = (unsigned)length;
    return control(e, EPOLL_CTL_MOD, c->fd, interest(e, EPOLLOUT), c);
}

static void on_readable(struct epoll_engine *e, struct connection *c)
{
    ssize_t n;
    do {
        n = receive(e, c->fd); /* non-blocking, so never EINTR */
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                end(e, c, n != 0);
            return;
        }
        count(&e->counters.messages, 1);
        ssize_t sent = transmit(e, c->fd, e->buffer, (size_t)n);
        if (sent >= 0 && sent < n)
            sent = keep_backlog(e, c, e->buffer + sent, (size_t)(n - sent));
        else if (sent >= 0)
            sent = n;
        if (sent < 0) {
            end(e, c, true);
            return;
        }
        /* A short receive emptied the socket: what comes later is a new edge. Level-triggered, the
         * next wait reports again whatever is left. */
    } while (e->options.edge && n == (ssize_t)e->options.buffer_size && !c->backlog);
}

static void on_writable(struct epoll_engine *e, struct connection *c)
{
    ssize_t sent = transmit(e, c->fd, c->backlog + c->backlog_offset, c->backlog_length);
    if (sent < 0) {
        end(e, c, true);
        return;
    }
    c->backlog_offset += (unsigned)sent;
    c->backlog_length -= (unsigned)sent;
    if (c->backlog_length)
        return;
    free(c->backlog);
    c->backlog = NULL;
    if (control(e, EPOLL_CTL_MOD, c->fd, interest(e, EPOLLIN), c) < 0)
        end(e, c, true);
}

static void on_accept(struct epoll_engine *e)
{
    for (;;) {
        int fd = accept4(e->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (epoll_engine_add(e, fd) < 0)
                close(fd);
            continue;
        }
        /* No descriptors left: accept again once a connection has gone. */
        if (errno == EMFILE || errno == ENFILE) {
            e->listen_stopped = true;
            control(e, EPOLL_CTL_MOD, e->listener, 0, &e->accepting);
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static void on_event(struct epoll_engine *e, const struct epoll_event *event)
{
    struct connection *c = event->data.ptr;
    if (c == &e->accepting)
        on_accept(e);
    else if (c == &e->watched)
        e->signalled = true;
    else if (c->backlog)
        on_writable(e, c);
    else
        on_readable(e, c);
}

int epoll_engine_turn(struct epoll_engine *e, int timeout_ms)
{
    count(&e->counters.enters, 1);
    int n = epoll_wait(e->epoll, e->events, (int)e->options.batch, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        on_event(e, &e->events[i]);
    return n;
}

int epoll_engine_add(struct epoll_engine *e, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->fd = fd;
    int flags = fcntl(fd, F_GETFL);
    if (!(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    int error = control(e, EPOLL_CTL_ADD, fd, interest(e, EPOLLIN), c);
    if (error) {
        free(c);
        return error;
    }
    c->next = e->connections;
    if (c->next)
        c->next->previous = c;
    e->connections = c;
    count(&e->counters.connections, 1);
    return 0;
}

int epoll_engine_listen(struct epoll_engine *e, int listener)
{
    e->listener = listener;
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
    return control(e, EPOLL_CTL_ADD, listener, EPOLLIN, &e->accepting);
}

int epoll_engine_watch(struct epoll_engine *e, int fd)
{
    uint32_t once = EPOLLIN | EPOLLONESHOT;
    int error = control(e, EPOLL_CTL_ADD, fd, once, &e->watched);
    return error == -EEXIST ? control(e, EPOLL_CTL_MOD, fd, once, &e->watched) : error;
}

bool epoll_engine_signalled(struct epoll_engine *e)
{
    bool was = e->signalled;
    e->signalled = false;
    return was;
}

struct epoll_engine *epoll_engine_open(const struct epoll_options *options, int *error)
{
    struct epoll_engine *e = calloc(1, sizeof *e);
    *error = -ENOMEM;
    if (!e)
        return NULL;
    e->options = *options;
    e->buffer = malloc(options->buffer_size);
    e->events = calloc(options->batch, sizeof *e->events);
    e->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (e->epoll < 0)
        *error = -errno;
    if (e->buffer && e->events && e->epoll >= 0) {
        *error = 0;
        return e;
    }
    epoll_engine_close(e);
    return NULL;
}

void epoll_engine_close(struct epoll_engine *e)
{
    if (!e)
        return;
    e->listen_stopped = false;
    while (e->connections)
        end(e, e->connections, false);
    if (e->epoll >= 0)
        close(e->epoll);
    free(e->events);
    free(e->buffer);
    free(e);
}

const struct engine_counters *epoll_engine_counters(const struct epoll_engine *engine)
{
    return &engine->counters;
}
