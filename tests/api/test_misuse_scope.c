/*
 * Scopes that are opened while they are open: refused, and what they hold goes on as it was. Would
 * catch a chain of scopes that leads back into itself, which no close, and no look around, comes to
 * the end of; and children that are lost with the record that was written over.
 */
#include "api/wrong.h"

static int until_cancelled(void *arg)
{
    ++*(int *)arg;
    return weft_sleep_until(WEFT_NEVER);
}

static void refused(weft_scope *scope)
{
    WRONG(weft_scope_open(scope, NULL), -EINVAL, "weft_scope_open", "open already");
    WRONG(weft_shield_open(scope, weft_after_ms(1)), -EINVAL, "weft_shield_open", "open already");
    WRONG(weft_timeout(scope, 1), -EINVAL, "weft_timeout", "open already");
    ck_assert_int_eq(weft_cancelled(), 0); /* so the shield and the timeout are not in force */
}

static int open_twice(void *arg)
{
    weft_scope outer, middle, inner;
    int begun = 0;
    int *counter = &begun;

    (void)arg;
    ok(weft_scope_open(&outer, NULL));
    ok(weft_spawn(&outer, until_cancelled, counter, 0, NULL));
    refused(&outer);
    ok(weft_scope_open(&middle, NULL));
    ok(weft_scope_open(&inner, NULL));
    refused(&inner);
    refused(&middle);
    refused(&outer);
    ok(weft_yield()); /* the child is there, */
    ck_assert_int_eq(begun, 1);
    ck_assert_uint_eq(weft_scope_tasks(&outer), 1);
    ck_assert_int_eq(weft_scope_close(&inner), 0);
    ok(weft_scope_open(&inner, NULL)); /* one that is closed may be opened anew, */
    ck_assert_int_eq(weft_scope_close(&inner), 0);
    ck_assert_int_eq(weft_scope_close(&middle), 0);
    ok(weft_scope_cancel(&outer));
    ck_assert_int_eq(weft_scope_close(&outer), 0);
    ck_assert_int_eq(weft_yield(), 0); /* and the task is in none */
    return 0;
}

TEST(opened_twice)
{
    ck_assert_int_eq(weft_run(open_twice, NULL, 0, NULL), 0);
}

TEST_MAIN("api.misuse_scope", 30, opened_twice)
