/*
 * io/process_talk.c - weft_process_communicate: everything in, everything out, at the same time.
 *
 * A scope with a reader for each of stdout and stderr, and the caller as the writer: so a process
 * that writes before it has read, or one of the two before the other, never waits for us while we
 * wait for it.
 */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "io/process.h"
#include "io/stream.h"

#define LIMIT_DEFAULT ((size_t)64 << 20)

struct listener {
    weft_stream *stream; /* the process's; NULL: none to listen to. Closed, it says so */
    char *bytes;         /* NULL until there is one */
    size_t size, room, limit;
    bool keeps; /* else it is thrown away */
    int result; /* how it ended; until then, and if it is cancelled by itself: -ECANCELED */
};

static int make_room(struct listener *listener, size_t more)
{
    size_t room = listener->room ? listener->room : 4096;
    char *bytes;

    while (room < listener->size + more + 1)
        room *= 2;
    if (room == listener->room)
        return 0;
    bytes = weft__realloc(listener->bytes, room);
    if (!bytes)
        return -ENOMEM;
    listener->bytes = bytes;
    listener->room = room;
    return 0;
}

static int keep(struct listener *listener, const void *data, size_t size)
{
    int error = 0;

    if (!listener->keeps)
        return 0;
    if (size > listener->limit - listener->size) {
        size = listener->limit - listener->size;
        error = -EMSGSIZE;
    }
    if (make_room(listener, size) < 0)
        return -ENOMEM;
    memcpy(listener->bytes + listener->size, data, size);
    listener->size += size;
    listener->bytes[listener->size] = '\0';
    return error;
}

static int listen_to_end(void *arg)
{
    struct listener *listener = arg;
    const void *data;
    size_t size;
    weft_stream *stream = listener->stream;
    int result = keep(listener, "", 0);

    while (result == 0 && (result = weft_stream_peek(stream, &data, &size, 0)) > 0) {
        result = keep(listener, data, size);
        (void)weft_stream_consume(stream, size);
    }
    listener->result = result;
    return result;
}

/* That nobody reads it (any more) is the process's affair; a terminal says so by -EIO. */
static int say(struct weft_process *process, const void *input, size_t size)
{
    weft_stream *stream = weft__process_stream(process, 0);
    ssize_t result = 0;

    if (stream && size > 0)
        result = weft_stream_write(stream, input, size, NULL);
    if (result < 0 && result != -EPIPE && !(result == -EIO && process->pty))
        return (int)result;
    return stream && !process->pty ? weft_process_close_stdin(process) : 0;
}

static int talk(struct weft_process *process, const void *input, size_t size,
                struct listener listeners[2])
{
    struct weft_scope_opt opt = {.size = sizeof opt, .name = "communicate"};
    weft_scope scope;
    int error = weft_scope_open(&scope, &opt), edge;

    if (error < 0)
        return error;
    for (int i = 0; i < 2 && error == 0; i++)
        if (listeners[i].stream)
            error = weft_spawn(&scope, listen_to_end, &listeners[i], 0, NULL);
    if (error == 0)
        error = say(process, input, size);
    if (error < 0)
        (void)weft_scope_cancel(&scope);
    edge = weft_scope_close(&scope);
    error = edge < 0 ? edge : error;
    /* a child that was cancelled is no failure, and what it has read is not all */
    for (int i = 0; i < 2 && error == 0; i++)
        if (listeners[i].stream && listeners[i].result < 0)
            error = weft__task_pass_on(weft__task_self(), listeners[i].result);
    return error;
}

static void hand_over(struct weft_process_output *output, struct listener listeners[2])
{
    output->out = listeners[0].bytes;
    output->out_size = listeners[0].size;
    output->err = listeners[1].bytes;
    output->err_size = listeners[1].size;
}

/* What comes of the talk, in *output whatever it is. */
static int talk_about(struct weft_process *process, const void *input, size_t size,
                      struct weft_process_output *output)
{
    size_t limit = output && output->limit ? output->limit : LIMIT_DEFAULT;
    struct listener listeners[2];
    int error;

    for (int i = 0; i < 2; i++)
        listeners[i] = (struct listener){.stream = weft__process_stream(process, i + 1),
                                         .limit = limit,
                                         .keeps = output != NULL,
                                         .result = -ECANCELED};
    if (process->pty)
        listeners[1].stream = NULL;
    error = talk(process, input, size, listeners);
    if (output)
        hand_over(output, listeners);
    return error;
}

int weft_process_communicate(weft_process *process, const void *input, size_t input_size,
                             struct weft_process_output *output, struct weft_process_status *status)
{
    struct weft__task *self;
    int error = weft__process_check(process);

    if (error == 0 && !input && input_size > 0)
        error = weft__misuse(-EFAULT, "NULL for memory that is needed");
    if (error < 0)
        return error;
    process->users++; /* before anything that may suspend */
    error = weft__enter(&self);
    if (error == 0)
        error = talk_about(process, input, input_size, output);
    weft__process_leave_user(process);
    return error < 0 ? error : weft_process_wait(process, status);
}

int weft_process_output_free(struct weft_process_output *output)
{
    if (!output)
        return 0;
    weft__free(output->out);
    weft__free(output->err);
    output->out = output->err = NULL;
    output->out_size = output->err_size = 0;
    return 0;
}
