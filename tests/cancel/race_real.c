/*
 * Races on the real ring: repeated, with other choices each time. Many bodies to a runtime, because
 * a ring is not cheap. Never longer than two seconds a race, however busy the machine.
 */
#include <stdlib.h>

#include "race.h"

enum { TOGETHER = 50, LEAST = 20, LIMIT_MS = 2000 };

static struct work {
    const struct race *race;
    uint64_t next, count;
    int64_t until;
} work;

bool race_simulated(void)
{
    return false;
}

static bool goes_on(void)
{
    return work.next < work.count && (work.next < LEAST || test_long() || weft_now() < work.until);
}

static void begin(void)
{
    const char *seed = getenv("WEFT_SIM_SEED");

    race_picks_given();
    race_begins(seed ? strtoull(seed, NULL, 0) : work.next, "");
    work.next++;
}

static int bodies(void *arg)
{
    (void)arg;
    for (int i = 0; i < TOGETHER && goes_on(); i++) {
        weft_task_fn body = work.race->body;

        begin();
        race_is(race_main((void *)&body), 0);
    }
    return 0;
}

void race_runs(const struct race *race)
{
    struct weft_run_opt opt;

    work = (struct work){.race = race, .count = race_count(race), .until = weft_after_ms(LIMIT_MS)};
    race_options(race, &opt);
    while (goes_on()) {
        int descriptors = test_descriptors();
        size_t allocations = test_live_allocations(), mapped = test_mapped_bytes();

        if (race->run) {
            begin();
            race_is(race->run(), 0);
        } else {
            race_is(weft_run(bodies, NULL, 0, &opt), 0);
        }
        race_is(test_descriptors(), descriptors);
        ck_assert_uint_eq(test_live_allocations(), allocations);
        ck_assert_uint_eq(test_mapped_bytes(), mapped);
    }
}
