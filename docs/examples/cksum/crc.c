/* The CRC of cksum.h, a byte at a time by a table that is made on first use. */
#include "cksum.h"

#include <pthread.h>

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i << 24;

        for (int bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc >> 31 ? UINT32_C(0x04c11db7) : 0);
        table[i] = crc;
    }
}

static uint32_t add_byte(uint32_t crc, uint8_t byte)
{
    return crc << 8 ^ table[crc >> 24 ^ byte];
}

void checksum_add(struct checksum *sum, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    pthread_once(&once, make_table);
    for (size_t i = 0; i < size; i++)
        sum->crc = add_byte(sum->crc, bytes[i]);
    sum->size += size;
}

void checksum_end(struct checksum *sum)
{
    pthread_once(&once, make_table);
    for (uint64_t rest = sum->size; rest; rest >>= 8)
        sum->crc = add_byte(sum->crc, (uint8_t)rest);
    sum->crc = ~sum->crc;
}
