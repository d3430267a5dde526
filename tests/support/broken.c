/*
 * How it is told that something does not hold of a reactor. By itself: a program that leads the
 * visits to the kernel elsewhere (sim/test_audit.c) has closing.c, which needs this, and not
 * invariants.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "reactor/reactor.h"
#include "support/invariants.h"

_Noreturn void broken(const struct weft__reactor *reactor, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "\nan invariant of reactor %u does not hold: ", reactor->index);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}
