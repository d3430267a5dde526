/*
 * io/select.c - operations as cases of a select: the bodies of the children that run them.
 *
 * Each is given its case, which stays where it is until the select has waited for the child. What
 * moves bytes moves fewer than INT_MAX at once.
 */
#include <weft/fd.h>
#include <weft/select_io.h>

int weft_case_recv_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_recv(one->fd, one->item, one->size, one->flags);
}

int weft_case_send_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_send(one->fd, one->item, one->size, one->flags);
}

int weft_case_recvmsg_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_recvmsg(one->fd, one->item, one->flags);
}

int weft_case_sendmsg_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_sendmsg(one->fd, one->item, one->flags);
}

int weft_case_read_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_read(one->fd, one->item, one->size);
}

int weft_case_write_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_write(one->fd, one->item, one->size);
}

int weft_case_accept_(void *arg)
{
    const weft_case *one = arg;

    return weft_accept(one->fd, NULL, NULL, one->flags);
}

int weft_case_connect_(void *arg)
{
    const weft_case *one = arg;

    return weft_connect(one->fd, one->item, (socklen_t)one->size);
}

int weft_case_poll_(void *arg)
{
    const weft_case *one = arg;

    return weft_poll(one->fd, one->flags);
}

int weft_case_stream_read_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_stream_read(one->object, one->item, one->size, one->flags);
}

int weft_case_process_(void *arg)
{
    const weft_case *one = arg;

    return weft_process_wait(one->object, one->item);
}

int weft_case_signals_(void *arg)
{
    const weft_case *one = arg;

    return weft_signals_wait(one->object, one->item);
}

int weft_case_watch_(void *arg)
{
    const weft_case *one = arg;

    return weft_watch_next(one->object, one->item, one->flags);
}

int weft_case_file_read_(void *arg)
{
    const weft_case *one = arg;

    return (int)weft_file_read(one->object, one->item, one->size);
}
