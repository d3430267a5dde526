/*
 * What somebody between the two can do to a conversation: records truncated, left out, twice, in
 * another order, with a bit changed, with others between them, in the handshake and after it.
 * Catches one that is taken for another, an end that is believed, a wait that nothing ends, and
 * memory asked for without bound.
 */
#include "tampering.h"

#include <malloc.h>

enum { SEEDS = 400, BYTES_MAX = 64, MEMORY_MAX = 1 << 20 };

/* -- memory of OpenSSL's: how much there is, and was at most --------------------------------- */

static int64_t held, held_most;

static void count(void *made, int64_t before)
{
    held += made ? (int64_t)malloc_usable_size(made) - before : 0;
    held_most = held > held_most ? held : held_most;
}

static void *counted_realloc(void *old, size_t size, const char *file, int at)
{
    int64_t before = old ? (int64_t)malloc_usable_size(old) : 0;
    void *made = realloc(old, size);

    (void)file, (void)at;
    count(made, before);
    return made;
}

static void *counted_malloc(size_t size, const char *file, int at)
{
    return counted_realloc(NULL, size > 0 ? size : 1, file, at);
}

static void counted_free(void *old, const char *file, int at)
{
    (void)file, (void)at;
    held -= old ? (int64_t)malloc_usable_size(old) : 0;
    free(old);
}

__attribute__((constructor)) static void count_memory(void)
{
    if (!CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free))
        abort();
}

/* -- cases ---------------------------------------------------------------------------------- */

static weft_tls_context *client, *server;

static void open_contexts(void)
{
    server = pair_server(CONTEXT(.certificate_file = server_pem));
    client = pair_client(CONTEXT(.ca_file = ca));
}

static void close_contexts(void)
{
    weft_tls_context_put(client);
    weft_tls_context_put(server);
}

static void within_bounds(const unsigned char *bytes, size_t size)
{
    int64_t before = held;

    held_most = held;
    tamper_with(client, server, bytes, size);
    ck_assert_int_lt(held_most - before, MEMORY_MAX);
}

/* Each thing that can be done to each record of either version, by itself. */
TLS_TEST(one_record)
{
    int refused = 0;

    open_contexts();
    for (int what = 0; what < 2 * 16 * TAMPERINGS; what++) {
        unsigned char bytes[BYTES_MAX] = {(unsigned char)(what & 1)};
        size_t record = (size_t)what / 2 % 16;
        unsigned char *order = bytes + 1 + 3 * record;
        order[0] = (unsigned char)(what / 32);
        order[1] = (unsigned char)(what * 37);
        order[2] = (unsigned char)(what * 11);
        within_bounds(bytes, sizeof bytes);
        refused += tampered.client_result < 0 || tampered.server_result < 0;
    }
    ck_assert_int_gt(refused, 16 * TAMPERINGS / 2);
    close_contexts();
    return 0;
}

/* By dice; three quarters of the records go as they are. */
TLS_TEST(by_seeds)
{
    int seeds = test_long() ? 50 * SEEDS : SEEDS;

    open_contexts();
    for (uint64_t seed = 1; seed <= (uint64_t)seeds; seed++) {
        unsigned char bytes[BYTES_MAX];
        net_fill(bytes, sizeof bytes, seed, 0);
        for (size_t i = 1; i + 2 < sizeof bytes; i += 3)
            bytes[i] = bytes[i] < 192 ? PASS : bytes[i] % TAMPERINGS;
        within_bounds(bytes, sizeof bytes);
    }
    close_contexts();
    return 0;
}

TEST_MAIN("tls tampering", 120, one_record, by_seeds)
