/* kv's store: a table in memory, a log on the disk. */
#include "kv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint64_t sum_of(const struct kv_record *record)
{
    const unsigned char *bytes = (const unsigned char *)&record->serial;
    uint64_t sum = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < sizeof *record - sizeof record->sum; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

static struct kv_record *find(const struct kv *kv, const char *key)
{
    for (int i = 0; i < kv->count; i++)
        if (strcmp(kv->records[i].key, key) == 0)
            return (struct kv_record *)&kv->records[i];
    return NULL;
}

/* False: no room for another key. */
static bool remember(struct kv *kv, const struct kv_record *record)
{
    struct kv_record *place = find(kv, record->key);

    if (!place && kv->count < KV_KEYS_MAX)
        place = &kv->records[kv->count++];
    if (place && (place->serial < record->serial || place->serial == 0))
        *place = *record;
    return place != NULL;
}

/* -- at the start ---------------------------------------------------------------------------- */

static int read_log(struct kv *kv)
{
    struct kv_record record;
    ssize_t n;

    while ((n = weft_pread(kv->log, &record, sizeof record, kv->end)) > 0) {
        if (n < (ssize_t)sizeof record) /* a short read, or the last one, torn */
            n = weft_pread_exactly(kv->log, &record, sizeof record, kv->end, NULL);
        if (n == -ENODATA)
            break;
        if (n < 0)
            return (int)n;
        kv->end += (off_t)sizeof record;
        if (record.sum != sum_of(&record))
            continue; /* torn, or never written: nobody was told OK */
        if (!remember(kv, &record))
            return -ENOSPC;
        if (record.serial > kv->serial)
            kv->serial = record.serial;
    }
    return (int)n < 0 && n != -ENODATA ? (int)n : 0;
}

/* A file that was made is there after a crash once its directory is on the disk. */
static int sync_directory(const char *directory)
{
    int fd = weft_open(directory, O_RDONLY | O_DIRECTORY, 0), error;

    if (fd < 0)
        return fd;
    error = weft_fsync(fd);
    weft_close(fd);
    return error;
}

int kv_open(struct kv *kv, const char *directory)
{
    char path[256];
    int error;

    *kv = (struct kv){.lock = WEFT_LOCK_INIT};
    snprintf(path, sizeof path, "%s/kv.log", directory);
    kv->log = weft_open(path, O_RDWR | O_CREAT, 0600);
    if (kv->log < 0)
        return kv->log;
    error = sync_directory(directory);
    if (error == 0)
        error = read_log(kv);
    if (error < 0)
        weft_close(kv->log);
    return error;
}

int kv_close(struct kv *kv)
{
    return weft_close(kv->log);
}

/* -- in use ---------------------------------------------------------------------------------- */

const char *kv_get(const struct kv *kv, const char *key)
{
    const struct kv_record *record = find(kv, key);

    return record ? record->value : NULL;
}

int kv_set(struct kv *kv, const char *key, const char *value)
{
    struct kv_record record = {0};
    int error = -ECANCELED;

    if (strlen(key) >= KV_TEXT_SIZE || strlen(value) >= KV_TEXT_SIZE)
        return -E2BIG;
    if (!find(kv, key) && kv->count == KV_KEYS_MAX)
        return -ENOSPC;
    strcpy(record.key, key);
    strcpy(record.value, value);
    WEFT_LOCKED(&kv->lock)
    {
        record.serial = ++kv->serial;
        record.sum = sum_of(&record);
        error = kv_commit(kv->log, &record, kv->end);
        kv->end += (off_t)sizeof record; /* also when it failed: who knows what is there */
        if (error == 0 && !remember(kv, &record))
            error = -ENOSPC;
    }
    return error;
}
