#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/error.h"
#include "webrtc/admission.h"

static lm_addr address(const char *text)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, text), LM_OK);
    return addr;
}

static unsigned admitted(lm_admission *a, lm_ms now, const char *from, unsigned tries)
{
    lm_addr addr = address(from);
    unsigned n = 0;
    while (tries-- > 0)
        n += lm_admission_take(a, now, &addr);
    return n;
}

static void a_burst_is_admitted_and_then_the_rate(void **state)
{
    lm_admission a = {.rate = 2, .burst = 5};
    (void)state;
    assert_int_equal(admitted(&a, 1000, "192.0.2.1:1", 20), 5);
    assert_int_equal(admitted(&a, 1499, "192.0.2.1:1", 20), 0);
    assert_int_equal(admitted(&a, 1500, "192.0.2.1:1", 20), 1);
    assert_int_equal(admitted(&a, 3500, "192.0.2.1:1", 20), 4);
    assert_int_equal(admitted(&a, 1000000, "192.0.2.1:1", 20), 5); /* never more than the burst */
    lm_admission_clear(&a);
}

static void the_port_does_not_matter_and_the_address_does(void **state)
{
    lm_admission a = {.rate = 1, .burst = 2};
    (void)state;
    assert_int_equal(admitted(&a, 0, "192.0.2.1:1", 1), 1);
    assert_int_equal(admitted(&a, 0, "192.0.2.1:2", 1), 1);
    assert_int_equal(admitted(&a, 0, "192.0.2.1:3", 1), 0);
    assert_int_equal(admitted(&a, 0, "192.0.2.2:1", 3), 2);
    assert_int_equal(admitted(&a, 0, "[::ffff:192.0.2.2]:1", 3), 0); /* the same address */
    lm_admission_clear(&a);
}

static void ipv6_counts_by_64_bits(void **state)
{
    lm_admission a = {.rate = 1, .burst = 2};
    (void)state;
    assert_int_equal(admitted(&a, 0, "[2001:db8:0:1::1]:1", 1), 1);
    assert_int_equal(admitted(&a, 0, "[2001:db8:0:1:ffff:ffff:ffff:ffff]:1", 1), 1);
    assert_int_equal(admitted(&a, 0, "[2001:db8:0:1::2]:1", 1), 0);
    assert_int_equal(admitted(&a, 0, "[2001:db8:0:2::1]:1", 3), 2);
    /* 192.0.2.1 and an IPv6 network of the same bytes are not the same. */
    assert_int_equal(admitted(&a, 0, "[c000:201::]:1", 3), 2);
    assert_int_equal(admitted(&a, 0, "192.0.2.1:1", 3), 2);
    lm_admission_clear(&a);
}

static void rate_0_admits_all_and_remembers_none(void **state)
{
    lm_admission a = {.rate = 0, .burst = 1};
    (void)state;
    assert_int_equal(admitted(&a, 0, "192.0.2.1:1", 1000), 1000);
    assert_null(a.entries);
    lm_admission_clear(&a);
}

/* Takes once from the n-th address of a large set. */
static bool take_nth(lm_admission *a, uint32_t n)
{
    lm_addr addr;
    uint8_t ip[4] = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    lm_addr_set(&addr, ip, sizeof ip, 1);
    return lm_admission_take(a, 0, &addr);
}

static void the_addresses_remembered_are_bounded_and_the_one_seen_longest_ago_goes(void **state)
{
    lm_admission a = {.rate = 1, .burst = 1};
    (void)state;
    for (uint32_t i = 0; i < LM_ADMISSION_ADDRESSES; i++)
        assert_true(take_nth(&a, i));
    assert_false(take_nth(&a, 0));                     /* remembered, and now the one seen last */
    assert_true(take_nth(&a, LM_ADMISSION_ADDRESSES)); /* 1 is forgotten for it */
    assert_false(take_nth(&a, 0));
    assert_false(take_nth(&a, 2));
    assert_true(take_nth(&a, 1)); /* and 3 for it, since 2 has just been seen */
    assert_false(take_nth(&a, 2));
    assert_true(take_nth(&a, 3));
    for (uint32_t i = 0; i < 3 * LM_ADMISSION_ADDRESSES; i++)
        take_nth(&a, 1000000 + i);
    assert_non_null(a.entries);
    lm_admission_clear(&a);
    assert_null(a.entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_admitted_and_then_the_rate),
        cmocka_unit_test(the_port_does_not_matter_and_the_address_does),
        cmocka_unit_test(ipv6_counts_by_64_bits),
        cmocka_unit_test(rate_0_admits_all_and_remembers_none),
        cmocka_unit_test(the_addresses_remembered_are_bounded_and_the_one_seen_longest_ago_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
