/*
 * ring/host_pool.c - the pool: threads for calls that block and work that computes.
 *
 * Any thread may submit; the opener closes. What always holds: a job is on the queue, or with
 * exactly one worker, or its `done` has been called; a worker is started only when a job finds none
 * idle, so a program that never offloads has no thread more.
 */
#include "base/memory.h"
#include "ring/host_jobs.h"

#include <errno.h>
#include <pthread.h>

struct weft__pool {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t more;  /* a job came, or closing began */
    struct weft__jobs jobs;
    uint32_t idle;    /* workers waiting for a job */
    uint32_t threads; /* started */
    uint32_t threads_max;
    const char *name;
    bool closing;
    struct weft__thread *thread[];
};

/* The next job, waiting for it; NULL when the pool closes and nothing is left. */
static struct weft__pool_job *next_job(struct weft__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->jobs.first && !pool->closing) {
        pool->idle++;
        pthread_cond_wait(&pool->more, &pool->lock);
        pool->idle--;
    }
    struct weft__pool_job *job = weft__jobs_take(&pool->jobs);
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *worker(void *argument)
{
    struct weft__pool_job *job;
    while ((job = next_job(argument)) != NULL)
        weft__job_do(job);
    return NULL;
}

int weft__pool_open(struct weft__pool **pool, const char *name, uint32_t threads_max)
{
    if (threads_max == 0)
        return -EINVAL;
    struct weft__pool *made = weft__calloc(1, sizeof *made + threads_max * sizeof made->thread[0]);
    if (!made)
        return -ENOMEM;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->more, NULL);
    weft__jobs_init(&made->jobs);
    made->name = name;
    made->threads_max = threads_max;
    *pool = made;
    return 0;
}

/* Under the lock: is there an idle worker for each job that waits, if need be a new one? */
static bool serves_all(struct weft__pool *pool)
{
    if (pool->jobs.count <= pool->idle)
        return true;
    if (pool->threads == pool->threads_max ||
        weft__host_thread_start(&pool->thread[pool->threads], worker, pool, pool->name) < 0)
        return false;
    pool->threads++;
    return true;
}

static bool submit(struct weft__pool *pool, struct weft__pool_job *job, bool at_once)
{
    pthread_mutex_lock(&pool->lock);
    weft__jobs_add(&pool->jobs, job);
    bool served = serves_all(pool) || (!at_once && pool->threads > 0);
    if (!served)
        (void)weft__jobs_withdraw(&pool->jobs, job);
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    return served;
}

void weft__pool_submit(struct weft__pool *pool, struct weft__pool_job *job)
{
    /* no thread to be had at all: late is better than never, so it is done here */
    if (!submit(pool, job, false))
        weft__job_do(job);
}

bool weft__pool_submit_at_once(struct weft__pool *pool, struct weft__pool_job *job)
{
    return submit(pool, job, true);
}

bool weft__pool_withdraw(struct weft__pool *pool, struct weft__pool_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool found = weft__jobs_withdraw(&pool->jobs, job);
    pthread_mutex_unlock(&pool->lock);
    return found;
}

void weft__pool_close(struct weft__pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->threads; i++)
        weft__host_thread_join(pool->thread[i]);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    weft__free(pool);
}
