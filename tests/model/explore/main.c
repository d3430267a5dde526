/*
 * main.c - the explorer as a program.
 *
 *     explore                      every scenario, every execution within the bounds
 *     explore quick                the same with few preemptions, up to the first failure
 *     explore mutants              each order made weaker must be noticed
 *     explore NAME                 one scenario
 *     explore NAME SCHEDULE        one execution of it, step by step
 *     explore NAME SCHEDULE FUNCTION OPERATION WEAKENING     the same of a mutant, or all with -
 *
 * The environment: WEFT_LONG=1 for wider bounds; EXPLORE_PREEMPTIONS, EXPLORE_STALE (loads in one
 * execution that see anything but the newest) and EXPLORE_SPURIOUS (exchanges that fail for
 * nothing).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "explore.h"

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
static const struct explore_scenario *const *const lists[] = {explore_scenarios_litmus,
                                                              explore_scenarios_inbox,
                                                              explore_scenarios_post,
                                                              explore_scenarios_wake,
                                                              explore_scenarios_future};
enum { LISTS = sizeof lists / sizeof *lists };

static uint32_t from_environment(const char *name, uint32_t otherwise)
{
    const char *value = getenv(name);

    return value ? (uint32_t)strtoul(value, NULL, 10) : otherwise;
}

static struct explore_bounds bounds_of(const struct explore_scenario *scenario, bool mutants)
{
    bool long_form = from_environment("WEFT_LONG", 0) != 0;
    struct explore_bounds bounds = {.preemptions = mutants ? 2 : 3, .stale = 2, .spurious = 1};

    if (mutants)
        bounds.stale = 1;
    else if (scenario->stale)
        bounds.stale = scenario->stale;
    bounds.preemptions += long_form;
    bounds.stale += long_form;
    bounds.preemptions = from_environment("EXPLORE_PREEMPTIONS", bounds.preemptions);
    bounds.stale = from_environment("EXPLORE_STALE", bounds.stale);
    bounds.spurious = from_environment("EXPLORE_SPURIOUS", bounds.spurious);
    bounds.executions_max = UINT64_MAX;
    return bounds;
}

static void print_schedule(const struct explore_schedule *schedule)
{
    for (uint32_t i = 0; i < schedule->length; i++)
        putchar(digits[schedule->taken[i]]);
    if (schedule->length == 0)
        putchar('0');
}

static void read_schedule(const char *text, struct explore_schedule *schedule)
{
    for (schedule->length = 0; text[schedule->length]; schedule->length++) {
        const char *digit = strchr(digits, text[schedule->length]);
        if (!digit || schedule->length == EXPLORE_CHOICES_MAX) {
            fprintf(stderr, "not a schedule: %s\n", text);
            exit(2);
        }
        schedule->taken[schedule->length] = (uint8_t)(digit - digits);
    }
}

/* The shortest failing execution, at the fewest preemptions; and how to see it again. */
static void show_failure(const struct explore_scenario *scenario,
                         const struct explore_bounds *bounds)
{
    struct explore_bounds within = *bounds;
    struct explore_result result;

    for (within.preemptions = 0;; within.preemptions++) {
        explore_all(scenario, &within, true, &result);
        if (result.failed || within.preemptions == bounds->preemptions)
            break;
    }
    if (!result.failed) {
        printf("not found again\n");
        return;
    }
    printf("  %s\n  %u steps, %u preemptions; again with: EXPLORE_PREEMPTIONS=%u explore %s ",
           result.text, result.steps, result.preemptions, within.preemptions, scenario->name);
    print_schedule(&result.schedule);
    putchar('\n');
    explore_tracing = true;
    explore_replay(scenario, &within, &result.schedule, &result);
    explore_tracing = false;
}

static int check(const struct explore_scenario *scenario)
{
    struct explore_bounds bounds = bounds_of(scenario, false);
    struct explore_result result;
    struct timespec from, to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    explore_all(scenario, &bounds, false, &result);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%-34s %-8s %9llu executions %6.2f s  %u preemptions, %u stale  %s\n", scenario->name,
           result.failed     ? "fails"
           : result.complete ? "holds"
                             : "so far",
           (unsigned long long)result.executions,
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9,
           bounds.preemptions, bounds.stale, scenario->says);
    fflush(stdout);
    if (result.failed && !scenario->must_fail)
        show_failure(scenario, &bounds);
    if (!result.failed && scenario->must_fail)
        printf("  it should fail, and does not\n");
    return result.failed != scenario->must_fail;
}

static int check_all(void)
{
    int wrong = 0;

    for (int i = 0; i < LISTS; i++)
        for (const struct explore_scenario *const *at = lists[i]; *at; at++)
            wrong += check(*at);
    return wrong;
}

/* With few preemptions first, and no further than the first failure: for who has put a bug in and
   wants to know whether it is noticed. */
static int check_quickly(void)
{
    enum { QUICK_PREEMPTIONS = 2 };
    struct explore_result result;

    for (uint32_t preemptions = 0; preemptions <= QUICK_PREEMPTIONS; preemptions++)
        for (int i = 1; i < LISTS; i++) /* the first is about the explorer itself */
            for (const struct explore_scenario *const *at = lists[i]; *at; at++) {
                struct explore_bounds bounds = bounds_of(*at, false);
                bounds.preemptions = preemptions;
                explore_all(*at, &bounds, false, &result);
                if (!result.failed)
                    continue;
                printf("%s fails, %u preemptions: %s\n", (*at)->name, preemptions, result.text);
                return 1;
            }
    return 0;
}

static const struct explore_scenario *scenario_called(const char *name)
{
    for (int i = 0; i < LISTS; i++)
        for (const struct explore_scenario *const *at = lists[i]; *at; at++)
            if (strcmp((*at)->name, name) == 0)
                return *at;
    fprintf(stderr, "no scenario is called %s\n", name);
    exit(2);
}

static void mutate(const char *function, const char *operation, const char *weakening)
{
    struct explore_bounds bounds = bounds_of(NULL, true);

    explore_sites_find(&bounds);
    for (uint32_t i = 0; i < explore_site_count; i++)
        if (strcmp(explore_sites[i].function, function) == 0 &&
            strcmp(explore_sites[i].operation, operation) == 0)
            explore_mutated = explore_sites[i].place;
    for (enum explore_weakening w = EXPLORE_NO_ACQUIRE; w <= EXPLORE_TORN; w++)
        if (strcmp(explore_weakening_name(w), weakening) == 0)
            explore_mutation = w;
    if (!explore_mutated || explore_mutation == EXPLORE_AS_IS) {
        fprintf(stderr, "no such place, or no such weakening\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct explore_schedule schedule;
    struct explore_result result;
    struct explore_bounds bounds;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 1)
        return check_all() != 0;
    if (strcmp(argv[1], "quick") == 0)
        return check_quickly();
    if (strcmp(argv[1], "mutants") == 0) {
        bounds = bounds_of(NULL, true);
        return explore_mutants(&bounds) != 0;
    }
    if (argc == 6)
        mutate(argv[3], argv[4], argv[5]);
    if (argc == 2 || strcmp(argv[2], "-") == 0)
        return check(scenario_called(argv[1]));
    read_schedule(argv[2], &schedule);
    bounds = bounds_of(scenario_called(argv[1]), false);
    explore_tracing = true;
    explore_replay(scenario_called(argv[1]), &bounds, &schedule, &result);
    return result.failed;
}
