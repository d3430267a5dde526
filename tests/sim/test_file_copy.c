/*
 * Copies from file to file on a simulated disk that is short of room, fails, or takes its time.
 * Catches a copy that says more or less than what is there, an error that hides what was copied
 * before it, and one that is lost.
 */
#include <fcntl.h>

#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

enum { MIB = 1 << 20, SIZE = 3 * MIB, PAGE = 4096 };

/* A broken disk works in the end. */
#define PERSIST(call)                                                                              \
    ({                                                                                             \
        ssize_t n_;                                                                                \
        do                                                                                         \
            n_ = (call);                                                                           \
        while (n_ < 0 && n_ != -ENODATA);                                                          \
        n_;                                                                                        \
    })

static int from, to;
static off_t in, out;

static ssize_t copy(void)
{
    return weft_copy_file_range(from, &in, to, &out, SIZE, 0);
}

/* Of each page its number stands at its beginning. */
static void set_up(void)
{
    from = (int)PERSIST(weft_open("/tmp/from", O_RDWR | O_CREAT, 0600));
    to = (int)PERSIST(weft_open("/tmp/to", O_RDWR | O_CREAT, 0600));
    in = out = 0;
    same(PERSIST(weft_ftruncate(from, SIZE)), 0);
    for (int i = 0; i < SIZE / PAGE; i++)
        same(PERSIST(weft_pwrite_all(from, &i, sizeof i, i * PAGE, NULL)), (int)sizeof i);
}

/* The first `size` bytes are there, and no others. */
static void is_copied(off_t size)
{
    int number;

    same(in, size);
    same(out, size);
    for (int i = 0; i < size / PAGE; i++) {
        same(PERSIST(weft_pread_exactly(to, &number, sizeof number, i * PAGE, NULL)),
             (int)sizeof number);
        same(number, i);
    }
    same(PERSIST(weft_pread(to, &number, 1, size)), 0);
}

static int shut(void)
{
    same(weft_close(to), 0);
    return weft_close(from);
}

static void run(const char *plan, weft_task_fn fn)
{
    struct world world = {.seed = 1, .plan = plan, .task = fn};

    same(world_run(&world), 0);
}

/* -- after some ---------------------------------------------------------------------------------
 */

static int main_second_fails(void *arg)
{
    (void)arg;
    set_up();
    same(copy(), MIB); /* the trouble has no bytes to report, and is gone */
    is_copied(MIB);
    same(copy(), SIZE - MIB);
    is_copied(SIZE);
    return shut();
}
TEST(trouble_after_some)
{
    run("calm copy#2=EIO", main_second_fails);
    run("calm copy#2=ENOSPC", main_second_fails);
}

static int main_short(void *arg)
{
    (void)arg;
    set_up();
    same(copy(), SIZE);
    is_copied(SIZE);
    return shut();
}
TEST(short_ones)
{
    run("calm copy#1=short copy#3=short", main_short);
    run("rough", main_short);
}

static int main_full(void *arg)
{
    (void)arg;
    set_up();
    same(copy(), MIB + MIB / 2);
    is_copied(MIB + MIB / 2);
    same(copy(), -ENOSPC);
    is_copied(MIB + MIB / 2);
    same(weft_ftruncate(from, 0), 0); /* there is room now, and nothing to copy */
    same(copy(), 0);
    return shut();
}
TEST(a_full_disk)
{
    run("calm disk.size=4718592", main_full); /* 4.5 MiB, of which the first file has 3 */
}

static int main_no_power(void *arg)
{
    (void)arg;
    set_up();
    same(weft_sim_power_off(), 0);
    same(copy(), -EIO);
    same(weft_sim_power_on(), 0);
    same(copy(), -EIO);
    return shut();
}
TEST(without_power)
{
    run("calm", main_no_power);
}

/* -- that takes its time ------------------------------------------------------------------------
 */

static ssize_t result;
static int64_t ended_ns;

static int copies(void *arg)
{
    (void)arg;
    result = copy();
    ended_ns = weft_sim_time();
    return weft_yield() == -ECANCELED ? 0 : -EIO;
}

/* A second after the copy began it is cancelled; its second piece takes a minute. */
static int main_stuck(void *arg)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int64_t began_ns;

    (void)arg;
    set_up();
    ended_ns = 0;
    began_ns = weft_sim_time();
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, copies, NULL, 0, &opt), 0);
        same(weft_sleep(1000000000), 0);
        same(weft_cancel(task), 1);
        same(weft_sleep(1000000000), 0);
        same(ended_ns, 0); /* it goes on */
        same(weft_join(task, NULL), 0);
    }
    ck_assert_int_ge(ended_ns - began_ns, INT64_C(60000000000));
    same(result, 2 * MIB); /* the third was not begun */
    is_copied(2 * MIB);
    return shut();
}
TEST(a_disk_that_is_stuck)
{
    run("calm copy#2=stuck", main_stuck);
    run("calm copy#2=hang", main_stuck);
}

/* By odds, as a broken disk is: whatever is said to be there is there. */
static int main_broken(void *arg)
{
    off_t before;
    ssize_t n = 0;

    (void)arg;
    set_up();
    for (int tries = 0; in < SIZE && tries < 10000; tries++) {
        before = in;
        n = copy();
        same(in, before + (n > 0 ? n : 0));
        if (n < 0)
            ck_assert(n == -EIO || n == -ENOSPC || n == -EDQUOT || n == -ENOMEM);
    }
    is_copied(SIZE);
    (void)shut();
    return 0;
}
TEST(a_broken_disk)
{
    run("calm op.errno=1/4 op.short=1/2", main_broken);
}

TEST_MAIN("file copy", 60, trouble_after_some, short_ones, a_full_disk, without_power,
          a_disk_that_is_stuck, a_broken_disk)
