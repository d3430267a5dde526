/*
 * sim/host_pool.c - the pool: workers are simulated threads, one job at a time each.
 *
 * What always holds: as in ring/host_pool.c, a job is on the queue, or with exactly one worker, or
 * its `done` has been called; a worker is started only when a job finds none idle. No lock: one
 * thread runs, and the others stand at a call of the boundary.
 */
#include <errno.h>

#include "ring/host_jobs.h"
#include "sim/world.h"

struct weft__pool {
    struct weft__jobs jobs;
    struct weft__sim_thread **idle; /* workers that wait for a job */
    uint32_t idle_count;
    uint32_t threads; /* places in use below; NULL: that one could not be started */
    uint32_t started;
    uint32_t threads_max;
    const char *name;
    bool closing;
    struct weft__thread *thread[];
};

static struct weft__pool_job *next_job(struct weft__sim *sim, struct weft__pool *pool)
{
    while (!pool->jobs.first && !pool->closing) {
        pool->idle[pool->idle_count++] = sim->running;
        weft__sim_park(sim, "a job of the pool", 0);
    }
    return weft__jobs_take(&pool->jobs);
}

static void *worker(void *argument)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__pool_job *job;

    while ((job = next_job(sim, argument)) != NULL) {
        weft__sim_give_way(sim);
        weft__job_do(job);
    }
    return NULL;
}

int weft__pool_open(struct weft__pool **pool, const char *name, uint32_t threads_max)
{
    struct weft__pool *made;

    if (threads_max == 0)
        return -EINVAL;
    made = weft__sim_alloc(sizeof *made + threads_max * sizeof made->thread[0]);
    made->idle = weft__sim_alloc(threads_max * sizeof made->idle[0]);
    weft__jobs_init(&made->jobs);
    made->name = name;
    made->threads_max = threads_max;
    *pool = made;
    return 0;
}

static bool wake_idle(struct weft__sim *sim, struct weft__pool *pool)
{
    if (pool->idle_count == 0)
        return false;
    weft__sim_wake(sim, pool->idle[--pool->idle_count]);
    return true;
}

/* One more worker, if there may be one. Its place is taken first: while it starts, others submit.
 */
static bool start_worker(struct weft__pool *pool)
{
    struct weft__thread **place = &pool->thread[pool->threads];

    if (pool->threads == pool->threads_max)
        return false;
    pool->threads++;
    if (weft__host_thread_start(place, worker, pool, pool->name) < 0)
        return false;
    pool->started++;
    return true;
}

bool weft__pool_submit_at_once(struct weft__pool *pool, struct weft__pool_job *job)
{
    weft__jobs_add(&pool->jobs, job);
    return (pool->jobs.count > pool->idle_count && start_worker(pool)) ||
           wake_idle(weft__sim_here(), pool) || !weft__pool_withdraw(pool, job);
}

void weft__pool_submit(struct weft__pool *pool, struct weft__pool_job *job)
{
    weft__jobs_add(&pool->jobs, job);
    if ((pool->jobs.count > pool->idle_count && start_worker(pool)) ||
        wake_idle(weft__sim_here(), pool))
        return;
    /* no thread to be had at all: late is better than never, so it is done here */
    if (pool->started == 0 && weft__pool_withdraw(pool, job))
        weft__job_do(job);
}

bool weft__pool_withdraw(struct weft__pool *pool, struct weft__pool_job *job)
{
    return weft__jobs_withdraw(&pool->jobs, job);
}

void weft__pool_close(struct weft__pool *pool)
{
    struct weft__sim *sim = weft__sim_here();

    if (!pool)
        return;
    pool->closing = true;
    while (wake_idle(sim, pool))
        ;
    for (uint32_t i = 0; i < pool->threads; i++)
        if (pool->thread[i])
            weft__host_thread_join(pool->thread[i]);
    weft__sim_free(pool->idle);
    weft__sim_free(pool);
}
