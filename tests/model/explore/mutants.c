/*
 * mutants.c - each order at each place of the code examined, made weaker: some scenario must fail.
 *
 * The places are those that the scenarios came by, so an atomic access added to the code is a
 * mutant the next time this runs. Taken away, one at a time: the acquire, the release, the place in
 * the total order; and the unity of each read-modify-write. One that no scenario notices is an
 * order stronger than what is promised needs, and stands in the table below with its reason; an
 * entry that is noticed after all is a failure as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explore.h"

struct needless {
    const char *function, *operation;
    enum explore_weakening weakening;
    const char *because;
};
static const struct needless needless[] = {
    {"take", "exchange", EXPLORE_NO_RELEASE,
     "C11 has no name for acquire in the total order alone"},
    {"weft__inbox_visit", "fetch_add", EXPLORE_NO_ACQUIRE,
     "its place in the total order is needed"},
    {"weft__inbox_visit", "fetch_add", EXPLORE_NO_RELEASE, "the same"},
    {"weft__inbox_visit", "load", EXPLORE_NO_ACQUIRE,
     "the same; what a visitor reads is atomic, or older than the inbox"},
    {NULL, NULL, EXPLORE_AS_IS, NULL},
};
static const struct explore_scenario *const *const lists[] = {explore_scenarios_inbox,
                                                              explore_scenarios_post,
                                                              explore_scenarios_wake,
                                                              explore_scenarios_future,
                                                              explore_scenarios_litmus};
enum { LISTS = sizeof lists / sizeof *lists };

const char *explore_weakening_name(enum explore_weakening weakening)
{
    static const char *const names[] = {"as it is", "no acquire", "no release",
                                        "not in the total order", "torn"};

    return names[weakening];
}

static void read_word(FILE *from, char *into, size_t size, bool file)
{
    char line[512];
    const char *text = "";

    if (fgets(line, sizeof line, from))
        text = file ? strstr(line, "/src/") : line;
    text = !text ? "" : file ? text + 1 : text;
    snprintf(into, size, "%.*s", (int)strcspn(text, " \n"), text);
}

/* Sites of one line and operation are one place. */
static uint32_t place_of(uint32_t which)
{
    const struct explore_site *site = &explore_sites[which];

    for (uint32_t i = 0; i < which; i++)
        if (strcmp(explore_sites[i].file, site->file) == 0 &&
            strcmp(explore_sites[i].operation, site->operation) == 0)
            return explore_sites[i].place;
    return which + 1;
}

/* Function, file and line of each site, from the program's debug information. */
static void resolve_sites(void)
{
    char command[64 + 24 * EXPLORE_SITES_MAX];
    int length = snprintf(command, sizeof command, "addr2line -f -e /proc/%ld/exe", (long)getpid());
    FILE *answer;

    for (uint32_t i = 0; i < explore_site_count; i++)
        length += snprintf(command + length, sizeof command - (size_t)length, " 0x%llx",
                           (unsigned long long)explore_sites[i].address - 1);
    answer = popen(command, "r");
    for (uint32_t i = 0; answer && i < explore_site_count; i++) {
        struct explore_site *site = &explore_sites[i];
        read_word(answer, site->function, sizeof site->function, false);
        read_word(answer, site->file, sizeof site->file, true);
        site->place = place_of(i);
    }
    if (!answer || pclose(answer) != 0) {
        fprintf(stderr, "addr2line cannot be run: install binutils\n");
        exit(1);
    }
}

static const struct needless *needless_of(const struct explore_site *site,
                                          enum explore_weakening weakening)
{
    for (const struct needless *it = needless; it->function; it++)
        if (strcmp(it->function, site->function) == 0 &&
            strcmp(it->operation, site->operation) == 0 && it->weakening == weakening)
            return it;
    return NULL;
}

static bool applies(const struct explore_site *site, enum explore_weakening weakening)
{
    switch (weakening) {
    case EXPLORE_NO_ACQUIRE:
        return site->order & EXPLORE_ACQUIRE;
    case EXPLORE_NO_RELEASE:
        return site->order & EXPLORE_RELEASE;
    case EXPLORE_NO_TOTAL:
        return site->order & EXPLORE_TOTAL;
    default:
        return site->modifies;
    }
}

typedef bool visit_fn(const struct explore_scenario *scenario, uint64_t bit, void *context);

/* Until one says that it is enough. */
static void each_scenario(visit_fn *fn, void *context)
{
    uint64_t bit = 1;

    for (int i = 0; i < LISTS; i++)
        for (const struct explore_scenario *const *at = lists[i]; *at; at++, bit <<= 1)
            if (fn(*at, bit, context))
                return;
}

static bool come_by(const struct explore_scenario *scenario, uint64_t bit, void *context)
{
    struct explore_result result;

    explore_reaching = bit;
    explore_all(scenario, context, false, &result);
    return false;
}

void explore_sites_find(const struct explore_bounds *bounds)
{
    struct explore_bounds within = *bounds;

    within.preemptions = 1;
    each_scenario(come_by, &within);
    explore_reaching = 0;
    resolve_sites();
}

struct search {
    uint64_t reaching;
    struct explore_bounds bounds;
    struct explore_result result;
    const struct explore_scenario *noticed; /* by */
    uint64_t executions;
};

static bool notices(const struct explore_scenario *scenario, uint64_t bit, void *context)
{
    struct search *search = context;

    if (scenario->must_fail || !(search->reaching & bit))
        return false;
    explore_all(scenario, &search->bounds, false, &search->result);
    search->executions += search->result.executions;
    if (search->result.failed)
        search->noticed = scenario;
    return search->result.failed;
}

/* The scenario that notices at the fewest preemptions at which any does. */
static int judge(const struct explore_site *site, enum explore_weakening weakening,
                 const struct explore_bounds *bounds)
{
    const struct needless *reason = needless_of(site, weakening);
    struct search search = {.bounds = *bounds};

    for (uint32_t i = 0; i < explore_site_count; i++)
        if (explore_sites[i].place == site->place)
            search.reaching |= explore_sites[i].reaching;
    explore_mutated = site->place;
    explore_mutation = weakening;
    for (uint32_t n = 0; n <= bounds->preemptions && !search.noticed; n++) {
        search.bounds.preemptions = n;
        each_scenario(notices, &search);
    }
    explore_mutated = 0;
    printf("%-22s %-10s %-23s ", site->function, site->operation,
           explore_weakening_name(weakening));
    if (search.noticed)
        printf("caught by %s, execution %llu, %u preemptions: %s%s\n", search.noticed->name,
               (unsigned long long)search.result.number, search.result.preemptions,
               search.result.text, reason ? " (AND SHOULD NOT BE)" : "");
    else
        printf("not noticed in %llu executions: %s\n", (unsigned long long)search.executions,
               reason ? reason->because : "AND SHOULD BE");
    return !search.noticed != !!reason;
}

int explore_mutants(const struct explore_bounds *bounds)
{
    int wrong = 0, count = 0;

    explore_sites_find(bounds);
    for (uint32_t i = 0; i < explore_site_count; i++)
        for (enum explore_weakening w = EXPLORE_NO_ACQUIRE; w <= EXPLORE_TORN; w++)
            if (explore_sites[i].file[0] && explore_sites[i].place == i + 1 &&
                applies(&explore_sites[i], w)) {
                count++;
                wrong += judge(&explore_sites[i], w, bounds);
            }
    printf("%d weaker forms, %d not as expected\n", count, wrong);
    return wrong;
}
