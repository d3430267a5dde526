/*
 * aarch64/dispatch.c - the kernel dispatches no system calls on this machine.
 */
#include "arch/dispatch.h"

#include <errno.h>

__thread volatile char weft__dispatch_selector;

int weft__dispatch_probe(void)
{
    return -ENOSYS;
}

int weft__dispatch_begin(weft__trap_fn *fn)
{
    (void)fn;
    return -ENOSYS;
}

void weft__dispatch_end(void)
{
}

int weft__dispatch_copy(void *to, const void *from, size_t size)
{
    (void)to, (void)from, (void)size;
    return -ENOSYS;
}
