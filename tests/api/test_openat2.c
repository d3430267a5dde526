/*
 * Opening by openat2: where a path may lead, what of the flags is refused, and what a call that is
 * cut short says. Catches a path that leaves the directory it was to stay below, a root that is
 * not the directory's, and a structure of another age that is misread.
 */
#include <linux/openat2.h>

#include "support/file.h"

/* The descriptor, or the error. A path with ".." is given up with -EAGAIN when anybody on the
   machine moves something while it is followed: once more. */
static int opened(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .resolve = resolve};
    int fd;

    do
        fd = weft_openat2(dirfd, path, &how, sizeof how);
    while (fd == -EAGAIN && !(resolve & RESOLVE_CACHED));
    return fd;
}

/* What opening says: 0, or the error; what was opened is closed again. */
static int opens_at(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
    int fd = opened(dirfd, path, flags, resolve);

    return fd < 0 ? fd : weft_close(fd);
}

static int opens(const char *path, uint64_t resolve)
{
    return opens_at(folder, path, O_RDONLY, resolve);
}

/* What the file holds that a path leads to. */
static void leads_to(const char *path, uint64_t resolve, const char *text)
{
    int fd = opened(folder, path, O_RDONLY, resolve);
    char found[8] = "";

    ok(fd);
    same(weft_pread_exactly(fd, found, strlen(text), 0, NULL), (int)strlen(text));
    ck_assert_str_eq(found, text);
    same(weft_close(fd), 0);
}

/* -- where it may lead ---------------------------------------------------------------------- */

static void make_ways(void)
{
    file_put("a", "a");
    same(weft_mkdirat(folder, "d", 0700), 0);
    file_put("d/b", "b");
    same(weft_symlinkat("a", folder, "to_a"), 0);
    same(weft_symlinkat("d", folder, "to_d"), 0);
    same(weft_symlinkat("/a", folder, "from_the_root"), 0);
    same(weft_symlinkat("../a", folder, "out"), 0);
}

static int main_beneath(void *arg)
{
    (void)arg;
    make_ways();
    leads_to("a", RESOLVE_BENEATH, "a");
    leads_to("d/../to_d/b", RESOLVE_BENEATH, "b");
    same(opens(folder_path, RESOLVE_BENEATH), -EXDEV);
    same(opens("..", RESOLVE_BENEATH), -EXDEV);
    same(opens("d/../../a", RESOLVE_BENEATH), -EXDEV);
    same(opens("from_the_root", RESOLVE_BENEATH), -EXDEV);
    same(opens("out", RESOLVE_BENEATH), -EXDEV);
    same(opens("none", RESOLVE_BENEATH), -ENOENT);
    return 0;
}

TEST(beneath)
{
    file_run(main_beneath);
}

static int main_in_root(void *arg)
{
    (void)arg;
    make_ways();
    leads_to("/a", RESOLVE_IN_ROOT, "a");
    leads_to("../../a", RESOLVE_IN_ROOT, "a");
    leads_to("from_the_root", RESOLVE_IN_ROOT, "a");
    leads_to("out", RESOLVE_IN_ROOT, "a");
    leads_to("/d/../../to_d/b", RESOLVE_IN_ROOT, "b");
    same(opens_at(-1, "/a", O_RDONLY, RESOLVE_IN_ROOT), -EBADF); /* the directory is asked for */
    return 0;
}

TEST(in_root)
{
    file_run(main_in_root);
}

static int main_links(void *arg)
{
    (void)arg;
    make_ways();
    leads_to("d/b", RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV, "b");
    leads_to("to_a", RESOLVE_NO_MAGICLINKS, "a");
    same(opens("to_a", RESOLVE_NO_SYMLINKS), -ELOOP);
    same(opens("to_d/b", RESOLVE_NO_SYMLINKS), -ELOOP);
    same(opens_at(folder, "to_a", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS), 0);
    return 0;
}

TEST(links)
{
    file_run(main_links);
}

/* -- what is refused ------------------------------------------------------------------------ */

static int main_bad(void *arg)
{
    struct open_how mode = {.flags = O_RDONLY, .mode = 0600};
    struct open_how bits = {.flags = O_RDWR | O_CREAT, .mode = 010000};
    struct {
        struct open_how how;
        uint64_t more;
    } newer = {.how = {.flags = O_RDONLY}};

    (void)arg;
    file_put("a", "a");
    same(weft_openat2(folder, "a", &mode, sizeof mode), -EINVAL);
    same(weft_openat2(folder, "b", &bits, sizeof bits), -EINVAL);
    same(weft_openat2(folder, "a", &newer.how, sizeof newer.how - 1), -EINVAL);
    newer.more = 1;
    same(weft_openat2(folder, "a", &newer.how, sizeof newer), -E2BIG);
    newer.more = 0;
    same(weft_close(weft_openat2(folder, "a", &newer.how, sizeof newer)), 0);
    same(opens("a", UINT64_C(1) << 20), -EINVAL);
    same(opens("a", RESOLVE_BENEATH | RESOLVE_IN_ROOT), -EINVAL);
    same(opens_at(folder, "a", UINT64_C(1) << 40, 0), -EINVAL);
    same(opens_at(folder, "a", O_PATH | O_APPEND, 0), -EINVAL);
    same(opens_at(folder, "a", O_RDWR | O_TRUNC, RESOLVE_CACHED), -EAGAIN);
    same(opens_at(1 << 20, "a", O_RDONLY, 0), -EBADF);
    ck_assert_str_eq(file_text("a"), "a");
    ck_assert_str_eq(file_text("b"), "(none)");
    return 0;
}

TEST(refused)
{
    file_run(main_bad);
}

static int main_made(void *arg)
{
    struct open_how how = {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0600};
    struct statx status;
    int fd = weft_openat2(folder, "a", &how, sizeof how);
    int cached;

    (void)arg;
    ok(fd);
    same(weft_openat2(folder, "a", &how, sizeof how), -EEXIST);
    same(weft_statx(fd, "", AT_EMPTY_PATH, STATX_MODE, &status), 0);
    same(status.stx_mode & 07777, 0600);
    same(weft_openat2(fd, "x", &(struct open_how){.flags = O_RDONLY}, sizeof how), -ENOTDIR);
    cached = opens("a", RESOLVE_CACHED); /* as it happens to be */
    ck_assert(cached == 0 || cached == -EAGAIN);
    return weft_close(fd);
}

TEST(made)
{
    file_run(main_made);
}

/* -- cut short ------------------------------------------------------------------------------ */

struct call {
    int result;
};

static int opens_new(void *arg)
{
    struct open_how how = {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0600};

    ((struct call *)arg)->result = weft_openat2(folder, "new", &how, sizeof how);
    return 0;
}

/* What was opened is told, and is there. */
static int main_cancelled(void *arg)
{
    int removed;

    (void)arg;
    for (int turn = 0; turn < 6; turn++) {
        struct call call = {0};
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

        WEFT_SCOPE(s) {
            same(weft_spawn(&s, opens_new, &call, 0, &opt), 0);
            for (int i = 0; i < turn; i++)
                ok(weft_yield());
            ok(weft_cancel(task));
            ok(weft_join(task, NULL));
        }
        ck_assert(call.result >= 0 || call.result == -ECANCELED);
        removed = weft_unlinkat(folder, "new", 0);
        ck_assert(removed == 0 || (removed == -ENOENT && call.result < 0));
        if (call.result >= 0)
            same(weft_close(call.result), 0);
    }
    return 0;
}

TEST(cancelled)
{
    file_run(main_cancelled);
}

static int main_late(void *arg)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = 1};
    weft_scope scope;

    (void)arg;
    same(weft_scope_open(&scope, &opt), 0);
    same(opens_at(folder, "new", O_RDWR | O_CREAT, 0), -ECANCELED);
    same(weft_scope_close(&scope), -ETIMEDOUT);
    ck_assert_str_eq(file_text("new"), "(none)");
    return 0;
}

TEST(too_late)
{
    file_run(main_late);
}

TEST_MAIN("openat2", 10, beneath, in_root, links, refused, made, cancelled, too_late)
