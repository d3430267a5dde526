/*
 * base/report.c - the settings of debug mode, and its reports.
 */
#include "base/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/misuse.h"
#include "base/option.h"

#define SLOW_NS INT64_C(100000000)
#define MS INT64_C(1000000)

enum {
    CHEAP = WEFT_REPORT_SLOW | WEFT_REPORT_UNHEARD,
    ALL = CHEAP | WEFT_REPORT_BLOCKING,
    SLOW_MS_MAX = 1000000000,
};

struct weft__debug weft__debug;

struct weft_debug_opt weft__debug_set(const struct weft_debug_opt *opt)
{
    struct weft_debug_opt before = {.size = sizeof before};
    uint32_t kinds = !opt ? 0 : opt->kinds ? opt->kinds : CHEAP;
    int64_t slow_ns = opt && opt->slow_ns ? opt->slow_ns : SLOW_NS;

    if (kinds == 0) /* before the hook goes: weft__report looks again */
        before.kinds = atomic_exchange(&weft__debug.kinds, 0);
    before.slow_ns = atomic_exchange(&weft__debug.slow_ns, slow_ns);
    before.hook = atomic_exchange(&weft__debug.hook, opt ? opt->hook : NULL);
    if (kinds != 0)
        before.kinds = atomic_exchange(&weft__debug.kinds, kinds);
    atomic_fetch_add_explicit(&weft__debug.version, 1, memory_order_release);
    return before;
}

int weft__debug_check(const struct weft_debug_opt *opt)
{
    if (opt->kinds & ~(uint32_t)ALL || opt->slow_ns < 0)
        return weft__misuse(-EINVAL, "reports that there are not, or a negative span");
    return 0;
}

bool weft_get_debug(void)
{
    return atomic_load_explicit(&weft__debug.kinds, memory_order_relaxed) != 0;
}

/* -- the environment ------------------------------------------------------------------------- */

static bool is(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

/* "slow=20": in milliseconds. */
static bool parse_slow(const char *word, size_t length, struct weft_debug_opt *opt)
{
    char *end;
    unsigned long ms;

    if (length < 6 || memcmp(word, "slow=", 5) != 0)
        return false;
    ms = strtoul(word + 5, &end, 10);
    if (end != word + length || ms == 0 || ms > SLOW_MS_MAX)
        return false;
    opt->kinds |= WEFT_REPORT_SLOW;
    opt->slow_ns = (int64_t)ms * MS;
    return true;
}

static bool parse_word(const char *word, size_t length, struct weft_debug_opt *opt)
{
    static const struct {
        const char *name;
        uint32_t kinds;
    } known[] = {{"", 0},
                 {"0", 0},
                 {"1", CHEAP},
                 {"slow", WEFT_REPORT_SLOW},
                 {"unheard", WEFT_REPORT_UNHEARD},
                 {"blocking", WEFT_REPORT_BLOCKING},
                 {"all", ALL}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (is(word, length, known[i].name)) {
            opt->kinds |= known[i].kinds;
            return true;
        }
    return parse_slow(word, length, opt);
}

bool weft__debug_parse(const char *words, struct weft_debug_opt *opt)
{
    *opt = (struct weft_debug_opt){.size = sizeof *opt};
    for (;;) {
        size_t length = strcspn(words, ",");

        if (!parse_word(words, length, opt))
            return false;
        if (!words[length])
            return true;
        words += length + 1;
    }
}

/* What is not understood asks for nothing: there is nobody here to be told. */
void weft__debug_from_environment(void)
{
    const char *words = secure_getenv("WEFT_DEBUG");
    struct weft_debug_opt opt;

    if (words && atomic_load(&weft__debug.version) == 0 && weft__debug_parse(words, &opt) &&
        opt.kinds)
        (void)weft__debug_set(&opt);
}

/* -- telling --------------------------------------------------------------------------------- */

void weft__report(struct weft_report *report, struct weft__line *line)
{
    /* acquire: pairs with the exchange in weft__debug_set; the hook's own data were set up */
    weft_report_hook *hook = atomic_load_explicit(&weft__debug.hook, memory_order_acquire);
    int saved_errno = errno;

    weft__call_site_forget(); /* what the hook calls is called from there */
    report->text = line->text;
    if (hook)
        hook(report);
    else if (weft__debug_wants(report->kind)) /* or it was turned off meanwhile, and had a hook */
        weft__line_write(line, STDERR_FILENO);
    errno = saved_errno;
}
