/*
 * ring/uring_refusal.c - why there is no io_uring here, in a sentence that names the cure.
 *
 * Any thread may call this, at start-up only: it reads files. What always holds: it guesses nothing
 * that it can look up (sysctl, seccomp mode, limits, kernel release), and changes nothing.
 */
#include "ring/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { SECCOMP_FILTERED = 2, FLOOR_MAJOR = 6, FLOOR_MINOR = 1 };

/* The beginning of a small file in text (always terminated); false when it cannot be read. */
static bool read_start(const char *path, char *text, size_t size)
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* 0: allowed. 1: only for a group and the privileged. 2: for nobody. */
static int sysctl_disabled(void)
{
    char text[16];
    return read_start("/proc/sys/kernel/io_uring_disabled", text, sizeof text) ? atoi(text) : 0;
}

static bool seccomp_filtered(void)
{
    char text[4096];
    if (!read_start("/proc/self/status", text, sizeof text))
        return false;
    const char *line = strstr(text, "\nSeccomp:");
    return line && atoi(line + strlen("\nSeccomp:")) == SECCOMP_FILTERED;
}

/* Fills in the kernel's names; true when its release is below what weft needs. */
static bool kernel_below_floor(struct utsname *names)
{
    int major = 0, minor = 0;
    if (uname(names) < 0) {
        snprintf(names->release, sizeof names->release, "(unknown)");
        return false;
    }
    if (sscanf(names->release, "%d.%d", &major, &minor) != 2)
        return false;
    return major < FLOOR_MAJOR || (major == FLOOR_MAJOR && minor < FLOOR_MINOR);
}

static void explain_seccomp(char *text, size_t size)
{
    snprintf(
        text, size,
        "io_uring is forbidden by a seccomp filter (the default profiles of container runtimes "
        "do this): run under a profile that allows io_uring_setup, io_uring_enter and "
        "io_uring_register, for instance docker run --security-opt seccomp=PROFILE.json");
}

static void explain_forbidden(char *text, size_t size)
{
    int disabled = sysctl_disabled();
    if (disabled >= 2)
        snprintf(
            text, size,
            "io_uring is switched off on this machine by the sysctl kernel.io_uring_disabled=%d: "
            "set it to 0 (sysctl -w kernel.io_uring_disabled=0)",
            disabled);
    else if (disabled == 1 && geteuid() != 0)
        snprintf(
            text, size,
            "io_uring is kept from this user by the sysctl kernel.io_uring_disabled=1: set it to "
            "0, or add the user to the group named in kernel.io_uring_group");
    else if (seccomp_filtered())
        explain_seccomp(text, size);
    else
        snprintf(
            text, size,
            "io_uring is not permitted, though neither the sysctl "
            "kernel.io_uring_disabled nor a seccomp filter says so: look for a security module "
            "(SELinux, AppArmor, BPF) that denies it to this program");
}

static int explain_missing(int error, char *text, size_t size)
{
    struct utsname names;
    if (kernel_below_floor(&names))
        snprintf(
            text, size,
            "kernel %s is too old: weft needs Linux 6.1 or newer (io_uring with DEFER_TASKRUN); "
            "boot a newer kernel",
            names.release);
    else if (seccomp_filtered())
        explain_seccomp(text, size);
    else
        snprintf(
            text, size,
            "kernel %s answers io_uring_setup with \"%s\": run on a kernel of 6.1 or newer that "
            "was built with CONFIG_IO_URING, and not under an emulator of system calls",
            names.release, strerror(-error));
    return -ENOSYS;
}

static void explain_memory(char *text, size_t size)
{
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY)
        snprintf(
            text, size,
            "no memory for a ring, though RLIMIT_MEMLOCK sets no limit: look at the memory limit "
            "of the cgroup (memory.max), or ask for smaller queues");
    else
        snprintf(text, size,
                 "no memory for a ring; RLIMIT_MEMLOCK is %llu bytes: raise it (ulimit -l, or "
                 "LimitMEMLOCK= in a systemd unit), ask for smaller queues, or look at the memory "
                 "limit of the cgroup (memory.max)",
                 (unsigned long long)limit.rlim_cur);
}

static void explain_descriptors(int error, char *text, size_t size)
{
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (error == -EMFILE)
        snprintf(text, size,
                 "no descriptor left for a ring: RLIMIT_NOFILE is %llu, raise it (ulimit -n, or "
                 "LimitNOFILE= in a systemd unit) or close some",
                 (unsigned long long)limit.rlim_cur);
    else
        snprintf(
            text, size,
            "no descriptor left for a ring on the whole machine: raise the sysctl fs.file-max");
}

int weft__uring_explain(int error, char *text, size_t size)
{
    char unwanted[1];
    if (!text || size == 0) {
        text = unwanted;
        size = sizeof unwanted;
    }
    switch (error) {
    case -EPERM:
    case -EACCES:
        explain_forbidden(text, size);
        return -EPERM;
    case -ENOSYS:
    case -EINVAL: /* our flags are right, so the kernel does not know them */
        return explain_missing(error, text, size);
    case -ENOMEM:
        explain_memory(text, size);
        return error;
    case -EMFILE:
    case -ENFILE:
        explain_descriptors(error, text, size);
        return error;
    default:
        snprintf(text, size, "io_uring_setup failed: %s", strerror(-error));
        return error;
    }
}
