/*
 * libFuzzer's bytes as the plan of a simulated world. What is accepted is held to what a plan is:
 * odds are odds, spans are not upside down, and what it prints as is a plan that says the same.
 */
#include "sim/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool right)
{
    if (!right)
        abort();
}

static const struct {
    bool is_span;
} knobs[WEFT__SIM_KNOB_COUNT] = {
#define CHANCE(id, name, calm, rough) {false},
#define FAULT(id, name, broken) {false},
#define SPAN(id, name, calm_low, calm_high, rough_low, rough_high) {true},
    WEFT__SIM_KNOBS(CHANCE, SPAN, FAULT)};

static void check_knobs(const struct weft__sim_plan *plan)
{
    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++) {
        const struct weft__sim_setting *setting = &plan->knobs[i];
        must(setting->low >= 0 && setting->low <= setting->high);
        must(knobs[i].is_span ||
             (setting->low == setting->high && setting->high <= WEFT__SIM_ODDS));
    }
}

static void check_rules(const struct weft__sim_plan *plan)
{
    must(plan->rule_count <= WEFT__SIM_RULES_MAX);
    for (uint32_t i = 0; i < plan->rule_count; i++) {
        const struct weft__sim_rule *rule = &plan->rules[i];
        must(rule->nth > 0 && rule->outcome != 0 && rule->seen == 0);
        must(memchr(rule->kind, '\0', sizeof rule->kind) && (!rule->serial || !rule->kind[0]));
        must(strcmp(weft__sim_opcode_name(rule->opcode), "unknown") != 0);
    }
}

static void same(const struct weft__sim_plan *plan, const struct weft__sim_plan *again)
{
    must(plan->rule_count == again->rule_count);
    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++)
        must(plan->knobs[i].low == again->knobs[i].low &&
             plan->knobs[i].high == again->knobs[i].high);
    for (uint32_t i = 0; i < plan->rule_count; i++) {
        const struct weft__sim_rule *a = &plan->rules[i], *b = &again->rules[i];
        must(a->opcode == b->opcode && a->serial == b->serial && a->nth == b->nth &&
             a->outcome == b->outcome && strcmp(a->kind, b->kind) == 0);
    }
}

/* What is longer than a plan may be is refused, and nothing else of what one prints as. */
static void check_printed(const struct weft__sim_plan *plan)
{
    static struct weft__sim_plan again;
    char text[2 * sizeof plan->text], cut[64];
    int length = weft__sim_plan_print(plan, text, sizeof text);

    must(length > 0 && (size_t)length == strlen(text));
    must(weft__sim_plan_print(plan, cut, sizeof cut) == length && strlen(cut) == sizeof cut - 1);
    must(weft__sim_plan_parse(&again, text) == ((size_t)length < sizeof plan->text ? 0 : -EINVAL));
    if ((size_t)length < sizeof plan->text)
        same(plan, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct weft__sim_plan plan;
    char *text = calloc(1, size + 1);
    int error;

    must(text != NULL);
    if (size > 0)
        memcpy(text, bytes, size);
    error = weft__sim_plan_parse(&plan, text);
    must(error == 0 || error == -EINVAL);
    if (error == 0) {
        check_knobs(&plan);
        check_rules(&plan);
        check_printed(&plan);
    }
    free(text);
    return 0;
}
