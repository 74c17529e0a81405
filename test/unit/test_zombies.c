/*
 * Clients that take themselves to be connected to a relay that knows nothing of them, because it was
 * restarted or has ended their session: they are told, and they do not become sessions again. Virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/data.h"
#include "test/support/world.h"
#include "webrtc/ice_lite.h"
#include "webrtc/session.h"
#include "webrtc/stun.h"
#include "webrtc/tombstones.h"

static const lm_webrtc_stats *stats(test_world *w)
{
    return lm_webrtc_get_stats(test_world_stack(w));
}

static void on_event(void *user, test_world *w, const lm_webrtc_output *event)
{
    (void)w;
    if (event->kind == LM_WEBRTC_OPEN)
        *(lm_session_id *)user = event->session;
}

/* A check of client "ufrag" with a tie-breaker from an address; returns 0 for success, else the error. */
static unsigned check_as(test_world *w, const char *username, uint64_t tie_breaker, const lm_addr *from)
{
    uint8_t buf[256];
    size_t len;
    lm_stun_builder b;
    lm_stun_msg answer;
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, (const uint8_t *)"transaction");
    lm_stun_add(&b, LM_STUN_USERNAME, username, strlen(username));
    lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLING, tie_breaker, 8);
    lm_stun_add_integrity(&b, TEST_WORLD_PWD);
    test_world_answer(w, &len);
    test_world_inject(w, from, buf, (size_t)lm_stun_finish(&b));
    test_world_run(w, NULL, NULL, 1);
    const uint8_t *bytes = test_world_answer(w, &len);
    assert_non_null(bytes);
    assert_int_equal(lm_stun_parse(&answer, bytes, len), LM_OK);
    assert_int_equal(lm_stun_check_integrity(&answer, TEST_WORLD_PWD), LM_OK);
    return lm_stun_error_number(&answer);
}

/* The relay is restarted; the client only checks, as an idle browser does. */
static void checks_without_a_hello_are_refused_after_a_restart(void **state)
{
    lm_session_id id = 0;
    test_world *w =
        test_world_create(&(test_world_config){.seed = 1, .delay = 10, .event = on_event, .user = &id});
    test_client *c = test_world_add_client(w, NULL);
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    test_world_run(w, NULL, NULL, 60000); /* whoever has said hello may check for as long as it likes */
    assert_int_equal(test_client_get_state(c), TEST_CLIENT_OPEN);
    assert_int_equal(stats(w)->drops.zombie, 0);

    test_world_restart(w);
    assert_true(test_world_await(w, c, TEST_CLIENT_CLOSED, 10000));
    assert_int_equal(test_client_error(c), LM_ICE_GONE_ERROR);
    assert_int_equal(stats(w)->drops.zombie, 1);
    assert_int_equal(stats(w)->sessions, 0);

    test_client *next = test_world_add_client(w, NULL);
    assert_true(test_world_await(w, next, TEST_CLIENT_OPEN, 5000));
    test_world_destroy(w);
}

/* The same, but the client sends something: its record tells at once. */
static void an_encrypted_record_gives_a_zombie_away(void **state)
{
    lm_session_id id = 0;
    test_world *w =
        test_world_create(&(test_world_config){.seed = 2, .delay = 10, .event = on_event, .user = &id});
    test_client *c = test_world_add_client(w, NULL);
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    test_world_restart(w);
    test_world_run(w, NULL, NULL, 2600); /* one check */
    assert_int_equal(stats(w)->sessions, 1);
    assert_true(test_client_send(c, test_world_now(w), "ping", 4));
    test_world_run(w, NULL, NULL, 50);
    assert_int_equal(stats(w)->sessions, 0);
    assert_int_equal(stats(w)->drops.zombie, 1);
    assert_true(test_world_await(w, c, TEST_CLIENT_CLOSED, 2600)); /* by its next check */
    assert_int_equal(stats(w)->drops.zombie, 2);
    assert_int_equal(stats(w)->sessions_created, 1);
    test_world_destroy(w);
}

static void a_zombie_does_not_become_a_session_again(void **state)
{
    test_world *w = test_world_create(&(test_world_config){.seed = 3});
    lm_addr from, elsewhere;
    (void)state;
    assert_int_equal(lm_addr_parse(&from, "198.51.100.1:7"), LM_OK);
    assert_int_equal(lm_addr_parse(&elsewhere, "198.51.100.2:9"), LM_OK);
    assert_int_equal(check_as(w, "luma:dead", 1, &from), 0);
    test_world_run(w, NULL, NULL, LM_SESSION_HELLO_TIMEOUT - 100);
    assert_int_equal(check_as(w, "luma:dead", 1, &from), 0); /* still in time */
    test_world_run(w, NULL, NULL, 100);
    for (int i = 0; i < 100; i++) { /* for five minutes */
        assert_int_equal(check_as(w, "luma:dead", 1, i % 2 ? &from : &elsewhere), LM_ICE_GONE_ERROR);
        test_world_run(w, NULL, NULL, 3000);
    }
    assert_int_equal(stats(w)->sessions_created, 1);
    assert_int_equal(stats(w)->sessions, 0);
    assert_int_equal(stats(w)->drops.zombie, 100);
    assert_int_equal(check_as(w, "luma:dead", 2, &from), 0); /* another client with the same ufrag */
    test_world_run(w, NULL, NULL, LM_TOMBSTONE_KEPT);
    assert_int_equal(check_as(w, "luma:dead", 1, &from), 0); /* long ago and forgotten */
    test_world_destroy(w);
}

/* A session that the relay closes, while the word of it is lost and its browser checks on. */
static void a_session_that_was_closed_here_stays_closed(void **state)
{
    lm_session_id id = 0;
    test_world *w =
        test_world_create(&(test_world_config){.seed = 4, .delay = 10, .event = on_event, .user = &id});
    test_client *c = test_world_add_client(w, NULL);
    lm_addr lost;
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(lm_addr_parse(&lost, "172.16.0.9:4242"), LM_OK);
    test_client_move(c, &lost); /* what the relay says goes to where the client is no more */
    assert_int_equal(lm_webrtc_close(test_world_stack(w), test_world_now(w), id), LM_OK);
    assert_true(test_world_await(w, c, TEST_CLIENT_CLOSED, 5000));
    assert_int_equal(test_client_error(c), LM_ICE_GONE_ERROR);
    assert_int_equal(stats(w)->sessions_created, 1);
    test_world_destroy(w);
}

/* Nothing but a record of a later epoch or the want of a ClientHello makes a zombie. */
static void other_records_make_no_zombie(void **state)
{
    test_world *w = test_world_create(&(test_world_config){.seed = 5});
    lm_addr from;
    size_t len;
    (void)state;
    assert_int_equal(lm_addr_parse(&from, "198.51.100.1:7"), LM_OK);
    assert_int_equal(check_as(w, "luma:live", 1, &from), 0);
    static const uint8_t short_record[] = {23, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    uint8_t *key_exchange = test_read_hex(LM_TEST_DATA "/captures/chromium156-clientkeyexchange.hex", &len);
    test_world_inject(w, &from, key_exchange, len); /* epoch 0 */
    test_world_inject(w, &from, short_record, sizeof short_record);
    assert_int_equal(stats(w)->drops.zombie, 0);
    assert_int_equal(stats(w)->drops.dtls_malformed, 2);
    free(key_exchange);

    uint8_t *hello = test_read_hex(LM_TEST_DATA "/captures/chromium156-clienthello-1.hex", &len);
    test_world_inject(w, &from, hello, len); /* half of one is word enough */
    free(hello);
    for (int i = 0; i < 8; i++) {
        test_world_run(w, NULL, NULL, 3000);
        assert_int_equal(check_as(w, "luma:live", 1, &from), 0);
    }
    assert_int_equal(stats(w)->sessions, 1);
    test_world_destroy(w);
}

/* A crowd of zombies, as after a restart: no more is kept of them than there is room for. */
static void every_one_of_a_crowd_is_refused(void **state)
{
    lm_session_id id = 0;
    test_world *w = test_world_create(
        &(test_world_config){.seed = 6, .delay = 20, .loss = 100, .event = on_event, .user = &id});
    test_client *clients[40];
    (void)state;
    for (int i = 0; i < 40; i++)
        clients[i] = test_world_add_client(w, NULL);
    for (int i = 0; i < 40; i++)
        test_world_await(w, clients[i], TEST_CLIENT_OPEN, 30000);
    test_world_restart(w);
    test_world_run(w, NULL, NULL, 30000);
    for (int i = 0; i < 40; i++)
        assert_int_equal(test_client_get_state(clients[i]), TEST_CLIENT_CLOSED);
    assert_int_equal(stats(w)->sessions_opened, 0);
    assert_int_equal(stats(w)->sessions, 0);
    test_world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_without_a_hello_are_refused_after_a_restart),
        cmocka_unit_test(an_encrypted_record_gives_a_zombie_away),
        cmocka_unit_test(a_zombie_does_not_become_a_session_again),
        cmocka_unit_test(a_session_that_was_closed_here_stays_closed),
        cmocka_unit_test(other_records_make_no_zombie),
        cmocka_unit_test(every_one_of_a_crowd_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
