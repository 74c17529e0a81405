#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/addr.h"
#include "common/error.h"

static void parses_and_formats(void **state)
{
    static const char *const same[] = {"1.2.3.4:5", "255.255.255.255:65535", "[::1]:3478", "[2001:db8::7]:0"};
    char text[LM_ADDR_STRLEN];
    lm_addr addr;
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_int_equal(lm_addr_parse(&addr, same[i]), LM_OK);
        assert_string_equal(lm_addr_format(&addr, text), same[i]);
    }
}

static void refuses_what_is_no_address(void **state)
{
    static const char *const bad[] = {"",           "1.2.3.4",     "1.2.3:5", "1.2.3.4:65536", "1.2.3.4:-1",
                                      "::1:5",      "[1.2.3.4]:5", "[::1]",   "[::1:5",        "host:5",
                                      "1.2.3.4: 5", "1.2.3.4:5x",  "[]:1",    "1.2.3.4.5:1",   "[::g]:1"};
    lm_addr addr;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lm_addr_parse(&addr, bad[i]), LM_EINVAL);
}

static void mapped_addresses_are_ipv4(void **state)
{
    lm_addr mapped, plain;
    (void)state;
    assert_int_equal(lm_addr_parse(&mapped, "[::ffff:10.0.0.1]:9"), LM_OK);
    assert_int_equal(lm_addr_parse(&plain, "10.0.0.1:9"), LM_OK);
    assert_true(lm_addr_equal(&mapped, &plain));
    assert_int_equal(lm_addr_ip_len(&mapped), 4);
}

static void knows_loopback(void **state)
{
    lm_addr addr;
    (void)state;
    assert_int_equal(lm_addr_parse(&addr, "127.3.2.1:1"), LM_OK);
    assert_true(lm_addr_is_loopback(&addr));
    assert_int_equal(lm_addr_parse(&addr, "[::1]:1"), LM_OK);
    assert_true(lm_addr_is_loopback(&addr));
    assert_int_equal(lm_addr_parse(&addr, "10.0.0.1:1"), LM_OK);
    assert_false(lm_addr_is_loopback(&addr));
    assert_int_equal(lm_addr_parse(&addr, "0.0.0.0:1"), LM_OK);
    assert_true(lm_addr_is_unspecified(&addr));
}

static void knows_private_networks(void **state)
{
    static const char *const inside[] = {"10.0.0.1",    "10.255.255.255", "172.16.0.1", "172.31.255.255",
                                         "192.168.1.1", "169.254.1.1",    "fc00::1",    "fdff::1",
                                         "fe80::1",     "febf::1"};
    static const char *const outside[] = {
        "11.0.0.1",    "172.15.0.1", "172.32.0.1", "192.169.0.1", "169.253.0.1", "127.0.0.1",  "0.0.0.0",
        "203.0.113.1", "::",         "::1",        "fec0::1",     "fe00::1",     "2001:db8::1"};
    lm_addr addr;
    (void)state;
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        assert_int_equal(lm_addr_parse_ip(&addr, inside[i], 0), LM_OK);
        assert_true(lm_addr_is_private(&addr));
    }
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        assert_int_equal(lm_addr_parse_ip(&addr, outside[i], 0), LM_OK);
        assert_false(lm_addr_is_private(&addr));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_formats),        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(mapped_addresses_are_ipv4), cmocka_unit_test(knows_loopback),
        cmocka_unit_test(knows_private_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
