/*
 * Requests that a worker of the kernel's waits with: FIFOs that are opened and have no other end,
 * and terminals where nobody types. The reactor goes on, the workers stay within their number,
 * those that found none can be cancelled as well as those that have one, and all go on when the
 * other end comes. Would catch an open on the reactor's own thread, workers without a bound, and a
 * request that is forgotten in the queue for one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>

#include "ring/host_child.h"
#include "support/net.h"

enum {
    BOUNDED = 8, /* workers for what a disk should end, opens among it */
    UNBOUNDED = 64,
    OPENS = BOUNDED + 4,
    SPLICES = UNBOUNDED + 6,
};

/* The kernel's workers of this process's rings. */
static int workers(void)
{
    DIR *threads = opendir("/proc/self/task");
    char path[64], name[32];
    int count = 0;

    ck_assert_ptr_nonnull(threads);
    for (struct dirent *thread; (thread = readdir(threads));) {
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", thread->d_name);
        file = thread->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (file && fgets(name, sizeof name, file))
            count += strncmp(name, "iou-wrk-", 8) == 0;
        if (file)
            fclose(file);
    }
    closedir(threads);
    return count;
}

static void wait_for_workers(int count)
{
    while (workers() < count)
        ok(weft_sleep(1000000));
    for (int i = 0; i < 20; i++) /* room for more of them */
        ok(weft_sleep(1000000));
    ck_assert_int_le(workers(), count);
}

/* What needs no worker is not held up. */
static void talk(void)
{
    int pair[2];
    char byte = 'x';

    net_pair(&pair[0], &pair[1]);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(weft_send(pair[0], &byte, 1, 0), 1);
        ck_assert_int_eq(weft_recv(pair[1], &byte, 1, 0), 1);
    }
    ok(weft_close(pair[0]));
    ok(weft_close(pair[1]));
}

/* ---- a FIFO that nobody has opened to write ----------------------------------------------- */

static char folder[] = "/tmp/weft-workers-XXXXXX";

struct opened {
    char path[64];
    int fd;
    bool by_how; /* weft_openat2 */
};

/* O_CREAT has the kernel hand it to a worker at once: else it tries without waiting, and a FIFO
   that is opened to be read says that it has no need to. */
static int opens(void *arg)
{
    struct opened *one = arg;
    struct open_how how = {.flags = O_RDONLY | O_CREAT, .mode = 0600};

    one->fd = one->by_how ? weft_openat2(AT_FDCWD, one->path, &how, sizeof how)
                          : weft_open(one->path, O_RDONLY | O_CREAT, 0600);
    return 0;
}

static int main_fifo(void *arg)
{
    static struct opened one[OPENS];
    weft_task task[OPENS];

    (void)arg;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    WEFT_SCOPE(s) {
        for (int i = 0; i < OPENS; i++) {
            struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task[i]};

            snprintf(one[i].path, sizeof one[i].path, "%s/%d", folder, i);
            one[i].fd = 1000;
            one[i].by_how = i % 2;
            ok(mkfifo(one[i].path, 0600));
            ok(weft_spawn(&s, opens, &one[i], 0, &opt));
        }
        wait_for_workers(BOUNDED);
        talk();
        for (int i = 0; i < OPENS; i++)
            ck_assert_int_eq(one[i].fd, 1000);
        /* two that have a worker, and, as they are taken in turn, the last, which has none */
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(weft_cancel(task[i]), 1);
        ck_assert_int_eq(weft_cancel(task[OPENS - 1]), 1);
        for (int i = 0; i < OPENS; i++) {
            bool cancelled = i < 2 || i == OPENS - 1;

            if (!cancelled) { /* until somebody waits to read: -ENXIO */
                int writer;

                while ((writer = open(one[i].path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
                    ok(weft_sleep(1000000));
                ok(weft_join(task[i], NULL));
                ck_assert_int_ge(one[i].fd, 3);
                ok(close(writer));
                ok(weft_close(one[i].fd));
            } else {
                ok(weft_join(task[i], NULL));
                ck_assert_int_eq(one[i].fd, -ECANCELED);
            }
            ok(unlink(one[i].path));
        }
    }
    return rmdir(folder);
}
TEST(opened_fifos)
{
    net_run(main_fifo);
}

/* ---- a terminal where nobody types -------------------------------------------------------- */

static int splices(void *arg)
{
    const int *fds = arg;

    ck_assert_int_eq(weft_splice(fds[0], NULL, fds[1], NULL, 5, 0), -ECANCELED);
    return 0;
}

static int main_terminals(void *arg)
{
    static int terminals[SPLICES][2], ends[SPLICES][2], fds[SPLICES][2];

    (void)arg;
    for (int i = 0; i < SPLICES; i++) {
        struct termios settings;

        ok(weft__host_pty(terminals[i], 24, 80));
        ok(tcgetattr(terminals[i][1], &settings));
        cfmakeraw(&settings);
        ok(tcsetattr(terminals[i][1], TCSANOW, &settings));
        ok(weft_pipe(ends[i], 0));
        fds[i][0] = terminals[i][1];
        fds[i][1] = ends[i][1];
    }
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        for (int i = 0; i < SPLICES; i++)
            ok(weft_spawn(&s, splices, fds[i], 0, NULL));
        wait_for_workers(UNBOUNDED);
        talk();
        ok(weft_scope_cancel(&s));
    }
    for (int i = 0; i < SPLICES; i++)
        for (int j = 0; j < 2; j++) {
            ok(weft_close(ends[i][j]));
            ok(weft_close(terminals[i][j]));
        }
    return 0;
}
TEST(silent_terminals)
{
    net_run(main_terminals);
}

TEST_MAIN("workers", 60, opened_fifos, silent_terminals)
