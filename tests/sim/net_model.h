/*
 * The simulated kernel's sockets behind the calls of net_kernel.h: a world of its own for each
 * test, without threads; `await` and `settle` fire its events.
 */
#ifndef WEFT_TESTS_SIM_NET_MODEL_H
#define WEFT_TESTS_SIM_NET_MODEL_H

#include "net_kernel.h"
#include "sim/world.h"

enum { NET_MODEL_SEEDS = 12 };
#define NET_SETTLE_NS INT64_C(400000000)   /* longer than any latency, shorter than a lost packet */
#define NET_AWAIT_NS INT64_C(600000000000) /* what `await` waits for at most */

static struct weft__sim *net_world;

static inline void net_model_open_with(uint64_t seed, const char *text)
{
    struct weft__sim_plan plan;

    ck_assert_int_eq(weft__sim_plan_parse(&plan, text), 0);
    net_world = weft__sim_alloc(sizeof *net_world);
    weft__sim_world = net_world;
    weft__sim_world_open(net_world, seed, &plan);
}

/* Odd seeds are calm, even ones as rough as a network gets that loses nothing. */
static inline void net_model_open(uint64_t seed)
{
    net_model_open_with(seed, seed % 2 ? "calm" : "rough");
}

static inline void net_model_close(void)
{
    weft__sim_world_close(net_world);
    weft__sim_free(net_world);
    net_world = weft__sim_world = NULL;
}

/* Fires what is due until then; the time is that of the last event. False: nothing is left. */
static inline bool net_model_step(int64_t until_ns)
{
    struct weft__sim_event *event = weft__sim_first_event(net_world);

    if (!event || event->when_ns > until_ns)
        return false;
    if (event->when_ns > net_world->now_ns)
        net_world->now_ns = event->when_ns;
    weft__sim_take_back(net_world, event);
    event->fire(net_world, event);
    return true;
}

static inline void net_model_pass(int64_t time_ns)
{
    int64_t until_ns = net_world->now_ns + time_ns;

    while (net_model_step(until_ns))
        ;
    net_world->now_ns = until_ns;
}

static inline struct weft__sim_file *net_model_file(int fd)
{
    return weft__sim_fd_file(net_world, fd);
}

static inline int model_socket(int domain, int type, int protocol)
{
    struct weft__sim_file *file;
    int error = weft__sim_net_socket(net_world, domain, type, protocol, &file);

    return error < 0 ? error : weft__sim_fd_install(net_world, file);
}

/* Finds the file, or leaves with -EBADF. */
#define MODEL_FILE(fd)                                                                             \
    struct weft__sim_file *file = net_model_file(fd);                                              \
    if (!file)                                                                                     \
    return -EBADF

static inline int model_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    MODEL_FILE(fd);
    return file->ops->bind(net_world, file, address, length);
}

static inline int model_listen(int fd, int backlog)
{
    MODEL_FILE(fd);
    return file->ops->listen(net_world, file, backlog);
}

static inline int model_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    MODEL_FILE(fd);
    return file->ops->connect(net_world, file, address, length);
}

static inline int model_accept(int fd)
{
    struct weft__sim_file *accepted;
    MODEL_FILE(fd);
    int error = file->ops->accept(net_world, file, &accepted);
    return error < 0 ? error : weft__sim_fd_install(net_world, accepted);
}

static inline int model_send(int fd, const void *bytes, size_t size, int flags)
{
    struct weft__sim_transfer transfer = {.memory = (void *)(uintptr_t)bytes,
                                          .length = (uint32_t)size,
                                          .msg_flags = (uint32_t)flags};
    MODEL_FILE(fd);
    return file->ops->send(net_world, file, &transfer);
}

static inline int model_recv(int fd, void *bytes, size_t size, int flags)
{
    struct weft__sim_transfer transfer = {.memory = bytes,
                                          .length = (uint32_t)size,
                                          .msg_flags = (uint32_t)flags};
    MODEL_FILE(fd);
    return file->ops->receive(net_world, file, &transfer);
}

static inline int model_shutdown(int fd, int how)
{
    MODEL_FILE(fd);
    return file->ops->shutdown(net_world, file, how);
}

static inline int model_close(int fd)
{
    return weft__sim_fd_close(net_world, fd);
}

static inline int model_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    MODEL_FILE(fd);
    return file->ops->getsockname(net_world, file, address, length);
}

static inline int model_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    MODEL_FILE(fd);
    return file->ops->getpeername(net_world, file, address, length);
}

static inline int model_setsockopt(int fd, int level, int option, const void *value,
                                   socklen_t length)
{
    MODEL_FILE(fd);
    return file->ops->setsockopt(net_world, file, level, option, value, length);
}

static inline int model_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    MODEL_FILE(fd);
    return file->ops->getsockopt(net_world, file, level, option, value, length);
}

static inline int model_poll(int fd)
{
    MODEL_FILE(fd);
    return (int)file->ops->poll(net_world, file);
}

/* By what the object says when it changes, too: a waiter must be told of what it waits for. */
struct model_waiter {
    struct weft__sim_waiter waiter; /* first: cast back */
    bool told;
};

static inline void model_told(struct weft__sim *sim, struct weft__sim_waiter *waiter,
                              uint32_t events)
{
    (void)sim, (void)events;
    weft__sim_wait_no_more(waiter);
    ((struct model_waiter *)waiter)->told = true;
}

static inline int model_await(int fd, int events)
{
    struct model_waiter own = {.waiter = {.events = (uint32_t)events, .notify = model_told},
                               .told = true};
    int64_t until_ns = net_world->now_ns + NET_AWAIT_NS;
    MODEL_FILE(fd);

    for (;;) {
        int shown = (int)file->ops->poll(net_world, file);
        if (shown & events) {
            ck_assert_msg(own.told, "events %x came to be there and nobody was told", shown);
            weft__sim_wait_no_more(&own.waiter);
            return shown;
        }
        if (own.told)
            weft__sim_wait_on(file, &own.waiter);
        own.told = false;
        if (!net_model_step(until_ns))
            break;
    }
    weft__sim_wait_no_more(&own.waiter);
    return (int)file->ops->poll(net_world, file);
}

static inline int model_settle(void)
{
    net_model_pass(NET_SETTLE_NS);
    return 1;
}

static inline int model_unlink(const char *path)
{
    return weft__sim_net_unlink(net_world, path);
}

static const struct net_kernel net_model = {
    .socket = model_socket,
    .bind = model_bind,
    .listen = model_listen,
    .connect = model_connect,
    .accept = model_accept,
    .send = model_send,
    .recv = model_recv,
    .shutdown = model_shutdown,
    .close = model_close,
    .getsockname = model_getsockname,
    .getpeername = model_getpeername,
    .setsockopt = model_setsockopt,
    .getsockopt = model_getsockopt,
    .poll = model_poll,
    .await = model_await,
    .settle = model_settle,
    .unlink = model_unlink,
};

#endif
