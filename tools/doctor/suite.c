/*
 * suite.c - runs the contract suite for the report: each check in a process of its own.
 */
#include "doctor.h"

#include <string.h>

enum { LIMIT_S = 20 };

/* Whether the check asks for a feature that is missing for a reason already given: "open/" and the
   feature's name with hyphens. */
static bool explained(const struct doctor_report *report, const char *name)
{
    if (strncmp(name, "open/", 5) != 0)
        return false;
    for (unsigned i = 0; i < report->feature_count; i++) {
        const char *feature = report->features[i].known->name, *at = name + 5;
        while (*at && (*at == *feature || (*at == '-' && *feature == '_'))) {
            at++;
            feature++;
        }
        if (*at == '\0' && *feature == '\0')
            return !report->features[i].used;
    }
    return false;
}

void doctor_run_suite(struct doctor_report *report)
{
    const struct contract_check *check;
    struct contract_result result;

    if (report->refusal[0])
        return;
    report->asked = true;
    for (size_t i = 0; (check = contract_at(i)); i++) {
        if (explained(report, check->name)) {
            report->unused++;
            continue;
        }
        contract_run_forked(check, &report->kernel, LIMIT_S, &result);
        if (result.outcome == CONTRACT_HELD) {
            report->held++;
        } else if (result.outcome == CONTRACT_UNUSED) {
            report->unused++;
        } else {
            if (report->broken_count < DOCTOR_BROKEN)
                report->broken[report->broken_count] = (struct doctor_broken){check, result};
            report->broken_count++;
        }
    }
}
