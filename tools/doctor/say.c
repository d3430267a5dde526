/*
 * say.c - the report in plain words, on standard output.
 */
#include "doctor.h"

#include <stdio.h>

#include <weft/version.h>

enum { WIDTH = 96 };

/* Prints a text after `indent` columns, broken between words. */
static void wrap(int indent, const char *text)
{
    int column = 0;

    while (*text) {
        int length = 0;
        while (text[length] && text[length] != ' ')
            length++;
        if (column == 0 || column + 1 + length > WIDTH) {
            printf("%s%*s", column ? "\n" : "", indent, "");
            column = indent;
        } else {
            putchar(' ');
            column++;
        }
        printf("%.*s", length, text);
        column += length;
        text += length + (text[length] == ' ');
    }
    putchar('\n');
}

static void say_features(const struct doctor_report *report)
{
    puts("\nWhat the ring can do");
    for (unsigned i = 0; i < report->feature_count; i++) {
        const struct doctor_feature *feature = &report->features[i];
        printf("  %-17s %s%s\n", feature->known->name,
               feature->used ? "in use" : "missing: ", feature->used ? "" : feature->why);
        if (!feature->used)
            wrap(20, feature->cost);
    }
}

static void say_reactors(const struct doctor_report *report)
{
    puts("\nReactors");
    if (report->reactors == report->cpus) {
        printf("  One for each of the %u CPUs can be opened.\n", report->cpus);
    } else {
        printf("  Only %u of %u can be opened side by side:\n", report->reactors, report->cpus);
        wrap(4, report->crowded);
    }
}

static void say_zero_copy(const struct doctor_report *report)
{
    puts("\nMemory that is given to be sent");
    if (report->zero_copy_min == UINT32_MAX)
        puts("  Is copied, whatever its size: no zero-copy send of up to 128 KiB pays here.");
    else
        printf("  Is sent from where it lies from %u bytes on, as measured just now.\n",
               report->zero_copy_min);
}

static void say_stacks(const struct doctor_report *report)
{
    puts("\nStacks of tasks");
    if (report->guard_marks) {
        puts("  Guards cost no mapping: a million tasks fit one process.");
        return;
    }
    printf("  Each guard takes a mapping (Linux 6.13 has a way without): about %u tasks in one\n"
           "  process, then weft_spawn says -EAGAIN. More: sysctl -w vm.max_map_count=N, now %u.\n",
           report->mappings_max / 5 * 2, report->mappings_max);
}

static void say_descriptors(const struct doctor_report *report)
{
    puts("\nDescriptors");
    if (report->descriptors_soft == UINT64_MAX)
        puts("  No limit.");
    else
        printf("  %llu may be open, one for each connection%s.\n",
               (unsigned long long)report->descriptors_soft,
               report->descriptors_hard > report->descriptors_soft
                   ? "; the hard limit allows more (ulimit -n, LimitNOFILE=)"
                   : "");
}

static void say_broken(const struct doctor_broken *broken, const struct contract_kernel *kernel)
{
    static const char *const how[] = {"", "", "another answer", "no answer in time", "died"};
    char expected[2 * CONTRACT_TEXT];

    contract_expectation(broken->check, kernel, expected, sizeof expected);
    printf("\n  %s: %s\n", broken->check->name, how[broken->result.outcome]);
    wrap(4, broken->check->relied_on);
    printf("    recorded: %s\n    answered: %s\n", expected, broken->result.answer);
    if (broken->result.trouble[0])
        printf("    %s\n", broken->result.trouble);
}

static void say_suite(const struct doctor_report *report)
{
    if (!report->asked)
        return;
    puts("\nWhat weft relies on (tests/contract)");
    printf("  %u checks answered as recorded for this kernel, %u concern what is not in use,\n"
           "  %u answered otherwise.\n",
           report->held, report->unused, report->broken_count);
    for (unsigned i = 0; i < report->broken_count && i < DOCTOR_BROKEN; i++)
        say_broken(&report->broken[i], &report->kernel);
    if (report->broken_count > 0)
        puts("\n  Please report this, with the output of uname -r.");
}

void doctor_say(const struct doctor_report *report)
{
    static const char *const verdicts[] = {
        "weft runs fully as designed on this machine.",
        "weft runs on this machine, with something missing: see above.",
        "weft cannot start on this machine.",
    };

    printf("weft %d.%d.%d on %s %s, %s\n", WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR,
           WEFT_VERSION_PATCH, report->names.sysname, report->names.release, report->names.machine);
    if (report->refusal[0]) {
        puts("");
        wrap(2, report->refusal);
    } else {
        say_features(report);
        say_reactors(report);
        say_zero_copy(report);
        say_stacks(report);
        say_descriptors(report);
        say_suite(report);
    }
    printf("\n%s\n", verdicts[doctor_verdict(report)]);
}
