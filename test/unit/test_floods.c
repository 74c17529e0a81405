/*
 * Floods from strangers, on virtual time: what goes out to forged addresses, what is kept, and that those who
 * behave are served as ever meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/data.h"
#include "test/support/short_hello.h"
#include "test/support/world.h"
#include "webrtc/hello_cookie.h"
#include "webrtc/stun.h"

static const lm_webrtc_stats *stats(test_world *w)
{
    return lm_webrtc_get_stats(test_world_stack(w));
}

/* The shortest check that RFC 8445 allows, of the client `number`, from an address of its own. */
static void inject_check(test_world *w, uint32_t number, lm_addr *from)
{
    char username[24];
    uint8_t check[256];
    lm_stun_builder b;
    uint8_t ip[4] = {198, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    lm_addr_set(from, ip, sizeof ip, 7);
    snprintf(username, sizeof username, "luma:%04x", (unsigned)(number & 0xFFFF));
    lm_stun_begin(&b, check, sizeof check, LM_STUN_BINDING, LM_STUN_REQUEST, (const uint8_t *)"transaction");
    lm_stun_add(&b, LM_STUN_USERNAME, username, strlen(username));
    lm_stun_add_uint(&b, LM_STUN_PRIORITY, 1, 4);
    lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLING, number, 8);
    lm_stun_add_integrity(&b, TEST_WORLD_PWD);
    test_world_inject(w, from, check, (size_t)lm_stun_finish(&b));
}

/* Forged addresses below the threshold: at most three bytes out for one in, however little came in. */
static void a_forged_address_gets_three_bytes_for_one(void **state)
{
    (void)state;
    for (unsigned hellos = 1; hellos <= 3; hellos++) {
        test_world *w = test_world_create(&(test_world_config){.seed = hellos});
        for (uint32_t i = 0; i < 20; i++) {
            lm_addr from;
            inject_check(w, i, &from);
            for (unsigned n = 0; n < hellos; n++)
                test_world_inject(w, &from, test_short_hello, sizeof test_short_hello);
            test_world_run(w, NULL, NULL, 100);
        }
        test_world_run(w, NULL, NULL, 120000);
        const lm_webrtc_stats *s = stats(w);
        assert_true(s->handshake_steps >= 20); /* the ClientHello was one */
        assert_int_equal(s->handshakes_failed, 0);
        assert_int_equal(s->drops.dtls_malformed, 0);
        assert_true(s->drops.unproven > 0);
        assert_true(s->bytes_out <= 3 * s->bytes_in);
        assert_true(s->bytes_out > s->bytes_in || hellos == 1);
        assert_int_equal(s->sessions, 0);
        test_world_destroy(w);
    }
}

/* A browser's ClientHello is so long that nothing of what answers it is held back. */
static void a_browsers_hello_is_answered_again_and_again(void **state)
{
    size_t len1, len2;
    test_world *w = test_world_create(&(test_world_config){.seed = 4});
    lm_addr from;
    uint8_t *first = test_read_hex(LM_TEST_DATA "/captures/firefox153-clienthello-1.hex", &len1);
    uint8_t *second = test_read_hex(LM_TEST_DATA "/captures/firefox153-clienthello-2.hex", &len2);
    (void)state;
    inject_check(w, 1, &from);
    test_world_inject(w, &from, first, len1);
    test_world_inject(w, &from, second, len2);
    test_world_run(w, NULL, NULL, 120000);
    assert_true(stats(w)->datagrams_out >= 4); /* the check's answer, the flight, and that again */
    assert_true(stats(w)->bytes_out <= 3 * stats(w)->bytes_in);
    free(first);
    free(second);
    test_world_destroy(w);
}

/* A Binding request with nothing in it, and one that has a USERNAME but no integrity. */
static void inject_bare(test_world *w, bool with_username)
{
    static const uint8_t ip[4] = {198, 51, 100, 9};
    uint8_t request[64];
    lm_stun_builder b;
    lm_addr from;
    lm_addr_set(&from, ip, sizeof ip, 9);
    lm_stun_begin(&b, request, sizeof request, LM_STUN_BINDING, LM_STUN_REQUEST,
                  (const uint8_t *)"transaction");
    if (with_username)
        lm_stun_add(&b, LM_STUN_USERNAME, "x", 1);
    int len = lm_stun_finish(&b);
    test_world_inject(w, &from, request, with_username ? (size_t)len : LM_STUN_HEADER_LEN);
}

/* With cookies: never more out than in. */
static void with_cookies_a_forged_address_gets_no_more_than_came(void **state)
{
    test_world *w = test_world_create(&(test_world_config){.seed = 5, .cookies = true});
    (void)state;
    for (uint32_t i = 0; i < 50; i++) {
        lm_addr from;
        for (int n = 0; n < 3; n++) {
            uint64_t in = stats(w)->bytes_in, out = stats(w)->bytes_out;
            inject_check(w, i, &from);
            test_world_inject(w, &from, test_short_hello, sizeof test_short_hello);
            inject_bare(w, false);
            inject_bare(w, true);
            assert_true(stats(w)->bytes_out - out <= stats(w)->bytes_in - in);
        }
    }
    assert_true(stats(w)->drops.unproven > 0);
    test_world_run(w, NULL, NULL, 120000);
    assert_true(stats(w)->bytes_out <= stats(w)->bytes_in);
    assert_int_equal(stats(w)->handshake_steps, 0);
    assert_int_equal(stats(w)->sessions, 0);
    test_world_destroy(w);
}

/* --- who behaves, while strangers do not --- */

#define MEMBERS 10

typedef struct flooded {
    test_world *w;
    test_client *members[MEMBERS];
    unsigned asked, answered, late;
    lm_ms sent;
} flooded;

static void on_event(void *user, test_world *w, const lm_webrtc_output *event)
{
    (void)user;
    if (event->kind == LM_WEBRTC_MESSAGE)
        lm_webrtc_send(test_world_stack(w), test_world_now(w), event->session, event->message.data,
                       event->message.len);
}

static void on_message(void *user, test_client *c, const char *data, size_t len)
{
    flooded *f = user;
    (void)c, (void)data, (void)len;
    f->answered++;
    f->late += test_world_now(f->w) > f->sent + 2 * 5 + 2; /* the way there and back, and a turn or two */
}

static void begin_flood(flooded *f, test_world_config config)
{
    memset(f, 0, sizeof *f);
    config.delay = 5;
    config.event = on_event;
    config.user = f;
    f->w = test_world_create(&config);
    for (int i = 0; i < MEMBERS; i++)
        f->members[i] = test_world_add_client(f->w, &(test_client_config){.message = on_message, .user = f});
    for (int i = 0; i < MEMBERS; i++)
        assert_true(test_world_await(f->w, f->members[i], TEST_CLIENT_OPEN, 5000));
}

/* Each member asks; to be called at most every 20 ms. */
static void ask(flooded *f)
{
    f->sent = test_world_now(f->w);
    for (int i = 0; i < MEMBERS; i++)
        f->asked += test_client_send(f->members[i], f->sent, "x", 1);
}

static void end_flood(flooded *f, unsigned rounds)
{
    test_world_run(f->w, NULL, NULL, 1000);
    assert_int_equal(f->asked, rounds * MEMBERS);
    assert_int_equal(f->answered, f->asked);
    assert_int_equal(f->late, 0);
    for (int i = 0; i < MEMBERS; i++)
        assert_int_equal(test_client_get_state(f->members[i]), TEST_CLIENT_OPEN);
    assert_int_equal(stats(f->w)->drops.output_full, 0);
    test_world_run(f->w, NULL, NULL, 120000); /* nothing of the strangers is left */
    assert_int_equal(stats(f->w)->sessions, MEMBERS);
    test_world_destroy(f->w);
}

static void on_open(void *user, test_world *w, const lm_webrtc_output *event)
{
    (void)w;
    if (event->kind == LM_WEBRTC_OPEN)
        *(lm_session_id *)user = event->session;
}

/* The bound of three for one ends with the handshake. */
static void a_proven_address_gets_whatever_there_is(void **state)
{
    static char big[60000];
    lm_session_id id = 0;
    test_world *w =
        test_world_create(&(test_world_config){.seed = 8, .delay = 1, .event = on_open, .user = &id});
    test_client *c = test_world_add_client(w, NULL);
    (void)state;
    memset(big, 'x', sizeof big);
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), id, big, sizeof big), LM_OK);
    test_world_run(w, NULL, NULL, 500);
    assert_true(stats(w)->bytes_out > 10 * stats(w)->bytes_in);
    assert_int_equal(stats(w)->drops.unproven, 0);
    test_world_destroy(w);
}

static void new_names_take_no_more_than_the_free_places(void **state)
{
    enum { PLACES = 200, ROUNDS = 100 };
    flooded f;
    (void)state;
    begin_flood(&f, (test_world_config){.seed = 6, .max_sessions = PLACES});
    for (unsigned round = 0; round < ROUNDS; round++) {
        lm_addr from;
        ask(&f);
        for (uint32_t i = 0; i < 100; i++)
            inject_check(f.w, 100 * round + i, &from);
        assert_true(stats(f.w)->sessions <= PLACES);
        test_world_run(f.w, NULL, NULL, 20);
    }
    assert_int_equal(stats(f.w)->drops.session_limit, 100 * ROUNDS - (PLACES - MEMBERS));
    end_flood(&f, ROUNDS);
}

static void hellos_and_half_open_handshakes_delay_nobody(void **state)
{
    enum { ROUNDS = 40, THRESHOLD = 64 };
    flooded f;
    (void)state;
    begin_flood(&f, (test_world_config){.seed = 7, .cookie_threshold = THRESHOLD});
    uint64_t before = stats(f.w)->handshake_steps;
    for (unsigned round = 0; round < ROUNDS; round++) {
        lm_addr from;
        ask(&f);
        for (uint32_t i = 0; i < 20; i++) {
            inject_check(f.w, 20 * round + i, &from);
            test_world_inject(f.w, &from, test_short_hello, sizeof test_short_hello);
        }
        test_world_run(f.w, NULL, NULL, 20);
    }
    /* Each of the first took a handshake; from the threshold on, every one was asked for a cookie. */
    assert_int_equal(stats(f.w)->handshake_steps - before, THRESHOLD);
    assert_int_equal(stats(f.w)->drops.dtls_cookie, 20 * ROUNDS - THRESHOLD);
    test_client *late = test_world_add_client(f.w, NULL); /* who comes now, and means it, is let in */
    assert_true(test_world_await(f.w, late, TEST_CLIENT_OPEN, 5000));
    test_client_close(late, test_world_now(f.w));
    end_flood(&f, ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_address_gets_three_bytes_for_one),
        cmocka_unit_test(a_browsers_hello_is_answered_again_and_again),
        cmocka_unit_test(a_proven_address_gets_whatever_there_is),
        cmocka_unit_test(new_names_take_no_more_than_the_free_places),
        cmocka_unit_test(hellos_and_half_open_handshakes_delay_nobody),
        cmocka_unit_test(with_cookies_a_forged_address_gets_no_more_than_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
