/*
 * Errors that the manual pages list of calls on names, each of each: a name that is not there,
 * below what is no directory, behind a link that leads round, too long, empty, taken from a
 * descriptor that is closed or no directory; and what a call has of its own. Would catch one that
 * is told as another, and a simulated disk that answers otherwise than the machine's.
 *
 * Not here: what the machine's administrator may and others may not (EACCES, EPERM, EROFS: who runs
 * this may be he, and a simulated disk has nobody else); what a disk is short of: sim/errors_each.
 */
#include "support/file.h"

#include <linux/openat2.h>
#include <sys/xattr.h>

/* -- the calls, made with a path ----------------------------------------------------------------
 */

static int then_close(int fd)
{
    return fd < 0 ? fd : weft_close(fd);
}
static int opens(int from, const char *path)
{
    return then_close(weft_openat(from, path, O_RDONLY, 0));
}
static int makes_file(int from, const char *path)
{
    return then_close(weft_openat(from, path, O_RDWR | O_CREAT, 0600));
}
static int opens_how(int from, const char *path)
{
    struct open_how how = {.flags = O_RDONLY};

    return then_close(weft_openat2(from, path, &how, sizeof how));
}
static int looks(int from, const char *path)
{
    struct statx status;

    return weft_statx(from, path, 0, STATX_SIZE, &status);
}
static int renames(int from, const char *path)
{
    return weft_renameat(from, path, folder, "new");
}
static int renames_to(int from, const char *path)
{
    return weft_renameat(folder, "file", from, path);
}
static int renames_so(int from, const char *path)
{
    return weft_renameat2(from, path, folder, "new", RENAME_NOREPLACE);
}
static int renames_so_to(int from, const char *path)
{
    return weft_renameat2(folder, "file", from, path, RENAME_NOREPLACE);
}
static int unlinks(int from, const char *path)
{
    return weft_unlinkat(from, path, 0);
}
static int removes(int from, const char *path)
{
    return weft_unlinkat(from, path, AT_REMOVEDIR);
}
static int makes(int from, const char *path)
{
    return weft_mkdirat(from, path, 0700);
}
static int makes_link(int from, const char *path)
{
    return weft_symlinkat("file", from, path);
}
static int links(int from, const char *path)
{
    return weft_linkat(from, path, folder, "new", 0);
}
static int links_to(int from, const char *path)
{
    return weft_linkat(folder, "file", from, path, 0);
}

/* Those that take a path alone: made a whole one, but for "" and what begins with a slash. */
static const char *whole(const char *path)
{
    static char text[8192];

    if (!path[0] || path[0] == '/')
        return path;
    snprintf(text, sizeof text, "%s/%s", folder_path, path);
    return text;
}
static int opens_whole(int from, const char *path)
{
    (void)from;
    return then_close(weft_open(whole(path), O_RDONLY, 0));
}
static int opens_object(int from, const char *path)
{
    weft_file *object;
    int error = weft_file_open(whole(path), O_RDONLY, 0, NULL, &object);

    (void)from;
    return error < 0 ? error : weft_file_close(object);
}
static int sets(int from, const char *path)
{
    (void)from;
    return weft_setxattr(whole(path), "user.x", "x", 1, 0);
}
static int gets(int from, const char *path)
{
    (void)from;
    return (int)weft_getxattr(whole(path), "user.x", NULL, 0);
}
static int watches(int from, const char *path)
{
    weft_watch *watch;
    int result;

    (void)from;
    same(weft_watch_open(&watch), 0);
    result = weft_watch_add(watch, whole(path), WEFT_WATCH_ALL);
    same(weft_watch_close(watch), 0);
    return result;
}
static int begins_there(int from, const char *path)
{
    static const char *const arguments[] = {"/bin/true", NULL};
    struct weft_process_opt opt = {.size = sizeof opt, .directory = whole(path)};
    weft_process *process;
    int error = weft_create_subprocess_exec(arguments, &opt, &process);

    (void)from;
    return error < 0 ? error : weft_process_close(process);
}
static int starts(int from, const char *path)
{
    const char *arguments[] = {path[0] ? whole(path) : "/", NULL};
    weft_process *process;
    int error = weft_create_subprocess_exec(arguments, NULL, &process);

    (void)from;
    return error < 0 ? error : weft_process_close(process);
}

enum { FROM = 1, MAKES = 2, STARTS = 4 }; /* takes a descriptor; makes what is named; a program */

static const struct {
    const char *name;
    int (*call)(int from, const char *path);
    int traits;
} calls[] = {
    {"openat", opens, FROM},
    {"openat with O_CREAT", makes_file, FROM | MAKES},
    {"openat2", opens_how, FROM},
    {"statx", looks, FROM},
    {"renameat from", renames, FROM},
    {"renameat to", renames_to, FROM | MAKES},
    {"renameat2 from", renames_so, FROM},
    {"renameat2 to", renames_so_to, FROM | MAKES},
    {"unlinkat", unlinks, FROM},
    {"unlinkat of a directory", removes, FROM},
    {"mkdirat", makes, FROM | MAKES},
    {"symlinkat", makes_link, FROM | MAKES},
    {"linkat from", links, FROM},
    {"linkat to", links_to, FROM | MAKES},
    {"open", opens_whole, 0},
    {"file_open", opens_object, 0},
    {"setxattr", sets, 0},
    {"getxattr", gets, 0},
    {"watch_add", watches, 0},
    {"create_subprocess_exec in a directory", begins_there, STARTS},
    {"create_subprocess_exec", starts, STARTS},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

/* -- each with each ---------------------------------------------------------------------------- */

static void set_up(void)
{
    file_put("file", "text");
    same(weft_mkdirat(folder, "directory", 0700), 0);
    same(weft_mkdirat(folder, "directory/below", 0700), 0);
    same(weft_symlinkat("round", folder, "round"), 0);
    same(weft_symlinkat("file", folder, "link"), 0);
}

static void told(size_t i, int from, const char *path, int wanted)
{
    int result = calls[i].call(from, path);

    ck_assert_msg(result == wanted, "%s of '%.40s': %d instead of %d", calls[i].name, path, result,
                  wanted);
}

static int paths_main(void *arg)
{
    static char longest[8192], component[300];

    (void)arg;
    set_up();
    memset(component, 'x', 256); /* one more than a name may have */
    memset(longest, '/', 1);
    for (size_t at = 1; at + 2 < sizeof longest; at += 2)
        memcpy(longest + at, "./", 2);
    for (size_t i = 0; i < CALLS; i++) {
        if (!(calls[i].traits & MAKES))
            told(i, folder, "nobody", -ENOENT);
        told(i, folder, "nobody/x", -ENOENT);
        if (!(calls[i].traits & STARTS))
            told(i, folder, "", -ENOENT);
        told(i, folder, "file/x", -ENOTDIR);
        told(i, folder, "round/x", -ELOOP);
        told(i, folder, component, -ENAMETOOLONG);
        told(i, folder, longest, -ENAMETOOLONG);
    }
    return 0;
}
TEST(paths)
{
    file_run(paths_main);
}

/* What a path is taken from. One that begins with a slash is taken from the root all the same. */
static int descriptors_main(void *arg)
{
    int file, closed;

    (void)arg;
    set_up();
    file = weft_openat(folder, "file", O_RDONLY, 0);
    closed = weft_openat(folder, "file", O_RDONLY, 0);
    ok(file);
    ok(closed);
    same(weft_close(closed), 0);
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].traits & FROM) {
            told(i, closed, "x", -EBADF);
            told(i, -1, "x", -EBADF);
            told(i, file, "x", -ENOTDIR);
        }
    ok(opens(closed, folder_path));
    return weft_close(file);
}
TEST(descriptors)
{
    file_run(descriptors_main);
}

static int there;

static int elsewhere(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].traits & FROM)
            told(i, there, "x", -EXDEV);
    return 0;
}
static int others_main(void *arg)
{
    (void)arg;
    set_up();
    there = folder;
    return weft_call(1, elsewhere, NULL, 0);
}
TEST(another_reactors)
{
    file_run_two(others_main);
}

/* Outside of a task, and with no path. */
static int nowhere_main(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].traits & FROM)
            same(calls[i].call(folder, NULL), -EFAULT);
    same(weft_open(NULL, O_RDONLY, 0), -EFAULT);
    same(weft_setxattr(NULL, "user.x", "x", 1, 0), -EFAULT);
    same(weft_getxattr(NULL, "user.x", NULL, 0), -EFAULT);
    return 0;
}
TEST(nowhere)
{
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].call != watches) /* which opens one first */
            told(i, AT_FDCWD, "x", -EPERM);
    file_run(nowhere_main);
}

/* -- of their own ------------------------------------------------------------------------------ */

static int opening_by_path_main(void *arg)
{
    weft_file *object;
    char line[8];

    (void)arg;
    set_up();
    same(weft_open(whole("file"), O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    same(weft_open(whole("directory"), O_RDWR, 0), -EISDIR);
    same(weft_open(whole("file"), O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    same(weft_open(whole("link"), O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    same(weft_file_open(whole("directory"), O_RDWR, 0, NULL, &object), -EISDIR);
    same(weft_file_open(whole("file"), O_RDONLY, 0, NULL, &object), 0);
    same(weft_file_read_until(object, "none", 4, line, sizeof line), -ENODATA);
    return weft_file_close(object);
}
TEST(opening_by_path)
{
    file_run(opening_by_path_main);
}

static int opening_main(void *arg)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS};

    (void)arg;
    set_up();
    same(weft_openat(folder, "file", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    same(weft_openat(folder, "link", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    same(weft_openat(folder, "directory", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    same(weft_openat(folder, "directory", O_WRONLY, 0), -EISDIR);
    same(weft_openat(folder, "directory", O_RDWR, 0), -EISDIR);
    same(weft_openat(folder, "directory", O_RDONLY | O_CREAT, 0600), -EISDIR);
    same(weft_openat(folder, "file", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    same(weft_openat(folder, "link", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    same(weft_openat(folder, "round", O_RDONLY, 0), -ELOOP);
    same(weft_openat(folder, "nobody/", O_RDWR | O_CREAT, 0600), -EISDIR);
    same(weft_openat(folder, "file/", O_RDONLY, 0), -ENOTDIR);
    same(weft_openat2(folder, "link", &how, sizeof how), -ELOOP);
    same(weft_openat2(folder, "file", &how, 1), -EINVAL);
    same(weft_openat2(folder, "file", NULL, sizeof how), -EFAULT);
    return 0;
}
TEST(opening)
{
    file_run(opening_main);
}

static int renaming_main(void *arg)
{
    (void)arg;
    set_up();
    same(weft_renameat(folder, "file", folder, "directory"), -EISDIR);
    same(weft_renameat(folder, "directory", folder, "file"), -ENOTDIR);
    same(weft_renameat(folder, "directory", folder, "directory/below/x"), -EINVAL);
    same(weft_mkdirat(folder, "other", 0700), 0);
    same(weft_renameat(folder, "other", folder, "directory"), -ENOTEMPTY);
    same(weft_renameat(folder, "directory", folder, "other"), 0); /* which is empty */
    same(weft_renameat(folder, "file", folder, "nobody/"), -ENOTDIR);
    same(weft_renameat2(folder, "file", folder, "link", RENAME_NOREPLACE), -EEXIST);
    same(weft_renameat2(folder, "file", folder, "nobody", RENAME_EXCHANGE), -ENOENT);
    same(weft_renameat2(folder, "file", folder, "x", RENAME_NOREPLACE | RENAME_EXCHANGE), -EINVAL);
    same(weft_renameat2(folder, "file", folder, "x", 1u << 20), -EINVAL);
    same(weft_renameat2(folder, "other", folder, "file", 0), -ENOTDIR);
    same(weft_renameat2(folder, "file", folder, "other", 0), -EISDIR);
    same(weft_renameat2(folder, "other", folder, "other/below/x", 0), -EINVAL);
    return 0;
}
TEST(renaming)
{
    file_run(renaming_main);
}

static int making_main(void *arg)
{
    struct statx status;

    (void)arg;
    set_up();
    same(weft_mkdirat(folder, "file", 0700), -EEXIST);
    same(weft_mkdirat(folder, "round", 0700), -EEXIST);
    same(weft_symlinkat("x", folder, "directory"), -EEXIST);
    same(weft_symlinkat("", folder, "x"), -ENOENT);
    same(weft_symlinkat(NULL, folder, "x"), -EFAULT);
    same(weft_linkat(folder, "file", folder, "link", 0), -EEXIST);
    same(weft_linkat(folder, "directory", folder, "x", 0), -EPERM);
    same(weft_linkat(folder, "file", folder, "x", 1 << 20), -EINVAL);
    same(weft_unlinkat(folder, "directory", 0), -EISDIR);
    same(weft_unlinkat(folder, "file", AT_REMOVEDIR), -ENOTDIR);
    same(weft_unlinkat(folder, "link", AT_REMOVEDIR), -ENOTDIR);
    same(weft_unlinkat(folder, "directory", AT_REMOVEDIR), -ENOTEMPTY);
    same(weft_unlinkat(folder, "directory/.", AT_REMOVEDIR), -EINVAL);
    same(weft_unlinkat(folder, "file", 1 << 20), -EINVAL);
    same(weft_statx(folder, "file", 1 << 20, STATX_SIZE, &status), -EINVAL);
    same(weft_statx(folder, "file", 0, STATX_SIZE, NULL), -EFAULT);
    same(weft_statx(folder, "round", 0, STATX_SIZE, &status), -ELOOP);
    return 0;
}
TEST(making_and_removing)
{
    file_run(making_main);
}

/* Files that are no programs, and what is no file. */
static int starting_main(void *arg)
{
    int fd;

    (void)arg;
    set_up();
    fd = weft_openat(folder, "words", O_WRONLY | O_CREAT, 0700);
    ok(fd);
    same(weft_write_all(fd, "no program\n", 11, NULL), 11);
    same(weft_close(fd), 0);
    same(starts(folder, "words"), -ENOEXEC);
    same(starts(folder, "file"), -EACCES);
    same(starts(folder, "directory"), -EACCES);
    same(starts(folder, "round"), -ELOOP);
    same(begins_there(folder, "round"), -ELOOP);
    same(begins_there(folder, "file"), -ENOTDIR);
    return 0;
}
TEST(starting)
{
    file_run(starting_main);
}

TEST_MAIN("errors_names", 60, paths, descriptors, another_reactors, nowhere, opening,
          opening_by_path, renaming, making_and_removing, starting)
