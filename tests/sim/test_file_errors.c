/*
 * What a disk may answer, call by call: each error is told as it is, changes nothing, and the call
 * made again does what it is for. Catches an error that is taken for another, one that is lost on
 * the way, and a use of a descriptor that is not ended by it.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>

#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

/* -- the calls ------------------------------------------------------------------------------ */

static int fd;
static _Alignas(4096) char page[4096];

static int64_t opens(void)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
    int opened = weft_openat2(AT_FDCWD, "/tmp/a", &how, sizeof how);

    return opened < 0 ? opened : weft_close(opened);
}

static int64_t syncs_part(void)
{
    return weft_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int64_t advises_memory(void)
{
    return weft_madvise(page, sizeof page, MADV_WILLNEED);
}

static const struct {
    const char *opcode;
    int64_t (*call)(void);
    const char *errors[8];
} calls[] = {
    {"open", opens, {"ENFILE", "EIO", "EINTR", "ENOMEM"}},
    {"sync_range", syncs_part, {"EIO", "ENOMEM", "ENOSPC"}},
    {"madvise", advises_memory, {"EIO", "ENOMEM"}},
};

/* -- each with each ------------------------------------------------------------------------- */

static int64_t (*call)(void);
static const char *wanted;

static int main_told(void *arg)
{
    int64_t result;

    (void)arg;
    fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(fd);
    result = call();
    ck_assert_int_lt(result, 0);
    ck_assert_str_eq(strerrorname_np((int)-result), wanted);
    same(weft_cause(), WEFT_CAUSE_NONE);
    ok(call());
    return weft_close(fd); /* which would wait for a use that has no end */
}

TEST(each_is_told)
{
    char plan[96];

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        for (const char *const *error = calls[i].errors; *error; error++) {
            struct world world = {.seed = 1, .plan = plan, .task = main_told};
            bool first = strcmp(calls[i].opcode, "open") != 0;
            snprintf(plan, sizeof plan, "calm %s#%d=%s", calls[i].opcode, first ? 1 : 2, *error);
            call = calls[i].call;
            wanted = *error;
            same(world_run(&world), 0);
        }
}

/* -- what was lost -------------------------------------------------------------------------- */

/* A failure is told once to each that has the file open: to who waits for a part of it, too. */
static int main_lost(void *arg)
{
    int other;

    (void)arg;
    fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(fd);
    other = weft_open("/tmp/a", O_RDWR, 0);
    ok(other);
    same(weft_pwrite_all(fd, "bytes", 5, 0, NULL), 5);
    same(weft_fsync(fd), -EIO);
    same(weft_sync_file_range(other, 0, 0, SYNC_FILE_RANGE_WRITE), 0); /* it waits for nothing */
    same(weft_sync_file_range(other, 0, 0, SYNC_FILE_RANGE_WAIT_AFTER), -EIO);
    same(weft_sync_file_range(other, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE), 0);
    same(weft_fsync(other), 0);
    same(weft_close(other), 0);
    return weft_close(fd);
}

TEST(a_loss_is_told_by_a_part)
{
    struct world world = {.seed = 1, .plan = "calm fsync#1@file=EIO", .task = main_lost};

    same(world_run(&world), 0);
}

static int main_dead(void *arg)
{
    (void)arg;
    fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(fd);
    same(weft_sim_power_off(), 0);
    same(weft_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), -EIO);
    same(weft_sync_file_range(fd, 0, INT64_C(1) << 40, SYNC_FILE_RANGE_WRITE), -EIO);
    same(opens(), -EIO);
    same(weft_sim_power_on(), 0);
    same(weft_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), -EIO);
    return weft_close(fd);
}

TEST(without_power)
{
    struct world world = {.seed = 1, .plan = "calm", .task = main_dead};

    same(world_run(&world), 0);
}

TEST_MAIN("file errors", 20, each_is_told, a_loss_is_told_by_a_part, without_power)
