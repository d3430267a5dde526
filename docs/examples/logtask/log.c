/* The log of log.h: a queue, and the task at its other end. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void drop(struct log *log, const char *why)
{
    log->dropped++;
    log->missing++;
    if (!log->complained)
        log->complain(why);
    log->complained = true;
}

void log_line(struct log *log, const char *format, ...)
{
    char line[LOG_LINE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int error = weft_queue_put_nowait(&log->lines, line);
    if (error < 0)
        drop(log,
             error == -EAGAIN ? "lines come faster than the disk takes them" : strerror(-error));
}

/* 0, or the error, and then nothing more of the line will be written. */
static int write_line(struct log *log, const char *text)
{
    char line[LOG_LINE_SIZE + 2];
    int size = snprintf(line, sizeof line, "%s%s\n", log->torn ? "\n" : "", text);
    size_t done = 0;
    ssize_t n = weft_write_all(log->fd, line, (size_t)size, &done);

    if (done > 0)
        log->torn = n < 0;
    return n < 0 ? (int)n : 0;
}

/* What is missing goes before what comes after it. */
static int write_what_is_missing(struct log *log)
{
    char line[LOG_LINE_SIZE];
    uint64_t missing = log->missing;

    if (missing == 0)
        return 0;
    snprintf(line, sizeof line, "(%llu lines are missing here)", (unsigned long long)missing);
    int error = write_line(log, line);
    if (error == 0) {
        log->missing -= missing;
        log->complained = log->missing > 0;
    }
    return error;
}

static int writer(void *arg)
{
    struct log *log = *(struct log **)arg;
    char line[LOG_LINE_SIZE];
    int error;

    while ((error = weft_queue_get(&log->lines, line)) == 0) {
        error = write_what_is_missing(log);
        if (error == 0)
            error = write_line(log, line);
        if (error == 0)
            log->written++;
        else
            drop(log, strerror(-error));
    }
    weft_queue_destroy(&log->lines);
    weft_close(log->fd);
    return error == -ESHUTDOWN ? 0 : error;
}

int log_open(struct log *log, weft_scope *scope, const char *path,
             void (*complain)(const char *why))
{
    *log =
        (struct log){.complain = complain, .lines = {.item_size = LOG_LINE_SIZE, .max = LOG_LINES}};
    log->fd = weft_open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log->fd < 0)
        return log->fd;
    int error = weft_spawn(scope, writer, &log, sizeof(void *), NULL);
    if (error < 0)
        weft_close(log->fd);
    return error;
}

void log_close(struct log *log)
{
    weft_queue_shutdown(&log->lines, false);
}
