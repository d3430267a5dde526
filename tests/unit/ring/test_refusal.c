/*
 * Where io_uring cannot be had, opening fails with an error and a sentence that names the cause and
 * the cure, and nothing is left open. Each case has a process of its own, so it may cripple itself.
 */
#include "support/test.h"

#include "base/memory.h"
#include "ring/ring.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct weft__ring ring;
static char text[400];

static int try_open(uint32_t entries)
{
    struct weft__ring_opt opt = {.sq_entries = entries,
                                 .error_text = text,
                                 .error_text_size = sizeof text};
    return weft__ring_open(&ring, &opt);
}

/* From now on the system call `number` gives `error`. */
static void forbid(long number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void says(const char *word)
{
    ck_assert_msg(strstr(text, word) != NULL, "no \"%s\" in: %s", word, text);
}

TEST(seccomp_with_eperm_is_named)
{
    forbid(SYS_io_uring_setup, EPERM);
    ck_assert_int_eq(try_open(8), -EPERM);
    says("seccomp");
    says("io_uring_setup");
    says("profile");
}

TEST(seccomp_with_enosys_is_named)
{
    forbid(SYS_io_uring_setup, ENOSYS);
    ck_assert_int_eq(try_open(8), -ENOSYS);
    says("seccomp");
}

TEST(a_kernel_without_it_is_named)
{
    forbid(SYS_io_uring_setup, EINVAL); /* what a kernel before 6.1 says to our flags */
    ck_assert_int_eq(try_open(8), -ENOSYS);
    ck_assert_uint_gt(strlen(text), 20);
}

TEST(descriptors_used_up_are_named)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int filler, fillers[8], count = 0;
    while (count < 8 && (filler = dup(0)) >= 0)
        fillers[count++] = filler;
    ck_assert_int_eq(try_open(8), -EMFILE);
    says("RLIMIT_NOFILE is 3");
    limit.rlim_cur = before;
    setrlimit(RLIMIT_NOFILE, &limit);
    while (count > 0)
        close(fillers[--count]);
}

/* Newer kernels charge rings to RLIMIT_MEMLOCK, older ones do not: success, or the sentence. */
TEST(memlock_is_named)
{
    struct rlimit none = {0, 0};
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(setuid(65534), 0);
    int error = try_open(4096);
    if (error == 0) {
        weft__ring_close(&ring);
        return;
    }
    ck_assert_int_eq(error, -ENOMEM);
    says("RLIMIT_MEMLOCK is 0 bytes");
    says("ulimit -l");
}

TEST(no_text_is_no_trouble)
{
    struct weft__ring_opt opt = {.sq_entries = 8};
    char one[1] = {'x'};
    forbid(SYS_io_uring_setup, EPERM);
    ck_assert_int_eq(weft__ring_open(&ring, &opt), -EPERM);
    opt.error_text = one;
    opt.error_text_size = 1;
    ck_assert_int_eq(weft__ring_open(&ring, &opt), -EPERM);
    ck_assert_int_eq(one[0], 0);
}

/* What is only nice to have may be forbidden: probing, registering, all of io_uring_register. */
TEST(a_ring_without_register_still_works)
{
    forbid(SYS_io_uring_register, EPERM);
    ck_assert_int_eq(try_open(8), 0);
    ck_assert_uint_eq(ring.features & (WEFT__FEATURE_REGISTERED_FD | WEFT__FEATURE_BUFFER_RING), 0);
    struct weft__sqe *sqe = weft__ring_take(&ring);
    *sqe = (struct weft__sqe){.fd = -1, .user_data = 3};
    ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
    uint32_t head;
    ck_assert_uint_eq(weft__ring_ready(&ring, &head), 1);
    weft__ring_close(&ring);
}

/* A filter that lets the ring be made and not be entered is found at the first request, not by a
   wait without end. */
TEST(a_ring_that_cannot_be_entered_is_refused)
{
    forbid(SYS_io_uring_enter, EPERM);
    ck_assert_int_eq(try_open(8), -EPERM);
    says("seccomp");
    says("io_uring_enter");
}

TEST(no_memory_is_no_memory)
{
    weft__alloc_fail_after(1);
    ck_assert_int_eq(try_open(8), -ENOMEM);
    says("memory");
}

/* Mapping a file (the ring) fails from now on; anonymous memory goes on as before. */
TEST(a_ring_that_cannot_be_mapped_is_closed_again)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    int descriptors = test_descriptors();
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    ck_assert_int_eq(try_open(8), -ENOMEM);
    says("memory");
    ck_assert_int_eq(test_descriptors(), descriptors);
}

TEST_MAIN("refusal", 20, seccomp_with_eperm_is_named, seccomp_with_enosys_is_named,
          a_kernel_without_it_is_named, descriptors_used_up_are_named, memlock_is_named,
          no_text_is_no_trouble, a_ring_without_register_still_works,
          a_ring_that_cannot_be_entered_is_refused, no_memory_is_no_memory,
          a_ring_that_cannot_be_mapped_is_closed_again)
