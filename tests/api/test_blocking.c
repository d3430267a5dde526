/*
 * Debug mode: system calls that wait are told at the very instruction, and made all the same. Would
 * catch one that is not told, one told that does not wait, or that is the library's own, and one
 * that is made otherwise.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "blocking.h"
#include "support/child.h"
#include "support/frames.h"
#include "support/misuse.h"

/* -- the words ------------------------------------------------------------------------------- */

static int came_from;
static volatile int returned;

static NOINLINE void blocks(void)
{
    struct timespec span = {.tv_nsec = 1000};

    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &span, NULL);
    returned++;
}
static int sleeper(void *arg)
{
    (void)arg;
    came_from = __LINE__ + 1;
    ok(weft_sleep(1));
    blocks();
    return 0;
}

static void put_place(char *text, const void *code)
{
    const char *slash;
    Dl_info info;

    ck_assert_int_ne(dladdr(code, &info), 0);
    slash = strrchr(info.dli_fname, '/');
    sprintf(text + strlen(text), "0x%lx %s+0x%lx", (unsigned long)code,
            slash ? slash + 1 : info.dli_fname,
            (unsigned long)((const char *)code - (const char *)info.dli_fbase));
}

static int words_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "sleeper"};
    uintptr_t caller, begin = (uintptr_t)blocks;
    char expected[1024];

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, sleeper, NULL, 0, &opt));
    }
    ck_assert_uint_eq(told.count, 1);
    ck_assert_int_eq(told.latest.kind, WEFT_REPORT_BLOCKING);
    ck_assert_int_eq(told.latest.call, SYS_clock_nanosleep);
    ck_assert_ptr_eq(told.latest.code, (const void *)(uintptr_t)sleeper);
    ck_assert_str_eq(told.name, "sleeper");
    caller = (uintptr_t)told.latest.caller;
    ck_assert_msg(caller > begin && caller - begin < 512, "it is called from elsewhere");
    sprintf(expected, "weft: blocking: task 2 \"sleeper\" calls clock_nanosleep (%d) at ",
            (int)SYS_clock_nanosleep);
    put_place(expected, told.latest.address);
    strcat(expected, ", from ");
    put_place(expected, told.latest.caller);
    if (test_misuse_debug())
        sprintf(expected + strlen(expected), ", after %s:%d: weft_sleep", __FILE__, came_from);
    ck_assert_str_eq(told.text, expected);
    return 0;
}
TEST(the_words)
{
    run(words_main, 1);
}

static void callback(void *done)
{
    ok(sleep_call());
    atomic_store((atomic_bool *)done, true);
}
static int errand(void *arg)
{
    (void)arg;
    return (int)sleep_call();
}
static int callback_main(void *arg)
{
    atomic_bool done = false;

    (void)arg;
    ok(weft_call_soon(callback, &done, NULL));
    while (!atomic_load(&done))
        ok(weft_yield());
    ck_assert_uint_eq(told.count, 1);
    ck_assert_ptr_null(told.latest.name);
    ck_assert_ptr_eq(told.latest.code, (const void *)(uintptr_t)callback);
    ck_assert_ptr_nonnull(strstr(told.text, "a callback calls clock_nanosleep ("));
    ok(weft_call_on_big_stack(errand, NULL));
    ck_assert_uint_eq(told.count, 2);
    ck_assert_str_eq(told.name, "main");
    return 0;
}
TEST(in_a_callback)
{
    run(callback_main, 1);
}

/* -- what waits, and what does not ----------------------------------------------------------- */

static int spans_main(void *arg)
{
    struct timespec none = {0, 0}, short_time = {.tv_nsec = 1}, long_time = {.tv_sec = 1};

    (void)arg;
    TOLD(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &none, NULL), 0);
    TOLD(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &short_time, NULL), 1);
    TOLD(syscall(SYS_epoll_pwait2, -1, NULL, 1, &none, NULL, 8), 0);
    TOLD(syscall(SYS_epoll_pwait2, -1, NULL, 1, &long_time, NULL, 8), 1);
    TOLD(syscall(SYS_epoll_pwait2, -1, NULL, 1, NULL, NULL, 8), 1);
#ifdef SYS_poll
    TOLD(syscall(SYS_poll, NULL, 0, 0), 0);
    TOLD(syscall(SYS_poll, NULL, 0, 1), 1);
    TOLD(syscall(SYS_select, 0, NULL, NULL, NULL, &none), 0);
    TOLD(syscall(SYS_epoll_wait, -1, NULL, 1, 0), 0);
    TOLD(syscall(SYS_epoll_wait, -1, NULL, 1, 5), 1);
#endif
    return 0;
}
TEST(how_long_it_waits)
{
    run(spans_main, 1);
}

static int kinds_main(void *arg)
{
    struct timespec no_time = {0, 0};
    struct pollfd none = {.fd = -1};
    uint32_t word = 0;
    uint64_t value = 1;
    int event = (int)syscall(SYS_eventfd2, 1, 0),
        idle = (int)syscall(SYS_eventfd2, 0, EFD_NONBLOCK);
    char byte;

    (void)arg;
    ok(event);
    ok(idle);
    TOLD(syscall(SYS_getpid), 0);
    TOLD(syscall(SYS_read, event, &value, sizeof value), 1);
    ck_assert_uint_eq(value, 1);
    TOLD(syscall(SYS_write, event, &value, sizeof value), 1);
    TOLD(syscall(SYS_read, idle, &value, sizeof value), 0);
    ck_assert_int_eq(errno, EAGAIN);
    TOLD(syscall(SYS_read, 1000000, &byte, 1), 0);
    ck_assert_int_eq(errno, EBADF);
    TOLD(syscall(SYS_recvfrom, event, &byte, 1, MSG_DONTWAIT, NULL, NULL), 0);
    TOLD(syscall(SYS_recvfrom, event, &byte, 1, 0, NULL, NULL), 1);
    ck_assert_int_eq(errno, ENOTSOCK);
    TOLD(syscall(SYS_sendmsg, event, NULL, MSG_DONTWAIT), 0);
    TOLD(syscall(SYS_sendmsg, event, NULL, 0), 1);
    TOLD(syscall(SYS_recvfrom, idle, &byte, 1, 0, NULL, NULL), 0);
    TOLD(syscall(SYS_sendmsg, idle, NULL, 0), 0);
    TOLD(syscall(SYS_ppoll, &none, 1, &no_time, NULL, 0), 0);
    no_time.tv_nsec = 1;
    TOLD(syscall(SYS_ppoll, &none, 1, &no_time, NULL, 0), 1);
    TOLD(syscall(SYS_epoll_pwait, -1, NULL, 1, 0, NULL, 0), 0);
    TOLD(syscall(SYS_epoll_pwait, -1, NULL, 1, 5, NULL, 0), 1);
    TOLD(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
    TOLD(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), 1);
    ck_assert_int_eq(errno, EAGAIN);
    TOLD(syscall(SYS_flock, event, LOCK_NB), 0);
    TOLD(syscall(SYS_flock, -1, LOCK_UN), 0);
    TOLD(syscall(SYS_flock, -1, LOCK_EX), 1);
    TOLD(syscall(SYS_fcntl, event, F_GETFD), 0);
    TOLD(syscall(SYS_fcntl, -1, F_SETLKW, NULL), 1);
    TOLD(syscall(SYS_fcntl, -1, F_OFD_SETLKW, NULL), 1);
    TOLD(syscall(SYS_wait4, -1, NULL, WNOHANG, NULL), 0);
    TOLD(syscall(SYS_wait4, -1, NULL, 0, NULL), 1);
    ck_assert_int_eq(errno, ECHILD);
    TOLD(syscall(SYS_waitid, P_ALL, 0, NULL, WEXITED | WNOHANG, NULL), 0);
    TOLD(syscall(SYS_waitid, P_ALL, 0, NULL, WEXITED, NULL), 1);
    TOLD(syscall(SYS_fsync, event), 1);
    ok((int)syscall(SYS_close, event));
    ok((int)syscall(SYS_close, idle));
    return 0;
}
TEST(what_waits)
{
    run(kinds_main, 1);
}

static int flags_main(void *arg)
{
    char bytes[16] = "";
    struct iovec part = {bytes, sizeof bytes};
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int in[2], out[2], file = memfd_create("blocking", MFD_CLOEXEC);

    (void)arg;
    ck_assert_ptr_ne(page, MAP_FAILED);
    ok(file);
    ok(pipe2(in, O_CLOEXEC));
    ok(pipe2(out, O_CLOEXEC | O_NONBLOCK));
    ok((int)pwrite(file, bytes, sizeof bytes, 0));
    TOLD(syscall(SYS_preadv2, file, &part, 1, 0, 0, RWF_NOWAIT), 0);
    TOLD(syscall(SYS_preadv2, file, &part, 1, 0, 0, 0), 1);
    TOLD(syscall(SYS_pwritev2, file, &part, 1, 0, 0, RWF_NOWAIT), 0);
    TOLD(syscall(SYS_pwritev2, file, &part, 1, 0, 0, 0), 1);
    TOLD(syscall(SYS_msync, page, 4096, MS_ASYNC), 0);
    TOLD(syscall(SYS_msync, page, 4096, MS_SYNC), 1);
    TOLD(syscall(SYS_splice, in[0], NULL, out[1], NULL, 1, 0), 0); /* of two pipes one is enough */
    ck_assert_int_eq(errno, EAGAIN);
    TOLD(syscall(SYS_tee, in[0], out[1], 1, 0), 0);
    TOLD(syscall(SYS_splice, in[0], NULL, in[1], NULL, 1, 0), 1); /* -EINVAL */
    TOLD(syscall(SYS_splice, in[0], NULL, in[1], NULL, 1, SPLICE_F_NONBLOCK), 0);
    TOLD(syscall(SYS_tee, in[0], in[1], 1, 0), 1);
    TOLD(syscall(SYS_tee, in[0], in[1], 1, SPLICE_F_NONBLOCK), 0);
    TOLD(syscall(SYS_splice, file, NULL, out[1], NULL, 1, SPLICE_F_NONBLOCK), 1); /* the file's */
    TOLD(syscall(SYS_splice, -1, NULL, out[1], NULL, 1, 0), 0);
    TOLD(syscall(SYS_tee, in[0], -1, 1, 0), 0);
    ok((int)write(in[1], bytes, sizeof bytes));
    told.count = 0;
    TOLD(syscall(SYS_splice, in[0], NULL, file, NULL, 1, 0), 1);
    TOLD(syscall(SYS_splice, in[0], NULL, file, NULL, 1, SPLICE_F_NONBLOCK), 1);
    ok(fcntl(file, F_SETFL, O_NONBLOCK));
    TOLD(syscall(SYS_splice, in[0], NULL, file, NULL, 1, 0), 1); /* the pipe's is not set */
    TOLD(syscall(SYS_splice, in[0], NULL, file, NULL, 1, SPLICE_F_NONBLOCK), 0);
    TOLD(syscall(SYS_splice, file, NULL, in[1], NULL, 1, 0), 1);
    TOLD(syscall(SYS_splice, file, NULL, in[1], NULL, 1, SPLICE_F_NONBLOCK), 0);
    TOLD(syscall(SYS_splice, file, NULL, out[1], NULL, 1, 0), 0); /* each has its own */
    TOLD(syscall(SYS_preadv2, file, &part, 1, 0, 0, 0), 0);
    for (int i = 0; i < 2; i++) {
        ok(close(in[i]));
        ok(close(out[i]));
    }
    ok(close(file));
    return munmap(page, 4096);
}
TEST(what_is_told_not_to_wait)
{
    run(flags_main, 1);
}

/* Memory that is not there: the call says so, and nobody else looks at it. */
static int bad_main(void *arg)
{
    struct timespec *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigset_t set;

    (void)arg;
    ck_assert_ptr_ne(bad, MAP_FAILED);
    sigemptyset(&set);
    TOLD(syscall(SYS_ppoll, NULL, 0, bad, NULL, 0), 0);
    ck_assert_int_eq(errno, EFAULT);
    TOLD(syscall(SYS_pselect6, 0, NULL, NULL, NULL, bad, NULL), 0);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq((int)syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq((int)syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, bad, 8), -1);
    ck_assert_int_eq(errno, EFAULT);
    return munmap(bad, 4096);
}
TEST(memory_that_is_not_there)
{
    run(bad_main, 1);
}

/* -- whose code it is ------------------------------------------------------------------------ */

#ifdef __x86_64__
static NOINLINE long flock_here(long fd, long operation)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"((long)SYS_flock), "D"(fd), "S"(operation)
                     : "rcx", "r11", "memory");
    return result;
}
static int program_main(void *arg)
{
    uintptr_t address, begin = (uintptr_t)flock_here;

    (void)arg;
    TOLD(flock_here(-1, LOCK_EX), 1);
    address = (uintptr_t)told.latest.address;
    ck_assert_msg(address > begin && address - begin < 512, "it is made elsewhere");
    ck_assert_ptr_eq(told.latest.caller, told.latest.address);
    ck_assert_ptr_null(strstr(told.text, ", from "));
    return 0;
}
/* By an instruction of its own: that is the caller. */
TEST(the_program_itself)
{
    run(program_main, 1);
}

/* push %rbp; xor %ebp,%ebp; mov $flock,%eax; syscall; pop %rbp; ret */
static const unsigned char code[] = {0x55, 0x31, 0xed, 0xb8, SYS_flock, 0,
                                     0,    0,    0x0f, 0x05, 0x5d,      0xc3};

static int nowhere_main(void *page)
{
    long (*flock_there)(long, long) = (long (*)(long, long))(uintptr_t)page;
    char expected[64];

    TOLD(flock_there(-1, LOCK_EX), 1);
    ck_assert_ptr_eq(told.latest.address, (char *)page + 10);
    ck_assert_ptr_null(told.latest.caller);
    sprintf(expected, " calls flock (%d) at 0x%lx", SYS_flock, (unsigned long)page + 10);
    ck_assert_ptr_nonnull(strstr(told.text, expected));
    ck_assert_ptr_null(strstr(told.text, "+0x"));
    ck_assert_ptr_null(strstr(told.text, ", from "));
    return 0;
}
/* Made while the program runs, as by an interpreter: it has no file, no tables, and no name. */
TEST(code_of_no_object)
{
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &debug};
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int result;

    ck_assert_ptr_ne(page, MAP_FAILED);
    memcpy(page, code, sizeof code);
    ok(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    result = weft_run(nowhere_main, page, 0, &opt);
    ck_assert(result == 0 || result == -ENOSYS);
    ok(munmap(page, 4096));
}
#define CASES_OF_CODE the_program_itself, code_of_no_object,
#else
#define CASES_OF_CODE
#endif

/* The library's own: sockets, files, other reactors and their bells. */
static int nothing(void *arg)
{
    (void)arg;
    return weft_sleep(1000);
}
static int own_main(void *arg)
{
    weft_inbox *other = weft_inbox_get(1);
    int fds[2];
    char byte = 'x';

    (void)arg;
    ok(weft_pipe(fds, 0));
    ok(weft_write(fds[1], &byte, 1));
    ok(weft_read(fds[0], &byte, 1));
    ok(weft_close(fds[0]));
    ok(weft_close(fds[1]));
    for (int i = 0; i < 10; i++)
        ok(weft_call(1, nothing, NULL, 0));
    WEFT_SCOPE(s) {
        for (int i = 0; i < 100; i++)
            ok(weft_spawn(&s, nothing, NULL, 0, NULL));
    }
    weft_inbox_put(other);
    ck_assert_uint_eq(told.count, 0);
    return 0;
}
TEST(the_librarys_own)
{
    run(own_main, 2);
}

static int threads_main(void *arg)
{
    struct weft_process_status status;
    weft_process *process;

    (void)arg;
    child_ready();
    ok(weft_run_in_executor(NULL, errand, NULL));
    ok(weft_create_subprocess_exec(CHILD_ARGS("exit", "0"), NULL, &process));
    ok(weft_process_wait(process, &status));
    ck_assert_int_eq(status.code, 0);
    ok(weft_process_close(process));
    TOLD(sleep_call(), 1);
    return 0;
}
TEST(threads_and_processes)
{
    run(threads_main, 1);
}

/* -- on and off ------------------------------------------------------------------------------ */

static int switched_main(void *arg)
{
    int result;

    (void)arg;
    TOLD(sleep_call(), 0);
    result = weft_set_debug(&debug);
    if (result == -ENOSYS) {
        ck_assert(!weft_get_debug());
        return 0;
    }
    ok(result);
    TOLD(sleep_call(), 1);
    ok(weft_yield());
    TOLD(sleep_call(), 1);
    ok(weft_set_debug(&debug)); /* once more */
    TOLD(sleep_call(), 1);
    ok(weft_set_debug(NULL));
    TOLD(sleep_call(), 0);
    ok(weft_sleep(1));
    TOLD(sleep_call(), 0);
    return 0;
}
TEST(switched_on_and_off)
{
    ok(weft_run(switched_main, NULL, 0, NULL));
}

TEST_MAIN("blocking", 30, the_words, in_a_callback, how_long_it_waits, what_waits,
          what_is_told_not_to_wait, memory_that_is_not_there, CASES_OF_CODE the_librarys_own,
          threads_and_processes, switched_on_and_off)
