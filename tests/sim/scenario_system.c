/*
 * The scenarios of files, pipes, other processes, and what tasks wait for one another with;
 * scenario.h says by which rules.
 */
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <weft/sim.h>

#define SCOPE(...) (&(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt), __VA_ARGS__})

enum { PIECE = 300, PIECES = 3 };

void scenario_came(int way, const void *bytes, size_t size)
{
    scenario_received(way, bytes, size);
    ledger.ways[way].echoed += size;
}

/* Closes the scope that the tasks were begun in; what is the main task's result then. */
static int end_scope(weft_scope *s, int error)
{
    int closed;

    if (error < 0)
        weft_scope_cancel(s);
    closed = weft_scope_close(s);
    ledger.scope = NULL;
    error = error < 0 ? error : closed;
    ledger.whole = error == 0 && !weft_cancelled();
    return error;
}

int scenario_side_by_side(weft_task_fn fn, const void *args, size_t size, int count)
{
    int error;
    weft_scope s;

    error = weft_scope_open(&s, SCOPE(.deadline = weft_after_ms(60000)));
    if (error < 0)
        return error;
    ledger.scope = &s;
    for (int i = 0; i < count && error == 0; i++)
        error = scenario_spawn(&s, fn, (const char *)args + (size_t)i * size, size, 0);
    return end_scope(&s, error);
}

/* -- files ------------------------------------------------------------------------------------ */

static int write_file(const char *path, int way)
{
    int fd = weft_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), closed;
    ssize_t n = fd;

    for (int i = 0; i < PIECES && n >= 0; i++)
        n = scenario_write_file(fd, way, PIECE);
    if (n >= 0)
        n = weft_fsync(fd);
    closed = fd < 0 ? 0 : weft_close(fd);
    return n < 0 ? (int)n : closed;
}

static int read_file(const char *path, int way)
{
    weft_file *file;
    const void *data;
    size_t size;
    int error = weft_file_open(path, O_RDONLY, 0, NULL, &file), n = 0, closed;

    if (error < 0)
        return error;
    while ((n = weft_file_peek(file, &data, &size)) > 0) {
        scenario_came(way, data, size);
        n = weft_file_consume(file, size);
        if (n < 0)
            break;
    }
    closed = weft_file_close(file);
    return n < 0 ? n : closed;
}

/* Written under one name, read under another; both are gone in the end, if that can be had. */
static int keeps(void *arg)
{
    int way = *(int *)arg, error;
    char path[32], kept[32];

    snprintf(path, sizeof path, "/tmp/new%d", way);
    snprintf(kept, sizeof kept, "/tmp/kept%d", way);
    error = write_file(path, way);
    if (error == 0)
        error = weft_renameat(AT_FDCWD, path, AT_FDCWD, kept);
    if (error == 0)
        error = read_file(kept, way);
    (void)weft_unlinkat(AT_FDCWD, path, 0);
    (void)weft_unlinkat(AT_FDCWD, kept, 0);
    return error;
}

int scenario_files_main(void *arg)
{
    const int ways[] = {0, 1};

    (void)arg;
    return scenario_side_by_side(keeps, ways, sizeof ways[0], 2);
}

/* -- pipes ------------------------------------------------------------------------------------ */

struct end {
    int fd;
    bool writes;
};

/* Who has an end closes it. */
static int pipes_end(void *arg)
{
    const struct end *end = arg;
    char bytes[PIECE / 2];
    ssize_t n = 0;

    if (end->writes) {
        for (int i = 0; i < PIECES && n >= 0; i++)
            n = scenario_write_file(end->fd, 0, PIECE);
    } else {
        while ((n = weft_read(end->fd, bytes, sizeof bytes)) > 0)
            scenario_came(0, bytes, (size_t)n);
    }
    weft_close(end->fd);
    return n < 0 ? (int)n : 0;
}

int scenario_pipe_main(void *arg)
{
    int fds[2], error, begun = 0;
    weft_scope s;

    (void)arg;
    error = weft_scope_open(&s, SCOPE(.deadline = weft_after_ms(60000)));
    if (error < 0)
        return error;
    ledger.scope = &s;
    error = weft_pipe(fds, 0);
    if (error < 0)
        return end_scope(&s, error);
    for (; begun < 2 && error == 0; begun += error == 0)
        error = scenario_spawn(&s, pipes_end, &(struct end){fds[begun], begun == 1},
                               sizeof(struct end), 0);
    for (int i = begun; i < 2; i++)
        weft_close(fds[i]);
    return end_scope(&s, error);
}

/* -- another process -------------------------------------------------------------------------- */

static int copies(weft_sim_process *process, int argc, char **argv)
{
    char bytes[100];
    ssize_t n;

    (void)argc, (void)argv;
    while ((n = weft_sim_process_read(process, 0, bytes, sizeof bytes)) > 0)
        if (weft_sim_process_write(process, 1, bytes, (size_t)n) < 0)
            return 1;
    return 0;
}

static int asks(void *arg)
{
    const char *const arguments[] = {"/bin/copies", NULL};
    const struct weft_process_opt opt = {.size = sizeof opt,
                                         .in = WEFT_PIPE,
                                         .out = WEFT_PIPE,
                                         .grace_ns = -1};
    struct weft_process_output output = {.limit = 0};
    struct weft_process_status status = {.code = -1};
    weft_process *process;
    char bytes[PIECE];
    int error = weft_create_subprocess_exec(arguments, &opt, &process);

    (void)arg;
    if (error < 0)
        return error;
    scenario_fill(0, bytes, sizeof bytes);
    error = weft_process_communicate(process, bytes, sizeof bytes, &output, &status);
    if (error == 0 && status.code == 0) { /* it had all of it, and so have we */
        ledger.ways[0].sent = ledger.ways[0].offered;
        if (output.out_size != sizeof bytes)
            scenario_failed("%zu bytes came of the process", output.out_size);
    }
    if (error == 0 && status.code != 0) /* it was ended */
        error = -EPIPE;
    if (error == 0)
        scenario_came(0, output.out, output.out_size);
    weft_process_output_free(&output);
    (void)weft_process_close(process);
    if (weft_sim_processes() != 0)
        scenario_failed("%u processes are left", weft_sim_processes());
    return error;
}

int scenario_process_main(void *arg)
{
    int error = weft_sim_program("/bin/copies", copies);

    return error < 0 ? error : scenario_side_by_side(asks, &arg, sizeof arg, 1);
}

/* -- what tasks wait for one another with --------------------------------------------------------
 */

/* A queue of bytes, put by two under the lock, of whom one has the permit; the last who leaves
   shuts it down. */
static struct {
    weft_queue queue;
    weft_lock lock;
    weft_semaphore permit;
    weft_event begun;
    int putters;
} shared;

static int put_one(void)
{
    unsigned char byte;
    int error = weft_lock_acquire(&shared.lock);

    if (error < 0)
        return error;
    scenario_fill(0, (char *)&byte, 1);
    error = weft_queue_put(&shared.queue, &byte);
    ledger.ways[0].sent += error == 0;
    (void)weft_lock_release(&shared.lock);
    return error;
}

static int puts_some(void)
{
    int error = weft_event_wait(&shared.begun);

    for (int i = 0; i < 6 && error == 0; i++) {
        error = weft_semaphore_acquire(&shared.permit);
        if (error < 0)
            return error;
        error = put_one();
        (void)weft_semaphore_release(&shared.permit);
        if (error == 0)
            error = weft_sleep(1000);
    }
    return error;
}

static int takes_all(void)
{
    unsigned char byte;
    int error;

    (void)weft_event_set(&shared.begun);
    while ((error = weft_queue_get(&shared.queue, &byte)) == 0)
        scenario_came(0, &byte, 1);
    (void)weft_queue_shutdown(&shared.queue, false); /* nobody takes any more */
    return error == -ESHUTDOWN ? 0 : error;
}

static int hands_over(void *arg)
{
    int error;

    if (*(int *)arg == 0)
        return takes_all();
    error = puts_some();
    if (--shared.putters == 0)
        (void)weft_queue_shutdown(&shared.queue, false);
    return error;
}

int scenario_sync_main(void *arg)
{
    const int who[] = {1, 2, 0};
    int error, left;

    (void)arg;
    memset(&shared, 0, sizeof shared);
    shared.queue = (weft_queue){.item_size = 1, .max = 2};
    shared.permit = (weft_semaphore)WEFT_SEMAPHORE_INIT(1);
    shared.putters = 2;
    error = scenario_side_by_side(hands_over, who, sizeof who[0], 3);
    left = weft_queue_count(&shared.queue);
    if (ledger.ways[0].sent - ledger.ways[0].received != (uint64_t)left)
        scenario_failed("%d items are left", left);
    if (weft_lock_held(&shared.lock) || weft_semaphore_value(&shared.permit) != 1)
        scenario_failed("the lock or the permit is not back");
    (void)weft_queue_destroy(&shared.queue);
    return error;
}
