/*
 * File objects in random steps: reads, lines, views, writes here and there, seeks, what others do
 * to the file, each compared with a plain array; through the page cache and past it. Catches a
 * block kept though the file was changed, an end that is believed too long, and a position that is
 * not where the steps have brought it, in an order of calls that nobody thought of.
 */
#include "file_object.h"

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

static int main_random_direct(void *arg)
{
    (void)arg;
    return has_direct() ? main_random(NULL) : 0;
}

TEST(random_steps_direct)
{
    file_run(main_random_direct);
}

TEST_MAIN("file_object_steps", 60, random_steps, random_steps_direct)
