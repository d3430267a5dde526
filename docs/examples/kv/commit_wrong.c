/* kv's commit, with a bug: read docs/simulation.md before you look for it. */
#include "kv.h"

#include <errno.h>

int kv_commit(int log, const struct kv_record *record, off_t at)
{
    ssize_t n = weft_pwrite_all(log, record, sizeof *record, at, NULL);
    int error;

    if (n < 0)
        return (int)n;
    do
        error = weft_fdatasync(log);
    while (error == -EIO);
    return error;
}
