/*
 * The parts of weft-load that can be wrong without anybody seeing it: quantiles against a sorted
 * list, and the pattern against the ways in which a server can mix up bytes.
 */
#include "histogram.h"
#include "pattern.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 20000 };

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t random_value(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x >> (20 + *x % 40); /* over many doublings */
}

/* Catches a slot that overlaps another, a gap, and a rank that is off by one. */
TEST(quantiles_of_a_sorted_list)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);
    static uint64_t values[SAMPLES];
    uint64_t x = 12345;

    for (int i = 0; i < SAMPLES; i++) {
        values[i] = random_value(&x);
        histogram_add(histogram, values[i]);
    }
    qsort(values, SAMPLES, sizeof values[0], compare);
    for (int i = 1; i <= SAMPLES; i += 7) {
        uint64_t right = values[i - 1];
        uint64_t got = histogram_quantile(histogram, ((double)i - 0.5) / SAMPLES);
        ck_assert_uint_ge(got, right);
        ck_assert_uint_le(got - right, right / 64);
    }
    ck_assert_uint_eq(histogram_quantile(histogram, 1), values[SAMPLES - 1]);
    free(histogram);
}

TEST(small_values_are_exact)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);

    ck_assert_uint_eq(histogram_quantile(histogram, 0.5), 0);
    for (uint64_t value = 0; value < 128; value++) {
        memset(histogram, 0, sizeof *histogram);
        histogram_add(histogram, value);
        histogram_add(histogram, 1000);
        ck_assert_uint_eq(histogram_quantile(histogram, 0.5), value);
    }
    free(histogram);
}

TEST(merged_as_if_added)
{
    struct histogram *all = calloc(1, sizeof *all), *parts[2];
    uint64_t x = 99;

    for (int i = 0; i < 2; i++)
        parts[i] = calloc(1, sizeof *parts[i]);
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_value(&x);
        histogram_add(all, value);
        histogram_add(parts[i % 2], value);
    }
    histogram_merge(parts[0], parts[1]);
    ck_assert_mem_eq(parts[0], all, sizeof *all);
    free(parts[0]);
    free(parts[1]);
    free(all);
}

TEST(what_does_not_fit_is_the_last)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);

    histogram_add(histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram->max, UINT64_MAX);
    ck_assert_uint_gt(histogram_quantile(histogram, 0.5), UINT64_C(1) << 50);
    free(histogram);
}

/* Every change of a single byte, at every place of a piece, is seen and placed. */
TEST(one_byte_changed)
{
    static unsigned char bytes[3000];
    size_t first;

    pattern_open();
    for (uint64_t offset = 0; offset < 40000; offset += 7919) {
        memcpy(bytes, pattern_at(7, offset), sizeof bytes);
        ck_assert_uint_eq(pattern_compare(bytes, sizeof bytes, 7, offset, &first), 0);
        for (size_t i = 0; i < sizeof bytes; i += 3) {
            bytes[i] ^= 0x40;
            ck_assert_uint_eq(pattern_compare(bytes, sizeof bytes, 7, offset, &first), 1);
            ck_assert_uint_eq(first, i);
            bytes[i] ^= 0x40;
        }
    }
}

/* A stream that is long enough to be compared in runs. */
TEST(runs_follow_each_other)
{
    size_t size = 2 * PATTERN_RUN + 1234, first;
    unsigned char *bytes = malloc(size);

    pattern_open();
    for (size_t i = 0; i < size; i++)
        bytes[i] = *pattern_at(3, 77 + i);
    ck_assert_uint_eq(pattern_compare(bytes, size, 3, 77, &first), 0);
    bytes[PATTERN_RUN + 5] ^= 1;
    bytes[2 * PATTERN_RUN + 6] ^= 1;
    ck_assert_uint_eq(pattern_compare(bytes, size, 3, 77, &first), 2);
    ck_assert_uint_eq(first, PATTERN_RUN + 5);
    free(bytes);
}

/* Messages of any small size that came late, twice, or on another connection. */
TEST(mixed_up)
{
    size_t first;

    pattern_open();
    for (size_t size = 8; size < 300; size += 13)
        for (uint32_t c = 0; c < 50; c++)
            for (uint32_t k = 1; k < 50; k++) {
                ck_assert_uint_gt(pattern_compare(pattern_at(c, 0), size, c, k * size, &first), 0);
                ck_assert_uint_gt(pattern_compare(pattern_at(c, 0), size, c + k, 0, &first), 0);
            }
}

TEST_MAIN("load_units", 60, quantiles_of_a_sorted_list, small_values_are_exact, merged_as_if_added,
          what_does_not_fit_is_the_last, one_byte_changed, runs_follow_each_other, mixed_up)
