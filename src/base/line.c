/*
 * base/line.c - text without stdio.
 */
#include "base/line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void weft__line_begin(struct weft__line *line)
{
    line->length = 0;
    line->text[0] = '\0';
}

void weft__line_put(struct weft__line *line, const char *text)
{
    while (*text && line->length < sizeof line->text - 2) { /* the newline, and the end */
        char c = *text++;
        line->text[line->length++] = c >= ' ' && c != 0x7f ? c : '?';
    }
    line->text[line->length] = '\0';
}

static void put_digits(struct weft__line *line, uint64_t number, unsigned base, int width)
{
    char digits[24], *p = digits + sizeof digits - 1;

    *p = '\0';
    do
        *--p = "0123456789abcdef"[number % base];
    while ((number /= base) || digits + sizeof digits - 1 - p < width);
    weft__line_put(line, p);
}

void weft__line_put_number(struct weft__line *line, int64_t number)
{
    if (number < 0)
        weft__line_put(line, "-");
    put_digits(line, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, 1);
}

void weft__line_put_address(struct weft__line *line, const void *address)
{
    weft__line_put(line, "0x");
    put_digits(line, (uintptr_t)address, 16, 1);
}

void weft__line_put_span(struct weft__line *line, int64_t span_ns)
{
    uint64_t ns = span_ns > 0 ? (uint64_t)span_ns : 0;

    put_digits(line, ns / 1000000000, 10, 1);
    weft__line_put(line, ".");
    put_digits(line, ns % 1000000000 / 1000, 10, 6);
    weft__line_put(line, " s");
}

void weft__line_put_error(struct weft__line *line, int error)
{
    /* strerrorname_np allocates nothing and takes no lock: a table */
    const char *name = strerrorname_np(-error);

    if (error < 0 && name) {
        weft__line_put(line, "-");
        weft__line_put(line, name);
    } else {
        weft__line_put_number(line, error);
    }
}

void weft__line_put_place(struct weft__line *line, const char *file, int number,
                          const char *function, const char *otherwise)
{
    if (!file) {
        weft__line_put(line, otherwise);
        return;
    }
    weft__line_put(line, file);
    weft__line_put(line, ":");
    weft__line_put_number(line, number);
    weft__line_put(line, ": ");
    weft__line_put(line, function);
}

void weft__line_write(struct weft__line *line, int fd)
{
    int saved_errno = errno;

    line->text[line->length] = '\n';
    for (size_t done = 0; done <= line->length;) {
        ssize_t n = write(fd, line->text + done, line->length + 1 - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    line->text[line->length] = '\0';
    errno = saved_errno;
}
