/*
 * What the tests of files share: a folder of their own under /tmp, and what is to be found in
 * files. By weft's own calls alone, so that it is on the simulated disk where that is what runs.
 */
#ifndef WEFT_TESTS_SUPPORT_FILE_H
#define WEFT_TESTS_SUPPORT_FILE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/weft.h>

#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)
#define same(a, b) ck_assert_int_eq((a), (b))

/* The folder of the test that runs: an open descriptor, and its path. */
static int folder;
static char folder_path[64];

static inline int file_new(const char *name)
{
    int fd = weft_openat(folder, name, O_RDWR | O_CREAT | O_EXCL, 0600);

    ok(fd);
    return fd;
}

/* A file with that text in it, closed. */
static inline void file_put(const char *name, const char *text)
{
    int fd = weft_openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ok(fd);
    same(weft_write_all(fd, text, strlen(text), NULL), (int)strlen(text));
    same(weft_close(fd), 0);
}

/* What a file holds, as text; or what opening it says, through *error. */
static inline const char *file_text(const char *name)
{
    static char text[8192];
    int fd = weft_openat(folder, name, O_RDONLY, 0);
    size_t done = 0;

    if (fd < 0) {
        snprintf(text, sizeof text, "%s", fd == -ENOENT ? "(none)" : strerror(-fd));
        return text;
    }
    (void)weft_read_exactly(fd, text, sizeof text - 1, &done);
    text[done] = '\0';
    same(weft_close(fd), 0);
    return text;
}

static inline int64_t file_size(const char *name)
{
    struct statx status;
    int error = weft_statx(folder, name, AT_SYMLINK_NOFOLLOW, STATX_SIZE, &status);

    return error < 0 ? error : (int64_t)status.stx_size;
}

/* Removes what a folder holds, and all below. */
static inline void file_remove_all(int directory)
{
    _Alignas(8) char buffer[2048];
    ssize_t n;

    while ((n = weft_getdents64(directory, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0; at < n;) {
            struct dirent64 *entry = (struct dirent64 *)(buffer + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            if (entry->d_type == DT_DIR) {
                int below = weft_openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY, 0);
                ok(below);
                file_remove_all(below);
                same(weft_close(below), 0);
            }
            same(weft_unlinkat(directory, entry->d_name,
                               entry->d_type == DT_DIR ? AT_REMOVEDIR : 0),
                 0);
        }
    same(n, 0);
}

/* What a test that failed has left lies there yet, and its process's number may be ours now. */
static inline int file_make_folder(void)
{
    int error, attempt = 0;

    do {
        snprintf(folder_path, sizeof folder_path, "/tmp/weft-file-test.%d.%d", (int)getpid(),
                 attempt++);
        error = weft_mkdirat(AT_FDCWD, folder_path, 0700);
    } while (error == -EEXIST && attempt < 1000);
    return error;
}

static inline int file_main(void *arg)
{
    weft_task_fn fn = *(weft_task_fn *)arg;
    int result, again;

    same(file_make_folder(), 0);
    folder = weft_open(folder_path, O_RDONLY | O_DIRECTORY, 0);
    ok(folder);
    result = fn(NULL);
    again = weft_open(folder_path, O_RDONLY | O_DIRECTORY, 0); /* from its beginning */
    ok(again);
    file_remove_all(again);
    same(weft_close(again), 0);
    same(weft_close(folder), 0);
    same(weft_unlinkat(AT_FDCWD, folder_path, AT_REMOVEDIR), 0);
    return result;
}

/* Runs `fn` as the main task of one reactor, its folder made and removed; its result must be 0. */
static inline void file_run(weft_task_fn fn)
{
    same(weft_run(file_main, &fn, sizeof fn, NULL), 0);
}

/* And with a second reactor beside it. */
static inline void file_run_two(weft_task_fn fn)
{
    static const struct weft_run_opt two = {.size = sizeof two, .reactors = 2};

    same(weft_run(file_main, &fn, sizeof fn, &two), 0);
}

#endif
