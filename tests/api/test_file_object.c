/*
 * File objects: every byte once and in its order, however it is read, with blocks read ahead and
 * without; what is written shows; ends, growth, seeks, views, lines; who is cancelled, refused or
 * closed upon. Random steps are compared with a plain array. Catches a block read for the wrong
 * place, one kept though the file was changed, an end that is believed too long, a position that
 * moves when it should not, and blocks, descriptors and memory that are left.
 */
#include "support/file.h"
#include "support/misuse.h"

enum { BLOCK = 4096, MUCH = 10 * BLOCK + 123 };

#define OPT(...) (&(struct weft_file_opt){.size = sizeof(struct weft_file_opt), __VA_ARGS__})

static unsigned char byte_at(uint64_t at)
{
    return (unsigned char)(at * 31 + at / 251 + 7);
}

static void check(const void *bytes, size_t size, uint64_t at)
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
static weft_file *made(size_t size, const struct weft_file_opt *opt)
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

static void done_with(weft_file *file)
{
    same(weft_file_close(file), 0);
    same(weft_unlinkat(folder, "a", 0), 0);
}

/* -- through the file ----------------------------------------------------------------------- */

static void read_through(weft_file *file, size_t size, size_t piece)
{
    unsigned char bytes[3 * BLOCK];
    size_t at = 0;
    ssize_t n;

    while ((n = weft_file_read(file, bytes, piece)) > 0) {
        check(bytes, (size_t)n, at);
        at += (size_t)n;
        same(weft_file_tell(file), (off_t)at);
        same(weft_yield(), 0); /* it computes: others may run, and the loop */
    }
    same(n, 0);
    ck_assert_uint_eq(at, size);
    same(weft_file_read(file, bytes, piece), 0); /* once more: the end is still there */
}

static int main_through(void *arg)
{
    static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, MUCH};
    static const size_t pieces[] = {3 * BLOCK, BLOCK, 1000};

    (void)arg;
    for (uint32_t ahead = 0; ahead < 5; ahead += 2)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            weft_file *file =
                made(sizes[i], OPT(.block_size = BLOCK, .ahead = ahead, .no_ahead = ahead == 0));
            for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
                same(weft_file_seek(file, 0, SEEK_SET), 0);
                read_through(file, sizes[i], pieces[k]);
            }
            done_with(file);
        }
    return 0;
}

TEST(through)
{
    file_run(main_through);
}

static int main_views(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK));
    const void *data, *again;
    size_t size, size_again, at = 0;
    int more;

    (void)arg;
    while ((more = weft_file_peek(file, &data, &size)) > 0) {
        size_t part = size > 100 ? size - 100 : size;
        ck_assert_uint_ge(size, 1);
        check(data, size, at);
        same(weft_file_consume(file, 0), 0); /* it is still there */
        same(weft_file_peek(file, &again, &size_again), 1);
        ck_assert_ptr_eq(again, data);
        ck_assert_uint_ge(size_again, size); /* more of it may have come */
        same(weft_file_consume(file, part), 0);
        at += part;
        same(weft_file_tell(file), (off_t)at);
    }
    same(more, 0);
    ck_assert_uint_eq(at, MUCH);
    done_with(file);
    return 0;
}

TEST(views)
{
    file_run(main_views);
}

static int main_exactly(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK));
    static unsigned char bytes[MUCH + 1];
    size_t done = 7;

    (void)arg;
    same(weft_file_read_exactly(file, bytes, 2 * BLOCK + 5, &done), 2 * BLOCK + 5);
    ck_assert_uint_eq(done, 2 * BLOCK + 5);
    check(bytes, done, 0);
    same(weft_file_read_exactly(file, bytes, 0, NULL), 0);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, &done), -ENODATA);
    ck_assert_uint_eq(done, MUCH - (2 * BLOCK + 5));
    check(bytes, done, 2 * BLOCK + 5);
    same(weft_file_tell(file), MUCH);
    same(weft_file_read(file, bytes, 0), 0);
    done_with(file);
    return 0;
}

TEST(exactly)
{
    file_run(main_exactly);
}

/* -- lines ---------------------------------------------------------------------------------- */

static int main_lines(void *arg)
{
    weft_file *file;
    char line[64], text[2 * BLOCK + 64];

    (void)arg;
    memset(text, 'x', sizeof text);
    memcpy(text, "one\n\nthree\n", 11);
    memcpy(text + BLOCK - 7, "\nends\r\n\r\nlast", 13); /* the delimiter is cut by a block's end */
    text[BLOCK + 6] = '\0';
    file_put("a", text);
    same(weft_openat(folder, "none", O_RDONLY, 0), -ENOENT);
    same(weft_file_from_fd(weft_openat(folder, "a", O_RDONLY, 0), OPT(.block_size = BLOCK), &file),
         0);
    same(weft_file_read_line(file, line, sizeof line), 4);
    ck_assert_str_eq(line, "one\n");
    same(weft_file_read_line(file, line, sizeof line), 1);
    ck_assert_str_eq(line, "\n");
    same(weft_file_read_line(file, line, 6), -EMSGSIZE); /* "three\n" and the end do not fit */
    same(weft_file_tell(file), 5);
    same(weft_file_read_line(file, line, 7), 6);
    ck_assert_str_eq(line, "three\n");
    same(weft_file_seek(file, BLOCK - 6, SEEK_SET), BLOCK - 6);
    same(weft_file_read_until(file, "\r\n\r\n", 4, line, 7), -EMSGSIZE);
    same(weft_file_read_until(file, "\r\n\r\n", 4, line, sizeof line), 8);
    ck_assert_mem_eq(line, "ends\r\n\r\n", 8);
    same(weft_file_read_line(file, line, sizeof line), -ENODATA); /* a line that does not end */
    same(weft_file_tell(file), BLOCK + 2);
    same(weft_file_read(file, line, sizeof line), 4);
    ck_assert_mem_eq(line, "last", 4);
    same(weft_file_read_line(file, line, sizeof line), -ENODATA);
    done_with(file);
    return 0;
}

TEST(lines)
{
    file_run(main_lines);
}

/* -- what is written shows ------------------------------------------------------------------- */

static void expect(weft_file *file, off_t at, const char *text)
{
    char bytes[64];

    same(weft_file_seek(file, at, SEEK_SET), at);
    same(weft_file_read_exactly(file, bytes, strlen(text), NULL), (ssize_t)strlen(text));
    ck_assert_mem_eq(bytes, text, strlen(text));
}

static int main_written(void *arg)
{
    weft_file *file = made(3 * BLOCK, OPT(.block_size = BLOCK, .ahead = 4));
    unsigned char bytes[BLOCK];
    const void *data;
    size_t size;

    (void)arg;
    same(weft_file_read_exactly(file, bytes, 10, NULL), 10); /* and the rest may be read ahead */
    same(weft_yield(), 0);
    same(weft_file_pwrite(file, "here", 4, 20, NULL), 4);
    same(weft_file_pwrite(file, "there", 5, BLOCK + 7, NULL), 5);
    expect(file, 20, "here");
    expect(file, BLOCK + 7, "there");

    same(weft_file_seek(file, 0, SEEK_END), 3 * BLOCK);
    same(weft_file_read(file, bytes, 1), 0);
    same(weft_file_write(file, "grown", 5, &size), 5); /* behind an end that was found */
    ck_assert_uint_eq(size, 5);
    same(weft_file_read(file, bytes, 1), 0);
    expect(file, 3 * BLOCK, "grown");
    same(weft_file_pwrite(file, "far", 3, 5 * BLOCK, NULL), 3);
    expect(file, 3 * BLOCK + 4, "n\0\0");
    expect(file, 5 * BLOCK, "far");

    same(weft_file_seek(file, 100, SEEK_SET), 100);
    same(weft_file_peek(file, &data, &size), 1);
    same(weft_file_pwrite(file, "under", 5, 101, NULL), 5); /* the view is lent meanwhile */
    same(weft_file_consume(file, 1), 0);
    same(weft_file_read_exactly(file, bytes, 5, NULL), 5);
    ck_assert_mem_eq(bytes, "under", 5);

    same(weft_pwrite_all(weft_file_fd(file), "others", 6, 200, NULL), 6);
    same(weft_file_discard(file), 0);
    expect(file, 200, "others");
    same(weft_file_pread(file, bytes, 5, 101), 5);
    ck_assert_mem_eq(bytes, "under", 5);
    done_with(file);
    return 0;
}

TEST(what_is_written_shows)
{
    file_run(main_written);
}

/* Another file would be read to where the view lies, were that let go of. */
static int main_lent(void *arg)
{
    weft_file *file = made(BLOCK, OPT(.block_size = BLOCK, .no_ahead = true)), *other;
    const void *data;
    char bytes[5];
    size_t size;

    (void)arg;
    file_put("b", "another file");
    same(weft_file_peek(file, &data, &size), 1);
    same(weft_file_pwrite(file, "", 1, 0, NULL), 1);
    same(weft_file_from_fd(weft_openat(folder, "b", O_RDONLY, 0), OPT(.block_size = BLOCK), &other),
         0);
    same(weft_file_read_exactly(other, bytes, 5, NULL), 5);
    same(weft_file_close(other), 0);
    check((const char *)data + 1, size - 1, 1);
    same(weft_file_consume(file, size), 0);
    done_with(file);
    return 0;
}

TEST(what_is_lent_stays)
{
    file_run(main_lent);
}

static int main_append(void *arg)
{
    char path[96], bytes[16];
    weft_file *file;

    (void)arg;
    snprintf(path, sizeof path, "%s/a", folder_path);
    same(weft_file_open(path, O_RDWR, 0, NULL, &file), -ENOENT);
    same(weft_file_open(path, O_RDWR | O_CREAT | O_APPEND, 0600, NULL, &file), 0);
    same(weft_file_read(file, bytes, 1), 0);
    same(weft_file_write(file, "one", 3, NULL), 3);
    same(weft_file_tell(file), 0);
    same(weft_file_read(file, bytes, sizeof bytes), 3);
    same(weft_file_pwrite(file, "two", 3, 0, NULL), 3); /* as Linux has it */
    same(weft_file_read(file, bytes + 3, sizeof bytes), 3);
    ck_assert_mem_eq(bytes, "onetwo", 6);
    done_with(file);
    return 0;
}

TEST(appending)
{
    file_run(main_append);
}

/* -- random steps, and an array --------------------------------------------------------------- */

enum { MODEL_MAX = 6 * BLOCK, STEPS = 400 };

struct model {
    unsigned char bytes[MODEL_MAX];
    size_t size, position;
};
static struct model model;
static uint64_t dice_state;

static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice_state >> 33) % sides;
}

static void step_read(weft_file *file)
{
    static unsigned char bytes[3 * BLOCK];
    size_t left = model.size > model.position ? model.size - model.position : 0;
    ssize_t n = weft_file_read(file, bytes, 1 + dice(sizeof bytes));

    ck_model(n >= 0 && (size_t)n <= left && (n > 0) == (left > 0));
    ck_model(memcmp(bytes, model.bytes + model.position, (size_t)n) == 0);
    model.position += (size_t)n;
}

static void step_line(weft_file *file)
{
    static char line[2 * BLOCK];
    size_t left = model.size > model.position ? model.size - model.position : 0;
    const unsigned char *from = model.bytes + model.position;
    const unsigned char *end = left ? memchr(from, '\n', left) : NULL;
    ssize_t n = weft_file_read_line(file, line, sizeof line);

    if (end && (size_t)(end - from) + 1 < sizeof line) {
        ck_model(n == end - from + 1 && memcmp(line, from, (size_t)n) == 0);
        model.position += (size_t)n;
    } else {
        ck_model(n == (end || left >= sizeof line - 1 ? -EMSGSIZE : -ENODATA));
    }
}

static void step_view(weft_file *file, bool writes)
{
    size_t left = model.size > model.position ? model.size - model.position : 0, size = 0;
    const void *data;
    int more = weft_file_peek(file, &data, &size);

    ck_model(more == (left > 0) && size <= left);
    if (!more)
        return;
    ck_model(memcmp(data, model.bytes + model.position, size) == 0);
    if (writes) { /* below the view */
        size_t at = model.position + dice((uint32_t)size);
        model.bytes[at] = (unsigned char)dice(256);
        ck_model(weft_file_pwrite(file, model.bytes + at, 1, (off_t)at, NULL) == 1);
    }
    size = dice((uint32_t)size + 1);
    ck_model(weft_file_consume(file, size) == 0);
    model.position += size;
}

static void step_write(weft_file *file, bool here)
{
    size_t at = here ? model.position : dice(MODEL_MAX), size = 1 + dice(BLOCK + 100);

    if (at >= MODEL_MAX)
        return;
    if (size > MODEL_MAX - at)
        size = MODEL_MAX - at;
    for (size_t i = 0; i < size; i++)
        model.bytes[at + i] = dice(200) ? (unsigned char)dice(256) : '\n';
    if (here)
        ck_model(weft_file_write(file, model.bytes + at, size, NULL) == (ssize_t)size);
    else
        ck_model(weft_file_pwrite(file, model.bytes + at, size, (off_t)at, NULL) == (ssize_t)size);
    if (at + size > model.size)
        model.size = at + size;
    model.position += here ? size : 0;
}

static void step_seek(weft_file *file)
{
    uint32_t way = dice(4);
    off_t to = way == 0   ? (off_t)dice(MODEL_MAX)
               : way == 1 ? (off_t)(model.position + dice(BLOCK)) /* what is read ahead stays */
               : way == 2 ? (off_t)model.size
                          : (off_t)(model.position - model.position / 8);

    if (to > MODEL_MAX)
        to = MODEL_MAX;
    if (way == 2)
        ck_model(weft_file_seek(file, 0, SEEK_END) == to);
    else if (way == 1)
        ck_model(weft_file_seek(file, to - (off_t)model.position, SEEK_CUR) == to);
    else
        ck_model(weft_file_seek(file, to, SEEK_SET) == to);
    model.position = (size_t)to;
}

static void step_others(weft_file *file)
{
    unsigned char bytes[100];
    size_t at = dice(MODEL_MAX), left = model.size > at ? model.size - at : 0;
    ssize_t n = weft_file_pread(file, bytes, sizeof bytes, (off_t)at);

    ck_model(n >= 0 && (size_t)n <= left && (n > 0) == (left > 0));
    ck_model(memcmp(bytes, model.bytes + at, (size_t)n) == 0);
    ck_model(weft_ftruncate(weft_file_fd(file), (off_t)(model.size - model.size / 16)) == 0);
    memset(model.bytes + (model.size - model.size / 16), 0, model.size / 16);
    model.size -= model.size / 16;
    ck_model(weft_file_discard(file) == 0);
}

static void step(weft_file *file)
{
    switch (dice(12)) {
    case 0:
    case 1:
    case 2:
        step_read(file);
        break;
    case 3:
        step_line(file);
        break;
    case 4:
    case 5:
        step_view(file, dice(2));
        break;
    case 6:
        step_write(file, true);
        break;
    case 7:
    case 8:
        step_write(file, false);
        break;
    case 9:
        step_seek(file);
        break;
    case 10:
        step_others(file);
        break;
    default:
        same(weft_yield(), 0);
        break; /* what is in flight comes in */
    }
    ck_model(weft_file_tell(file) == (off_t)model.position);
}

static int main_random(void *arg)
{
    (void)arg;
    for (uint32_t seed = 1; seed <= 6; seed++) {
        weft_file *file =
            made(0, OPT(.block_size = BLOCK, .ahead = seed % 5, .no_ahead = seed == 5));
        memset(&model, 0, sizeof model);
        dice_state = seed;
        for (int i = 0; i < STEPS; i++)
            step(file);
        done_with(file);
    }
    return 0;
}

TEST(random_steps)
{
    file_run(main_random);
}

/* -- past the page cache ---------------------------------------------------------------------- */

static bool has_direct(void)
{
    int fd = weft_openat(folder, "d", O_RDWR | O_CREAT | O_DIRECT, 0600);

    if (fd == -EINVAL)
        return false;
    ok(fd);
    same(weft_close(fd), 0);
    direct = O_DIRECT;
    return true;
}

static int main_direct(void *arg)
{
    (void)arg;
    return has_direct() ? main_through(NULL) : 0;
}

TEST(through_direct)
{
    file_run(main_direct);
}

static int main_random_direct(void *arg)
{
    (void)arg;
    return has_direct() ? main_random(NULL) : 0;
}

TEST(random_steps_direct)
{
    file_run(main_random_direct);
}

/* The file's end lay within a unit, and it has grown since. */
static int main_grown_direct(void *arg)
{
    static char bytes[4 * BLOCK];
    weft_file *file;

    (void)arg;
    if (!has_direct())
        return 0;
    file = made(5000, OPT(.block_size = sizeof bytes));
    same(weft_file_read_exactly(file, bytes, 5000, NULL), 5000);
    same(weft_file_pwrite(file, "far", 3, 5 * BLOCK, NULL), 3); /* the block at 0 stays */
    same(weft_file_read_exactly(file, bytes, sizeof bytes - 5000, NULL), sizeof bytes - 5000);
    for (size_t i = 0; i < sizeof bytes - 5000; i++)
        same(bytes[i], 0);
    done_with(file);
    return 0;
}

TEST(grown_direct)
{
    file_run(main_grown_direct);
}

/* Whatever lies as the device wants it goes there as it is, and the flag stays. */
static int main_units(void *arg)
{
    _Alignas(BLOCK) static unsigned char bytes[2 * BLOCK];
    weft_file *file;
    size_t done;

    (void)arg;
    if (!has_direct())
        return 0;
    file = made(MUCH, OPT(.block_size = BLOCK));
    same(weft_file_pread(file, bytes, sizeof bytes, BLOCK), sizeof bytes);
    check(bytes, sizeof bytes, BLOCK);
    same(weft_file_pread(file, bytes + 1, 100, BLOCK + 1), 100);
    check(bytes + 1, 100, BLOCK + 1);
    same(weft_file_pread(file, bytes, BLOCK, MUCH - 3), 3);
    same(weft_file_pread(file, bytes, BLOCK, MUCH), 0);
    same(weft_file_pread(file, bytes, BLOCK, MUCH + 2 * BLOCK), 0);
    memset(bytes, 'w', sizeof bytes);
    same(weft_file_pwrite(file, bytes, sizeof bytes, 0, &done), sizeof bytes);
    same(weft_file_pwrite(file, bytes + 1, BLOCK + 5, 3 * BLOCK - 2, &done), BLOCK + 5);
    ck_assert_uint_eq(done, BLOCK + 5);
    memset(bytes, 0, sizeof bytes);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, NULL), sizeof bytes);
    same(bytes[0], 'w');
    same(bytes[sizeof bytes - 1], 'w');
    same(weft_file_seek(file, 3 * BLOCK - 3, SEEK_SET), 3 * BLOCK - 3);
    same(weft_file_read_exactly(file, bytes, BLOCK + 7, NULL), BLOCK + 7);
    check(bytes, 1, 3 * BLOCK - 3);
    same(bytes[1], 'w');
    same(bytes[BLOCK + 5], 'w');
    check(bytes + BLOCK + 6, 1, 4 * BLOCK + 3);
    same(file_size("a"), MUCH);
    done_with(file);
    return 0;
}

TEST(units)
{
    file_run(main_units);
}

/* -- cancelled, busy, closed ------------------------------------------------------------------ */

static int reads_while_cancelled(void *arg)
{
    weft_file *file = *(weft_file **)arg;
    char bytes[16];
    const void *data;
    size_t size, done = 7;

    same(weft_cancel(weft_current_task()), 1);
    same(weft_file_read(file, bytes, sizeof bytes), -ECANCELED);
    same(weft_file_peek(file, &data, &size), -ECANCELED);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, &done), -ECANCELED);
    same(weft_file_read_line(file, bytes, sizeof bytes), -ECANCELED);
    same(weft_file_write(file, bytes, 1, &done), -ECANCELED);
    ck_assert_uint_eq(done, 0);
    same(weft_file_pread(file, bytes, 1, 0), -ECANCELED);
    same(weft_file_seek(file, 0, SEEK_END), -ECANCELED);
    same(weft_file_seek(file, 0, SEEK_CUR), 5);
    same(weft_uncancel(), 0);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, NULL), sizeof bytes);
    check(bytes, sizeof bytes, 5);
    same(weft_cancel(weft_current_task()), 1);
    return weft_file_close(file); /* a release: it always finishes */
}

static int main_cancelled(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK));
    char bytes[5];

    (void)arg;
    same(weft_file_read_exactly(file, bytes, 5, NULL), 5);
    WEFT_SCOPE(s)
        ok(weft_spawn(&s, reads_while_cancelled, &file, sizeof file, NULL));
    return 0;
}

TEST(cancelled)
{
    file_run(main_cancelled);
}

/* Whoever comes while a view is lent, and whoever is inside when the file is closed. */
static int reads_to_the_end(void *arg)
{
    weft_file *file = *(weft_file **)arg;
    char bytes[100];
    ssize_t n;

    while ((n = weft_file_pread(file, bytes, sizeof bytes, 0)) > 0)
        ;
    return n == -ECANCELED || n == -EBADF ? 0 : -EPROTO;
}

static int main_busy(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK));
    char bytes[16];
    const void *data;
    size_t size;

    (void)arg;
    same(weft_file_peek(file, &data, &size), 1);
    same(weft_file_peek(file, &data, &size), -EBUSY);
    same(weft_file_read(file, bytes, 1), -EBUSY);
    same(weft_file_write(file, bytes, 1, NULL), -EBUSY);
    same(weft_file_seek(file, 0, SEEK_SET), -EBUSY);
    same(weft_file_consume(file, size + 1), -EINVAL);
    same(weft_file_discard(file), 0);
    check(data, size, 0); /* it is still lent */
    same(weft_file_consume(file, 3), 0);
    same(weft_file_consume(file, 0), -EINVAL);
    same(weft_file_read(file, bytes, 1), 1);
    check(bytes, 1, 3);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, reads_to_the_end, &file, sizeof file, NULL));
        ok(weft_spawn(&s, reads_to_the_end, &file, sizeof file, NULL));
        same(weft_yield(), 0);
        same(weft_file_peek(file, &data, &size), 1); /* a view ends with the file */
        same(weft_file_close(file), 0);
    }
    return 0;
}

TEST(busy_and_closed)
{
    file_run(main_busy);
}

static int main_left_open(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK, .ahead = 8)), *other;
    char bytes[BLOCK];

    (void)arg;
    same(weft_file_read_exactly(file, bytes, BLOCK, NULL), BLOCK); /* and more is in flight */
    same(weft_file_from_fd(weft_openat(folder, "a", O_RDONLY, 0), NULL, &other), 0);
    return 0; /* the harness counts descriptors and memory */
}

TEST(left_open)
{
    file_run(main_left_open);
}

/* -- whose descriptor it is ------------------------------------------------------------------- */

static int main_owned(void *arg)
{
    weft_file *file = made(BLOCK, NULL), *other;
    int fd = weft_file_fd(file);
    char byte;

    (void)arg;
    ck_misuse(weft_close(fd), -EBUSY, "weft_close", "a file object has");
    ck_misuse(weft_file_from_fd(fd, NULL, &other), -EBUSY, "weft_file_from_fd", "a file object");
    ck_misuse(weft_fd_move(fd), -EBUSY, "weft_fd_move", "a file object has");
    same(weft_file_read(file, &byte, 1), 1);
    done_with(file);
    file_put("w", "");
    same(weft_file_from_fd(weft_openat(folder, "w", O_WRONLY, 0), NULL, &file), 0);
    same(weft_file_pread(file, &byte, 1, 0), -EBADF); /* it is open all the same */
    same(weft_file_write(file, "x", 1, NULL), 1);
    return weft_file_close(file);
}

TEST(owned)
{
    file_run(main_owned);
}

/* By close(2), which does nothing to a simulated one; then the number is another file's. */
static int main_behind(void *arg)
{
    weft_file *file = made(3 * BLOCK, OPT(.block_size = BLOCK)), *other;
    int fd = weft_file_fd(file), again;
    char bytes[8];

    (void)arg;
    same(weft_file_read(file, bytes, 1), 1);
    if (close(fd) < 0)
        return weft_file_close(file);
    file_put("b", "stranger");
    again = weft_openat(folder, "b", O_RDWR, 0);
    same(again, fd);
    ck_misuse(weft_file_read(file, bytes, 1), -EBADF, "weft_file_read", "was closed");
    same(weft_file_pwrite(file, "x", 1, 0, NULL), -EBADF);
    same(weft_file_pread(file, bytes, 1, 0), -EBADF);
    same(weft_file_from_fd(again, NULL, &other), 0);
    same(weft_file_seek(file, 0, SEEK_END), -EBADF);
    ck_misuse(weft_file_close(file), -EBADF, "weft_file_close", "was closed");
    same(weft_file_read_exactly(other, bytes, 8, NULL), 8);
    ck_assert_mem_eq(bytes, "stranger", 8);
    return weft_file_close(other);
}

TEST(closed_behind)
{
    file_run(main_behind);
}

/* -- where offsets end ------------------------------------------------------------------------ */

/* The last bytes that have an offset, of a device that has them; the simulated disk has none. */
static void read_the_last(void)
{
    static char bytes[3 * BLOCK];
    weft_file *file;
    off_t from = INT64_MAX - (3 * BLOCK - 1);
    int error = weft_file_open("/dev/zero", O_RDONLY, 0, OPT(.block_size = BLOCK), &file);

    if (error == -ENOENT)
        return;
    same(error, 0);
    same(weft_file_seek(file, from, SEEK_SET), from);
    same(weft_file_read_exactly(file, bytes, sizeof bytes - 1, NULL), sizeof bytes - 1);
    same(weft_file_read(file, bytes, 1), 0);
    same(weft_file_close(file), 0);
}

static int main_last(void *arg)
{
    weft_file *file = made(10, OPT(.block_size = 4 * BLOCK));
    char bytes[16];

    (void)arg;
    for (off_t back = 0; back < 5 * BLOCK; back += BLOCK - 1) {
        same(weft_file_seek(file, INT64_MAX - back, SEEK_SET), INT64_MAX - back);
        same(weft_file_read(file, bytes, sizeof bytes), 0);
    }
    same(weft_file_pread(file, bytes, 10, INT64_MAX - 20), 0);
    done_with(file);
    if (!direct)
        read_the_last();
    return 0;
}

static int main_last_direct(void *arg)
{
    (void)arg;
    return has_direct() ? main_last(NULL) : 0;
}

TEST(where_offsets_end)
{
    file_run(main_last);
    file_run(main_last_direct);
}

/* -- mistakes ------------------------------------------------------------------------------- */

static int main_wrong(void *arg)
{
    weft_file *file, *none = NULL;
    char byte = 0;
    const void *data;
    size_t size;
    int pipe[2], fd = file_new("a");

    (void)arg;
    same(weft_pipe(pipe, 0), 0);
    same(weft_file_from_fd(pipe[0], NULL, &file), -ESPIPE);
    same(weft_file_from_fd(-1, NULL, &file), -EBADF);
    same(weft_file_from_fd(19999, NULL, &file), -EBADF);
    ck_misuse(weft_file_from_fd(fd, NULL, NULL), -EINVAL, "weft_file_from_fd", "nowhere");
    same(weft_file_from_fd(fd, OPT(.block_size = 5000), &file), -EINVAL);
    same(weft_file_from_fd(fd, OPT(.block_size = 8 << 20), &file), -EINVAL);
    same(weft_file_from_fd(fd, OPT(.block_size = 512), &file), -EINVAL);
    same(weft_file_from_fd(fd, OPT(.ahead = 65), &file), -EINVAL);
    same(weft_file_open("/tmp", O_RDONLY, 0, OPT(.ahead = 65), &file), -EINVAL);
    same(weft_file_open("/tmp", O_RDONLY, 0, NULL, NULL), -EINVAL);
    same(weft_file_open(NULL, O_RDONLY, 0, NULL, &file), -EFAULT);
    same(weft_file_from_fd(fd, NULL, &file), 0);
    ck_misuse(weft_file_read(file, NULL, 1), -EFAULT, "weft_file_read", "NULL for memory");
    same(weft_file_read_exactly(file, NULL, 1, NULL), -EFAULT);
    same(weft_file_write(file, NULL, 1, NULL), -EFAULT);
    same(weft_file_pwrite(file, NULL, 1, 0, NULL), -EFAULT);
    same(weft_file_pread(file, NULL, 1, 0), -EFAULT);
    same(weft_file_pread(file, &byte, 1, -1), -EINVAL);
    same(weft_file_pwrite(file, &byte, 1, -1, NULL), -EINVAL);
    same(weft_file_read_line(file, NULL, 1), -EFAULT);
    same(weft_file_read_line(file, &byte, 0), -EINVAL);
    same(weft_file_read_until(file, "", 0, &byte, 1), -EINVAL);
    same(weft_file_read_until(file, NULL, 1, &byte, 1), -EINVAL);
    same(weft_file_read_until(file, "x", 1, NULL, 1), -EFAULT);
    same(weft_file_peek(file, NULL, &size), -EINVAL);
    same(weft_file_seek(file, -1, SEEK_SET), -EINVAL);
    same(weft_file_seek(file, 0, 77), -EINVAL);
    same(weft_file_seek(file, INT64_MAX, SEEK_SET), INT64_MAX);
    same(weft_file_seek(file, 1, SEEK_CUR), -EINVAL);
    ck_misuse(weft_file_read(none, &byte, 1), -EINVAL, "weft_file_read", "no file");
    same(weft_file_fd(none), -EINVAL);
    same(weft_file_tell(none), -EINVAL);
    same(weft_file_seek(none, 0, SEEK_SET), -EINVAL);
    same(weft_file_peek(none, &data, &size), -EINVAL);
    same(weft_file_consume(none, 0), -EINVAL);
    same(weft_file_write(none, &byte, 1, NULL), -EINVAL);
    same(weft_file_pread(none, &byte, 1, 0), -EINVAL);
    same(weft_file_pwrite(none, &byte, 1, 0, NULL), -EINVAL);
    same(weft_file_read_exactly(none, &byte, 1, NULL), -EINVAL);
    same(weft_file_read_line(none, &byte, 1), -EINVAL);
    same(weft_file_discard(none), -EINVAL);
    same(weft_file_close(none), 0);
    same(weft_file_close(file), 0);
    same(weft_close(pipe[0]), 0);
    return weft_close(pipe[1]);
}

TEST(mistakes)
{
    weft_file *file = NULL;

    file_run(main_wrong);
    same(weft_file_open("/tmp", O_RDONLY, 0, NULL, &file), -EPERM);
    same(weft_file_from_fd(0, NULL, &file), -EPERM);
    same(weft_file_close(NULL), -EPERM);
}

static int stranger(void *arg)
{
    weft_file *file = *(weft_file **)arg;
    char byte;

    same(weft_file_read(file, &byte, 1), -EXDEV);
    same(weft_file_discard(file), -EXDEV);
    return weft_file_close(file) == -EXDEV ? 0 : -EPROTO;
}

static int main_elsewhere(void *arg)
{
    weft_file *file = made(10, NULL);

    (void)arg;
    same(weft_call(1, stranger, &file, sizeof file), 0);
    done_with(file);
    return 0;
}

TEST(another_reactor)
{
    const struct weft_run_opt two = {.size = sizeof two, .reactors = 2};
    weft_task_fn fn = main_elsewhere;

    same(weft_run(file_main, &fn, sizeof fn, &two), 0);
}

TEST_MAIN("file_object", 60, through, views, exactly, lines, what_is_written_shows,
          what_is_lent_stays, appending, random_steps, through_direct, random_steps_direct,
          grown_direct, units, cancelled, busy_and_closed, left_open, owned, closed_behind,
          where_offsets_end, mistakes, another_reactor)
