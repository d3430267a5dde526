/* The checksum of cksum(1), as POSIX has it: a CRC of 32 bits over the bytes and then their number.
 */
#ifndef CKSUM_H
#define CKSUM_H

#include <stddef.h>
#include <stdint.h>

struct checksum {
    uint32_t crc;
    uint64_t size;
};

/* Begins all zero; the bytes in any pieces; and the number at the end. */
void checksum_add(struct checksum *sum, const void *data, size_t size);
void checksum_end(struct checksum *sum);

#endif
