/*
 * What the tests of printing share: a file to print to, and what came to stand in it.
 */
#ifndef WEFT_TESTS_API_PRINTED_H
#define WEFT_TESTS_API_PRINTED_H

#include <stdio.h>
#include <unistd.h>

#include "support/test.h"

enum { PRINTED_SIZE = 16384 };

/* A file without a name; the descriptor is the case's to close. */
static inline int printed_new(void)
{
    FILE *file = tmpfile();
    int fd;

    ck_assert_ptr_nonnull(file);
    fd = dup(fileno(file));
    ck_assert_int_ge(fd, 0);
    fclose(file);
    return fd;
}

/* All of it, into PRINTED_SIZE bytes. */
static inline void printed_read(int fd, char *text)
{
    ssize_t n = pread(fd, text, PRINTED_SIZE - 1, 0);

    ck_assert_int_ge((int)n, 0);
    text[n] = '\0';
}

#endif
