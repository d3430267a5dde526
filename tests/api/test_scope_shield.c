/*
 * weft/scope.h, shields: what they keep out, whom they hide, and what is seen when they end.
 */
#include <string.h>

#include "scope.h"

static int shield_main(void *arg)
{
    int64_t until;

    (void)arg;
    WEFT_SCOPE(s) {
        weft_scope_cancel(&s);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        WEFT_SHIELD(weft_after_ms(3600000)) {
            ck_assert_int_eq(weft_cancelled(), 0);
            ck_assert_int_eq(weft_sleep(1000), 0);
            WEFT_SCOPE(inner)
                spawn_value(&inner, give_back, 0); /* a scope within spawns */
        }
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        until = weft_after_ms(20);
        WEFT_SHIELD(until) {
            ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED); /* its deadline */
            ck_assert_int_ge(weft_now(), until);
        }
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    /* left early */
    WEFT_SHIELD(weft_after_ms(60000))
        break;
    ck_assert_int_eq(weft_yield(), 0);
    return 0;
}
TEST(shields)
{
    ck_assert_int_eq(run(shield_main), 0);
}

/* What a shield hid reaches those inside, children too, when it ends; whether they were there when
   it came or not. */
struct shielded {
    weft_task task;
    bool later;     /* the children are spawned when the task has been cancelled */
    bool cancelled; /* the task has been */
};

static int note_sleeper(const struct weft_task_info *info, void *context)
{
    if (info->waits_for && strcmp(info->waits_for, "sleep") == 0)
        ++*(int *)context;
    return 0;
}
static int sleepers(void)
{
    int found = 0;

    ck_assert_int_eq(weft_tasks_each(note_sleeper, &found), 0);
    return found;
}

static int shield_around_children(void *arg)
{
    struct shielded *shielded = *(struct shielded **)arg;
    weft_scope shield;

    ck_assert_int_eq(weft_shield_open(&shield, weft_after_ms(3600000)), 0);
    WEFT_SCOPE(s) {
        while (shielded->later && !shielded->cancelled)
            ck_assert_int_eq(weft_yield(), 0);
        spawn_value(&s, sleeper, 0);
        spawn_value(&s, parent_of_sleeper, 0);
        while (sleepers() < 2 || !shielded->cancelled)
            ck_assert_int_eq(weft_sleep(100000), 0);
        ck_assert_int_eq(weft_scope_reschedule(&shield, weft_after_ms(1)), 0);
    }
    (void)weft_scope_close(&shield);
    return 0;
}
static int shield_ends_main(void *arg)
{
    (void)arg;
    for (int later = 0; later < 2; later++)
        WEFT_SCOPE(s) {
            struct shielded shielded = {.later = later}, *place = &shielded;
            ck_assert_int_eq(weft_spawn(&s, shield_around_children, &place, sizeof place,
                                        OPT(.task = &shielded.task)),
                             0);
            for (int i = 0; i < 5; i++) /* the children wait, if they are to be there */
                ck_assert_int_eq(weft_yield(), 0);
            ck_assert_int_eq(weft_cancel(shielded.task), 1);
            shielded.cancelled = true;
            ck_assert_int_eq(weft_join(shielded.task, NULL), 0);
        }
    ck_assert_int_eq(count, 4);
    return 0;
}
TEST(shield_ends_over_children)
{
    ck_assert_int_eq(run(shield_ends_main), 0);
}

/* The shield hides its inside only: the children of scopes outside of it are cancelled. */
static int shield_within(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        spawn_value(&s, sleeper, 0);
        WEFT_SHIELD(weft_after_ms(60000)) {
            WEFT_SCOPE(inner) {
                spawn_value(&inner, give_back, 0);
                while (weft_scope_tasks(&s) > 0)
                    ck_assert_int_eq(weft_yield(), 0);
                spawn_value(&inner, fail_later, 0);
            }
        }
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    return 0;
}
static int shield_within_main(void *arg)
{
    weft_task task;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, shield_within, NULL, 0, OPT(.task = &task)), 0);
        weft_yield();
        ck_assert_int_eq(weft_cancel(task), 1);
    }
    ck_assert_int_eq(count, 1);
    return 0;
}
TEST(shield_hides_its_inside_only)
{
    ck_assert_int_eq(run(shield_within_main), 0);
}

/* Children that are inside when their parent is cancelled: nothing reaches them there. */
static int undisturbed(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep(2000000), 0);
    count++;
    return 0;
}
static int shield_over_children(void *arg)
{
    (void)arg;
    WEFT_SHIELD(weft_after_ms(60000))
        WEFT_SCOPE(inner) {
            spawn_value(&inner, undisturbed, 0);
            WEFT_SCOPE(further_in)
                spawn_value(&further_in, undisturbed, 0);
        }
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    return 0;
}
static int shield_over_children_main(void *arg)
{
    weft_task task;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, shield_over_children, NULL, 0, OPT(.task = &task)), 0);
        for (int i = 0; i < 3; i++) /* the children wait by now */
            ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(weft_cancel(task), 1);
    }
    ck_assert_int_eq(count, 2);
    return 0;
}
TEST(shield_hides_children_from_requests)
{
    ck_assert_int_eq(run(shield_over_children_main), 0);
}

TEST_MAIN("api.scope_shield", 30, shields, shield_ends_over_children, shield_hides_its_inside_only,
          shield_hides_children_from_requests)
