/*
 * Every optional feature switched off, one at a time and all at once, and the basics again: the
 * older paths work, and the name of a feature really switches it off.
 */
#include "support/test.h"

#include "ring/host.h"
#include "ring/request.h"
#include "ring/ring.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BELL = 0xbe11 };

static struct weft__ring ring;

static void open_masked(const char *mask)
{
    struct weft__ring_opt opt = {.sq_entries = 8, .cq_entries = 16};
    setenv("WEFT_RING_MASK", mask, 1);
    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0);
}

static struct weft__cqe next(void)
{
    uint32_t head;
    while (weft__ring_ready(&ring, &head) == 0)
        ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
    struct weft__cqe cqe = ring.cqes[head & ring.cq_mask];
    weft__ring_seen(&ring, head + 1);
    return cqe;
}

static void nops(void)
{
    for (uint64_t round = 0; round < 10; round++) {
        for (uint64_t i = 0; i < 7; i++) {
            struct weft__sqe *sqe = weft__ring_take(&ring);
            weft__request_nop(sqe);
            sqe->user_data = round * 7 + i;
        }
        for (uint64_t i = 0; i < 7; i++)
            ck_assert_uint_eq(next().user_data, round * 7 + i);
    }
}

/* Beyond what the completion queue holds. */
static void overflow(void)
{
    uint32_t count = 0;
    for (uint64_t i = 0; i < 56; i++) {
        struct weft__sqe *sqe = weft__ring_take(&ring);
        ck_assert_ptr_nonnull(sqe);
        weft__request_nop(sqe);
    }
    for (int turn = 0; turn < 100 && count < 56; turn++) {
        uint32_t head, ready = weft__ring_ready(&ring, &head);
        weft__ring_seen(&ring, head + ready);
        count += ready;
        weft__ring_enter(&ring, 0, INT64_MAX);
    }
    ck_assert_uint_eq(count, 56);
    ck_assert_uint_gt(ring.counts.overflows, 0);
}

static void deadlines(void)
{
    for (int i = 0; i < 20; i++) {
        int64_t deadline = weft__host_now() + i * 100003;
        ck_assert_int_eq(weft__ring_enter(&ring, 1, deadline), 0);
        ck_assert_int_ge(weft__host_now(), deadline);
    }
    ck_assert_int_eq(weft__ring_enter(&ring, 1, 0), 0);
    ck_assert_int_eq(weft__ring_enter(&ring, 1, -5), 0);
}

static void socket_and_cancel(void)
{
    int pair[2];
    char byte = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct weft__sqe *sqe = weft__ring_take(&ring);
    weft__request_recv(sqe, pair[0], &byte, 1, 0, 0);
    sqe->user_data = 1;
    sqe = weft__ring_take(&ring);
    weft__request_send(sqe, pair[1], "x", 1, 0);
    sqe->user_data = 2;
    int results = next().result + next().result;
    ck_assert_int_eq(results, 2);
    ck_assert_int_eq(byte, 'x');

    sqe = weft__ring_take(&ring);
    weft__request_recv(sqe, pair[0], &byte, 1, 0, 0);
    sqe->user_data = 3;
    sqe = weft__ring_take(&ring);
    weft__request_cancel(sqe, 3);
    sqe->user_data = 4;
    struct weft__cqe cqe = next();
    ck_assert_uint_eq(cqe.user_data, 3);
    ck_assert_int_lt(cqe.result, 0);
    close(pair[0]);
    close(pair[1]);
}

static void bells(void)
{
    struct weft__bell bell;
    ck_assert_int_eq(weft__bell_open(&bell, &ring, BELL), 0);
    for (int i = 0; i < 5; i++) {
        weft__bell_ring(&bell);
        ck_assert_uint_eq(next().user_data, BELL);
    }
    struct weft__sqe *sqe = weft__ring_take(&ring);
    if (weft__bell_prepare(&bell, &ring, sqe)) {
        sqe->user_data = 9;
    } else {
        weft__request_nop(sqe);
        sqe->user_data = BELL;
    }
    ck_assert_uint_eq(next().user_data, BELL);
    weft__bell_close(&bell);
}

static void basics(void)
{
    nops();
    overflow();
    deadlines();
    socket_and_cancel();
    bells();
}

static bool has_word(const char *list, const char *word)
{
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += strlen(word)) {
        char after = at[strlen(word)];
        if ((at == list || at[-1] == ',') && (after == ',' || after == '\0'))
            return true;
    }
    return false;
}

static int features(char *text, size_t size)
{
    return weft__ring_features(&ring, text, size);
}

TEST(each_feature_can_be_missing)
{
    char all[256], left[256], *rest = NULL;
    open_masked("");
    ck_assert_int_lt(features(all, sizeof all), (int)sizeof all);
    basics();
    weft__ring_close(&ring);
    /* The floor has buffer rings: an empty list would test nothing. And 6.6 came after 6.3: a probe
       that finds the one and not the other is wrong. */
    ck_assert(has_word(all, "buffer_ring"));
    ck_assert(!has_word(all, "no_sqarray") || has_word(all, "msg_ring"));

    char names[256];
    strcpy(names, all);
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        open_masked(name);
        features(left, sizeof left);
        ck_assert_msg(!has_word(left, name), "%s is still in %s", name, left);
        basics();
        weft__ring_close(&ring);
    }
}

TEST(all_features_can_be_missing)
{
    char all[256], left[256];
    open_masked("");
    features(all, sizeof all);
    weft__ring_close(&ring);
    open_masked(all);
    features(left, sizeof left);
    ck_assert_str_eq(left, "");
    ck_assert_uint_eq(ring.features, 0);
    basics();
    weft__ring_close(&ring);
}

TEST(strange_masks_are_harmless)
{
    char all[256], left[256];
    open_masked("");
    features(all, sizeof all);
    weft__ring_close(&ring);
    const char *const masks[] = {",,,", "no_such_thing", "buffer_rin", "buffer_ring2", " , x", "="};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        open_masked(masks[i]);
        features(left, sizeof left);
        ck_assert_str_eq(left, all);
        weft__ring_close(&ring);
    }
    open_masked(", buffer_ring ,,msg_ring,");
    ck_assert_uint_eq(ring.features & (WEFT__FEATURE_BUFFER_RING | WEFT__FEATURE_MSG_RING), 0);
    weft__ring_close(&ring);
}

TEST(the_list_may_be_cut_short)
{
    char text[4] = "zzz";
    open_masked("");
    int length = features(text, sizeof text);
    ck_assert_int_gt(length, 3);
    ck_assert_uint_eq(strlen(text), 3);
    ck_assert_int_eq(features(NULL, 0), length);
    weft__ring_close(&ring);
}

TEST_MAIN("mask", 30, each_feature_can_be_missing, all_features_can_be_missing,
          strange_masks_are_harmless, the_list_may_be_cut_short)
