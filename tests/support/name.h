/*
 * Abstract names of Unix sockets are the machine's: a fixed one is in use where the same test runs
 * twice at a time, in another build or in another variant. These are a process's own.
 */
#ifndef WEFT_TESTS_SUPPORT_NAME_H
#define WEFT_TESTS_SUPPORT_NAME_H

#include <stdio.h>
#include <unistd.h>

enum { OWN_NAMES = 16 };

/* "unix:@x" becomes "unix:@x-1234". Good until the thread has asked for sixteen more. */
static inline const char *own_name(const char *name)
{
    static _Thread_local char names[OWN_NAMES][64];
    static _Thread_local unsigned next;
    char *own = names[next++ % OWN_NAMES];

    snprintf(own, sizeof names[0], "%s-%d", name, (int)getpid());
    return own;
}

#endif
