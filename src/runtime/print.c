/*
 * runtime/print.c - what a server does right now, in words; <weft/inspect.h>.
 *
 * A task that asks does so on the loop's stack, since its own may be small.
 */
#define _GNU_SOURCE

#include "runtime/print.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <unistd.h>
#include <weft/inspect.h>

#include "coro/walk.h"
#include "runtime/runtime.h"
#include "runtime/waits.h"

enum { FRAMES_MAX = 64, INDENT = 2, TEXT = 4096 };

/* -- stacks ---------------------------------------------------------------------------------- */

size_t weft__fiber_stack(const struct weft__reactor *reactor, const struct weft__fiber *fiber,
                         const void **frames, size_t count_max)
{
    struct weft__registers registers;
    size_t count;

    weft__registers_parked(&registers, fiber->context.sp);
    count = weft__walk(&registers, false, weft__stack_low(&reactor->stacks, fiber->slot),
                       weft__stack_top(&reactor->stacks, fiber->slot), frames, count_max);
    return count > 1 ? count : 0; /* the one is the place that begins it */
}

static const char *file_of(const struct link_map *map)
{
    const char *path = map->l_name[0] ? map->l_name : program_invocation_short_name;
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void weft__put_code(struct weft__line *line, const void *code)
{
    struct dl_find_object object;

    weft__line_put_address(line, code);
    if (_dl_find_object((void *)(uintptr_t)code, &object) < 0)
        return;
    weft__line_put(line, " ");
    weft__line_put(line, file_of(object.dlfo_link_map));
    weft__line_put(line, "+");
    weft__line_put_address(line, (const void *)((uintptr_t)code - object.dlfo_link_map->l_addr));
}

void weft__put_frame(struct weft__line *line, size_t number, const void *frame)
{
    weft__line_put(line, "#");
    weft__line_put_number(line, (int64_t)number);
    weft__line_put(line, " ");
    weft__put_code(line, frame);
}

/* -- printing -------------------------------------------------------------------------------- */

struct printer {
    struct weft__describer describer; /* first */
    const struct weft__reactor *reactor;
    int fd;
    uint32_t flags;
    int error;
    size_t length;
    char text[TEXT];
};

static void flush(struct printer *printer)
{
    for (size_t done = 0; done < printer->length && printer->error == 0;) {
        ssize_t n = write(printer->fd, printer->text + done, printer->length - done);
        if (n < 0 && errno != EINTR)
            printer->error = -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    printer->length = 0;
}

static void print(struct printer *printer, uint32_t depth, const char *text)
{
    size_t indent = (size_t)depth * INDENT, length = strlen(text);

    if (indent > TEXT / 4)
        indent = TEXT / 4; /* deeper than anybody reads */
    if (TEXT - printer->length < indent + length + 1)
        flush(printer);
    memset(printer->text + printer->length, ' ', indent);
    memcpy(printer->text + printer->length + indent, text, length);
    printer->length += indent + length;
    printer->text[printer->length++] = '\n';
}

static void print_piece(struct weft__describer *to, uint32_t depth, const void *who,
                        const char *text)
{
    (void)who;
    print((struct printer *)to, depth, text);
}

static void no_edge(struct weft__describer *to, const void *who, const void *whom)
{
    (void)to;
    (void)who;
    (void)whom;
}

/* An exported name says more than a number. */
static void put_name(struct weft__line *line, const void *frame)
{
    Dl_info info;

    if (!dladdr((const char *)frame - 1, &info) || !info.dli_sname)
        return;
    weft__line_put(line, " ");
    weft__line_put(line, info.dli_sname);
}

static void print_below(struct weft__describer *to, uint32_t depth, const void *who)
{
    struct printer *printer = (struct printer *)to;
    const struct weft__fiber *fiber = (const struct weft__fiber *)who;
    struct weft_call_site site = WEFT__NOTE_OF(fiber->left_at);
    const void *frames[FRAMES_MAX];
    struct weft__line line;
    size_t count;

    if (site.file && fiber->wait) {
        weft__line_begin(&line);
        weft__line_put(&line, "at ");
        weft__line_put_place(&line, site.file, site.line, site.function, "");
        print(printer, depth + 1, line.text);
    }
    if (!(printer->flags & WEFT_PRINT_STACKS))
        return;
    count = weft__fiber_stack(printer->reactor, fiber, frames, FRAMES_MAX);
    for (size_t i = 0; i < count; i++) {
        weft__line_begin(&line);
        weft__put_frame(&line, i, frames[i]);
        put_name(&line, frames[i]);
        print(printer, depth + 1, line.text);
    }
}

struct circles {
    struct weft__circles circles; /* first */
    struct printer *printer;
};

static void print_circle(struct weft__circles *circles, const struct weft__task *task)
{
    struct weft__line line;

    weft__line_begin(&line);
    weft__circle_put(&line, task);
    print(((struct circles *)circles)->printer, 1, line.text);
}

int weft__print_reactor(struct weft__reactor *reactor, const struct weft__fiber *asker, int fd,
                        uint32_t flags)
{
    struct printer printer = {.describer = {.piece = print_piece,
                                            .waits = no_edge,
                                            .now_ns = weft__host_now(),
                                            .asker = asker,
                                            .live = true,
                                            .below = print_below},
                              .reactor = reactor,
                              .fd = fd,
                              .flags = flags};

    struct circles circles = {.circles = {.tell = print_circle}, .printer = &printer};

    weft__describe_waits(reactor, &printer.describer);
    weft__circles_find(reactor, &circles.circles);
    flush(&printer);
    return printer.error;
}

/* -- asking ---------------------------------------------------------------------------------- */

/* On the loop's stack, for a task or for itself. */
static int on_loop(int (*fn)(void *arg), void *arg)
{
    struct weft__errand errand = {.fn = fn, .arg = arg};

    if (!weft__self->current)
        return fn(arg);
    weft__fiber_errand(weft__self, &errand);
    return errand.result;
}

struct request {
    const struct weft__fiber *asker;
    int fd;
    uint32_t flags;
};

static int print_request(void *arg)
{
    const struct request *request = arg;

    return weft__print_reactor(weft__self, request->asker, request->fd, request->flags);
}

static int check(int fd, uint32_t flags)
{
    if (fd < 0 || flags & ~(uint32_t)WEFT_PRINT_STACKS)
        return weft__misuse(-EINVAL, "no descriptor, or flags that there are not");
    return 0;
}

int weft_print_tasks(int fd, uint32_t flags)
{
    struct request request = {.fd = fd, .flags = flags};
    int error;

    if (!weft__self || !weft__self->tasks)
        return weft__outside();
    error = check(fd, flags);
    request.asker = weft__self->current;
    return error < 0 ? error : on_loop(print_request, &request);
}

static int print_there(void *arg)
{
    const struct request *request = arg;

    return weft_print_tasks(request->fd, request->flags);
}

/* fn(arg) in a task on each reactor, until one answers something. */
static int on_each(weft_task_fn fn, void *arg)
{
    uint32_t count = weft_reactors();
    struct weft__task *self;
    int result = weft__enter(&self);

    for (uint32_t i = 0; i < count && result == 0; i++)
        result = i == self->reactor->index ? fn(arg) : weft_call(i, fn, arg, 0);
    return result;
}

int weft_print_all_tasks(int fd, uint32_t flags)
{
    struct request request = {.fd = fd, .flags = flags};
    int error = check(fd, flags);

    return error < 0 ? error : on_each(print_there, &request);
}

struct each {
    int (*fn)(const struct weft_task_info *info, void *context);
    void *context;
};

static int each_there(void *arg)
{
    const struct each *each = arg;

    return weft_tasks_each(each->fn, each->context);
}

int weft_all_tasks_each(int (*fn)(const struct weft_task_info *info, void *context), void *context)
{
    struct each each = {fn, context};

    if (!fn)
        return weft__misuse(-EINVAL, "no function");
    return on_each(each_there, &each);
}

/* -- one stack ------------------------------------------------------------------------------- */

struct stack_request {
    const struct weft__fiber *fiber;
    const void *caller; /* where the asking task goes on; NULL: it is another's stack */
    const void **addresses;
    uint32_t count_max;
};

static int find_stack(void *arg)
{
    struct stack_request *request = arg;
    const void *frames[FRAMES_MAX];
    size_t count = weft__fiber_stack(weft__self, request->fiber, frames, FRAMES_MAX), first = 0;

    while (request->caller && first < count && frames[first] != request->caller)
        first++;
    if (first == count)
        first = 0;
    count -= first;
    if (count > request->count_max)
        count = request->count_max;
    memcpy(request->addresses, frames + first, count * sizeof *frames);
    return (int)count;
}

int weft_task_stack(weft_task handle, const void **addresses, uint32_t count_max)
{
    struct stack_request request = {.addresses = addresses, .count_max = count_max};
    struct weft__task *task;
    int error;

    if (!addresses)
        return weft__misuse(-EINVAL, "no room for addresses");
    task = weft__task_find(weft__self, handle, &error);
    if (!task)
        return weft__task_not_found(handle, error, false);
    if (task->ended)
        return 0;
    request.fiber = &task->fiber;
    if (task == weft__task_self())
        request.caller = __builtin_return_address(0);
    return on_loop(find_stack, &request);
}
