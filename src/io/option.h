/*
 * io/option.h - taking an options struct of any age.
 *
 * What always holds: a field that the caller's struct is too old to have reads as zero.
 */
#ifndef WEFT_IO_OPTION_H
#define WEFT_IO_OPTION_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Copies the options at `from` (NULL: all zero) over `to`, both beginning with their size. 0, or
   -EINVAL when the size is none, or larger than the library knows. */
static inline int weft__option_copy(void *to, size_t size, const void *from)
{
    size_t given = 0;

    memset(to, 0, size);
    if (!from)
        return 0;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > size)
        return -EINVAL;
    memcpy(to, from, given);
    return 0;
}

#endif
