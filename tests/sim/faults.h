/*
 * What the tests of faults share: a program is run again and again on the simulated kernel, with
 * its k-th allocation failing, for every k, and with its k-th descriptor refused. The linker leads
 * the calls named here to this file (extra.cmake).
 */
#ifndef WEFT_TESTS_SIM_FAULTS_H
#define WEFT_TESTS_SIM_FAULTS_H

#include <errno.h>

#include "base/memory.h"
#include "ring/host.h"
#include "sim/world.h"
#include "simulate.h"

struct faults {
    int (*program)(void); /* calls weft_run, and answers what that did */
    bool spared;          /* `spared` at its beginning */
};

static unsigned refused_at, asked; /* at: 0, none */
static bool spared;                /* descriptors are neither counted nor refused now */

static inline bool refuses(void)
{
    return !spared && ++asked == refused_at;
}

int __real_weft__host_fd_lift(int fd);
int __wrap_weft__host_fd_lift(int fd);
int __wrap_weft__host_fd_lift(int fd)
{
    if (!refuses())
        return __real_weft__host_fd_lift(fd);
    weft__host_close(fd);
    return -EMFILE;
}

struct faults_run {
    const struct faults *faults;
    int result;
};

static int faults_in_world(void *arg)
{
    struct faults_run *run = arg;

    run->result = run->faults->program();
    ck_assert_uint_eq(weft__sim_world->fds_open, 0);
    return 0;
}

/* Once, with that allocation failing and that descriptor refused; 0: none. What came of it. */
static int faults_once(const struct faults *faults, uint64_t allocation, unsigned descriptor)
{
    const struct weft_sim_opt opt = {.size = sizeof opt, .seed = 1, .plan = "calm"};
    struct faults_run run = {faults, 1};
    size_t live = test_live_allocations();

    asked = 0;
    spared = faults->spared;
    refused_at = descriptor;
    weft__alloc_fail_after(allocation);
    ck_assert_int_eq(weft_sim_run(&opt, faults_in_world, &run, NULL), 0);
    weft__alloc_fail_after(0);
    ck_assert_uint_eq(test_live_allocations(), live);
    return run.result;
}

static void faults_of_allocations(const struct faults *faults)
{
    uint64_t before = weft__alloc_count(), needed;
    int failed = 0;

    ck_assert_int_ge(faults_once(faults, 0, 0), 0);
    needed = weft__alloc_count() - before;
    for (uint64_t k = 1; k <= needed; k++) {
        int is = faults_once(faults, k, 0);
        ck_assert_msg(is >= 0 || is == -ENOMEM, "allocation %d failing gave %d", (int)k, is);
        failed += is == -ENOMEM;
    }
    ck_assert_int_gt(failed, 10);
}

/* How many descriptors the program asks for. */
static unsigned faults_of_descriptors(const struct faults *faults)
{
    unsigned needed;

    ck_assert_int_ge(faults_once(faults, 0, 0), 0);
    needed = asked;
    for (unsigned k = 1; k <= needed; k++)
        ck_assert_int_eq(faults_once(faults, 0, k), -EMFILE);
    return needed;
}

#endif
