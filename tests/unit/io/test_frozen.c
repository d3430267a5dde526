/*
 * A disk that hangs: what writes to it waits, and nothing else does; the kernel's workers stay
 * within their number; a run that is to end names what holds it up; and once the disk goes on,
 * everything ends as if nothing had been. Would catch a call that waits for a disk on the reactor's
 * own thread, workers without a bound, a stop that hangs with the disk or does not say why, and a
 * write that is lost or given up although the disk had it.
 *
 * The disk is a real one, frozen (support/frozen.h): not run where none may be mounted.
 */
#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <weft/weft.h>

#include "support/frozen.h"

enum { FILES = 12, WORKERS_MAX = 8, ROUNDS = 100, SPAN_NS = 20000000 };

static int files[FILES];
static int written; /* of them, on the reactor's thread */

static void open_files(void)
{
    char name[24];

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        files[i] = openat(frozen.folder, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_int_ge(files[i], 0);
    }
}

static void close_files(void)
{
    for (int i = 0; i < FILES; i++)
        close(files[i]);
}

/* The threads of this process whose names begin so; stuck: those that wait for the disk by now. */
static int threads(const char *name, bool stuck)
{
    DIR *threads = opendir("/proc/self/task");
    const struct dirent *entry;
    int count = 0;

    ck_assert_ptr_nonnull(threads);
    while ((entry = readdir(threads))) {
        char path[300], text[256] = "";
        const char *begin;
        int fd;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        begin = read(fd, text, sizeof text - 1) > 0 ? strchr(text, '(') : NULL;
        if (begin && strncmp(begin + 1, name, strlen(name)) == 0) {
            const char *state = strrchr(text, ')');
            count += !stuck || (state && state[2] == 'D');
        }
        close(fd);
    }
    closedir(threads);
    return count;
}

/* The kernel's workers of the rings. */
static int workers(bool stuck)
{
    return threads("iou-wrk-", stuck);
}

/* Waits until so many writes have reached the disk: they are past being taken back. */
static void wait_for_stuck(int count)
{
    while (workers(true) < count)
        ck_assert_int_eq(weft_sleep(1000000), 0);
}

static int writes(void *arg)
{
    ck_assert_int_eq(weft_write(files[*(int *)arg], "x", 1), 1);
    written++;
    return 0;
}

static int echoes(void *arg)
{
    int fd = *(int *)arg;
    char byte;

    while (weft_recv(fd, &byte, 1, 0) == 1)
        ck_assert_int_eq(weft_send_all(fd, &byte, 1, NULL), 1);
    return weft_close(fd);
}

static void talk(weft_scope *scope)
{
    int pair[2];
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(weft_spawn(scope, echoes, &pair[1], sizeof pair[1], NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(weft_send_all(pair[0], "y", 1, NULL), 1);
        ck_assert_int_eq(weft_recv(pair[0], &byte, 1, 0), 1);
    }
    ck_assert_int_eq(weft_close(pair[0]), 0);
}

static int forty_two(void *arg)
{
    (void)arg;
    return 42;
}

static int main_alone(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < FILES; i++)
            ck_assert_int_eq(weft_spawn(&s, writes, &i, sizeof i, NULL), 0);
        wait_for_stuck(2);
        WEFT_SCOPE(t)
            talk(&t);
        ck_assert_int_eq(weft_to_thread(forty_two, NULL), 42);
        ck_assert_int_eq(weft_sleep(SPAN_NS), 0); /* room for more workers */
        ck_assert_int_le(workers(false), WORKERS_MAX);
        ck_assert_int_eq(written, 0);
        frozen_thaw();
    }
    ck_assert_int_eq(written, FILES);
    return 0;
}

TEST(stalls_what_writes_to_it_alone)
{
    struct stat status;

    open_files();
    frozen_freeze();
    ck_assert_int_eq(weft_run(main_alone, NULL, 0, NULL), 0);
    for (int i = 0; i < FILES; i++) {
        ck_assert_int_eq(fstat(files[i], &status), 0);
        ck_assert_int_eq(status.st_size, 1);
    }
    close_files();
}

/* -- a cancel ----------------------------------------------------------------------------------
 */

/* The write is the disk's: it goes on, and what it did is said. */
static int main_cancelled(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    int first = 0;

    (void)arg;
    opt.task = &task;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, writes, &first, sizeof first, &opt), 0);
        wait_for_stuck(1);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(weft_await_until(task, NULL, weft_now() + SPAN_NS), -ETIMEDOUT);
        frozen_thaw();
        ck_assert_int_eq(weft_join(task, NULL), 0);
    }
    ck_assert_int_eq(written, 1);
    return 0;
}

TEST(a_cancel_changes_nothing)
{
    open_files();
    frozen_freeze();
    ck_assert_int_eq(weft_run(main_cancelled, NULL, 0, NULL), 0);
    close_files();
}

/* -- addresses ---------------------------------------------------------------------------------
 */

/* Sockets bound to paths: their files wait for the disk, in a thread of the reactor's pool. */
static char address[64]; /* "unix:/path" */
static const char *const path = address + 5;

static int nobody_comes(weft_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    return -EIO;
}
static const struct weft_protocol protocol = {.size = sizeof protocol};
static const struct weft_datagram_protocol datagrams = {.size = sizeof datagrams};

static int binds(void)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    strcpy(local.sun_path, path);
    ck_assert_int_eq(weft_bind(fd, (struct sockaddr *)&local, sizeof local), 0);
    return weft_close(fd);
}
static int listens(void)
{
    const struct weft_listen_opt opt = {.size = sizeof opt, .mode = 0600};
    int fd = weft_listen_tcp(address, &opt);

    ck_assert_int_ge(fd, 0);
    return weft_close(fd);
}
static int receives(void)
{
    int fd = weft_datagram_socket(address, NULL, NULL);

    ck_assert_int_ge(fd, 0);
    return weft_close(fd);
}
static int serves(void)
{
    weft_server *server;

    ck_assert_int_eq(weft_start_unix_server(&server, path, nobody_comes, NULL, NULL), 0);
    return weft_server_close(server);
}
static int serves_a_protocol(void)
{
    weft_server *server;

    ck_assert_int_eq(weft_create_unix_server(&server, path, &protocol, NULL, NULL), 0);
    return weft_server_close(server);
}
static int is_an_endpoint(void)
{
    weft_endpoint *endpoint;

    ck_assert_int_eq(weft_create_datagram_endpoint(&endpoint, address, NULL, &datagrams, NULL,
                                                   NULL),
                     0);
    return weft_endpoint_close(endpoint);
}

static const struct way {
    int (*call)(void);
    bool stale; /* there is a file of a socket that nobody has any more */
} ways[] = {{binds, false},  {listens, false},           {listens, true},        {receives, false},
            {serves, false}, {serves_a_protocol, false}, {is_an_endpoint, false}};

static bool bound; /* the call has returned */

static int calls(void *arg)
{
    int result = (*(const struct way *const *)arg)->call();

    bound = true;
    return result;
}

static int main_bound(void *arg)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    bound = false;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, calls, arg, sizeof(const struct way *), &opt), 0);
        while (threads("weft-io", true) == 0)
            ck_assert_int_eq(weft_sleep(1000000), 0);
        WEFT_SCOPE(t)
            talk(&t);
        ck_assert(!bound);
        frozen_thaw();
        ck_assert_int_eq(weft_join(task, NULL), 0);
    }
    ck_assert(bound);
    return 0;
}

TEST(bound_to_a_path)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const struct way *way = &ways[i];
        struct stat status;
        snprintf(address, sizeof address, "unix:%s/socket", frozen.where);
        if (way->stale)
            ck_assert_int_eq(mknod(path, S_IFSOCK | 0600, 0), 0);
        frozen_freeze();
        ck_assert_int_eq(weft_run(main_bound, &way, sizeof way, NULL), 0);
        ck_assert_int_eq(lstat(path, &status), 0);
        ck_assert(S_ISSOCK(status.st_mode));
        ck_assert_int_eq(unlink(path), 0);
    }
}

static weft_scope its_scope;

static int listens_in_time(void *arg)
{
    int fd;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&its_scope, NULL), 0);
    fd = weft_listen_tcp(address, NULL);
    bound = true;
    ck_assert_int_eq(weft_sleep(INT64_MAX / 2), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&its_scope), -ETIMEDOUT);
    ck_assert_int_ge(fd, 0); /* it was bound all the same, and is whose who asked */
    return weft_close(fd);
}

/* The deadline passes while the disk hangs: the thread is waited for. */
static int main_late(void *arg)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    bound = false;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, listens_in_time, NULL, 0, &opt), 0);
        while (threads("weft-io", true) == 0)
            ck_assert_int_eq(weft_sleep(1000000), 0);
        ck_assert_int_eq(weft_scope_reschedule(&its_scope, 1), 0);
        ck_assert_int_eq(weft_await_until(task, NULL, weft_now() + SPAN_NS), -ETIMEDOUT);
        ck_assert(!bound);
        frozen_thaw();
        ck_assert_int_eq(weft_join(task, NULL), 0);
    }
    return 0;
}

TEST(a_deadline_waits_for_a_bind)
{
    snprintf(address, sizeof address, "unix:%s/late", frozen.where);
    frozen_freeze();
    ck_assert_int_eq(weft_run(main_late, NULL, 0, NULL), 0);
    ck_assert_int_eq(unlink(path), 0);
}

/* -- the end -----------------------------------------------------------------------------------
 */

/* What the process that ended told its parent. */
struct verdict {
    int result;
    int left, held; /* how often on_leftover was told */
    int fd;
    char name[16], waits_for[16], tree[1024];
};

static void on_leftover(const struct weft_task_info *info, bool held, void *context)
{
    struct verdict *verdict = context;

    verdict->left += !held;
    verdict->held += held;
    verdict->fd = info->fd;
    snprintf(verdict->name, sizeof verdict->name, "%s", info->name);
    snprintf(verdict->waits_for, sizeof verdict->waits_for, "%s", info->waits_for);
}

static int main_ends(void *arg)
{
    struct verdict *verdict = *(struct verdict **)arg;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "ledger"};
    int first = 0, pipe_of[2];

    ck_assert_int_eq(weft_spawn(weft_root(), writes, &first, sizeof first, &opt), 0);
    wait_for_stuck(1);
    ck_assert_int_eq(pipe2(pipe_of, O_CLOEXEC), 0);
    ck_assert_int_eq(weft_print_tasks(pipe_of[1], 0), 0);
    ck_assert_int_gt(read(pipe_of[0], verdict->tree, sizeof verdict->tree - 1), 0);
    return 0;
}

/* In a process of its own: what holds is left for good, and the process ends when the disk goes on.
 */
static void end_with_a_write_under_way(struct verdict *verdict)
{
    struct weft_run_opt opt = {.size = sizeof opt,
                               .drain_ns = SPAN_NS,
                               .cancel_ns = SPAN_NS,
                               .on_leftover = on_leftover,
                               .context = verdict};

    verdict->result = weft_run(main_ends, &verdict, sizeof verdict, &opt);
    test_save_coverage();
}

TEST(a_run_that_ends_names_it)
{
    struct verdict *verdict =
        mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int done[2], status;
    char byte, line[64];
    pid_t child;

    ck_assert(verdict != MAP_FAILED);
    ck_assert_int_eq(pipe2(done, O_CLOEXEC), 0);
    open_files();
    frozen_freeze();
    child = fork();
    if (child == 0) {
        end_with_a_write_under_way(verdict);
        _exit(write(done[1], "", 1) != 1);
    }
    close(done[1]);
    ck_assert_int_eq(read(done[0], &byte, 1), 1); /* told before the disk goes on */
    frozen_thaw();
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(verdict->result, -ETIMEDOUT);
    ck_assert_int_eq(verdict->left, 1);
    ck_assert_int_eq(verdict->held, 1);
    ck_assert_int_eq(verdict->fd, files[0]);
    ck_assert_str_eq(verdict->name, "ledger");
    ck_assert_str_eq(verdict->waits_for, "write");
    snprintf(line, sizeof line, "\"ledger\": write on descriptor %d", files[0]);
    ck_assert_ptr_nonnull(strstr(verdict->tree, line));
    close(done[0]);
    close_files();
    munmap(verdict, sizeof *verdict);
}

int main(void)
{
    const TTest *const cases[] = {stalls_what_writes_to_it_alone, a_cancel_changes_nothing,
                                  bound_to_a_path, a_deadline_waits_for_a_bind,
                                  a_run_that_ends_names_it};
    int result;

    if (frozen_open() < 0)
        return FROZEN_SKIP;
    result = test_run("a disk that hangs", 60, cases, sizeof cases / sizeof cases[0]);
    frozen_close();
    return result;
}
