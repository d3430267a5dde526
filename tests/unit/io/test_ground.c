/*
 * What a program may stand on: memory that is not there or may not be written, the three first
 * descriptors closed, a user who gives up his rights after the start. Catches bytes lost to a bad
 * address, a socket that becomes somebody's standard output, and a ring that keeps the rights it
 * was made with. On the machine's own kernel: the simulated one shares none of these.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "support/net.h"

static void *page(int protection)
{
    void *memory = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(memory, MAP_FAILED);
    return memory;
}

/* The caller is told, and what has come stays for the next call. */
static int main_memory(void *arg)
{
    void *none = page(PROT_NONE), *constant = page(PROT_READ);
    struct iovec vector = {none, 5};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    char bytes[8];
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    ck_assert_int_eq(weft_send_all(here, "hello", 5, NULL), 5);
    ck_assert_int_eq(weft_recv(there, none, 5, 0), -EFAULT);
    ck_assert_int_eq(weft_recv(there, constant, 5, 0), -EFAULT);
    ck_assert_int_eq(weft_read(there, none, 5), -EFAULT);
    ck_assert_int_eq(weft_recvmsg(there, &message, 0), -EFAULT);
    ck_assert_int_eq(weft_recv_exactly(there, bytes, 5, NULL), 5);
    ck_assert_mem_eq(bytes, "hello", 5);
    ck_assert_int_eq(weft_send(here, none, 5, 0), -EFAULT);
    ck_assert_int_eq(weft_send_all(here, none, 5, NULL), -EFAULT);
    ck_assert_int_eq(weft_sendmsg(here, &message, 0), -EFAULT);
    ck_assert_int_eq(weft_send_all(here, "after", 5, NULL), 5); /* and nothing else before it */
    ck_assert_int_eq(weft_recv(there, bytes, sizeof bytes, 0), 5);
    ck_assert_mem_eq(bytes, "after", 5);
    ok(weft_close(here));
    ok(weft_close(there));
    munmap(none, 4096);
    munmap(constant, 4096);
    return 0;
}
TEST(memory_that_is_not_there)
{
    net_run(main_memory);
}

static int main_three(void *arg)
{
    int here, there, ends[2], file = weft_openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0);

    (void)arg;
    ck_assert_int_gt(file, 2);
    net_pair(&here, &there);
    ok(weft_pipe(ends, 0));
    ck_assert(here > 2 && there > 2 && ends[0] > 2 && ends[1] > 2);
    ok(weft_close(here));
    ok(weft_close(there));
    ok(weft_close(ends[0]));
    ok(weft_close(ends[1]));
    return weft_close(file);
}
TEST(the_first_three_are_closed)
{
    int kept[3], result;

    for (int fd = 0; fd < 3; fd++) {
        kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        close(fd);
    }
    result = weft_run(main_three, NULL, 0, NULL);
    for (int fd = 0; fd < 3; fd++) {
        dup2(kept[fd], fd);
        close(kept[fd]);
    }
    ck_assert_int_eq(result, 0);
}

/* Before the start and after it are the same: what the ring does is done as who asks now. */
static int main_rights(void *arg)
{
    const char *path = arg;
    int fd = weft_openat(AT_FDCWD, path, O_RDONLY, 0);

    ok(fd);
    ok(weft_close(fd));
    ck_assert_int_eq(seteuid(65534), 0);
    fd = weft_openat(AT_FDCWD, path, O_RDONLY, 0);
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(fd, -EACCES);
    return 0;
}
TEST(rights_given_up_after_the_start)
{
    char path[] = "/tmp/weft-ground-XXXXXX";
    int fd;

    if (geteuid() != 0) /* who has no rights cannot give them up */
        return;
    fd = mkostemp(path, O_CLOEXEC);
    ok(fd);
    close(fd);
    ck_assert_int_eq(weft_run(main_rights, path, 0, NULL), 0);
    unlink(path);
}

TEST_MAIN("ground", 30, memory_that_is_not_there, the_first_three_are_closed,
          rights_given_up_after_the_start)
