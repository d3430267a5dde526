/*
 * What happens to files, told: of names, contents and the watched itself, in order. Catches
 * something that is not told, told twice or out of order, an overflow that is not said, and a
 * mistake that is not.
 */
#include "support/misuse.h"
#include "watch.h"

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder_path, name);
    return path;
}

static int add(const char *name)
{
    int number = weft_watch_add(watch, path_of(name), WEFT_WATCH_ALL);

    ck_assert_int_gt(number, 0);
    return number;
}

/* The next that is told. */
static uint32_t expect(int number, uint32_t what, const char *name)
{
    struct weft_watch_event event;

    same(weft_watch_next(watch, &event, 0), 0);
    ck_assert_str_eq(event.name, name);
    ck_assert_uint_eq(event.what, what);
    same(event.number, number);
    return event.cookie;
}

/* The next is this one, so there is none before it. */
static void expect_nothing(int number)
{
    same(weft_mkdirat(folder, "and-no-more", 0700), 0);
    expect(number, WEFT_WATCH_CREATED | WEFT_WATCH_DIRECTORY, "and-no-more");
    same(weft_unlinkat(folder, "and-no-more", AT_REMOVEDIR), 0);
    expect(number, WEFT_WATCH_DELETED | WEFT_WATCH_DIRECTORY, "and-no-more");
}

static void expect_rename(int from, const char *name, int to, const char *other, uint32_t flags)
{
    uint32_t first = expect(from, WEFT_WATCH_MOVED_FROM | flags, name);
    uint32_t second = expect(to, WEFT_WATCH_MOVED_TO | flags, other);

    ck_assert_uint_ne(first, 0);
    ck_assert_uint_eq(first, second);
}

static void rename_to(const char *from, const char *to, unsigned flags)
{
    same(weft_renameat2(folder, from, folder, to, flags), 0);
}

/* -- what is told ------------------------------------------------------------------------------ */

static int main_names(void *arg)
{
    int top, below, fd;

    (void)arg;
    begin();
    top = add("");
    fd = file_new("a");
    expect(top, WEFT_WATCH_CREATED, "a");
    same(weft_close(fd), 0);
    expect(top, WEFT_WATCH_CLOSED_WRITE, "a");
    same(weft_mkdirat(folder, "d", 0700), 0);
    expect(top, WEFT_WATCH_CREATED | WEFT_WATCH_DIRECTORY, "d");
    below = add("d");
    rename_to("a", "d/b", 0);
    expect_rename(top, "a", below, "b", 0);
    same(weft_symlinkat("nowhere", folder, "s"), 0);
    expect(top, WEFT_WATCH_CREATED, "s");
    same(weft_linkat(folder, "d/b", folder, "l", 0), 0);
    expect(top, WEFT_WATCH_CREATED, "l");
    rename_to("s", "l", 2); /* RENAME_EXCHANGE */
    expect_rename(top, "s", top, "l", 0);
    expect_rename(top, "l", top, "s", 0);
    same(weft_unlinkat(folder, "s", 0), 0);
    expect(top, WEFT_WATCH_DELETED, "s");
    rename_to("d", "e", 0);
    expect_rename(top, "d", top, "e", WEFT_WATCH_DIRECTORY);
    expect(below, WEFT_WATCH_MOVED_SELF, "");
    rename_to("e/b", "l", 0);
    expect_rename(below, "b", top, "l", 0);
    same(weft_unlinkat(folder, "e", AT_REMOVEDIR), 0);
    expect(below, WEFT_WATCH_DELETED_SELF, "");
    expect(below, WEFT_WATCH_IGNORED, "");
    expect(top, WEFT_WATCH_DELETED | WEFT_WATCH_DIRECTORY, "e");
    expect_nothing(top);
    end();
    return 0;
}

TEST(names)
{
    run(main_names);
}

/* The directory is told first, then who watches the file. */
static void expect_both(int top, int file, uint32_t what, const char *name)
{
    expect(top, what, name);
    expect(file, what, "");
}

static int main_contents(void *arg)
{
    int top, file, fd, other;

    (void)arg;
    begin();
    top = add("");
    fd = file_new("a");
    expect(top, WEFT_WATCH_CREATED, "a");
    file = add("a");
    same(weft_write_all(fd, "x", 1, NULL), 1);
    expect_both(top, file, WEFT_WATCH_MODIFIED, "a");
    same(weft_ftruncate(fd, 4), 0);
    expect_both(top, file, WEFT_WATCH_MODIFIED, "a");
    other = weft_openat(folder, "a", O_RDONLY, 0);
    ok(other);
    same(weft_close(other), 0); /* nothing */
    other = weft_openat(folder, "a", O_WRONLY | O_TRUNC, 0);
    ok(other);
    expect_both(top, file, WEFT_WATCH_MODIFIED, "a");
    same(weft_close(other), 0);
    expect_both(top, file, WEFT_WATCH_CLOSED_WRITE, "a");
    rename_to("a", "b", 0); /* it is told by its name of now */
    expect_rename(top, "a", top, "b", 0);
    expect(file, WEFT_WATCH_MOVED_SELF, "");
    same(weft_pwrite(fd, "y", 1, 0), 1);
    expect_both(top, file, WEFT_WATCH_MODIFIED, "b");
    same(weft_linkat(folder, "b", folder, "c", 0), 0);
    expect(file, WEFT_WATCH_ATTRIBUTES, "");
    expect(top, WEFT_WATCH_CREATED, "c");
    same(weft_unlinkat(folder, "b", 0), 0);
    expect(file, WEFT_WATCH_ATTRIBUTES, "");
    expect(top, WEFT_WATCH_DELETED, "b");
    same(weft_pwrite(fd, "z", 1, 0), 1); /* by a name that is gone */
    same(weft_close(fd), 0);
    expect_nothing(top);
    end();
    return 0;
}

TEST(contents)
{
    run(main_contents);
}

static int main_itself(void *arg)
{
    int top, file, fd;

    (void)arg;
    file_put("a", "a");
    file_put("b", "b");
    begin();
    top = add("");
    file = add("b");
    rename_to("a", "b", 0);
    expect_rename(top, "a", top, "b", 0);
    expect(file, WEFT_WATCH_ATTRIBUTES, "");
    expect(file, WEFT_WATCH_DELETED_SELF, "");
    expect(file, WEFT_WATCH_IGNORED, "");
    file = add("b");
    fd = weft_openat(folder, "b", O_RDONLY, 0);
    ok(fd);
    same(weft_unlinkat(folder, "b", 0), 0);
    expect(file, WEFT_WATCH_ATTRIBUTES, "");
    expect(top, WEFT_WATCH_DELETED, "b");
    expect_nothing(top);
    same(weft_close(fd), 0);
    expect(file, WEFT_WATCH_DELETED_SELF, "");
    expect(file, WEFT_WATCH_IGNORED, "");
    file_put("c", "c");
    expect(top, WEFT_WATCH_CREATED, "c");
    expect(top, WEFT_WATCH_MODIFIED, "c");
    expect(top, WEFT_WATCH_CLOSED_WRITE, "c");
    same(weft_watch_remove(watch, file), -EINVAL);
    same(weft_watch_remove(watch, top), 0);
    expect(top, WEFT_WATCH_IGNORED, "");
    same(weft_watch_remove(watch, top), -EINVAL);
    ck_assert_int_gt(add(""), top); /* no number is given twice */
    end();
    return 0;
}

TEST(itself)
{
    run(main_itself);
}

static int main_attributes(void *arg)
{
    int top, below, fd, error;

    (void)arg;
    same(weft_mkdirat(folder, "d", 0700), 0);
    fd = file_new("a");
    begin();
    top = add("");
    below = add("d");
    error = weft_fsetxattr(fd, "user.x", "1", 1, 0);
    if (error == 0) { /* the file system knows of such */
        expect(top, WEFT_WATCH_ATTRIBUTES, "a");
        same(weft_setxattr(path_of("d"), "user.x", "1", 1, 0), 0);
        expect(top, WEFT_WATCH_ATTRIBUTES | WEFT_WATCH_DIRECTORY, "d");
        expect(below, WEFT_WATCH_ATTRIBUTES | WEFT_WATCH_DIRECTORY, "");
    } else {
        same(error, -EOPNOTSUPP);
    }
    same(weft_close(fd), 0);
    expect(top, WEFT_WATCH_CLOSED_WRITE, "a");
    same(weft_symlinkat("d", folder, "s"), 0);
    expect(top, WEFT_WATCH_CREATED, "s");
    same(weft_watch_add(watch, path_of("s"), WEFT_WATCH_ALL), -EEXIST); /* by another name */
    below = weft_watch_add(watch, path_of("s"), WEFT_WATCH_DELETED_SELF | WEFT_WATCH_NO_FOLLOW);
    ck_assert_int_gt(below, 0);
    same(weft_unlinkat(folder, "s", 0), 0);
    expect(below, WEFT_WATCH_DELETED_SELF, "");
    expect(below, WEFT_WATCH_IGNORED, "");
    expect(top, WEFT_WATCH_DELETED, "s");
    expect_nothing(top);
    end();
    return 0;
}

TEST(attributes_and_links)
{
    run(main_attributes);
}

/* What equals the last and was not taken is told once; what was not asked for is not told. */
static int main_once(void *arg)
{
    int top, fd = file_new("a");

    (void)arg;
    begin();
    top = weft_watch_add(watch, folder_path, WEFT_WATCH_MODIFIED | WEFT_WATCH_DELETED);
    ck_assert_int_gt(top, 0);
    for (int i = 0; i < 100; i++)
        same(weft_pwrite(fd, "x", 1, 0), 1);
    expect(top, WEFT_WATCH_MODIFIED, "a");
    same(weft_fallocate(fd, 0, 0, 4096), 0); /* through a ring Linux tells this one twice */
    same(weft_close(fd), 0);
    same(weft_unlinkat(folder, "a", 0), 0);
    expect(top, WEFT_WATCH_MODIFIED, "a");
    expect(top, WEFT_WATCH_DELETED, "a");
    end();
    return 0;
}

TEST(told_once)
{
    run(main_once);
}

static void long_name(char name[256], int number)
{
    memset(name, 'n', 256);
    name[190 + number] = '\0';
}

/* Many, by more than one read. */
static int main_many(void *arg)
{
    char name[256];
    int top;

    (void)arg;
    begin();
    top = weft_watch_add(watch, folder_path, WEFT_WATCH_CREATED | WEFT_WATCH_ONLY_DIRECTORY);
    ck_assert_int_gt(top, 0);
    for (int i = 0; i < 60; i++) {
        long_name(name, i);
        same(weft_mkdirat(folder, name, 0700), 0);
    }
    for (int i = 0; i < 60; i++) {
        long_name(name, i);
        expect(top, WEFT_WATCH_CREATED | WEFT_WATCH_DIRECTORY, name);
    }
    end();
    return 0;
}

TEST(many_with_long_names)
{
    run(main_many);
}

/* -- too much ---------------------------------------------------------------------------------- */

enum { PAIRS = 8200 }; /* twice that is more than the kernel keeps, as it is set up */

static int main_overflow(void *arg)
{
    struct weft_watch_event event;
    int number, count = 0;
    uint32_t cookie = 0;

    (void)arg;
    file_put("a", "");
    begin();
    number = weft_watch_add(watch, folder_path, WEFT_WATCH_MOVED_FROM | WEFT_WATCH_MOVED_TO);
    ck_assert_int_gt(number, 0);
    for (int i = 0; i < PAIRS; i++)
        rename_to(i & 1 ? "b" : "a", i & 1 ? "a" : "b", 0);
    for (;; count++) {
        same(weft_watch_next(watch, &event, 0), 0);
        if (event.what & WEFT_WATCH_OVERFLOW)
            break;
        ck_assert_uint_eq(event.what, count & 1 ? WEFT_WATCH_MOVED_TO : WEFT_WATCH_MOVED_FROM);
        ck_assert(count & 1 ? event.cookie == cookie : event.cookie != cookie);
        cookie = event.cookie;
        ck_assert_int_lt(count, 2 * PAIRS - 1);
    }
    same(event.number, -1);
    ck_assert_uint_eq(event.what, WEFT_WATCH_OVERFLOW);
    ck_assert_str_eq(event.name, "");
    rename_to("a", "c", 0); /* and on it goes */
    expect_rename(number, "a", number, "c", 0);
    end();
    return 0;
}

static int queued_max(void)
{
    int fd = open("/proc/sys/fs/inotify/max_queued_events", O_RDONLY | O_CLOEXEC);
    char text[16] = "";
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 ? atoi(text) : 0;
}

TEST(too_much_is_said)
{
    if (queued_max() < 2 * PAIRS - 1) /* set up otherwise, it would take for ever */
        run(main_overflow);
}

/* -- mistakes ---------------------------------------------------------------------------------- */

static int elsewhere(void *arg)
{
    (void)arg;
    ck_misuse(weft_watch_remove(watch, 1), -EXDEV, "weft_watch_remove", "another reactor's");
    same(weft_watch_next(watch, NULL, 0), -EXDEV);
    same(weft_watch_add(watch, "/", WEFT_WATCH_ALL), -EXDEV);
    same(weft_watch_close(watch), -EXDEV);
    return 0;
}

static int cancelled(void *arg)
{
    (void)arg;
    same(weft_watch_add(watch, "/", WEFT_WATCH_ALL), -ECANCELED);
    same(weft_watch_next(watch, NULL, 0), -ECANCELED);
    return 0;
}

/* On the loop, where nothing can wait. */
static void on_the_loop(void *done)
{
    same(weft_watch_add(watch, "/", WEFT_WATCH_ALL), -EPERM);
    same(weft_watch_next(watch, NULL, 0), -EPERM);
    same(weft_watch_remove(watch, 1), -EINVAL); /* does not, and there is none */
    *(bool *)done = true;
}

static int main_mistakes(void *arg)
{
    bool done = false;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    ck_misuse(weft_watch_open(NULL), -EINVAL, "weft_watch_open", "nowhere");
    same(weft_watch_close(NULL), 0);
    same(weft_watch_next(NULL, NULL, 0), -EINVAL);
    same(weft_watch_remove(NULL, 1), -EINVAL);
    begin();
    same(weft_call_soon(on_the_loop, &done, NULL), 0);
    while (!done)
        same(weft_yield(), 0);
    same(weft_watch_add(watch, NULL, WEFT_WATCH_ALL), -EINVAL);
    same(weft_watch_add(watch, "/", 0), -EINVAL);
    same(weft_watch_add(watch, "/", WEFT_WATCH_ONLY_DIRECTORY), -EINVAL);
    same(weft_watch_add(watch, "/", WEFT_WATCH_ALL | WEFT_WATCH_IGNORED), -EINVAL);
    same(weft_watch_next(watch, NULL, 1), -EINVAL);
    same(weft_watch_add(watch, "", WEFT_WATCH_ALL), -ENOENT);
    same(weft_watch_add(watch, path_of("none"), WEFT_WATCH_ALL), -ENOENT);
    file_put("a", "");
    same(weft_watch_add(watch, path_of("a/b"), WEFT_WATCH_ALL), -ENOTDIR);
    same(weft_watch_add(watch, path_of("a"), WEFT_WATCH_ALL | WEFT_WATCH_ONLY_DIRECTORY), -ENOTDIR);
    ck_assert_int_gt(add("a"), 0);
    same(weft_watch_add(watch, path_of("a"), WEFT_WATCH_ALL), -EEXIST);
    same(weft_call(1, elsewhere, NULL, 0), 0);
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, cancelled, NULL, 0, &opt), 0);
        same(weft_cancel(task), 1);
        same(weft_join(task, NULL), 0);
    }
    end();
    return 0;
}

TEST(mistakes)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};
    weft_task_fn fn = main_mistakes;

    same(weft_run(file_main, &fn, sizeof fn, &opt), 0);
    same(weft_watch_open(&watch), -EPERM);
    same(weft_watch_next(NULL, NULL, 0), -EPERM);
    same(weft_watch_close(NULL), -EPERM);
}

TEST_MAIN("watch", 60, names, contents, itself, attributes_and_links, told_once,
          many_with_long_names, too_much_is_said, mistakes)
