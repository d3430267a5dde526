/*
 * Which calls are made by a thread of the reactor's pool, and which are requests of the ring: the
 * table of docs/concepts/offload.md, held against the calls themselves on this kernel and with its
 * younger requests masked. Would catch a call that a thread makes though the ring could, one that
 * blocks the loop as it goes past both, a page that says otherwise, and a reactor that never has
 * threads once there was no memory for them.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <weft/weft.h>

#include "base/memory.h"
#include "io/io.h"
#include "reactor/reactor.h"
#include "ring/host_child.h"
#include "support/file.h"

#define LARGE (INT64_C(8) << 30)

static int fd;

/* -- by a thread --------------------------------------------------------------------------------
 */

static int lists(void)
{
    _Alignas(8) char buffer[512];

    return (int)weft_getdents64(folder, buffer, sizeof buffer);
}
static int watches(void)
{
    weft_watch *watch;
    int number;

    same(weft_watch_open(&watch), 0);
    number = weft_watch_add(watch, folder_path, WEFT_WATCH_CREATED);
    same(weft_watch_close(watch), 0);
    return number;
}
static int executes(void)
{
    static const char *const none[] = {"/nowhere/at/all", NULL};
    weft_process *process;

    return weft_create_subprocess_exec(none, NULL, &process) == -ENOENT ? 0 : -EIO;
}
static int syncs_much(void)
{
    return weft_sync_file_range(fd, 0, LARGE, 0);
}
static int advises_much(void)
{
    return weft_fadvise(fd, 0, LARGE, POSIX_FADV_NORMAL);
}
static int advises_much_memory(void)
{
    char *memory = mmap(NULL, LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int result;

    ck_assert(memory != MAP_FAILED);
    result = weft_madvise(memory, LARGE, MADV_NORMAL);
    munmap(memory, LARGE);
    return result;
}
static int truncates(void)
{
    return weft_ftruncate(fd, 3);
}
static int copies(void)
{
    return (int)weft_copy_file_range(fd, NULL, fd, &(off_t){9}, 1, 0);
}
static int sleeps(void)
{
    static const uint32_t word = 1;

    return weft_futex_wait(&word, 2, 0) == -EAGAIN ? 0 : -EIO;
}

/* -- addresses that are paths -- */

static char text[80]; /* "unix:/path" */

static int binds(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int local = weft_socket(AF_UNIX, SOCK_STREAM, 0), error;

    ok(local);
    strcpy(address.sun_path, text + 5);
    error = weft_bind(local, (struct sockaddr *)&address, sizeof address);
    same(weft_close(local), 0);
    return error;
}
static int listens(void)
{
    int listener = weft_listen_tcp(text, NULL);

    return listener < 0 ? listener : weft_close(listener);
}
static int receives(void)
{
    int local = weft_datagram_socket(text, NULL, NULL);

    return local < 0 ? local : weft_close(local);
}

/* Where a request is there for it, by docs/concepts/offload.md, which check_offload reads. */
static const struct row {
    const char *name, *request;
    int (*call)(void);
    uint32_t feature; /* with it the ring does it; 0: a thread in any case */
} rows[] = {
    {"weft_getdents64", "none", lists, 0},
    {"weft_copy_file_range", "none", copies, 0},
    {"weft_watch_add", "none", watches, 0},
    {"weft_bind", "none", binds, 0},
    {"weft_listen_tcp", "none", listens, 0},
    {"weft_datagram_socket", "none", receives, 0},
    {"weft_create_subprocess_exec", "from 6.7", executes, WEFT__FEATURE_FUTEX},
    {"weft_sync_file_range", "below 4 GiB", syncs_much, 0},
    {"weft_fadvise", "below 4 GiB", advises_much, 0},
    {"weft_madvise", "below 4 GiB", advises_much_memory, 0},
    {"weft_ftruncate", "from 6.9", truncates, WEFT__FEATURE_FTRUNCATE},
    {"weft_futex_wait", "from 6.7", sleeps, WEFT__FEATURE_FUTEX},
};

static bool threads_there(void)
{
    const struct weft__io *io = weft__io_of(weft__self);

    return io->pool || io->sleepers;
}

static const struct row *the_row;

static int main_row(void *arg)
{
    bool by_ring = weft__self->ring.features & the_row->feature;

    (void)arg;
    if (the_row->call == executes) /* not while a debugger looks on */
        by_ring &= weft__host_child_may_begin();
    fd = file_new("file");
    snprintf(text, sizeof text, "unix:%s/socket", folder_path);
    ck_assert(!threads_there());
    if (the_row->call() < 0)
        ck_abort_msg("%s failed", the_row->name);
    if (threads_there() == by_ring)
        ck_abort_msg("%s was %smade by a thread", the_row->name, by_ring ? "" : "not ");
    return weft_close(fd);
}

static void each_row(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        the_row = &rows[i];
        file_run(main_row);
    }
}
TEST(by_a_thread)
{
    each_row();
}
TEST(by_a_thread_on_an_older_kernel)
{
    same(setenv("WEFT_RING_MASK", "ftruncate,futex,waitid", 1), 0);
    each_row();
    same(unsetenv("WEFT_RING_MASK"), 0);
}

/* -- by the ring --------------------------------------------------------------------------------
 */

/* What some file systems do not have is asked all the same. */
static void names(void)
{
    struct statx status;

    same(weft_mkdirat(folder, "d", 0700), 0);
    same(weft_symlinkat("d", folder, "s"), 0);
    same(weft_linkat(folder, "file", folder, "l", 0), 0);
    same(weft_renameat(folder, "l", folder, "m"), 0);
    same(weft_statx(folder, "m", 0, STATX_SIZE, &status), 0);
    same(weft_unlinkat(folder, "m", 0), 0);
    (void)weft_fsetxattr(fd, "user.x", "y", 1, 0);
    (void)weft_fgetxattr(fd, "user.x", NULL, 0);
}

static void parts(void)
{
    static _Alignas(4096) char page[4096];
    int ends[2];

    same(weft_write_all(fd, page, sizeof page, NULL), (int)sizeof page);
    same(weft_pread_exactly(fd, page, sizeof page, 0, NULL), (int)sizeof page);
    same(weft_fsync(fd), 0);
    same(weft_fdatasync(fd), 0);
    same(weft_sync_file_range(fd, 0, 4096, 0), 0);
    (void)weft_fallocate(fd, 0, 0, 4096);
    same(weft_fadvise(fd, 0, 4096, POSIX_FADV_DONTNEED), 0);
    same(weft_madvise(page, sizeof page, MADV_NORMAL), 0);
    same(weft_pipe(ends, 0), 0);
    ok(weft_splice(fd, &(off_t){0}, ends[1], NULL, 10, 0));
    same(weft_close(ends[0]), 0);
    same(weft_close(ends[1]), 0);
}

/* Nor has binding what is no path. */
static void names_of_sockets(void)
{
    static const char *const names[] = {"127.0.0.1:0", "[::1]:0", "unix:@weft-offload"};

    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, i < 2 ? "%s" : "%s-%d", names[i], (int)getpid());
        ok(listens());
        ok(receives());
    }
}

static int main_by_ring(void *arg)
{
    weft_file *file;
    char byte;
    siginfo_t info;

    (void)arg;
    fd = file_new("file");
    names();
    parts();
    names_of_sockets();
    same(weft_file_from_fd(fd, NULL, &file), 0);
    same(weft_file_read(file, &byte, 1), 1);
    same(weft_file_close(file), 0);
    same(weft_waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -ECHILD);
    ck_assert(!threads_there());
    return 0;
}
TEST(by_the_ring)
{
    file_run(main_by_ring);
}

/* -- by nobody ----------------------------------------------------------------------------------
 */

/* No memory for the threads of a reactor: the next call has them. */
static int main_no_memory(void *arg)
{
    static const uint32_t word;

    (void)arg;
    weft__self->ring.features &= ~(uint32_t)WEFT__FEATURE_FUTEX;
    weft__alloc_fail_after(1);
    same(weft_futex_wait(&word, 1, 0), -ENOMEM);
    weft__alloc_fail_after(1);
    same(lists(), -ENOMEM);
    weft__alloc_fail_after(0);
    same(weft_futex_wait(&word, 1, 0), -EAGAIN);
    ok(lists());
    return 0;
}
TEST(without_memory)
{
    file_run(main_no_memory);
}

TEST_MAIN("offload", 60, by_a_thread, by_a_thread_on_an_older_kernel, by_the_ring, without_memory)
