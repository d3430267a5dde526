/*
 * The report of a stack overflow. What these cases would catch: an overflow that kills without a
 * word or with the wrong task's name, a handler that needs the stack that has run out, other faults
 * swallowed or misnamed, a handler left behind or taken from somebody else.
 *
 * Each death happens in a child, whose descriptor 2 is a pipe.
 */
#define _GNU_SOURCE

#include "coro/overflow.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coro/context.h"
#include "support/test.h"

enum { TEXT_MAX = 4096 };

static struct weft__stack_pool pool;
static struct weft__context home, task;
static struct weft__stack stack;
static struct weft__overflow_thread thread;
static struct weft__overflow_watch watch;
static size_t want_size;
static bool mask_guard_install;

/* ---- children ----------------------------------------------------------------------------- */

struct death {
    int signal; /* that killed it, or 0 */
    int code;   /* that it exited with, or 0 */
    char text[TEXT_MAX];
};

static _Noreturn void leave(int code)
{
    test_save_coverage();
    _exit(code);
}

/* The linker leads the library's calls here (extra.cmake). Who sets the default is about to die of
   the signal. */
int __real_sigaction(int number, const struct sigaction *action, struct sigaction *old);
int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old);
int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    int rc = __real_sigaction(number, action, old);

    if (action && action->sa_handler == SIG_DFL)
        test_save_coverage();
    return rc;
}

int __real_raise(int number);
int __wrap_raise(int number);
int __wrap_raise(int number)
{
    int rc = __real_raise(number); /* blocked as long as the handler runs */

    test_save_coverage();
    return rc;
}

/* How the next calls of write are answered, before those that are let through. */
enum { TAKEN = -1000 };
static int answers[4] = {TAKEN, TAKEN, TAKEN, TAKEN}, answered = 4;

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    int answer = answered < 4 ? answers[answered++] : TAKEN;

    if (answer == TAKEN)
        return __real_write(fd, data, size);
    if (answer < 0) {
        errno = -answer;
        return -1;
    }
    return __real_write(fd, data, (size_t)answer);
}

static struct death run_child(void (*body)(void))
{
    struct death death = {0};
    int pipes[2], status;
    size_t length = 0;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        dup2(pipes[1], STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL); /* not the sanitizer's */
        signal(SIGBUS, SIG_DFL);
        body();
        leave(0);
    }
    close(pipes[1]);
    while ((n = read(pipes[0], death.text + length, sizeof death.text - 1 - length)) > 0)
        length += (size_t)n;
    close(pipes[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    death.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    death.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return death;
}

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        leave(99);
}

/* ---- what overflows ----------------------------------------------------------------------- */

static volatile int depth;

/* Touches each page on its way down, as code built with -fstack-clash-protection does. */
static __attribute__((noinline)) int recurse(int level)
{
    volatile char frame[256];

    frame[0] = (char)level;
    depth = level;
    return level < 0 ? 0 : recurse(level + 1) + frame[0];
}

static void overflowing_task(void *arg)
{
    (void)arg;
    depth = recurse(0);
    leave(98);
}

static void describe(void *arg, struct weft__overflow_report *report)
{
    if (report->slot != stack.slot)
        return;
    report->name = arg;
    report->id = 4711;
    report->function = (void *)overflowing_task;
}

static struct weft__stack_pool_opt few; /* of each class, where a test says so */

static void begin(void)
{
    struct weft__stack_pool_opt opt = few;

    opt.mask_guard_install = mask_guard_install;
    if (weft__overflow_install() < 0 || weft__overflow_thread_begin(&thread) < 0 ||
        weft__stack_pool_open(&pool, &opt) < 0 || weft__stack_take(&pool, 1, &stack) < 0 ||
        weft__stack_take(&pool, want_size, &stack) < 0)
        leave(97);
    watch =
        (struct weft__overflow_watch){.pool = &pool, .describe = describe, .arg = "conversation"};
    weft__overflow_watch(&watch);
}

static void overflow(void)
{
    begin();
    weft__context_adopt(&home);
    weft__context_make(&task, stack.low, stack.top, overflowing_task, NULL);
    weft__context_switch(&home, &task);
}

static void check_report(const struct death *death, size_t size)
{
    char want[256];
    const char *fault = strstr(death->text, "fault at 0x");

    ck_assert_int_eq(death->signal, SIGSEGV);
    snprintf(want, sizeof want,
             "weft: stack overflow in task \"conversation\" (id 4711), function 0x%" PRIxPTR
             ", stack of %zu bytes, fault at 0x",
             (uintptr_t)overflowing_task, size);
    ck_assert_msg(strstr(death->text, want) == death->text, "it said: %s", death->text);
    ck_assert_ptr_nonnull(fault);
    ck_assert_ptr_nonnull(strchr(fault, '\n'));
}

TEST(an_overflow_names_its_task)
{
    static const size_t sizes[] = {16 << 10, 64 << 10, 256 << 10, 1 << 20};

    for (int i = 0; i < 4; i++) {
        want_size = sizes[i];
        struct death death = run_child(overflow);
        check_report(&death, sizes[i]);
    }
}

TEST(an_overflow_names_its_task_on_an_older_kernel)
{
    mask_guard_install = true;
    struct death death = run_child(overflow);
    check_report(&death, 64 << 10);
}

static void *overflow_thread(void *arg)
{
    overflow();
    return arg;
}

static void overflow_elsewhere(void)
{
    pthread_t id;

    if (pthread_create(&id, NULL, overflow_thread, NULL) == 0)
        pthread_join(id, NULL);
}

TEST(an_overflow_in_another_thread_names_its_task)
{
    struct death death = run_child(overflow_elsewhere);
    check_report(&death, 64 << 10);
}

static void overflow_undescribed(void)
{
    begin();
    watch.describe = NULL;
    *(volatile char *)(stack.low - 1) = 1;
}

TEST(an_overflow_nobody_describes_is_reported_all_the_same)
{
    struct death death = run_child(overflow_undescribed);

    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_ptr_nonnull(strstr(death.text, "task \"\" (id 0)"));
    ck_assert_ptr_nonnull(strstr(death.text, "stack of 65536 bytes"));
}

/* The stack in use is the one taken first, the others lie above it. */
static bool uses_stack(void *arg, uint32_t *slot)
{
    (void)arg;
    *slot = stack.slot;
    return true;
}

static bool uses_none(void *arg, uint32_t *slot)
{
    (void)arg, (void)slot;
    return false;
}

static struct weft__overflow_watch leap_watch;
static ptrdiff_t leap; /* bytes below the stack */

/* A write to where there is nothing: below the first stack of a size are those of the size before
   it that were never opened. */
static void leap_from_first(void)
{
    struct weft__stack lowest;

    begin();
    if (weft__stack_take(&pool, 256 << 10, &lowest) < 0)
        leave(97);
    stack = lowest;
    watch.running = leap_watch.running;
    *(volatile char *)(stack.low - leap) = 1;
}

TEST(a_leap_over_the_guard_is_reported)
{
    static const ptrdiff_t leaps[] = {1, 4096, 70000, 1 << 20, 8 << 20};

    leap_watch.running = uses_stack;
    for (int i = 0; i < 5; i++) {
        leap = leaps[i];
        struct death death = run_child(leap_from_first);
        check_report(&death, 256 << 10);
        ck_assert_int_eq(strstr(death.text, "below its guard") != NULL, leap >= 70000);
    }
    leap = (8 << 20) + 1; /* too far to be a frame's */
    ck_assert_str_eq(run_child(leap_from_first).text, "");
    leap = 70000;
    leap_watch.running = uses_none;
    ck_assert_str_eq(run_child(leap_from_first).text, "");
    ck_assert_int_eq(run_child(leap_from_first).signal, SIGSEGV);
}

static void leap_into_another_guard(void)
{
    struct weft__stack below;

    begin();
    if (weft__stack_take(&pool, 0, &below) < 0 || weft__stack_take(&pool, 0, &stack) < 0 ||
        below.low > stack.low)
        leave(97);
    watch.running = uses_stack;
    *(volatile char *)(below.low - 1) = 1;
}

TEST(a_leap_into_anothers_guard_names_who_leapt)
{
    struct death death = run_child(leap_into_another_guard);

    check_report(&death, 64 << 10);
    ck_assert_ptr_nonnull(strstr(death.text, "below its guard"));
}

/* The program's own memory, by chance below the lowest stack: its handler may have to do with it.
 */
static void touch_below_the_pool(void)
{
    char *page;

    for (int i = 0; i < WEFT__STACK_CLASSES; i++)
        few.count_max[i] = 64; /* else its own tables, which lie there, take megabytes */
    begin();
    if (weft__stack_take(&pool, 1, &stack) < 0)
        leave(97);
    watch.running = uses_stack;
    page = pool.slab;
    do
        page -= 4096;
    while (mmap(page, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) !=
           page);
    if (stack.low - page > 4 << 20)
        leave(98);
    *(volatile char *)page = 1;
}

TEST(what_lies_below_all_stacks_is_not_ours)
{
    struct death death = run_child(touch_below_the_pool);

    ck_assert_int_eq(death.code, 0);
    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_str_eq(death.text, "");
}

static void describe_badly(void *arg, struct weft__overflow_report *report)
{
    static char name[2000];

    (void)arg;
    memset(name, 'n', sizeof name - 1);
    name[3] = '\n';
    name[4] = '\177';
    report->name = name;
    report->function_name = "serve";
}

static void overflow_described_badly(void)
{
    begin();
    watch.describe = describe_badly;
    *(volatile char *)(stack.low - 1) = 1;
}

TEST(a_name_too_long_or_with_control_characters_stays_one_line)
{
    struct death death = run_child(overflow_described_badly);
    char *end = strchr(death.text, '\n');

    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_ptr_nonnull(strstr(death.text, "\"nnn??nnn"));
    ck_assert_ptr_nonnull(end);
    ck_assert_int_eq(end[1], 0);
    ck_assert_int_lt(end - death.text, 512);
}

static void hook(const struct weft__overflow_report *report)
{
    say(report->id == 4711 && report->stack_size == 64 << 10 ? "hook called\n" : "hook misled\n");
}

static void overflow_hooked(void)
{
    weft__overflow_hook_set(hook);
    overflow();
}

TEST(the_fatal_hook_is_called_after_the_line)
{
    struct death death = run_child(overflow_hooked);

    check_report(&death, 64 << 10);
    ck_assert_ptr_nonnull(strstr(death.text, "\nhook called\n"));
}

static void overflow_into(int first, int second, int third)
{
    answers[0] = first, answers[1] = second, answers[2] = third;
    answered = 0;
    overflow();
}

static void overflow_into_a_slow_pipe(void)
{
    overflow_into(-EINTR, 7, 0);
}

static void overflow_into_a_broken_pipe(void)
{
    overflow_into(10, -EIO, TAKEN);
}

TEST(the_line_comes_in_pieces_or_breaks_off)
{
    struct death death = run_child(overflow_into_a_slow_pipe);

    check_report(&death, 64 << 10);
    death = run_child(overflow_into_a_broken_pipe); /* and does not try for ever */
    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_str_eq(death.text, "weft: stac");
}

/* ---- other faults ------------------------------------------------------------------------- */

static char *volatile nowhere;

static void fault_elsewhere(void)
{
    begin();
    nowhere = (char *)8;
    *nowhere = 1;
}

TEST(another_fault_kills_without_a_report)
{
    struct death death = run_child(fault_elsewhere);

    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_str_eq(death.text, "");
}

static void sent_by_somebody(void)
{
    begin();
    kill(getpid(), SIGSEGV);
    leave(5);
}

TEST(a_signal_that_was_sent_kills_without_a_report)
{
    struct death death = run_child(sent_by_somebody);

    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_str_eq(death.text, "");
}

/* As a debugger or a supervisor may: everything as in a fault, but for the code. */
static void sent_with_an_address(void)
{
    siginfo_t info = {.si_signo = SIGSEGV, .si_code = SI_QUEUE};

    begin();
    info.si_addr = stack.low - 1;
    syscall(SYS_rt_sigqueueinfo, getpid(), SIGSEGV, &info);
    leave(5);
}

TEST(a_signal_that_was_sent_with_a_guards_address_is_no_overflow)
{
    struct death death = run_child(sent_with_an_address);

    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_str_eq(death.text, "");
}

static void fault_above_the_guard(void)
{
    begin();
    mprotect(stack.low + 4096, 4096, PROT_READ);
    stack.low[5000] = 1;
}

TEST(a_fault_on_a_stack_but_not_in_its_guard_is_no_overflow)
{
    struct death death = run_child(fault_above_the_guard);

    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_str_eq(death.text, "");
}

static void old_handler_info(int number, siginfo_t *info, void *context)
{
    (void)number;
    say(context && info->si_addr == (void *)8 ? "old handler\n" : "old handler misled\n");
    leave(42);
}

static void old_handler_plain(int number)
{
    say(number == SIGSEGV ? "old handler\n" : "old handler misled\n");
    leave(42);
}

static void fault_with_old_info(void)
{
    struct sigaction action = {.sa_sigaction = old_handler_info, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &action, NULL);
    fault_elsewhere();
}

static void fault_with_old_plain(void)
{
    signal(SIGSEGV, old_handler_plain);
    fault_elsewhere();
}

static void fault_with_old_ignore(void)
{
    signal(SIGSEGV, SIG_IGN);
    fault_elsewhere();
}

static void sent_with_old_ignore(void)
{
    signal(SIGSEGV, SIG_IGN);
    sent_by_somebody();
}

TEST(other_faults_go_to_the_handler_that_was_there)
{
    struct death death = run_child(fault_with_old_info);

    ck_assert_str_eq(death.text, "old handler\n");
    ck_assert_int_eq(death.code, 42);
    death = run_child(fault_with_old_plain);
    ck_assert_str_eq(death.text, "old handler\n");
    ck_assert_int_eq(death.code, 42);
    death = run_child(fault_with_old_ignore);
    ck_assert_int_eq(death.signal, SIGSEGV); /* a fault cannot be ignored, */
    death = run_child(sent_with_old_ignore);
    ck_assert_int_eq(death.code, 5); /* a signal can */
}

static void unwatched(void)
{
    begin();
    weft__overflow_unwatch(&watch);
    *(volatile char *)(stack.low - 1) = 1;
}

TEST(an_unwatched_pool_is_not_reported)
{
    struct death death = run_child(unwatched);

    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_str_eq(death.text, "");
}

/* ---- installing --------------------------------------------------------------------------- */

static void (*handler_now(void))(int)
{
    struct sigaction now;

    ck_assert_int_eq(sigaction(SIGSEGV, NULL, &now), 0);
    return now.sa_handler;
}

TEST(the_last_remove_puts_the_old_handler_back)
{
    signal(SIGSEGV, old_handler_plain);
    weft__overflow_remove(); /* never installed: nothing */
    ck_assert_int_eq(weft__overflow_install(), 0);
    ck_assert_int_eq(weft__overflow_install(), 0);
    ck_assert(handler_now() != old_handler_plain);
    weft__overflow_remove();
    ck_assert(handler_now() != old_handler_plain);
    weft__overflow_remove();
    ck_assert(handler_now() == old_handler_plain);
}

static struct sigaction ours;

static void chain_to_ours(int number, siginfo_t *info, void *context)
{
    say("later handler\n");
    ours.sa_sigaction(number, info, context);
}

/* Somebody came after us and passes on to us; we are removed, installed again, and used. */
static void chained(void)
{
    struct sigaction later = {.sa_sigaction = chain_to_ours, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    signal(SIGSEGV, old_handler_plain);
    if (weft__overflow_install() < 0 || sigaction(SIGSEGV, &later, &ours) < 0)
        leave(96);
    weft__overflow_remove();
    if (handler_now() != later.sa_handler)
        leave(95);
    fault_elsewhere();
}

static void chained_overflow(void)
{
    struct sigaction later = {.sa_sigaction = chain_to_ours, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (weft__overflow_install() < 0 || sigaction(SIGSEGV, &later, &ours) < 0)
        leave(96);
    weft__overflow_remove();
    overflow();
}

TEST(somebody_elses_later_handler_is_left_alone)
{
    struct death death = run_child(chained);

    ck_assert_int_eq(death.code, 42);
    ck_assert_str_eq(death.text, "later handler\nold handler\n");
    death = run_child(chained_overflow);
    ck_assert_int_eq(death.signal, SIGSEGV);
    ck_assert_ptr_nonnull(strstr(death.text, "later handler\nweft: stack overflow in task \"conv"));
}

/* Somebody who had kept our handler puts it back when we are gone. */
static void put_back_by_another(void)
{
    signal(SIGSEGV, old_handler_plain);
    if (weft__overflow_install() < 0 || sigaction(SIGSEGV, NULL, &ours) < 0)
        leave(96);
    weft__overflow_remove();
    if (sigaction(SIGSEGV, &ours, NULL) < 0)
        leave(95);
    fault_elsewhere();
}

TEST(our_own_handler_is_not_chained_to)
{
    struct death death = run_child(put_back_by_another);

    ck_assert_int_eq(death.code, 42);
    ck_assert_str_eq(death.text, "old handler\n");
}

TEST(only_what_was_watched_is_unwatched)
{
    struct weft__overflow_watch other = {.pool = &pool}, third = {.pool = &pool};

    weft__overflow_watch(&watch);
    weft__overflow_watch(&other);
    weft__overflow_unwatch(&third);
    weft__overflow_unwatch(&watch);
    ck_assert_ptr_null(other.next);
    weft__overflow_unwatch(&other);
}

TEST(a_thread_gets_its_signal_stack_back)
{
    stack_t before, within, after;

    ck_assert_int_eq(sigaltstack(NULL, &before), 0);
    ck_assert_int_eq(weft__overflow_thread_begin(&thread), 0);
    ck_assert_int_eq(sigaltstack(NULL, &within), 0);
    ck_assert_uint_ge(within.ss_size, 64 << 10);
    ck_assert_int_eq(within.ss_flags, 0);
    weft__overflow_thread_end(&thread);
    ck_assert_int_eq(sigaltstack(NULL, &after), 0);
    ck_assert_ptr_eq(after.ss_sp, before.ss_sp);
    ck_assert_int_eq(after.ss_flags, before.ss_flags);
    weft__overflow_thread_end(&thread); /* twice is harmless */
}

/* Two reactors on one thread have one signal stack, until the last of them ends: the one that began
   first must not take it from the other, nor that one leave memory installed that is no more. */
TEST(two_on_a_thread_share_a_signal_stack)
{
    struct weft__overflow_thread second = {.begun = false};
    stack_t before, within, now;

    ck_assert_int_eq(sigaltstack(NULL, &before), 0);
    ck_assert_int_eq(weft__overflow_thread_begin(&thread), 0);
    ck_assert_int_eq(sigaltstack(NULL, &within), 0);
    ck_assert_int_eq(weft__overflow_thread_begin(&second), 0);
    ck_assert_int_eq(sigaltstack(NULL, &now), 0);
    ck_assert_ptr_eq(now.ss_sp, within.ss_sp);
    weft__overflow_thread_end(&thread);
    ck_assert_int_eq(sigaltstack(NULL, &now), 0);
    ck_assert_ptr_eq(now.ss_sp, within.ss_sp);
    weft__overflow_thread_end(&thread); /* not the other's end */
    memset(now.ss_sp, 1, now.ss_size);
    weft__overflow_thread_end(&second);
    ck_assert_int_eq(sigaltstack(NULL, &now), 0);
    ck_assert_ptr_eq(now.ss_sp, before.ss_sp);
    ck_assert_int_eq(now.ss_flags, before.ss_flags);
}

static void overflow_beside_one_that_ended(void)
{
    struct weft__overflow_thread first = {.begun = false};

    if (weft__overflow_thread_begin(&first) < 0)
        leave(97);
    begin();
    weft__overflow_thread_end(&first);
    weft__context_adopt(&home);
    weft__context_make(&task, stack.low, stack.top, overflowing_task, NULL);
    weft__context_switch(&home, &task);
}

TEST(an_overflow_beside_one_that_ended_names_its_task)
{
    struct death death = run_child(overflow_beside_one_that_ended);

    check_report(&death, 64 << 10);
}

TEST_MAIN("coro/overflow", 30, an_overflow_names_its_task,
          an_overflow_names_its_task_on_an_older_kernel,
          an_overflow_in_another_thread_names_its_task,
          an_overflow_nobody_describes_is_reported_all_the_same, a_leap_over_the_guard_is_reported,
          a_leap_into_anothers_guard_names_who_leapt, what_lies_below_all_stacks_is_not_ours,
          a_name_too_long_or_with_control_characters_stays_one_line,
          the_fatal_hook_is_called_after_the_line, another_fault_kills_without_a_report,
          a_signal_that_was_sent_kills_without_a_report,
          a_signal_that_was_sent_with_a_guards_address_is_no_overflow,
          a_fault_on_a_stack_but_not_in_its_guard_is_no_overflow,
          other_faults_go_to_the_handler_that_was_there, an_unwatched_pool_is_not_reported,
          the_last_remove_puts_the_old_handler_back, somebody_elses_later_handler_is_left_alone,
          our_own_handler_is_not_chained_to, only_what_was_watched_is_unwatched,
          the_line_comes_in_pieces_or_breaks_off, a_thread_gets_its_signal_stack_back,
          two_on_a_thread_share_a_signal_stack, an_overflow_beside_one_that_ended_names_its_task)
