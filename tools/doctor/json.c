/*
 * json.c - the report as one JSON object, on standard output.
 */
#include "doctor.h"

#include <inttypes.h>
#include <stdio.h>

#include <weft/version.h>

static void string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned char)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void member(const char *name, const char *text)
{
    printf(", \"%s\": ", name);
    string(text);
}

static void limit(const char *name, uint64_t value)
{
    if (value == UINT64_MAX)
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %" PRIu64, name, value);
}

static void zero_copy(uint32_t least)
{
    limit("zero_copy_min", least == UINT32_MAX ? UINT64_MAX : least);
}

static void features(const struct doctor_report *report)
{
    printf(", \"features\": [");
    for (unsigned i = 0; i < report->feature_count; i++) {
        const struct doctor_feature *feature = &report->features[i];
        printf("%s{\"name\": \"%s\", \"in_use\": %s, \"masked\": %s", i ? ", " : "",
               feature->known->name, feature->used ? "true" : "false",
               report->kernel.masked & feature->known->bit ? "true" : "false");
        printf(", \"since\": \"%u.%u\"", feature->known->since >> 16,
               feature->known->since & 0xffff);
        if (!feature->used) {
            member("why", feature->why);
            member("cost", feature->cost);
        }
        putchar('}');
    }
    putchar(']');
}

static void suite(const struct doctor_report *report)
{
    char expected[2 * CONTRACT_TEXT];

    printf(", \"contract\": {\"held\": %u, \"not_used\": %u, \"broken_count\": %u, \"broken\": [",
           report->held, report->unused, report->broken_count);
    for (unsigned i = 0; i < report->broken_count && i < DOCTOR_BROKEN; i++) {
        const struct doctor_broken *broken = &report->broken[i];
        contract_expectation(broken->check, &report->kernel, expected, sizeof expected);
        printf("%s{\"name\": ", i ? ", " : "");
        string(broken->check->name);
        member("relied_on", broken->check->relied_on);
        member("where", broken->check->where);
        member("recorded", expected);
        member("answered", broken->result.answer);
        member("trouble", broken->result.trouble);
        putchar('}');
    }
    printf("]}");
}

void doctor_json(const struct doctor_report *report)
{
    static const char *const verdicts[] = {"full", "reduced", "cannot start"};

    printf("{\"weft\": \"%d.%d.%d\"", WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR, WEFT_VERSION_PATCH);
    member("kernel", report->names.release);
    member("machine", report->names.machine);
    member("verdict", verdicts[doctor_verdict(report)]);
    if (report->refusal[0]) {
        member("cause", report->refusal);
    } else {
        features(report);
        printf(", \"cpus\": %u, \"reactors\": %u", report->cpus, report->reactors);
        if (report->reactors < report->cpus)
            member("reactors_why", report->crowded);
        zero_copy(report->zero_copy_min);
        printf(", \"guard_marks\": %s", report->guard_marks ? "true" : "false");
        limit("max_map_count", report->mappings_max);
        limit("descriptors", report->descriptors_soft);
        limit("descriptors_hard", report->descriptors_hard);
        limit("memlock", report->memlock);
        if (report->asked)
            suite(report);
    }
    puts("}");
}
