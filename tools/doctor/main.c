/*
 * weft-doctor: what this machine's kernel can do for weft, what is missing, why, and what that
 * costs. docs/doctor.md describes it.
 */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: weft-doctor [--json] [--quick]\n"
    "  --json    the findings as one JSON object\n"
    "  --quick   do not run the contract suite, which takes a second or two\n"
    "Exit status: 0 weft runs fully as designed, 1 with something missing, 2 it cannot start,\n"
    "3 bad usage.\n";

enum { BAD_USAGE = 3 };

int main(int argc, char **argv)
{
    static struct doctor_report report;
    bool json = false, quick = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        json |= strcmp(argv[i], "--json") == 0;
        quick |= strcmp(argv[i], "--quick") == 0;
        if (strcmp(argv[i], "--json") != 0 && strcmp(argv[i], "--quick") != 0) {
            fputs(usage, stderr);
            return BAD_USAGE;
        }
    }
    doctor_ask(&report);
    if (!quick)
        doctor_run_suite(&report);
    if (json)
        doctor_json(&report);
    else
        doctor_say(&report);
    return (int)doctor_verdict(&report);
}
