/*
 * The simulated disk: what stays when the power goes and what does not, syncs that fail, space that
 * ends, and that a seed says it all.
 *
 * Would catch: a disk that keeps what was never synced (so that a server which forgets to sync
 * passes its tests), one that loses what was, a rename that is half done, an error told twice or
 * never, a run that two times differs.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "sim/world.h"
#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

enum { PAGE = 4096 };

static int file_put(const char *path, const char *text, bool sync)
{
    int fd = weft_open(path, O_WRONLY | O_CREAT, 0600);

    ok(fd);
    same(weft_pwrite_all(fd, text, strlen(text), 0, NULL), (int)strlen(text));
    if (sync)
        same(weft_fsync(fd), 0);
    return weft_close(fd);
}

static int folder_sync(const char *path)
{
    int fd = weft_open(path, O_RDONLY | O_DIRECTORY, 0), error;

    ok(fd);
    error = weft_fsync(fd);
    same(weft_close(fd), 0);
    return error;
}

static const char *file_text(const char *path)
{
    static char text[4096];
    int fd = weft_open(path, O_RDONLY, 0);
    size_t done = 0;

    if (fd < 0)
        return fd == -ENOENT ? "(none)" : strerror(-fd);
    (void)weft_pread_exactly(fd, text, sizeof text - 1, 0, &done);
    text[done] = '\0';
    same(weft_close(fd), 0);
    return text;
}

/* Two lives of one world: `first` ends with the power, `then` sees what it left. */
struct lives {
    weft_task_fn first, then;
    uint64_t changes; /* the power goes with this one; 0: when `first` has ended */
    bool all_done;    /* it went no sooner */
};

static int two_lives(void *arg)
{
    struct lives *lives = arg;

    if (lives->changes)
        same(weft_sim_power_off_after(lives->changes), 0);
    (void)weft_run(lives->first, NULL, 0, NULL);
    lives->all_done = !weft_sim_power_is_off();
    same(weft_sim_power_off(), 0);
    ck_assert(weft_sim_power_is_off());
    same(weft_sim_power_on(), 0);
    return weft_run(lives->then, NULL, 0, NULL);
}

static void live_twice(const char *plan, uint64_t seed, weft_task_fn first, weft_task_fn then)
{
    struct world world = {.seed = seed, .plan = plan};
    struct lives lives = {.first = first, .then = then};

    same(world_run_fn(&world, two_lives, &lives), 0);
}

/* -- what stays ----------------------------------------------------------------------------- */

static int put_synced(void *arg)
{
    (void)arg;
    file_put("/tmp/kept", "kept", true);
    same(folder_sync("/tmp"), 0);
    file_put("/tmp/kept", "KEPT", false); /* not this */
    file_put("/tmp/lost", "lost", true);  /* its bytes, and no name for them */
    file_put("/tmp/never", "never", false);
    ck_assert_str_eq(file_text("/tmp/kept"), "KEPT");
    ck_assert_str_eq(file_text("/tmp/lost"), "lost");
    return 0;
}

static int find_synced(void *arg)
{
    (void)arg;
    ck_assert_str_eq(file_text("/tmp/kept"), "kept");
    ck_assert_str_eq(file_text("/tmp/lost"), "(none)");
    ck_assert_str_eq(file_text("/tmp/never"), "(none)");
    return 0;
}

TEST(only_what_was_synced_stays)
{
    live_twice("calm", 1, put_synced, find_synced);
}

static int put_renamed(void *arg)
{
    (void)arg;
    file_put("/tmp/value", "old", true);
    same(folder_sync("/tmp"), 0);
    file_put("/tmp/value.new", "new", true);
    return weft_renameat(AT_FDCWD, "/tmp/value.new", AT_FDCWD, "/tmp/value");
}

static int find_old(void *arg)
{
    (void)arg;
    ck_assert_str_eq(file_text("/tmp/value"), "old");
    return 0;
}

TEST(a_rename_is_undone_unless_its_folder_was_synced)
{
    live_twice("calm", 1, put_renamed, find_old);
}

static int put_renamed_synced(void *arg)
{
    same(put_renamed(arg), 0);
    return folder_sync("/tmp");
}

static int find_new(void *arg)
{
    (void)arg;
    ck_assert_str_eq(file_text("/tmp/value"), "new");
    ck_assert_str_eq(file_text("/tmp/value.new"), "(none)");
    return 0;
}

TEST(a_rename_stays_once_its_folder_was_synced)
{
    live_twice("calm", 1, put_renamed_synced, find_new);
}

/* Between two folders it is in both or in neither, whichever of them is synced. */
static int put_moved(void *arg)
{
    (void)arg;
    same(weft_mkdirat(AT_FDCWD, "/from", 0700), 0);
    same(weft_mkdirat(AT_FDCWD, "/to", 0700), 0);
    file_put("/from/a", "a", true);
    same(folder_sync("/from"), 0);
    same(folder_sync("/"), 0);
    same(weft_renameat(AT_FDCWD, "/from/a", AT_FDCWD, "/to/b"), 0);
    return 0;
}

static int find_moved(void *arg)
{
    bool there = strcmp(file_text("/to/b"), "a") == 0,
         here = strcmp(file_text("/from/a"), "a") == 0;

    (void)arg;
    ck_assert_int_ne(there, here);
    return 0;
}

TEST(a_move_is_whole)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        live_twice("rough", seed, put_moved, find_moved);
}

static int put_removed(void *arg)
{
    (void)arg;
    file_put("/tmp/a", "a", true);
    same(folder_sync("/tmp"), 0);
    same(weft_unlinkat(AT_FDCWD, "/tmp/a", 0), 0);
    ck_assert_str_eq(file_text("/tmp/a"), "(none)");
    return 0;
}

static int find_a(void *arg)
{
    (void)arg;
    ck_assert_str_eq(file_text("/tmp/a"), "a");
    return 0;
}

TEST(a_removed_file_comes_back)
{
    live_twice("calm", 1, put_removed, find_a);
}

static int put_cut(void *arg)
{
    int fd;

    (void)arg;
    file_put("/tmp/a", "a", true);
    same(folder_sync("/tmp"), 0);
    fd = weft_open("/tmp/a", O_WRONLY | O_TRUNC, 0);
    ok(fd);
    return weft_close(fd);
}

TEST(a_truncation_is_undone)
{
    live_twice("calm", 1, put_cut, find_a);
}

/* -- a rough one ---------------------------------------------------------------------------- */

/* Everything is synced but the last writes: of those, any part may be there, and nothing else. */
enum { PAGES = 6 };

static int put_pages(void *arg)
{
    static char bytes[PAGES * PAGE];
    int fd = weft_open("/tmp/pages", O_RDWR | O_CREAT, 0600);

    (void)arg;
    ok(fd);
    memset(bytes, 'o', sizeof bytes);
    same(weft_pwrite_all(fd, bytes, sizeof bytes / 2, 0, NULL), (int)sizeof bytes / 2);
    same(weft_fsync(fd), 0);
    same(folder_sync("/tmp"), 0);
    memset(bytes, 'n', sizeof bytes);
    same(weft_pwrite_all(fd, bytes, sizeof bytes, 0, NULL), (int)sizeof bytes);
    return weft_close(fd);
}

static uint32_t old_pages, new_pages, torn_pages, grown, zeros;

static void look_at_page(const char *page, bool grew)
{
    uint32_t fresh = 0, old = 0;

    for (uint32_t i = 0; i < PAGE; i += 512) {
        for (uint32_t j = 1; j < 512; j++)
            same(page[i + j], page[i]); /* a sector is whole */
        ck_assert(page[i] == 'n' || page[i] == (grew ? 0 : 'o'));
        fresh += page[i] == 'n';
        old += page[i] != 'n';
    }
    old_pages += fresh == 0;
    new_pages += old == 0;
    torn_pages += fresh > 0 && old > 0;
    zeros += grew && old > 0;
}

static int find_pages(void *arg)
{
    static char bytes[PAGES * PAGE];
    size_t done = 0;
    int fd = weft_open("/tmp/pages", O_RDONLY, 0);

    (void)arg;
    ok(fd);
    (void)weft_pread_exactly(fd, bytes, sizeof bytes, 0, &done);
    same(weft_close(fd), 0);
    ck_assert_uint_ge(done, sizeof bytes / 2);
    same(done % PAGE, 0);
    grown += done > sizeof bytes / 2;
    for (size_t i = 0; i < done; i += PAGE)
        look_at_page(bytes + i, i >= sizeof bytes / 2);
    return 0;
}

TEST(what_was_not_synced_stays_in_part)
{
    for (uint64_t seed = 1; seed <= 100; seed++)
        live_twice("rough", seed, put_pages, find_pages);
    ck_assert_uint_gt(old_pages, 0);
    ck_assert_uint_gt(new_pages, 0);
    ck_assert_uint_gt(torn_pages, 0);
    ck_assert_uint_gt(grown, 0);
    ck_assert_uint_gt(zeros, 0);
}

/* -- every crash ---------------------------------------------------------------------------- */

/* A value replaced in the one way that is safe: at no moment is there neither, nor half of one. */
static int replace_safely(void *arg)
{
    int folder, fd, error;

    (void)arg;
    folder = weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    fd = weft_openat(folder, "value.new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    error = fd < 0 ? fd : (int)weft_pwrite_all(fd, "new value", 9, 0, NULL);
    if (error >= 0)
        error = weft_fsync(fd);
    if (error >= 0)
        error = weft_renameat(folder, "value.new", folder, "value");
    if (error >= 0)
        error = weft_fsync(folder);
    weft_close(fd);
    weft_close(folder);
    return error;
}

static int first_value(void *arg)
{
    (void)arg;
    file_put("/tmp/value", "old value", true);
    return folder_sync("/tmp");
}

static bool saw_old, saw_new;
static bool is_done;

static int find_either(void *arg)
{
    const char *text = file_text("/tmp/value");

    (void)arg;
    if (is_done)
        ck_assert_str_eq(text, "new value");
    else
        ck_assert(strcmp(text, "old value") == 0 || strcmp(text, "new value") == 0);
    saw_old |= text[0] == 'o';
    saw_new |= text[0] == 'n';
    return 0;
}

static int replace_world(void *arg)
{
    uint64_t changes = *(uint64_t *)arg;

    same(weft_run(first_value, NULL, 0, NULL), 0);
    same(weft_sim_power_off_after(changes), 0);
    is_done = weft_run(replace_safely, NULL, 0, NULL) >= 0;
    if (!weft_sim_power_is_off())
        ck_assert(is_done);
    same(weft_sim_power_off(), 0);
    same(weft_sim_power_on(), 0);
    return weft_run(find_either, NULL, 0, NULL);
}

TEST(replacing_a_value_safely_survives_every_crash)
{
    for (uint64_t changes = 1; changes <= 8; changes++)
        for (uint64_t seed = 1; seed <= 30; seed++) {
            struct world world = {.seed = seed, .plan = "rough"};
            same(world_run_fn(&world, replace_world, &changes), 0);
        }
    ck_assert(saw_old && saw_new);
}

/* The same without the sync of the bytes: some crash must show it, or this disk is no help. */
static bool half;

static int replace_badly(void *arg)
{
    (void)arg;
    file_put("/tmp/value.new", "new value", false);
    same(weft_renameat(AT_FDCWD, "/tmp/value.new", AT_FDCWD, "/tmp/value"), 0);
    return folder_sync("/tmp");
}

static int find_half(void *arg)
{
    const char *text = file_text("/tmp/value");

    (void)arg;
    half |= strcmp(text, "new value") != 0 && strcmp(text, "old value") != 0;
    return 0;
}

TEST(replacing_a_value_without_a_sync_is_found_out)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        live_twice("rough", seed, replace_badly, find_half);
    ck_assert(half);
}

/* -- without power -------------------------------------------------------------------------- */

static int in_the_dark(void *arg)
{
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    char byte;

    (void)arg;
    ok(fd);
    same(weft_sim_power_off(), 0);
    same(weft_pwrite(fd, "x", 1, 0), -EIO);
    same(weft_pread(fd, &byte, 1, 0), -EIO);
    same(weft_fsync(fd), -EIO);
    same(weft_ftruncate(fd, 0), -EIO);
    same(weft_open("/tmp/a", O_RDONLY, 0), -EIO);
    same(weft_unlinkat(AT_FDCWD, "/tmp/a", 0), -EIO);
    same(weft_sim_power_on(), 0);
    same(weft_pwrite(fd, "x", 1, 0), -EIO); /* it was opened in another life */
    same(weft_open("/tmp/a", O_RDONLY, 0), -ENOENT);
    return weft_close(fd);
}

TEST(without_power_nothing_works)
{
    struct world world = {.seed = 1, .plan = "calm", .task = in_the_dark};

    same(world_run(&world), 0);
}

/* A connection does not tell what is no more. */
static int cut_off(void *arg)
{
    int fds[2];
    char byte;

    (void)arg;
    for (int i = 0; i < 2; i++)
        fds[i] = -1;
    int listener = weft_listen_tcp("127.0.0.1:7000", NULL);
    ok(listener);
    fds[0] = weft_connect_tcp("127.0.0.1:7000", NULL);
    ok(fds[0]);
    fds[1] = weft_accept(listener, NULL, NULL, 0);
    ok(fds[1]);
    same(weft_sim_power_off(), 0);
    ck_assert_int_le(weft_send(fds[0], "x", 1, 0), 0);
    ck_assert_int_le(weft_recv(fds[1], &byte, 1, 0), 0);
    same(weft_connect_tcp("127.0.0.1:7000", NULL), -ENETDOWN);
    same(weft_close(fds[0]), 0);
    same(weft_close(fds[1]), 0);
    return weft_close(listener);
}

TEST(without_power_nobody_is_reached)
{
    struct world world = {.seed = 1, .plan = "calm net.latency=0", .task = cut_off};

    same(world_run(&world), 0);
}

/* -- syncs that fail ------------------------------------------------------------------------ */

/* The error comes once to each descriptor that was open; what it was about is not there after. */
static int sync_fails(void *arg)
{
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600), other, late;
    char byte;

    (void)arg;
    ok(fd);
    same(weft_fsync(fd), 0);
    same(folder_sync("/tmp"), 0);
    other = weft_open("/tmp/a", O_RDWR, 0);
    ok(other);
    same(weft_pwrite_all(fd, "x", 1, 0, NULL), 1);
    same(weft_fsync(fd), -EIO);
    late = weft_open("/tmp/a", O_RDWR, 0);
    ok(late);
    same(weft_fsync(fd), 0); /* and it is a lie */
    same(weft_fdatasync(other), -EIO);
    same(weft_fdatasync(other), 0);
    same(weft_fsync(late), 0); /* somebody had been told before */
    same(weft_pread_exactly(fd, &byte, 1, 0, NULL), 1);
    same(byte, 'x');
    same(weft_close(late), 0);
    same(weft_close(other), 0);
    return weft_close(fd);
}

static int find_no_x(void *arg)
{
    (void)arg;
    ck_assert_str_ne(file_text("/tmp/a"), "x");
    return 0;
}

TEST(a_sync_that_fails_is_told_once_and_nothing_is_kept)
{
    live_twice("calm fsync#2@file=EIO power.page=never", 1, sync_fails, find_no_x);
}

/* Writing it again is what helps. */
static int sync_fails_and_mended(void *arg)
{
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);

    (void)arg;
    ok(fd);
    same(weft_pwrite_all(fd, "a", 1, 0, NULL), 1);
    same(weft_fsync(fd), -ENOSPC);
    same(weft_pwrite_all(fd, "a", 1, 0, NULL), 1);
    same(weft_fsync(fd), 0);
    same(folder_sync("/tmp"), 0);
    return weft_close(fd);
}

TEST(what_is_written_again_is_kept)
{
    live_twice("calm fsync#1@file=ENOSPC", 1, sync_fails_and_mended, find_a);
}

/* Without a sync an error of the kernel's own writing waits for who asks. */
static int told_later(void *arg)
{
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600), other;

    (void)arg;
    ok(fd);
    same(weft_pwrite_all(fd, "x", 1, 0, NULL), 1);
    other = weft_open("/tmp/a", O_RDWR, 0); /* nobody has been told: it hears of it as well */
    ok(other);
    ck_assert_int_lt(weft_fsync(other), 0);
    same(weft_close(other), 0);
    return weft_close(fd);
}

TEST(an_error_nobody_heard_of_waits)
{
    struct world world = {.seed = 1,
                          .plan = "calm disk.writeback=always disk.sync=always",
                          .task = told_later};

    same(world_run(&world), 0);
}

/* A signal that the program does not know of is no reason to stop. */
static int interrupted(void *arg)
{
    char bytes[3];
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);

    (void)arg;
    ok(fd);
    same(weft_pwrite_all(fd, "abc", 3, 0, NULL), 3);
    same(weft_pread_exactly(fd, bytes, 3, 0, NULL), 3);
    ck_assert_mem_eq(bytes, "abc", 3);
    same(weft_pwrite(fd, "abc", 3, 0), -EINTR); /* one request tells what it got */
    return weft_close(fd);
}

TEST(an_interruption_is_tried_again)
{
    struct world world = {.seed = 1,
                          .plan = "calm write#1@file=EINTR read#1@file=EINTR write#3@file=EINTR",
                          .task = interrupted};

    same(world_run(&world), 0);
}

/* -- space ---------------------------------------------------------------------------------- */

static int fill_up(void *arg)
{
    static char bytes[20 * PAGE];
    size_t done = 0;
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600), other;

    (void)arg;
    ok(fd);
    same(weft_pwrite_all(fd, bytes, sizeof bytes, 0, &done), -ENOSPC);
    ck_assert_uint_eq(done, 10 * PAGE);  /* as much as went in */
    same(weft_pwrite(fd, "x", 1, 0), 1); /* there is room where there was */
    other = weft_open("/tmp/b", O_RDWR | O_CREAT, 0600);
    ok(other);
    same(weft_pwrite(other, "x", 1, 0), -ENOSPC);
    same(weft_fallocate(other, 0, 0, PAGE), -ENOSPC);
    same(weft_unlinkat(AT_FDCWD, "/tmp/a", 0), 0);
    same(weft_pwrite(other, "x", 1, 0), -ENOSPC); /* it is open still */
    same(weft_close(fd), 0);
    same(weft_pwrite(other, "x", 1, 0), 1);
    return weft_close(other);
}

TEST(the_disk_is_full)
{
    struct world world = {.seed = 1, .plan = "calm disk.size=40960", .task = fill_up};

    same(world_run(&world), 0);
}

/* -- the same again ------------------------------------------------------------------------- */

static int anything(void *arg)
{
    (void)put_pages(arg);
    (void)put_moved(arg);
    same(weft_sim_power_off(), 0);
    same(weft_sim_power_on(), 0);
    (void)file_text("/tmp/pages");
    return 0;
}

TEST(a_seed_says_it_all)
{
    struct world one = {.seed = 7, .plan = "rough", .task = anything};
    struct world again = {.seed = 7, .plan = "rough", .task = anything};

    same(world_run(&one), 0);
    same(world_run(&again), 0);
    ck_assert_uint_eq(one.result.hash, again.result.hash);
}

/* Everything that has odds in a broken world comes up. */
static uint64_t came_true[WEFT__SIM_KNOB_COUNT];

static int trouble(void *arg)
{
    static char bytes[3 * PAGE];
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    weft_watch *watch;

    (void)arg;
    if (weft_watch_open(&watch) == 0) /* the end of the run closes it */
        (void)weft_watch_add(watch, "/tmp", WEFT_WATCH_ALL);
    for (int i = 0; i < 20; i++) {
        (void)weft_pwrite_all(fd, bytes, sizeof bytes, i * PAGE, NULL);
        (void)(i % 4 ? 0 : weft_fsync(fd));
    }
    same(weft_sim_power_off(), 0);
    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++)
        came_true[i] += weft__sim_world->came_true[i];
    return fd < 0 ? 0 : weft_close(fd);
}

TEST(everything_that_is_said_comes_up)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world world = {.seed = seed, .plan = "broken", .task = trouble};
        (void)world_run(&world);
    }
#define CAME_UP(id, name, ...)                                                                     \
    if (WEFT__SIM_##id != WEFT__SIM_DISK_STUCK) /* no odds: it is asked for */                     \
        ck_assert_msg(came_true[WEFT__SIM_##id] > 0, "never drawn: %s", name);
#define NO_ODDS(id, name, ...)
    WEFT__SIM_DISK_KNOBS(CAME_UP, NO_ODDS, CAME_UP)
}

TEST_MAIN("disk", 120, only_what_was_synced_stays, a_rename_is_undone_unless_its_folder_was_synced,
          a_rename_stays_once_its_folder_was_synced, a_move_is_whole, a_removed_file_comes_back,
          a_truncation_is_undone, what_was_not_synced_stays_in_part,
          replacing_a_value_safely_survives_every_crash,
          replacing_a_value_without_a_sync_is_found_out, without_power_nothing_works,
          without_power_nobody_is_reached, a_sync_that_fails_is_told_once_and_nothing_is_kept,
          what_is_written_again_is_kept, an_error_nobody_heard_of_waits,
          an_interruption_is_tried_again, the_disk_is_full, a_seed_says_it_all,
          everything_that_is_said_comes_up)
