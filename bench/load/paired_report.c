/* What came of a run of `paired`: medians and ratios with their spread, as a table or as one line
 * of JSON.
 *
 * A ratio is taken within each pairing, so that a slow phase of the host is in both its halves.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common.h"
#include "paired_plan.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    double p2, p25, median, p75, p97;
    double median_low, median_high; /* 95 % confidence of the median, by order statistics */
};

static struct spread spread_of(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, by_value);
    double last = (double)(count - 1), half = 0.98 * sqrt((double)count);
    long low = lround(floor((double)count / 2 - half)),
         high = lround(ceil((double)count / 2 + half));
    return (struct spread){
        .p2 = values[(unsigned)(last * 0.025)],
        .p25 = values[(unsigned)(last * 0.25)],
        .median = values[count / 2],
        .p75 = values[(unsigned)(last * 0.75)],
        .p97 = values[(unsigned)ceil(last * 0.975)],
        .median_low = values[low < 0 ? 0 : low],
        .median_high = values[high >= (long)count ? (long)count - 1 : high],
    };
}

struct result {
    const char *name;
    struct spread ns, ratio;
    double enters_per_message;
};

static struct result result_of(const struct contestant *c, const struct contestant *reference,
                               unsigned pairings)
{
    struct result r = {.name = c->variant.name};
    double *values = calloc(pairings, sizeof *values);
    if (!values)
        return r;
    for (unsigned i = 0; i < pairings; i++)
        values[i] = c->ns_per_message[i] / reference->ns_per_message[i];
    r.ratio = spread_of(values, pairings);
    memcpy(values, c->ns_per_message, pairings * sizeof *values);
    r.ns = spread_of(values, pairings);
    r.enters_per_message = (double)c->enters_timed / (double)c->messages_timed;
    free(values);
    return r;
}

static void print_table(const struct plan *plan, const struct result *results, unsigned count,
                        unsigned pairings)
{
    struct utsname system;
    uname(&system);
    printf("# %s %s, cpu %d: %s, %u connections, %zu bytes, depth %u, %u pairings of %.1f ms\n",
           system.sysname, system.release, plan->cpu, plan->tcp ? "tcp" : "unix", plan->connections,
           plan->size, plan->depth, pairings, (double)plan->slice_ns / 1e6);
    printf("%-28s %10s %21s %7s %17s %17s %10s\n", "server half", "ns/message", "p25-p75", "ratio",
           "median 95%", "pairs 95%", "enters/msg");
    for (unsigned i = 0; i < count; i++) {
        const struct result *r = &results[i];
        printf("%-28s %10.0f %10.0f-%-10.0f %7.3f %8.3f-%-8.3f %8.3f-%-8.3f %10.4f\n", r->name,
               r->ns.median, r->ns.p25, r->ns.p75, r->ratio.median, r->ratio.median_low,
               r->ratio.median_high, r->ratio.p2, r->ratio.p97, r->enters_per_message);
    }
}

static void print_json(const struct plan *plan, const struct result *results, unsigned count,
                       unsigned pairings)
{
    struct json json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "transport", plan->tcp ? "tcp" : "unix");
    json_count(&json, "connections", plan->connections);
    json_count(&json, "size", plan->size);
    json_count(&json, "depth", plan->depth);
    json_count(&json, "pairings", pairings);
    json_count(&json, "slice_ns", plan->slice_ns);
    json_text(&json, "reference", results[0].name);
    json_open(&json, "variants", '[');
    for (unsigned i = 0; i < count; i++) {
        const struct result *r = &results[i];
        json_open(&json, NULL, '{');
        json_text(&json, "name", r->name);
        json_real(&json, "ns_per_message", r->ns.median);
        json_real(&json, "ns_p25", r->ns.p25);
        json_real(&json, "ns_p75", r->ns.p75);
        json_real(&json, "ratio", r->ratio.median);
        json_real(&json, "ratio_median_low", r->ratio.median_low);
        json_real(&json, "ratio_median_high", r->ratio.median_high);
        json_real(&json, "ratio_p2_5", r->ratio.p2);
        json_real(&json, "ratio_p97_5", r->ratio.p97);
        json_real(&json, "enters_per_message", r->enters_per_message);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    putchar('\n');
}

int paired_report(const struct plan *plan, const struct contestant *contestants, unsigned count,
                  unsigned pairings)
{
    struct result results[VARIANTS_MAX];
    if (pairings < plan->pairings_min) {
        fprintf(stderr, "paired: only %u pairings in the time given, %u are needed\n", pairings,
                plan->pairings_min);
        return 1;
    }
    for (unsigned i = 0; i < count; i++)
        results[i] = result_of(&contestants[i], &contestants[0], pairings);
    (plan->json ? print_json : print_table)(plan, results, count, pairings);
    return 0;
}
