/*
 * What the reactors of a runtime hold of one another: each inbox is there, if closed, for as long
 * as any of the others may still knock. Catches a reference dropped with the reactor it leads to.
 */
#include "reactor/reactor.h"
#include "support/net.h"

enum { CALLBACKS = 500 };

static uint32_t references(weft_inbox *inbox)
{
    return atomic_load(&inbox->references);
}

static int ran, dropped;

static void run(void *arg)
{
    (void)arg;
    ran++;
    usleep(1000); /* meanwhile the others end */
}

/* On the leader as it closes, when all the others have closed and their threads have ended. */
static void knock_late(void *arg)
{
    weft_inbox *other = weft_inbox_get(1), *own = weft_inbox_here();

    (void)arg;
    dropped++;
    ck_assert_ptr_nonnull(other);
    ck_assert_uint_eq(references(other), 2); /* its peers', and this one */
    ck_assert(weft__inbox_closed(other));
    ck_assert_int_eq(weft_post(other, run, NULL, NULL), -ESHUTDOWN);
    ck_assert_int_eq(weft_stop_post(other), -ESHUTDOWN);
    weft_inbox_put(other);
    ck_assert_int_eq(weft_post(own, run, NULL, NULL), -ESHUTDOWN);
    weft_inbox_put(own);
}

/* More callbacks than the last turns have room for: the rest is dropped as the leader closes. */
static int main_knocks(void *arg)
{
    weft_inbox *here = weft_inbox_here();

    (void)arg;
    for (uint32_t i = 0; i < weft_reactors(); i++) {
        weft_inbox *inbox = weft_inbox_get(i);
        /* the reactor's own, its peers', this one; and of the leader's the one above */
        ck_assert_uint_eq(references(inbox), i == 0 ? 4 : 3);
        weft_inbox_put(inbox);
    }
    ck_assert_ptr_null(weft_inbox_get(weft_reactors()));
    for (int i = 0; i < CALLBACKS; i++)
        ok(weft_post(here, run, NULL, knock_late));
    weft_inbox_put(here);
    return 0;
}

TEST(a_late_knock)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 3, .budget = 1};

    while (dropped == 0) { /* as a rule most are */
        ran = 0;
        ck_assert_int_eq(weft_run(main_knocks, NULL, 0, &opt), 0);
        ck_assert_int_eq(ran + dropped, CALLBACKS);
    }
}

/* One kept longer than the runtime is usable, and freed with the last reference (the fixture
   counts). */
static int main_keeps(void *arg)
{
    *(weft_inbox **)arg = weft_inbox_get(1);
    return 0;
}

TEST(a_reference_outlives_the_run)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};
    weft_inbox *kept = NULL, **place = &kept;

    ck_assert_int_eq(weft_run(main_keeps, place, 0, &opt), 0);
    ck_assert_uint_eq(references(kept), 1);
    ck_assert_int_eq(weft_post(kept, run, NULL, NULL), -ESHUTDOWN);
    weft_inbox_put(kept);
}

TEST_MAIN("runtime.peers", 30, a_late_knock, a_reference_outlives_the_run)
