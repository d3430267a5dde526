/*
 * ring/host_jobs.h - the line of a pool's jobs, for both kernels' pools.
 *
 * First come, first begun; and one in the middle goes in one step, since each job knows what points
 * at it: `first`, or the `next` of the one before. The pool's own; with its lock held, if it has
 * one.
 *
 * What always holds: a job has a place exactly while it stands here, and is counted.
 */
#ifndef WEFT_RING_HOST_JOBS_H
#define WEFT_RING_HOST_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/host.h"

struct weft__jobs {
    struct weft__pool_job *first;
    struct weft__pool_job **last; /* where the next to come will stand: `first`, or a `next` */
    uint32_t count;
};

static inline void weft__jobs_init(struct weft__jobs *jobs)
{
    jobs->first = NULL;
    jobs->last = &jobs->first;
    jobs->count = 0;
}

static inline void weft__jobs_add(struct weft__jobs *jobs, struct weft__pool_job *job)
{
    job->next = NULL;
    job->place = jobs->last;
    *jobs->last = job;
    jobs->last = &job->next;
    jobs->count++;
}

/* False: it does not stand here, or no more. */
static inline bool weft__jobs_withdraw(struct weft__jobs *jobs, struct weft__pool_job *job)
{
    if (!job->place)
        return false;
    *job->place = job->next;
    if (job->next)
        job->next->place = job->place;
    else
        jobs->last = job->place;
    job->place = NULL;
    jobs->count--;
    return true;
}

/* The first; NULL when there is none. */
static inline struct weft__pool_job *weft__jobs_take(struct weft__jobs *jobs)
{
    struct weft__pool_job *job = jobs->first;

    if (job)
        (void)weft__jobs_withdraw(jobs, job);
    return job;
}

/* Whoever took it off the line does it, without the pool's lock. */
static inline void weft__job_do(struct weft__pool_job *job)
{
    /* Read before: after `done` the job is its owner's again, and often gone. */
    void (*done)(struct weft__pool_job *) = job->done;

    job->work(job);
    done(job);
}

#endif
