/*
 * The k-th allocation fails, of OpenSSL's, which asks here (CRYPTO_set_mem_functions), and of the
 * layer's own, which the linker leads here. What they have not given back is counted, each for
 * itself: OpenSSL keeps some things for the next time.
 *
 * One thread at a time: the cases have one reactor.
 */
#ifndef WEFT_TESTS_TLS_SHORT_OF_MEMORY_H
#define WEFT_TESTS_TLS_SHORT_OF_MEMORY_H

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "support/test.h"

static struct {
    uint64_t asked;   /* since the last `short_of_memory_at` */
    uint64_t refused; /* this one, counted from 1; 0: none */
    int64_t kept;     /* by the layer, of what it was given since then */
    int64_t kept_ssl; /* by OpenSSL */
} memory_of_tls;

static int memory_is_refused(void)
{
    return ++memory_of_tls.asked == memory_of_tls.refused;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);

/* As realloc: of nothing it is malloc, and when it fails, what was there stays. */
static void *memory_resize(void *old, size_t size, int64_t *kept)
{
    void *made = memory_is_refused() ? NULL : __real_realloc(old, size);

    *kept += made && !old;
    return made;
}

static void memory_give_back(void *old, int64_t *kept)
{
    *kept -= old != NULL;
    __real_free(old);
}

/* -- the layer's ---------------------------------------------------------------------------- */

void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return memory_resize(NULL, size, &memory_of_tls.kept);
}

void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    void *made = memory_is_refused() ? NULL : __real_calloc(count, size);

    memory_of_tls.kept += made != NULL;
    return made;
}

void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return memory_resize(old, size, &memory_of_tls.kept);
}

void __wrap_free(void *old);
void __wrap_free(void *old)
{
    memory_give_back(old, &memory_of_tls.kept);
}

/* -- OpenSSL's ------------------------------------------------------------------------------ */

static void *ssl_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return memory_resize(NULL, size, &memory_of_tls.kept_ssl);
}

static void *ssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (old && size == 0) {
        memory_give_back(old, &memory_of_tls.kept_ssl);
        return NULL;
    }
    return memory_resize(old, size, &memory_of_tls.kept_ssl);
}

static void ssl_free(void *old, const char *file, int line)
{
    (void)file, (void)line;
    memory_give_back(old, &memory_of_tls.kept_ssl);
}

/* Before its first allocation, or it refuses. */
__attribute__((constructor)) static void lead_openssl_here(void)
{
    if (!CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free))
        abort();
}

/* -- for the cases -------------------------------------------------------------------------- */

/* From now on the k-th fails, 1 being the next; 0: none. */
static void short_of_memory_at(uint64_t k)
{
    memory_of_tls.asked = 0;
    memory_of_tls.refused = k;
    memory_of_tls.kept = memory_of_tls.kept_ssl = 0;
}

/* And no longer. Did it come to that? Everything that was begun since has been closed. */
static bool short_of_memory_end(void)
{
    bool refused = memory_of_tls.refused > 0 && memory_of_tls.asked >= memory_of_tls.refused;

    ERR_clear_error(); /* with what it says */
    memory_of_tls.refused = 0;
    return refused;
}

#endif
