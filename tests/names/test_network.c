/*
 * A resolver and a server of names on the simulated network, in virtual time: answers that never
 * come, come late, have a wrong id or were cut; questions called off at every step, and deadlines.
 * Catches a retry that is not made or made without end, an answer taken for another's, a name that
 * is remembered too long, and a descriptor left behind by what was called off.
 */
#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/names.h>
#include <weft/weft.h>

#include "support/test.h"

#define is(expression, value) ck_assert_int_eq((expression), (value))
#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

enum { PORT = 5353, PACKET_MAX = 512, MANY = 14, TTL_S = 60 };

/* -- the server -------------------------------------------------------------------------------- */

enum behaviour { ANSWERS, SILENT, SECOND, LATE, WRONG_ID, CUT, GARBLED, FAILS, SIX_LATER, NO_SUCH };

static const struct {
    const char *name;
    enum behaviour behaviour;
} table[] = {{"good", ANSWERS},    {"silent", SILENT},  {"second", SECOND},
             {"late", LATE},       {"wrong", WRONG_ID}, {"cut", CUT},
             {"garbled", GARBLED}, {"fails", FAILS},    {"six", SIX_LATER}};

static struct {
    int udp, tcp;
    int asked, asked_tcp;
    int64_t first_ns, last_ns; /* when it was asked */
} server;

struct packet {
    struct sockaddr_in from;
    size_t size;
    unsigned char bytes[PACKET_MAX];
};

/* Of the first label. */
static enum behaviour behaviour_of(const struct packet *packet)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (packet->bytes[12] == strlen(table[i].name) &&
            memcmp(packet->bytes + 13, table[i].name, packet->bytes[12]) == 0)
            return table[i].behaviour;
    return NO_SUCH;
}

/* Turns the question into an answer with so many addresses 192.0.2.`first` and on. */
static void answer(struct packet *packet, int flags, int count, int first)
{
    unsigned char *bytes = packet->bytes;
    size_t end = 12;

    while (bytes[end])
        end += bytes[end] + 1u;
    end += 5;
    memset(bytes + 2, 0, 10);
    bytes[2] = (unsigned char)(0x80 | flags >> 8);
    bytes[3] = (unsigned char)(0x80 | (flags & 15));
    bytes[5] = 1;
    bytes[7] = (unsigned char)count;
    for (int i = 0; i < count; i++) {
        unsigned char record[16] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, TTL_S, 0, 4, 192, 0, 2};
        record[15] = (unsigned char)(first + i);
        memcpy(bytes + end, record, sizeof record);
        end += sizeof record;
    }
    packet->size = end;
}

/* The same with one address, of IPv6. */
static void answer_six(struct packet *packet)
{
    static const unsigned char record[28] = {0xc0,  12, 0,  28,   0, 1,    0,    0,       0,
                                             TTL_S, 0,  16, 0x20, 1, 0x0d, 0xb8, [27] = 1};

    answer(packet, 0, 0, 0);
    packet->bytes[7] = 1;
    memcpy(packet->bytes + packet->size, record, sizeof record);
    packet->size += sizeof record;
}

static bool asks_for_six(const struct packet *packet)
{
    size_t end = 12;

    while (packet->bytes[end])
        end += packet->bytes[end] + 1u;
    return packet->bytes[end + 2] == 28;
}

static int reply(struct packet *packet)
{
    ssize_t n = weft_sendto(server.udp, packet->bytes, packet->size, 0,
                            (struct sockaddr *)&packet->from, sizeof packet->from);

    return n < 0 ? (int)n : 0;
}

static int by_udp(void *arg)
{
    struct packet packet = *(struct packet *)arg;
    enum behaviour behaviour = behaviour_of(&packet);
    int error, turn = ++server.asked;

    server.last_ns = weft_now();
    if (turn == 1)
        server.first_ns = server.last_ns;
    if (behaviour == SILENT || (behaviour == SECOND && turn == 1))
        return 0;
    if (behaviour == LATE && (error = weft_sleep(7 * S)) < 0)
        return error;
    if (behaviour == WRONG_ID) {
        struct packet wrong = packet;
        wrong.bytes[0] ^= 255;
        answer(&wrong, 0, 1, 66);
        if ((error = reply(&wrong)) < 0)
            return error;
        if ((error = weft_sleep(20 * MS)) < 0)
            return error;
    }
    if (behaviour == SIX_LATER && asks_for_six(&packet)) {
        if ((error = weft_sleep(100 * MS)) < 0)
            return error;
        answer_six(&packet);
        return reply(&packet);
    }
    if (behaviour == NO_SUCH || behaviour == FAILS)
        answer(&packet, behaviour == FAILS ? 2 : 3, 0, 0);
    else
        answer(&packet, behaviour == CUT ? 0x200 : 0, behaviour == CUT ? 0 : 1, 1);
    packet.size -= behaviour == GARBLED ? 3 : 0; /* its address ends in the middle */
    return reply(&packet);
}

/* In pieces, with pauses between them. */
static int say(int fd, const struct packet *packet)
{
    unsigned char bytes[2 + PACKET_MAX] = {(unsigned char)(packet->size >> 8),
                                           (unsigned char)packet->size};
    size_t pieces[] = {1, 3, packet->size - 2}, at = 0;

    memcpy(bytes + 2, packet->bytes, packet->size);
    for (int i = 0; i < 3; i++) {
        ssize_t n = weft_send_all(fd, bytes + at, pieces[i], NULL);
        if (n >= 0)
            n = weft_sleep(2 * MS);
        if (n < 0)
            return (int)n;
        at += pieces[i];
    }
    return 0;
}

static int by_tcp(void *arg)
{
    int fd = *(int *)arg;
    unsigned char size[2];
    struct packet packet;
    ssize_t n;

    while ((n = weft_recv_exactly(fd, size, 2, NULL)) >= 0) {
        packet.size = (size_t)size[0] << 8 | size[1];
        ck_assert_uint_lt(packet.size, PACKET_MAX / 2);
        n = weft_recv_exactly(fd, packet.bytes, packet.size, NULL);
        if (n < 0)
            break;
        server.asked_tcp++;
        answer(&packet, 0, MANY, 1);
        if (say(fd, &packet) < 0) /* who has asked may be gone */
            break;
    }
    return weft_close(fd);
}

static int hears_tcp(void *arg)
{
    int fd;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING)
        while ((fd = weft_accept(server.tcp, NULL, NULL, 0)) >= 0)
            is(weft_spawn(&s, by_tcp, &fd, sizeof fd, NULL), 0);
    return 0;
}

static int hears_udp(void *arg)
{
    struct packet packet;
    ssize_t n;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        socklen_t length = sizeof packet.from;
        while ((n = weft_recvfrom(server.udp, packet.bytes, PACKET_MAX / 2, 0,
                                  (struct sockaddr *)&packet.from, &length)) > 12) {
            packet.size = (size_t)n;
            is(weft_spawn(&s, by_udp, &packet, sizeof packet, NULL), 0);
            length = sizeof packet.from;
        }
    }
    return 0;
}

/* -- who asks ---------------------------------------------------------------------------------- */

static weft_resolver *resolver;
static struct weft_name_address list[MANY];

static int ask(const char *name)
{
    return weft_resolve(resolver, name, AF_INET, list, MANY);
}

static int asks(void *arg)
{
    return ask(arg);
}

static int last_byte(int i)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)&list[i].address;

    return (int)(ntohl(four->sin_addr.s_addr) & 255);
}

static void open_resolver(int tries)
{
    struct weft_resolver_opt opt = {.size = sizeof opt, .servers = "127.0.0.1:5353"};

    opt.tries = tries;
    is(weft_resolver_open(&resolver, &opt), 0);
    server.asked = server.asked_tcp = 0;
}

typedef void case_fn(void);

static int in_weft(void *arg)
{
    case_fn *fn = *(case_fn **)arg;
    int descriptors;

    server.udp = weft_datagram_socket("127.0.0.1:5353", NULL, NULL);
    server.tcp = weft_listen_tcp("127.0.0.1:5353", NULL);
    ck_assert_int_ge(server.udp, 0);
    ck_assert_int_ge(server.tcp, 0);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        is(weft_spawn(&s, hears_udp, NULL, 0, NULL), 0);
        is(weft_spawn(&s, hears_tcp, NULL, 0, NULL), 0);
        is(weft_sleep(S), 0);
        descriptors = test_descriptors();
        open_resolver(0);
        fn();
        is(weft_resolver_close(resolver), 0);
        is(weft_sleep(10 * S), 0); /* what the server had open is over, too */
        is(test_descriptors(), descriptors);
        weft_scope_cancel(&s);
    }
    is(weft_close(server.udp), 0);
    return weft_close(server.tcp);
}

static void run(case_fn *fn)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1};

    is(weft_run(in_weft, &fn, sizeof fn, &opt), 0);
}
#define CASE(name)                                                                                 \
    static void name##_in_weft(void);                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        run(name##_in_weft);                                                                       \
    }                                                                                              \
    static void name##_in_weft(void)

/* -- cases ------------------------------------------------------------------------------------- */

/* Four tries, each given twice the time of the one before, less some of it by c-ares' dice. */
CASE(nobody_answers)
{
    int64_t begun = weft_now();

    is(ask("silent.test"), -ETIMEDOUT);
    is(weft_cancelled(), 0);
    is(server.asked, 4);
    ck_assert_int_ge(weft_now() - begun, 75 * S / 16 * 9);
    ck_assert_int_le(weft_now() - begun, 76 * S);
}

CASE(answered_when_asked_again)
{
    is(ask("second.test"), 1);
    is(server.asked, 2);
    ck_assert_int_ge(server.last_ns - server.first_ns, 5 * S / 16 * 9);
    is(last_byte(0), 1);
}

/* The answer to the first try comes after the second was made. */
CASE(answered_late)
{
    int64_t begun = weft_now();

    is(ask("late.test"), 1);
    is(server.asked, 2);
    ck_assert_int_ge(weft_now() - begun, 7 * S);
    ck_assert_int_le(weft_now() - begun, 8 * S);
    is(weft_sleep(10 * S), 0); /* the second's answer comes to nobody */
    is(last_byte(0), 1);
}

/* The second question is answered after the first, and its addresses are to be tried first. */
CASE(both_families)
{
    is(weft_resolve(resolver, "six.test", AF_UNSPEC, list, MANY), 2);
    is(server.asked, 2);
    is(list[0].address.ss_family, AF_INET6);
    is(list[0].length, sizeof(struct sockaddr_in6));
    is(list[1].address.ss_family, AF_INET);
    is(last_byte(1), 1);
    is(ask("six.test"), 1);
    is(last_byte(0), 1);
}

CASE(answer_with_a_wrong_id)
{
    is(ask("wrong.test"), 1);
    is(last_byte(0), 1);
    is(server.asked, 1);
}

CASE(answer_that_was_cut)
{
    is(ask("cut.test"), MANY);
    is(server.asked, 1);
    is(server.asked_tcp, 1);
    for (int i = 0; i < MANY; i++)
        is(last_byte(i), i + 1);
}

CASE(no_such_name)
{
    is(ask("nothing.test"), -ENOENT);
}

CASE(answer_that_makes_no_sense)
{
    is(ask("garbled.test"), -EBADMSG);
    is(weft_cause(), WEFT_CAUSE_NONE);
    is(ask("good.test"), 1);
}

/* c-ares 1.18 takes it as if nobody were there. */
CASE(server_that_fails)
{
    int result = ask("fails.test");

    ck_assert_msg(result == -EAGAIN || result == -ECONNREFUSED, "%d", result);
    is(weft_cause(), WEFT_CAUSE_NONE);
    is(ask("good.test"), 1);
}

CASE(nobody_there)
{
    struct weft_resolver_opt opt = {.size = sizeof opt, .servers = "127.0.0.1:5354", .tries = 1};
    weft_resolver *other;

    is(weft_resolver_open(&other, &opt), 0);
    is(weft_resolve(other, "good.test", AF_INET, NULL, 0), -ECONNREFUSED);
    is(weft_connect_name(other, "good.test", 80, NULL), -ECONNREFUSED);
    is(weft_resolver_close(other), 0);
}

/* -- c-ares' memory: one allocation fails, the k-th from when that was set */
static int refused;

static bool is_refused(void)
{
    return refused > 0 && --refused == 0;
}
static void *takes(size_t size)
{
    return is_refused() ? NULL : malloc(size);
}
static void *resizes(void *old, size_t size)
{
    return is_refused() ? NULL : realloc(old, size);
}
static __attribute__((constructor)) void lend_memory(void)
{
    if (ares_library_init_mem(ARES_LIB_INIT_ALL, takes, free, resizes) != ARES_SUCCESS)
        abort();
}

/* The first is refused, the second, and so on, until there are none so many. */
CASE(no_memory_to_open)
{
    struct weft_resolver_opt opt = {.size = sizeof opt, .servers = "127.0.0.1:5353"};
    weft_resolver *other;
    int error, failed = 0;

    for (int k = 1; k == 1 || refused == 0; k++) {
        refused = k;
        error = weft_resolver_open(&other, &opt);
        if (error == 0)
            is(weft_resolver_close(other), 0);
        else
            is(error, -ENOMEM);
        failed += error < 0;
    }
    refused = 0;
    ck_assert_int_gt(failed, 0);
}

/* What c-ares cannot do without is said; an answer that it had no room for is as one lost. */
CASE(no_memory_to_ask)
{
    int result, failed = 0;

    for (int k = 1; k == 1 || refused == 0; k++) {
        is(weft_resolver_close(resolver), 0);
        open_resolver(1);
        refused = k;
        result = ask("good.test");
        ck_assert_msg(result == 1 || result == -ENOMEM || result == -ETIMEDOUT, "%d", result);
        failed += result == -ENOMEM;
    }
    refused = 0;
    ck_assert_int_gt(failed, 0);
    is(ask("good.test"), 1);
}

/* As long as its server said, and no longer. */
CASE(remembered)
{
    is(ask("good.test"), 1);
    is(list[0].ttl_s, TTL_S);
    is(weft_sleep((TTL_S - 1) * S), 0);
    is(ask("good.test"), 1);
    is(server.asked, 1);
    is(weft_sleep(2 * S), 0);
    is(ask("good.test"), 1);
    is(server.asked, 2);
}

/* Called off after so long; then the resolver goes on, or is closed with what is under way. */
static void call_off(weft_task_fn fn, const char *name, int64_t after_ns, bool go_on)
{
    void *arg = (void *)(uintptr_t)name;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int result = 0;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        is(weft_spawn(&s, fn, arg, 0, &opt), 0);
        is(weft_sleep(after_ns), 0);
        (void)weft_cancel(task);
        is(weft_join(task, &result), 0);
        ck_assert(result == -ECANCELED || result == MANY || result == 1);
    }
    if (go_on)
        ck_assert_int_gt(fn(arg), 0);
    is(weft_resolver_close(resolver), 0);
    is(weft_sleep(S), 0);
    open_resolver(0);
}

CASE(called_off_at_each_step)
{
    for (int i = 0; i < 40; i++)
        call_off(asks, "cut.test", i * MS / 2, i % 2);
    for (int i = 0; i < 12; i++)
        call_off(asks, "late.test", i * S, i % 2);
}

static int connects(void *arg)
{
    int fd = weft_connect_name(resolver, arg, PORT, NULL);

    return fd < 0 ? fd : weft_close(fd) == 0;
}

/* Both addresses are this machine's, and at the first nobody listens. */
CASE(connecting_called_off_at_each_step)
{
    int listener = weft_listen_tcp("192.0.2.1:5353", NULL);

    ck_assert_int_ge(listener, 0);
    for (int i = 0; i < 60; i++)
        call_off(connects, "six.test", i * 2 * MS, i % 2);
    is(weft_close(listener), 0);
}

CASE(deadline)
{
    int64_t begun = weft_now();
    int result = 0;
    weft_scope scope;

    is(weft_scope_open(&scope, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                        .deadline = weft_after_ms(1000)}),
       0);
    result = ask("silent.test");
    is(weft_scope_close(&scope), -ETIMEDOUT);
    is(result, -ECANCELED);
    ck_assert_int_ge(weft_now() - begun, S);
    ck_assert_int_le(weft_now() - begun, 2 * S);
    is(ask("good.test"), 1);
}

TEST_MAIN("names on the network", 60, nobody_answers, answered_when_asked_again, answered_late,
          both_families, answer_with_a_wrong_id, answer_that_was_cut, no_such_name,
          answer_that_makes_no_sense, server_that_fails, nobody_there, no_memory_to_open,
          no_memory_to_ask, remembered, called_off_at_each_step, connecting_called_off_at_each_step,
          deadline)
