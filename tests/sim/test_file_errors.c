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

static int64_t sets(void)
{
    return weft_fsetxattr(fd, "user.x", "x", 1, 0);
}

static int64_t sets_by_path(void)
{
    return weft_setxattr("/tmp/a", "user.x", "x", 1, 0);
}

static int64_t gets(void)
{
    int64_t result = weft_fgetxattr(fd, "user.x", page, sizeof page);

    return result == -ENODATA ? 0 : result;
}

static int64_t gets_by_path(void)
{
    int64_t result = weft_getxattr("/tmp/a", "user.x", page, sizeof page);

    return result == -ENODATA ? 0 : result;
}

static int64_t copies(void)
{
    return weft_copy_file_range(fd, NULL, fd, &(off_t){100}, 10, 0);
}

static int64_t advises(void)
{
    return weft_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
}

static int64_t writes(void)
{
    return weft_pwrite(fd, "x", 1, 0);
}

static int64_t cuts(void)
{
    return weft_ftruncate(fd, 10);
}

static int64_t allocates(void)
{
    return weft_fallocate(fd, 0, 0, 10);
}

static int64_t syncs(void)
{
    return weft_fsync(fd);
}

static int64_t renames(void)
{
    return weft_renameat(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/a");
}

static const struct {
    const char *opcode;
    int64_t (*call)(void);
    const char *errors[8];
} calls[] = {
    {"open", opens, {"ENFILE", "EIO", "EINTR", "ENOMEM"}},
    {"sync_range", syncs_part, {"EIO", "ENOMEM", "ENOSPC"}},
    {"fsetxattr", sets, {"EIO", "ENOMEM", "ENOSPC", "EDQUOT"}},
    {"setxattr", sets_by_path, {"EIO", "ENOMEM", "ENOSPC", "EDQUOT", "EPERM"}},
    {"fgetxattr", gets, {"EIO", "ENOMEM"}},
    {"getxattr", gets_by_path, {"EIO", "ENOMEM"}},
    {"madvise", advises_memory, {"EIO", "ENOMEM", "EBADF"}},
    {"fadvise", advises, {"EIO", "ENOMEM"}},
    {"write", writes, {"EIO", "EINTR", "ENOMEM", "ENOSPC", "EDQUOT", "EFBIG"}},
    {"ftruncate", cuts, {"EIO", "EINTR", "ENOMEM", "EFBIG"}},
    {"fallocate", allocates, {"EIO", "EINTR", "ENOMEM", "ENOSPC", "EDQUOT", "EFBIG"}},
    {"fsync", syncs, {"EIO", "EINTR", "ENOMEM", "ENOSPC", "EDQUOT"}},
    {"rename", renames, {"EIO", "ENOMEM", "EBUSY", "EDQUOT", "EMLINK", "ENOSPC", "EXDEV"}},
    {"copy", copies, {"EIO", "ENOMEM", "ENOSPC", "EDQUOT", "EXDEV", "EOPNOTSUPP"}},
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

/* That there is no way now is told, and not waited for: nothing would say when there is one. */
static int main_not_now(void *arg)
{
    (void)arg;
    same(weft_madvise(page, sizeof page, MADV_WILLNEED), -EAGAIN);
    return 0;
}

TEST(not_now)
{
    struct world world = {.seed = 1, .plan = "calm madvise#1=EAGAIN", .task = main_not_now};

    same(world_run(&world), 0);
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

/* Names and values outlive the power once the file was synced; until then they may, or may not. */
static int main_names_kept(void *arg)
{
    char value[8] = "";
    int64_t n;

    (void)arg;
    fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(fd);
    same(weft_fsetxattr(fd, "user.kept", "kept", 4, 0), 0);
    same(weft_fsetxattr(fd, "user.changed", "old", 3, 0), 0);
    same(weft_fsync(fd), 0);
    same(weft_close(fd), 0);
    fd = weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    same(weft_fsync(fd), 0);
    same(weft_close(fd), 0);
    same(weft_setxattr("/tmp/a", "user.changed", "new", 3, 0), 0);
    same(weft_setxattr("/tmp/a", "user.made", "x", 1, 0), 0);
    same(weft_sim_power_off(), 0);
    same(weft_getxattr("/tmp/a", "user.kept", value, sizeof value), -EIO);
    same(weft_sim_power_on(), 0);
    same(weft_getxattr("/tmp/a", "user.kept", value, sizeof value), 4);
    ck_assert_str_eq(value, "kept");
    n = weft_getxattr("/tmp/a", "user.made", value, sizeof value);
    ck_assert(n == 1 || n == -ENODATA);
    same(weft_getxattr("/tmp/a", "user.changed", value, sizeof value), 3);
    ck_assert_mem_eq(value, n == 1 ? "new" : "old", 3);
    *(int *)arg += n == 1;
    return 0;
}

static int world_of_names(void *arg)
{
    return weft_run(main_names_kept, arg, 0, NULL);
}

TEST(names_and_power)
{
    int survived = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world = {.seed = seed, .plan = "calm power.data=1/2"};

        same(world_run_fn(&world, world_of_names, &survived), 0);
    }
    ck_assert(survived > 0 && survived < 20);
}

static int main_full(void *arg)
{
    char value[1000], name[32];
    int error = 0, count = 0;

    (void)arg;
    memset(value, 'x', sizeof value);
    fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(fd);
    while (error == 0 && count < 100) {
        snprintf(name, sizeof name, "user.%d", count++);
        error = weft_fsetxattr(fd, name, value, sizeof value, 0);
    }
    same(error, -ENOSPC);
    same(weft_fgetxattr(fd, name, NULL, 0), -ENODATA);
    same(weft_fsetxattr(fd, "user.0", "x", 1, 0), 0); /* which makes room */
    same(weft_fsetxattr(fd, name, value, sizeof value, 0), 0);
    return weft_close(fd);
}

TEST(room_for_names)
{
    struct world world = {.seed = 1, .plan = "calm", .task = main_full};

    same(world_run(&world), 0);
}

TEST_MAIN("file errors", 20, each_is_told, not_now, a_loss_is_told_by_a_part, without_power,
          names_and_power, room_for_names)
