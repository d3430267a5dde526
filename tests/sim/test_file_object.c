/*
 * What a file object reads ahead, on a disk that takes its time, fails and hangs: by the virtual
 * clock, which is no matter of luck. Catches reading that is not ahead, an error told of another
 * place than it befell or kept for ever, a reader who waits for what he has given up, bytes lost
 * with him, more blocks than there may be, and past the page cache what one writer does to
 * another's flag, pieces and memory, or to another file that has the number by now.
 */
#include "base/memory.h"
#include "file_object.h"
#include "ring/host.h"

/* -- the time it takes ----------------------------------------------------------------------- */

/* Reads a block in 10 ms and computes for 10 ms; how long until the end, in milliseconds. */
static int64_t time_with(const struct weft_file_opt *opt)
{
    weft_file *file = made(opt);
    int64_t begun = weft_now();

    for (size_t i = 0; i < BLOCKS; i++) {
        expect(file, i);
        same(weft_sleep(10 * MS), 0);
    }
    begun = (weft_now() - begun) / MS;
    same(weft_file_close(file), 0);
    return begun;
}

static int main_time(void *arg)
{
    int64_t after_one_another = time_with(OPT(.block_size = BLOCK, .no_ahead = true));
    int64_t ahead = time_with(OPT(.block_size = BLOCK));

    (void)arg;
    ck_assert_int_ge(after_one_another, 2 * 10 * BLOCKS);
    ck_assert_int_ge(ahead, 10 * (BLOCKS + 1)); /* computing, and the first block */
    ck_assert_int_lt(ahead, 10 * (BLOCKS + 2));
    return 0;
}

TEST(ahead_of_time)
{
    run("calm disk.time=10ms", main_time);
}

/* -- errors ---------------------------------------------------------------------------------- */

static int main_error(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .ahead = 4));
    char byte;

    (void)arg;
    expect(file, 0);
    same(weft_sleep(100 * MS), 0); /* the third has failed by now */
    expect(file, 1);
    same(weft_file_read(file, &byte, 1), -EIO);
    same(weft_cause(), WEFT_CAUSE_NONE);
    same(weft_file_tell(file), 2 * BLOCK);
    for (size_t i = 2; i < BLOCKS; i++) /* once more, and it is there */
        expect(file, i);
    same(weft_file_read(file, &byte, 1), 0);
    return weft_file_close(file);
}

TEST(told_where_it_is)
{
    run("calm disk.time=1ms read#3@file=EIO", main_error);
}

/* A block was read in part, and its next part fails; who has sought beyond that reads his own. */
static int tried;

static int main_sought(void *arg)
{
    weft_file *file = made(OPT(.block_size = 4 * BLOCK));
    char bytes[4 * BLOCK];
    ssize_t n = weft_file_read(file, bytes, sizeof bytes);

    (void)arg;
    if (n < 2 * BLOCK) {
        same(weft_file_seek(file, 3 * BLOCK, SEEK_SET), 3 * BLOCK);
        expect(file, 3);
        tried++;
    }
    return weft_file_close(file);
}

TEST(not_told_of_another_page)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct world world = {.seed = seed,
                              .plan = "calm read#1=short read#2=EIO",
                              .task = main_sought};
        same(world_run(&world), 0);
    }
    ck_assert_int_ge(tried, 1);
}

/* Nobody reads there, so nobody is told. */
static int main_unread(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .ahead = 4));

    (void)arg;
    expect(file, 0);
    same(weft_sleep(100 * MS), 0);
    same(weft_file_seek(file, 4 * BLOCK, SEEK_SET), 4 * BLOCK);
    expect(file, 4);
    same(weft_file_seek(file, 2 * BLOCK, SEEK_SET), 2 * BLOCK);
    expect(file, 2);
    return weft_file_close(file);
}

TEST(not_told_elsewhere)
{
    run("calm disk.time=1ms read#3@file=EIO", main_unread);
}

/* Short reads and interruptions show nowhere. */
static int main_short(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .ahead = 4));

    (void)arg;
    for (size_t i = 0; i < BLOCKS; i++)
        expect(file, i);
    return weft_file_close(file);
}

TEST(short_and_interrupted)
{
    run("calm disk.time=1ms read#1=short read#2=EINTR read#3=short read#5=short", main_short);
}

/* The end was read ahead, then something is written far behind it: in between are zeros. */
static int main_grown(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .ahead = 4));
    char byte = 'x';

    (void)arg;
    same(weft_file_seek(file, (BLOCKS - 3) * BLOCK, SEEK_SET), (BLOCKS - 3) * BLOCK);
    expect(file, BLOCKS - 3);
    expect(file, BLOCKS - 2);
    same(weft_sleep(100 * MS), 0);
    same(weft_file_pwrite(file, "far", 3, (BLOCKS + 20) * BLOCK, NULL), 3);
    expect(file, BLOCKS - 1);
    same(weft_file_read(file, &byte, 1), 1);
    same(byte, 0);
    return weft_file_close(file);
}

TEST(grown_behind_its_end)
{
    run("calm disk.time=1ms", main_grown);
}

/* -- waiting in vain ------------------------------------------------------------------------- */

/* The first read hangs for a minute, cancelled or not. */
static int main_given_up(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK));
    int64_t begun = weft_now();
    char byte;

    (void)arg;
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT);
    ck_assert_int_lt(weft_now() - begun, 20 * MS); /* the task is not held */
    same(weft_file_tell(file), 0);
    expect(file, 0); /* by the same request */
    ck_assert_int_ge(weft_now() - begun, 60000 * MS);
    expect(file, 1);
    return weft_file_close(file);
}

TEST(given_up_and_had)
{
    run("calm read#1@file=stuck disk.stuck_time=60s", main_given_up);
}

/* Elsewhere there is no need to wait for it; but not for more of them than two. */
static int main_elsewhere(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .no_ahead = true));
    int64_t begun = weft_now();
    char byte;

    (void)arg;
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT);
    same(weft_file_seek(file, 4 * BLOCK, SEEK_SET), 4 * BLOCK);
    expect(file, 4);
    ck_assert_int_lt(weft_now() - begun, 20 * MS);
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT);
    same(weft_file_seek(file, 6 * BLOCK, SEEK_SET), 6 * BLOCK);
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT); /* for want of a block */
    expect(file, 6);
    ck_assert_int_ge(weft_now() - begun, 60000 * MS);
    return weft_file_close(file);
}

TEST(elsewhere)
{
    run("calm read#1@file=stuck read#3@file=stuck disk.stuck_time=60s", main_elsewhere);
}

static int main_until_fails(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK, .no_ahead = true));
    char bytes[3 * BLOCK];

    (void)arg;
    same(weft_file_read_until(file, "c", 1, bytes, sizeof bytes), -EIO);
    same(weft_file_tell(file), 0);
    same(weft_file_read_until(file, "c", 1, bytes, sizeof bytes), 2 * BLOCK + 1);
    return weft_file_close(file);
}

TEST(a_search_that_fails)
{
    run("calm read#2=EIO", main_until_fails);
}

/* Two at its position. */
static int reads_first(void *arg)
{
    char byte;

    return weft_file_read(*(weft_file **)arg, &byte, 1) == 1 ? 0 : -EPROTO;
}

static int main_two(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK));
    char byte;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, reads_first, &file, sizeof file, NULL));
        same(weft_sleep(MS), 0);
        same(weft_file_read(file, &byte, 1), -EBUSY);
        same(weft_file_write(file, "x", 1, NULL), -EBUSY);
    }
    return weft_file_close(file);
}

TEST(two_at_its_position)
{
    run("calm disk.time=10ms", main_two);
}

/* -- past the page cache ----------------------------------------------------------------------- */

static weft_file *straight(void)
{
    weft_file *file;

    same(weft_file_open("/tmp/a", O_RDWR | O_CREAT | O_DIRECT, 0600, OPT(.block_size = BLOCK),
                        &file),
         0);
    return file;
}

static int writes_a_part(void *arg)
{
    return weft_file_pwrite(*(weft_file **)arg, "part", 4, 100, NULL) == 4 ? 0 : -EPROTO;
}

/* While the flag is away for one it is for the others. */
static int main_parts(void *arg)
{
    weft_file *file = straight();
    char bytes[8];

    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < 3; i++)
            ok(weft_spawn(&s, writes_a_part, &file, sizeof file, NULL));
    same(weft_file_pread(file, bytes, sizeof bytes, 98), 6);
    ck_assert_mem_eq(bytes, "\0\0part", 6);
    return weft_file_close(file);
}

TEST(parts_at_once)
{
    run("calm disk.time=10ms", main_parts);
}

/* An error between two pieces is told with what was written before; the unit is not asked for. */
static int main_trouble(void *arg)
{
    weft_file *file = straight();
    static char bytes[3 * BLOCK + 1];
    size_t done;

    (void)arg;
    same(weft_file_pwrite(file, bytes + 1, 3 * BLOCK, 0, &done), -EIO);
    ck_assert_uint_eq(done, BLOCK);
    same(weft_file_pwrite(file, bytes + 1, 3 * BLOCK, 0, &done), 3 * BLOCK);
    return weft_file_close(file);
}

TEST(trouble_between_two_pieces)
{
    run("calm statx#1=EIO write#2=EIO", main_trouble);
}

/* Every read is short, by a sector at least, where the unit is known and where it is a guess. An
   end of file in the middle of it, or bytes of elsewhere, are what a short read may be taken for.
 */
static int main_short_straight(void *arg)
{
    static char bytes[2 * BLOCK + 700], back[sizeof bytes + 1];
    weft_file *file = straight();
    size_t count;

    (void)arg;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)('a' + i / 100 % 26);
    same(weft_file_pwrite(file, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    for (size_t at = 0; at < sizeof bytes; at += 97) {
        same(weft_file_pread(file, back, 1, (off_t)at), 1);
        ck_assert_int_eq(back[0], bytes[at]);
    }
    same(weft_file_pread(file, back, 1, sizeof bytes), 0);
    same(weft_file_read_exactly(file, back, sizeof back, &count), -ENODATA);
    ck_assert_uint_eq(count, sizeof bytes);
    ck_assert_mem_eq(back, bytes, sizeof bytes);
    return weft_file_close(file);
}

TEST(short_reads_straight)
{
    run("calm op.short=50%", main_short_straight);
    run("calm op.short=50% statx#1=EIO", main_short_straight);
    run("calm op.short=100% statx#1=EIO", main_short_straight);
}

/* The unit is a guess, and the file ends where a sector does, and then goes on. */
static int main_short_end(void *arg)
{
    static char bytes[BLOCK + 1024];
    weft_file *file = straight();
    int fd;

    (void)arg;
    same(weft_file_pwrite(file, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, NULL), sizeof bytes);
    same(weft_file_read(file, bytes, 1), 0);
    same(weft_file_pread(file, bytes, 1, sizeof bytes), 0);
    same(weft_file_pread(file, bytes, 1, 2 * BLOCK - 1), 0);
    fd = weft_open("/tmp/a", O_WRONLY, 0);
    same(weft_pwrite(fd, "more", 4, sizeof bytes), 4);
    same(weft_close(fd), 0);
    same(weft_file_read(file, bytes, 8), 4);
    ck_assert_mem_eq(bytes, "more", 4);
    return weft_file_close(file);
}

TEST(an_end_at_a_sector)
{
    run("calm statx#1=EIO", main_short_end);
    run("calm statx#1=EIO op.short=50%", main_short_end);
}

/* The unit is a guess, and the device's is larger: where the file's last bytes were read in part of
   one it refuses to go on, which is the end. Where nothing was read it is an error, and so it is
   where the unit is known. */
static int main_refuses(void *arg)
{
    char bytes[1024] = "";
    weft_file *file = straight();

    (void)arg;
    same(weft_file_pwrite(file, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    same(weft_file_pread(file, bytes, 1, sizeof bytes), 0); /* by the first two reads */
    same(weft_file_pread(file, bytes, 1, sizeof bytes - 1), -EINVAL);
    same(weft_file_pread(file, bytes, 1, sizeof bytes - 1), 1);
    same(weft_file_read(file, bytes, 1), -EINVAL);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, NULL), sizeof bytes);
    same(weft_file_read(file, bytes, 1), 0);
    same(weft_file_read(file, bytes, 1), 0); /* asked anew, by the last two */
    return weft_file_close(file);
}

static int main_refuses_known(void *arg)
{
    char bytes[1024] = "";
    weft_file *file = straight();

    (void)arg;
    same(weft_file_pwrite(file, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    same(weft_file_pread(file, bytes, 1, 700), -EINVAL);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, NULL), sizeof bytes);
    same(weft_file_read(file, bytes, 1), -EINVAL);
    same(weft_file_read(file, bytes, 1), 0);
    return weft_file_close(file);
}

TEST(a_larger_unit_than_guessed)
{
    run("calm statx#1=EIO read#2=EINVAL read#3=EINVAL read#5=EINVAL read#7=EINVAL", main_refuses);
    run("calm read#1=EINVAL read#3=EINVAL", main_refuses_known);
}

/* No memory for a block: told, and the next call has it. */
static int main_no_block(void *arg)
{
    _Alignas(BLOCK) static char bytes[BLOCK + 1];
    weft_file *file = straight();

    (void)arg;
    same(weft_file_pwrite(file, bytes, BLOCK, 0, NULL), BLOCK);
    weft__alloc_fail_after(1);
    same(weft_file_pread(file, bytes, 10, 1), -ENOMEM);
    weft__alloc_fail_after(1);
    same(weft_file_pwrite(file, bytes + 1, BLOCK, 0, NULL), -ENOMEM);
    weft__alloc_fail_after(0);
    same(weft_file_pwrite(file, bytes + 1, BLOCK, 0, NULL), BLOCK);
    same(weft_file_pread(file, bytes, 10, 1), 10);
    return weft_file_close(file);
}

TEST(no_memory_for_a_block)
{
    run("calm", main_no_block);
}

/* Cancelled while it is asked. */
static int main_unit_cancelled(void *arg)
{
    weft_file *file = straight();
    char byte;

    (void)arg;
    same(read_until(file, &byte, 1, 10), -ETIMEDOUT);
    same(weft_file_read(file, &byte, 1), 0);
    return weft_file_close(file);
}

TEST(cancelled_before_its_unit_is_known)
{
    run("calm statx#1=hang", main_unit_cancelled);
}

/* Its descriptor is closed behind it while a call waits, and the number is another file's, which
   has O_DIRECT, or has it not. The call ends with what the kernel says of what was asked for
   already, and leaves the other alone: its bytes, its flags, and its count of those who use it,
   which its close waits for. */
struct strange {
    weft_file *file;
    ssize_t (*call)(weft_file *file);
    ssize_t result;
    int flags; /* of the stranger */
};

static struct strange strange;

static ssize_t reads_a_part(weft_file *file)
{
    char bytes[10];

    return weft_file_pread(file, bytes, sizeof bytes, 1);
}

static ssize_t writes_a_part_of_it(weft_file *file)
{
    size_t done = 77;
    ssize_t n = weft_file_pwrite(file, "part", 4, 100, &done);

    same(done, n < 0 ? 0 : 4);
    return n;
}

static ssize_t writes_two_pieces(weft_file *file)
{
    static char bytes[BLOCK + 10];
    size_t done;
    ssize_t n = weft_file_pwrite(file, bytes, sizeof bytes, 0, &done);

    same(done, BLOCK);
    return n;
}

static int calls_it(void *arg)
{
    (void)arg;
    same(strange.call(strange.file), strange.result);
    return 0;
}

static int main_strange(void *arg)
{
    static char bytes[BLOCK];
    int fd, next = -1, flags = 0;

    (void)arg;
    strange.file = straight();
    fd = weft_file_fd(strange.file);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, calls_it, NULL, 0, NULL));
        same(weft_sleep(MS), 0);
        same(weft__host_close(fd), 0);
        next = weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0); /* this kernel keeps one in hand */
        ok(next);
        same(weft_open("/tmp/b", O_RDWR | O_CREAT | strange.flags, 0600), fd);
        flags = weft__host_fcntl(fd, F_GETFL, 0);
    }
    same(weft__host_fcntl(fd, F_GETFL, 0), flags);
    same(flags & O_DIRECT, strange.flags);
    same(weft_pread(fd, bytes, BLOCK, 0), 0); /* nothing was written there */
    same(weft_close(next), 0);
    same(weft_close(fd), 0);
    same(weft_file_close(strange.file), -EBADF);
    return 0;
}

static void run_strange(const char *plan, ssize_t (*call)(weft_file *file), ssize_t result)
{
    for (int i = 0; i < 2; i++) {
        strange = (struct strange){.call = call, .result = result, .flags = i ? O_DIRECT : 0};
        run(plan, main_strange);
    }
}

TEST(number_is_anothers)
{
    run_strange("calm statx#1=stuck disk.stuck_time=1s", reads_a_part, -EBADF);
    run_strange("calm statx#1=stuck disk.stuck_time=1s", writes_a_part_of_it, -EBADF);
    run_strange("calm write#1@file=stuck disk.stuck_time=1s", writes_a_part_of_it, 4);
    run_strange("calm write#1@file=stuck disk.stuck_time=1s", writes_two_pieces, -EBADF);
}

TEST_MAIN("file_object", 60, ahead_of_time, told_where_it_is, not_told_of_another_page,
          not_told_elsewhere, short_and_interrupted, grown_behind_its_end, given_up_and_had,
          elsewhere, a_search_that_fails, two_at_its_position, parts_at_once,
          trouble_between_two_pieces, no_memory_for_a_block, short_reads_straight,
          an_end_at_a_sector, a_larger_unit_than_guessed, cancelled_before_its_unit_is_known,
          number_is_anothers)
