/*
 * base/option.h - taking an options struct of any age.
 *
 * What always holds: a field that the caller's struct is too old to have reads as zero, and one
 * that the library is too old to know is zero. So programs and library may be of different ages as
 * long as the program asks for nothing that the library cannot do.
 */
#ifndef WEFT_BASE_OPTION_H
#define WEFT_BASE_OPTION_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/misuse.h"

/* No options struct will ever be larger; what claims to be was never filled in. */
enum { WEFT__OPTION_SIZE_MAX = 4096 };

/* Copies the options at `from` (NULL: all zero) over `to`, both beginning with their size. 0, or
   -EINVAL when the size is none, or something is set that the library does not know. */
static inline int weft__option_copy(void *to, size_t size, const void *from)
{
    const unsigned char *bytes = (const unsigned char *)from;
    size_t given = 0;

    memset(to, 0, size);
    if (from) {
        memcpy(&given, from, sizeof given);
        if (given < sizeof given || given > WEFT__OPTION_SIZE_MAX)
            return weft__misuse(-EINVAL, "the options' size was not set");
        for (size_t i = size; i < given; i++)
            if (bytes[i])
                return weft__misuse(-EINVAL, "the options ask for what this library does not know");
        memcpy(to, from, given < size ? given : size);
    }
    memcpy(to, &size, sizeof size);
    return 0;
}

#endif
