/*
 * Races of scopes: shields against cancellations, and waiting for room. The numbers are those of
 * the list; race.h says how they are run.
 */
#include "race.h"

/* -- shields ---------------------------------------------------------------------------------- */

struct shielded {
    int result, inside, after;
};
enum { SHIELDED_NS = 5000000 }; /* longer than any pause of race_yields */
static int fails_in_shield(void *arg)
{
    struct shielded *shielded = arg;

    WEFT_SHIELD(weft_after_ms(3600000)) {
        shielded->inside = weft_sleep(SHIELDED_NS);
        shielded->inside |= weft_yield();
    }
    shielded->after = weft_yield();
    return shielded->result;
}

/* 28: what is shielded ends with an error after its scope was cancelled: the error is told, once.
   Would catch an error that the cancellation hides, and one counted twice. */
static int body_28(void *arg)
{
    struct shielded shielded = {.result = -EPROTO};
    weft_scope s;
    int errors[4];

    (void)arg;
    race_is(weft_scope_open(&s, RACE_SCOPE(.on_error = WEFT_KEEP_GOING)), 0);
    race_is(weft_spawn(&s, fails_in_shield, &shielded, 0, NULL), 0);
    race_is(weft_yield(), 0);
    race_yields(2);
    race_is(weft_scope_cancel(&s), 1);
    while (weft_scope_tasks(&s) > 0)
        WEFT_SHIELD(weft_after_ms(3600000))
            race_is(weft_sleep(10000), 0);
    ck_assert_uint_eq(weft_scope_errors(&s, errors, 4), 1);
    race_is(errors[0], -EPROTO);
    race_is(weft_scope_close(&s), 0);
    race_is(shielded.inside, 0);
    race_is(shielded.after, -ECANCELED);
    return 0;
}
TEST(race_28)
{
    race_each(.body = body_28, .part = 2);
}

/* 29: cancelled directly while shielded: nothing inside, and all of it after. Would catch a shield
   that lets a request through, and one that loses it. */
static int body_29(void *arg)
{
    struct shielded shielded = {.result = 3};
    weft_task task;
    int result;

    (void)arg;
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, fails_in_shield, &shielded, 0, RACE_OPT(.task = &task)), 0);
        race_is(weft_yield(), 0);
        race_yields(3);
        race_is(weft_cancel(task), 1);
        race_is(weft_join(task, &result), 0);
    }
    race_is(result, 3);
    race_is(shielded.inside, 0);
    race_is(shielded.after, -ECANCELED);
    return 0;
}
TEST(race_29)
{
    race_each(.body = body_29, .part = 2);
}

/* Waiting for room in a full scope, as room is made and the waiter is cancelled: it spawned, or it
   did not. Would catch room that is given to one who has gone, and then nobody's. */
static struct {
    weft_scope *scope;
    int spawned;
} room;
static int spawns(void *arg)
{
    int zero = 0, error;

    (void)arg;
    error = weft_spawn(room.scope, race_yields_then, &zero, sizeof zero, NULL);
    ck_assert(error == 0 || error == -ECANCELED);
    room.spawned += error == 0;
    return 0;
}
static int body_room(void *arg)
{
    weft_task waiters[3];
    int zero = 0, before = 0;

    (void)arg;
    WEFT_SCOPE(outer) {
        WEFT_SCOPE(full, .max_tasks = 1) {
            room.scope = &full;
            room.spawned = 0;
            race_is(weft_spawn(&full, race_yields_then, &zero, sizeof zero, NULL), 0);
            for (int i = 0; i < 3; i++)
                race_is(weft_spawn(&outer, spawns, NULL, 0, RACE_OPT(.task = &waiters[i])), 0);
            race_yields(3);
            race_ok(weft_cancel(waiters[race_pick(3)]));
            for (int i = 0; i < 3; i++)
                race_is(weft_join(waiters[i], NULL), 0);
            before = room.spawned;
            race_is(weft_spawn(&full, race_yields_then, &zero, sizeof zero, NULL), 0);
        }
    }
    ck_assert(before == 2 || before == 3);
    race_saw(before == 3);
    return 0;
}
TEST(race_room)
{
    race_each(.body = body_room, .outcomes = 2);
}

/* 50, for shields: a scope that is cancelled waits for a child that cannot be, and reports it. */
static int body_50(void *arg)
{
    struct shielded shielded = {.result = -EIO};
    weft_scope s;
    int64_t begins = weft_now();

    (void)arg;
    race_is(weft_scope_open(&s, NULL), 0);
    race_is(weft_spawn(&s, fails_in_shield, &shielded, 0, NULL), 0);
    race_is(weft_yield(), 0);
    race_is(weft_scope_cancel(&s), 1);
    race_is(weft_scope_close(&s), -EIO);
    ck_assert(weft_now() - begins >= SHIELDED_NS);
    race_is(shielded.inside, 0);
    return 0;
}
TEST(race_50)
{
    race_each(.body = body_50, .part = 4);
}

TEST_MAIN("race_scope", 3600, race_28, race_29, race_room, race_50)
