/* A node finds itself among the addresses of a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <uv.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "mesh/own_address_uv.h"

static lm_addr address(const char *text)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, text), LM_OK);
    return addr;
}

/* Whether a node that listens there, and has that port, is who answers at an address. */
static bool is_own(const char *listen, uint16_t port, const lm_addr *addr)
{
    struct sockaddr_storage name;
    lm_addr at = listen != NULL ? address(listen) : (lm_addr){.family = LM_AF_NONE};
    lm_sockaddr_from_addr(&name, addr);
    return lm_own_address(&at, port, (struct sockaddr *)&name);
}

static bool is_own_text(const char *listen, uint16_t port, const char *text)
{
    lm_addr addr = address(text);
    return is_own(listen, port, &addr);
}

static void one_address_is_compared(void **state)
{
    (void)state;
    assert_true(is_own_text("10.9.0.1:0", 7402, "10.9.0.1:7402"));
    assert_false(is_own_text("10.9.0.1:0", 7402, "10.9.0.1:7403"));
    assert_false(is_own_text("10.9.0.1:0", 7402, "10.9.0.2:7402"));
    assert_true(is_own_text("[2001:db8::1]:7402", 7402, "[2001:db8::1]:7402"));
    assert_false(is_own_text("[2001:db8::1]:7402", 7402, "[2001:db8::2]:7402"));
}

static void everywhere_is_loopback_and_the_interfaces(void **state)
{
    uv_interface_address_t *interfaces;
    int count;
    (void)state;
    assert_true(is_own_text("0.0.0.0:7402", 7402, "127.0.0.1:7402"));
    assert_true(is_own_text("[::]:7402", 7402, "127.0.0.1:7402"));
    assert_true(is_own_text("[::]:7402", 7402, "[::1]:7402"));
    assert_false(is_own_text("[::]:7402", 7402, "127.0.0.1:1"));
    assert_false(is_own_text("[::]:7402", 7402, "192.0.2.1:7402")); /* nobody's (RFC 5737) */
    assert_int_equal(uv_interface_addresses(&interfaces, &count), 0);
    for (int i = 0; i < count; i++) {
        lm_addr addr;
        assert_int_equal(lm_sockaddr_to_addr(&addr, (const struct sockaddr *)&interfaces[i].address), LM_OK);
        addr.port = 7402;
        assert_true(is_own("[::]:7402", 7402, &addr));
        addr.port = 7403;
        assert_false(is_own("[::]:7402", 7402, &addr));
    }
    uv_free_interface_addresses(interfaces, count);
}

static void who_does_not_listen_is_nobody(void **state)
{
    (void)state;
    assert_false(is_own_text(NULL, 0, "127.0.0.1:7402"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_is_compared),
        cmocka_unit_test(everywhere_is_loopback_and_the_interfaces),
        cmocka_unit_test(who_does_not_listen_is_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
