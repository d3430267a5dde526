/*
 * base/line.h - a line of text put together without stdio: for signal handlers and small stacks.
 *
 * The line is its user's. What does not fit is left out; a newline always fits. Whatever is no
 * printable character becomes '?', so that a line stays one.
 */
#ifndef WEFT_BASE_LINE_H
#define WEFT_BASE_LINE_H

#include <stddef.h>
#include <stdint.h>

struct weft__line {
    size_t length;
    char text[512]; /* ends in a null byte after every call */
};

void weft__line_begin(struct weft__line *line);
void weft__line_put(struct weft__line *line, const char *text);
void weft__line_put_number(struct weft__line *line, int64_t number);
void weft__line_put_address(struct weft__line *line, const void *address); /* "0x7f00" */
void weft__line_put_span(struct weft__line *line, int64_t span_ns);        /* "1.000250 s" */
void weft__line_put_error(struct weft__line *line, int error);             /* "-EPERM", or -123 */
/* "file.c:12: weft_recv", or `otherwise` when file is NULL. */
void weft__line_put_place(struct weft__line *line, const char *file, int number,
                          const char *function, const char *otherwise);
/* With a newline, all of it, to a descriptor. Leaves errno as it is. */
void weft__line_write(struct weft__line *line, int fd);

#endif
