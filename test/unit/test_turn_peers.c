/* Which peers an open TURN server sends to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/turn_peers.h"

static bool allowed(const lm_turn_peers *peers, const char *ip)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse_ip(&addr, ip, 4000), LM_OK);
    return lm_turn_peers_allow(peers, &addr);
}

static void public_addresses_are_allowed(void **state)
{
    static const char *const ips[] = {
        "1.1.1.1",         "9.255.255.255", "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
        "126.255.255.255", "128.0.0.0",     "169.253.255.255", "169.255.0.0",     "172.15.255.255",
        "172.32.0.0",      "192.0.1.0",     "192.0.3.0",       "192.167.255.255", "192.169.0.0",
        "198.17.255.255",  "198.20.0.0",    "198.51.99.255",   "203.0.114.0",     "223.255.255.255",
        "168.63.129.15",   "2001:4860::1",  "2003::1",         "2600::1",         "2a00:1450::1",
        "2620:4f:8001::",  "2001:200::1",   "2001:db9::1",     "::ffff:8.8.8.8",  "3ffe:ffff::1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof ips / sizeof ips[0]; i++) {
        if (!allowed(NULL, ips[i]))
            fail_msg("%s is refused", ips[i]);
    }
}

static void all_others_are_refused(void **state)
{
    static const char *const ips[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.255",
        "168.63.129.16",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "192.88.99.1",
        "192.31.196.1",
        "192.175.48.1",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "fe80::1",
        "febf::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "2002:808:808::1",
        "2620:4f:8000::1",
        "3fff:fff::1",
        "4000::1",
        "e000::1",
        "1fff::1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof ips / sizeof ips[0]; i++) {
        if (allowed(NULL, ips[i]))
            fail_msg("%s is allowed", ips[i]);
    }
}

static void port_0_is_never_allowed(void **state)
{
    lm_turn_peers peers;
    lm_addr addr;
    (void)state;
    assert_int_equal(lm_turn_peers_parse(&peers, "0.0.0.0/0", NULL), LM_OK);
    assert_int_equal(lm_addr_parse_ip(&addr, "8.8.8.8", 0), LM_OK);
    assert_false(lm_turn_peers_allow(&peers, &addr));
    assert_false(lm_turn_peers_allow(&peers, &(lm_addr){.port = 1}));
}

static void named_networks_are_allowed_too(void **state)
{
    lm_turn_peers peers;
    (void)state;
    assert_int_equal(lm_turn_peers_parse(&peers, "10.1.0.0/16,fd00::/8,192.168.1.7,172.16.0.128/25", NULL),
                     LM_OK);
    assert_int_equal(peers.count, 4);
    assert_true(allowed(&peers, "10.1.255.255"));
    assert_false(allowed(&peers, "10.2.0.0"));
    assert_true(allowed(&peers, "fdff::1"));
    assert_false(allowed(&peers, "fc00::1"));
    assert_true(allowed(&peers, "192.168.1.7"));
    assert_false(allowed(&peers, "192.168.1.6"));
    assert_true(allowed(&peers, "172.16.0.128"));
    assert_false(allowed(&peers, "172.16.0.127"));
    assert_false(allowed(&peers, "a01::1")); /* the bytes of 10.1 */
    assert_true(allowed(&peers, "8.8.8.8"));
    assert_int_equal(lm_turn_peers_parse(&peers, "0.0.0.0/0,::/0", NULL), LM_OK);
    assert_true(allowed(&peers, "127.0.0.1"));
    assert_true(allowed(&peers, "::1"));
    assert_int_equal(lm_turn_peers_parse(&peers, "", NULL), LM_OK);
    assert_int_equal(peers.count, 0);
}

static void what_is_no_list_of_networks_is_refused_with_its_name(void **state)
{
    static const char *const wrong[] = {
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/x",
        "10.0.0.0/8x",
        "10.0.0.0/-1",
        "10.0.0/8",
        "::/129",
        "host",
        "10.0.0.0/8,",
        ",10.0.0.0/8",
        "10.0.0.0/8,,::/0",
        "10.0.0.1:80",
        "::ffff:10.0.0.0/104",
        " ::/0",
        "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
    };
    char many[(LM_TURN_PEERS_MAX + 1) * 8 + 1] = "";
    lm_turn_peers peers = {.count = 3};
    lm_error_text error;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (lm_turn_peers_parse(&peers, wrong[i], &error) != LM_EINVAL)
            fail_msg("\"%s\" is taken", wrong[i]);
        assert_int_equal(peers.count, 3);
    }
    lm_turn_peers_parse(&peers, "::/0,10.0.0/8", &error);
    assert_non_null(strstr(error.text, "\"10.0.0/8\""));
    for (int i = 0; i < LM_TURN_PEERS_MAX; i++)
        snprintf(many + strlen(many), 9, "%s1.1.1.1", i > 0 ? "," : "");
    assert_int_equal(lm_turn_peers_parse(&peers, many, &error), LM_OK);
    strcat(many, ",::1");
    assert_int_equal(lm_turn_peers_parse(&peers, many, &error), LM_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_are_allowed),
        cmocka_unit_test(all_others_are_refused),
        cmocka_unit_test(port_0_is_never_allowed),
        cmocka_unit_test(named_networks_are_allowed_too),
        cmocka_unit_test(what_is_no_list_of_networks_is_refused_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
