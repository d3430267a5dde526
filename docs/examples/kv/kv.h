/*
 * kv: a small key-value server, to show how a server is tested on the simulated kernel
 * (docs/simulation.md).
 *
 *     SET key value    OK, once it is on the disk; else ERR and why
 *     GET key          VALUE value, or NONE
 *
 * Everything is kept in memory, and every change in a log: records of 64 bytes, one behind the
 * other, each with a sum that tells whether it is whole. What a start finds whole in the log is the
 * store; of the records of one key the one with the highest serial counts.
 */
#ifndef KV_H
#define KV_H

#include <weft/file.h>
#include <weft/sync.h>
#include <weft/weft.h>

enum { KV_TEXT_SIZE = 24, KV_KEYS_MAX = 256 };

struct kv_record {
    uint64_t sum; /* of what follows */
    uint64_t serial;
    char key[KV_TEXT_SIZE]; /* ends with a zero, like the value */
    char value[KV_TEXT_SIZE];
};

struct kv {
    int log;
    off_t end;       /* where the next record goes */
    uint64_t serial; /* of the latest */
    weft_lock lock;  /* one change at a time */
    int count;
    struct kv_record records[KV_KEYS_MAX]; /* the latest of each key */
};

/* store.c. In tasks; results are 0 or a negative errno. */
int kv_open(struct kv *kv, const char *directory);
int kv_set(struct kv *kv, const char *key, const char *value); /* 0: it is on the disk */
const char *kv_get(const struct kv *kv, const char *key);      /* NULL: there is none */
int kv_close(struct kv *kv);

/* commit.c, and commit_wrong.c: puts the record at `at` in the log, and onto the disk. */
int kv_commit(int log, const struct kv_record *record, off_t at);

/* server.c: serves until the run is stopped. A peer that lets so much time pass without a whole
   line is closed. */
int kv_serve(struct kv *kv, const char *address, int64_t patience_ns);

#endif
