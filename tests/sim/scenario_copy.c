/*
 * The scenarios of copies of files, and of who waits for several things at once; scenario.h says by
 * which rules.
 */
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { WHOLE = 9000, PIECE = 600, ITEMS = 4 };

/* -- copies ---------------------------------------------------------------------------------------
 */

static int fill_file(int fd)
{
    ssize_t n = 0;

    for (int i = 0; i < WHOLE / PIECE && n >= 0; i++)
        n = scenario_write_file(fd, 0, PIECE);
    return n < 0 ? (int)n : 0;
}

/* By the file system the first half, through a pipe what is left. */
static int copy(int from, int to)
{
    off_t in = 0, out = 0;
    int fds[2], error;
    ssize_t n = 0, m = 0;

    while (in < WHOLE / 2 &&
           (n = weft_copy_file_range(from, &in, to, &out, (size_t)(WHOLE / 2 - in), 0)) > 0)
        continue;
    if (n == -EXDEV || n == -EOPNOTSUPP) /* not between these two, it says */
        n = 0;
    if (n < 0 || (error = weft_pipe(fds, 0)) < 0)
        return n < 0 ? (int)n : error;
    while (in < WHOLE && n >= 0 && m >= 0) {
        n = weft_splice(from, &in, fds[1], NULL, 2000, 0);
        if (n == 0)
            scenario_failed("the file ends at %lld", (long long)in);
        for (ssize_t left = n; left > 0 && m >= 0; left -= m)
            m = weft_splice(fds[0], NULL, to, &out, (size_t)left, 0);
    }
    weft_close(fds[0]);
    weft_close(fds[1]);
    if (n >= 0 && m >= 0 && (in != WHOLE || out != WHOLE))
        scenario_failed("from %lld, to %lld", (long long)in, (long long)out);
    return n < 0 ? (int)n : m < 0 ? (int)m : 0;
}

/* Blocks read ahead, into memory the reactor holds. The descriptor is the file's, if there is one.
 */
static int verify(int fd)
{
    const struct weft_file_opt opt = {.size = sizeof opt, .block_size = 4096, .ahead = 2};
    weft_file *file;
    void *memory;
    ssize_t n = 1;
    int error = weft_file_from_fd(fd, &opt, &file), closed;

    if (error < 0) {
        weft_close(fd);
        return error;
    }
    error = weft_file_memory_take(4096, &memory);
    while (error == 0 && (n = weft_file_read(file, memory, 4096)) > 0)
        scenario_came(0, memory, (size_t)n);
    if (error == 0)
        (void)weft_file_memory_put(memory);
    closed = weft_file_close(file);
    return error < 0 ? error : n < 0 ? (int)n : closed;
}

static int copies(void *arg)
{
    int from = weft_open("/tmp/from", O_RDWR | O_CREAT | O_TRUNC, 0600), to = -1, error = from;

    (void)arg;
    if (error >= 0)
        error = fill_file(from);
    if (error >= 0)
        error = to = weft_open("/tmp/to", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (error >= 0)
        error = copy(from, to);
    if (from >= 0)
        weft_close(from);
    if (error >= 0)
        return verify(to);
    if (to >= 0)
        weft_close(to);
    return error;
}

int scenario_copies_main(void *arg)
{
    return scenario_side_by_side(copies, &arg, sizeof arg, 1);
}

/* -- several at once ------------------------------------------------------------------------------
 */

static struct {
    weft_queue queue;
    weft_watch *watch;
    weft_future *future;
    int put, got, made, seen;
} several;

/* Puts an item, makes a folder, by turns; and settles the future at last. */
static int does(void)
{
    int error = 0;

    for (int i = 0; i < ITEMS && error == 0; i++) {
        const char path[] = {'/', 't', 'm', 'p', '/', (char)('a' + i), '\0'};
        error = weft_queue_put(&several.queue, &i);
        several.put += error == 0;
        if (error == 0)
            error = weft_mkdirat(AT_FDCWD, path, 0700);
        several.made += error == 0;
    }
    (void)weft_future_set_result(several.future, 1);
    return error;
}

/* What a case that lost brought all the same counts as well. */
static int waits(void)
{
    struct weft_watch_event event;
    bool settled = false;
    int item, error = 0;

    while (error >= 0 && (!settled || several.got < several.put || several.seen < several.made)) {
        weft_case cases[] = {weft_case_get(&several.queue, &item),
                             settled ? weft_case_never()
                                     : weft_case_await(weft_of_future(several.future)),
                             weft_case_watch(several.watch, &event, 0),
                             weft_case_until(weft_after_ms(10000))};
        error = weft_select(cases, 4, 0);
        if (error >= 0 && cases[error].result < 0 && error != 3)
            error = (int)cases[error].result;
        if (cases[0].result == 0 && item != several.got++)
            scenario_failed("item %d came", item);
        settled |= cases[1].result == 1;
        if (cases[2].result == 0 && event.name[0] != 'a' + several.seen++)
            scenario_failed("%s was made", event.name);
        error = error == 3 ? -ETIMEDOUT : error;
    }
    return error < 0 ? error : 0;
}

static int selects(void *arg)
{
    int error = *(int *)arg ? does() : waits();

    if (error < 0)
        (void)weft_scope_cancel(ledger.scope);
    return error;
}

int scenario_several_main(void *arg)
{
    const int who[] = {0, 1};
    int error;

    (void)arg;
    memset(&several, 0, sizeof several);
    several.queue = (weft_queue){.item_size = sizeof(int), .max = 2};
    error = weft_future_create(&several.future, NULL);
    if (error == 0)
        error = weft_watch_open(&several.watch);
    if (error == 0)
        error = weft_watch_add(several.watch, "/tmp", WEFT_WATCH_CREATED);
    if (error >= 0)
        error = scenario_side_by_side(selects, who, sizeof who[0], 2);
    if (several.put - several.got != weft_queue_count(&several.queue))
        scenario_failed("%d put, %d got", several.put, several.got);
    (void)weft_watch_close(several.watch);
    (void)weft_queue_destroy(&several.queue);
    weft_future_put(several.future);
    return error;
}
