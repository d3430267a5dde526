/* names/resolver.c - names/resolver.h and weft/names.h say what this does. */
#include "names/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct weft__remembered {
    struct weft__remembered *next;
    int64_t until;
    struct weft__answer answer;
};

enum { ENTRIES_MAX = 128, TRIES = 4 };
#define TRY_NS INT64_C(5000000000)

/* -- the reactor it belongs to -------------------------------------------------------------- */

static int here(const weft_resolver *resolver)
{
    weft_inbox *inbox = weft_inbox_here();
    bool same = resolver && inbox == resolver->home;

    weft_inbox_put(inbox);
    if (!inbox)
        return -EPERM;
    return !resolver ? -EINVAL : same ? 0 : -EXDEV;
}

/* -- what is remembered --------------------------------------------------------------------- */

static bool is_about(const struct weft__answer *answer, const char *host, int family)
{
    return answer->family == family && strcasecmp(answer->host, host) == 0;
}

/* Forgets what is too old, and beyond the limit the eldest. */
static void forget(weft_resolver *resolver, uint32_t most)
{
    struct weft__remembered **place = &resolver->names, *one;
    int64_t now = weft_now();

    resolver->count = 0;
    while ((one = *place)) {
        if (one->until > now && resolver->count < most) {
            resolver->count++;
            place = &one->next;
        } else {
            *place = one->next;
            free(one);
        }
    }
}

static const struct weft__answer *find(weft_resolver *resolver, const char *host, int family)
{
    forget(resolver, resolver->opt.entries_max);
    for (struct weft__remembered *one = resolver->names; one; one = one->next)
        if (is_about(&one->answer, host, family))
            return &one->answer;
    return NULL;
}

/* As long as the shortest-lived of its addresses; without memory it is just not remembered. */
static void remember(weft_resolver *resolver, const struct weft__answer *answer)
{
    struct weft__remembered *one;
    uint32_t ttl = UINT32_MAX;

    for (uint32_t i = 0; i < answer->count; i++)
        if (answer->list[i].ttl_s < ttl)
            ttl = answer->list[i].ttl_s;
    if (answer->error || answer->count == 0 || ttl == 0 ||
        find(resolver, answer->host, answer->family))
        return;
    forget(resolver, resolver->opt.entries_max - 1);
    one = malloc(sizeof *one);
    if (!one)
        return;
    *one =
        (struct weft__remembered){resolver->names, weft_now() + ttl * INT64_C(1000000000), *answer};
    resolver->names = one;
    resolver->count++;
}

/* -- opening and closing -------------------------------------------------------------------- */

enum { OPTION_SIZE_MAX = 4096 };

/* Options of any age: a field that the caller's struct is too old to have is zero, one that is not
   known here has to be. 0 or -EINVAL. */
static int take_options(struct weft_resolver_opt *to, const struct weft_resolver_opt *given)
{
    const unsigned char *bytes = (const unsigned char *)given;
    size_t size = given ? given->size : 0;

    memset(to, 0, sizeof *to);
    if (!given)
        return 0;
    if (size < sizeof size || size > OPTION_SIZE_MAX)
        return -EINVAL;
    for (size_t i = sizeof *to; i < size; i++)
        if (bytes[i])
            return -EINVAL;
    memcpy(to, given, size < sizeof *to ? size : sizeof *to);
    return to->try_ns < 0 || to->tries < 0 ? -EINVAL : 0;
}

int weft_resolver_open(weft_resolver **resolver, const struct weft_resolver_opt *opt)
{
    struct weft_resolver_opt own;
    weft_resolver *made;
    int error;

    if (!resolver || take_options(&own, opt) < 0)
        return -EINVAL;
    made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->home = weft_inbox_here();
    made->opt = own;
    if (made->opt.try_ns == 0)
        made->opt.try_ns = TRY_NS;
    if (made->opt.tries == 0)
        made->opt.tries = TRIES;
    if (made->opt.entries_max == 0)
        made->opt.entries_max = ENTRIES_MAX;
    error = made->home ? weft__backend_open(made) : -EPERM;
    if (error < 0) {
        weft_inbox_put(made->home);
        free(made);
        return error;
    }
    *resolver = made;
    return 0;
}

int weft_resolver_close(weft_resolver *resolver)
{
    int error = here(resolver);

    if (!resolver)
        return 0;
    if (error == 0 && resolver->asking > 0)
        error = -EBUSY;
    if (error < 0)
        return error;
    weft__backend_close(resolver);
    forget(resolver, 0);
    weft_inbox_put(resolver->home);
    free(resolver);
    return 0;
}

/* -- asking --------------------------------------------------------------------------------- */

static void let_go(struct weft__question *question)
{
    if (--question->users > 0)
        return;
    weft_future_put(question->answered);
    free(question);
}

void weft__answered(struct weft__question *question)
{
    remember(question->resolver, &question->answer);
    weft_future_set_result(question->answered, 0);
    let_go(question);
}

static int give(const struct weft__answer *answer, struct weft_name_address *list,
                uint32_t count_max)
{
    if (answer->error)
        return answer->error;
    for (uint32_t i = 0; i < answer->count && i < count_max; i++)
        list[i] = answer->list[i];
    return (int)answer->count;
}

static int ask(weft_resolver *resolver, const char *host, int family,
               struct weft_name_address *list, uint32_t count_max)
{
    struct weft__question *question = calloc(1, sizeof *question);
    int error = question ? weft_future_create(&question->answered, NULL) : -ENOMEM;

    if (error < 0) {
        free(question);
        return error;
    }
    question->resolver = resolver;
    question->users = 2;
    question->answer.family = family;
    memcpy(question->answer.host, host, strlen(host) + 1);
    resolver->asking++;
    error = weft__backend_ask(question);
    if (error == 0)
        error = weft_future_await(question->answered, NULL);
    resolver->asking--;
    if (error == 0)
        error = weft__names_told(give(&question->answer, list, count_max));
    let_go(question);
    return error;
}

/* As every call that may suspend: also when all is at hand, as what is remembered is. */
static int may_suspend(void)
{
    if (weft_current_task().generation == 0)
        return -EPERM;
    return weft_cancelled() ? weft_yield() : 0; /* which says why */
}

int weft_resolve(weft_resolver *resolver, const char *host, int family,
                 struct weft_name_address *list, uint32_t count_max)
{
    int error = here(resolver);
    const struct weft__answer *known;

    if (error < 0)
        return error;
    if (!host || !*host || strlen(host) >= WEFT__NAME_SIZE || (count_max > 0 && !list) ||
        (family != AF_UNSPEC && family != AF_INET && family != AF_INET6))
        return -EINVAL;
    error = may_suspend();
    if (error < 0)
        return error;
    known = find(resolver, host, family);
    return known ? give(known, list, count_max) : ask(resolver, host, family, list, count_max);
}
