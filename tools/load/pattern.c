/* pattern.c - see pattern.h. */
#include "pattern.h"

#include <string.h>

static unsigned char table[PATTERN_PERIOD + PATTERN_RUN];

void pattern_open(void)
{
    uint64_t x = 88172645463325252u; /* any odd seed; xorshift64, G. Marsaglia 2003 */

    for (size_t i = 0; i < PATTERN_PERIOD; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        table[i] = (unsigned char)(x >> 24);
    }
    for (size_t i = PATTERN_PERIOD; i < sizeof table; i++)
        table[i] = table[i - PATTERN_PERIOD];
}

const unsigned char *pattern_at(uint32_t connection, uint64_t offset)
{
    return table + (offset + (uint64_t)connection * PATTERN_STRIDE) % PATTERN_PERIOD;
}

static uint64_t count_wrong(const unsigned char *bytes, const unsigned char *right, size_t size,
                            size_t *first)
{
    uint64_t wrong = 0;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != right[i] && wrong++ == 0)
            *first = i;
    return wrong;
}

uint64_t pattern_compare(const unsigned char *bytes, size_t size, uint32_t connection,
                         uint64_t offset, size_t *first)
{
    uint64_t wrong = 0;

    for (size_t at = 0; at < size; at += PATTERN_RUN) {
        size_t run = size - at < PATTERN_RUN ? size - at : PATTERN_RUN, place = 0;
        const unsigned char *right = pattern_at(connection, offset + at);
        if (memcmp(bytes + at, right, run) == 0)
            continue;
        uint64_t more = count_wrong(bytes + at, right, run, &place);
        if (wrong == 0)
            *first = at + place;
        wrong += more;
    }
    return wrong;
}
