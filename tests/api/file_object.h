/*
 * What the tests of file objects share: a file whose bytes say where they are, as an object, and
 * past the page cache where /tmp has that.
 */
#ifndef WEFT_TESTS_API_FILE_OBJECT_H
#define WEFT_TESTS_API_FILE_OBJECT_H

#include "support/file.h"
#include "support/misuse.h"

enum { BLOCK = 4096, MUCH = 10 * BLOCK + 123 };

#define OPT(...) (&(struct weft_file_opt){.size = sizeof(struct weft_file_opt), __VA_ARGS__})

static inline unsigned char byte_at(uint64_t at)
{
    return (unsigned char)(at * 31 + at / 251 + 7);
}

static inline void check(const void *bytes, size_t size, uint64_t at)
{
    size_t same_bytes = 0;

    while (same_bytes < size &&
           ((const unsigned char *)bytes)[same_bytes] == byte_at(at + same_bytes))
        same_bytes++;
    ck_assert_uint_eq(same_bytes, size);
}

/* O_DIRECT in the cases that try it; 0 in the others, and where /tmp has none. */
static int direct;

/* A file of `size` bytes, as an object. */
static inline weft_file *made(size_t size, const struct weft_file_opt *opt)
{
    static unsigned char bytes[MUCH];
    weft_file *file;
    int fd = file_new("a");

    ck_assert_uint_le(size, MUCH);
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(i);
    same(weft_write_all(fd, bytes, size, NULL), (ssize_t)size); /* its position is at the end now */
    same(weft_close(fd), 0);
    fd = weft_openat(folder, "a", O_RDWR | direct, 0);
    ok(fd);
    same(weft_file_from_fd(fd, opt, &file), 0);
    same(weft_file_fd(file), fd);
    return file;
}

static inline void done_with(weft_file *file)
{
    same(weft_file_close(file), 0);
    same(weft_unlinkat(folder, "a", 0), 0);
}

static inline bool has_direct(void)
{
    int fd = weft_openat(folder, "d", O_RDWR | O_CREAT | O_DIRECT, 0600);

    if (fd == -EINVAL)
        return false;
    ok(fd);
    same(weft_close(fd), 0);
    direct = O_DIRECT;
    return true;
}

#endif
