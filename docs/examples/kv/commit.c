/* kv's commit. */
#include "kv.h"

#include <errno.h>

enum { TRIES = 3 };

int kv_commit(int log, const struct kv_record *record, off_t at)
{
    int error = -EIO;

    /* A sync that failed has told of it, and forgotten the bytes: the next one would be glad to
       say 0. What has not reached the disk must be written again. */
    for (int i = 0; i < TRIES && error == -EIO; i++) {
        ssize_t n = weft_pwrite_all(log, record, sizeof *record, at, NULL);
        if (n < 0)
            return (int)n;
        error = weft_fdatasync(log);
    }
    return error;
}
