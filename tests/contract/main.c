/*
 * The contract suite as a program: every check in a process of its own, one line for each that did
 * not hold.
 *
 *     contract [--list] [--verbose] [--here] [NAME...]
 *
 * NAME is a check or the beginning of its name. --here runs them in this process. Exit status: 0
 * all answers were as recorded, 1 one was not, 2 there is no ring to ask.
 */
#include "contract.h"

#include <stdio.h>
#include <string.h>

enum { LIMIT_S = 20 };

static const char *const outcomes[] = {"held", "not used", "BROKEN", "HUNG", "DIED"};

struct totals {
    unsigned by_outcome[5];
};

static bool wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return count == 0;
}

static void list(const struct contract_check *check)
{
    printf("%s\n    %s\n    %s\n", check->name, check->relied_on, check->where);
    for (int i = 0; i < CONTRACT_ANSWERS && check->answers[i].text; i++)
        printf("    answer: %s\n", check->answers[i].text);
}

static void report(const struct contract_check *check, const struct contract_kernel *kernel,
                   const struct contract_result *result, bool verbose)
{
    char expected[2 * CONTRACT_TEXT];

    if (result->outcome == CONTRACT_HELD || result->outcome == CONTRACT_UNUSED) {
        if (verbose)
            printf("%-8s  %s: %s\n", outcomes[result->outcome], check->name, result->answer);
        return;
    }
    contract_expectation(check, kernel, expected, sizeof expected);
    printf("%-8s  %s\n", outcomes[result->outcome], check->name);
    printf("          relied on: %s\n          by %s\n", check->relied_on, check->where);
    printf("          recorded: %s\n          answered: %s\n", expected, result->answer);
    if (result->trouble[0])
        printf("          in the way: %s\n", result->trouble);
}

static int run_all(const struct contract_kernel *kernel, bool here, bool verbose, int count,
                   char **names)
{
    struct totals totals = {{0}};
    const struct contract_check *check;
    struct contract_result result;

    for (size_t i = 0; (check = contract_at(i)); i++) {
        if (!wanted(check->name, count, names))
            continue;
        if (here)
            contract_run(check, kernel, &result);
        else
            contract_run_forked(check, kernel, LIMIT_S, &result);
        totals.by_outcome[result.outcome]++;
        report(check, kernel, &result, verbose);
    }
    printf("%u held, %u not used, %u broken, %u hung, %u died\n", totals.by_outcome[CONTRACT_HELD],
           totals.by_outcome[CONTRACT_UNUSED], totals.by_outcome[CONTRACT_BROKEN],
           totals.by_outcome[CONTRACT_HUNG], totals.by_outcome[CONTRACT_DIED]);
    return totals.by_outcome[CONTRACT_BROKEN] + totals.by_outcome[CONTRACT_HUNG] +
                   totals.by_outcome[CONTRACT_DIED] >
               0 ||
           totals.by_outcome[CONTRACT_HELD] == 0;
}

int main(int argc, char **argv)
{
    struct contract_kernel kernel;
    char text[400] = "";
    bool verbose = false, here = false;
    int first = 1;

    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--list") == 0) {
            for (size_t i = 0; contract_at(i); i++)
                list(contract_at(i));
            return 0;
        }
        verbose |= strcmp(argv[first], "--verbose") == 0;
        here |= strcmp(argv[first], "--here") == 0;
    }
    if (contract_kernel_here(&kernel, text, sizeof text) < 0) {
        fprintf(stderr, "contract: %s\n", text);
        return 2;
    }
    if (here)
        contract_limit_descriptors();
    return run_all(&kernel, here, verbose, argc - first, argv + first);
}
