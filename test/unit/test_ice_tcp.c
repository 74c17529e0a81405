/* Sessions over streams (RFC 6544): the stack with addresses of TCP, on virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/error.h"
#include "test/support/one_session.h"
#include "webrtc/ice_lite.h"
#include "webrtc/stun.h"

static lm_addr address(const char *text, lm_transport transport)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, text), LM_OK);
    addr.transport = (uint8_t)transport;
    return addr;
}

static test_world *open_one(one_session *r, test_world_config config, test_client_config client,
                            test_client **c)
{
    if (client.local.family == LM_AF_NONE)
        client.local = address("10.0.0.1:1000", LM_TCP);
    return one_session_open(r, config, client, c);
}

static int say(test_world *w, const one_session *r)
{
    return lm_webrtc_send(test_world_stack(w), test_world_now(w), r->session, "x", 1);
}

static bool has_path(test_world *w, const lm_addr *remote)
{
    lm_addr local = address("192.0.2.1:3478", (lm_transport)remote->transport);
    return lm_webrtc_has_path(test_world_stack(w), remote, &local);
}

static void a_session_opens_over_a_stream(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = open_one(&r, (test_world_config){.seed = 1, .delay = 5, .loss = 500}, /* of datagrams */
                             (test_client_config){.large_hello = true}, &c);
    lm_addr tcp = address("10.0.0.1:1000", LM_TCP), udp = address("10.0.0.1:1000", LM_UDP), mapped;
    (void)state;
    assert_true(one_session_sends_to(w, &r, &tcp));
    assert_true(has_path(w, &tcp));
    assert_false(has_path(w, &udp));
    mapped = test_client_mapped(c);
    assert_true(lm_addr_equal(&mapped, &udp)); /* XOR-MAPPED-ADDRESS knows no transport */
    for (int i = 0; i < 100; i++)
        assert_true(test_client_send(c, test_world_now(w), "x", 1));
    assert_int_equal(say(w, &r), LM_OK);
    test_world_run(w, NULL, NULL, 1000);
    assert_int_equal(r.messages, 100);
    assert_int_equal(r.client_messages, 1);
    test_world_run(w, NULL, NULL, 120000);
    assert_int_equal(r.closed, 0);
    test_world_destroy(w);
}

/* The same address and port, once by UDP and once by TCP, are two paths. */
static void transports_are_kept_apart(void **state)
{
    one_session r;
    test_client *a, *b;
    test_world *w = open_one(&r, (test_world_config){.seed = 2, .delay = 1}, (test_client_config){0}, &a);
    lm_addr tcp = address("10.0.0.1:1000", LM_TCP), udp = address("10.0.0.1:1000", LM_UDP);
    one_session other = {0};
    (void)state;
    b = test_world_add_client(
        w, &(test_client_config){.local = udp, .message = one_session_heard, .user = &other});
    assert_true(test_world_await(w, b, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(r.opened, 2);
    assert_true(one_session_sends_to(w, &r, &udp)); /* the session that opened last */
    assert_int_equal(say(w, &r), LM_OK);
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(other.client_messages, 1);
    assert_int_equal(r.client_messages, 0);
    test_world_end_stream(w, &tcp);
    assert_false(has_path(w, &tcp));
    assert_true(has_path(w, &udp));
    test_world_destroy(w);
}

/* A session falls back to its other path when the stream ends, at once. */
static void a_session_with_another_path_goes_on_there(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = open_one(&r, (test_world_config){.seed = 3, .delay = 1}, (test_client_config){0}, &c);
    lm_addr tcp = address("10.0.0.1:1000", LM_TCP), udp = address("10.0.0.1:2000", LM_UDP);
    (void)state;
    test_client_move(c, &udp);
    test_world_run(w, NULL, NULL, 100);
    test_client_move(c, &tcp);
    test_world_run(w, NULL, NULL, 100);
    assert_true(one_session_sends_to(w, &r, &tcp));
    test_client_move(c, &udp);
    test_world_end_stream(w, &tcp);
    assert_true(one_session_sends_to(w, &r, &udp));
    assert_int_equal(say(w, &r), LM_OK);
    test_world_run(w, NULL, NULL, 5);
    assert_int_equal(r.client_messages, 1);
    test_world_run(w, NULL, NULL, 60000);
    assert_int_equal(r.closed, 0);
    test_world_destroy(w);
}

/* Without another path it is silent, takes messages, and delivers them once its client is back. */
static void a_client_may_come_back_by_another_stream(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = open_one(&r, (test_world_config){.seed = 4, .delay = 1}, (test_client_config){0}, &c);
    lm_addr first = address("10.0.0.1:1000", LM_TCP), second = address("10.0.0.1:1001", LM_TCP), nowhere;
    (void)state;
    test_world_end_stream(w, &first);
    assert_int_equal(lm_webrtc_remote(test_world_stack(w), r.session, &nowhere), LM_ENOTFOUND);
    for (int i = 0; i < 20; i++)
        assert_int_equal(say(w, &r), LM_OK);
    test_client_move(c, &second);
    test_world_run(w, NULL, NULL, 12000);
    assert_true(one_session_sends_to(w, &r, &second));
    assert_int_equal(r.client_messages, 20);
    assert_int_equal(r.closed, 0);
    assert_int_equal(one_session_stats(w)->sessions_created, 1);
    test_world_destroy(w);
}

static void a_silent_session_ends_with_its_consent(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = open_one(&r, (test_world_config){.seed = 5, .delay = 1}, (test_client_config){0}, &c);
    lm_addr tcp = address("10.0.0.1:1000", LM_TCP);
    (void)state;
    test_client_fall_silent(c);
    test_world_end_stream(w, &tcp);
    assert_int_equal(say(w, &r), LM_OK);
    test_world_run(w, NULL, NULL, LM_ICE_CONSENT_TIMEOUT - 3000);
    assert_int_equal(r.closed, 0);
    test_world_run(w, NULL, NULL, 3100);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.reason, LM_CLOSE_CONSENT);
    test_world_destroy(w);
}

/* Streams end in the middle of a handshake, too. */
static void a_stream_may_end_at_any_time(void **state)
{
    (void)state;
    for (lm_ms at = 0; at < 60; at++) {
        test_world *w = test_world_create(&(test_world_config){.seed = 6, .delay = 3});
        lm_addr tcp = address("10.0.0.1:1000", LM_TCP), again = address("10.0.0.1:1001", LM_TCP);
        test_client *c = test_world_add_client(w, &(test_client_config){.local = tcp});
        test_world_run(w, NULL, NULL, at);
        test_world_end_stream(w, &tcp);
        test_client_move(c, &again);
        assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 20000));
        test_world_destroy(w);
    }
}

/* TCP's handshake has shown the address to be right: no cookie, and an answer longer than its request. */
static void no_cookie_is_asked_of_a_stream(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = open_one(&r, (test_world_config){.seed = 7, .delay = 1, .cookies = true},
                             (test_client_config){0}, &c);
    lm_addr tcp = address("10.0.0.9:1", LM_TCP), udp = address("10.0.0.9:1", LM_UDP);
    uint8_t bare[64];
    lm_stun_builder b;
    size_t len;
    (void)state;
    assert_int_equal(one_session_stats(w)->drops.dtls_cookie, 0);
    assert_int_equal(one_session_stats(w)->drops.unproven, 0);
    lm_stun_begin(&b, bare, sizeof bare, LM_STUN_BINDING, LM_STUN_REQUEST, (const uint8_t *)"transaction");
    int bare_len = lm_stun_finish(&b);
    test_world_inject(w, &udp, bare, (size_t)bare_len);
    test_world_run(w, NULL, NULL, 10);
    assert_null(test_world_answer(w, &len));
    test_world_inject(w, &tcp, bare, (size_t)bare_len);
    test_world_run(w, NULL, NULL, 10);
    assert_non_null(test_world_answer(w, &len));
    test_world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_opens_over_a_stream),
        cmocka_unit_test(transports_are_kept_apart),
        cmocka_unit_test(a_session_with_another_path_goes_on_there),
        cmocka_unit_test(a_client_may_come_back_by_another_stream),
        cmocka_unit_test(a_silent_session_ends_with_its_consent),
        cmocka_unit_test(a_stream_may_end_at_any_time),
        cmocka_unit_test(no_cookie_is_asked_of_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
