/*
 * sim/report.c - what went wrong, as text: who waits for what, and how to see it again.
 *
 * Runs when the world has stopped: it looks, and changes nothing. The tree is
 *
 *      cause
 *        thread "name"  waits for a completion, since 1.5 s
 *          task "name"  recv on descriptor 66
 *          recv on tcp 7 (127.0.0.1:1 <- 127.0.0.1:2)  waits
 *      seed, plan, command
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/stats.h>

#include "ring/host.h"
#include "sim/world.h"

enum { REPORT_SIZE = 16384, COMMAND_SIZE = 512 };

struct text {
    char *text;
    size_t size, length;
};

static __attribute__((format(printf, 2, 3))) void put(struct text *text, const char *format, ...)
{
    __builtin_va_list arguments;
    size_t room = text->size - text->length;
    int length;

    __builtin_va_start(arguments, format);
    length = vsnprintf(text->text + text->length, room, format, arguments);
    __builtin_va_end(arguments);
    if (length > 0)
        text->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void put_request(void *context, const char *line)
{
    put(context, "    %s\n", line);
}

static int put_task(const struct weft_task_info *info, void *context)
{
    put(context, "    task \"%s\": %s", info->name, info->waits_for);
    if (info->fd >= 0)
        put(context, " on descriptor %d", info->fd);
    put(context, info->cause ? ", cancelled\n" : "\n");
    return 0;
}

/* The tasks of the thread's reactor, each behind the one whose child it is. */
static void put_tasks(struct weft__sim *sim, struct text *text,
                      const struct weft__sim_thread *thread)
{
    struct weft__reactor *before = weft__self;

    weft__self = thread == sim->running ? before : thread->reactor;
    if (weft__self)
        (void)weft_tasks_each(put_task, text);
    weft__self = before;
}

static void put_thread(struct weft__sim *sim, struct text *text,
                       const struct weft__sim_thread *thread)
{
    int64_t since_ns = sim->now_ns - thread->since_ns;

    if (thread->state == WEFT__SIM_ENDED)
        return;
    put(text, "  thread %llu \"%s\"", (unsigned long long)thread->serial, thread->name);
    if (thread->state == WEFT__SIM_RUNNABLE)
        put(text, thread == sim->running ? " runs\n" : " could run\n");
    else
        put(text, " waits for %s (%llu), since %lld.%06lld s\n", thread->why ? thread->why : "?",
            (unsigned long long)thread->on, (long long)(since_ns / 1000000000),
            (long long)(since_ns % 1000000000 / 1000));
    put_tasks(sim, text, thread);
    if (thread->ring)
        weft__sim_ring_describe(sim, thread->ring, put_request, text);
}

/* The oldest thread first: the list begins with the youngest. */
static void put_threads(struct weft__sim *sim, struct text *text)
{
    uint64_t last = sim->serials[WEFT__SIM_WHO_THREAD];

    for (uint64_t serial = 1; serial <= last; serial++)
        for (const struct weft__sim_thread *thread = sim->threads; thread; thread = thread->next)
            if (thread->serial == serial)
                put_thread(sim, text, thread);
}

/* The command line of this process, its arguments apart by blanks. */
static void put_command(struct text *text)
{
    char command[COMMAND_SIZE];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, command, sizeof command - 1);

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i + 1 < length; i++)
        command[i] = command[i] ? command[i] : ' ';
    command[length > 0 ? length : 0] = '\0';
    put(text, "%s\n", command);
}

void weft__sim_describe(struct weft__sim *sim, const char *what)
{
    struct text text = {weft__sim_alloc(REPORT_SIZE), REPORT_SIZE, 0};

    put(&text, "weft-sim: %s\n", what);
    put_threads(sim, &text);
    put(&text,
        "  after %llu steps; hash %016llx; to see it again:\n    WEFT_SIM_SEED=%llu "
        "WEFT_SIM_PLAN='%s' ",
        (unsigned long long)sim->steps, (unsigned long long)sim->hash,
        (unsigned long long)sim->plan.seed, sim->plan.text);
    put_command(&text);
    weft__sim_free(sim->report);
    sim->report = text.text;
}
