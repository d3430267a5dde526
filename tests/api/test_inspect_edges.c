/*
 * What a server does right now, where names, stacks and signals are unusual. Would catch text that
 * runs over its line, a stack that ends where a compiler's tables do, a signal taken for another
 * reactor's, and one that finds no task and does harm.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <search.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft/weft.h>

#include "printed.h"
#include "support/frames.h"
#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

static int fd_out;

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* -- words ----------------------------------------------------------------------------------- */

/* A name that is too long is cut, and so is what would follow. */
static int long_name_main(void *name)
{
    char text[PRINTED_SIZE];
    const char *begin;
    size_t length;

    WEFT_SCOPE(s, .name = name) {
        ok(weft_print_tasks(fd_out, 0));
    }
    printed_read(fd_out, text);
    begin = strstr(text, "nnn");
    ck_assert_ptr_nonnull(begin);
    length = strspn(begin, "n");
    ck_assert_uint_ge(length, 256);
    ck_assert_uint_lt(length, 400);
    ck_assert_int_eq(begin[length], '\n');
    return 0;
}
TEST(a_long_name)
{
    char name[401];

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    fd_out = printed_new();
    ok(weft_run(long_name_main, name, 0, NULL));
    ok(close(fd_out));
}

/* A deadline that has passed is none to wait for. */
static int passed_main(void *arg)
{
    char text[PRINTED_SIZE];

    (void)arg;
    WEFT_SCOPE(s, .deadline = 1, .name = "late") {
        ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
        ok(weft_print_tasks(fd_out, 0));
    }
    printed_read(fd_out, text);
    ck_assert_ptr_nonnull(strstr(text, "scope \"late\": 0 tasks, its deadline passed\n"));
    return 0;
}
TEST(a_deadline_that_has_passed)
{
    fd_out = printed_new();
    ck_assert_int_eq(weft_run(passed_main, NULL, 0, NULL), -ETIMEDOUT);
    ok(close(fd_out));
}

/* Of several only the tasks are named that have not ended. */
static weft_event go;
static weft_future *pending;
static weft_task asked[3];

static int waits_for_go(void *arg)
{
    (void)arg;
    return weft_event_wait(&go);
}
static int waits_on(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_NEVER);
}
static int waits_for_all(void *arg)
{
    weft_awaitable list[] = {weft_of_task(asked[0]), weft_of_future(pending),
                             weft_of_task(asked[1]), weft_of_task(asked[2])};

    (void)arg;
    return weft_wait(list, 4, NULL, WEFT_ALL, WEFT_NEVER);
}
static int waits_for_the_first(void *arg)
{
    weft_awaitable list[] = {weft_of_future(pending), weft_of_task(asked[1])};

    (void)arg;
    return weft_wait(list, 2, NULL, WEFT_FIRST_COMPLETED, WEFT_NEVER);
}
static int waits_for_no_task(void *arg)
{
    weft_awaitable list[] = {weft_of_future(pending)};

    (void)arg;
    return weft_wait(list, 1, NULL, WEFT_ALL, WEFT_NEVER);
}
/* Lets the others run until that is said. */
static void print_until(const char *words, char *text)
{
    do {
        int fd = printed_new();
        ok(weft_yield());
        ok(weft_print_tasks(fd, 0));
        printed_read(fd, text);
        ok(close(fd));
    } while (!strstr(text, words));
}
static int several_main(void *arg)
{
    static const struct {
        weft_task_fn fn;
        const char *name;
    } tasks[] = {{waits_for_go, "a"},
                 {waits_on, "b"},
                 {waits_on, "c"},
                 {waits_for_all, "all"},
                 {waits_for_the_first, "first"},
                 {waits_for_no_task, "none"}};
    char text[PRINTED_SIZE];

    (void)arg;
    ok(weft_future_create(&pending, NULL));
    WEFT_SCOPE(s) {
        for (int i = 0; i < 6; i++) {
            struct weft_spawn_opt opt = {.size = sizeof opt, .name = tasks[i].name};
            opt.task = i < 3 ? &asked[i] : NULL;
            ok(weft_spawn(&s, tasks[i].fn, NULL, 0, &opt));
        }
        print_until("\"a\": event", text);
        print_until("\"all\": wait of", text);
        print_until("\"first\": wait of", text);
        print_until("\"none\": wait,", text);
        ok(weft_event_set(&go));
        print_until("\"a\": has ended", text);
        ok(weft_scope_cancel(&s));
    }
    weft_future_put(pending);
    ck_assert_ptr_nonnull(strstr(text, "\"all\": wait of task "));
    ck_assert_ptr_nonnull(strstr(text, " \"b\" and 1 more, since turn "));
    ck_assert_ptr_nonnull(strstr(text, "\"first\": wait of the first of task "));
    ck_assert_ptr_nonnull(strstr(text, " \"b\", since turn "));
    ck_assert_ptr_nonnull(strstr(text, "\"none\": wait, since turn "));
    return 0;
}
TEST(several_that_are_waited_for)
{
    go = (weft_event)WEFT_EVENT_INIT;
    ok(weft_run(several_main, NULL, 0, NULL));
}

/* -- stacks ---------------------------------------------------------------------------------- */

/* What is printed while the task waits. */
static void print_task(weft_task_fn fn, void *arg, weft_task *task, char *text)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = task};

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, fn, arg, 0, &opt));
        ok(weft_yield());
        ok(weft_print_tasks(fd_out, WEFT_PRINT_STACKS));
        weft_scope_cancel(&s);
    }
    printed_read(fd_out, text);
}

static volatile int returned;

static int sleeps_once(const void *key, const void *element)
{
    (void)key;
    (void)element;
    return (int)weft_sleep(WEFT_NEVER);
}
static int searcher(void *arg)
{
    size_t count = 1;
    char element = 'x';

    (void)arg;
    returned += lfind("x", &element, &count, 1, sleeps_once) != NULL;
    return 0;
}
static int names_main(void *arg)
{
    char text[PRINTED_SIZE];
    weft_task task;
    Dl_info info;

    (void)arg;
    print_task(searcher, NULL, &task, text);
    if (dladdr((const void *)(uintptr_t)lfind, &info) && info.dli_sname)
        ck_assert_ptr_nonnull(strstr(text, " lfind\n"));
    else
        ck_assert_ptr_null(strstr(text, "lfind"));
    return 0;
}
/* A function of another object has a name; not so in a program that is linked statically. */
TEST(names_of_functions)
{
    fd_out = printed_new();
    ok(weft_run(names_main, NULL, 0, NULL));
    ok(close(fd_out));
}

/* Calls its argument, with a frame pointer and without tables: as what is made while a program
 * runs.
 */
#ifdef __x86_64__
/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
enum { GOES_ON = 6 };
#else
/* stp x29,x30,[sp,#-16]!; mov x29,sp; blr x0; ldp x29,x30,[sp],#16; ret */
static const unsigned char code[] = {0xfd, 0x7b, 0xbf, 0xa9, 0xfd, 0x03, 0x00, 0x91, 0x00, 0x00,
                                     0x3f, 0xd6, 0xfd, 0x7b, 0xc1, 0xa8, 0xc0, 0x03, 0x5f, 0xd6};
enum { GOES_ON = 12 };
#endif

static const void *around; /* where the function goes on that calls what was made */

static NOINLINE void sleeps(void)
{
    ck_assert_int_eq(weft_sleep(WEFT_NEVER), -ECANCELED);
    returned++;
}
static NOINLINE void calls(void *page)
{
    around = __builtin_return_address(0);
    ((void (*)(void (*)(void)))(uintptr_t)page)(sleeps);
    returned++;
}
static int caller(void *page)
{
    calls(page);
    returned++;
    return 0;
}
static int made_main(void *page)
{
    char text[PRINTED_SIZE], number[32];
    const char *there;
    weft_task task;

    print_task(caller, page, &task, text);
    snprintf(number, sizeof number, " 0x%lx\n", (unsigned long)page + GOES_ON);
    there = strstr(text, number); /* and no file */
    ck_assert_ptr_nonnull(there);
    snprintf(number, sizeof number, " 0x%lx ", (unsigned long)around);
    ck_assert_ptr_nonnull(strstr(there, number));
    return 0;
}
TEST(code_of_no_object)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    fd_out = printed_new();
    ck_assert_ptr_ne(page, MAP_FAILED);
    memcpy(page, code, sizeof code);
    __builtin___clear_cache(page, page + sizeof code);
    ok(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    ok(weft_run(made_main, page, 0, NULL));
    ok(munmap(page, 4096));
    ok(close(fd_out));
}

/* -- signals --------------------------------------------------------------------------------- */

/* It comes while the loop itself runs: there is no task to be told of. */
static void raises(void *called)
{
    ck_assert_int_eq(raise(SIGUSR1), 0);
    atomic_store((atomic_bool *)called, true);
}
static int loop_main(void *arg)
{
    atomic_bool called = false;
    char text[PRINTED_SIZE];

    (void)arg;
    ok(weft_call_soon(raises, &called, NULL));
    while (!atomic_load(&called))
        ok(weft_yield());
    do {
        ok(weft_yield());
        printed_read(fd_out, text);
    } while (text[0] == '\0');
    ck_assert_ptr_eq(strstr(text, "reactor 0, in turn "), text);
    ck_assert_ptr_null(strstr(text, "reactor 0 runs"));
    return 0;
}

static atomic_int informed;

static void old_action(int number, siginfo_t *info, void *frame)
{
    atomic_fetch_add(&informed, number == SIGUSR1 && info->si_signo == SIGUSR1 && frame != NULL);
}
TEST(a_signal_to_the_loop)
{
    struct sigaction action = {.sa_sigaction = old_action, .sa_flags = SA_SIGINFO};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ok(weft_run(loop_main, NULL, 0, &opt));
    ck_assert_int_eq(atomic_load(&informed), 1);
    ok(close(fd_out));
}

/* Those that no handler sees, those of faults, and the one that calls may come as. */
TEST(signals_that_are_none)
{
    static const int numbers[] = {-1,     SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                                  SIGILL, SIGTRAP, SIGSYS,  32,      65};
    struct weft_run_opt opt = {.size = sizeof opt};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction before, after;
        bool known = sigaction(numbers[i], NULL, &before) == 0;

        opt.dump_signal = numbers[i];
        ck_assert_int_eq(weft_run(nothing, NULL, 0, &opt), -EINVAL);
        if (known) {
            ck_assert_int_eq(sigaction(numbers[i], NULL, &after), 0);
            ck_assert_ptr_eq((void *)(uintptr_t)before.sa_handler,
                             (void *)(uintptr_t)after.sa_handler);
        }
    }
}

/* To standard error, when nothing else is said; and nobody else is interested. */
TEST(a_signal_that_was_ignored)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};
    int saved = dup(STDERR_FILENO);
    char text[PRINTED_SIZE];
    weft_loop *loop;

    fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ok(weft_loop_new(&loop, &opt));
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ok(dup2(fd_out, STDERR_FILENO));
    ok(weft_loop_run(loop, nothing, NULL, 0));
    ok(dup2(saved, STDERR_FILENO));
    ok(close(saved));
    ok(weft_loop_close(loop));
    printed_read(fd_out, text);
    ck_assert_ptr_eq(strstr(text, "reactor 0, in turn "), text);
    ok(close(fd_out));
}

/* Several on one thread: those whose signal it is, whoever runs. */
static int raise_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(raise(SIGUSR1), 0);
    return 0;
}

static void raise_beside(const struct weft_run_opt *mine, const struct weft_run_opt *beside)
{
    weft_loop *loop, *other = NULL;
    char text[PRINTED_SIZE];

    ok(ftruncate(fd_out, 0));
    ok(lseek(fd_out, 0, SEEK_SET));
    ok(weft_loop_new(&loop, mine));
    if (beside->dump_signal) {
        ok(weft_loop_new(&other, beside)); /* neither runs */
        ck_assert_int_eq(raise(SIGUSR1), 0);
        ok(weft_loop_run(other, nothing, NULL, 0));
        ok(weft_loop_close(other));
    }
    ok(weft_run(raise_main, NULL, 0, beside));
    printed_read(fd_out, text);
    ck_assert_str_eq(text, "");
    ok(weft_loop_run(loop, nothing, NULL, 0));
    ok(weft_loop_close(loop));
    printed_read(fd_out, text);
    ck_assert_ptr_eq(strstr(text, "reactor 0, in turn "), text);
}

TEST(signals_of_others)
{
    struct weft_run_opt mine = {.size = sizeof mine, .dump_signal = SIGUSR1},
                        none = {.size = sizeof none},
                        other = {.size = sizeof other, .dump_signal = SIGUSR2};
    char text[PRINTED_SIZE];

    mine.dump_fd = fd_out = printed_new();
    other.dump_fd = printed_new();
    raise_beside(&mine, &none);
    raise_beside(&mine, &other);
    printed_read(other.dump_fd, text);
    ck_assert_str_eq(text, "");
    ok(close(other.dump_fd));
    ok(close(fd_out));
}

TEST_MAIN("inspect: edges", 30, a_long_name, a_deadline_that_has_passed,
          several_that_are_waited_for, names_of_functions, code_of_no_object, a_signal_to_the_loop,
          signals_that_are_none, a_signal_that_was_ignored, signals_of_others)
