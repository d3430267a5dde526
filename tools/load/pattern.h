/*
 * pattern.h - the bytes that are sent, and their comparison when they come back.
 *
 * Connection c sends, at offset o of its stream, byte (o + c * STRIDE) mod PERIOD of one table of
 * random bytes. PERIOD is a prime, so messages of no size repeat in step, and two connections send
 * the same only if their numbers differ by a multiple of it: bytes lost, doubled, moved or mixed up
 * between connections are seen. The table goes on beyond the period, so that any PATTERN_RUN bytes
 * are contiguous and can be sent from where they stand.
 */
#ifndef WEFT_LOAD_PATTERN_H
#define WEFT_LOAD_PATTERN_H

#include <stddef.h>
#include <stdint.h>

enum { PATTERN_PERIOD = 16381, PATTERN_RUN = 128 * 1024, PATTERN_STRIDE = 5003 };

/* Before anything else, once. */
void pattern_open(void);

/* The bytes of `connection` from `offset` on: PATTERN_RUN of them. */
const unsigned char *pattern_at(uint32_t connection, uint64_t offset);

/* How many of `size` bytes are not what they should be; *first gets the place of the first. */
uint64_t pattern_compare(const unsigned char *bytes, size_t size, uint32_t connection,
                         uint64_t offset, size_t *first);

#endif
