/*
 * A program for the tests of processes to start, which is this test itself: run with CHILD as its
 * name and a word that says what to do. On the simulated kernel it is the same function, as a
 * simulated program. So what it does is written once, with calls that both have.
 */
#ifndef WEFT_TESTS_SUPPORT_CHILD_H
#define WEFT_TESTS_SUPPORT_CHILD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <weft/sim.h>
#include <weft/weft.h>

#define CHILD "/proc/self/exe"
#define CHILD_MARK "--as-a-child"

/* What a program can do, here or there. */
struct child {
    void *self;
    ssize_t (*read)(void *self, int fd, void *buffer, size_t size);
    ssize_t (*write)(void *self, int fd, const void *buffer, size_t size);
    int (*close)(void *self, int fd);
    int (*sleep)(void *self, int64_t ns);
    void (*on_signal)(void *self, int number, enum weft_sim_on_signal what);
    int (*caught)(void *self);
    const char *(*getenv)(void *self, const char *name);
    int (*leave_group)(void *self); /* for that of who started it */
    const char *(*directory)(void *self);
    int (*limit)(void *self, int resource, struct rlimit *limit);
    void (*ids)(void *self, int ids[3]); /* its own, its group's, its session's */
    int (*terminal)(void *self, int fd, uint16_t *rows, uint16_t *columns);
};

#define CHILD_FOREVER INT64_C(3600000000000)

static inline void child_say(const struct child *child, int fd, const char *text)
{
    (void)child->write(child->self, fd, text, strlen(text));
}

static inline int child_cat(const struct child *child, int from)
{
    char bytes[4096];
    ssize_t n;

    while ((n = child->read(child->self, from, bytes, sizeof bytes)) > 0)
        if (child->write(child->self, 1, bytes, (size_t)n) != n)
            return 2;
    return n < 0;
}

/* N bytes to stdout and to stderr, in turn, before a byte is read; then all there is to read. */
static inline int child_spam(const struct child *child, long count)
{
    char bytes[1000];

    memset(bytes, 's', sizeof bytes);
    for (; count > 0; count -= (long)sizeof bytes)
        for (int fd = 1; fd <= 2; fd++)
            if (child->write(child->self, fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
                return 2;
    while (child->read(child->self, 0, bytes, sizeof bytes) > 0)
        ;
    return 0;
}

static inline int child_polite(const struct child *child)
{
    child->on_signal(child->self, SIGTERM, WEFT_SIM_CATCHES);
    child_say(child, 1, "ready\n");
    while (child->caught(child->self) != SIGTERM)
        (void)child->sleep(child->self, CHILD_FOREVER);
    child_say(child, 1, "bye\n");
    return 7;
}

static inline int child_stubborn(const struct child *child)
{
    child->on_signal(child->self, SIGTERM, WEFT_SIM_IGNORES);
    child_say(child, 1, "ready\n");
    while (child->caught(child->self) != SIGTERM)
        (void)child->sleep(child->self, CHILD_FOREVER);
    return 98;
}

/* A limit, low and high; or its ids. */
static inline int child_numbers(const struct child *child, const char *what, int resource)
{
    struct rlimit limit = {0, 0};
    int ids[3] = {0, 0, 0};
    char text[100];

    if (strcmp(what, "limit") == 0) {
        if (child->limit(child->self, resource, &limit) < 0)
            return 2;
        snprintf(text, sizeof text, "%llu %llu", (unsigned long long)limit.rlim_cur,
                 (unsigned long long)limit.rlim_max);
    } else {
        child->ids(child->self, ids);
        snprintf(text, sizeof text, "%d %d %d", ids[0], ids[1], ids[2]);
    }
    child_say(child, 1, text);
    return 0;
}

/* Says how large its terminal is, and then what it reads, line by line, to the end. */
static inline int child_on_terminal(const struct child *child)
{
    uint16_t rows[3], columns[3];
    char text[100];
    ssize_t n;

    for (int fd = 0; fd < 3; fd++)
        if (child->terminal(child->self, fd, &rows[fd], &columns[fd]) < 0)
            return 2;
    snprintf(text, sizeof text, "%d %d\n", rows[2], columns[0]);
    child_say(child, 1, text);
    while ((n = child->read(child->self, 0, text, sizeof text)) > 0) {
        child_say(child, 1, "got ");
        (void)child->write(child->self, 2, text, (size_t)n);
    }
    return n < 0 ? 3 : 4;
}

/* Goes into another group than the one that it was given, when it is told to; then the word. */
static inline int child_leaver(const struct child *child, int (*then)(const struct child *))
{
    char byte;

    if (child->read(child->self, 0, &byte, 1) != 1 || child->leave_group(child->self) < 0)
        return 2;
    return then(child);
}

static inline int child_main(const struct child *child, int argc, char **argv)
{
    const char *what = argc > 2 ? argv[2] : "";
    const char *value = argc > 3 ? argv[3] : "";

    if (strcmp(what, "exit") == 0)
        return atoi(value);
    if (strcmp(what, "cat") == 0)
        return child_cat(child, atoi(value));
    if (strcmp(what, "spam") == 0)
        return child_spam(child, atol(value));
    if (strcmp(what, "polite") == 0)
        return child_polite(child);
    if (strcmp(what, "stubborn") == 0)
        return child_stubborn(child);
    if (strcmp(what, "polite-leaver") == 0)
        return child_leaver(child, child_polite);
    if (strcmp(what, "stubborn-leaver") == 0)
        return child_leaver(child, child_stubborn);
    if (strcmp(what, "sleep") == 0)
        return child->sleep(child->self, CHILD_FOREVER) < 0;
    if (strcmp(what, "say") == 0) {
        child_say(child, 1, value);
        child_say(child, 2, argc > 4 ? argv[4] : "");
        return 0;
    }
    if (strcmp(what, "env") == 0) {
        const char *text = child->getenv(child->self, value);
        child_say(child, 1, text ? text : "(none)");
        return 0;
    }
    if (strcmp(what, "directory") == 0) {
        child_say(child, 1, child->directory(child->self));
        return 0;
    }
    if (strcmp(what, "limit") == 0 || strcmp(what, "ids") == 0)
        return child_numbers(child, what, atoi(value));
    if (strcmp(what, "terminal") == 0)
        return child_on_terminal(child);
    if (strcmp(what, "never-reads") == 0) {
        (void)child->close(child->self, 0);
        child_say(child, 1, "closed\n");
        return 0;
    }
    return 99;
}

/* -- on the real kernel -------------------------------------------------------------------------
 */

static volatile sig_atomic_t child_caught_number;

static inline void child_note(int number)
{
    child_caught_number = number;
}

static inline ssize_t child_real_read(void *self, int fd, void *buffer, size_t size)
{
    (void)self;
    return read(fd, buffer, size);
}

static inline ssize_t child_real_write(void *self, int fd, const void *buffer, size_t size)
{
    size_t done = 0;

    (void)self;
    while (done < size) {
        ssize_t n = write(fd, (const char *)buffer + done, size - done);
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static inline int child_real_close(void *self, int fd)
{
    (void)self;
    return close(fd);
}

/* The signal that is caught is blocked but while it sleeps, so that none comes between the look and
   the sleep. */
static inline int child_real_sleep(void *self, int64_t ns)
{
    struct timespec span = {ns / 1000000000, ns % 1000000000};
    sigset_t none;

    (void)self;
    sigemptyset(&none);
    return ppoll(NULL, 0, &span, &none);
}

static inline void child_real_on_signal(void *self, int number, enum weft_sim_on_signal what)
{
    struct sigaction action = {.sa_handler = what == WEFT_SIM_IGNORES ? SIG_IGN : child_note};
    sigset_t set;

    (void)self;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(number, &action, NULL);
}

static inline int child_real_caught(void *self)
{
    (void)self;
    return child_caught_number;
}

static inline const char *child_real_getenv(void *self, const char *name)
{
    (void)self;
    return getenv(name);
}

static inline int child_real_leave_group(void *self)
{
    (void)self;
    return setpgid(0, getpgid(getppid()));
}

static inline const char *child_real_directory(void *self)
{
    static char path[4096];

    (void)self;
    return getcwd(path, sizeof path) ? path : "?";
}

static inline int child_real_limit(void *self, int resource, struct rlimit *limit)
{
    (void)self;
    return getrlimit((__rlimit_resource_t)resource, limit);
}

static inline void child_real_ids(void *self, int ids[3])
{
    (void)self;
    ids[0] = getpid();
    ids[1] = getpgrp();
    ids[2] = getsid(0);
}

static inline int child_real_terminal(void *self, int fd, uint16_t *rows, uint16_t *columns)
{
    struct winsize size;

    (void)self;
    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) < 0)
        return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

/* Before main: this process is a child, and nothing else. */
static __attribute__((constructor)) void child_if_asked(int argc, char **argv)
{
    static const struct child child = {
        NULL,
        child_real_read,
        child_real_write,
        child_real_close,
        child_real_sleep,
        child_real_on_signal,
        child_real_caught,
        child_real_getenv,
        child_real_leave_group,
        child_real_directory,
        child_real_limit,
        child_real_ids,
        child_real_terminal,
    };

    if (argc > 1 && strcmp(argv[1], CHILD_MARK) == 0)
        _exit(child_main(&child, argc, argv));
}

/* -- on the simulated one -----------------------------------------------------------------------
 */

/* There where weft-sim is linked, and nowhere else. */
extern __typeof__(weft_sim_program) weft_sim_program __attribute__((weak));
extern __typeof__(weft_sim_process_read) weft_sim_process_read __attribute__((weak));
extern __typeof__(weft_sim_process_write) weft_sim_process_write __attribute__((weak));
extern __typeof__(weft_sim_process_close) weft_sim_process_close __attribute__((weak));
extern __typeof__(weft_sim_process_sleep) weft_sim_process_sleep __attribute__((weak));
extern __typeof__(weft_sim_process_on_signal) weft_sim_process_on_signal __attribute__((weak));
extern __typeof__(weft_sim_process_caught) weft_sim_process_caught __attribute__((weak));
extern __typeof__(weft_sim_process_getenv) weft_sim_process_getenv __attribute__((weak));
extern __typeof__(weft_sim_process_pid) weft_sim_process_pid __attribute__((weak));
extern __typeof__(weft_sim_process_directory) weft_sim_process_directory __attribute__((weak));
extern __typeof__(weft_sim_process_terminal) weft_sim_process_terminal __attribute__((weak));
extern __typeof__(weft_sim_process_limit) weft_sim_process_limit __attribute__((weak));
extern __typeof__(weft_sim_process_group) weft_sim_process_group __attribute__((weak));
extern __typeof__(weft_sim_process_session) weft_sim_process_session __attribute__((weak));
extern __typeof__(weft_sim_process_set_group) weft_sim_process_set_group __attribute__((weak));
extern __typeof__(weft_sim_processes) weft_sim_processes __attribute__((weak));

static inline ssize_t child_sim_read(void *self, int fd, void *buffer, size_t size)
{
    return weft_sim_process_read(self, fd, buffer, size);
}

static inline ssize_t child_sim_write(void *self, int fd, const void *buffer, size_t size)
{
    return weft_sim_process_write(self, fd, buffer, size);
}

static inline int child_sim_close(void *self, int fd)
{
    return weft_sim_process_close(self, fd);
}

static inline int child_sim_sleep(void *self, int64_t ns)
{
    return weft_sim_process_sleep(self, ns);
}

static inline void child_sim_on_signal(void *self, int number, enum weft_sim_on_signal what)
{
    weft_sim_process_on_signal(self, number, what);
}

static inline int child_sim_caught(void *self)
{
    return weft_sim_process_caught(self);
}

static inline const char *child_sim_getenv(void *self, const char *name)
{
    return weft_sim_process_getenv(self, name);
}

static inline int child_sim_leave_group(void *self)
{
    return weft_sim_process_set_group(self, 1);
}

static inline const char *child_sim_directory(void *self)
{
    return weft_sim_process_directory(self);
}

static inline int child_sim_limit(void *self, int resource, struct rlimit *limit)
{
    return weft_sim_process_limit(self, resource, limit);
}

static inline void child_sim_ids(void *self, int ids[3])
{
    ids[0] = weft_sim_process_pid(self);
    ids[1] = weft_sim_process_group(self);
    ids[2] = weft_sim_process_session(self);
}

static inline int child_sim_terminal(void *self, int fd, uint16_t *rows, uint16_t *columns)
{
    return weft_sim_process_terminal(self, fd, rows, columns);
}

static inline int child_sim_main(weft_sim_process *process, int argc, char **argv)
{
    const struct child child = {
        process,
        child_sim_read,
        child_sim_write,
        child_sim_close,
        child_sim_sleep,
        child_sim_on_signal,
        child_sim_caught,
        child_sim_getenv,
        child_sim_leave_group,
        child_sim_directory,
        child_sim_limit,
        child_sim_ids,
        child_sim_terminal,
    };

    return child_main(&child, argc, argv);
}

static inline bool child_is_simulated(void)
{
    return weft_sim_program != NULL;
}

/* Before the first child: where programs are simulated, this is one. */
static inline void child_ready(void)
{
    if (child_is_simulated()) {
        weft_sim_program(CHILD, child_sim_main);
        weft_sim_program("/not-to-be-run", NULL);
    }
}

/* Those that one thread has made, or was left. */
static inline int child_count_of(const char *thread)
{
    char path[64], text[4096];
    int count = 0, fd;
    ssize_t n;

    snprintf(path, sizeof path, "/proc/self/task/%.20s/children", thread);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : read(fd, text, sizeof text);
    for (ssize_t i = 0; i < n; i++)
        count += text[i] == ' ';
    if (fd >= 0)
        close(fd);
    return count;
}

/* How many children this process has, zombies counted. */
static inline int child_count(void)
{
    struct dirent *entry;
    int count = 0;
    DIR *threads;

    if (child_is_simulated())
        return (int)weft_sim_processes();
    threads = opendir("/proc/self/task");
    while (threads && (entry = readdir(threads)) != NULL)
        if (entry->d_name[0] != '.')
            count += child_count_of(entry->d_name);
    if (threads)
        closedir(threads);
    return count;
}

#define CHILD_ARGS(...) ((const char *const[]){CHILD, CHILD_MARK, __VA_ARGS__, NULL})

#endif
