/*
 * run.c - running a check in a process of its own, and asking the machine which kernel it has.
 *
 * Any thread of a program that has no other threads (it forks). What always holds: a check that
 * hangs or dies is a result like any other, and what it left behind goes with its process.
 */
#include "contract.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FINISHED = 42 }; /* how the process of a check ends, and no check by itself */

void contract_limit_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > CONTRACT_FD_LIMIT) {
        files.rlim_cur = CONTRACT_FD_LIMIT;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void child(const struct contract_check *check, const struct contract_kernel *kernel,
                  unsigned limit_s, struct contract_result *shared)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    contract_limit_descriptors();
    signal(SIGALRM, SIG_DFL);
    alarm(limit_s);
    contract_run(check, kernel, shared);
    _exit(FINISHED);
}

static void judge(struct contract_result *result, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == FINISHED)
        return;
    result->outcome =
        WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? CONTRACT_HUNG : CONTRACT_DIED;
    snprintf(result->trouble, sizeof result->trouble, "%s %d",
             WIFSIGNALED(status) ? "signal" : "exit",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

void contract_run_forked(const struct contract_check *check, const struct contract_kernel *kernel,
                         unsigned limit_s, struct contract_result *result)
{
    struct contract_result *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t pid;

    *result = (struct contract_result){.outcome = CONTRACT_DIED};
    if (shared == MAP_FAILED) {
        snprintf(result->trouble, sizeof result->trouble, "no memory");
        return;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        child(check, kernel, limit_s, shared);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    *result = *shared;
    if (pid < 0)
        snprintf(result->trouble, sizeof result->trouble, "no process: %s", strerror(errno));
    else
        judge(result, status);
    munmap(shared, sizeof *shared);
}

/* -- this machine ----------------------------------------------------------------------------- */

static uint32_t version_here(void)
{
    struct utsname names;
    unsigned major = 0, minor = 0;

    if (uname(&names) < 0 || sscanf(names.release, "%u.%u", &major, &minor) != 2)
        return 0;
    return CONTRACT_KERNEL(major, minor);
}

uint32_t contract_masked(void)
{
    const char *mask = secure_getenv("WEFT_RING_MASK");
    uint32_t masked = 0;

    while (mask && *mask) {
        size_t length = strcspn(mask, ", ");
        for (size_t i = 0; i < contract_feature_count; i++)
            if (strlen(contract_features[i].name) == length &&
                memcmp(contract_features[i].name, mask, length) == 0)
                masked |= contract_features[i].bit;
        mask += length + strspn(mask + length, ", ");
    }
    return masked;
}

int contract_kernel_here(struct contract_kernel *kernel, char *text, size_t size)
{
    *kernel = (struct contract_kernel){.version = version_here(), .masked = contract_masked()};
    return contract_kernel_ask(kernel, text, size);
}
