/*
 * cksum [-s] [-q] FILE...: checksums of files, as cksum(1) prints them.
 *
 * A few files at a time, and of each the next piece is read while a thread computes over the one
 * before: so disk, threads and the loop all have something to do. With -s one piece after another
 * of one file after another, for comparison. On a terminal it shows how far it has come; -q: not.
 */
#include "cksum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/weft.h>

enum { AT_ONCE = 4, PIECE = 256 * 1024, PIECES = 2 };

struct file {
    const char *name;
    int error;
    struct checksum sum;
};

struct job {
    struct file *files;
    int count, done;
    bool serial, quiet;
    int64_t bytes, bytes_done, began;
};
static struct job job;

/* A piece of a file; full when it has been read, NULL data: the end, or an error. */
struct piece {
    char *data;
    ssize_t size;
};

/* -- one file -------------------------------------------------------------------------------- */

struct reading {
    int fd;
    weft_queue empty, full; /* of struct piece: each is in one of them, or in somebody's hands */
};

/* Reads ahead, as far as there are empty pieces. */
static int read_ahead(void *arg)
{
    struct reading *from = *(struct reading **)arg;
    struct piece piece;
    int error;

    do {
        error = weft_queue_get(&from->empty, &piece);
        if (error < 0)
            return error;
        piece.size = weft_read(from->fd, piece.data, PIECE);
        error = weft_queue_put(&from->full, &piece);
    } while (error == 0 && piece.size > 0);
    return error;
}

struct portion {
    struct checksum *sum;
    const struct piece *piece;
};
static int compute(void *arg) /* on another thread */
{
    struct portion *portion = arg;

    checksum_add(portion->sum, portion->piece->data, (size_t)portion->piece->size);
    return 0;
}

static void tell_progress(void)
{
    double share = job.bytes ? (double)job.bytes_done / (double)job.bytes : 1;
    double seconds = (double)(weft_now() - job.began) / 1e9;
    int filled = (int)(share * 30);

    if (job.quiet)
        return;
    fprintf(stderr, "\r[%.*s%*s] %3d %%  %d of %d files, %.0f MB/s ", filled,
            "##############################", 30 - filled, "", (int)(share * 100), job.done,
            job.count, seconds > 0 ? (double)job.bytes_done / 1e6 / seconds : 0.0);
    if (job.done == job.count)
        fputc('\n', stderr);
}

/* Takes what has been read until there is no more. */
static int add_up(struct reading *from, struct checksum *sum)
{
    struct piece piece = {NULL, 0};
    int error;

    while ((error = weft_queue_get(&from->full, &piece)) == 0 && piece.size > 0) {
        struct portion portion = {sum, &piece};

        error = weft_to_thread(compute, &portion);
        if (error == 0)
            error = weft_queue_put(&from->empty, &piece);
        if (error < 0)
            return error;
        job.bytes_done += piece.size;
        tell_progress();
    }
    return error < 0 ? error : (int)piece.size;
}

static int overlapping(int fd, struct checksum *sum)
{
    static const weft_queue of_pieces = {.item_size = sizeof(struct piece), .max = PIECES};
    struct reading from = {fd, of_pieces, of_pieces}, *pointer = &from;
    char *memory = malloc((size_t)PIECE * PIECES);
    int error = memory ? 0 : -ENOMEM;

    for (int i = 0; i < PIECES && error == 0; i++) {
        struct piece piece = {memory + (size_t)i * PIECE, 0};
        error = weft_queue_put_nowait(&from.empty, &piece);
    }
    if (error == 0)
        WEFT_SCOPE(reader) {
            error = weft_spawn(&reader, read_ahead, &pointer, sizeof pointer, NULL);
            if (error == 0)
                error = add_up(&from, sum);
            weft_scope_cancel(&reader);
        }
    weft_queue_destroy(&from.empty);
    weft_queue_destroy(&from.full);
    free(memory);
    return error;
}

static int one_after_another(int fd, struct checksum *sum)
{
    char *data = malloc(PIECE);
    ssize_t n = -ENOMEM;

    while (data && (n = weft_read(fd, data, PIECE)) > 0) {
        checksum_add(sum, data, (size_t)n);
        job.bytes_done += n;
        tell_progress();
    }
    free(data);
    return (int)n;
}

static int sum_up(struct file *file)
{
    int fd = weft_open(file->name, O_RDONLY, 0);

    if (fd < 0)
        return fd;
    int error = job.serial ? one_after_another(fd, &file->sum) : overlapping(fd, &file->sum);
    weft_close(fd);
    return error;
}

/* -- all of them ----------------------------------------------------------------------------- */

static int next;
static int worker(void *arg)
{
    (void)arg;
    while (next < job.count && weft_cancelled() == 0) {
        struct file *file = &job.files[next++];

        file->error = sum_up(file);
        checksum_end(&file->sum);
        job.done++;
        tell_progress();
    }
    return 0;
}

static int look_at_sizes(void)
{
    struct statx status;

    for (int i = 0; i < job.count; i++) {
        int error = weft_statx(AT_FDCWD, job.files[i].name, 0, STATX_SIZE, &status);
        if (error == -ECANCELED)
            return error;
        job.bytes += error == 0 ? (int64_t)status.stx_size : 0;
    }
    return 0;
}

static int work(void *arg)
{
    (void)arg;
    int error = look_at_sizes();

    job.began = weft_now();
    WEFT_SCOPE(workers)
        for (int i = 0; i < (job.serial ? 1 : AT_ONCE) && error == 0; i++)
            error = weft_spawn(&workers, worker, NULL, 0, NULL);
    return error;
}

static int print_results(void)
{
    int failed = 0;

    for (int i = 0; i < job.count; i++) {
        const struct file *file = &job.files[i];

        if (file->error < 0)
            fprintf(stderr, "cksum: %s: %s\n", file->name, strerror(-file->error));
        else
            printf("%u %llu %s\n", file->sum.crc, (unsigned long long)file->sum.size, file->name);
        failed |= file->error < 0;
    }
    return failed;
}

int main(int argc, char **argv)
{
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 1,
                               .stop_on_sigterm = true,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int option;

    job.quiet = !isatty(STDERR_FILENO);
    while ((option = getopt(argc, argv, "sq")) != -1) {
        if (option == '?') {
            fprintf(stderr, "usage: cksum [-s] [-q] FILE...\n");
            return 2;
        }
        job.serial |= option == 's';
        job.quiet |= option == 'q';
    }
    job.count = argc - optind;
    job.files = calloc((size_t)job.count + 1, sizeof *job.files);
    if (!job.files)
        return 2;
    for (int i = 0; i < job.count; i++)
        job.files[i].name = argv[optind + i];
    int result = weft_run(work, NULL, 0, &opt);
    if (result < 0)
        fprintf(stderr, "cksum: %s\n", why[0] ? why : strerror(-result));
    result = result < 0 ? 2 : print_results();
    free(job.files);
    return result;
}
