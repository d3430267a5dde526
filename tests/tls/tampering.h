/*
 * A conversation by TLS through somebody in the middle, who does with its records what bytes say:
 * for seeds, for what is kept in tampered/, and for a fuzzer. On the simulated kernel, where time
 * costs nothing, since what is left out is waited for.
 *
 *     byte 0         bit 0: TLS 1.2, else 1.3
 *     then for each record, those of the client and of the server in turn, three bytes:
 *       what is done with it (enum tampering; as it came when they are used up), where, and how
 */
#ifndef WEFT_TESTS_TLS_TAMPERING_H
#define WEFT_TESTS_TLS_TAMPERING_H

#include "pair.h"

enum { HEADER = 5, BODY_MAX = 65535, ASKED = 3000, ANSWERED = 20000 };

enum tampering {
    PASS,      /* as it came */
    IN_PIECES, /* in two */
    FLIP,      /* one bit of it is another */
    CUT,       /* by half, and then the end of the stream */
    LEFT_OUT,
    TWICE,
    LATER,     /* after the next */
    BEFORE_IT, /* something else, of any type, comes first */
    LENGTH,    /* it says that it is longer, or shorter */
    THE_END,   /* of the stream, instead */
    TAMPERINGS
};

/* One way of two, and the task that carries its records. */
struct way {
    const unsigned char *bytes; /* what is to be done */
    size_t size, at;
    weft_stream *from, *to;
    bool tampered; /* so that the two may notice */
    size_t held;   /* bytes of a record that comes later */
    unsigned char record[HEADER + BODY_MAX], later[HEADER + BODY_MAX];
};

static struct tampered {
    struct way there, back;
    struct pair pair;
    int client_result, server_result;
} tampered;

/* -- in the middle -------------------------------------------------------------------------- */

static int pass(struct way *way, const void *bytes, size_t size)
{
    return size > 0 ? (int)weft_stream_write(way->to, bytes, size, NULL) : 0;
}

static int ends(struct way *way)
{
    (void)weft_stream_shutdown(way->to);
    return -EPIPE;
}

static int something_else(struct way *way, unsigned char where, unsigned char how)
{
    unsigned char bytes[HEADER + 64] = {(unsigned char)(20 + how % 6), 3, 3, 0, how % 65};

    memset(bytes + HEADER, where, 64);
    return pass(way, bytes, HEADER + (size_t)how % 65);
}

static int tamper(struct way *way, size_t size, const unsigned char order[3])
{
    size_t where = (size_t)order[1] * (size - 1) / 255;
    int error = 0;

    switch ((enum tampering)(order[0] % TAMPERINGS)) {
    case FLIP:
        way->record[where] ^= (unsigned char)(1u << order[2] % 8);
        break;
    case CUT:
        error = pass(way, way->record, where);
        return error < 0 ? error : ends(way);
    case LEFT_OUT:
        return 0;
    case TWICE:
        error = pass(way, way->record, size);
        break;
    case LATER:
        memcpy(way->later, way->record, size);
        way->held = size;
        return 0;
    case BEFORE_IT:
        error = something_else(way, order[1], order[2]);
        break;
    case LENGTH:
        way->record[3] ^= order[1];
        way->record[4] ^= order[2];
        break;
    case THE_END:
        return ends(way);
    default:
        break;
    }
    return error < 0 ? error : pass(way, way->record, size);
}

/* What is held goes behind this one. */
static int carry(struct way *way, size_t size)
{
    static const unsigned char as_it_came[3] = {PASS, 0, 0};
    const unsigned char *order = way->at + 3 <= way->size ? way->bytes + way->at : as_it_came;
    size_t held = way->held;
    int error;

    way->at += 6;
    way->held = 0;
    way->tampered = way->tampered || order[0] % TAMPERINGS > IN_PIECES;
    if (order[0] % TAMPERINGS == IN_PIECES) {
        error = pass(way, way->record, size / 2);
        (void)weft_sleep(1000000);
        if (error >= 0)
            error = pass(way, way->record + size / 2, size - size / 2);
    } else {
        error = tamper(way, size, order);
    }
    return error < 0 || held == 0 ? error : pass(way, way->later, held);
}

static int carries(void *arg)
{
    struct way *way = *(struct way **)arg;
    int error = 0;

    while (error >= 0) {
        ssize_t n = weft_stream_read_exactly(way->from, way->record, HEADER, NULL);
        size_t body = (size_t)way->record[3] << 8 | way->record[4];
        if (n > 0 && body > 0)
            n = weft_stream_read_exactly(way->from, way->record + HEADER, body, NULL);
        error = n < 0 ? (int)n : carry(way, HEADER + body);
    }
    (void)weft_stream_shutdown(way->to);
    return 0;
}

/* -- the two ends --------------------------------------------------------------------------- */

/* All of it, and every byte as it was sent; a refusal may cut it short, but not change it. */
static int hear(weft_tls *tls, size_t size, uint64_t seed)
{
    size_t count = 0;

    for (;;) {
        unsigned char some[1000];
        ssize_t n = weft_tls_read(tls, some, sizeof some, 0);
        if (n < 0)
            return (int)n;
        net_check(some, (size_t)n, seed, count);
        count += (size_t)n;
        ck_assert_uint_le(count, size);
        if (n == 0) /* the end that only the other one can have said */
            break;
    }
    ck_assert_uint_eq(count, size);
    return 0;
}

static int say(weft_tls *tls, size_t size, uint64_t seed)
{
    static unsigned char bytes[2][ANSWERED];
    unsigned char *mine = bytes[seed & 1];
    ssize_t n;

    net_fill(mine, size, seed, 0);
    n = weft_tls_write(tls, mine, size, NULL);
    return n < 0 ? (int)n : weft_tls_shutdown(tls);
}

static int side(weft_tls *tls, bool client)
{
    int error = weft_tls_handshake(tls, WEFT_NEVER);

    if (error == 0 && client)
        error = say(tls, ASKED, 1);
    if (error == 0)
        error = hear(tls, client ? ANSWERED : ASKED, client ? 2 : 1);
    if (error == 0 && !client)
        error = say(tls, ANSWERED, 2);
    return error;
}

/* What is left out may be waited for, but not for ever. */
static int patient_side(weft_tls *tls, weft_stream *stream, bool client)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = weft_after_ns(PATIENCE_NS)};
    weft_scope scope;
    int error, edge;

    is(weft_scope_open(&scope, &opt), 0);
    error = side(tls, client);
    edge = weft_scope_close(&scope);
    if (error == -ECANCELED)
        error = edge;
    if (error == -EPROTO || error == -EKEYREJECTED || error == -ECONNABORTED)
        ck_assert_int_gt(strlen(weft_tls_error(tls)), 0);
    is(weft_tls_close(tls), 0);
    (void)weft_stream_shutdown(stream);
    return error;
}

static int serves(void *arg)
{
    struct tampered *all = *(struct tampered **)arg;

    all->server_result = patient_side(all->pair.server, all->pair.server_stream, false);
    return 0;
}

static bool is_refusal(int result)
{
    return result == 0 || result == -EPROTO || result == -EKEYREJECTED || result == -ECONNABORTED ||
           result == -EPIPE || result == -ECONNRESET || result == -ETIMEDOUT;
}

/* One conversation, with what the bytes say done to it. */
static void tamper_with(weft_tls_context *client, weft_tls_context *server,
                        const unsigned char *bytes, size_t size)
{
    static struct way *const ways[] = {&tampered.there, &tampered.back};
    struct tampered *all = &tampered;
    struct pair *pair = &all->pair;
    weft_stream *near, *far;

    for (int i = 0; i < 2; i++) {
        ways[i]->bytes = bytes;
        ways[i]->size = size;
        ways[i]->at = 1 + 3 * (size_t)i;
        ways[i]->held = 0;
        ways[i]->tampered = false;
    }
    pair_streams(&pair->client_stream, &near);
    pair_streams(&pair->server_stream, &far);
    ways[0]->from = ways[1]->to = near;
    ways[0]->to = ways[1]->from = far;
    pair_lay(pair, client, server, "server.test");
    if (size > 0 && bytes[0] & 1)
        ck_assert(SSL_set_max_proto_version(weft_tls_native(pair->client), TLS1_2_VERSION));
    WEFT_SCOPE(s) {
        for (int i = 0; i < 2; i++)
            is(weft_spawn(&s, carries, &ways[i], sizeof ways[i], NULL), 0);
        is(weft_spawn(&s, serves, &all, sizeof all, NULL), 0);
        all->client_result = patient_side(pair->client, pair->client_stream, true);
    }
    ok(weft_stream_abort(pair->client_stream));
    ok(weft_stream_abort(pair->server_stream));
    ok(weft_stream_abort(near));
    ok(weft_stream_abort(far));
    if (!is_refusal(all->client_result) || !is_refusal(all->server_result) ||
        (!ways[0]->tampered && !ways[1]->tampered && (all->client_result | all->server_result)))
        ck_abort_msg("client %d, server %d", all->client_result, all->server_result);
}

#endif
