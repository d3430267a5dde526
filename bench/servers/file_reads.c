/* file-reads: what a random read of 4 KiB costs, in CPU time, through weft and on a bare ring.
 *
 *     file-reads FOLDER direct|cached [ROUNDS [READS [MIB]]]
 *
 * A file of MIB mebibytes is made in FOLDER and read with 64 reads in flight, past the page cache
 * (O_DIRECT) or out of it. One process, one thread: slices of READS reads take turns, each by
 * another contender, in an order that turns; the first round warms up and is not told. Every block
 * knows its number, and every read is checked for it. One line of JSON: for each contender what
 * each round took. 77 where the folder's file system has no O_TMPFILE or O_DIRECT.
 *
 * The bare contenders run inside weft's main task, which holds up nobody: nothing else is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#include "bare_ring.h"
#include "common.h"

enum { BLOCK = 4096, DEPTH = 64, ROUNDS_MAX = 1000, CONTENDERS = 6, SKIPPED = 77 };

struct reading {
    int fd;
    uint64_t blocks; /* in the file */
    uint64_t reads;  /* of a slice */
    uint64_t left;   /* to be begun */
    uint64_t random; /* the generator's state */
    uint64_t wrong;  /* reads that failed, were short, or found another block's number */
    char *buffers;   /* DEPTH of them */
    weft_file *file; /* the same file as an object */
    uint64_t asked[DEPTH];
};

struct contender {
    const char *name;
    int (*slice)(struct contender *contender, struct reading *reading);
    bool fixed_file, fixed_memory;
    struct bare_ring ring;
    uint64_t enters; /* of the slice */
    double cpu_us[ROUNDS_MAX], seconds[ROUNDS_MAX], enters_per_read[ROUNDS_MAX];
};

static struct {
    const char *folder;
    bool direct;
    uint64_t rounds, reads, mebibytes;
} plan = {.rounds = 15, .reads = 8192, .mebibytes = 256};

static struct reading reading;

/* -- what all of them do ----------------------------------------------------------------------- */

static uint64_t choose(struct reading *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random % r->blocks;
}

static inline char *buffer_of(struct reading *r, unsigned slot)
{
    return r->buffers + (size_t)slot * BLOCK;
}

static inline void check(struct reading *r, unsigned slot, int64_t result)
{
    uint64_t number;

    memcpy(&number, buffer_of(r, slot), sizeof number);
    r->wrong += result != BLOCK || number != r->asked[slot];
}

/* -- bare rings -------------------------------------------------------------------------------- */

static int open_bare(struct contender *c)
{
    const struct bare_ring_options options = {.sq_entries = 2 * DEPTH,
                                              .cq_entries = 4 * DEPTH,
                                              .defer = true,
                                              .no_sqarray = true,
                                              .registered = true};
    struct iovec vectors[DEPTH];
    int error = bare_ring_open(&c->ring, &options);

    if (error == 0 && c->fixed_file &&
        syscall(__NR_io_uring_register, c->ring.fd, IORING_REGISTER_FILES, &reading.fd, 1) < 0)
        error = -errno;
    if (error < 0 || !c->fixed_memory)
        return error;
    for (unsigned i = 0; i < DEPTH; i++)
        vectors[i] = (struct iovec){buffer_of(&reading, i), BLOCK};
    return syscall(__NR_io_uring_register, c->ring.fd, IORING_REGISTER_BUFFERS, vectors, DEPTH) < 0
               ? -errno
               : 0;
}

static void ask(struct contender *c, struct reading *r, unsigned slot)
{
    struct io_uring_sqe *sqe = bare_ring_request(&c->ring);
    uint64_t block = r->asked[slot] = choose(r);

    if (c->fixed_memory)
        io_uring_prep_read_fixed(sqe, r->fd, buffer_of(r, slot), BLOCK, block * BLOCK, (int)slot);
    else
        io_uring_prep_read(sqe, r->fd, buffer_of(r, slot), BLOCK, block * BLOCK);
    if (c->fixed_file) {
        sqe->fd = 0;
        sqe->flags |= IOSQE_FIXED_FILE;
    }
    sqe->user_data = slot;
    r->left--;
}

static int bare_slice(struct contender *c, struct reading *r)
{
    struct bare_ring *ring = &c->ring;
    uint64_t done = 0, enters = ring->enters;

    for (unsigned slot = 0; slot < DEPTH && r->left > 0; slot++)
        ask(c, r, slot);
    while (done < r->reads) {
        unsigned head = *ring->cq_khead, tail;
        int error = bare_ring_enter(ring, 1, 0);

        if (error < 0 && error != -EINTR)
            return error;
        tail = __atomic_load_n(ring->cq_ktail, __ATOMIC_ACQUIRE);
        for (; head != tail; head++, done++) {
            const struct io_uring_cqe *cqe = &ring->cqes[head & ring->cq_mask];
            unsigned slot = (unsigned)cqe->user_data;

            check(r, slot, cqe->res);
            if (r->left > 0)
                ask(c, r, slot);
        }
        __atomic_store_n(ring->cq_khead, head, __ATOMIC_RELEASE);
    }
    c->enters = ring->enters - enters;
    return 0;
}

/* -- weft: a task for each read in flight ------------------------------------------------------ */

static int reader(void *arg)
{
    unsigned slot = *(unsigned *)arg;

    while (reading.left > 0) {
        reading.left--;
        reading.asked[slot] = choose(&reading);
        check(&reading, slot,
              weft_pread(reading.fd, buffer_of(&reading, slot), BLOCK,
                         (off_t)(reading.asked[slot] * BLOCK)));
    }
    return 0;
}

/* The same of a file object. */
static int file_reader(void *arg)
{
    unsigned slot = *(unsigned *)arg;

    while (reading.left > 0) {
        reading.left--;
        reading.asked[slot] = choose(&reading);
        check(&reading, slot,
              weft_file_pread(reading.file, buffer_of(&reading, slot), BLOCK,
                              (off_t)(reading.asked[slot] * BLOCK)));
    }
    return 0;
}

static int read_by(struct contender *c, weft_task_fn task)
{
    struct weft_stats before, after;
    weft_scope scope;
    int error = weft_scope_open(&scope, NULL);

    if (error < 0)
        return error;
    weft_stats(&before, sizeof before);
    for (unsigned slot = 0; slot < DEPTH && error == 0; slot++)
        error = weft_spawn(&scope, task, &slot, sizeof slot, NULL);
    if (error < 0)
        weft_scope_cancel(&scope);
    error = weft_scope_close(&scope);
    weft_stats(&after, sizeof after);
    c->enters = after.enters - before.enters;
    return error;
}

static int weft_slice(struct contender *c, struct reading *r)
{
    (void)r;
    return read_by(c, reader);
}

static int weft_file_slice(struct contender *c, struct reading *r)
{
    (void)r;
    return read_by(c, file_reader);
}

/* -- the file ---------------------------------------------------------------------------------- */

static int write_blocks(int fd)
{
    static char piece[1 << 20] __attribute__((aligned(BLOCK)));

    for (uint64_t block = 0; block < reading.blocks;) {
        for (char *at = piece; at < piece + sizeof piece; at += BLOCK, block++)
            memcpy(at, &block, sizeof block);
        if (write(fd, piece, sizeof piece) != (ssize_t)sizeof piece)
            return errno ? -errno : -EIO;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int fill_cache(int fd)
{
    static char bytes[BLOCK];

    for (uint64_t block = 0; block < reading.blocks; block++)
        if (pread(fd, bytes, BLOCK, (off_t)(block * BLOCK)) != BLOCK)
            return -EIO;
    return 0;
}

/* A file without a name, opened once more the way it is to be read. */
static int make_file(void)
{
    char path[64];
    int error, fd = open(plan.folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    error = write_blocks(fd);
    if (error == 0) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        reading.fd = open(path, O_RDONLY | O_CLOEXEC | (plan.direct ? O_DIRECT : 0));
        error = reading.fd < 0 ? -errno : 0;
    }
    if (error == 0 && !plan.direct)
        error = fill_cache(reading.fd);
    close(fd);
    return error;
}

/* -- the run ----------------------------------------------------------------------------------- */

static struct contender contenders[CONTENDERS] = {
    {.name = "weft", .slice = weft_slice},
    {.name = "weft-file", .slice = weft_file_slice},
    {.name = "ring", .slice = bare_slice},
    {.name = "ring-fixed", .slice = bare_slice, .fixed_file = true, .fixed_memory = true},
    {.name = "ring-fixed-file", .slice = bare_slice, .fixed_file = true},
    {.name = "ring-fixed-memory", .slice = bare_slice, .fixed_memory = true},
};

static double cpu_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int measure(struct contender *c, uint64_t round)
{
    uint64_t began = now_ns();
    double cpu_us = cpu_now_us();
    int error;

    reading.left = reading.reads;
    error = c->slice(c, &reading);
    if (round > 0) {
        c->cpu_us[round - 1] = (cpu_now_us() - cpu_us) / (double)reading.reads;
        c->seconds[round - 1] = (double)(now_ns() - began) / 1e9;
        c->enters_per_read[round - 1] = (double)c->enters / (double)reading.reads;
    }
    return error;
}

/* The object has a descriptor of its own: the plain one is read by others. All read into memory
   that weft gave, so that it lies alike for all; the object alone is told of it. */
static int open_object(void)
{
    const struct weft_file_opt opt = {.size = sizeof opt, .no_ahead = true};
    int error, fd = fcntl(reading.fd, F_DUPFD_CLOEXEC, 0);
    void *memory;

    if (fd < 0)
        return -errno;
    error = weft_file_from_fd(fd, &opt, &reading.file);
    if (error == 0)
        error = weft_file_memory_take((size_t)DEPTH * BLOCK, &memory);
    if (error == 0)
        reading.buffers = memory;
    return error;
}

static int measure_all(void *arg)
{
    int error = open_object();

    (void)arg;
    for (unsigned i = 0; i < CONTENDERS && error == 0; i++)
        if (contenders[i].slice == bare_slice)
            error = open_bare(&contenders[i]);
    for (uint64_t round = 0; round <= plan.rounds && error == 0; round++)
        for (unsigned i = 0; i < CONTENDERS && error == 0; i++)
            error = measure(&contenders[(i + round) % CONTENDERS], round);
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (contenders[i].ring.map)
            bare_ring_close(&contenders[i].ring);
    (void)weft_file_memory_put(reading.buffers);
    return weft_file_close(reading.file) < 0 ? -EIO : error;
}

static void report(void)
{
    struct json json = {.out = stdout};

    json_open(&json, NULL, '{');
    json_text(&json, "mode", plan.direct ? "direct" : "cached");
    json_count(&json, "reads", plan.reads);
    json_count(&json, "wrong", reading.wrong);
    json_open(&json, "contenders", '{');
    for (unsigned i = 0; i < CONTENDERS; i++) {
        json_open(&json, contenders[i].name, '{');
        json_series(&json, "cpu_us", contenders[i].cpu_us, plan.rounds);
        json_series(&json, "seconds", contenders[i].seconds, plan.rounds);
        json_series(&json, "enters_per_read", contenders[i].enters_per_read, plan.rounds);
        json_close(&json, '}');
    }
    json_close(&json, '}');
    json_close(&json, '}');
    putchar('\n');
}

static bool parse(int argc, char **argv)
{
    if (argc < 3 || argc > 6)
        return false;
    plan.folder = argv[1];
    plan.direct = strcmp(argv[2], "direct") == 0;
    return (plan.direct || strcmp(argv[2], "cached") == 0) &&
           (argc < 4 || parse_number(argv[3], 1, ROUNDS_MAX, &plan.rounds)) &&
           (argc < 5 || parse_number(argv[4], DEPTH, 1 << 24, &plan.reads)) &&
           (argc < 6 || parse_number(argv[5], 1, 1 << 20, &plan.mebibytes));
}

int main(int argc, char **argv)
{
    char why[512] = "";
    const struct weft_run_opt opt = {.size = sizeof opt,
                                     .error_text = why,
                                     .error_text_size = sizeof why};
    int error;

    if (!parse(argc, argv)) {
        fputs("usage: file-reads FOLDER direct|cached [ROUNDS [READS [MIB]]]\n", stderr);
        return 2;
    }
    reading = (struct reading){.fd = -1,
                               .blocks = plan.mebibytes << 8,
                               .reads = plan.reads,
                               .random = 88172645463325252u};
    error = make_file();
    if (error == 0)
        error = weft_run(measure_all, NULL, 0, &opt);
    if (error == 0)
        report();
    else
        fprintf(stderr, "file-reads: %s: %s\n", plan.folder, why[0] ? why : strerror(-error));
    if (error == -EOPNOTSUPP || (error == -EINVAL && plan.direct && reading.fd < 0))
        return SKIPPED; /* the folder's file system cannot */
    return error < 0 || reading.wrong > 0;
}
