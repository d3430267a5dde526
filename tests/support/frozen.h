/*
 * A disk that can be made to hang: ext4 in memory behind a loop device, mounted in a mount
 * namespace of the program's own, and frozen by FIFREEZE. What writes to it then waits, and no
 * signal ends that wait.
 *
 *     int main(void)
 *     {
 *         if (frozen_open() < 0)                          // said why: root, /dev/loop-control, ...
 *             return FROZEN_SKIP;
 *         ...the cases: frozen_freeze(), frozen_thaw()
 *         frozen_close();
 *     }
 *
 * What always holds: a frozen disk is thawed, also when who froze it dies; for a process with a
 * write under way cannot end before, not even by SIGKILL. So before it is frozen a process of its
 * own is there, in a session of its own and nobody's child, that thaws it when it is told to, when
 * the case's process ends or begins to, and after ten minutes in any case. The mount, the device
 * and the memory behind it end with the last process that has the namespace.
 */
#ifndef WEFT_TESTS_SUPPORT_FROZEN_H
#define WEFT_TESTS_SUPPORT_FROZEN_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

enum {
    FROZEN_SKIP = 77, /* what CTest takes for a test that could not run */
    FROZEN_SIZE = 8 << 20,
    FROZEN_TRIES = 20, /* others take loop devices, too */
    FROZEN_LOOK_MS = 50,
    FROZEN_LOOKS_MAX = 10 * 60 * 1000 / FROZEN_LOOK_MS,
};

static struct frozen {
    char where[32]; /* it is mounted there */
    int folder;     /* descriptor of that */
    int tell, told; /* to and from who thaws it; -1: it is not frozen */
} frozen = {.folder = -1, .tell = -1, .told = -1};

static inline int frozen_refused(const char *what)
{
    fprintf(stderr, "no disk to freeze: %s: %s\n", what, strerror(errno));
    return -1;
}

/* A file system in memory; its descriptor. */
static inline int frozen_image(void)
{
    int fd = memfd_create("disk", 0), status = -1;
    char path[32];
    pid_t child;

    if (fd < 0 || ftruncate(fd, FROZEN_SIZE) < 0)
        return frozen_refused("memfd_create");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        execlp("mkfs.ext4", "mkfs.ext4", "-q", "-F", path, (char *)NULL);
        execl("/sbin/mkfs.ext4", "mkfs.ext4", "-q", "-F", path, (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    errno = ENOENT;
    return status == 0 ? fd : frozen_refused("mkfs.ext4");
}

/* The device goes with its last user. */
static inline int frozen_device(int image, char *path, size_t size)
{
    struct loop_config config = {.fd = (uint32_t)image, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device = -1;

    if (control < 0)
        return frozen_refused("/dev/loop-control");
    for (int i = 0; i < FROZEN_TRIES && device < 0; i++) {
        snprintf(path, size, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
        device = open(path, O_RDWR | O_CLOEXEC);
        if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) < 0) {
            int error = errno;
            close(device);
            errno = error;
            device = -1;
        }
    }
    if (device < 0)
        frozen_refused(path);
    close(control);
    return device;
}

/* 0, or -1 after saying what refused. */
static inline int frozen_open(void)
{
    int image, device, error;
    char path[32];

    errno = EPERM;
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
        return frozen_refused("unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return frozen_refused("mount /");
    image = frozen_image();
    device = image < 0 ? -1 : frozen_device(image, path, sizeof path);
    if (device < 0)
        return -1;
    snprintf(frozen.where, sizeof frozen.where, "/tmp/weft-disk-XXXXXX");
    if (!mkdtemp(frozen.where))
        return frozen_refused("mkdtemp");
    error = mount(path, frozen.where, "ext4", 0, NULL);
    close(image);
    close(device);
    if (error == 0)
        frozen.folder = open(frozen.where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return error == 0 && frozen.folder >= 0 ? 0 : frozen_refused("mount");
}

static inline void frozen_close(void)
{
    close(frozen.folder);
    (void)umount2(frozen.where, MNT_DETACH);
    (void)rmdir(frozen.where);
}

/* The first bytes of a file of /proc/PID. */
static inline bool frozen_proc(pid_t process, const char *name, char *text, size_t size)
{
    char path[40];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)process, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, size - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    return fd >= 0;
}

/* Killed, and its own thread waits for the disk: the signal stays pending. */
static inline bool frozen_is_killed(pid_t process)
{
    const char *label = "SigPnd:", *pending;
    unsigned long long signals;
    char text[2048];

    (void)frozen_proc(process, "status", text, sizeof text);
    pending = strstr(text, label);
    signals = pending ? strtoull(pending + strlen(label), NULL, 16) : 0;
    return signals >> (SIGKILL - 1) & 1;
}

/* Has it ended, or will it as soon as the kernel's workers let it? Before they do it is marked in
   no way: it stands in exit_group(2), or, killed, where it waits for them. */
static inline bool frozen_is_ending(pid_t process)
{
    char text[64];
    long call = -1;

    if (frozen_is_killed(process))
        return true;

    if (!frozen_proc(process, "wchan", text, sizeof text))
        return true;
    if (strstr(text, "io_wq") || strstr(text, "io_uring_cancel"))
        return true;
    if (frozen_proc(process, "syscall", text, sizeof text))
        (void)sscanf(text, "%ld", &call);
    return call == SYS_exit_group;
}

_Noreturn static inline void frozen_guard(pid_t process, int hear, int answer)
{
    struct pollfd look = {.fd = hear, .events = POLLIN};

    for (int i = 0; i < FROZEN_LOOKS_MAX && !frozen_is_ending(process); i++)
        if (poll(&look, 1, FROZEN_LOOK_MS) > 0)
            break;
    (void)ioctl(frozen.folder, FITHAW, 0);
    (void)!write(answer, "", 1);
    _exit(0);
}

static inline void frozen_freeze(void)
{
    int there[2], back[2];
    pid_t process = getpid(), child;

    ck_assert_int_eq(pipe2(there, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(back, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        close(there[1]);
        if (setsid() < 0 || fork() != 0)
            _exit(0);
        frozen_guard(process, there[0], back[1]);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    close(there[0]);
    close(back[1]);
    frozen.tell = there[1];
    frozen.told = back[0];
    ck_assert_int_eq(ioctl(frozen.folder, FIFREEZE, 0), 0);
}

/* Returns once it is. */
static inline void frozen_thaw(void)
{
    char byte;

    ck_assert_int_eq(write(frozen.tell, "", 1), 1);
    ck_assert_int_eq(read(frozen.told, &byte, 1), 1);
    close(frozen.tell);
    close(frozen.told);
}

#endif
