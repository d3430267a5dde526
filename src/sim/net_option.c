/*
 * sim/net_option.c - the options of a socket: a table, and the buffers, which are more than a
 * number. What is not in it is refused as an option unknown to the kernel.
 */
#include "sim/net_option.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <string.h>

#include "sim/net_name.h"

enum {
    ON_UNIX = 1, /* known to Unix sockets too */
    ONLY_V6 = 2,
    READ_ONLY = 4,
    AS_BOOL = 8,
    UNTIL_BOUND = 16,
    AS_QUEUE = 32, /* no longer than net.core.somaxconn */
    AS_CLASS = 64, /* a byte; of TCP, which keeps ECN to itself, without the lowest two bits */
    SOMAXCONN_HERE = 4096,
    PRIORITY_MAX = 6, /* of who has no CAP_NET_ADMIN: nobody here has */
    SEND_MIN = 4608,
    RECEIVE_MIN = 2304,
    BUFFER_MAX = 4194304, /* net.core.wmem_max and rmem_max */
};

struct option {
    int level, name, flags;
    int low, high;
    size_t place;
};

#define PLACE(field) offsetof(struct weft__net_options, field)

static const struct option known[] = {
    {SOL_SOCKET, SO_TYPE, ON_UNIX | READ_ONLY, 0, 0, PLACE(type)},
    {SOL_SOCKET, SO_PROTOCOL, ON_UNIX | READ_ONLY, 0, 0, PLACE(protocol)},
    {SOL_SOCKET, SO_DOMAIN, ON_UNIX | READ_ONLY, 0, 0, PLACE(domain)},
    {SOL_SOCKET, SO_REUSEADDR, ON_UNIX | AS_BOOL, INT_MIN, INT_MAX, PLACE(reuse_address)},
    {SOL_SOCKET, SO_REUSEPORT, AS_BOOL, INT_MIN, INT_MAX, PLACE(reuse_port)},
    {SOL_SOCKET, SO_KEEPALIVE, ON_UNIX | AS_BOOL, INT_MIN, INT_MAX, PLACE(keepalive)},
    {SOL_SOCKET, SO_SNDBUF, ON_UNIX, INT_MIN, INT_MAX, PLACE(send_buffer)},
    {SOL_SOCKET, SO_RCVBUF, ON_UNIX, INT_MIN, INT_MAX, PLACE(receive_buffer)},
    {IPPROTO_TCP, TCP_NODELAY, AS_BOOL, INT_MIN, INT_MAX, PLACE(nodelay)},
    {IPPROTO_TCP, TCP_CORK, AS_BOOL, INT_MIN, INT_MAX, PLACE(cork)},
    {IPPROTO_TCP, TCP_QUICKACK, AS_BOOL, INT_MIN, INT_MAX, PLACE(quickack)},
    {IPPROTO_TCP, TCP_KEEPIDLE, 0, 1, 32767, PLACE(keepidle_s)},
    {IPPROTO_TCP, TCP_KEEPINTVL, 0, 1, 32767, PLACE(keepintvl_s)},
    {IPPROTO_TCP, TCP_KEEPCNT, 0, 1, 127, PLACE(keepcnt)},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 0, INT_MAX, PLACE(user_timeout_ms)},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, INT_MIN, INT_MAX, PLACE(defer_accept_s)},
    {IPPROTO_TCP, TCP_FASTOPEN, AS_QUEUE, 0, INT_MAX, PLACE(fast_open)},
    {IPPROTO_UDP, UDP_SEGMENT, 0, 0, 65535, PLACE(segment)},
    {IPPROTO_UDP, UDP_GRO, AS_BOOL, INT_MIN, INT_MAX, PLACE(join)},
    {SOL_SOCKET, SO_NO_CHECK, ON_UNIX | AS_BOOL, INT_MIN, INT_MAX, PLACE(no_check)},
    {SOL_SOCKET, SO_PRIORITY, ON_UNIX, INT_MIN, INT_MAX, PLACE(priority)},
    {IPPROTO_IP, IP_TOS, AS_CLASS, INT_MIN, INT_MAX, PLACE(tos)},
    {IPPROTO_IPV6, IPV6_TCLASS, ONLY_V6 | AS_CLASS, -1, 255, PLACE(tclass)},
    {IPPROTO_IPV6, IPV6_V6ONLY, ONLY_V6 | AS_BOOL | UNTIL_BOUND, INT_MIN, INT_MAX, PLACE(v6_only)},
};

static bool applies(const struct option *option, const struct weft__net_options *options)
{
    if (options->domain == AF_UNIX)
        return option->flags & ON_UNIX;
    if ((option->level == IPPROTO_TCP || option->level == IPPROTO_UDP) &&
        options->protocol != option->level)
        return false;
    return options->domain == AF_INET6 || !(option->flags & ONLY_V6);
}

static const struct option *find(const struct weft__net_options *options, int level, int name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].level == level && known[i].name == name && applies(&known[i], options))
            return &known[i];
    return NULL;
}

static int *place_of(struct weft__net_options *options, const struct option *option)
{
    return (int *)(void *)((char *)options + option->place);
}

/* What a kernel says to an option it does not know: it depends on who was asked. */
static int unknown(const struct weft__net_options *options, int level, int name, bool set)
{
    if (name == SO_REUSEPORT && level == SOL_SOCKET)
        return -EOPNOTSUPP;
    if (level == SOL_SOCKET)
        return -ENOPROTOOPT;
    if (options->domain == AF_UNIX)
        return -EOPNOTSUPP;
    if (level == options->protocol) /* it was asked itself */
        return -ENOPROTOOPT;
    return set || options->domain == AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP;
}

/* The kernel doubles it, for what it needs itself; so half of what is shown is for bytes. */
static bool set_buffer(int value, int least, int *shown, int64_t *room)
{
    int64_t size = value < 0 || value > BUFFER_MAX ? BUFFER_MAX : value;

    size = 2 * size < least ? least : 2 * size;
    *shown = (int)size;
    *room = size / 2;
    return true;
}

static int set_linger(struct weft__net_options *options, const void *value, socklen_t length)
{
    if (length < sizeof options->linger)
        return -EINVAL;
    memcpy(&options->linger, value, sizeof options->linger);
    options->linger.l_onoff = options->linger.l_onoff != 0;
    return 0;
}

/* What goes by IPv4's class is of a priority. */
static int set_class(struct weft__net_options *options, int *place, int value)
{
    static const int priorities[] = {0, 2, 6, 4};

    value = value < 0 && place == &options->tclass ? 0 : value & 0xff;
    if (options->protocol == IPPROTO_TCP)
        value &= ~3;
    if (place == &options->tos && *place != value)
        options->priority = priorities[value >> 3 & 3];
    *place = value;
    return 0;
}

static int set_number(const struct option *option, int *place, int value)
{
    if (option->flags & AS_BOOL)
        value = value != 0;
    if (option->flags & AS_QUEUE && value > SOMAXCONN_HERE)
        value = SOMAXCONN_HERE;
    *place = value;
    return 0;
}

static int set(struct weft__net_options *options, const struct option *option, int value)
{
    int *place = place_of(options, option);

    if (value < option->low || value > option->high)
        return -EINVAL;
    if (place == &options->priority && (value < 0 || value > PRIORITY_MAX))
        return -EPERM;
    if (option->flags & AS_CLASS)
        return set_class(options, place, value);
    if (option->name == SO_SNDBUF && option->level == SOL_SOCKET)
        options->send_asked =
            set_buffer(value, SEND_MIN, &options->send_buffer, &options->send_room);
    else if (option->name == SO_RCVBUF && option->level == SOL_SOCKET)
        options->receive_asked =
            set_buffer(value, RECEIVE_MIN, &options->receive_buffer, &options->receive_room);
    else
        return set_number(option, place, value);
    return 0;
}

int weft__net_option_set(struct weft__net_options *options, bool bound, int level, int option,
                         const void *value, socklen_t length)
{
    const struct option *entry = find(options, level, option);
    int number;

    if (level == SOL_SOCKET && length < sizeof number)
        return -EINVAL;
    if (level == SOL_SOCKET && option == SO_LINGER)
        return value ? set_linger(options, value, length) : -EFAULT;
    if (!entry || entry->flags & READ_ONLY)
        return unknown(options, level, option, true);
    if (length < sizeof number || (bound && entry->flags & UNTIL_BOUND))
        return -EINVAL;
    if (!value)
        return -EFAULT;
    memcpy(&number, value, sizeof number);
    return set(options, entry, number);
}

int weft__net_option_get(const struct weft__net_options *options, int level, int option,
                         void *value, socklen_t *length)
{
    const struct option *entry = find(options, level, option);
    socklen_t room = *length;

    if (level == SOL_SOCKET && option == SO_LINGER) {
        weft__net_copy_out(&options->linger, sizeof options->linger, value, length);
    } else if (entry) {
        weft__net_copy_out((const char *)options + entry->place, sizeof(int), value, length);
    } else {
        return unknown(options, level, option, false);
    }
    if (*length > room)
        *length = room;
    return 0;
}

void weft__net_option_inherit(struct weft__net_options *options,
                              const struct weft__net_options *listener)
{
    struct weft__net_options own = *options;

    *options = *listener;
    options->fast_open = 0;
    options->priority = 0;
    if (!listener->send_asked)
        options->send_room = own.send_room;
    if (!listener->receive_asked)
        options->receive_room = own.receive_room;
}
