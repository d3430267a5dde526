/*
 * Does the suite notice? Checks that are wrong in every way there is must come out as what they
 * are, and one that is right must not; and the table must say what it is to say.
 */
#include "contract.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOP = 1, LIMIT_S = 1 };

static const struct contract_kernel old = {.version = CONTRACT_KERNEL(6, 1)};
static const struct contract_kernel young = {.version = CONTRACT_KERNEL(6, 18),
                                             .features = WEFT__FEATURE_MSG_RING};
static const struct contract_kernel invented = {.version = CONTRACT_KERNEL(6, 18),
                                                .features = WEFT__FEATURE_MSG_RING,
                                                .simulated = true};
static int wrong;

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    printf("not so: %s\n", what);
    wrong++;
}

static void answers(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    CONTRACT_ASK(c, ring, NOP, nop);
    contract_say_result(c, "nop", contract_wait(c, ring, NOP).result);
}

static void says_nothing(struct contract *c)
{
    (void)c;
}

static void is_in_trouble(struct contract *c)
{
    contract_say(c, "nop 0");
    contract_trouble(c, "something");
}

static void waits_for_what_never_comes(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_say(c, "nop 0");
    contract_wait(c, ring, NOP);
}

static void hangs(struct contract *c)
{
    contract_say(c, "nop 0");
    for (;;)
        pause();
}

static void crashes(struct contract *c)
{
    contract_say(c, "nop 0");
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void leaves(struct contract *c)
{
    contract_say(c, "nop 0");
    _exit(0);
}

static enum contract_outcome of(void (*run)(struct contract *c), const char *recorded,
                                uint32_t uses)
{
    const struct contract_check check = {.name = "self/check",
                                         .run = run,
                                         .uses = uses,
                                         .answers = {ANSWER(recorded)}};
    struct contract_result result;

    contract_run_forked(&check, &young, run == waits_for_what_never_comes ? 20 : LIMIT_S, &result);
    return result.outcome;
}

static void outcomes(void)
{
    expect(of(answers, "nop 0", 0) == CONTRACT_HELD, "the right answer holds");
    expect(of(answers, "nop 1", 0) == CONTRACT_BROKEN, "another answer is broken");
    expect(of(answers, "nop", 0) == CONTRACT_BROKEN, "the beginning of the answer is not it");
    expect(of(answers, NULL, 0) == CONTRACT_BROKEN, "an answer that is not recorded is broken");
    expect(of(answers, "nop 0", WEFT__FEATURE_MSG_RING) == CONTRACT_HELD, "what is used is asked");
    expect(of(answers, "nop 1", WEFT__FEATURE_BUFFER_RING) == CONTRACT_UNUSED,
           "what is not used is not asked");
    expect(of(says_nothing, "nop 0", 0) == CONTRACT_BROKEN, "no answer is broken");
    expect(of(is_in_trouble, "nop 0", 0) == CONTRACT_BROKEN, "trouble is broken");
    expect(of(waits_for_what_never_comes, "nop 0", 0) == CONTRACT_BROKEN, "patience ends");
    expect(of(hangs, "nop 0", 0) == CONTRACT_HUNG, "a check that hangs is seen");
    expect(of(crashes, "nop 0", 0) == CONTRACT_DIED, "a check that crashes is seen");
    expect(of(leaves, "nop 0", 0) == CONTRACT_DIED, "a check that leaves is seen");
}

static void whose_answer_it_is(void)
{
    const struct contract_check check = {
        .answers = {ANSWER("old", .before = CONTRACT_KERNEL(6, 3), .whose = CONTRACT_REAL),
                    ANSWER("young", .since = CONTRACT_KERNEL(6, 3), .whose = CONTRACT_REAL,
                           .with = WEFT__FEATURE_MSG_RING),
                    ANSWER("masked", .since = CONTRACT_KERNEL(6, 3),
                           .without = WEFT__FEATURE_MSG_RING),
                    ANSWER("invented", .whose = CONTRACT_SIMULATED)}};
    const struct contract_kernel *kernels[] = {&old, &young, &invented,
                                               &(struct contract_kernel){
                                                   .version = CONTRACT_KERNEL(6, 18)}};
    const char *const words[] = {"old", "young", "invented", "masked"};
    char text[CONTRACT_TEXT];

    for (int kernel = 0; kernel < 4; kernel++) {
        for (int word = 0; word < 4; word++)
            expect(contract_expected(&check, kernels[kernel], words[word]) == (kernel == word),
                   "each kernel has its own answer");
        contract_expectation(&check, kernels[kernel], text, sizeof text);
        expect(strcmp(text, words[kernel]) == 0, "and it is told");
    }
}

/* Every check says what it relies on, where, and what it expects of this kernel and the oldest. */
static void the_table(void)
{
    const struct contract_check *check, *other;
    char text[2 * CONTRACT_TEXT];

    expect(contract_count() >= 200, "there are two hundred checks");
    for (size_t i = 0; (check = contract_at(i)); i++) {
        expect(check->relied_on[0] && check->where[0] && strchr(check->name, '/'), check->name);
        expect(check->relied_on[strlen(check->relied_on) - 1] == '.', check->name);
        contract_expectation(check, &young, text, sizeof text);
        expect(text[0] || check->uses, check->name);
        contract_expectation(check, &old, text, sizeof text);
        expect(text[0] || check->uses, check->name);
        for (size_t j = 0; j < i && (other = contract_at(j)); j++)
            expect(strcmp(check->name, other->name) != 0, check->name);
    }
}

int main(void)
{
    outcomes();
    whose_answer_it_is();
    the_table();
    printf("%d wrong\n", wrong);
    return wrong > 0;
}
