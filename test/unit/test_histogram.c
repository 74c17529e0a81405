#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/histogram.h"

static void bounds_rise_and_the_last_bucket_has_none(void **state)
{
    (void)state;
    for (size_t i = 1; i < LM_HISTOGRAM_BUCKETS; i++)
        assert_true(lm_histogram_bound(i) > lm_histogram_bound(i - 1));
    assert_int_equal(lm_histogram_bound(0), 1);
    assert_true(lm_histogram_bound(LM_HISTOGRAM_BUCKETS - 1) == LM_MS_NEVER);
}

/* "At most": a time that is its bucket's bound is in it, one more is not. */
static void a_time_is_in_the_first_bucket_that_it_fits(void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < LM_HISTOGRAM_BUCKETS; i++) {
        lm_histogram h = {0};
        lm_ms bound = lm_histogram_bound(i);
        lm_histogram_add(&h, 1000, 1000 + bound);
        assert_int_equal(h.buckets[i], 1);
        lm_histogram_add(&h, 1000, 1000 + bound + 1);
        assert_int_equal(h.buckets[i], 1);
        assert_int_equal(h.buckets[i + 1], 1);
        assert_int_equal(h.sum, 2 * bound + 1);
        assert_int_equal(lm_histogram_count(&h), 2);
    }
}

static void no_time_and_endless_time_have_a_place(void **state)
{
    lm_histogram h = {0};
    (void)state;
    lm_histogram_add(&h, 5, 5);
    lm_histogram_add(&h, 6, 5);
    assert_int_equal(h.buckets[0], 2);
    assert_int_equal(h.sum, 0);
    lm_histogram_add(&h, 0, LM_MS_NEVER);
    assert_int_equal(h.buckets[LM_HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(lm_histogram_count(&h), 3);
}

/* What is a little over a bound is over it, and the sum loses nothing of times that are shorter than 1 ms. */
static void microseconds_are_counted_exactly(void **state)
{
    lm_histogram h = {0};
    (void)state;
    lm_histogram_add_us(&h, 0);
    lm_histogram_add_us(&h, 1000);
    assert_int_equal(h.buckets[0], 2);
    lm_histogram_add_us(&h, 1001);
    assert_int_equal(h.buckets[1], 1);
    lm_histogram_add_us(&h, 5000);
    lm_histogram_add_us(&h, 5001);
    assert_int_equal(h.buckets[2], 1);
    assert_int_equal(h.buckets[3], 1);
    assert_int_equal(h.sum, 12);
    for (int i = 0; i < 998; i++)
        lm_histogram_add_us(&h, 1);
    assert_int_equal(h.sum, 13);
    assert_int_equal(h.rest, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_rise_and_the_last_bucket_has_none),
        cmocka_unit_test(a_time_is_in_the_first_bucket_that_it_fits),
        cmocka_unit_test(no_time_and_endless_time_have_a_place),
        cmocka_unit_test(microseconds_are_counted_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
