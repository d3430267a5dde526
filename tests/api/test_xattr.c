/*
 * What stands under names beside a file's bytes. Catches a value or a name that does not arrive, a
 * flag that is lost, a path that is taken for a name, and memory that the kernel still writes to.
 * A file system that has none says so, and the rest is then not to be had.
 */
#include <sys/xattr.h>

#include "support/file.h"

static char path_of_a[96];

/* A file "a", open; -1: there are no such names here. */
static int file_with_names(void)
{
    int fd = file_new("a"), error;

    snprintf(path_of_a, sizeof path_of_a, "%s/a", folder_path);
    error = weft_fsetxattr(fd, "user.kept", "k", 1, 0);
    if (error == 0)
        return fd;
    same(error, -EOPNOTSUPP);
    same(weft_fgetxattr(fd, "user.kept", path_of_a, sizeof path_of_a), -EOPNOTSUPP);
    same(weft_close(fd), 0);
    return -1;
}

/* -- set and told --------------------------------------------------------------------------- */

static int main_told(void *arg)
{
    int fd = file_with_names();
    char value[16] = "";

    (void)arg;
    if (fd < 0)
        return 0;
    same(weft_fsetxattr(fd, "user.color", "blue", 4, XATTR_CREATE), 0);
    same(weft_fgetxattr(fd, "user.color", value, sizeof value), 4);
    ck_assert_str_eq(value, "blue");
    same(weft_fgetxattr(fd, "user.color", NULL, 0), 4);
    same(weft_getxattr(path_of_a, "user.color", value, 4), 4);
    same(weft_setxattr(path_of_a, "user.color", "turquoise", 9, XATTR_REPLACE), 0);
    same(weft_fgetxattr(fd, "user.color", value, sizeof value), 9);
    ck_assert_str_eq(value, "turquoise");
    same(weft_setxattr(path_of_a, "user.empty", NULL, 0, 0), 0);
    same(weft_fgetxattr(fd, "user.empty", value, sizeof value), 0);
    same(weft_fsetxattr(folder, "user.color", "grey", 4, 0), 0);
    same(weft_getxattr(folder_path, "user.color", value, sizeof value), 4);
    same(weft_fgetxattr(fd, "user.kept", value, sizeof value), 1);
    return weft_close(fd);
}

TEST(set_and_told)
{
    file_run(main_told);
}

/* A link at the end is followed. */
static int main_link(void *arg)
{
    int fd = file_with_names();
    char path[96], value[4] = "";

    (void)arg;
    if (fd < 0)
        return 0;
    same(weft_symlinkat("a", folder, "link"), 0);
    snprintf(path, sizeof path, "%s/link", folder_path);
    same(weft_setxattr(path, "user.b", "b", 1, 0), 0);
    same(weft_fgetxattr(fd, "user.b", value, sizeof value), 1);
    same(weft_getxattr(path, "user.b", value, sizeof value), 1);
    ck_assert_str_eq(value, "b");
    return weft_close(fd);
}

TEST(a_link_is_followed)
{
    file_run(main_link);
}

/* -- refused -------------------------------------------------------------------------------- */

static void refused_names(int fd)
{
    char name[300] = "user.", value[4];

    same(weft_fgetxattr(fd, "user.none", value, sizeof value), -ENODATA);
    same(weft_fsetxattr(fd, "user.none", "x", 1, XATTR_REPLACE), -ENODATA);
    same(weft_fsetxattr(fd, "user.kept", "x", 1, XATTR_CREATE), -EEXIST);
    same(weft_fsetxattr(fd, "user.none", "x", 1, 4), -EINVAL);
    same(weft_fsetxattr(fd, "user.", "x", 1, 0), -EINVAL);
    same(weft_fsetxattr(fd, "none", "x", 1, 0), -EOPNOTSUPP);
    same(weft_fgetxattr(fd, "none", value, sizeof value), -EOPNOTSUPP);
    same(weft_fgetxattr(fd, "", value, sizeof value), -ERANGE);
    memset(name + 5, 'n', sizeof name - 6);
    same(weft_fsetxattr(fd, name, "x", 1, 0), -ERANGE);
    same(weft_fgetxattr(fd, name, value, sizeof value), -ERANGE);
}

static int main_refused(void *arg)
{
    static char much[(1 << 20) + 9];
    int fd = file_with_names(), path, pipe[2];
    char value[4] = "";

    (void)arg;
    if (fd < 0)
        return 0;
    refused_names(fd);
    same(weft_fsetxattr(fd, "user.long", "long", 4, 0), 0);
    same(weft_fgetxattr(fd, "user.long", value, 3), -ERANGE);
    same(value[0], 0);
    same(weft_fsetxattr(fd, "user.much", much, 65537, 0), -E2BIG);
    same(weft_fsetxattr(fd, "user.much", much, sizeof much, 0), -E2BIG);
    same(weft_fgetxattr(fd, "user.long", much, sizeof much), 4); /* room enough */
    same(weft_getxattr("/tmp/none/a", "user.x", value, sizeof value), -ENOENT);
    same(weft_setxattr("", "user.x", "x", 1, 0), -ENOENT);
    same(weft_fgetxattr(1 << 20, "user.x", value, sizeof value), -EBADF);
    path = weft_openat(folder, "a", O_PATH, 0);
    ok(path);
    same(weft_fsetxattr(path, "user.x", "x", 1, 0), -EBADF);
    same(weft_close(path), 0);
    same(weft_pipe(pipe, 0), 0);
    same(weft_fsetxattr(pipe[0], "user.x", "x", 1, 0), -EPERM);
    same(weft_fgetxattr(pipe[0], "user.x", value, sizeof value), -ENODATA);
    same(weft_close(pipe[0]), 0);
    same(weft_close(pipe[1]), 0);
    return weft_close(fd);
}

TEST(refused)
{
    file_run(main_refused);
}

/* -- cut short ------------------------------------------------------------------------------ */

struct call {
    int fd;
    char value[8];
    int64_t set, got;
};

static int sets_and_gets(void *arg)
{
    struct call *call = arg;

    call->set = weft_fsetxattr(call->fd, "user.turn", call->value, 1, 0);
    call->got = weft_fgetxattr(call->fd, "user.turn", call->value, sizeof call->value);
    return 0;
}

/* What was set is told and is there; what was told was there. */
static int main_cancelled(void *arg)
{
    int fd = file_with_names();
    char now[8];

    (void)arg;
    if (fd < 0)
        return 0;
    same(weft_fsetxattr(fd, "user.turn", "-", 1, 0), 0);
    for (int turn = 0; turn < 8; turn++) {
        struct call call = {.fd = fd, .value = {(char)('0' + turn)}};
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

        WEFT_SCOPE(s) {
            same(weft_spawn(&s, sets_and_gets, &call, 0, &opt), 0);
            for (int i = 0; i < turn; i++)
                ok(weft_yield());
            ok(weft_cancel(task));
            ok(weft_join(task, NULL));
        }
        ck_assert(call.set == 0 || call.set == -ECANCELED);
        ck_assert(call.got == 1 || call.got == -ECANCELED);
        same(weft_fgetxattr(fd, "user.turn", now, sizeof now), 1);
        if (call.set == 0)
            same(now[0], '0' + turn);
        if (call.got == 1)
            same(call.value[0], now[0]);
        if (turn == 0)
            same(call.set, -ECANCELED);
    }
    return weft_close(fd);
}

TEST(cancelled)
{
    file_run(main_cancelled);
}

static int main_late(void *arg)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = 1};
    int fd = file_with_names();
    char value[4] = "";
    weft_scope scope;

    (void)arg;
    if (fd < 0)
        return 0;
    same(weft_scope_open(&scope, &opt), 0);
    same(weft_setxattr(path_of_a, "user.kept", "x", 1, 0), -ECANCELED);
    same(weft_getxattr(path_of_a, "user.kept", value, sizeof value), -ECANCELED);
    same(weft_scope_close(&scope), -ETIMEDOUT);
    same(weft_getxattr(path_of_a, "user.kept", value, sizeof value), 1);
    ck_assert_str_eq(value, "k");
    return weft_close(fd);
}

TEST(too_late)
{
    file_run(main_late);
}

TEST_MAIN("xattr", 20, set_and_told, a_link_is_followed, refused, cancelled, too_late)
