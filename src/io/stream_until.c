/*
 * io/stream_until.c - reading up to a delimiter: all of it, or nothing.
 *
 * What has come stays held until the delimiter is there, so whatever ends the call leaves the
 * stream as it was. Each byte is looked at once, but for those of a delimiter that began and did
 * not go on.
 *
 *      held:   |.......passed........|.at.....|      |............|
 *                                       ^ the next look begins here
 */
#include <limits.h>
#include <string.h>

#include "io/stream.h"

struct hunt {
    const unsigned char *delimiter;
    size_t delimiter_size;
    size_t limit;                      /* the delimiter ends within so many bytes */
    const struct weft__buffer *buffer; /* where the next look begins; NULL: nothing was held */
    uint32_t at;                       /* in its data */
    size_t passed;                     /* bytes before that */
};

static uint32_t end_of(const struct weft__buffer *buffer)
{
    return buffer->offset + buffer->length;
}

/* Is the delimiter here? 1, 0, or -1: as far as it has come. */
static int compare(const struct hunt *hunt)
{
    const struct weft__buffer *buffer = hunt->buffer;
    uint32_t at = hunt->at;

    for (size_t i = 0; i < hunt->delimiter_size; i++, at++) {
        if (at == end_of(buffer)) {
            buffer = buffer->next;
            if (!buffer)
                return -1;
            at = buffer->offset;
        }
        if ((unsigned char)buffer->data[at] != hunt->delimiter[i])
            return 0;
    }
    return 1;
}

/* Goes on to where the delimiter's first byte stands in this buffer, or to its end. */
static bool skip_to_first(struct hunt *hunt)
{
    const struct weft__buffer *buffer = hunt->buffer;
    const char *from = buffer->data + hunt->at;
    uint32_t left = end_of(buffer) - hunt->at;
    const char *hit = left ? memchr(from, hunt->delimiter[0], left) : NULL;
    uint32_t skipped = hit ? (uint32_t)(hit - from) : left;

    hunt->at += skipped;
    hunt->passed += skipped;
    return hit != NULL;
}

/* Looks at what has come since. True: `passed` bytes stand before the delimiter. */
static bool look(const struct weft_stream *stream, struct hunt *hunt)
{
    if (!hunt->buffer && stream->head) {
        hunt->buffer = stream->head;
        hunt->at = stream->head->offset;
    }
    while (hunt->buffer) {
        if (skip_to_first(hunt)) {
            int same = compare(hunt);
            if (same != 0)
                return same > 0;
            hunt->at++;
            hunt->passed++;
        } else if (hunt->buffer->next) {
            hunt->buffer = hunt->buffer->next;
            hunt->at = hunt->buffer->offset;
        } else {
            return false;
        }
    }
    return false;
}

/* All that is held. */
static size_t held_bytes(const struct hunt *hunt)
{
    size_t count = hunt->passed;

    if (!hunt->buffer)
        return 0;
    count += end_of(hunt->buffer) - hunt->at;
    for (const struct weft__buffer *buffer = hunt->buffer->next; buffer; buffer = buffer->next)
        count += buffer->length;
    return count;
}

static bool too_far(const struct hunt *hunt)
{
    return hunt->passed > hunt->limit || hunt->limit - hunt->passed < hunt->delimiter_size;
}

/* The bytes up to the delimiter's end, or a negative errno. Who has received a part waits for the
   rest, drain or not. */
static ssize_t find(struct weft__task *self, struct weft_stream *stream, struct hunt *hunt,
                    int flags)
{
    while (!look(stream, hunt)) {
        int result;
        if (too_far(hunt))
            return -EMSGSIZE;
        result = weft__stream_wait_more(self, stream, hunt->limit - held_bytes(hunt),
                                        stream->head ? 0 : flags);
        if (result <= 0)
            return result < 0 ? result : -ENODATA;
    }
    return too_far(hunt) ? -EMSGSIZE : (ssize_t)(hunt->passed + hunt->delimiter_size);
}

static ssize_t read_until(weft_stream *stream, struct hunt *hunt, void *buffer, int flags)
{
    struct weft__task *self;
    ssize_t result = weft__stream_begin_read(stream, flags, &self);

    if (result < 0)
        return result;
    if (stream->head)
        weft__reactor_spend(self->reactor);
    result = find(self, stream, hunt, flags);
    if (result > 0)
        weft__stream_copy(stream, buffer, (size_t)result);
    weft__stream_end_read(stream);
    return result;
}

ssize_t weft_stream_read_until(weft_stream *stream, const void *delimiter, size_t delimiter_size,
                               void *buffer, size_t size, int flags)
{
    struct hunt hunt = {.delimiter = delimiter,
                        .delimiter_size = delimiter_size,
                        .limit = size < SSIZE_MAX ? size : SSIZE_MAX};

    if (!delimiter || delimiter_size == 0)
        return weft__misuse(-EINVAL, "no delimiter");
    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    return read_until(stream, &hunt, buffer, flags);
}

ssize_t weft_stream_read_line(weft_stream *stream, char *line, size_t size, int flags)
{
    struct hunt hunt = {.delimiter = (const unsigned char *)"\n",
                        .delimiter_size = 1,
                        .limit = size - 1 < SSIZE_MAX ? size - 1 : SSIZE_MAX};
    ssize_t result;

    if (!line)
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    if (size == 0)
        return weft__misuse(-EINVAL, "no room for a line's end");
    result = read_until(stream, &hunt, line, flags);
    if (result > 0)
        line[result] = '\0';
    return result;
}

int weft_stream_at_eof(const weft_stream *stream)
{
    if (!stream)
        return weft__misuse(-EINVAL, "no stream");
    return stream->ended && !stream->head;
}
