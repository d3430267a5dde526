/*
 * Prints what became of some runs, of all that is simulated, and what the program was told in them:
 * compiled for two machines, it must print the same. No library of tests here: for the other
 * machine there is none.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weft/sim.h>
#include <weft/weft.h>

enum { CONNECTIONS = 10, ROUNDS = 12, REACTORS = 3 };

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char bytes[256];
    ssize_t n;

    while ((n = weft_recv(fd, bytes, sizeof bytes, 0)) > 0)
        if ((n = weft_send_all(fd, bytes, (size_t)n, NULL)) < 0)
            break;
    weft_close(fd);
    return 0;
}

static int talk(void *arg)
{
    char address[40], bytes[100];
    int fd;

    snprintf(address, sizeof address, "127.0.0.1:%d", *(int *)arg);
    fd = weft_connect_tcp(address, NULL);
    if (fd < 0)
        return 0; /* on a broken kernel anything may fail; the same on every machine */
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < ROUNDS; i++)
        if (weft_send_all_until(fd, bytes, sizeof bytes, NULL, weft_after_ms(50)) < 0 ||
            weft_recv_exactly(fd, bytes, sizeof bytes, NULL) < 0)
            break;
    weft_close(fd);
    return 0;
}

static int serve(void *arg)
{
    int listener = *(int *)arg, fd;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0)
            if (weft_spawn(&s, echo, &fd, sizeof fd, NULL) < 0)
                weft_close(fd);
    }
    return 0;
}

static int meet(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), port = weft_local_port(listener);
    struct weft_spawn_opt opt = {.size = sizeof opt};

    (void)arg;
    if (listener < 0 || port < 0)
        return 0;
    WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
        if (weft_spawn(&outer, serve, &listener, sizeof listener, NULL) == 0) {
            WEFT_SCOPE(inner, .on_error = WEFT_KEEP_GOING) {
                for (int i = 0; i < CONNECTIONS; i++) {
                    opt.reactor = WEFT_ON(i % REACTORS);
                    if (weft_spawn(&inner, talk, &port, sizeof port, &opt) < 0)
                        break;
                }
            }
        }
        weft_scope_cancel(&outer);
    }
    weft_close(listener);
    return 0;
}

/* -- all else that is simulated; on a broken kernel any of it may fail, everywhere in the same way
 */

static uint64_t told; /* what the program was told, in the order in which it was */

static int64_t tell(int64_t value)
{
    told = (told ^ (uint64_t)value) * UINT64_C(0x9fb21c651e98df25);
    told ^= told >> 29;
    return value;
}

static void tell_bytes(const void *bytes, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        tell(((const unsigned char *)bytes)[i]);
}

static void list_names(const char *path)
{
    char entries[2048];
    int fd = weft_open(path, O_RDONLY | O_DIRECTORY, 0);
    ssize_t n;

    while ((n = tell(weft_getdents64(fd, entries, sizeof entries))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
            tell_bytes(entry->d_name, (int64_t)strlen(entry->d_name));
            at += entry->d_reclen;
        }
    tell(weft_close(fd));
}

static void ask_about(const char *path)
{
    struct statx about = {.stx_size = 0};

    if (tell(weft_statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &about)) == 0) {
        tell((int64_t)about.stx_size + (int64_t)about.stx_ino * 5 + about.stx_mode);
        tell((int64_t)about.stx_nlink * 3 + (int64_t)about.stx_blocks);
        tell(about.stx_mtime.tv_sec + (int64_t)about.stx_mtime.tv_nsec);
    }
}

static int files(void *arg)
{
    char bytes[9000], value[8] = "", *memory = NULL;
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT | O_NOFOLLOW, 0640), copy;
    off_t from = 0, to = 10;

    (void)arg;
    memset(bytes, 'w', sizeof bytes);
    tell(weft_pwrite_all(fd, bytes, sizeof bytes, 100, NULL));
    tell(weft_fsync(fd));
    tell(weft_fallocate(fd, 0, 20000, 100));
    tell(weft_setxattr("/tmp/a", "user.x", "value", 5, 0));
    tell(weft_getxattr("/tmp/a", "user.x", value, sizeof value));
    tell_bytes(value, sizeof value);
    copy = weft_open("/tmp/b", O_RDWR | O_CREAT | O_EXCL, 0600);
    tell(weft_copy_file_range(fd, &from, copy, &to, 5000, 0));
    tell(weft_ftruncate(copy, 3000));
    tell(weft_linkat(AT_FDCWD, "/tmp/b", AT_FDCWD, "/tmp/c", 0));
    tell(weft_symlinkat("/tmp/b", AT_FDCWD, "/tmp/d"));
    tell(weft_renameat(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/e"));
    tell(weft_mkdirat(AT_FDCWD, "/tmp/folder", 0700));
    tell(weft_unlinkat(AT_FDCWD, "/tmp/b", 0));
    ask_about("/tmp/c");
    ask_about("/tmp/e");
    list_names("/tmp");
    tell(posix_memalign((void **)&memory, 4096, 8192));
    tell(weft_close(copy));
    copy = weft_open("/tmp/e", O_RDONLY | O_DIRECT, 0);
    tell_bytes(memory, tell(weft_pread(copy, memory, 4096, 0)));
    tell(weft_close(copy));
    free(memory);
    return weft_close(fd);
}

static int reads_ahead(void *arg)
{
    struct weft_file_opt opt = {.size = sizeof opt};
    weft_file *file;
    char line[64];
    int fd = weft_open("/tmp/lines", O_RDWR | O_CREAT, 0600);

    (void)arg;
    for (int i = 0; i < 100; i++)
        tell(weft_write_all(fd, line, (size_t)snprintf(line, sizeof line, "line %d\n", i), NULL));
    tell(weft_close(fd));
    if (tell(weft_file_open("/tmp/lines", O_RDONLY, 0, &opt, &file)) < 0)
        return 0;
    for (ssize_t n; (n = tell(weft_file_read_line(file, line, sizeof line))) > 0;)
        tell_bytes(line, n);
    return weft_file_close(file);
}

static int watches(void *arg)
{
    struct weft_watch_event event;
    weft_watch *watch;

    (void)arg;
    if (tell(weft_watch_open(&watch)) < 0)
        return 0;
    tell(weft_watch_add(watch, "/tmp", WEFT_WATCH_ALL));
    WEFT_SCOPE(s, .deadline = weft_after_ms(200), .on_error = WEFT_KEEP_GOING) {
        while (weft_watch_next(watch, &event, 0) == 0) {
            tell(event.number + (int64_t)event.what * 3 + event.cookie);
            tell_bytes(event.name, (int64_t)strlen(event.name));
        }
    }
    return weft_watch_close(watch);
}

static int datagrams(void *arg)
{
    struct sockaddr_in from;
    char bytes[200];
    int here = weft_datagram_socket("127.0.0.1:0", NULL, NULL), there;
    char address[40];

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", (int)tell(weft_local_port(here)));
    there = weft_datagram_socket(NULL, address, NULL);
    memset(bytes, 'd', sizeof bytes);
    for (size_t i = 0; i < 20; i++)
        tell(weft_sendto(there, bytes, 10 * i, 0, NULL, 0));
    tell(weft_send_segments(there, bytes, sizeof bytes, 50, NULL, 0, NULL));
    WEFT_SCOPE(s, .deadline = weft_after_ms(100), .on_error = WEFT_KEEP_GOING) {
        socklen_t length = sizeof from;
        ssize_t n;
        while ((n = weft_recvfrom(here, bytes, sizeof bytes, 0, (struct sockaddr *)&from,
                                  &length)) >= 0) {
            tell(n + length + from.sin_port);
            length = sizeof from;
        }
    }
    weft_close(here);
    return weft_close(there);
}

static int pipes(void *arg)
{
    char bytes[5000];
    int fds[2] = {-1, -1}, file;
    off_t at = 0;
    ssize_t n;

    (void)arg;
    tell(weft_pipe(fds, 0));
    file = weft_open("/tmp/piped", O_RDWR | O_CREAT, 0600);
    memset(bytes, 'p', sizeof bytes);
    tell(weft_write_all(file, bytes, sizeof bytes, NULL));
    tell(weft_sendfile(fds[1], file, &at, 4000));
    tell(weft_close(fds[1]));
    while ((n = tell(weft_read(fds[0], bytes, 700))) > 0)
        tell_bytes(bytes, n);
    weft_close(fds[0]);
    return weft_close(file);
}

static int shouts(weft_sim_process *process, int argc, char **argv)
{
    char bytes[64];
    ssize_t n;

    (void)argv;
    while ((n = weft_sim_process_read(process, 0, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            bytes[i] = (char)(bytes[i] - 'a' + 'A');
        (void)weft_sim_process_write(process, 1, bytes, (size_t)n);
    }
    return argc;
}

static int processes(void *arg)
{
    const char *const arguments[] = {"/bin/shouts", "again", NULL};
    const struct weft_process_opt opt = {.size = sizeof opt, .in = WEFT_PIPE, .out = WEFT_PIPE};
    struct weft_process_output output = {.limit = 0};
    struct weft_process_status status = {.code = 0};
    weft_process *process;

    (void)arg;
    tell(weft_sim_program("/bin/shouts", shouts));
    if (tell(weft_create_subprocess_exec(arguments, &opt, &process)) < 0)
        return 0;
    tell(weft_process_pid(process));
    tell(weft_process_communicate(process, "abcdefghij", 10, &output, &status));
    tell_bytes(output.out, (int64_t)output.out_size);
    tell(status.code * 100 + status.signal);
    (void)weft_process_output_free(&output);
    return weft_process_close(process);
}

static int signals(void *arg)
{
    const int numbers[] = {SIGUSR1, SIGRTMIN + 1};
    struct weft_signal signal;
    weft_signals *taken;

    (void)arg;
    if (tell(weft_signals_open(numbers, 2, &taken)) < 0)
        return 0;
    tell(weft_sim_signal(SIGUSR1, 0));
    tell(weft_sim_signal(SIGRTMIN + 1, 7));
    for (int i = 0; i < 2; i++) {
        tell(weft_signals_wait(taken, &signal));
        tell(signal.number + signal.value * 100);
    }
    return weft_signals_close(taken);
}

static int computes(void *arg)
{
    return *(int *)arg * 2;
}

static void let_go(void *arg)
{
    tell(*(int *)arg);
}

/* What threads do, words of memory, and memory that is given to be sent. */
static int others(void *arg)
{
    static char memory[40000];
    static uint32_t word;
    static int number = 21;
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), here, there;
    char address[40];
    size_t done = 0;

    (void)arg;
    tell(weft_to_thread(computes, &number));
    tell(weft_futex_wake(&word, 1, 0));
    tell(weft_futex_wait(&word, 1, 0));
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    there = weft_connect_tcp(address, NULL);
    here = there < 0 ? there : weft_accept(listener, NULL, NULL, 0);
    WEFT_SCOPE(s, .deadline = weft_after_ms(2000), .on_error = WEFT_KEEP_GOING)
        tell(weft_send_give(there, memory, sizeof memory, &done, let_go, &number));
    tell((int64_t)done);
    weft_close(here);
    weft_close(there);
    return weft_close(listener);
}

static int everything(void *arg)
{
    static const weft_task_fn parts[] = {files, reads_ahead, watches, datagrams,
                                         pipes, processes,   signals, others};

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            tell(weft_spawn(&s, parts[i], NULL, 0, NULL));
    }
    return 0;
}

/* Each world sees both, one after the other. */
static int run(void *arg)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = REACTORS};

    (void)arg;
    tell(weft_run(meet, NULL, 0, &opt));
    opt.reactors = 1;
    return weft_run(everything, NULL, 0, &opt);
}

int main(void)
{
    static const char *const plans[] = {"calm", "rough", "broken"};

    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct weft_sim_opt opt = {.size = sizeof opt,
                                       .seed = seed,
                                       .plan = plans[i],
                                       .quiet = true};
            struct weft_sim_result result = {.size = sizeof result};
            int value;

            told = 0;
            value = weft_sim_run(&opt, run, NULL, &result);
            printf("%s %llu: %d, %llu steps, %lld ns, %016llx, told %016llx\n", plans[i],
                   (unsigned long long)seed, value, (unsigned long long)result.steps,
                   (long long)result.time_ns, (unsigned long long)result.hash,
                   (unsigned long long)told);
        }
    return 0;
}
