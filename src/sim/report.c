/*
 * sim/report.c - what went wrong, as text: who waits for what, and how to see it again.
 *
 * Runs when the world has stopped: it looks, and changes nothing. The text is
 *
 *      cause
 *        thread 1 "main" waits for a completion (1), since 1.5 s
 *          reactor 0, in turn 9
 *            scope "root": 1 task
 *              task 1 "main": join of task 2 "b", since turn 4
 *          asked of the kernel:
 *            recv on tcp 7 (127.0.0.1:1 <- 127.0.0.1:2): waits
 *        a cycle, in which each waits for the next and the last for the first:
 *          ...
 *      seed, plan, command
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/ring_core.h"
#include "sim/tree.h"
#include "sim/world.h"

enum { REPORT_SIZE = 65536, COMMAND_SIZE = 512, LINES_MAX = 250, CYCLES_MAX = 4, REST = 8192 };

/* What grows beyond its size is cut, but for the REST at its end. */
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

/* -- one thread ---------------------------------------------------------------------------------
 */

struct lines {
    struct text *text;
    uint32_t count;
};

static void put_request(void *context, const char *line)
{
    struct lines *lines = context;

    if (++lines->count == 1)
        put(lines->text, "    asked of the kernel:\n");
    if (lines->count <= LINES_MAX)
        put(lines->text, "      %s\n", line);
}

/* A description can be long: what comes after the first lines of it is only counted. */
static void put_rest(struct lines *lines, const char *what)
{
    if (lines->count > LINES_MAX)
        put(lines->text, "      and %u %s\n", lines->count - LINES_MAX, what);
}

static void put_ring(struct weft__sim *sim, struct text *text, struct weft__sim_tree *tree,
                     const struct weft__sim_ring *ring)
{
    struct lines pieces = {text, 0}, requests = {text, 0};
    uint32_t first = tree->piece_count;

    weft__sim_tree_add(tree, &ring->told);
    for (uint32_t i = first; i < tree->piece_count; i++)
        if (++pieces.count <= LINES_MAX)
            put(text, "%*s%s\n", 4 + 2 * (int)(tree->pieces[i].depth % 32), "",
                tree->pieces[i].text);
    put_rest(&pieces, "more tasks and scopes");
    weft__sim_ring_describe(sim, ring, put_request, &requests);
    put_rest(&requests, "more requests");
}

static void put_thread(struct weft__sim *sim, struct text *text, struct weft__sim_tree *tree,
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
    for (const struct weft__sim_ring *ring = sim->rings; ring; ring = ring->next)
        if (ring->owner == thread)
            put_ring(sim, text, tree, ring);
}

/* The oldest thread first: the list begins with the youngest. */
static void put_threads(struct weft__sim *sim, struct text *text, struct weft__sim_tree *tree)
{
    uint64_t last = sim->serials[WEFT__SIM_WHO_THREAD];

    for (uint64_t serial = 1; serial <= last; serial++)
        for (const struct weft__sim_thread *thread = sim->threads; thread; thread = thread->next)
            if (thread->serial == serial)
                put_thread(sim, text, tree, thread);
}

/* -- cycles -------------------------------------------------------------------------------------
 */

struct cycles {
    struct text *text;
    const struct weft__sim_tree *tree;
};

/* Each line with the reactor it is of, if they are of several: the first piece of its group. */
static void put_cycle(void *context, const uint32_t *path, uint32_t length)
{
    struct cycles *cycles = context;
    const struct weft__sim_piece *pieces = cycles->tree->pieces;
    bool several = false;

    for (uint32_t i = 1; i < length; i++)
        several |= pieces[path[i]].group != pieces[path[0]].group;
    put(cycles->text, "  a cycle, in which each waits for the next and the last for the first:\n");
    for (uint32_t i = 0; i < length; i++) {
        uint32_t first = path[i];
        while (pieces[first].depth > 0)
            first--;
        put(cycles->text, "    %s", pieces[path[i]].text);
        if (several)
            put(cycles->text, " (%.*s)", (int)strcspn(pieces[first].text, ","), pieces[first].text);
        put(cycles->text, "\n");
    }
}

/* -- how to see it again ------------------------------------------------------------------------
 */

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
    struct text text = {weft__sim_alloc(REPORT_SIZE), REPORT_SIZE - REST, 0};
    struct weft__sim_tree tree;
    struct cycles cycles = {&text, &tree};

    weft__sim_tree_begin(&tree, sim->now_ns);
    put(&text, "weft-sim: %s\n", what);
    put_threads(sim, &text, &tree);
    weft__sim_tree_cycles(&tree, CYCLES_MAX, put_cycle, &cycles);
    weft__sim_tree_end(&tree);
    text.size = REPORT_SIZE;
    put(&text,
        "  after %llu steps; hash %016llx; to see it again:\n    WEFT_SIM_SEED=%llu "
        "WEFT_SIM_PLAN='%s' ",
        (unsigned long long)sim->steps, (unsigned long long)sim->hash,
        (unsigned long long)sim->plan.seed, sim->plan.text);
    put_command(&text);
    weft__sim_free(sim->report);
    sim->report = text.text;
}
