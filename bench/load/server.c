/* Main program of the comparison servers; see server.h.
 *
 * The main thread is thread 0 and holds the signalfd; the others each have an eventfd that thread 0
 * writes to when it stops. Engines are opened by their own threads (a SINGLE_ISSUER ring belongs to
 * the thread that made it), so the main thread waits for all of them before it says it listens.
 */
#include "server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common.h"

enum { THREADS_MAX = 64 };

struct worker {
    const struct server_kind *kind;
    void *engine;
    int listener, stop;
    int error;
    pthread_t thread;
    pthread_barrier_t *opened;
};

static void worker_open(struct worker *worker)
{
    worker->engine = worker->kind->open(worker->listener, worker->stop, &worker->error);
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    worker_open(worker);
    pthread_barrier_wait(worker->opened);
    if (worker->engine)
        worker->error = worker->kind->run(worker->engine);
    return NULL;
}

static uint64_t cpu_us(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec;
}

static void print_counters(const struct worker *workers, unsigned count, const struct rusage *since)
{
    struct engine_counters sum = {0};
    for (unsigned i = 0; i < count; i++) {
        const struct engine_counters *c = workers[i].kind->counters(workers[i].engine);
        sum.messages += __atomic_load_n(&c->messages, __ATOMIC_RELAXED);
        sum.bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
        sum.enters += __atomic_load_n(&c->enters, __ATOMIC_RELAXED);
        sum.connections += __atomic_load_n(&c->connections, __ATOMIC_RELAXED);
        sum.errors += __atomic_load_n(&c->errors, __ATOMIC_RELAXED);
    }
    struct rusage now;
    getrusage(RUSAGE_SELF, &now);
    struct json json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "program", workers[0].kind->program);
    json_count(&json, "threads", count);
    json_count(&json, "messages", sum.messages);
    json_count(&json, "bytes", sum.bytes);
    json_count(&json, "enters", sum.enters);
    json_count(&json, "connections", sum.connections);
    json_count(&json, "errors", sum.errors);
    json_count(&json, "cpu_user_us", cpu_us(&now.ru_utime) - cpu_us(&since->ru_utime));
    json_count(&json, "cpu_system_us", cpu_us(&now.ru_stime) - cpu_us(&since->ru_stime));
    json_close(&json, '}');
    putchar('\n');
    fflush(stdout);
}

/* Runs thread 0 until a signal that ends the server. */
static int run_first(struct worker *workers, unsigned count)
{
    struct rusage since;
    getrusage(RUSAGE_SELF, &since);
    for (;;) {
        int error = workers[0].kind->run(workers[0].engine);
        struct signalfd_siginfo info;
        if (error)
            return error;
        if (read(workers[0].stop, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo == SIGUSR1) {
            print_counters(workers, count, &since);
            continue;
        }
        for (unsigned i = 1; i < count; i++)
            eventfd_write(workers[i].stop, 1);
        for (unsigned i = 1; i < count; i++)
            pthread_join(workers[i].thread, NULL);
        print_counters(workers, count, &since);
        return 0;
    }
}

static int open_descriptors(struct worker *workers, unsigned count, const struct address *address)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    for (unsigned i = 0; i < count; i++) {
        bool share = i > 0 && address->is_unix;
        workers[i].listener = share ? workers[0].listener : address_listen(address, 0);
        if (workers[i].listener < 0)
            return workers[i].listener;
        workers[i].stop =
            i == 0 ? signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK) : eventfd(0, EFD_CLOEXEC);
        if (workers[i].stop < 0)
            return -errno;
    }
    return 0;
}

static int serve(struct worker *workers, unsigned count, const char *where)
{
    pthread_barrier_t opened;
    pthread_barrier_init(&opened, NULL, count);
    for (unsigned i = 1; i < count; i++) {
        workers[i].opened = &opened;
        if (pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]) != 0)
            return -EAGAIN;
    }
    worker_open(&workers[0]);
    pthread_barrier_wait(&opened);
    for (unsigned i = 0; i < count; i++)
        if (!workers[i].engine)
            return workers[i].error;
    printf("listening on %s\n", where);
    fflush(stdout);
    return run_first(workers, count);
}

static int usage(const struct server_kind *kind)
{
    fprintf(stderr, "usage: %s ADDRESS:PORT|unix:PATH [THREADS] [OPTION...]\noptions: %s\n",
            kind->program, kind->options_help);
    return 2;
}

int server_main(int argc, char **argv, const struct server_kind *kind)
{
    static struct worker workers[THREADS_MAX];
    struct address address;
    uint64_t threads = 1;
    if (argc < 2 || address_parse(&address, argv[1]) < 0)
        return usage(kind);
    int next = 2;
    if (argc > next && parse_number(argv[next], 1, THREADS_MAX, &threads))
        next++;
    for (; next < argc; next++)
        if (kind->option(argv[next]) < 0)
            return usage(kind);

    raise_descriptor_limit();
    for (unsigned i = 0; i < threads; i++)
        workers[i].kind = kind;
    int error = open_descriptors(workers, (unsigned)threads, &address);
    if (!error)
        error = serve(workers, (unsigned)threads, argv[1]);
    if (error) {
        fprintf(stderr, "%s: %s: %s\n", kind->program, argv[1], strerror(-error));
        return 1;
    }
    for (unsigned i = 0; i < threads; i++)
        kind->close(workers[i].engine);
    return 0;
}
