/*
 * io/file_read.c - reading a file object at its position; <weft/file_object.h> is the reference.
 *
 * On the calling task, which alone moves the position. What is taken has been read; who is
 * cancelled while he waits has taken what he was told of, and no more.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "io/file_object.h"

/* Of a call that is a mistake of the program. */
static const char no_memory[] = "NULL for memory that is needed";

static int begin(struct weft_file *file, struct weft__task **self)
{
    int error = weft__enter(self);

    return error < 0 ? error : weft__file_enter_moving(file, *self);
}

static const char *bytes_of(const struct weft_file *file)
{
    return file->head->data + (file->position - file->head->offset);
}

/* 1: something is held; 0: the end; or a negative errno. */
static int wait_for_bytes(struct weft__task *self, struct weft_file *file)
{
    if (weft__file_held(file) > 0)
        weft__reactor_spend(self->reactor);
    return weft__file_wait(self, file);
}

/* What is held, of one block after the other. */
static size_t copy_held(struct weft_file *file, char *buffer, size_t size)
{
    size_t copied = 0;

    while (copied < size && weft__file_held(file) > 0) {
        size_t held = weft__file_held(file);
        size_t part = size - copied < held ? size - copied : held;
        memcpy(buffer + copied, bytes_of(file), part);
        copied += part;
        weft__file_take(file, part);
    }
    return copied;
}

ssize_t weft_file_read(weft_file *file, void *buffer, size_t size)
{
    struct weft__task *self;
    ssize_t result;

    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, no_memory);
    result = begin(file, &self);
    if (result < 0)
        return result;
    if (size > 0)
        result = wait_for_bytes(self, file);
    if (result > 0)
        result = (ssize_t)copy_held(file, buffer, size < SSIZE_MAX ? size : SSIZE_MAX);
    weft__file_leave_moving(file);
    return result;
}

static ssize_t read_all(struct weft__task *self, struct weft_file *file, char *buffer, size_t size,
                        size_t *done)
{
    while (*done < size) {
        int result = weft__admit_again(self, false);

        if (result < 0)
            return result;
        result = wait_for_bytes(self, file);
        if (result <= 0)
            return result < 0 ? result : -ENODATA;
        *done += copy_held(file, buffer + *done, size - *done);
    }
    return (ssize_t)size;
}

ssize_t weft_file_read_exactly(weft_file *file, void *buffer, size_t size, size_t *done)
{
    struct weft__task *self;
    size_t own = 0;
    ssize_t result;

    if (done)
        *done = 0;
    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, no_memory);
    result = begin(file, &self);
    if (result < 0)
        return result;
    result = read_all(self, file, buffer, size, &own);
    weft__file_leave_moving(file);
    if (done)
        *done = own;
    return result;
}

/* -- up to a delimiter ----------------------------------------------------------------------- */

struct hunt {
    const unsigned char *delimiter;
    size_t delimiter_size;
    char *buffer;
    size_t size;
    size_t count; /* bytes in the buffer */
};

/* Takes what is held up to the next byte that may end the delimiter, or all of it. */
static void take_some(struct weft_file *file, struct hunt *hunt)
{
    size_t held = weft__file_held(file), room = hunt->size - hunt->count;
    size_t part = held < room ? held : room;
    const char *bytes = bytes_of(file);
    const char *hit = memchr(bytes, hunt->delimiter[hunt->delimiter_size - 1], part);

    if (hit)
        part = (size_t)(hit - bytes) + 1;
    memcpy(hunt->buffer + hunt->count, bytes, part);
    hunt->count += part;
    weft__file_take(file, part);
}

static bool found(const struct hunt *hunt)
{
    return hunt->count >= hunt->delimiter_size &&
           memcmp(hunt->buffer + hunt->count - hunt->delimiter_size, hunt->delimiter,
                  hunt->delimiter_size) == 0;
}

static ssize_t find(struct weft__task *self, struct weft_file *file, struct hunt *hunt)
{
    do {
        int result;

        if (hunt->count == hunt->size)
            return -EMSGSIZE; /* before a cancellation is delivered: this is no wait */
        result = weft__admit_again(self, false);
        if (result < 0)
            return result;
        result = wait_for_bytes(self, file);
        if (result <= 0)
            return result < 0 ? result : -ENODATA;
        take_some(file, hunt);
    } while (!found(hunt));
    return (ssize_t)hunt->count;
}

/* Nothing is taken unless all is there: else back to where it began. */
static ssize_t read_until(weft_file *file, struct hunt *hunt)
{
    struct weft__task *self;
    uint64_t position;
    ssize_t result = begin(file, &self);

    if (result < 0)
        return result;
    position = file->position;
    result = find(self, file, hunt);
    if (result < 0)
        weft__file_move(file, position);
    weft__file_leave_moving(file);
    return result;
}

ssize_t weft_file_read_until(weft_file *file, const void *delimiter, size_t delimiter_size,
                             void *buffer, size_t size)
{
    struct hunt hunt = {.delimiter = delimiter,
                        .delimiter_size = delimiter_size,
                        .buffer = buffer,
                        .size = size < SSIZE_MAX ? size : SSIZE_MAX};

    if (!delimiter || delimiter_size == 0)
        return weft__misuse(-EINVAL, "no delimiter");
    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, no_memory);
    return read_until(file, &hunt);
}

ssize_t weft_file_read_line(weft_file *file, char *line, size_t size)
{
    struct hunt hunt = {.delimiter = (const unsigned char *)"\n",
                        .delimiter_size = 1,
                        .buffer = line,
                        .size = size - 1 < SSIZE_MAX ? size - 1 : SSIZE_MAX};
    ssize_t result;

    if (!line)
        return weft__misuse(-EFAULT, no_memory);
    if (size == 0)
        return weft__misuse(-EINVAL, "no room for a line's end");
    result = read_until(file, &hunt);
    if (result > 0)
        line[result] = '\0';
    return result;
}

/* -- views ---------------------------------------------------------------------------------- */

int weft_file_peek(weft_file *file, const void **data, size_t *size)
{
    struct weft__task *self;
    int result;

    if (!data || !size)
        return weft__misuse(-EINVAL, "nowhere to put the view");
    result = begin(file, &self);
    if (result < 0)
        return result;
    result = wait_for_bytes(self, file);
    if (result > 0) {
        file->viewing = true;
        file->lent = weft__file_held(file);
        *data = bytes_of(file);
        *size = file->lent;
    }
    weft__file_leave_moving(file);
    return result;
}

int weft_file_consume(weft_file *file, size_t size)
{
    int error = weft__file_enter(file, weft__task_self());

    if (error < 0)
        return error;
    weft__file_leave(file);
    if (!file->viewing || size > file->lent)
        return weft__misuse(-EINVAL, "no view, or not so long");
    file->viewing = false;
    file->lent = 0;
    weft__file_take(file, size);
    return 0;
}
