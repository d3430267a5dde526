/*
 * The contract suite on the simulated kernel: every check in a world of its own, the same objects
 * as on the real ring.
 *
 *     contract-sim [--verbose] [--plan=PLAN] [--seed=N] [NAME...]
 *
 * NAME is a check or the beginning of its name. Exit status: 0 all answers were as recorded for a
 * simulated kernel that is like Linux 6.18, 1 one was not.
 */
#include "contract.h"

#include <weft/sim.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const outcomes[] = {"held", "not used", "BROKEN", "HUNG", "DIED"};

struct visit {
    const struct contract_check *check; /* NULL: asks for the kernel's features */
    struct contract_kernel *kernel;
    struct contract_result result;
    char text[400];
};

static int visit(void *arg)
{
    struct visit *visit = arg;

    if (!visit->check)
        return contract_kernel_ask(visit->kernel, visit->text, sizeof visit->text);
    contract_run(visit->check, visit->kernel, &visit->result);
    return 0;
}

static bool wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return count == 0;
}

/* In a world; a world that cannot go on is a check that hung. */
static void run(const struct weft_sim_opt *opt, struct visit *visit_to)
{
    int error = weft_sim_run(opt, visit, visit_to, NULL);

    if (error == 0)
        return;
    visit_to->result.outcome = CONTRACT_HUNG;
    snprintf(visit_to->result.trouble, sizeof visit_to->result.trouble, "the world ended with %d",
             error);
}

static void report(const struct visit *visit_to, bool verbose)
{
    const struct contract_result *result = &visit_to->result;
    char expected[2 * CONTRACT_TEXT];

    if (verbose || result->outcome > CONTRACT_UNUSED)
        printf("%-8s  %s: %s\n", outcomes[result->outcome], visit_to->check->name, result->answer);
    if (result->outcome <= CONTRACT_UNUSED)
        return;
    contract_expectation(visit_to->check, visit_to->kernel, expected, sizeof expected);
    printf("          recorded: %s\n", expected);
    if (result->trouble[0])
        printf("          in the way: %s\n", result->trouble);
}

int main(int argc, char **argv)
{
    struct contract_kernel kernel = {.version = CONTRACT_KERNEL(6, 18), .simulated = true};
    struct weft_sim_opt opt = {.size = sizeof opt,
                               .seed = 1,
                               .plan = "calm",
                               .fds_max = CONTRACT_FD_LIMIT,
                               .steps_max = 1000000,
                               .quiet = true};
    struct visit to = {.kernel = &kernel};
    unsigned count[5] = {0};
    bool verbose = false;
    int first = 1;

    for (; first < argc && argv[first][0] == '-'; first++) {
        verbose |= strcmp(argv[first], "--verbose") == 0;
        if (strncmp(argv[first], "--plan=", 7) == 0)
            opt.plan = argv[first] + 7;
        if (strncmp(argv[first], "--seed=", 7) == 0)
            opt.seed = strtoull(argv[first] + 7, NULL, 10);
    }
    kernel.masked = contract_masked();
    run(&opt, &to);
    if (to.result.trouble[0]) {
        fprintf(stderr, "contract-sim: %s %s\n", to.result.trouble, to.text);
        return 2;
    }
    for (size_t i = 0; (to.check = contract_at(i)); i++) {
        if (!wanted(to.check->name, argc - first, argv + first))
            continue;
        to.result = (struct contract_result){.outcome = CONTRACT_DIED};
        run(&opt, &to);
        count[to.result.outcome]++;
        report(&to, verbose);
    }
    printf("%u held, %u not used, %u broken, %u hung, %u died\n", count[0], count[1], count[2],
           count[3], count[4]);
    return count[0] == 0 || count[2] + count[3] + count[4] > 0;
}
