/*
 * weft/scope.h, sentence by sentence: opening, closing, leaving early, clean-up actions, the scopes
 * of others, limits of misuse.
 */
#include <string.h>

#include "scope.h"

/* -- opening and closing ---------------------------------------------------------------------- */

static int open_main(void *arg)
{
    weft_scope a, b;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_scope_open(&a, &(struct weft_scope_opt){0}), -EINVAL);
    ck_assert_int_eq(weft_scope_open(&a, SCOPE_OPT(.deadline = -1)), -EINVAL);
    ck_assert_int_eq(weft_scope_open(&a, SCOPE_OPT(.on_error = (enum weft_on_error)2)), -EINVAL);
    ck_assert_int_eq(weft_scope_open(&a, NULL), 0);
    ck_assert_int_eq(weft_scope_open(&b, NULL), 0);
    ck_assert_int_eq(weft_scope_close(&a), -EPERM); /* not the innermost */
    ck_assert_int_eq(weft_scope_close(NULL), -EINVAL);
    ck_assert_int_eq(weft_scope_close(&b), 0);
    ck_assert_int_eq(weft_scope_close(&b), 0); /* closed already */
    ck_assert_int_eq(weft_scope_close(weft_root()), -EPERM);
    ck_assert_int_eq(weft_scope_close(&a), 0);
    ck_assert_int_eq(weft_scope_error(&a), -EINVAL);
    ck_assert_uint_eq(weft_scope_errors(&a, NULL, 0), 0);
    ck_assert_uint_eq(weft_scope_tasks(&a), 0);
    ck_assert_int_eq(weft_scope_cancel(&a), -EINVAL);
    ck_assert_int_eq(weft_scope_reschedule(&a, 1), -EINVAL);
    ck_assert_int_eq(weft_scope_drain(&a, 1, 1), -EINVAL);
    ck_assert_int_eq(weft_scope_defer(&a, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_shield_open(NULL, 1), -EINVAL);
    ck_assert_int_eq(weft_shield_open(&a, 0), -EINVAL);
    ck_assert_int_eq(weft_shield_open(&a, -1), -EINVAL);
    ck_assert_int_eq(weft_shield_open(&a, WEFT_NEVER), -EINVAL);
    return 0;
}
TEST(opening_and_closing)
{
    weft_scope scope;

    memset(&scope, 0, sizeof scope);
    ck_assert_int_eq(weft_scope_open(&scope, NULL), -EPERM);
    ck_assert_int_eq(weft_shield_open(&scope, 1), -EPERM);
    ck_assert_ptr_null(weft_root());
    ck_assert_int_eq(run(open_main), 0);
}

/* "Falling off the end joins; leaving early by return, goto or break cancels and joins." */
static int leave_by(int how)
{
    WEFT_SCOPE(s) {
        WEFT_SCOPE(inner) {
            spawn_value(&s, sleeper, 0);
            spawn_value(&inner, sleeper, 0);
            weft_yield();
            if (how == 0)
                return 5;
            if (how == 1)
                goto out;
        }
    }
    return -1;
out:
    return 6;
}
static int leave_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(leave_by(0), 5);
    ck_assert_int_eq(count, 2);
    ck_assert_int_eq(leave_by(1), 6);
    ck_assert_int_eq(count, 4);
    WEFT_SCOPE(s) {
        spawn_value(&s, sleeper, 0);
        weft_yield();
        break;
    }
    ck_assert_int_eq(count, 5);
    ck_assert_int_eq(weft_cancelled(), 0);
    return 0;
}
TEST(leaving_early)
{
    ck_assert_int_eq(run(leave_main), 0);
}

/* A task that ends with scopes open: they are cancelled and joined. */
static weft_scope forgotten;
static int forget(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_scope_open(&forgotten, NULL), 0);
    spawn_value(&forgotten, sleeper, 0);
    return 9;
}
TEST(forgotten_scope)
{
    ck_assert_int_eq(run(forget), 9);
    ck_assert_int_eq(count, 1);
}

/* -- clean-up actions ------------------------------------------------------------------------- */

static char order[64];
static weft_scope *deferring;
static void note(void *arg)
{
    ck_assert_int_eq(weft_cancelled(), 0);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_sleep(1000), 0);
    strncat(order, arg, 1);
}
static int note_task(void *arg)
{
    int result = weft_sleep(1000000);

    strncat(order, arg, 1);
    return result < 0 ? result : 0;
}
static void spawn_in_cleanup(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_spawn(deferring, note_task, "z", 2, NULL), 0);
    ck_assert_int_eq(weft_scope_defer(deferring, note, "y"), 0);
}
static int defer_main(void *arg)
{
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_defer(weft_root(), note, "r"), -EPERM);
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_defer(&s, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_scope_defer(&s, note, "a"), 0);
    ck_assert_int_eq(weft_scope_defer(&s, note, "b"), 0);
    ck_assert_int_eq(weft_scope_defer(&s, note, "c"), 0);
    ck_assert_int_eq(weft_spawn(&s, note_task, "x", 2, NULL), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    ck_assert_str_eq(order, "xcba"); /* after the last child; last in, first out */
    memset(order, 0, sizeof order);
    /* shielded, though the scope was cancelled */
    WEFT_SCOPE(t) {
        ck_assert_int_eq(weft_scope_defer(&t, note, "d"), 0);
        weft_scope_cancel(&t);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    ck_assert_str_eq(order, "d");
    memset(order, 0, sizeof order);
    /* one that spawns into the scope that closes, and adds to its list: all is joined and run */
    deferring = &s;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_defer(&s, spawn_in_cleanup, NULL), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    ck_assert(strcmp(order, "yz") == 0 || strcmp(order, "zy") == 0); /* whoever sleeps longer */
    return 0;
}
TEST(cleanup_actions)
{
    ck_assert_int_eq(run(defer_main), 0);
}

/* -- scopes of others ------------------------------------------------------------------------- */

/* A scope inside a cancelled one takes nobody, not even from outside of that. */
static weft_scope *others;
static int open_nested(void *arg)
{
    WEFT_SHIELD(weft_after_ms(60000)) {
        weft_scope s;
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        others = &s;
        while (!*(bool *)(*(void **)arg))
            ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(weft_scope_close(&s), 0);
    }
    WEFT_SCOPE(t) {
        others = &t;
        *(bool *)(*(void **)arg) = false;
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        WEFT_SHIELD(weft_after_ms(60000))
            while (!*(bool *)(*(void **)arg))
                ck_assert_int_eq(weft_yield(), 0);
    }
    return 0;
}
static int nested_main(void *arg)
{
    bool done = false, *place = &done;
    int value = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, open_nested, &place, sizeof place, NULL), 0);
        weft_yield();
        ck_assert_int_eq(weft_spawn(others, give_back, &value, sizeof value, NULL), 0);
        ck_assert_int_eq(weft_spawn_nowait(others, give_back, &value, sizeof value, NULL), 0);
        ck_assert_int_eq(weft_scope_close(others), -EPERM);
        ck_assert_int_eq(weft_scope_drain(others, 1, 1), -EPERM);
        ck_assert_int_eq(weft_scope_defer(others, note, NULL), -EPERM);
        done = true;
        while (done)
            weft_yield();
        weft_scope_cancel(&s);
        WEFT_SHIELD(weft_after_ms(60000)) { /* we see nothing of it, the scope is cancelled */
            ck_assert_int_eq(weft_spawn(others, give_back, &value, sizeof value, NULL), -ECANCELED);
            done = true;
        }
    }
    return 0;
}
TEST(scopes_of_others)
{
    ck_assert_int_eq(run(nested_main), 0);
}

TEST_MAIN("api.scope", 30, opening_and_closing, leaving_early, forgotten_scope, cleanup_actions,
          scopes_of_others)
