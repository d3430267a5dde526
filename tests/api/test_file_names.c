/*
 * Names of files: what is there, links of both kinds, folders, renames that must not be, listings.
 * Catches a request with its two paths exchanged, flags that do not arrive, and a directory given
 * to a call that is not the one meant.
 */
#include "support/file.h"

static struct statx status_of(const char *name, int flags)
{
    struct statx status;

    same(weft_statx(folder, name, flags, STATX_BASIC_STATS, &status), 0);
    return status;
}

static int main_status(void *arg)
{
    struct statx status;
    int fd = file_new("a");

    (void)arg;
    same(weft_pwrite_all(fd, "12345", 5, 0, NULL), 5);
    same(weft_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status), 0);
    ck_assert_uint_eq(status.stx_size, 5);
    ck_assert_uint_eq(status.stx_mode, S_IFREG | 0600);
    ck_assert_uint_eq(status.stx_nlink, 1);
    ck_assert_uint_eq(status_of("a", 0).stx_ino, status.stx_ino);
    ck_assert_uint_eq(status_of(".", 0).stx_mode & S_IFMT, S_IFDIR);
    same(weft_statx(folder, "none", 0, STATX_SIZE, &status), -ENOENT);
    same(weft_statx(folder, "", 0, STATX_SIZE, &status), -ENOENT);
    same(weft_statx(folder, "a/", 0, STATX_SIZE, &status), -ENOTDIR);
    same(weft_statx(fd, "x", 0, STATX_SIZE, &status), -ENOTDIR);
    same(weft_close(fd), 0);
    same(weft_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &status), -EBADF);
    return 0;
}

TEST(what_is_there)
{
    file_run(main_status);
}

static int main_links(void *arg)
{
    (void)arg;
    file_put("a", "text");
    same(weft_linkat(folder, "a", folder, "b", 0), 0);
    ck_assert_uint_eq(status_of("a", 0).stx_nlink, 2);
    ck_assert_uint_eq(status_of("a", 0).stx_ino, status_of("b", 0).stx_ino);
    same(weft_linkat(folder, "a", folder, "b", 0), -EEXIST);
    same(weft_linkat(folder, "none", folder, "c", 0), -ENOENT);
    same(weft_linkat(folder, ".", folder, "c", 0), -EPERM);
    same(weft_unlinkat(folder, "a", 0), 0);
    ck_assert_str_eq(file_text("b"), "text");
    ck_assert_uint_eq(status_of("b", 0).stx_nlink, 1);
    return 0;
}

TEST(links)
{
    file_run(main_links);
}

static int main_symlinks(void *arg)
{
    int fd;

    (void)arg;
    file_put("a", "text");
    same(weft_symlinkat("a", folder, "to_a"), 0);
    same(weft_symlinkat("none", folder, "to_none"), 0);
    same(weft_symlinkat("loop", folder, "loop"), 0);
    same(weft_symlinkat("x", folder, "to_a"), -EEXIST);
    same(weft_symlinkat("", folder, "empty"), -ENOENT);
    ck_assert_str_eq(file_text("to_a"), "text");
    ck_assert_str_eq(file_text("to_none"), "(none)");
    same(weft_openat(folder, "loop", O_RDONLY, 0), -ELOOP);
    same(weft_openat(folder, "to_a", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    same(weft_openat(folder, "to_none", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    ck_assert_uint_eq(status_of("to_a", AT_SYMLINK_NOFOLLOW).stx_mode & S_IFMT, S_IFLNK);
    ck_assert_uint_eq(status_of("to_a", AT_SYMLINK_NOFOLLOW).stx_size, 1);
    ck_assert_uint_eq(status_of("to_a", 0).stx_mode & S_IFMT, S_IFREG);
    fd = weft_openat(folder, "to_none", O_RDWR | O_CREAT, 0600); /* makes what it leads to */
    ok(fd);
    same(weft_close(fd), 0);
    same(file_size("none"), 0);
    same(weft_unlinkat(folder, "to_a", 0), 0);
    ck_assert_str_eq(file_text("a"), "text");
    return 0;
}

TEST(symbolic_links)
{
    file_run(main_symlinks);
}

static int main_folders(void *arg)
{
    int below;

    (void)arg;
    same(weft_mkdirat(folder, "d", 0700), 0);
    same(weft_mkdirat(folder, "d", 0700), -EEXIST);
    same(weft_mkdirat(folder, "none/d", 0700), -ENOENT);
    same(weft_mkdirat(folder, "e/", 0700), 0);
    below = weft_openat(folder, "d", O_RDONLY | O_DIRECTORY, 0);
    ok(below);
    same(weft_mkdirat(below, "deeper", 0700), 0);
    file_put("d/deeper/a", "deep");
    ck_assert_str_eq(file_text("e/../d/./deeper/../deeper//a"), "deep");
    ck_assert_uint_eq(status_of("d", 0).stx_mode & S_IFMT, S_IFDIR);
    same(weft_unlinkat(folder, "d", AT_REMOVEDIR), -ENOTEMPTY);
    same(weft_unlinkat(folder, "d", 0), -EISDIR);
    same(weft_unlinkat(below, "deeper/a", AT_REMOVEDIR), -ENOTDIR);
    same(weft_unlinkat(folder, "d/.", AT_REMOVEDIR), -EINVAL);
    same(weft_renameat(folder, "d", folder, "d/deeper/d"), -EINVAL); /* into itself */
    same(weft_renameat(below, "deeper", folder, "e"), 0);            /* over an empty one */
    ck_assert_str_eq(file_text("e/a"), "deep");
    same(weft_unlinkat(folder, "d", AT_REMOVEDIR), 0);
    same(weft_openat(below, "x", O_RDWR | O_CREAT, 0600), -ENOENT); /* it is no more */
    same(weft_close(below), 0);
    return 0;
}

TEST(folders)
{
    file_run(main_folders);
}

static int main_renames(void *arg)
{
    (void)arg;
    file_put("a", "a");
    file_put("b", "b");
    same(weft_mkdirat(folder, "d", 0700), 0);
    same(weft_mkdirat(folder, "full", 0700), 0);
    file_put("full/x", "x");
    same(weft_renameat(folder, "a", folder, "d"), -EISDIR);
    same(weft_renameat(folder, "d", folder, "a"), -ENOTDIR);
    same(weft_renameat(folder, "d", folder, "full"), -ENOTEMPTY);
    same(weft_renameat(folder, "a", folder, "none/a"), -ENOENT);
    same(weft_renameat(folder, "a", folder, "a"), 0);
    same(weft_renameat2(folder, "a", folder, "b", RENAME_NOREPLACE), -EEXIST);
    same(weft_renameat2(folder, "a", folder, "b", RENAME_EXCHANGE), 0);
    ck_assert_str_eq(file_text("a"), "b");
    ck_assert_str_eq(file_text("b"), "a");
    same(weft_renameat2(folder, "a", folder, "none", RENAME_EXCHANGE), -ENOENT);
    same(weft_renameat2(folder, "a", folder, "c", RENAME_NOREPLACE), 0);
    ck_assert_str_eq(file_text("c"), "b");
    same(weft_linkat(folder, "b", folder, "b2", 0), 0);
    same(weft_renameat(folder, "b", folder, "b2"), 0); /* two names of one file: nothing happens */
    ck_assert_str_eq(file_text("b"), "a");
    ck_assert_str_eq(file_text("b2"), "a");
    return 0;
}

TEST(renames)
{
    file_run(main_renames);
}

/* -- listing -------------------------------------------------------------------------------- */

enum { ENTRIES = 60 };

/* With a buffer of a few entries, so that it comes in many pieces. */
static int list(int fd, bool found[ENTRIES])
{
    _Alignas(8) char buffer[300];
    int count = 0;
    ssize_t n;

    while ((n = weft_getdents64(fd, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0; at < n;) {
            struct dirent64 *entry = (struct dirent64 *)(buffer + at);
            unsigned number;
            if (sscanf(entry->d_name, "entry-%u", &number) == 1 && number < ENTRIES) {
                ck_assert(!found[number]);
                found[number] = true;
                same(entry->d_type, DT_REG);
            }
            at += entry->d_reclen;
            count++;
        }
    same(n, 0);
    return count;
}

static int main_listing(void *arg)
{
    bool found[ENTRIES] = {false};
    _Alignas(8) char buffer[8];
    char name[32];
    int fd;

    (void)arg;
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof name, "entry-%d", i);
        file_put(name, "");
    }
    fd = weft_openat(folder, ".", O_RDONLY | O_DIRECTORY, 0);
    ok(fd);
    same(weft_getdents64(fd, buffer, sizeof buffer), -EINVAL);
    same(list(fd, found), ENTRIES + 2);
    for (int i = 0; i < ENTRIES; i++)
        ck_assert(found[i]);
    same(list(fd, found), 0);
    same(weft_close(fd), 0);
    fd = weft_openat(folder, "entry-0", O_RDONLY, 0);
    ok(fd);
    same(weft_getdents64(fd, buffer, sizeof buffer), -ENOTDIR);
    same(weft_close(fd), 0);
    same(weft_getdents64(fd, buffer, sizeof buffer), -EBADF);
    return 0;
}

TEST(listing)
{
    file_run(main_listing);
}

TEST_MAIN("file names", 60, what_is_there, links, symbolic_links, folders, renames, listing)
