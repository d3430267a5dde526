/*
 * Races of cancellation on files and pipes. The numbers are those of the list; race.h says how they
 * are run.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "race.h"

static const char *path_here(void)
{
    static char path[64];

    snprintf(path, sizeof path, "/tmp/weft-race-file.%d", (int)getpid());
    return path;
}

struct call {
    int fd;
    int64_t result;
    int then; /* what the call after it said */
    bool ended;
    weft_task task;
};

static void begin(weft_scope *scope, weft_task_fn fn, struct call *call)
{
    race_is(weft_spawn(scope, fn, call, 0, RACE_OPT(.task = &call->task)), 0);
}

/* 16: a file is opened and the open cancelled. The descriptor is the caller's or there is none; how
   many are open before and after the run says whether one was lost. */
static int opens(void *arg)
{
    struct call *call = arg;

    call->result = weft_open(path_here(), O_RDWR | O_CREAT, 0600);
    call->then = weft_yield();
    return 0;
}
static int body_16_open(void *arg)
{
    struct call call = {.result = -EIO};

    (void)arg;
    WEFT_SCOPE(s) {
        begin(&s, opens, &call);
        race_yields(4);
        race_ok(weft_cancel(call.task));
    }
    ck_assert(call.result >= 0 || call.result == -ECANCELED);
    if (call.result < 0) /* else it may have come when all was over */
        race_is(call.then, -ECANCELED);
    race_saw(call.result >= 0);
    if (call.result >= 0)
        race_is(weft_close((int)call.result), 0);
    call.result = weft_unlinkat(AT_FDCWD, path_here(), 0);
    ck_assert(call.result == 0 || call.result == -ENOENT);
    return 0;
}
TEST(race_16_open)
{
    race_each(.body = body_16_open, .orders = true, .outcomes = 2);
}

/* 16, for pipes: made by a task that is cancelled; both ends are its own until it closes them, and
   bytes that a cancelled write says it moved are in it. */
struct pipe_call {
    int fds[2];
    int made;
    int64_t wrote;
    weft_task task;
};
static int makes_pipe(void *arg)
{
    struct pipe_call *call = arg;

    call->made = weft_pipe(call->fds, 0);
    call->wrote = call->made == 0 ? weft_write(call->fds[1], "abc", 3) : 0;
    return 0;
}
static int body_16_pipe(void *arg)
{
    struct pipe_call call = {.fds = {-1, -1}};
    char bytes[8];
    size_t came = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, makes_pipe, &call, 0, RACE_OPT(.task = &call.task)), 0);
        race_yields(3);
        race_ok(weft_cancel(call.task));
    }
    race_is(call.made, 0); /* it cannot be cancelled */
    ck_assert(call.wrote == 3 || call.wrote == -ECANCELED);
    race_saw(call.wrote == 3);
    race_is(weft_close(call.fds[1]), 0);
    race_is(weft_read_exactly(call.fds[0], bytes, sizeof bytes, &came), -ENODATA);
    race_is(came, call.wrote == 3 ? 3 : 0);
    return weft_close(call.fds[0]);
}
TEST(race_16_pipe)
{
    race_each(.body = body_16_pipe, .orders = true, .outcomes = 2);
}

/* A read of a pipe that is cancelled as a byte comes: the byte is told of, or is there still. */
static int reads(void *arg)
{
    struct call *call = arg;
    char byte;

    call->result = weft_read(call->fd, &byte, 1);
    return 0;
}
static int body_pipe_read(void *arg)
{
    struct call call = {.result = -EIO};
    int fds[2];
    char byte;

    (void)arg;
    race_is(weft_pipe(fds, 0), 0);
    call.fd = fds[0];
    WEFT_SCOPE(s) {
        uint32_t cancel_first = race_pick(2);
        begin(&s, reads, &call);
        race_yields(2);
        for (uint32_t step = 0; step < 2; step++) {
            if (step == cancel_first)
                race_is(weft_write_all(fds[1], "x", 1, NULL), 1);
            else
                race_ok(weft_cancel(call.task));
        }
    }
    ck_assert(call.result == 1 || call.result == -ECANCELED);
    race_saw(call.result == 1);
    race_is(weft_close(fds[1]), 0);
    race_is(weft_read(fds[0], &byte, 1), call.result == 1 ? 0 : 1);
    return weft_close(fds[0]);
}
TEST(race_pipe_read)
{
    race_each(.body = body_pipe_read, .orders = true, .outcomes = 2);
}

/* A file closed under requests at offsets: it waits for them all, and each tells what it did. */
static int writes_at(void *arg)
{
    struct call *call = arg;

    call->result = weft_pwrite(call->fd, "abcd", 4, 0);
    call->ended = true;
    return 0;
}
static int body_close(void *arg)
{
    struct call calls[3];
    int fd = weft_open(path_here(), O_RDWR | O_CREAT, 0600);

    (void)arg;
    race_ok(fd);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 3; i++) {
            calls[i] = (struct call){.fd = fd, .result = -EIO};
            begin(&s, writes_at, &calls[i]);
        }
        race_yields(4);
        race_is(weft_close(fd), 0);
        race_saw(calls[0].result > 0);
        if (calls[0].ended) /* begun before the close, or refused by it: none goes on */
            ck_assert(calls[0].result > 0 || calls[0].result == -ECANCELED ||
                      calls[0].result == -EBADF);
    }
    return weft_unlinkat(AT_FDCWD, path_here(), 0);
}
TEST(race_close_under_uses)
{
    race_each(.body = body_close, .orders = true, .part = 2);
}

/*
 * 50: a scope is cancelled with a child in it that cannot be: its write is with a disk that does
 * not answer. The scope waits; who looks is told what it waits for; when the disk answers, the
 * write says what it did, and the scope closes.
 *
 * The simulated disk is told to. The real one is kept from answering by a thread that is in a
 * write(2) to the same file, whose lock it has, and whose bytes lie in a page that is not given to
 * it yet (userfaultfd(2)).
 */
static struct hang {
    int uffd, fd;
    char *page;
    struct race_thread *thread;
} hang;

static void *write_held_up(void *arg)
{
    (void)arg;
    race_is(pwrite(hang.fd, hang.page, 1, 100), 1);
    return NULL;
}

/* False: this process may not watch page faults of the kernel's. */
static bool hang_begin(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    struct pollfd waits = {.events = POLLIN};

    if (race_simulated())
        return true;
    hang.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (hang.uffd < 0)
        return false;
    hang.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(hang.page != MAP_FAILED);
    hang.fd = open(path_here(), O_WRONLY | O_CLOEXEC);
    race_ok(hang.fd);
    range.range.start = (uintptr_t)hang.page;
    range.range.len = 4096;
    race_is(ioctl(hang.uffd, UFFDIO_API, &api), 0);
    race_is(ioctl(hang.uffd, UFFDIO_REGISTER, &range), 0);
    hang.thread = race_thread_start(write_held_up, NULL);
    waits.fd = hang.uffd;
    race_is(poll(&waits, 1, 10000), 1); /* it is in the midst of it */
    return true;
}

static void hang_end(void)
{
    struct uffdio_zeropage zero = {.range = {.start = (uintptr_t)hang.page, .len = 4096}};

    if (race_simulated())
        return; /* it answers by itself, in time */
    race_is(ioctl(hang.uffd, UFFDIO_ZEROPAGE, &zero), 0);
    race_thread_join(hang.thread);
    close(hang.fd);
    close(hang.uffd);
    munmap(hang.page, 4096);
}

static int writes_and_goes_on(void *arg)
{
    struct call *call = arg;

    call->result = weft_pwrite(call->fd, "abcd", 4, 0);
    call->then = weft_yield();
    call->ended = true;
    return 0;
}

/* Lets the scope's deadline pass, and the cancel, looks at who hangs, and ends it. */
static int ends_the_hang(void *arg)
{
    struct call *call = *(struct call **)arg;

    race_is(weft_sleep(8000000), 0);
    if (!call->ended) {
        race_is(strcmp(race_state(call->task), "pwrite"), 0);
        race_saw(0);
    }
    hang_end();
    return 0;
}

static int body_50_disk(void *arg)
{
    struct call call = {.result = -EIO}, *pointer = &call;
    weft_scope s;

    (void)arg;
    call.fd = weft_open(path_here(), O_RDWR | O_CREAT, 0600);
    race_ok(call.fd);
    if (hang_begin()) {
        WEFT_SCOPE(outer) {
            race_is(weft_scope_open(&s, RACE_SCOPE(.deadline = weft_after_ms(1))), 0);
            begin(&s, writes_and_goes_on, &call);
            race_is(weft_spawn(&outer, ends_the_hang, &pointer, sizeof pointer, NULL), 0);
            race_is(weft_scope_close(&s), -ETIMEDOUT);
            ck_assert(call.ended);
            /* as far as it got: writes may be short */
            ck_assert((call.result > 0 && call.result <= 4) || call.result == -ECANCELED);
            race_is(call.then, -ECANCELED);
        }
    }
    race_is(weft_close(call.fd), 0);
    return weft_unlinkat(AT_FDCWD, path_here(), 0);
}
TEST(race_50_disk)
{
    race_each(.body = body_50_disk, .plan = "write#1@file=stuck disk.stuck_time=50ms",
              .outcomes = 1, .part = 10);
}

/*
 * What happens to files, among the cases of a select that is cancelled as it happens: told by the
 * select, or there for the next who asks; and once.
 */
struct select_call {
    weft_watch *watch;
    weft_file *file;
    struct weft_watch_event event;
    char bytes[4];
    int won;
    int64_t result;
};
static int selects_watch(void *arg)
{
    struct select_call *call = arg;
    weft_case cases[] = {weft_case_until(WEFT_NEVER),
                         weft_case_watch(call->watch, &call->event, 0)};

    call->won = weft_select(cases, 2, 0);
    call->result = cases[1].result;
    return 0;
}
static int body_select_watch(void *arg)
{
    struct select_call call = {.result = -EIO};
    weft_task task;

    (void)arg;
    race_is(weft_mkdirat(AT_FDCWD, path_here(), 0700), 0);
    race_is(weft_watch_open(&call.watch), 0);
    race_ok(weft_watch_add(call.watch, path_here(), WEFT_WATCH_DELETED_SELF));
    WEFT_SCOPE(s) {
        uint32_t cancel_first = race_pick(2);
        race_is(weft_spawn(&s, selects_watch, &call, 0, RACE_OPT(.task = &task)), 0);
        race_yields(4);
        for (uint32_t step = 0; step < 2; step++) {
            if (step == cancel_first)
                race_is(weft_unlinkat(AT_FDCWD, path_here(), AT_REMOVEDIR), 0);
            else
                race_ok(weft_cancel(task));
        }
    }
    ck_assert(call.result == 0 ? call.won == 1 : call.result == -ECANCELED && call.won < 0);
    race_saw(call.result == 0);
    if (call.result != 0)
        race_is(weft_watch_next(call.watch, &call.event, 0), 0);
    race_is(call.event.what, WEFT_WATCH_DELETED_SELF);
    race_is(weft_watch_next(call.watch, &call.event, 0), 0);
    race_is(call.event.what, WEFT_WATCH_IGNORED);
    return weft_watch_close(call.watch);
}
TEST(race_select_watch)
{
    race_each(.body = body_select_watch, .orders = true, .outcomes = 2, .part = 4);
}

/* And a file's bytes: the position says what the case says. */
static int selects_file(void *arg)
{
    struct select_call *call = arg;
    weft_case cases[] = {weft_case_until(WEFT_NEVER),
                         weft_case_file_read(call->file, call->bytes, sizeof call->bytes)};

    call->won = weft_select(cases, 2, 0);
    call->result = cases[1].result;
    return 0;
}
static int body_select_file(void *arg)
{
    struct select_call call = {.result = -EIO};
    weft_task task;
    int fd = weft_open(path_here(), O_RDWR | O_CREAT, 0600);

    (void)arg;
    race_is(weft_pwrite_all(fd, "abcd", 4, 0, NULL), 4);
    race_is(weft_file_from_fd(fd, NULL, &call.file), 0);
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, selects_file, &call, 0, RACE_OPT(.task = &task)), 0);
        race_yields(4);
        race_ok(weft_cancel(task));
    }
    ck_assert(call.result > 0 ? call.won == 1 : call.result == -ECANCELED && call.won < 0);
    race_saw(call.result > 0);
    race_is(weft_file_tell(call.file), call.result > 0 ? call.result : 0);
    if (call.result <= 0)
        race_is(weft_file_read_exactly(call.file, call.bytes, 4, NULL), 4);
    race_is(memcmp(call.bytes, "abcd", call.result > 0 ? (size_t)call.result : 4), 0);
    race_is(weft_file_close(call.file), 0);
    return weft_unlinkat(AT_FDCWD, path_here(), 0);
}
TEST(race_select_file)
{
    race_each(.body = body_select_file, .orders = true, .outcomes = 2, .part = 4);
}

TEST_MAIN("race_file", 3600, race_16_open, race_16_pipe, race_pipe_read, race_close_under_uses,
          race_50_disk, race_select_watch, race_select_file)
