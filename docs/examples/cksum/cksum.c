/*
 * cksum [-s] [-q] FILE...: checksums of files, as cksum(1) prints them.
 *
 * A few files at a time, and of each the next pieces are read ahead while a thread computes over
 * the one before: so disk, threads and the loop all have something to do. With -s one piece after
 * another of one file after another, for comparison. On a terminal it shows how far it has come;
 * -q: not.
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

enum { AT_ONCE = 4, PIECE = 256 * 1024 };

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

/* -- one file -------------------------------------------------------------------------------- */

struct portion {
    struct checksum *sum;
    const void *data;
    size_t size;
};
static int compute(void *arg) /* on another thread */
{
    struct portion *portion = arg;

    checksum_add(portion->sum, portion->data, portion->size);
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

/* Takes what has been read, where it lies, until there is no more. */
static int overlapping(weft_file *file, struct checksum *sum)
{
    struct portion portion = {.sum = sum};
    int more, error = 0;

    while (error == 0 && (more = weft_file_peek(file, &portion.data, &portion.size)) != 0) {
        if (more < 0)
            return more;
        error = weft_to_thread(compute, &portion);
        weft_file_consume(file, portion.size);
        job.bytes_done += (int64_t)portion.size;
        tell_progress();
    }
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
    const struct weft_file_opt opt = {.size = sizeof opt, .block_size = PIECE};
    weft_file *ahead;
    int fd = weft_open(file->name, O_RDONLY, 0), error;

    if (fd < 0)
        return fd;
    error = job.serial ? -ESPIPE : weft_file_from_fd(fd, &opt, &ahead);
    if (error == 0) {
        error = overlapping(ahead, &file->sum);
        weft_file_close(ahead); /* and the descriptor */
        return error;
    }
    if (error == -ESPIPE) /* a pipe: nothing can be read ahead of it */
        error = one_after_another(fd, &file->sum);
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

static int usage(void)
{
    fprintf(stderr, "usage: cksum [-s] [-q] FILE...\n");
    return 2;
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
        if (option == '?')
            return usage();
        job.serial |= option == 's';
        job.quiet |= option == 'q';
    }
    if (optind == argc)
        return usage();
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
