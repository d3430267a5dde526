/*
 * Steps that lead to connections: listen, connect, accept. A socket that connects is bound to a
 * name of its own first, by which the side that accepts is known.
 */
#include "steps.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "ring/host.h"

enum { NAME_FIRST = 20000 };

int listener_new(struct task *task, bool tcp)
{
    struct listener *listener = &model.listeners[model.listener_count];
    struct call call;
    int fd;

    if (model.listener_count == LISTENERS_MAX)
        return 0;
    model.listener_count++;
    snprintf(listener->address, sizeof listener->address, tcp ? "127.0.0.1:0" : "unix:@l%d",
             model.listener_count);
    call = call_begin(task);
    fd = weft_listen_tcp(listener->address, NULL);
    call_end(&call, fd, PLAIN);
    if (fd < 0 && fd != -ECANCELED && !program.faults)
        broke("cannot listen: %d", fd);
    if (fd < 0)
        return fd;
    *listener = (struct listener){.used = true, .tcp = tcp, .fd = fd, .reactor = reactor_here()};
    snprintf(listener->address, sizeof listener->address, "unix:@l%d", model.listener_count);
    if (tcp) {
        listener->port = weft_local_port(fd);
        snprintf(listener->address, sizeof listener->address, "127.0.0.1:%d", listener->port);
    }
    return fd;
}

int step_listen(struct task *task, const struct step *step)
{
    return listener_new(task, step->a % 2);
}

static struct listener *pick_listener(uint8_t choice, bool mine)
{
    for (int i = 0; i < model.listener_count; i++) {
        struct listener *listener = &model.listeners[(choice + i) % model.listener_count];
        if (listener->used && listener->address[0] && (!mine || listener->state == END_OPEN) &&
            (!mine || listener->reactor == reactor_here()))
            return listener;
    }
    return NULL;
}

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

static socklen_t named(union address *address, bool tcp, uint32_t name)
{
    memset(address, 0, sizeof *address);
    if (tcp) {
        address->in.sin_family = AF_INET;
        address->in.sin_port = htons((uint16_t)name);
        address->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof address->in;
    }
    address->un.sun_family = AF_UNIX;
    snprintf(address->un.sun_path + 1, 16, "c%u", name);
    return (socklen_t)(sizeof(sa_family_t) + 1 + strlen(address->un.sun_path + 1));
}

static socklen_t listener_address(union address *address, const struct listener *listener)
{
    socklen_t length = named(address, listener->tcp, (uint32_t)listener->port);

    if (listener->tcp)
        return length;
    snprintf(address->un.sun_path + 1, 16, "%s", listener->address + strlen("unix:@"));
    return (socklen_t)(sizeof(sa_family_t) + 1 + strlen(address->un.sun_path + 1));
}

static void check_connect(int result, int64_t deadline, const struct listener *listener)
{
    if (result >= 0 || result == -ECANCELED || program.faults || is_late(result, deadline))
        return;
    if ((result == -ECONNREFUSED || result == -ECONNRESET) &&
        (listener->state != END_OPEN || model.main_over))
        return;
    broke("cannot connect to %s: %s", listener->address, strerror(-result));
}

/* A socket with a name that the other side will learn. */
static int connect_named(struct task *task, const struct listener *listener, int64_t deadline)
{
    union address address;
    uint32_t name = NAME_FIRST + ++model.names;
    int fd = weft_socket(listener->tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0), error, index;
    struct call call;

    if (fd < 0)
        return fd;
    error = weft__host_bind(fd, &address.any, named(&address, listener->tcp, name));
    if (error < 0) {
        weft_close(fd);
        return error;
    }
    index = end_new(fd, listener->tcp, false, name);
    model.ends[index].state = END_CLOSING; /* until it is connected nobody else may have it */
    ends_match(index);
    call = call_begin(task);
    error = deadline ? weft_connect_until(fd, &address.any, listener_address(&address, listener),
                                          deadline)
                     : weft_connect(fd, &address.any, listener_address(&address, listener));
    call_end(&call, error, PLAIN);
    check_connect(error, deadline, listener);
    if (error < 0)
        return end_close(task, &model.ends[index], false), error;
    model.ends[index].state = END_OPEN;
    return fd;
}

static int connect_by_text(struct task *task, const struct listener *listener)
{
    struct call call = call_begin(task);
    int fd = weft_connect_tcp(listener->address, NULL);

    call_end(&call, fd, PLAIN);
    check_connect(fd, 0, listener);
    if (fd < 0)
        return fd;
    if (model.end_count == ENDS_MAX)
        return weft_close(fd);
    ends_match(end_new(fd, true, false, (uint32_t)weft_local_port(fd)));
    return fd;
}

int connect_to(struct task *task, int listener, int how)
{
    if (model.end_count >= ENDS_MAX - 1)
        return 0;
    if (how % 4 == 3 && model.listeners[listener].tcp)
        return connect_by_text(task, &model.listeners[listener]);
    return connect_named(task, &model.listeners[listener],
                         how % 4 == 1 ? until_of((uint8_t)(how / 4)) : 0);
}

int step_connect(struct task *task, const struct step *step)
{
    struct listener *listener = pick_listener(step->a, false);

    return listener ? connect_to(task, (int)(listener - model.listeners), step->b) : 0;
}

static uint32_t name_of(const union address *address, socklen_t length, bool tcp)
{
    char text[24] = "";

    if (tcp)
        return ntohs(address->in.sin_port);
    if (length > sizeof(sa_family_t) + 2)
        memcpy(text, address->un.sun_path + 2, length - sizeof(sa_family_t) - 2);
    return (uint32_t)atoi(text);
}

int accept_from(struct task *task, struct listener *listener)
{
    union address address;
    socklen_t length = sizeof address;
    struct call call;
    int fd;

    if (model.end_count >= ENDS_MAX - 1)
        return 0;
    memset(&address, 0, sizeof address);
    call = call_begin(task);
    listener->takers++;
    fd = weft_accept(listener->fd, &address.any, &length, 0);
    listener->takers--;
    call_end(&call, fd, IDLE | (listener->state == END_OPEN ? PLAIN : UNDER));
    if (fd >= 0 && model.end_count == ENDS_MAX)
        return weft_close(fd);
    if (fd >= 0)
        ends_match(end_new(fd, listener->tcp, true, name_of(&address, length, listener->tcp)));
    else if (fd != -ECANCELED && fd != -ESHUTDOWN && !program.faults &&
             !(fd == -EBUSY && listener->takers > 0) &&
             !(fd == -EBADF && listener->state != END_OPEN))
        broke("cannot accept: %d", fd);
    return fd;
}

int step_accept(struct task *task, const struct step *step)
{
    struct listener *listener = pick_listener(step->a, true);

    return listener ? accept_from(task, listener) : 0;
}

int listener_close(struct listener *listener)
{
    int result;

    listener->state = END_CLOSING;
    result = weft_close(listener->fd);
    listener->state = END_CLOSED;
    if (result < 0 && !program.faults)
        broke("a listener is not closed: %d", result);
    return result;
}

int step_unlisten(struct task *task, const struct step *step)
{
    struct listener *listener = pick_listener(step->a, true);

    (void)task;
    return listener ? listener_close(listener) : 0;
}
