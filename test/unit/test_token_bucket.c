#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/token_bucket.h"

static unsigned take(lm_token_bucket *b, uint32_t rate, uint32_t burst, lm_ms now, unsigned tries)
{
    unsigned n = 0;
    while (tries-- > 0)
        n += lm_token_bucket_take(b, rate, burst, now);
    return n;
}

static void it_starts_full_and_refills_at_its_rate(void **state)
{
    lm_token_bucket b;
    (void)state;
    lm_token_bucket_init(&b, 10, 500);
    assert_int_equal(take(&b, 4, 10, 500, 20), 10);
    assert_int_equal(take(&b, 4, 10, 749, 20), 0);
    assert_int_equal(take(&b, 4, 10, 750, 20), 1);
    assert_int_equal(take(&b, 4, 10, 1750, 20), 4);
    assert_int_equal(take(&b, 4, 10, 100000, 20), 10);
}

static void slow_rates_lose_nothing_however_often_it_is_asked(void **state)
{
    lm_token_bucket b;
    unsigned n = 0;
    (void)state;
    lm_token_bucket_init(&b, 1, 0);
    assert_int_equal(take(&b, 1, 1, 0, 1), 1);
    for (lm_ms now = 1; now <= 10000; now++)
        n += take(&b, 1, 1, now, 1);
    assert_int_equal(n, 10);
}

static void many_are_taken_together_or_not_at_all(void **state)
{
    lm_token_bucket b;
    (void)state;
    lm_token_bucket_init(&b, 100000, 0);
    assert_true(lm_token_bucket_take_many(&b, 60000, 1000, 100000, 0));
    assert_false(lm_token_bucket_take_many(&b, 40001, 1000, 100000, 0));
    assert_true(lm_token_bucket_take_many(&b, 40000, 1000, 100000, 0));
    assert_true(lm_token_bucket_take_many(&b, 0, 1000, 100000, 0));
    assert_false(lm_token_bucket_take_many(&b, 2000, 1000, 100000, 1999));
    assert_true(lm_token_bucket_take_many(&b, 2000, 1000, 100000, 2000));
    assert_false(lm_token_bucket_take_many(&b, 100001, 1000, 100000, 1000000)); /* never over the burst */
    assert_true(lm_token_bucket_take_many(&b, UINT32_MAX, 0, 0, 0));
}

static void rate_0_is_no_limit(void **state)
{
    lm_token_bucket b;
    (void)state;
    lm_token_bucket_init(&b, 0, 0);
    assert_int_equal(take(&b, 0, 0, 0, 1000), 1000);
    assert_true(lm_token_bucket_full(&b, 0, 0, 0));
}

static void burst_0_lets_nothing_through(void **state)
{
    lm_token_bucket b;
    (void)state;
    lm_token_bucket_init(&b, 0, 0);
    assert_int_equal(take(&b, 1000, 0, 1000000, 10), 0);
}

static void a_clock_that_stands_gives_nothing(void **state)
{
    lm_token_bucket b;
    (void)state;
    lm_token_bucket_init(&b, 2, 1000);
    assert_int_equal(take(&b, 1, 2, 1000, 5), 2);
    assert_int_equal(take(&b, 1, 2, 1000, 5), 0);
    assert_int_equal(take(&b, 1, 2, 1999, 5), 0);
    assert_int_equal(take(&b, 1, 2, 2000, 5), 1);
}

static void huge_times_rates_and_bursts_do_not_overflow(void **state)
{
    lm_token_bucket b;
    (void)state;
    lm_token_bucket_init(&b, UINT32_MAX, 0);
    assert_int_equal(b.milli_tokens, (uint64_t)UINT32_MAX * 1000);
    assert_int_equal(take(&b, UINT32_MAX, UINT32_MAX, UINT64_MAX - 1, 10), 10);
    assert_int_equal(b.milli_tokens, ((uint64_t)UINT32_MAX - 10) * 1000);
    lm_token_bucket_init(&b, UINT32_MAX, 0);
    b.milli_tokens = 0;
    assert_int_equal(take(&b, UINT32_MAX, UINT32_MAX, (lm_ms)UINT32_MAX + 3, 10),
                     10); /* 2^64 + 2^32 - 2 of them */
    assert_int_equal(b.milli_tokens, ((uint64_t)UINT32_MAX - 10) * 1000);
    lm_token_bucket_init(&b, 1, 0);
    assert_int_equal(take(&b, UINT32_MAX, 1, UINT64_MAX - 1, 10), 1);
    lm_token_bucket_init(&b, UINT32_MAX, 0);
    b.milli_tokens = 0;
    assert_int_equal(take(&b, 1, UINT32_MAX, UINT64_MAX - 1, 10), 10);
}

static void full_is_told_without_changing_anything(void **state)
{
    lm_token_bucket b;
    (void)state;
    lm_token_bucket_init(&b, 2, 0);
    assert_true(lm_token_bucket_full(&b, 1, 2, 0));
    assert_int_equal(take(&b, 1, 2, 0, 1), 1);
    assert_false(lm_token_bucket_full(&b, 1, 2, 999));
    assert_true(lm_token_bucket_full(&b, 1, 2, 1000));
    assert_int_equal(b.milli_tokens, 1000);
    assert_int_equal(b.updated, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_full_and_refills_at_its_rate),
        cmocka_unit_test(slow_rates_lose_nothing_however_often_it_is_asked),
        cmocka_unit_test(many_are_taken_together_or_not_at_all),
        cmocka_unit_test(rate_0_is_no_limit),
        cmocka_unit_test(burst_0_lets_nothing_through),
        cmocka_unit_test(a_clock_that_stands_gives_nothing),
        cmocka_unit_test(huge_times_rates_and_bursts_do_not_overflow),
        cmocka_unit_test(full_is_told_without_changing_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
