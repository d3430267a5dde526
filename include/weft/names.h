/*
 * weft/names.h - names of hosts: their addresses, and connecting to them. A library of its own,
 * weft::names.
 *
 *     weft_resolver *resolver;
 *     if (weft_resolver_open(&resolver, NULL) < 0) ...
 *     int fd = weft_connect_name(resolver, "www.example.org", 80, NULL);
 *     ...
 *     weft_resolver_close(resolver);
 *
 * Where c-ares was found when this was built, it asks the servers of resolv.conf(5), on sockets and
 * timers of the reactor's, after a look into hosts(5); search domains, retries, and the repetition
 * over TCP of an answer that was cut are c-ares's. Else getaddrinfo(3) is called by a thread of the
 * runtime's executor (weft_to_thread): then .servers is refused, and nothing is remembered.
 * weft_resolver_kind tells.
 *
 * A resolver belongs to the reactor that opened it: from another one -EXDEV. Answers are remembered
 * as long as their servers said, for all who ask the same resolver.
 */
#ifndef WEFT_NAMES_H
#define WEFT_NAMES_H

#include <sys/socket.h>
#include <weft/base.h>
#include <weft/net.h>

WEFT_BEGIN_DECLS

typedef struct weft_resolver weft_resolver;

struct weft_resolver_opt {
    size_t size;
    const char *servers;  /* "127.0.0.1:5353,[::1]:53"; NULL: those of resolv.conf */
    int64_t try_ns;       /* how long a server has to answer; 0: 5 s */
    int tries;            /* of each server; 0: 4 */
    uint32_t entries_max; /* names remembered; 0: 128 */
};

struct weft_name_address {
    struct sockaddr_storage address; /* port 0 */
    socklen_t length;
    uint32_t ttl_s; /* how many seconds it may be remembered; 0: unknown, or not at all */
};

/*
 * Makes a resolver. opt may be NULL. In a task or a callback; does not suspend.
 * Returns 0; -EINVAL servers that are no addresses, or options out of range; -ENOTSUP .servers
 * without c-ares; -ENOMEM; -EPERM outside of a reactor.
 */
WEFT_API WEFT_NODISCARD int weft_resolver_open(weft_resolver **resolver,
                                               const struct weft_resolver_opt *opt);

/* Ends it, and forgets what it remembers. NULL: nothing happens. Does not suspend. Returns 0;
   -EBUSY while a task waits for it; -EXDEV. */
WEFT_API int weft_resolver_close(weft_resolver *resolver);

/* "c-ares 1.18.1" or "getaddrinfo". */
WEFT_API const char *weft_resolver_kind(void);

/*
 * The addresses of `host`: a name, or an address in numbers, which needs no asking. family:
 * AF_UNSPEC, AF_INET or AF_INET6. The first count_max go to list[] (NULL allowed when that is 0),
 * those of IPv6 before those of IPv4; with getaddrinfo as that has sorted them.
 *
 * A caller that is cancelled gives the question up, and its answer is remembered all the same; with
 * getaddrinfo it waits for a call that runs, has its answer, and meets the cancellation next.
 *
 * Returns how many there are, at least 1; -ENOENT there is no such name, or none of that family;
 * -ETIMEDOUT no server answered (weft_cause() is NONE); -ECONNREFUSED none was there; -EAGAIN a
 * server cannot say now (c-ares 1.18 says -ECONNREFUSED of that, too); -EBADMSG answers that make
 * no sense; -EINVAL no name, or one too long; -ECANCELED; -EXDEV; -EPERM; -ENOMEM.
 */
WEFT_API int weft_resolve(weft_resolver *resolver, const char *host, int family,
                          struct weft_name_address *list, uint32_t count_max) WEFT_SUSPENDS;

/*
 * A TCP connection to `host`, by whichever of its addresses answers first: they are tried one after
 * another, families by turns, beginning with that of the first, each 250 ms after the one before or
 * as soon as that has failed, and what comes second is closed (RFC 8305). opt as for
 * weft_connect_tcp.
 *
 * It has no deadline of its own: a scope around it has (weft_timeout), for asking and connecting
 * together, and answers -ETIMEDOUT when it closes, if it cut something. A connection that was there
 * is the result all the same: it is the caller's, whatever the scope says.
 *
 * Returns the descriptor; what weft_resolve answers; the error of the last attempt that failed,
 * -ETIMEDOUT too (weft_cause() is NONE).
 */
WEFT_API int weft_connect_name(weft_resolver *resolver, const char *host, uint16_t port,
                               const struct weft_socket_opt *opt) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
