/*
 * io/socket_option.c - struct weft_socket_opt: a table of its fields, set and read back.
 *
 * Direct calls, any reactor; nothing is kept. What always holds: an option is set only if it is
 * asked for and the socket's kind has it, so a refusal is the kernel's opinion of the value.
 */
#include <weft/net.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include "base/option.h"
#include "io/socket.h"
#include "ring/host.h"
#include "task/task.h"

/* Of what kind a socket is: IP also holds of TCP's, and V6 of IPv6. Which an option needs. */
enum { ANY = 0, IP = 1, TCP = 2, V6 = 4, UDP = 8 };
enum field { FLAG, UNSET, BYTE, NUMBER, LINGER };

struct option {
    const char *name;
    int level, option;
    uint16_t place;
    uint8_t field; /* enum field */
    uint8_t kind;  /* of sockets that have it */
};

#define ROW(level, option, member, field, kind)                                                    \
    {                                                                                              \
#option, level, option, offsetof(struct weft_socket_opt, member), field, kind              \
    }

/* In the order in which they are set. A priority comes after the class, which sets one. */
static const struct option table[] = {
    ROW(IPPROTO_TCP, TCP_NODELAY, nagle, UNSET, TCP),
    ROW(SOL_SOCKET, SO_KEEPALIVE, keepalive, FLAG, ANY),
    ROW(SOL_SOCKET, SO_LINGER, reset_on_close, LINGER, ANY),
    ROW(SOL_SOCKET, SO_RCVBUF, receive_buffer_size, NUMBER, ANY),
    ROW(SOL_SOCKET, SO_SNDBUF, send_buffer_size, NUMBER, ANY),
    ROW(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms, NUMBER, TCP),
    ROW(SOL_SOCKET, SO_REUSEADDR, reuse_address, FLAG, ANY),
    ROW(SOL_SOCKET, SO_REUSEPORT, reuse_port, FLAG, IP),
    ROW(IPPROTO_IPV6, IPV6_V6ONLY, v6_only, FLAG, V6),
    ROW(IPPROTO_IPV6, IPV6_TCLASS, traffic_class, BYTE, V6),
    ROW(IPPROTO_IP, IP_TOS, traffic_class, BYTE, IP), /* IPv6: to those who speak IPv4 */
    ROW(SOL_SOCKET, SO_PRIORITY, priority, NUMBER, ANY),
    ROW(IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s, NUMBER, TCP),
    ROW(IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s, NUMBER, TCP),
    ROW(IPPROTO_TCP, TCP_KEEPCNT, keepalive_count, NUMBER, TCP),
    ROW(IPPROTO_TCP, TCP_FASTOPEN, fast_open, NUMBER, TCP),
    ROW(IPPROTO_UDP, UDP_GRO, join_datagrams, FLAG, UDP),
};
enum { OPTIONS = sizeof table / sizeof table[0] };

/* A number of the kernel's about the socket itself; or a negative errno. */
static int ask(int fd, int option)
{
    int value = 0;
    socklen_t length = sizeof value;
    int error = weft__host_getsockopt(fd, SOL_SOCKET, option, &value, &length);

    return error < 0 ? error : value;
}

/* The kinds of which the socket is, or a negative errno. */
static int kinds_of(int fd)
{
    int domain = ask(fd, SO_DOMAIN), protocol = domain < 0 ? 0 : ask(fd, SO_PROTOCOL);

    if (domain < 0 || protocol < 0)
        return domain < 0 ? domain : protocol;
    if (domain != AF_INET && domain != AF_INET6)
        return ANY;
    return IP | (protocol == IPPROTO_TCP ? TCP : 0) | (protocol == IPPROTO_UDP ? UDP : 0) |
           (domain == AF_INET6 ? V6 : 0);
}

static bool has(int kinds, const struct option *option)
{
    return option->kind == ANY || kinds & option->kind;
}

/* -- setting ------------------------------------------------------------------------------------
 */

/* What the field says, as the kernel is to be told. False: it is to be left as it is. */
static bool wanted(const struct weft_socket_opt *opt, const struct option *option, int *value)
{
    const void *place = (const char *)opt + option->place;

    *value = 0;
    if (option->field == NUMBER)
        memcpy(value, place, sizeof *value);
    else
        *value = *(const uint8_t *)place;
    if (option->field == UNSET)
        *value = !*value;
    return *value != 0 || option->field == UNSET;
}

static int set_one(int fd, const struct option *option, int value)
{
    if (option->field == LINGER)
        return weft__socket_reset_on_close(fd);
    return weft__socket_set_int(fd, option->level, option->option, value);
}

static int set_all(int fd, const struct weft_socket_opt *opt)
{
    int kinds = kinds_of(fd), value, error = kinds < 0 ? kinds : 0;

    for (size_t i = 0; i < OPTIONS && error == 0; i++) {
        if (!wanted(opt, &table[i], &value) || !has(kinds, &table[i]))
            continue;
        error = set_one(fd, &table[i], value);
        if (error < 0 && opt->refused)
            *opt->refused = table[i].name;
    }
    return error;
}

int weft__socket_set(int fd, const struct weft_socket_opt *opt)
{
    if (opt->receive_buffer_size < 0 || opt->send_buffer_size < 0 || opt->priority < 0)
        return weft__misuse(-EINVAL, "options out of range");
    return set_all(fd, opt);
}

int weft_socket_set(int fd, const struct weft_socket_opt *opt)
{
    struct weft_socket_opt own;
    int error;

    if (!weft__task_self())
        return weft__outside();
    error = weft__option_copy(&own, sizeof own, opt);
    return error < 0 ? error : weft__socket_set(fd, &own);
}

/* -- reading back -------------------------------------------------------------------------------
 */

static int get_one(int fd, const struct option *option, int *value)
{
    struct linger linger = {.l_onoff = 0};
    socklen_t length = option->field == LINGER ? sizeof linger : sizeof *value;
    void *memory = option->field == LINGER ? (void *)&linger : value;
    int error = weft__host_getsockopt(fd, option->level, option->option, memory, &length);

    if (option->field == LINGER)
        *value = linger.l_onoff && linger.l_linger == 0;
    return error;
}

static void note(struct weft_socket_opt *opt, const struct option *option, int value)
{
    void *place = (char *)opt + option->place;

    if (option->field == NUMBER)
        memcpy(place, &value, sizeof value);
    else
        *(uint8_t *)place = (uint8_t)(option->field == BYTE    ? value
                                      : option->field == UNSET ? value == 0
                                                               : value != 0);
}

static int get_all(int fd, struct weft_socket_opt *opt)
{
    int kinds = kinds_of(fd), value = 0, error = kinds < 0 ? kinds : 0;

    for (size_t i = 0; i < OPTIONS && error == 0; i++)
        if (has(kinds, &table[i])) {
            error = get_one(fd, &table[i], &value);
            note(opt, &table[i], value);
        }
    return error;
}

int weft_socket_get(int fd, struct weft_socket_opt *opt)
{
    struct weft_socket_opt all;
    int error;

    if (!weft__task_self())
        return weft__outside();
    if (!opt)
        return weft__misuse(-EFAULT, "nowhere to put the options");
    if (opt->size < sizeof opt->size || opt->size > sizeof all)
        return weft__misuse(-EINVAL, "the options' size was not set");
    memset(&all, 0, sizeof all);
    all.size = opt->size;
    if (opt->size >= offsetof(struct weft_socket_opt, refused) + sizeof opt->refused)
        all.refused = opt->refused;
    error = get_all(fd, &all);
    if (error == 0)
        memcpy(opt, &all, opt->size);
    return error;
}
