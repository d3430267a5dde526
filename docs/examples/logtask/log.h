/*
 * A log that nobody waits for: a line is handed to a task that writes it, or, when that is behind
 * or the disk is full, dropped and counted. Who logs is never made to wait, and never fails.
 *
 * When lines begin to be dropped `complain` is called, once; when the disk takes lines again the
 * log says in a line of its own how many are missing, and the next time is a new one.
 *
 * For the tasks and callbacks of one reactor.
 */
#ifndef LOGTASK_LOG_H
#define LOGTASK_LOG_H

#include <stdint.h>
#include <weft/weft.h>

enum { LOG_LINE_SIZE = 128, LOG_LINES = 256 }; /* bytes of a line, lines that may wait */

struct log {
    int fd;
    void (*complain)(const char *why);
    weft_queue lines;
    uint64_t written, dropped; /* lines, since the beginning */
    uint64_t missing;          /* lines dropped since the log last said so */
    bool complained;           /* of those that are missing */
    bool torn;                 /* the file ends in the middle of a line */
};

/* Opens the file for appending and starts the writer in `scope`, which ends when the log is closed.
   0, or what the file or weft_spawn answers. */
int log_open(struct log *log, weft_scope *scope, const char *path,
             void (*complain)(const char *why)) WEFT_SUSPENDS;

/* One line, as printf; cut at LOG_LINE_SIZE. Does not suspend. */
__attribute__((format(printf, 2, 3))) void log_line(struct log *log, const char *format, ...);

/* No more lines: the writer writes what it can of those that wait, and closes the file. */
void log_close(struct log *log);

#endif
