/*
 * io/endpoint.c - an endpoint for datagrams: two tasks, one that sends, one that receives and
 * tells.
 *
 * One endpoint serves any number of peers, so two stacks are no matter; and tasks end with their
 * scope, in order, without a line about it here.
 *
 *      the endpoint's task: made, send what is queued, ..., (closing, empty) --> scope closed, lost
 *        `- in its scope: the receiver, cancelled when all has been sent
 *
 * What always holds: protocols are called on the loop's stack; the queue is touched on the
 * endpoint's reactor only; after connection_lost nothing refers to the endpoint.
 */
#include <weft/endpoint.h>

#include <stdalign.h>
#include <string.h>

#include "base/memory.h"
#include "io/io.h"
#include "task/task.h"
#include "task/wait.h"

enum { DATAGRAM_MAX = 65536, QUEUED_MAX = 1 << 20 };

struct datagram {
    struct datagram *next;
    size_t size;
    socklen_t length; /* of the address; 0: where the endpoint is connected */
    struct sockaddr_storage address;
    unsigned char bytes[];
};

struct weft_endpoint {
    struct weft__reactor *reactor;
    const struct weft_datagram_protocol *protocol;
    void *arg;
    int fd;
    bool closing;
    int32_t error;             /* why the receiver ended */
    struct weft__wait *sender; /* waiting for something to send */
    struct datagram *first, **last;
    size_t queued; /* bytes, what is kept beside those of a datagram counted */
    bool local;    /* a Unix socket, whose peers make a sender wait */
    struct sockaddr_storage from;
    unsigned char *memory; /* DATAGRAM_MAX bytes, for the one that is received */
    alignas(16) unsigned char state[];
};

/* -- telling ----------------------------------------------------------------------------------- */

enum what { MADE, RECEIVED, FAILED, LOST };

struct news {
    weft_endpoint *endpoint;
    enum what what;
    int error;
    const struct msghdr *message;
    size_t size;
};

static int tell_on_loop(void *arg)
{
    const struct news *news = arg;
    weft_endpoint *endpoint = news->endpoint;
    const struct weft_datagram_protocol *protocol = endpoint->protocol;

    if (news->what == MADE && protocol->connection_made)
        protocol->connection_made(endpoint, endpoint->state);
    if (news->what == RECEIVED && protocol->datagram_received)
        protocol->datagram_received(endpoint, endpoint->memory, news->size,
                                    news->message->msg_flags & MSG_TRUNC,
                                    (const struct sockaddr *)&endpoint->from,
                                    news->message->msg_namelen, endpoint->state);
    if (news->what == FAILED && protocol->error_received)
        protocol->error_received(endpoint, news->error, endpoint->state);
    if (news->what == LOST && protocol->connection_lost)
        protocol->connection_lost(endpoint, news->error, endpoint->state);
    return 0;
}

static void tell(weft_endpoint *endpoint, enum what what, int error)
{
    struct news news = {.endpoint = endpoint, .what = what, .error = error};

    (void)weft_call_on_big_stack(tell_on_loop, &news);
}

/* -- sending ----------------------------------------------------------------------------------- */

static struct datagram *dequeue(weft_endpoint *endpoint)
{
    struct datagram *datagram = endpoint->first;

    endpoint->first = datagram->next;
    if (!endpoint->first)
        endpoint->last = &endpoint->first;
    endpoint->queued -= sizeof *datagram + datagram->size;
    return datagram;
}

/* Waits for the next, or for the end. */
static int wait_for_one(weft_endpoint *endpoint)
{
    struct weft__wait wait = {.what = "datagrams to send", .fd = endpoint->fd};
    int error = 0;

    endpoint->sender = &wait;
    while (!endpoint->first && !endpoint->closing && error == 0)
        error = weft__wait_for_wake(weft__task_self(), &wait, true);
    endpoint->sender = NULL;
    return error;
}

/* One of many peers that does not read is not waited for: the others come behind it. A single one
   is. */
static ssize_t send_one(const weft_endpoint *endpoint, const struct datagram *datagram)
{
    const struct sockaddr *to =
        datagram->length ? (const struct sockaddr *)&datagram->address : NULL;

    return weft_sendto(endpoint->fd, datagram->bytes, datagram->size,
                       endpoint->local && to ? MSG_DONTWAIT : 0, to, datagram->length);
}

/* Until it is cancelled, or closing and nothing is left. */
static void send_all(weft_endpoint *endpoint)
{
    ssize_t result = 0;

    while (result != -ECANCELED && wait_for_one(endpoint) == 0 && endpoint->first) {
        struct datagram *datagram = dequeue(endpoint);
        result = send_one(endpoint, datagram);
        weft__free(datagram);
        if (result < 0 && result != -ECANCELED)
            tell(endpoint, FAILED, (int)result);
    }
}

/* -- receiving --------------------------------------------------------------------------------- */

/* Of an earlier datagram, told by the kernel at the next call: the socket is as good as before. */
static bool is_of_one(ssize_t error)
{
    return error == -ECONNREFUSED || error == -EHOSTUNREACH || error == -ENETUNREACH ||
           error == -EMSGSIZE || error == -EINTR || error == -ENOMEM;
}

static ssize_t receive_one(weft_endpoint *endpoint)
{
    struct iovec vector = {endpoint->memory, DATAGRAM_MAX};
    struct msghdr message = {.msg_name = &endpoint->from,
                             .msg_namelen = sizeof endpoint->from,
                             .msg_iov = &vector,
                             .msg_iovlen = 1};
    struct news news = {.endpoint = endpoint, .what = RECEIVED, .message = &message};
    ssize_t result = weft_recvmsg(endpoint->fd, &message, WEFT_IDLE);

    if (result >= 0 && !endpoint->closing) {
        news.size = (size_t)result;
        (void)weft_call_on_big_stack(tell_on_loop, &news);
    }
    if (is_of_one(result)) {
        tell(endpoint, FAILED, (int)result);
        return 0;
    }
    return result;
}

static void wake_sender(weft_endpoint *endpoint)
{
    if (endpoint->sender)
        weft__wake_now(endpoint->reactor, endpoint->sender);
}

static int receive_all(void *arg)
{
    weft_endpoint *endpoint = *(weft_endpoint **)arg;
    ssize_t result = 0;

    while (result >= 0 && !endpoint->closing)
        result = receive_one(endpoint);
    /* the end is in order if it was asked for, or a drain came */
    if (result < 0 && result != -ESHUTDOWN && !endpoint->closing)
        endpoint->error = (int32_t)result;
    endpoint->closing = true;
    wake_sender(endpoint);
    return 0;
}

static void destroy(weft_endpoint *endpoint)
{
    while (endpoint->first)
        weft__free(dequeue(endpoint));
    weft__free(endpoint->memory);
    weft__free(endpoint);
}

static int run(void *arg)
{
    weft_endpoint *endpoint = *(weft_endpoint **)arg;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "endpoint receives"};
    weft_scope scope;
    int error;

    tell(endpoint, MADE, 0);
    error = weft_scope_open(&scope, NULL);
    if (error == 0) {
        error = weft_spawn(&scope, receive_all, &endpoint, sizeof endpoint, &opt);
        if (error == 0)
            send_all(endpoint);
        weft_scope_cancel(&scope); /* the receiver: what was to be sent has been */
        (void)weft_scope_close(&scope);
    }
    endpoint->closing = true;
    tell(endpoint, LOST, error < 0 ? error : endpoint->error);
    weft_close(endpoint->fd);
    destroy(endpoint);
    return 0;
}

/* -- the calls --------------------------------------------------------------------------------- */

static weft_endpoint *create(const struct weft_datagram_protocol *protocol, void *arg)
{
    weft_endpoint *endpoint = weft__calloc(1, sizeof *endpoint + protocol->state_size);

    if (!endpoint)
        return NULL;
    endpoint->memory = weft__alloc(DATAGRAM_MAX);
    if (!endpoint->memory) {
        weft__free(endpoint);
        return NULL;
    }
    endpoint->reactor = weft__self;
    endpoint->protocol = protocol;
    endpoint->arg = arg;
    endpoint->last = &endpoint->first;
    return endpoint;
}

static bool is_local(int fd)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof name;

    (void)weft_getsockname(fd, (struct sockaddr *)&name, &length); /* it has one, bound or not */
    return name.ss_family == AF_UNIX;
}

int weft_create_datagram_endpoint(weft_endpoint **result, const char *local, const char *remote,
                                  const struct weft_datagram_protocol *protocol, void *arg,
                                  const struct weft_socket_opt *opt)
{
    struct weft_spawn_opt spawn = {.size = sizeof spawn, .name = "endpoint"};
    weft_endpoint *endpoint;
    int fd, error;

    if (!protocol || protocol->size != sizeof *protocol || protocol->state_size > UINT32_MAX)
        return weft__misuse(-EINVAL, "no protocol, or its size was not set");
    fd = weft_datagram_socket(local, remote, opt);
    if (fd < 0)
        return fd;
    endpoint = create(protocol, arg);
    error = endpoint ? 0 : -ENOMEM;
    if (error == 0) {
        endpoint->fd = fd;
        endpoint->local = is_local(fd);
        error = weft_create_task(run, &endpoint, sizeof endpoint, &spawn);
    }
    if (error < 0) {
        weft_close(fd);
        if (endpoint)
            destroy(endpoint);
        return error;
    }
    if (result)
        *result = endpoint;
    return 0;
}

static int check(const weft_endpoint *endpoint)
{
    if (!endpoint)
        return weft__misuse(-EINVAL, "no endpoint");
    if (!weft__self)
        return weft__outside();
    return endpoint->reactor == weft__self
               ? 0
               : weft__misuse(-EXDEV, "the endpoint is another reactor's");
}

static struct datagram *copy(const void *data, size_t size, const struct sockaddr *address,
                             socklen_t length)
{
    struct datagram *datagram = weft__alloc(sizeof *datagram + size);

    if (!datagram)
        return NULL;
    datagram->next = NULL;
    datagram->size = size;
    datagram->length = address ? length : 0;
    if (address)
        memcpy(&datagram->address, address, length);
    if (size > 0)
        memcpy(datagram->bytes, data, size);
    return datagram;
}

ssize_t weft_endpoint_sendto(weft_endpoint *endpoint, const void *data, size_t size,
                             const struct sockaddr *address, socklen_t length)
{
    struct datagram *datagram;
    int error = check(endpoint);

    if (error < 0)
        return error;
    if ((!data && size > 0) || (address && length > sizeof datagram->address))
        return weft__misuse(-EINVAL, "no memory to send from, or an address that is none");
    if (size > DATAGRAM_MAX)
        return -EMSGSIZE;
    if (endpoint->closing)
        return -EPIPE;
    if (endpoint->queued + sizeof *datagram + size > QUEUED_MAX)
        return -ENOBUFS;
    datagram = copy(data, size, address, length);
    if (!datagram)
        return -ENOMEM;
    *endpoint->last = datagram;
    endpoint->last = &datagram->next;
    endpoint->queued += sizeof *datagram + size;
    wake_sender(endpoint);
    return (ssize_t)size;
}

int weft_endpoint_close(weft_endpoint *endpoint)
{
    int error = check(endpoint);

    if (error < 0 || endpoint->closing)
        return error;
    endpoint->closing = true;
    wake_sender(endpoint);
    return 0;
}

int weft_endpoint_fd(const weft_endpoint *endpoint)
{
    return endpoint ? endpoint->fd : weft__misuse(-EINVAL, "no endpoint");
}

void *weft_endpoint_state(weft_endpoint *endpoint)
{
    return endpoint ? endpoint->state : NULL;
}

void *weft_endpoint_arg(const weft_endpoint *endpoint)
{
    return endpoint ? endpoint->arg : NULL;
}
