/* fetch: what its files share. All of it is touched by the tasks of one reactor. */
#ifndef FETCH_H
#define FETCH_H

#include "curl_bridge.h"

#include <stdbool.h>
#include <stdint.h>

enum { NAME_SIZE = 256, STATE_SIZE = 256, BUFFER_SIZE = 128 * 1024 };

enum download_state { WAITING, RUNNING, DONE, FAILED };

struct half {
    char *bytes; /* BUFFER_SIZE */
    size_t count;
};

/* One URL. libcurl fills one half of the buffer while the task writes the other to the disk; when
   both are full the transfer pauses, and the server's sender waits. */
struct download {
    struct fetch *fetch;
    const char *url;
    char name[NAME_SIZE];     /* of the file */
    char part[NAME_SIZE + 8]; /* of the file while it is not whole */
    char mark[NAME_SIZE + 8]; /* of the file that says which state of it the part is of */
    enum download_state state;
    int64_t size; /* of the file, as the server says; -1: it does not */
    int64_t have; /* bytes received, those of earlier runs included */
    int file;     /* the part */
    /* one attempt */
    CURL *easy;
    struct curl_slist *headers; /* that we ask with */
    struct half halves[2];
    int filling;                    /* which half libcurl fills */
    int64_t written;                /* to the part */
    char state_of_part[STATE_SIZE]; /* as the mark has it: an ETag or a date; "": nobody knows */
    char tag[STATE_SIZE], modified[STATE_SIZE], date[STATE_SIZE]; /* what the answer says of it */
    bool anew;                                                    /* what comes is the whole file */
    bool changed;        /* what comes is a part of another state of it */
    int64_t offset;      /* that was asked for */
    int64_t range_size;  /* of the file, by Content-Range; -1 */
    int64_t range_start; /* by Content-Range; -1: none came */
    bool body;           /* it has begun */
    bool paused, over;
    int code;                  /* how libcurl's part ended: a CURLcode or a negative errno */
    weft_event news;           /* something to write, or over */
    char reason[96];           /* of a failure, ours */
    char why[CURL_ERROR_SIZE]; /* of a failure, libcurl's */
};

struct fetch {
    struct curl_bridge bridge;
    struct download *downloads;
    int count;
    int directory;
    int done, failed; /* downloads */
    int64_t began_ns;
    /* limits */
    int jobs;         /* at one time */
    int retries;      /* of one download, after faults that may pass */
    int64_t size_max; /* of a file; 0: none */
    int64_t limit_ns; /* for one download; 0: none */
    const char *ca_file;
    bool shows_progress;
};

/* download.c. The body of a task; `arg` points at a struct download pointer. */
int download_main(void *arg);
/* Names the file after the URL, or as the user says. False: there is no name in it. */
bool download_name(struct download *download, const char *name);

/* progress.c. A task that draws the line ten times a second until it is cancelled. */
int progress_main(void *arg);
/* Prints a line to standard output, with the progress line out of the way. */
void progress_say(struct fetch *fetch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "12.3 MiB" in text. */
const char *progress_amount(char text[16], int64_t bytes);

#endif
