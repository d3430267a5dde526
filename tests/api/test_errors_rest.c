/*
 * Errors that the headers promise of processes, files, readiness, words, generators and loops, and
 * that no other test asks for. Would catch one that is told as another, a call that waits where it
 * should refuse, and a simulated kernel that answers otherwise than the machine's.
 */
#include "support/file.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "sync.h"

#include "blocked.h"

static const struct weft_run_opt two = {.size = sizeof two, .reactors = 2};

/* -- processes --------------------------------------------------------------------------------- */

/* Into a scope that is being drained nothing is started. */
static int starts_late(void *arg)
{
    struct weft_process_opt opt = {.size = sizeof opt};
    weft_process *process;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        same(weft_scope_drain(&s, weft_after_ns(HOUR), weft_after_ns(HOUR)), 0);
        same(weft_create_subprocess_exec(CHILD_ARGS("exit", "0"), &opt, &process), -ESHUTDOWN);
    }
    return 0;
}
TEST(drained)
{
    child_ready();
    same(weft_run(starts_late, NULL, 0, NULL), 0);
}

/* Nobody is told how children end. */
static int ignored_main(void *arg)
{
    struct weft_process_opt opt = {.size = sizeof opt, .out = WEFT_PIPE};
    struct weft_process_output output = {.limit = 0};
    weft_process *process;

    (void)arg;
    same(weft_create_subprocess_exec(CHILD_ARGS("exit", "0"), &opt, &process), 0);
    same(weft_process_communicate(process, NULL, 0, &output, NULL), -ECHILD);
    same(weft_process_output_free(&output), 0);
    return weft_process_close(process);
}
TEST(children_ignored)
{
    child_ready();
    signal(SIGCHLD, SIG_IGN);
    same(weft_run(ignored_main, NULL, 0, NULL), 0);
    signal(SIGCHLD, SIG_DFL);
}

/* -- files ------------------------------------------------------------------------------------- */

static int files_main(void *arg)
{
    int fd = file_new("file");

    (void)arg;
    same(weft_fallocate(fd, 0x4000, 0, 4096), -EOPNOTSUPP); /* no such mode anywhere */
    return weft_close(fd);
}
TEST(files)
{
    file_run(files_main);
}

static int takes_fd(void *arg)
{
    weft_file *file;

    same(weft_file_from_fd(*(int *)arg, NULL, &file), -EXDEV);
    return 0;
}

static int strangers_file_main(void *arg)
{
    int fd = weft_open("/", O_RDONLY | O_DIRECTORY, 0);

    (void)arg;
    ok(fd);
    same(weft_call(1, takes_fd, &fd, sizeof fd), 0);
    return weft_close(fd);
}
TEST(strangers_file)
{
    same(weft_run(strangers_file_main, NULL, 0, &two), 0);
}

/* A pipe with a name, and what has a name and none of it is a file's: of the machine's alone. */
static int special_main(void *arg)
{
    weft_file *file;

    (void)arg;
    same(mkfifoat(folder, "pipe", 0600), 0);
    snprintf(folder_path + strlen(folder_path), 8, "/pipe");
    same(weft_file_open(folder_path, O_RDWR | O_NONBLOCK, 0, NULL, &file), -ESPIPE);
    same(weft_setxattr(folder_path, "user.x", "x", 1, 0), -EPERM);
    *strrchr(folder_path, '/') = '\0';
    return 0;
}
TEST(special_files)
{
    file_run(special_main);
}

/* A directory that may not be looked into; by root, too, who is somebody else for the moment. */
static int closed_main(void *arg)
{
    char path[96];
    weft_watch *watch;
    bool is_root = geteuid() == 0;

    (void)arg;
    same(mkdirat(folder, "closed", 0), 0);
    snprintf(path, sizeof path, "%s/closed/file", folder_path);
    same(weft_watch_open(&watch), 0);
    if (!is_root || seteuid(65534) == 0) { /* else there is nobody but root here */
        same(weft_watch_add(watch, path, WEFT_WATCH_ALL), -EACCES);
        same(is_root ? seteuid(0) : 0, 0);
    }
    same(weft_watch_close(watch), 0);
    return 0;
}
TEST(closed_directory)
{
    file_run(closed_main);
}

/* -- readiness --------------------------------------------------------------------------------- */

static int the_pipe[2], reader, writer, handler;

static void ready(int fd, int events, void *arg)
{
    (void)fd, (void)events, (void)arg;
}
static void told(const struct weft_signal *signal, void *arg)
{
    (void)signal, (void)arg;
}
static void never(void *arg)
{
    (void)arg;
}

/* A callback that is dropped because the reactor stops: nothing else begins there. */
static void asks_at_the_end(void *arg)
{
    (void)arg;
    reader = weft_add_reader(the_pipe[0], ready, NULL);
    writer = weft_add_writer(the_pipe[1], ready, NULL);
    handler = weft_add_signal_handler(SIGUSR1, told, NULL);
}

static int readiness_main(void *arg)
{
    struct weft_call_opt opt = {.size = sizeof opt, .drop = asks_at_the_end};

    (void)arg;
    return weft_call_later(HOUR, never, NULL, &opt);
}
TEST(readiness)
{
    same(pipe(the_pipe), 0);
    same(weft_run(readiness_main, NULL, 0, NULL), 0);
    same(reader, -ESHUTDOWN);
    same(writer, -ESHUTDOWN);
    same(handler, -ESHUTDOWN);
    same(close(the_pipe[0]), 0);
    same(close(the_pipe[1]), 0);
}

/* -- words ------------------------------------------------------------------------------------- */

static int words_main(void *arg)
{
    (void)arg;
    same(weft_futex_wait_until(NULL, 0, 0, weft_after_ns(HOUR)), -EFAULT);
    same(weft_futex_wait_until((void *)0x10000, 0, 0, weft_after_ns(HOUR)), -EFAULT);
    return 0;
}
TEST(words)
{
    same(weft_run(words_main, NULL, 0, NULL), 0);
}

/* -- generators -------------------------------------------------------------------------------- */

static weft_generator *generator;
static weft_event go;

/* Asks itself; then waits. */
static int body(weft_generator *self, void *arg)
{
    int item = 1;

    (void)arg;
    same(weft_generator_next_until(self, &item, weft_after_ns(HOUR)), -EDEADLK);
    same(weft_event_wait(&go), 0);
    return weft_generator_produce(self, &item);
}
static int asks(void *arg)
{
    int item;

    (void)arg;
    return weft_generator_next(generator, &item);
}
static int asks_there(void *arg)
{
    int item;

    (void)arg;
    same(weft_generator_next_until(generator, &item, weft_after_ns(HOUR)), -EXDEV);
    return 0;
}

static int generators_main(void *arg)
{
    int item;

    (void)arg;
    go = (weft_event)WEFT_EVENT_INIT;
    same(weft_generator_open(&generator, sizeof item, body, NULL, 0, NULL), 0);
    same(weft_call(1, asks_there, NULL, 0), 0);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task = sync_start(&s, asks, 0);
        while (strcmp(sync_waits_for(task), "ready") == 0)
            same(weft_yield(), 0);
        same(weft_generator_next_until(generator, &item, weft_after_ns(HOUR)), -EBUSY);
        ok(weft_event_set(&go));
        same(sync_result(task), 1);
    }
    return weft_generator_close(generator);
}
TEST(generators)
{
    same(weft_run(generators_main, NULL, 0, &two), 0);
}

/* -- tasks ------------------------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int gives(weft_generator *self, void *arg)
{
    int item = 1;

    (void)arg;
    return weft_generator_produce(self, &item);
}

/* There are as many as may be, and there is no such reactor; no function for a thread. */
static int tasks_main(void *arg)
{
    struct weft_spawn_opt far = {.size = sizeof far, .reactor = WEFT_ON(7)};
    weft_inbox *inbox = weft_inbox_here();
    weft_future *future;
    int64_t result = 0;
    int item;

    (void)arg;
    same(weft_run_in_executor(NULL, NULL, NULL), -EINVAL);
    same(weft_spawn_nowait(weft_root(), nothing, NULL, 0, &far), -ERANGE);
    same(weft_generator_open(&generator, sizeof item, gives, NULL, 0, NULL), 0);
    WEFT_SCOPE(s) {
        weft_task task = sync_start(&s, nothing, 0);
        same(weft_generator_next(generator, &item), -EAGAIN);
        same(weft_generator_next_until(generator, &item, weft_after_ns(HOUR)), -EAGAIN);
        same(sync_result(task), 0);
    }
    same(weft_generator_next(generator, &item), 1); /* it is to be had now */
    same(weft_run_coroutine_threadsafe(inbox, nothing, NULL, 0, &future), 0);
    same(weft_await_any(weft_of_future(future), &result), 0);
    same((int)result, -EAGAIN);
    weft_future_put(future);
    weft_inbox_put(inbox);
    return weft_generator_close(generator);
}
TEST(tasks)
{
    struct weft_run_opt opt = {.size = sizeof opt, .tasks_max = 2};

    same(weft_run_in_executor(NULL, nothing, NULL), -EPERM); /* outside */
    same(weft_run(tasks_main, NULL, 0, &opt), 0);
}

/* -- loops ------------------------------------------------------------------------------------- */

TEST(loop_without_descriptors)
{
    struct rlimit limit, low;
    weft_loop *loop;

    same(weft_loop_new(&loop, NULL), 0);
    same(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 3;
    same(setrlimit(RLIMIT_NOFILE, &low), 0);
    same(weft_loop_fd(loop), -EMFILE);
    same(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ok(weft_loop_fd(loop));
    same(weft_loop_close(loop), 0);
}

TEST_MAIN("errors_rest", 60, drained, children_ignored, files, strangers_file, special_files,
          closed_directory, readiness, words, generators, tasks, loop_without_descriptors)
