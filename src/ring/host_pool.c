/*
 * ring/host_pool.c - the pool: threads for calls that block and work that computes.
 *
 * Any thread may submit; the opener closes. What always holds: a job is on the queue, or with
 * exactly one worker, or its `done` has been called; a worker is started only when a job finds none
 * idle, so a program that never offloads has no thread more.
 */
#include "base/memory.h"
#include "ring/host.h"

#include <errno.h>
#include <pthread.h>

struct weft__pool {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t more;  /* a job came, or closing began */
    struct weft__pool_job *first, **last;
    uint32_t idle;    /* workers waiting for a job */
    uint32_t queued;  /* jobs on the queue */
    uint32_t threads; /* started */
    uint32_t threads_max;
    const char *name;
    bool closing;
    struct weft__thread *thread[];
};

static void run(struct weft__pool_job *job)
{
    /* Read before: after `done` the job is its owner's again, and often gone. */
    void (*done)(struct weft__pool_job *) = job->done;
    job->work(job);
    done(job);
}

/* The next job, waiting for it; NULL when the pool closes and nothing is left. */
static struct weft__pool_job *next_job(struct weft__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->closing) {
        pool->idle++;
        pthread_cond_wait(&pool->more, &pool->lock);
        pool->idle--;
    }
    struct weft__pool_job *job = pool->first;
    if (job) {
        pool->first = job->next;
        pool->queued--;
        if (!pool->first)
            pool->last = &pool->first;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *worker(void *argument)
{
    struct weft__pool_job *job;
    while ((job = next_job(argument)) != NULL)
        run(job);
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
    made->last = &made->first;
    made->name = name;
    made->threads_max = threads_max;
    *pool = made;
    return 0;
}

/* Under the lock: starts a worker if more jobs wait than workers idle. False: there is no worker.
 */
static bool ensure_worker(struct weft__pool *pool)
{
    if (pool->queued > pool->idle && pool->threads < pool->threads_max &&
        weft__host_thread_start(&pool->thread[pool->threads], worker, pool, pool->name) == 0)
        pool->threads++;
    return pool->threads > 0;
}

void weft__pool_submit(struct weft__pool *pool, struct weft__pool_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    *pool->last = job;
    pool->last = &job->next;
    pool->queued++;
    bool served = ensure_worker(pool);
    if (!served) { /* no thread to be had at all: late is better than never, so it is done here */
        pool->first = NULL;
        pool->last = &pool->first;
        pool->queued = 0;
    }
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    if (!served)
        run(job);
}

bool weft__pool_withdraw(struct weft__pool *pool, struct weft__pool_job *job)
{
    struct weft__pool_job **place;
    bool found;

    pthread_mutex_lock(&pool->lock);
    for (place = &pool->first; *place && *place != job; place = &(*place)->next)
        ;
    found = *place == job;
    if (found) {
        *place = job->next;
        if (!job->next)
            pool->last = place;
        pool->queued--;
    }
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
