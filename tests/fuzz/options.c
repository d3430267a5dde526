/*
 * libFuzzer's bytes as a socket's options: a struct of any age and content, told to a socket that
 * is a table here. Memory is as long as the struct says it is, so that a look beyond it is seen.
 *
 *     byte 0    of what kind the socket is
 *     byte 1    which setting is refused, counted
 *     2 to 3    the size of the struct
 *     the rest  what is in it
 */
#include <weft/net.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "io/socket.h"
#include "ring/host.h"
#include "task/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool right)
{
    if (!right)
        abort();
}

/* -- the socket ------------------------------------------------------------------------------- */

enum { SET_MAX = 32, FD = 7, REFUSED = -EPERM };

static struct {
    int domain, protocol;
    struct {
        int level, name, value;
    } set[SET_MAX];
    int count;
    int refused_at;
} socket_here;

static struct weft__reactor reactor_here;
__thread struct weft__reactor *weft__self;

static int find(int level, int name)
{
    int i = 0;

    while (i < socket_here.count &&
           (socket_here.set[i].level != level || socket_here.set[i].name != name))
        i++;
    return i;
}

/* Each option is one that the socket's kind has, and is told once. */
int weft__socket_set_int(int fd, int level, int option, int value)
{
    bool v6 = socket_here.domain == AF_INET6, inet = v6 || socket_here.domain == AF_INET;
    int at = find(level, option);

    must(fd == FD && at == socket_here.count && at < SET_MAX);
    must(level != IPPROTO_TCP || socket_here.protocol == IPPROTO_TCP);
    must(level != IPPROTO_UDP || socket_here.protocol == IPPROTO_UDP);
    must((level != IPPROTO_IP || inet) && (level != IPPROTO_IPV6 || v6));
    if (socket_here.refused_at-- == 0)
        return REFUSED;
    socket_here.set[at].level = level;
    socket_here.set[at].name = option;
    socket_here.set[at].value = value;
    socket_here.count++;
    return 0;
}

int weft__socket_reset_on_close(int fd)
{
    return weft__socket_set_int(fd, SOL_SOCKET, SO_LINGER, 1);
}

int weft__host_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    const struct linger linger = {.l_onoff = find(SOL_SOCKET, SO_LINGER) < socket_here.count};
    int at = find(level, option);
    int number = at < socket_here.count ? socket_here.set[at].value : 0;

    must(fd == FD);
    if (level == SOL_SOCKET && option == SO_DOMAIN)
        number = socket_here.domain;
    if (level == SOL_SOCKET && option == SO_PROTOCOL)
        number = socket_here.protocol;
    if (level == SOL_SOCKET && option == SO_LINGER) {
        must(*length == sizeof linger);
        memcpy(value, &linger, sizeof linger);
        return 0;
    }
    must(*length == sizeof number);
    memcpy(value, &number, sizeof number);
    return 0;
}

/* -- what is asked of it ---------------------------------------------------------------------- */

/* What a library of this age makes of it: false, it is refused. */
static bool read_plainly(const unsigned char *bytes, size_t given, struct weft_socket_opt *opt)
{
    memset(opt, 0, sizeof *opt);
    if (given < sizeof given || given > WEFT__OPTION_SIZE_MAX)
        return false;
    for (size_t i = sizeof *opt; i < given; i++)
        if (bytes[i])
            return false;
    memcpy(opt, bytes, given < sizeof *opt ? given : sizeof *opt);
    return opt->receive_buffer_size >= 0 && opt->send_buffer_size >= 0 && opt->priority >= 0;
}

static bool byte_at(const struct weft_socket_opt *opt, size_t place)
{
    return ((const unsigned char *)opt)[place] != 0;
}

/* What was asked for is there, and nothing else. */
static void check_read_back(const struct weft_socket_opt *asked)
{
    bool tcp = socket_here.protocol == IPPROTO_TCP, udp = socket_here.protocol == IPPROTO_UDP;
    bool v6 = socket_here.domain == AF_INET6, inet = v6 || socket_here.domain == AF_INET;
    struct weft_socket_opt found = {.size = sizeof found};

    must(weft_socket_get(FD, &found) == 0);
#define FLAG(field, applies)                                                                       \
    must(byte_at(&found, offsetof(struct weft_socket_opt, field)) ==                               \
         ((applies) && byte_at(asked, offsetof(struct weft_socket_opt, field))))
#define NUMBER(field, applies) must(found.field == ((applies) ? asked->field : 0))
    FLAG(nagle, tcp);
    FLAG(keepalive, true);
    FLAG(reset_on_close, true);
    FLAG(reuse_address, true);
    FLAG(reuse_port, inet);
    FLAG(v6_only, v6);
    FLAG(join_datagrams, udp);
    NUMBER(receive_buffer_size, true);
    NUMBER(send_buffer_size, true);
    NUMBER(priority, true);
    NUMBER(traffic_class, inet);
    NUMBER(user_timeout_ms, tcp);
    NUMBER(keepalive_idle_s, tcp);
    NUMBER(keepalive_interval_s, tcp);
    NUMBER(keepalive_count, tcp);
    NUMBER(fast_open, tcp);
#undef FLAG
#undef NUMBER
}

/* A program of any age is told as much as it has room for. */
static void check_short(size_t size)
{
    unsigned char *bytes = malloc(size);
    struct weft_socket_opt all = {.size = sizeof all};

    must(bytes != NULL);
    memset(bytes, 0, size);
    memcpy(bytes, &size, sizeof size);
    must(weft_socket_get(FD, &all) == 0);
    must(weft_socket_get(FD, (struct weft_socket_opt *)(void *)bytes) == 0);
    must(memcmp(bytes + sizeof size, (unsigned char *)&all + sizeof size, size - sizeof size) == 0);
    free(bytes);
}

static void check(unsigned char *bytes, size_t given, int refused_at)
{
    const size_t place = offsetof(struct weft_socket_opt, refused);
    struct weft_socket_opt asked;
    const char *refused = NULL, **tell = &refused;
    bool good, told = given >= place + sizeof tell && given <= WEFT__OPTION_SIZE_MAX;
    int result;

    /* the one field that is an address is there or not, and never half of it */
    if (told)
        memcpy(bytes + place, &tell, sizeof tell);
    else if (given > place)
        memset(bytes + place, 0, given < place + sizeof tell ? given - place : sizeof tell);
    socket_here.refused_at = refused_at;
    good = read_plainly(bytes, given, &asked);
    result = weft_socket_set(FD, (const struct weft_socket_opt *)(const void *)bytes);
    if (!good) {
        must(result == -EINVAL && socket_here.count == 0);
    } else if (result < 0) {
        must(result == REFUSED && socket_here.count == refused_at);
        must((refused != NULL) == told);
    } else {
        must(refused == NULL && socket_here.count <= refused_at);
        check_read_back(&asked);
        check_short(sizeof(size_t) + given % (sizeof asked - sizeof(size_t) + 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct {
        int domain, protocol;
    } kinds[] = {{AF_INET, IPPROTO_TCP},
                 {AF_INET6, IPPROTO_TCP},
                 {AF_UNIX, 0},
                 {AF_INET, IPPROTO_UDP},
                 {AF_INET6, IPPROTO_UDP}};
    unsigned char *opt;
    size_t given, real;

    if (size < 4)
        return 0;
    reactor_here.current = (struct weft__fiber *)(void *)&reactor_here; /* a task: any */
    weft__self = &reactor_here;
    memset(&socket_here, 0, sizeof socket_here);
    socket_here.domain = kinds[bytes[0] % 5].domain;
    socket_here.protocol = kinds[bytes[0] % 5].protocol;
    given = (size_t)bytes[2] | (size_t)bytes[3] << 8;
    real = given < sizeof given ? sizeof given : given; /* a size there is, whatever it says */
    opt = calloc(1, real);
    must(opt != NULL);
    memcpy(opt, bytes + 4, size - 4 < real ? size - 4 : real);
    memcpy(opt, &given, sizeof given);
    check(opt, given, bytes[1] % 24);
    free(opt);
    return 0;
}
