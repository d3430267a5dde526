/*
 * io/select.c - operations as cases of a select: the bodies of the children that run them.
 */
#include <weft/net.h>
#include <weft/select.h>

int weft_case_recv_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_recv(one->fd, one->item, one->size, one->flags);
}

int weft_case_accept_(void *arg)
{
    const weft_case *one = arg;

    return weft_accept(one->fd, NULL, NULL, one->flags);
}
