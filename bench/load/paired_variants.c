/* The servers that `paired` measures besides weft's: bare rings and epoll, and the choice among
 * all.
 *
 * The engines are bare_engine.c's and epoll_engine.c's; here each is given the shape of a variant.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bare_engine.h"
#include "common.h"
#include "epoll_engine.h"
#include "paired_plan.h"

/* --- variants without weft ----------------------------------------------------------------------
 */

struct bare_recipe {
    const char *name;
    const char *settings[6];
};

/* The first is the reference of all ratios. Rings without DEFER_TASKRUN cannot be compared here:
 * they receive whenever the thread leaves the kernel, so the client half's system calls would pay.
 */
static const struct bare_recipe bare_recipes[] = {
    {"bare-multishot", {NULL}},
    {"bare-single", {"single"}},
    {"bare-multishot-plain-fds", {"no-direct"}},
    {"bare-single-plain-fds", {"single", "no-direct"}},
    {"bare-single-try-first", {"single", "try-first"}},
    {"bare-multishot-wait1", {"no-match"}},
    {"bare-multishot-minimal", {"no-direct", "sqarray", "unregistered", "no-match"}},
};

/* Multishot buffers in total take no more than this, to stay within the cache; and their number
 * need only be a few times a batch, or the others wait in line for nothing. */
enum { BUFFERS_BYTES_MAX = 256 * 1024, BUFFERS_MIN = 8, BUFFERS_MAX = 256 };

static unsigned buffer_size_for(size_t bytes)
{
    unsigned size = 256;
    while (size < bytes)
        size *= 2;
    return size;
}

static int bare_open(struct variant *self, const struct paired_setup *setup)
{
    const struct bare_recipe *recipe = self->state;
    struct bare_options options;
    bare_options_best(&options);
    options.connections_max = setup->count;
    options.buffer_size = buffer_size_for(setup->size * setup->depth);
    options.buffer_count = BUFFERS_MIN;
    while (options.buffer_count < BUFFERS_MAX &&
           options.buffer_count * 2 * options.buffer_size <= BUFFERS_BYTES_MAX)
        options.buffer_count *= 2;
    for (unsigned i = 0; i < 6 && recipe->settings[i]; i++)
        bare_options_set(&options, recipe->settings[i]);
    int error;
    struct bare_engine *engine = bare_engine_open(&options, &error);
    for (unsigned i = 0; i < setup->count; i++) {
        if (!error)
            error = bare_engine_add(engine, setup->fds[i]);
        if (error)
            close(setup->fds[i]);
    }
    self->state = engine;
    if (error)
        bare_engine_close(engine);
    return error;
}

static size_t message_size; /* of the run; the engines count bytes */

static int bare_serve(struct variant *self, unsigned messages)
{
    const struct engine_counters *counters = bare_engine_counters(self->state);
    uint64_t before = counters->enters;
    int error = bare_engine_echo(self->state, messages * message_size);
    self->enters += counters->enters - before;
    return error;
}

static void bare_close(struct variant *self)
{
    bare_engine_close(self->state);
}

struct epoll_recipe {
    const char *name;
    bool edge, plain_io;
};

static const struct epoll_recipe epoll_recipes[] = {
    {"epoll", true, false},
    {"epoll-level", false, false},
    {"epoll-read-write", true, true},
};

static int epoll_open(struct variant *self, const struct paired_setup *setup)
{
    const struct epoll_recipe *recipe = self->state;
    struct epoll_options options;
    epoll_options_best(&options);
    options.edge = recipe->edge;
    options.plain_io = recipe->plain_io;
    int error;
    struct epoll_engine *engine = epoll_engine_open(&options, &error);
    for (unsigned i = 0; i < setup->count; i++) {
        if (!error)
            error = epoll_engine_add(engine, setup->fds[i]);
        if (error)
            close(setup->fds[i]);
    }
    self->state = engine;
    if (error)
        epoll_engine_close(engine);
    return error;
}

static int epoll_serve(struct variant *self, unsigned messages)
{
    const struct engine_counters *counters = epoll_engine_counters(self->state);
    uint64_t before = counters->enters;
    uint64_t target = counters->bytes + messages * message_size;
    while (counters->bytes < target) {
        int n = epoll_engine_turn(self->state, 1000);
        if (n <= 0)
            return n < 0 ? n : -ETIME;
    }
    self->enters += counters->enters - before;
    return 0;
}

static void epoll_close(struct variant *self)
{
    epoll_engine_close(self->state);
}

/* --- choosing
 * ------------------------------------------------------------------------------------- */

static bool named_in(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* By default: the reference, the single-shot form, epoll, and whatever weft brings. */
static bool wanted(const struct plan *plan, const char *name, bool by_default)
{
    if (!plan->only)
        return by_default;
    return strcmp(plan->only, "all") == 0 || named_in(plan->only, name);
}

unsigned paired_choose(const struct plan *plan, struct contestant *contestants)
{
    unsigned count = 0;
    message_size = plan->size;
    for (unsigned i = 0; i < sizeof bare_recipes / sizeof bare_recipes[0]; i++)
        if (i == 0 || wanted(plan, bare_recipes[i].name, i < 2))
            contestants[count++].variant = (struct variant){.name = bare_recipes[i].name,
                                                            .open = bare_open,
                                                            .serve = bare_serve,
                                                            .close = bare_close,
                                                            .state = (void *)&bare_recipes[i]};
    for (unsigned i = 0; i < sizeof epoll_recipes / sizeof epoll_recipes[0]; i++)
        if (wanted(plan, epoll_recipes[i].name, i == 0))
            contestants[count++].variant = (struct variant){.name = epoll_recipes[i].name,
                                                            .open = epoll_open,
                                                            .serve = epoll_serve,
                                                            .close = epoll_close,
                                                            .state = (void *)&epoll_recipes[i]};
    struct variant weft[VARIANTS_MAX];
    unsigned more = paired_weft_variants ? paired_weft_variants(weft, VARIANTS_MAX - count) : 0;
    for (unsigned i = 0; i < more; i++)
        if (wanted(plan, weft[i].name, true))
            contestants[count++].variant = weft[i];
    return count;
}
