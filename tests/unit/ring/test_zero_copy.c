/*
 * Measuring from how many bytes on a zero-copy send pays, where the loopback carries nothing: a
 * filter on the listener stands in for the machine's rules. Would hang, for as long as the kernel
 * goes on trying, where a connection is waited for without a limit; and catches a size that was
 * never measured.
 */
#include "support/test.h"

#include "ring/ring.h"

#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct sock_fprog filter;

/* The linker leads the library's calls here: what comes to the listener passes through the filter.
 */
int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog)
{
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), 0);
    return __real_listen(fd, backlog);
}

static void expect_never(void)
{
    struct weft__ring ring = {.features = WEFT__FEATURE_SEND_ZC};

    ck_assert_uint_eq(weft__ring_zero_copy_min(&ring), UINT32_MAX);
}

/* Nothing arrives: connecting does not end. */
TEST(nothing_passes)
{
    static struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};

    filter = (struct sock_fprog){COUNT(none), none};
    expect_never();
}

/* Nothing but the first segment arrives: there is a connection for him who asked, and none to be
   accepted. */
TEST(no_answer_passes)
{
    enum { FLAGS = 13 }; /* where they stand in the header */
    static struct sock_filter first[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_ACK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };

    filter = (struct sock_fprog){COUNT(first), first};
    expect_never();
}

TEST_MAIN("zero_copy", 20, nothing_passes, no_answer_passes)
