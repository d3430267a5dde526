/*
 * A program whose cases are wrong, each in one way. test_harness runs them one by one, by
 * CK_RUN_CASE, and expects the harness to say so. Not a test by itself.
 */
#include "base/memory.h"
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

TEST(fine)
{
    int fd = open("/dev/null", O_RDONLY);
    void *block = weft__alloc(10);
    void *memory = mmap(NULL, 5000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(munmap(memory, 8192), 0);
    weft__free(block);
    close(fd);
}

TEST(fails_an_assertion)
{
    ck_assert_int_eq(1 + 1, 3);
}

static ucontext_t main_stack, other_stack;
static char other_stack_memory[256 * 1024];

static void fail_there(void)
{
    ck_assert_str_eq("another", "stack");
}

/* The reason for a process per case: longjmp from here would leave the stack in use behind. */
TEST(fails_on_another_stack)
{
    getcontext(&other_stack);
    other_stack.uc_stack.ss_sp = other_stack_memory;
    other_stack.uc_stack.ss_size = sizeof other_stack_memory;
    other_stack.uc_link = &main_stack;
    makecontext(&other_stack, fail_there, 0);
    swapcontext(&main_stack, &other_stack);
}

TEST(leaks_a_descriptor)
{
    ck_assert_int_ge(dup(STDERR_FILENO), 0);
}

TEST(closes_a_descriptor_of_another)
{
    close(STDIN_FILENO);
}

TEST(leaks_an_allocation)
{
    static void *block;

    block = weft__alloc(10);
    ck_assert_ptr_nonnull(block);
}

TEST(leaks_a_mapping)
{
    void *memory = mmap(NULL, 10000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(memory, MAP_FAILED);
}

static void *wait_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

TEST(leaks_a_thread)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
}

TEST(hangs)
{
    for (;;)
        pause();
}

TEST(spins)
{
    for (volatile int i = 0;; i = !i)
        ;
}

TEST(crashes)
{
    abort();
}

TEST(leaves_early)
{
    exit(0);
}

TEST_MAIN("broken", 6, fine, fails_an_assertion, fails_on_another_stack, leaks_a_descriptor,
          closes_a_descriptor_of_another, leaks_an_allocation, leaks_a_mapping, leaks_a_thread,
          hangs, spins, crashes, leaves_early)
