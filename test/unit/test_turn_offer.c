/* The URLs of the TURN server, for every kind of relay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/error.h"
#include "relay/turn_offer.h"

typedef struct expectation {
    const char *ip, *ip6, *host;
    uint16_t tcp, tls;
    const char *urls[LM_TURN_OFFER_URLS_MAX];
} expectation;

static const expectation expectations[] = {
    {.ip = "203.0.113.10", .urls = {"turn:203.0.113.10:3478?transport=udp"}},
    {.ip = "203.0.113.10",
     .ip6 = "2001:db8::1",
     .host = "relay.example",
     .tcp = 3478,
     .tls = 443,
     .urls = {"turn:203.0.113.10:3478?transport=udp", "turn:[2001:db8::1]:3478?transport=udp",
              "turn:203.0.113.10:3478?transport=tcp", "turns:relay.example:443?transport=tcp"}},
    {.ip6 = "2001:db8::1",
     .tcp = 80,
     .urls = {"turn:[2001:db8::1]:3478?transport=udp", "turn:[2001:db8::1]:80?transport=tcp"}},
    {.host = "relay.example", .urls = {"turn:relay.example:3478?transport=udp"}},
    {.ip = "203.0.113.10",
     .tls = 5349,
     .urls = {"turn:203.0.113.10:3478?transport=udp", "turns:203.0.113.10:5349?transport=tcp"}},
};

static void urls_name_what_is_served(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof expectations / sizeof expectations[0]; i++) {
        const expectation *e = &expectations[i];
        char urls[LM_TURN_OFFER_URLS_MAX][LM_TURN_OFFER_URL_SIZE];
        lm_turn_offer offer = {.tcp_port = e->tcp, .tls_port = e->tls};
        lm_node_config config = {.port = 3478};
        if (e->ip != NULL)
            assert_int_equal(lm_addr_parse_ip(&config.ip, e->ip, 0), LM_OK);
        if (e->ip6 != NULL)
            assert_int_equal(lm_addr_parse_ip(&config.ip6, e->ip6, 0), LM_OK);
        if (e->host != NULL)
            strcpy(config.host, e->host);
        size_t n = lm_turn_offer_urls(&offer, &config, urls), expected = 0;
        while (expected < LM_TURN_OFFER_URLS_MAX && e->urls[expected] != NULL)
            expected++;
        assert_int_equal(n, expected);
        for (size_t k = 0; k < n; k++)
            assert_string_equal(urls[k], e->urls[k]);
    }
}

/* The longest of everything fits: a long name, and ports of five digits. */
static void the_longest_url_fits(void **state)
{
    char urls[LM_TURN_OFFER_URLS_MAX][LM_TURN_OFFER_URL_SIZE];
    lm_turn_offer offer = {.tcp_port = 65535, .tls_port = 65535};
    lm_node_config config = {.port = 65535};
    (void)state;
    memset(config.host, 'x', LM_HOST_MAX);
    size_t n = lm_turn_offer_urls(&offer, &config, urls);
    assert_int_equal(n, 3);
    assert_int_equal(strlen(urls[n - 1]), LM_TURN_OFFER_URL_SIZE - 1);
    assert_non_null(strstr(urls[n - 1], "x:65535?transport=tcp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_name_what_is_served),
        cmocka_unit_test(the_longest_url_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
