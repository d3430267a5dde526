/*
 * names/by_cares.c - c-ares on the reactor's loop: its sockets are weft's, it says which of them it
 * wants to hear of and when it wants to be called at the latest, and is called.
 *
 * A channel for each resolver. c-ares calls back from within ares_getaddrinfo, ares_process_fd and
 * ares_destroy, in a task or in a callback; none of that suspends.
 */
#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "names/resolver.h"

struct channel {
    ares_channel ares;
    weft_handle timer;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char kind[32];
static int initialised;

static void initialise(void)
{
    initialised = ares_library_init(ARES_LIB_INIT_ALL);
    snprintf(kind, sizeof kind, "c-ares %s", ares_version(NULL));
}

const char *weft_resolver_kind(void)
{
    pthread_once(&once, initialise);
    return kind;
}

/* -- its sockets ---------------------------------------------------------------------------- */

/* c-ares reads errno. */
static ssize_t told(ssize_t result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

static ares_socket_t open_socket(int domain, int type, int protocol, void *arg)
{
    (void)arg;
    return (int)told(weft_socket_nowait(domain, type, protocol));
}
static int close_socket(ares_socket_t fd, void *arg)
{
    (void)arg;
    return (int)told(weft_close_nowait(fd));
}
static int connect_socket(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t length,
                          void *arg)
{
    (void)arg;
    return (int)told(weft_connect_nowait(fd, address, length));
}
static ares_ssize_t receive(ares_socket_t fd, void *buffer, size_t size, int flags,
                            struct sockaddr *address, ares_socklen_t *length, void *arg)
{
    (void)arg;
    return told(weft_recvfrom_nowait(fd, buffer, size, flags, address, length));
}
/* Some of it: the rest is tried again, as after any short write. A datagram is in one piece. */
static ares_ssize_t transmit(ares_socket_t fd, const struct iovec *pieces, int count, void *arg)
{
    int first = 0;

    (void)arg;
    while (first + 1 < count && pieces[first].iov_len == 0)
        first++;
    return told(weft_sendto_nowait(fd, pieces[first].iov_base, pieces[first].iov_len, 0, NULL, 0));
}

static const struct ares_socket_functions sockets = {
    .asocket = open_socket,
    .aclose = close_socket,
    .aconnect = connect_socket,
    .arecvfrom = receive,
    .asendv = transmit,
};

/* -- when and where it is called ------------------------------------------------------------ */

static void due(void *arg);

static void set_timer(struct channel *channel)
{
    struct timeval space, *left = ares_timeout(channel->ares, NULL, &space);
    struct weft_call_opt opt = {.size = sizeof opt, .handle = &channel->timer};

    (void)weft_handle_cancel(&channel->timer);
    if (left) {
        int64_t ns = left->tv_sec * INT64_C(1000000000) + left->tv_usec * INT64_C(1000);
        /* A reactor that stops answers with an error, and the question ends with its task. */
        int error = weft_call_later(ns + 1000000, due, channel, &opt);
        (void)error;
    }
}

static void process(struct channel *channel, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(channel->ares, readable, writable);
    set_timer(channel);
}
static void due(void *arg)
{
    process(arg, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
static void can_read(int fd, int events, void *arg)
{
    (void)events;
    process(arg, fd, ARES_SOCKET_BAD);
}
static void can_write(int fd, int events, void *arg)
{
    (void)events;
    process(arg, ARES_SOCKET_BAD, fd);
}

/* If it cannot be watched (no memory) the timer asks the next server. */
static void sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    int error = readable ? weft_add_reader(fd, can_read, arg) : weft_remove_reader(fd);

    error = writable ? weft_add_writer(fd, can_write, arg) : weft_remove_writer(fd);
    (void)error;
}

int weft__backend_open(weft_resolver *resolver)
{
    struct channel *channel = calloc(1, sizeof *channel);
    struct ares_options options = {.timeout = (int)((resolver->opt.try_ns + 999999) / 1000000),
                                   .tries = resolver->opt.tries,
                                   .sock_state_cb = sock_state,
                                   .sock_state_cb_data = channel};
    int status;

    pthread_once(&once, initialise);
    if (!channel || initialised != ARES_SUCCESS) {
        free(channel);
        return -ENOMEM;
    }
    status = ares_init_options(&channel->ares, &options,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status == ARES_SUCCESS)
        ares_set_socket_functions(channel->ares, &sockets, NULL);
    if (status == ARES_SUCCESS && resolver->opt.servers) {
        status = ares_set_servers_ports_csv(channel->ares, resolver->opt.servers);
        if (status != ARES_SUCCESS)
            ares_destroy(channel->ares);
    }
    if (status != ARES_SUCCESS) {
        free(channel);
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    }
    resolver->backend = channel;
    return 0;
}

void weft__backend_close(weft_resolver *resolver)
{
    struct channel *channel = resolver->backend;

    (void)weft_handle_cancel(&channel->timer);
    ares_destroy(channel->ares); /* answers what was given up */
    free(channel);
}

/* -- questions and answers ------------------------------------------------------------------ */

static int meaning(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
        return -ENOENT;
    case ARES_ETIMEOUT:
        return -ETIMEDOUT;
    case ARES_ECONNREFUSED:
        return -ECONNREFUSED;
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
        return -EAGAIN;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_EBADNAME:
        return -EINVAL;
    default:
        return -EBADMSG;
    }
}

/* Those of a family, in the order of its answer. */
static void take(struct weft__answer *answer, const struct ares_addrinfo *found, int family)
{
    for (const struct ares_addrinfo_node *one = found->nodes;
         one && answer->count < WEFT__NAME_ADDRESSES; one = one->ai_next) {
        struct weft_name_address *to = &answer->list[answer->count];

        if (one->ai_family != family)
            continue;
        memcpy(&to->address, one->ai_addr, one->ai_addrlen);
        to->length = one->ai_addrlen;
        to->ttl_s = one->ai_ttl > 0 ? (uint32_t)one->ai_ttl : 0;
        answer->count++;
    }
}

/* c-ares has the families as their answers came, which is nobody's preference; that of RFC 6724 is
   IPv6, and what of it cannot be reached is known at once to who connects. */
static void came(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct weft__question *question = arg;
    struct weft__answer *answer = &question->answer;

    (void)timeouts;
    answer->error = meaning(status);
    if (found) {
        take(answer, found, AF_INET6);
        take(answer, found, AF_INET);
        ares_freeaddrinfo(found);
    }
    if (answer->error == 0 && answer->count == 0)
        answer->error = -ENOENT;
    weft__answered(question);
}

int weft__backend_ask(struct weft__question *question)
{
    struct ares_addrinfo_hints hints = {.ai_family = question->answer.family,
                                        .ai_socktype = SOCK_STREAM,
                                        .ai_flags = ARES_AI_NOSORT};
    struct channel *channel = question->resolver->backend;

    ares_getaddrinfo(channel->ares, question->answer.host, NULL, &hints, came, question);
    set_timer(channel);
    return 0;
}
