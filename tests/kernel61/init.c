/* The first process of the guest that run.sh boots: runs each program of /tests in the order of
 * their names, reports how each ended, and switches the machine off.
 *
 * Always holds: a line that starts with "guest: " was written here. The lines are
 *     guest: uname SYSTEM RELEASE VERSION
 *     guest: run NAME
 *     guest: exit NAME STATUS MILLISECONDS | guest: signal NAME NUMBER MS | guest: timeout NAME 0
 * MS guest: done PROGRAMS FAILURES and "done" is the last; without it the guest did not get that
 * far.
 *
 * Kernel command line: guest_limit=SECONDS, how long each program may take; guest_skip=CASE,...,
 * the cases that are left out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PROGRAMS_MAX = 256, LIMIT_DEFAULT_SECONDS = 120, POLL_MS = 10 };

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The archive holds no device nodes, which only root could have packed, so this process starts
 * without any descriptor. */
static void open_console(void)
{
    int fd = open("/dev/console", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    if (fd > 2)
        close(fd);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        printf("cannot write %s: %s\n", path, strerror(errno));
    close(fd);
}

static void mount_at(const char *type, const char *where)
{
    mkdir(where, 0755);
    if (mount(type, where, type, 0, NULL) < 0)
        printf("cannot mount %s: %s\n", where, strerror(errno));
}

static void raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
        request.ifr_flags |= IFF_UP;
        if (ioctl(fd, SIOCSIFFLAGS, &request) == 0) {
            close(fd);
            return;
        }
    }
    printf("cannot raise lo: %s\n", strerror(errno));
    close(fd);
}

/* What the kernel's command line says behind `key`, up to a space; "" if nothing. */
static const char *option(const char *key)
{
    static char line[4096];
    FILE *in = fopen("/proc/cmdline", "re");
    char *found = in && fgets(line, sizeof line, in) ? strstr(line, key) : NULL;
    if (in)
        fclose(in);
    if (!found)
        return "";
    found += strlen(key);
    found[strcspn(found, " \n")] = 0;
    return found;
}

static void prepare(void)
{
    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    open_console();
    setvbuf(stdout, NULL, _IOLBF, 0);
    mount_at("proc", "/proc");
    mount_at("sysfs", "/sys");
    mount_at("tmpfs", "/tmp");
    mkdir("/dev/shm", 0755);
    mount_at("tmpfs", "/dev/shm");
    mkdir("/dev/pts", 0755);
    mount_at("devpts", "/dev/pts");
    raise_loopback();
    mkdir("/etc", 0755);
    write_file("/etc/passwd", "root:x:0:0:root:/:/bin/sh\n"); /* every system has it, 0644 */
    write_file("/proc/sys/net/ipv4/tcp_mem",
               "65536 98304 131072"); /* pages; else by what is free */
    struct rlimit files = {.rlim_cur = 20000, .rlim_max = 20000};
    setrlimit(RLIMIT_NOFILE, &files);
    setrlimit(RLIMIT_SIGPENDING, &files); /* the kernel's own is by the memory there is */
    setenv("PATH", "/tests", 1);
    setenv("HOME", "/tmp", 1);
    setenv("TMPDIR", "/tmp", 1);
    setenv("TEST_SKIP", option("guest_skip="), 1);
}

static long limit_seconds(void)
{
    long seconds = strtol(option("guest_limit="), NULL, 10);
    return seconds > 0 ? seconds : LIMIT_DEFAULT_SECONDS;
}

static pid_t start(const char *path)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    setsid();
    if (chdir("/tmp") == 0)
        execl(path, path, (char *)NULL);
    printf("cannot run %s: %s\n", path, strerror(errno));
    _exit(127);
}

/* Waits for `pid`, and buries whatever orphans end meanwhile. Returns false when time is up. */
static bool wait_until(pid_t pid, long end_ms, int *status)
{
    for (;;) {
        pid_t ended = waitpid(-1, status, WNOHANG);
        if (ended == pid)
            return true;
        if (ended > 0)
            continue;
        if (now_ms() >= end_ms)
            return false;
        struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
}

/* Ends everything but this process, so that no program leaves something behind for the next. */
static void clear_processes(void)
{
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

/* Returns whether the program ended with status 0 in time. */
static bool run(const char *name, long limit)
{
    char path[512];
    int status = 0;
    snprintf(path, sizeof path, "/tests/%s", name);
    printf("guest: run %s\n", name);
    fflush(stdout);
    long start_ms = now_ms();
    pid_t pid = start(path);
    bool ended = pid > 0 && wait_until(pid, start_ms + limit * 1000, &status);
    clear_processes();
    const char *how = !ended ? "timeout" : WIFSIGNALED(status) ? "signal" : "exit";
    int number = !ended ? 0 : WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    printf("\nguest: %s %s %d %ld\n", how, name, number, now_ms() - start_ms);
    return ended && WIFEXITED(status) && number == 0;
}

static int is_program(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(void)
{
    prepare();
    struct utsname system;
    uname(&system);
    printf("\nguest: uname %s %s %s\n", system.sysname, system.release, system.version);
    long limit = limit_seconds();
    struct dirent **programs;
    int count = scandir("/tests", &programs, is_program, alphasort), failures = 0;
    for (int i = 0; i < count; i++)
        failures += !run(programs[i]->d_name, limit);
    printf("guest: done %d %d\n", count, failures);
    fflush(stdout);
    tcdrain(STDOUT_FILENO);
    sync();
    reboot(RB_AUTOBOOT); /* qemu was told -no-reboot: it ends, sooner than by a power-off */
    return 1;
}
