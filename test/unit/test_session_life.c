/* What keeps a session alive and where its datagrams go, on virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/error.h"
#include "test/support/one_session.h"
#include "webrtc/ice_lite.h"
#include "webrtc/path.h"
#include "webrtc/stun.h"

/* Where the relay sends, against an address in text. */
static bool sends_to(test_world *w, const one_session *r, const char *text)
{
    lm_addr expected;
    assert_int_equal(lm_addr_parse(&expected, text), LM_OK);
    return one_session_sends_to(w, r, &expected);
}

static void move(test_client *c, const char *text)
{
    lm_addr address;
    assert_int_equal(lm_addr_parse(&address, text), LM_OK);
    test_client_move(c, &address);
}

static void a_session_that_checks_outlives_its_ttl(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = one_session_open(&r, (test_world_config){.seed = 1, .delay = 1, .session_ttl = 5000},
                                     (test_client_config){0}, &c);
    (void)state;
    test_world_run(w, NULL, NULL, 60000);
    assert_int_equal(r.closed, 0);
    test_world_destroy(w);
}

static void a_session_that_talks_outlives_its_ttl(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = one_session_open(&r, (test_world_config){.seed = 2, .delay = 1, .session_ttl = 2000},
                                     (test_client_config){0}, &c);
    (void)state;
    for (unsigned i = 1; i <= 10; i++) { /* checks alone, every 2.5 s, would be too few */
        assert_true(test_client_send(c, test_world_now(w), "x", 1));
        test_world_run(w, NULL, NULL, 1500);
        assert_int_equal(r.messages, i);
    }
    assert_int_equal(r.closed, 0);
    test_world_run(w, NULL, NULL, 2600);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.reason, LM_CLOSE_CONSENT);
    test_world_destroy(w);
}

static void silence_ends_a_session_after_its_ttl(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = one_session_open(&r, (test_world_config){.seed = 3, .delay = 1, .session_ttl = 10000},
                                     (test_client_config){0}, &c);
    (void)state;
    test_client_fall_silent(c);
    test_world_run(w, NULL, NULL, 7400);
    assert_int_equal(r.closed, 0);
    test_world_run(w, NULL, NULL, 2700);
    assert_int_equal(r.closed, 1);
    test_world_destroy(w);
}

static void consent_ends_a_session_before_a_longer_ttl(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = one_session_open(&r, (test_world_config){.seed = 4, .delay = 1, .session_ttl = 3600000},
                                     (test_client_config){0}, &c);
    (void)state;
    test_client_fall_silent(c);
    test_world_run(w, NULL, NULL, LM_ICE_CONSENT_TIMEOUT - 3000);
    assert_int_equal(r.closed, 0);
    test_world_run(w, NULL, NULL, 3100);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.reason, LM_CLOSE_CONSENT);
    test_world_destroy(w);
}

/* Firefox nominates in its first check and never again. */
static void a_client_that_moves_without_nominating_keeps_its_session(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = one_session_open(&r, (test_world_config){.seed = 5, .delay = 1},
                                     (test_client_config){.nominate_once = true}, &c);
    (void)state;
    test_world_run(w, NULL, NULL, 20000);
    assert_true(sends_to(w, &r, "10.0.0.1:1000"));
    move(c, "172.16.0.9:4242");
    test_world_run(w, NULL, NULL, LM_PATH_STALE - 2600); /* the old path may only have lost a check */
    assert_true(sends_to(w, &r, "10.0.0.1:1000"));
    test_world_run(w, NULL, NULL, 5200);
    assert_true(sends_to(w, &r, "172.16.0.9:4242"));
    assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, "x", 1), LM_OK);
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(r.client_messages, 1);
    test_world_run(w, NULL, NULL, 60000);
    assert_int_equal(test_client_get_state(c), TEST_CLIENT_OPEN);
    assert_int_equal(r.closed, 0);
    assert_int_equal(one_session_stats(w)->sessions_created, 1);
    test_world_destroy(w);
}

/* What was sent to the old address meanwhile is not lost: SCTP sends it again. */
static void messages_sent_during_a_move_arrive(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = one_session_open(&r, (test_world_config){.seed = 6, .delay = 1},
                                     (test_client_config){.nominate_once = true}, &c);
    (void)state;
    move(c, "172.16.0.9:4242");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, "x", 1), LM_OK);
        test_world_run(w, NULL, NULL, 1000);
    }
    test_world_run(w, NULL, NULL, 20000);
    assert_int_equal(r.client_messages, 10);
    test_world_destroy(w);
}

/* Six retransmissions in a row are lost: usrsctp's own limit for a path is five. */
static void a_session_sends_on_after_a_long_outage(void **state)
{
    one_session r;
    test_client *c;
    test_world *w =
        one_session_open(&r, (test_world_config){.seed = 9, .delay = 1}, (test_client_config){0}, &c);
    (void)state;
    test_client_fall_deaf(c);
    for (int i = 0; i < 25; i++) {
        assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, "x", 1), LM_OK);
        test_world_run(w, NULL, NULL, 1000);
    }
    test_client_hear_again(c);
    test_world_run(w, NULL, NULL, 12000); /* the longest retransmission timeout is 10 s */
    assert_int_equal(r.client_messages, 25);
    assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, "x", 1), LM_OK);
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(r.client_messages, 26);
    assert_int_equal(r.closed, 0);
    test_world_destroy(w);
}

/* The new address counts only after a check with good integrity, whatever else comes from there. */
static void only_a_good_check_moves_a_session(void **state)
{
    one_session r;
    test_client *c;
    test_world *w =
        one_session_open(&r, (test_world_config){.seed = 7, .delay = 1}, (test_client_config){0}, &c);
    lm_addr thief;
    lm_stun_builder b;
    uint8_t forged[256];
    (void)state;
    assert_int_equal(lm_addr_parse(&thief, "198.51.100.1:7"), LM_OK);
    lm_stun_begin(&b, forged, sizeof forged, LM_STUN_BINDING, LM_STUN_REQUEST,
                  (const uint8_t *)"transaction");
    lm_stun_add(&b, LM_STUN_USERNAME, "luma:c000", 9);
    lm_stun_add(&b, LM_STUN_USE_CANDIDATE, "", 0);
    lm_stun_add_integrity(&b, "a password that is not the relay's");
    test_world_inject(w, &thief, forged, (size_t)lm_stun_finish(&b));
    assert_true(sends_to(w, &r, "10.0.0.1:1000"));
    /* With the relay's password, which is in every config, but without the client's tie-breaker. */
    lm_stun_begin(&b, forged, sizeof forged, LM_STUN_BINDING, LM_STUN_REQUEST,
                  (const uint8_t *)"transaction");
    lm_stun_add(&b, LM_STUN_USERNAME, "luma:c000", 9);
    lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLING, 0, 8);
    lm_stun_add(&b, LM_STUN_USE_CANDIDATE, "", 0);
    lm_stun_add_integrity(&b, TEST_WORLD_PWD);
    test_world_inject(w, &thief, forged, (size_t)lm_stun_finish(&b));
    assert_true(sends_to(w, &r, "10.0.0.1:1000"));
    test_world_destroy(w);
}

/* One that has two ways and nominates one of them stays there, though it checks the other as well. */
static void a_second_path_does_not_draw_a_session_away(void **state)
{
    one_session r;
    test_client *c;
    test_world *w = one_session_open(&r, (test_world_config){.seed = 8, .delay = 1},
                                     (test_client_config){.nominate_once = true}, &c);
    (void)state;
    for (int i = 0; i < 20; i++) {
        move(c, "172.16.0.9:4242");
        test_world_run(w, NULL, NULL, 500);
        assert_true(sends_to(w, &r, "10.0.0.1:1000"));
        move(c, "10.0.0.1:1000");
        test_world_run(w, NULL, NULL, 5000);
        assert_true(sends_to(w, &r, "10.0.0.1:1000"));
    }
    test_world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_that_checks_outlives_its_ttl),
        cmocka_unit_test(a_session_that_talks_outlives_its_ttl),
        cmocka_unit_test(silence_ends_a_session_after_its_ttl),
        cmocka_unit_test(consent_ends_a_session_before_a_longer_ttl),
        cmocka_unit_test(a_client_that_moves_without_nominating_keeps_its_session),
        cmocka_unit_test(messages_sent_during_a_move_arrive),
        cmocka_unit_test(a_session_sends_on_after_a_long_outage),
        cmocka_unit_test(only_a_good_check_moves_a_session),
        cmocka_unit_test(a_second_path_does_not_draw_a_session_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
