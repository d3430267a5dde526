/*
 * suite.c - runs the contract suite for the report: each check in a process of its own.
 */
#include "doctor.h"

enum { LIMIT_S = 20 };

void doctor_run_suite(struct doctor_report *report)
{
    const struct contract_check *check;
    struct contract_result result;

    if (report->refusal[0])
        return;
    report->asked = true;
    for (size_t i = 0; (check = contract_at(i)); i++) {
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
