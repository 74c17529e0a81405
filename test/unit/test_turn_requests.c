/* Requests to the TURN server: every type and every error, and what follows from them in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "test/support/turn_world.h"

#define MINUTE (60 * 1000)

static uint8_t buf[TURN_CLIENT_REQUEST_MAX];
static turn_client_answer answer;

static lm_addr address(const char *text)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, text), LM_OK);
    return addr;
}

static const lm_turn_stats *stats(const turn_world *w)
{
    return lm_turn_get_stats(w->turn);
}

/* A world with one client that has an allocation. */
static turn_client begin(turn_world *w, lm_turn_mode mode)
{
    turn_world_start(w, mode, NULL);
    turn_client c = turn_world_client(w, "192.0.2.1:1000", "ada");
    assert_int_equal(turn_world_allocate(w, &c, NULL, &answer), 0);
    return c;
}

static void an_allocation_is_made_on_the_second_request(void **state)
{
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_allocate(&c, buf, NULL), &answer), 401);
    assert_false(answer.integrity);
    assert_true(answer.reason);
    assert_string_equal(c.realm, TURN_WORLD_REALM);
    assert_int_equal(stats(&w)->drops.unauthenticated, 1);
    assert_int_equal(stats(&w)->allocations, 0);

    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_allocate(&c, buf, NULL), &answer), 0);
    assert_true(answer.integrity);
    assert_false(answer.fingerprint);
    assert_true(lm_addr_equal(&answer.mapped, &c.address));
    assert_int_equal(answer.lifetime, 600);
    assert_in_range(answer.relayed.port, 50000, 50099);
    lm_addr public_ip = address("198.51.100.1:0");
    public_ip.port = answer.relayed.port;
    assert_true(lm_addr_equal(&answer.relayed, &public_ip));
    assert_int_equal(stats(&w)->allocations, 1);
    assert_int_equal(stats(&w)->allocations_created, 1);
    assert_int_equal(stats(&w)->requests, 1);
    turn_world_stop(&w);
}

static void the_first_answer_is_these_bytes_but_for_its_nonce(void **state)
{
    /* clang-format off */
    static const uint8_t request[] = {
        0x00, 0x03, 0x00, 0x08, 0x21, 0x12, 0xA4, 0x42,             /* Allocate request, cookie */
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,                      /* transaction id */
        0x00, 0x19, 0x00, 0x04, 0x11, 0x00, 0x00, 0x00,             /* REQUESTED-TRANSPORT: UDP */
    };
    static const uint8_t expected[] = {
        0x01, 0x13, 0x00, 0x3C, 0x21, 0x12, 0xA4, 0x42,             /* Allocate error response */
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        0x00, 0x09, 0x00, 0x13, 0x00, 0x00, 0x04, 0x01,             /* ERROR-CODE 401 */
        'U', 'n', 'a', 'u', 't', 'h', 'e', 'n', 't', 'i', 'c', 'a', 't', 'e', 'd', 0,
        0x00, 0x14, 0x00, 0x0C,                                     /* REALM */
        't', 'u', 'r', 'n', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e',
        0x00, 0x15, 0x00, 0x10,                                     /* NONCE, 16 characters */
    };
    /* clang-format on */
    turn_world w;
    lm_turn_output out;
    lm_addr remote = address("192.0.2.1:1000"), local = address(TURN_WORLD_SERVER);
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    assert_int_equal(turn_world_put(&w, &remote, &local, false, request, sizeof request), 0);
    assert_int_equal(lm_turn_poll(w.turn, &out), 1);
    assert_int_equal(out.kind, LM_TURN_SEND);
    assert_int_equal(out.send.len, sizeof expected + LM_TURN_NONCE_LEN);
    assert_memory_equal(out.send.data, expected, sizeof expected);
    assert_int_equal(lm_turn_poll(w.turn, &out), 0);
    turn_world_stop(&w);
}

static void fingerprint_and_sha256_are_answered_in_kind(void **state)
{
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    c.fingerprint = c.sha256 = true;
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_allocate(&c, buf, NULL), &answer), 401);
    assert_true(answer.fingerprint);
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
    assert_true(answer.fingerprint);
    assert_true(answer.integrity);
    c.sha256 = false;
    assert_int_equal(turn_world_refresh(&w, &c, 600), 0);
    turn_world_stop(&w);
}

static void lifetimes_are_kept_within_their_bounds(void **state)
{
    static const struct {
        uint32_t asked, granted;
    } cases[] = {{1, 600}, {599, 600}, {601, 601}, {3600, 3600}, {3601, 3600}, {UINT32_MAX, 3600}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        turn_world w;
        turn_world_start(&w, LM_TURN_CLOSED, NULL);
        turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
        assert_int_equal(
            turn_world_allocate(&w, &c, &(turn_client_wish){.lifetime = cases[i].asked}, &answer), 0);
        assert_int_equal(answer.lifetime, cases[i].granted);
        turn_world_pass(&w, 1000);
        assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_refresh(&c, buf, cases[i].asked), &answer),
                         0);
        assert_int_equal(answer.lifetime, cases[i].granted);
        turn_world_pass(&w, cases[i].granted * 1000 - 1);
        assert_int_equal(stats(&w)->allocations, 1);
        turn_world_pass(&w, 1);
        assert_int_equal(stats(&w)->allocations, 0);
        int error = turn_world_refresh(&w, &c, 600);
        assert_int_equal(error == 438 ? turn_world_refresh(&w, &c, 600) : error, 437);
        assert_true(lm_turn_next_timeout(w.turn) == LM_MS_NEVER);
        turn_world_stop(&w);
    }
}

static void a_lifetime_of_0_ends_it(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    (void)state;
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &c.relayed), 0);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_refresh(&c, buf, 0), &answer), 0);
    assert_true(answer.has_lifetime);
    assert_int_equal(answer.lifetime, 0);
    assert_true(answer.integrity);
    assert_int_equal(stats(&w)->allocations, 0);
    assert_int_equal(stats(&w)->permissions, 0);
    assert_int_equal(stats(&w)->channels, 0);
    assert_int_equal(turn_world_refresh(&w, &c, 0), 437);
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
    turn_world_stop(&w);
}

static void a_retransmission_gets_the_same_answer_and_another_request_437(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    lm_addr relayed = answer.relayed;
    const uint64_t first = c.transactions;
    (void)state;
    c.repeat = true;
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
    assert_true(lm_addr_equal(&answer.relayed, &relayed));
    assert_int_equal(answer.lifetime, 600);
    assert_int_equal(stats(&w)->allocations, 1);
    assert_int_equal(stats(&w)->allocations_created, 1);
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 437);
    assert_int_equal(stats(&w)->drops.mismatch, 1);

    turn_client other = turn_world_client(&w, "192.0.2.1:1000", "eve"); /* behind the same address */
    memcpy(other.nonce, c.nonce, sizeof c.nonce);
    memcpy(other.realm, c.realm, sizeof c.realm);
    other.transactions = first; /* with the transaction of the first */
    other.repeat = true;
    assert_int_equal(turn_world_allocate(&w, &other, NULL, &answer), 437);
    assert_int_equal(stats(&w)->drops.mismatch, 2);
    turn_world_stop(&w);
}

static void credentials_that_are_not_good_are_401(void **state)
{
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client good = turn_world_client(&w, "192.0.2.1:1000", "ada"), c = good;
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_allocate(&c, buf, NULL), &answer), 401);
    memcpy(good.nonce, c.nonce, sizeof good.nonce);
    memcpy(good.realm, c.realm, sizeof good.realm);

    c = good;
    c.password[0] ^= 1;
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 401);
    assert_false(answer.integrity);
    c = good;
    strcpy(c.realm, "another.example");
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 401);
    c = good;
    strcpy(c.username, "ada"); /* no expiry */
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 401);

    turn_client late;
    turn_client_init(&late, "192.0.2.1:1000", TURN_WORLD_SERVER, TURN_WORLD_SECRET, "ada",
                     TURN_WORLD_UNIX + 10);
    memcpy(late.nonce, good.nonce, sizeof good.nonce);
    memcpy(late.realm, good.realm, sizeof good.realm);
    turn_world_pass(&w, 9999);
    c = late;
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
    turn_world_pass(&w, 1);
    assert_int_equal(turn_world_refresh(&w, &c, 600), 0); /* what is there stays */
    assert_int_equal(turn_world_refresh(&w, &c, 0), 0);
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 401); /* and is not made again */

    turn_client_init(&c, "192.0.2.1:1000", TURN_WORLD_SERVER, "the wrong secret it is", "ada",
                     TURN_WORLD_UNIX + 99);
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 401);
    assert_int_equal(stats(&w)->allocations, 0);
    turn_world_stop(&w);
}

static void a_nonce_that_is_old_or_of_another_address_is_438(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED), old = c;
    (void)state;
    turn_world_pass(&w, 5 * MINUTE);
    assert_int_equal(turn_world_refresh(&w, &c, 3600), 0);
    turn_world_pass(&w, 56 * MINUTE);
    memcpy(c.nonce, old.nonce, sizeof c.nonce);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_refresh(&c, buf, 3600), &answer), 438);
    assert_false(answer.integrity);
    assert_string_not_equal(c.nonce, old.nonce);
    assert_int_equal(turn_world_refresh(&w, &c, 3600), 0); /* with the new one */

    turn_client other = turn_world_client(&w, "192.0.2.1:1001", "ada");
    memcpy(other.nonce, c.nonce, sizeof c.nonce);
    memcpy(other.realm, c.realm, sizeof c.realm);
    assert_int_equal(turn_world_allocate(&w, &other, NULL, &answer), 438);
    assert_int_equal(turn_world_allocate(&w, &other, NULL, &answer), 0);
    turn_world_stop(&w);
}

static void integrity_without_what_belongs_to_it_is_400(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    (void)state;
    for (int missing = 0; missing < 3; missing++) {
        lm_stun_builder b;
        turn_client_begin(&c, &b, buf, sizeof buf, LM_TURN_REFRESH);
        if (missing != 0)
            lm_stun_add(&b, LM_STUN_USERNAME, c.username, strlen(c.username));
        if (missing != 1)
            lm_stun_add(&b, LM_STUN_REALM, c.realm, strlen(c.realm));
        if (missing != 2)
            lm_stun_add(&b, LM_STUN_NONCE, c.nonce, strlen(c.nonce));
        lm_stun_add_integrity_key(&b, c.key, sizeof c.key);
        assert_int_equal(turn_world_ask(&w, &c, buf, (size_t)lm_stun_finish_plain(&b), &answer), 400);
        assert_false(answer.integrity);
    }
    assert_int_equal(stats(&w)->drops.malformed, 3);
    turn_world_stop(&w);
}

static void a_secret_on_its_way_out_is_still_good(void **state)
{
    turn_world w;
    lm_turn_secrets secrets;
    (void)state;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    assert_int_equal(lm_turn_secrets_parse(&secrets, "quite another secret," TURN_WORLD_SECRET), LM_OK);
    assert_int_equal(lm_turn_set_credentials(w.turn, &secrets, TURN_WORLD_REALM, NULL), LM_OK);
    turn_client old = turn_world_client(&w, "192.0.2.2:1000", "bob"), fresh;
    assert_int_equal(turn_world_allocate(&w, &old, NULL, &answer), 0);
    turn_client_init(&fresh, "192.0.2.3:1000", TURN_WORLD_SERVER, "quite another secret", "eve",
                     TURN_WORLD_UNIX + 99);
    assert_int_equal(turn_world_allocate(&w, &fresh, NULL, &answer), 0);

    assert_int_equal(lm_turn_secrets_parse(&secrets, "quite another secret"), LM_OK);
    assert_int_equal(lm_turn_set_credentials(w.turn, &secrets, "other.example", NULL), LM_OK);
    turn_client gone = turn_world_client(&w, "192.0.2.4:1000", "bob");
    assert_int_equal(turn_world_allocate(&w, &gone, NULL, &answer), 401);
    assert_string_equal(gone.realm, "other.example");
    assert_int_equal(turn_world_refresh(&w, &c, 600), 0); /* under the key that it has */
    assert_int_equal(lm_turn_set_credentials(w.turn, &secrets, "", NULL), LM_EINVAL);
    assert_int_equal(lm_turn_set_credentials(w.turn, &secrets, "a\"b", NULL), LM_EINVAL);
    secrets.count = 0;
    assert_int_equal(lm_turn_set_credentials(w.turn, &secrets, "x", NULL), LM_EINVAL);
    turn_world_stop(&w);
}

static void a_new_public_address_is_for_newcomers(void **state)
{
    turn_world w;
    (void)state;
    turn_client old = begin(&w, LM_TURN_CLOSED), c = turn_world_client(&w, "192.0.2.2:1000", "bob");
    lm_addr ip = address("203.0.113.77:5"), none = {0};
    lm_turn_set_public(w.turn, &ip, &none); /* no IPv6 any more: the old one stays */
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
    assert_memory_equal(c.relayed.ip, ip.ip, 4);
    assert_int_equal(turn_world_permit(&w, &c, "203.0.113.77"), 0);
    assert_int_equal(turn_world_refresh(&w, &old, 600), 0);
    turn_world_stop(&w);
}

/* An Allocate request with one attribute more. */
static int allocate_with(turn_world *w, turn_client *c, uint16_t type, const void *value, size_t len)
{
    lm_stun_builder b;
    turn_client_begin(c, &b, buf, sizeof buf, LM_TURN_ALLOCATE);
    lm_stun_add_uint(&b, LM_TURN_REQUESTED_TRANSPORT, 17u << 24, 4);
    lm_stun_add(&b, type, value, len);
    return turn_world_ask(w, c, buf, turn_client_end(c, &b), &answer);
}

static void attributes_that_are_wrong_or_unknown_are_400_and_420(void **state)
{
    static const struct {
        uint16_t type;
        uint8_t len;
    } wrong[] = {{LM_TURN_LIFETIME, 3},         {LM_TURN_LIFETIME, 5},
                 {LM_TURN_EVEN_PORT, 0},        {LM_TURN_EVEN_PORT, 4},
                 {LM_TURN_DONT_FRAGMENT, 4},    {LM_TURN_RESERVATION_TOKEN, 7},
                 {LM_TURN_CHANNEL_NUMBER, 2},   {LM_TURN_REQUESTED_ADDRESS_FAMILY, 1},
                 {LM_TURN_XOR_PEER_ADDRESS, 8}, {LM_TURN_XOR_PEER_ADDRESS, 0}};
    static const uint8_t zeros[8];
    turn_world w;
    lm_stun_builder b;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    turn_world_ask(&w, &c, buf, turn_client_refresh(&c, buf, 0), &answer);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(allocate_with(&w, &c, wrong[i].type, zeros, wrong[i].len), 400);

    turn_client_begin(&c, &b, buf, sizeof buf, LM_TURN_ALLOCATE); /* no REQUESTED-TRANSPORT */
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_end(&c, &b), &answer), 400);
    assert_true(answer.integrity);

    assert_int_equal(allocate_with(&w, &c, 0x7FF0, "abc", 3), 420);
    assert_true(answer.integrity);
    assert_int_equal(answer.unknown[0], 0x7FF0);
    assert_int_equal(answer.unknown[1], 0);
    assert_int_equal(allocate_with(&w, &c, 0x001E, zeros, 8), 420); /* USERHASH is not offered */
    assert_int_equal(stats(&w)->drops.unknown_attribute, 2);
    assert_int_equal(allocate_with(&w, &c, 0x8001, "abc", 3), 0); /* need not be understood */
    turn_world_stop(&w);
}

static void messages_that_are_no_requests_get_no_answer(void **state)
{
    static const uint8_t types[][2] = {{0x00, 0x06}, {0x00, 0x07}, {0x00, 0x17}, {0x01, 0x03}, {0x01, 0x13},
                                       {0x00, 0x13}, {0x00, 0x14}, {0x00, 0x18}, {0x00, 0x19}, {0x01, 0x04}};
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t len = turn_client_refresh(&c, buf, 0);
        memcpy(buf, types[i], 2);
        assert_true(lm_turn_is_turn(buf, len));
        assert_int_equal(turn_world_ask(&w, &c, buf, len, &answer), -1);
    }
    assert_int_equal(stats(&w)->drops.malformed, sizeof types / sizeof types[0]);
    size_t len = turn_client_refresh(&c, buf, 0);
    for (size_t cut = 1; cut < len; cut++)
        assert_int_equal(turn_world_ask(&w, &c, buf, cut, &answer), -1);
    assert_int_equal(stats(&w)->allocations, 1);
    turn_world_stop(&w);
}

static void what_is_turn_is_told_from_what_is_not(void **state)
{
    uint8_t binding[20] = {0x00, 0x01, 0, 0, 0x21, 0x12, 0xA4, 0x42};
    (void)state;
    assert_false(lm_turn_is_turn(binding, 0));
    assert_false(lm_turn_is_turn(binding, sizeof binding));
    binding[1] = 0x03;
    assert_true(lm_turn_is_turn(binding, sizeof binding));
    assert_false(lm_turn_is_turn(binding, 7));
    binding[4] = 0;
    assert_false(lm_turn_is_turn(binding, sizeof binding));
    for (unsigned first = 4; first < 256; first++) {
        binding[0] = (uint8_t)first;
        assert_int_equal(lm_turn_is_turn(binding, sizeof binding), first >= 0x40 && first <= 0x7F);
    }
}

static void transports_and_families_that_are_not_served_are_refused(void **state)
{
    turn_world w;
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    config.public_ip6 = (lm_addr){.port = 0};
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    assert_int_equal(turn_world_allocate(&w, &c, &(turn_client_wish){.transport = 6}, &answer), 442);
    assert_int_equal(turn_world_allocate(&w, &c, &(turn_client_wish){.family = 2}, &answer), 440);
    assert_int_equal(turn_world_allocate(&w, &c, &(turn_client_wish){.family = 3}, &answer), 440);
    assert_int_equal(stats(&w)->drops.unsupported, 3);
    assert_int_equal(turn_world_allocate(&w, &c, &(turn_client_wish){.family = 1}, &answer), 0);
    turn_world_stop(&w);

    config = turn_world_config(&w, LM_TURN_CLOSED);
    config.public_ip = (lm_addr){.port = 0};
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 440);
    assert_int_equal(turn_world_allocate(&w, &c, &(turn_client_wish){.family = 2}, &answer), 0);
    assert_int_equal(answer.relayed.family, LM_AF_INET6);
    turn_world_stop(&w);
}

static void refresh_and_peers_have_to_be_of_the_family(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    lm_addr peer6 = address("[2001:db8::1]:50000");
    lm_stun_builder b;
    (void)state;
    turn_client_begin(&c, &b, buf, sizeof buf, LM_TURN_REFRESH);
    lm_stun_add_uint(&b, LM_TURN_REQUESTED_ADDRESS_FAMILY, 2u << 24, 4);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_end(&c, &b), &answer), 443);
    turn_client_begin(&c, &b, buf, sizeof buf, LM_TURN_REFRESH);
    lm_stun_add_uint(&b, LM_TURN_REQUESTED_ADDRESS_FAMILY, 1u << 24, 4);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_end(&c, &b), &answer), 0);
    assert_int_equal(turn_world_permit(&w, &c, "2001:db8::1"), 443);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &peer6), 443);
    assert_int_equal(stats(&w)->drops.unsupported, 3);
    turn_world_stop(&w);
}

static void ports_come_even_in_pairs_and_by_token(void **state)
{
    turn_world w;
    uint8_t token[LM_TURN_TOKEN_LEN];
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client a = turn_world_client(&w, "192.0.2.1:1000", "ada");
    turn_client b = turn_world_client(&w, "192.0.2.1:1001", "ada");
    turn_client d = turn_world_client(&w, "192.0.2.1:1002", "ada");
    assert_int_equal(turn_world_allocate(&w, &a, &(turn_client_wish){.even = true, .next = true}, &answer),
                     0);
    assert_true(answer.has_token);
    assert_int_equal(answer.relayed.port % 2, 0);
    uint16_t port = answer.relayed.port;
    memcpy(token, answer.token, sizeof token);
    a.repeat = true; /* a retransmission has the same token */
    assert_int_equal(turn_world_allocate(&w, &a, &(turn_client_wish){.even = true, .next = true}, &answer),
                     0);
    assert_memory_equal(answer.token, token, sizeof token);

    assert_int_equal(turn_world_allocate(&w, &b, &(turn_client_wish){.even = true, .token = token}, &answer),
                     400);
    assert_int_equal(turn_world_allocate(&w, &b, &(turn_client_wish){.family = 1, .token = token}, &answer),
                     400);
    assert_int_equal(
        turn_world_allocate(&w, &b, &(turn_client_wish){.token = (const uint8_t *)"whatever"}, &answer), 508);
    assert_int_equal(stats(&w)->drops.capacity, 1);
    assert_int_equal(turn_world_allocate(&w, &b, &(turn_client_wish){.token = token}, &answer), 0);
    assert_int_equal(answer.relayed.port, port + 1);
    assert_false(answer.has_token);
    assert_int_equal(turn_world_allocate(&w, &d, &(turn_client_wish){.token = token}, &answer),
                     508); /* once */
    assert_int_equal(turn_world_allocate(&w, &d, &(turn_client_wish){.even = true}, &answer), 0);
    assert_false(answer.has_token);
    assert_int_equal(answer.relayed.port % 2, 0);
    turn_world_stop(&w);
}

static void a_reservation_lasts_30_seconds(void **state)
{
    turn_world w;
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    config.port_min = 50001; /* 50002 and 50003 are the one pair */
    config.port_max = 50004;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    turn_client a = turn_world_client(&w, "192.0.2.1:1000", "ada");
    turn_client b = turn_world_client(&w, "192.0.2.1:1001", "ada");
    assert_int_equal(turn_world_allocate(&w, &a, &(turn_client_wish){.even = true, .next = true}, &answer),
                     0);
    assert_int_equal(answer.relayed.port, 50002);
    uint8_t token[LM_TURN_TOKEN_LEN];
    memcpy(token, answer.token, sizeof token);
    for (int i = 0; i < 2; i++) { /* 50001 and 50004, never 50003 */
        turn_client c = turn_world_client(&w, i == 0 ? "192.0.2.2:1" : "192.0.2.2:2", "ada");
        assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
        assert_int_not_equal(answer.relayed.port, 50003);
    }
    assert_int_equal(turn_world_allocate(&w, &b, NULL, &answer), 508);
    turn_world_pass(&w, LM_TURN_RESERVATION_LIFETIME);
    assert_int_equal(turn_world_allocate(&w, &b, &(turn_client_wish){.token = token}, &answer), 508);
    assert_int_equal(turn_world_allocate(&w, &b, NULL, &answer), 0);
    assert_int_equal(answer.relayed.port, 50003);
    turn_world_stop(&w);
}

static void quotas_of_user_and_server_are_486_and_508(void **state)
{
    turn_world w;
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    turn_client c[4];
    config.limits.user_allocations = 2;
    config.limits.max_allocations = 3;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    c[0] = turn_world_client(&w, "192.0.2.1:1000", "ada");
    c[1] = turn_world_client(&w, "192.0.2.1:1001", "ada");
    c[2] = turn_world_client(&w, "192.0.2.1:1002", "ada");
    c[3] = turn_world_client(&w, "192.0.2.1:1003", "bob");
    /* The user is what follows the colon: another expiry is no other user. */
    turn_client_init(&c[1], "192.0.2.1:1001", TURN_WORLD_SERVER, TURN_WORLD_SECRET, "ada",
                     TURN_WORLD_UNIX + 5);
    assert_int_equal(turn_world_allocate(&w, &c[0], NULL, &answer), 0);
    assert_int_equal(turn_world_allocate(&w, &c[1], NULL, &answer), 0);
    assert_int_equal(turn_world_allocate(&w, &c[2], NULL, &answer), 486);
    assert_int_equal(stats(&w)->drops.user_quota, 1);
    assert_int_equal(turn_world_allocate(&w, &c[3], NULL, &answer), 0);
    turn_client one_more = turn_world_client(&w, "192.0.2.1:1004", "eve");
    assert_int_equal(turn_world_allocate(&w, &one_more, NULL, &answer), 508);
    assert_int_equal(stats(&w)->drops.capacity, 1);
    assert_int_equal(turn_world_refresh(&w, &c[0], 0), 0);
    assert_int_equal(turn_world_allocate(&w, &c[2], NULL, &answer), 0);

    lm_turn_limits limits = {.max_allocations = 0};
    lm_turn_set_limits(w.turn, &limits);
    assert_int_equal(turn_world_allocate(&w, &one_more, NULL, &answer), 508);
    assert_int_equal(turn_world_refresh(&w, &c[2], 600), 0);
    assert_int_equal(stats(&w)->allocations, 3);
    turn_world_stop(&w);
}

static void while_stopping_nobody_comes_and_nobody_stays_longer(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED), other = turn_world_client(&w, "192.0.2.2:1", "bob");
    lm_turn_limits limits = {.max_allocations = 20, .stopping = true};
    (void)state;
    lm_turn_set_limits(w.turn, &limits);
    assert_int_equal(turn_world_allocate(&w, &other, NULL, &answer), 508);
    turn_world_pass(&w, 2 * MINUTE);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_refresh(&c, buf, 3600), &answer), 0);
    assert_int_equal(answer.lifetime, 480);
    assert_int_equal(turn_world_permit(&w, &c, "198.51.100.1"), 0);
    turn_world_pass(&w, 8 * MINUTE);
    assert_int_equal(stats(&w)->allocations, 0);
    turn_world_stop(&w);
}

static void requests_of_another_user_are_441(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED), eve = turn_world_client(&w, "192.0.2.1:1000", "eve");
    (void)state;
    memcpy(eve.nonce, c.nonce, sizeof c.nonce);
    memcpy(eve.realm, c.realm, sizeof c.realm);
    assert_int_equal(turn_world_refresh(&w, &eve, 0), 441);
    assert_int_equal(turn_world_permit(&w, &eve, "198.51.100.1"), 441);
    assert_int_equal(turn_world_bind(&w, &eve, 0x4000, &c.relayed), 441);
    assert_int_equal(stats(&w)->drops.wrong_credentials, 3);
    assert_int_equal(stats(&w)->allocations, 1);
    turn_world_stop(&w);
}

static void without_an_allocation_all_but_allocate_is_437(void **state)
{
    turn_world w;
    lm_addr peer = address("198.51.100.1:50000");
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    assert_int_equal(turn_world_refresh(&w, &c, 600), 401);
    assert_int_equal(turn_world_refresh(&w, &c, 600), 437);
    assert_int_equal(turn_world_permit(&w, &c, "198.51.100.1"), 437);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &peer), 437);
    assert_int_equal(stats(&w)->drops.mismatch, 3);
    turn_world_stop(&w);
}

static void permissions_are_made_all_or_none(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_OPEN);
    lm_addr peers[] = {address("8.8.8.8:1"), address("8.8.4.4:0"), address("8.8.8.8:2"),
                       address("10.0.0.1:1")};
    (void)state;
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_permit(&c, buf, peers, 4), &answer), 403);
    assert_int_equal(stats(&w)->permissions, 0);
    assert_int_equal(stats(&w)->drops.forbidden, 1);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_permit(&c, buf, peers, 0), &answer), 400);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_permit(&c, buf, peers, 3), &answer), 0);
    assert_int_equal(stats(&w)->permissions, 2);
    assert_int_equal(turn_world_permit(&w, &c, "198.51.100.1"),
                     0); /* its own, although it is for documents */
    assert_int_equal(stats(&w)->permissions, 3);
    assert_int_equal(stats(&w)->allocations, 1);
    turn_world_stop(&w);
}

static void in_closed_mode_only_the_relay_itself_is_a_peer(void **state)
{
    static const char *const others[] = {"8.8.8.8", "127.0.0.1", "192.0.2.1", "198.51.100.2", "0.0.0.0"};
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        lm_addr peer;
        assert_int_equal(lm_addr_parse_ip(&peer, others[i], 50000), LM_OK);
        assert_int_equal(turn_world_permit(&w, &c, others[i]), 403);
        assert_int_equal(turn_world_bind(&w, &c, 0x4000, &peer), 403);
    }
    lm_addr no_port = address("198.51.100.1:0");
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &no_port), 403);
    assert_int_equal(turn_world_permit(&w, &c, "198.51.100.1"), 0);
    assert_int_equal(turn_world_refresh(&w, &c, 600), 0); /* it lives on */
    turn_world_stop(&w);
}

static void channels_are_bound_to_one_peer_and_peers_to_one_channel(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    lm_addr x = address("198.51.100.1:50000"), y = address("198.51.100.1:50001");
    lm_stun_builder b;
    (void)state;
    assert_int_equal(turn_world_bind(&w, &c, 0x3FFF, &x), 400);
    assert_int_equal(turn_world_bind(&w, &c, 0x8000, &x), 400);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &x), 0);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &x), 0); /* refreshed */
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &y), 400);
    assert_int_equal(turn_world_bind(&w, &c, 0x7FFF, &x), 400);
    assert_int_equal(turn_world_bind(&w, &c, 0x7FFF, &y), 0);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &y), 400);
    assert_int_equal(stats(&w)->channels, 2);
    assert_int_equal(stats(&w)->permissions, 1);
    turn_client_begin(&c, &b, buf, sizeof buf, LM_TURN_CHANNEL_BIND);
    lm_stun_add_xor_address(&b, LM_TURN_XOR_PEER_ADDRESS, &x);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_end(&c, &b), &answer), 400);
    turn_client_begin(&c, &b, buf, sizeof buf, LM_TURN_CHANNEL_BIND);
    lm_stun_add_uint(&b, LM_TURN_CHANNEL_NUMBER, 0x40000000, 4);
    assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_end(&c, &b), &answer), 400);
    turn_world_stop(&w);
}

static void permissions_end_after_5_minutes_and_channels_after_10(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    lm_addr x = address("198.51.100.1:50000"), y = address("198.51.100.1:50001");
    (void)state;
    assert_int_equal(turn_world_refresh(&w, &c, 3600), 0);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &x), 0);
    turn_world_pass(&w, 5 * MINUTE - 1);
    assert_int_equal(stats(&w)->permissions, 1);
    turn_world_pass(&w, 1);
    assert_int_equal(stats(&w)->permissions, 0);
    assert_int_equal(stats(&w)->channels, 1);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &x), 0); /* refreshes both */
    assert_int_equal(stats(&w)->permissions, 1);
    turn_world_pass(&w, 9 * MINUTE);
    assert_int_equal(turn_world_permit(&w, &c, "198.51.100.1"), 0); /* not the channel */
    turn_world_pass(&w, MINUTE);
    assert_int_equal(stats(&w)->channels, 0);
    assert_int_equal(stats(&w)->permissions, 1);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &y), 0); /* free again */
    turn_world_pass(&w, 60 * MINUTE);
    assert_int_equal(stats(&w)->channels, 0);
    assert_int_equal(stats(&w)->permissions, 0);
    assert_int_equal(stats(&w)->allocations, 0);
    turn_world_stop(&w);
}

static void permissions_and_channels_are_bounded(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_OPEN);
    (void)state;
    for (unsigned i = 0; i <= LM_TURN_PERMISSIONS_MAX; i++) {
        lm_addr peer;
        lm_addr_set(&peer, (const uint8_t[]){8, 8, 8, (uint8_t)i}, 4, 1);
        assert_int_equal(turn_world_ask(&w, &c, buf, turn_client_permit(&c, buf, &peer, 1), &answer),
                         i < LM_TURN_PERMISSIONS_MAX ? 0 : 508);
    }
    assert_int_equal(turn_world_permit(&w, &c, "8.8.8.0"), 0); /* one that is there */
    for (unsigned i = 0; i <= LM_TURN_CHANNELS_MAX; i++) {
        lm_addr peer;
        lm_addr_set(&peer, (const uint8_t[]){8, 8, 8, 8}, 4, (uint16_t)(1000 + i));
        assert_int_equal(turn_world_bind(&w, &c, (uint16_t)(0x4000 + i), &peer),
                         i < LM_TURN_CHANNELS_MAX ? 0 : 508);
    }
    lm_addr fresh = address("9.9.9.9:1");
    assert_int_equal(turn_world_refresh(&w, &c, 3600), 0);
    turn_world_pass(&w, LM_TURN_PERMISSION_LIFETIME);
    assert_int_equal(turn_world_permit(&w, &c, "9.9.9.9"), 0);
    assert_int_equal(turn_world_bind(&w, &c, 0x7FFF, &fresh), 508);
    assert_int_equal(stats(&w)->drops.capacity, 3);
    assert_int_equal(stats(&w)->channels, LM_TURN_CHANNELS_MAX);
    assert_int_equal(stats(&w)->permissions, 1);
    w.now += LM_TURN_CHANNEL_LIFETIME; /* what is over makes room before its timeout ran */
    assert_int_equal(turn_world_bind(&w, &c, 0x7FFF, &fresh), 0);
    assert_int_equal(stats(&w)->channels, 1);
    turn_world_stop(&w);
}

static void answers_to_strangers_are_at_most_three_times_as_long(void **state)
{
    turn_world w;
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    static const char padding[64];
    char realm[LM_TURN_REALM_MAX + 1];
    unsigned with_reason = 0, without = 0, none = 0;
    (void)state;
    for (size_t realm_len = 1; realm_len <= LM_TURN_REALM_MAX; realm_len += 3) {
        memset(realm, 'r', realm_len);
        realm[realm_len] = '\0';
        config.realm = realm;
        turn_world_start(&w, LM_TURN_CLOSED, &config);
        for (size_t extra = 0; extra < 64; extra += 4) {
            turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
            lm_stun_builder b;
            c.fingerprint = extra & 4;
            turn_client_begin(&c, &b, buf, sizeof buf, LM_TURN_ALLOCATE);
            if (extra >= 4)
                lm_stun_add(&b, 0x8022, padding, extra - 4);
            size_t len = turn_client_end(&c, &b);
            uint64_t before = w.answer_bytes;
            int error = turn_world_ask(&w, &c, buf, len, &answer);
            assert_true(w.answer_bytes - before <= 3 * len);
            assert_true(error == 401 || error == -1);
            with_reason += error == 401 && answer.reason;
            without += error == 401 && !answer.reason;
            none += error == -1;
        }
        assert_int_equal(stats(&w)->drops.amplification + stats(&w)->drops.unauthenticated, 16);
        turn_world_stop(&w);
    }
    assert_true(with_reason > 0 && without > 0 && none > 0);
    assert_int_equal(with_reason + without + none, 11 * 16);
}

/* Browsers send nothing but REQUESTED-TRANSPORT at first, not even a FINGERPRINT. */
static void the_shortest_allocate_is_answered_whatever_the_realm_is(void **state)
{
    turn_world w;
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    char realm[LM_TURN_REALM_MAX + 1] = "";
    (void)state;
    memset(realm, 'r', LM_TURN_REALM_MAX);
    config.realm = realm;
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    size_t len = turn_client_allocate(&c, buf, NULL);
    assert_int_equal(len, 28);
    assert_int_equal(turn_world_ask(&w, &c, buf, len, &answer), 401);
    assert_string_equal(c.realm, realm);
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
    turn_world_stop(&w);
}

static void strangers_are_answered_at_a_rate_and_clients_always(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    unsigned answered = 0;
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        turn_client stranger = turn_world_client(&w, "192.0.2.1:7", "eve");
        answered +=
            turn_world_ask(&w, &stranger, buf, turn_client_allocate(&stranger, buf, NULL), &answer) == 401;
    }
    assert_int_equal(answered, LM_TURN_REQUEST_BURST - 1); /* the client asked once without */
    assert_int_equal(stats(&w)->drops.request_rate, 1000 - answered);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(turn_world_refresh(&w, &c, 600), 0);
    turn_client elsewhere = turn_world_client(&w, "192.0.2.2:7", "eve");
    assert_int_equal(turn_world_allocate(&w, &elsewhere, NULL, &answer), 0);
    turn_world_stop(&w);
}

static void answers_that_nobody_takes_are_bounded(void **state)
{
    turn_world w;
    turn_client c = begin(&w, LM_TURN_CLOSED);
    lm_turn_output out;
    unsigned n = 0;
    (void)state;
    size_t len = turn_client_refresh(&c, buf, 600);
    for (unsigned i = 0; i < 30000; i++)
        assert_int_equal(turn_world_put(&w, &c.address, &c.server, false, buf, len), 0);
    assert_true(stats(&w)->drops.blocked > 0);
    while (lm_turn_poll(w.turn, &out) == 1)
        n += (unsigned)out.send.len + sizeof out;
    assert_in_range(n, LM_TURN_QUEUE_BYTES * 3 / 4,
                    LM_TURN_QUEUE_BYTES); /* with what it costs to hold them */
    assert_int_equal(turn_world_refresh(&w, &c, 600), 0);
    turn_world_stop(&w);
}

static void open_mode_answers_when_the_port_is_open(void **state)
{
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_OPEN, NULL);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    w.hold_ports = true;
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), -1);
    assert_int_equal(w.held.family, LM_AF_INET);
    c.repeat = true;
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), -1); /* patience */
    assert_int_equal(stats(&w)->allocations_created, 0);
    turn_client waiting = c;
    waiting.repeat = false;
    assert_int_equal(turn_world_refresh(&w, &waiting, 600), 437);
    turn_world_open_held(&w, true);
    assert_true(turn_world_drain(&w, &c, &answer));
    assert_true(answer.success && answer.integrity);
    assert_true(lm_addr_equal(&answer.relayed, &w.held));
    assert_int_equal(turn_world_refresh(&w, &c, 0), 0);
    assert_int_equal(w.port_count, 0);
    turn_world_stop(&w);
}

static void open_mode_tries_other_ports_and_then_gives_up(void **state)
{
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_OPEN, NULL);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    w.refuse_ports = true;
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 508);
    assert_true(answer.integrity);
    assert_int_equal(turn_world_allocate(&w, &c, &(turn_client_wish){.even = true, .next = true}, &answer),
                     508);
    assert_int_equal(stats(&w)->allocations, 0);
    assert_int_equal(stats(&w)->drops.capacity, 2);
    w.refuse_ports = false;
    w.hold_ports = true;
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), -1);
    lm_addr first = w.held;
    turn_world_open_held(&w, false);
    assert_false(turn_world_drain(&w, &c, &answer));
    assert_false(lm_addr_equal(&first, &w.held));
    turn_world_open_held(&w, true);
    assert_true(turn_world_drain(&w, &c, &answer));
    assert_true(answer.success);
    lm_turn_port_opened(w.turn, w.now, &w.held, false); /* it broke later */
    assert_false(turn_world_drain(&w, &c, &answer));
    assert_int_equal(stats(&w)->allocations, 0);
    assert_int_equal(w.port_count, 0);
    turn_world_stop(&w);
}

static void a_reserved_port_that_does_not_open_is_508_at_once(void **state)
{
    turn_world w;
    uint8_t token[LM_TURN_TOKEN_LEN];
    (void)state;
    turn_world_start(&w, LM_TURN_OPEN, NULL);
    turn_client a = turn_world_client(&w, "192.0.2.1:1000", "ada"),
                b = turn_world_client(&w, "192.0.2.2:1", "ada");
    assert_int_equal(turn_world_allocate(&w, &a, &(turn_client_wish){.even = true, .next = true}, &answer),
                     0);
    memcpy(token, answer.token, sizeof token);
    lm_addr next = answer.relayed;
    next.port++;
    lm_turn_port_opened(w.turn, w.now, &next, false); /* nobody's yet */
    lm_turn_port_opened(w.turn, w.now, &next, true);
    assert_false(turn_world_drain(&w, NULL, NULL));
    w.hold_ports = true;
    assert_int_equal(turn_world_allocate(&w, &b, &(turn_client_wish){.token = token}, &answer), -1);
    assert_true(lm_addr_equal(&w.held, &next));
    turn_world_open_held(&w, false);
    assert_true(turn_world_drain(&w, &b, &answer));
    assert_int_equal(answer.error, 508);
    assert_int_equal(stats(&w)->allocations, 1);
    turn_world_stop(&w);
}

static void both_ports_of_a_pair_are_free(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        turn_world w;
        lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
        config.port_max = 50003;
        turn_world_start(&w, LM_TURN_CLOSED, &config);
        w.seed = seed;
        turn_client a = turn_world_client(&w, "192.0.2.1:1", "ada"),
                    b = turn_world_client(&w, "192.0.2.2:1", "ada");
        assert_int_equal(turn_world_allocate(&w, &a, NULL, &answer), 0);
        assert_int_equal(
            turn_world_allocate(&w, &b, &(turn_client_wish){.even = true, .next = true}, &answer), 0);
        assert_int_equal(answer.relayed.port, a.relayed.port < 50002 ? 50002 : 50000);
        turn_world_stop(&w);
    }
}

static void a_stream_takes_its_allocation_with_it(void **state)
{
    turn_world w;
    (void)state;
    for (int mode = LM_TURN_CLOSED; mode <= LM_TURN_OPEN; mode++) {
        turn_world_start(&w, (lm_turn_mode)mode, NULL);
        turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada"), udp = c;
        turn_client_set_transport(&c, LM_TLS);
        assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
        assert_int_equal(turn_world_allocate(&w, &udp, NULL, &answer), 0); /* another 5-tuple */
        assert_int_equal(answer.relayed.transport, LM_UDP);
        assert_int_equal(stats(&w)->allocations, 2);
        assert_int_equal(stats(&w)->allocations_stream, 1);
        lm_turn_stream_closed(w.turn, w.now, &c.address, &c.server);
        turn_world_drain(&w, NULL, NULL);
        assert_int_equal(stats(&w)->allocations, 1);
        assert_int_equal(stats(&w)->allocations_stream, 0);
        assert_int_equal(w.port_count, mode == LM_TURN_OPEN);
        lm_turn_stream_closed(w.turn, w.now, &c.address, &c.server);
        turn_world_stop(&w);
    }
}

static void ports_are_drawn_at_random_and_all_of_them_used(void **state)
{
    turn_world w;
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    bool seen[100] = {false};
    unsigned in_order = 0;
    uint16_t last = 0;
    config.limits.max_allocations = 1000;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    for (unsigned i = 0; i <= 100; i++) {
        turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
        c.address.ip[3] = (uint8_t)i;
        assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), i < 100 ? 0 : 508);
        if (i == 100)
            break;
        assert_false(seen[answer.relayed.port - 50000]);
        seen[answer.relayed.port - 50000] = true;
        in_order += answer.relayed.port == last + 1;
        last = answer.relayed.port;
    }
    assert_true(in_order < 20);
    turn_world_stop(&w);
}

static void settings_that_contradict_each_other_are_refused(void **state)
{
    turn_world w;
    lm_turn_config c;
    lm_turn *turn = NULL;
    (void)state;
#define REFUSED(change)                                         \
    do {                                                        \
        c = turn_world_config(&w, LM_TURN_CLOSED);              \
        change;                                                 \
        assert_int_equal(lm_turn_create(&turn, &c), LM_EINVAL); \
    } while (0)
    REFUSED(c.mode = LM_TURN_OFF);
    REFUSED(c.port_min = 1023);
    REFUSED(c.port_min = 50100);
    REFUSED(c.realm = NULL);
    REFUSED(c.realm = "");
    REFUSED(c.realm = "a\nb");
    REFUSED(c.secrets = NULL);
    REFUSED(c.public_ip = c.public_ip6);
    REFUSED(c.public_ip.family = c.public_ip6.family = LM_AF_NONE);
    REFUSED(c.random.fill = NULL);
#undef REFUSED
    assert_null(turn);
    lm_turn_destroy(NULL);
}

static void keep_line(void *ctx, lm_log_level level, const char *text)
{
    char *lines = ctx;
    assert_int_equal(level, LM_LOG_DEBUG);
    strcat(lines, text);
    strcat(lines, "\n");
}

static void the_log_tells_of_allocations_with_as_much_address_as_it_may(void **state)
{
    turn_world w;
    char lines[1000] = "", expected[1000];
    lm_log log = {
        .level = LM_LOG_DEBUG, .addresses = LM_LOG_ADDRESSES_PREFIX, .handler = keep_line, .ctx = lines};
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    config.log = &log;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    turn_client c = turn_world_client(&w, "192.0.2.1:1000", "ada");
    assert_int_equal(turn_world_allocate(&w, &c, NULL, &answer), 0);
    snprintf(expected, sizeof expected,
             "turn: allocation of 192.0.2.0/24, port %u\n"
             "turn: allocation of 192.0.2.0/24, port %u, ended: its lifetime is over\n",
             (unsigned)answer.relayed.port, (unsigned)answer.relayed.port);
    turn_world_pass(&w, LM_TURN_LIFETIME_DEFAULT);
    assert_string_equal(lines, expected);
    turn_world_stop(&w);
}

static void sum(void *ctx, const char *name, uint64_t value)
{
    *(uint64_t *)ctx += value;
    assert_true(strlen(name) > 0);
}

static void every_counter_is_visited(void **state)
{
    lm_turn_stats all;
    uint64_t total = 0, *each = (uint64_t *)&all;
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *each; i++)
        each[i] = i + 1;
    lm_turn_stats_visit(&all, sum, &total);
    size_t n = sizeof all / sizeof *each;
    assert_true(total == n * (n + 1) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_is_made_on_the_second_request),
        cmocka_unit_test(the_first_answer_is_these_bytes_but_for_its_nonce),
        cmocka_unit_test(fingerprint_and_sha256_are_answered_in_kind),
        cmocka_unit_test(lifetimes_are_kept_within_their_bounds),
        cmocka_unit_test(a_lifetime_of_0_ends_it),
        cmocka_unit_test(a_retransmission_gets_the_same_answer_and_another_request_437),
        cmocka_unit_test(credentials_that_are_not_good_are_401),
        cmocka_unit_test(a_nonce_that_is_old_or_of_another_address_is_438),
        cmocka_unit_test(integrity_without_what_belongs_to_it_is_400),
        cmocka_unit_test(a_secret_on_its_way_out_is_still_good),
        cmocka_unit_test(a_new_public_address_is_for_newcomers),
        cmocka_unit_test(attributes_that_are_wrong_or_unknown_are_400_and_420),
        cmocka_unit_test(messages_that_are_no_requests_get_no_answer),
        cmocka_unit_test(what_is_turn_is_told_from_what_is_not),
        cmocka_unit_test(transports_and_families_that_are_not_served_are_refused),
        cmocka_unit_test(refresh_and_peers_have_to_be_of_the_family),
        cmocka_unit_test(ports_come_even_in_pairs_and_by_token),
        cmocka_unit_test(a_reservation_lasts_30_seconds),
        cmocka_unit_test(quotas_of_user_and_server_are_486_and_508),
        cmocka_unit_test(while_stopping_nobody_comes_and_nobody_stays_longer),
        cmocka_unit_test(requests_of_another_user_are_441),
        cmocka_unit_test(without_an_allocation_all_but_allocate_is_437),
        cmocka_unit_test(permissions_are_made_all_or_none),
        cmocka_unit_test(in_closed_mode_only_the_relay_itself_is_a_peer),
        cmocka_unit_test(channels_are_bound_to_one_peer_and_peers_to_one_channel),
        cmocka_unit_test(permissions_end_after_5_minutes_and_channels_after_10),
        cmocka_unit_test(permissions_and_channels_are_bounded),
        cmocka_unit_test(answers_to_strangers_are_at_most_three_times_as_long),
        cmocka_unit_test(the_shortest_allocate_is_answered_whatever_the_realm_is),
        cmocka_unit_test(strangers_are_answered_at_a_rate_and_clients_always),
        cmocka_unit_test(answers_that_nobody_takes_are_bounded),
        cmocka_unit_test(open_mode_answers_when_the_port_is_open),
        cmocka_unit_test(open_mode_tries_other_ports_and_then_gives_up),
        cmocka_unit_test(a_reserved_port_that_does_not_open_is_508_at_once),
        cmocka_unit_test(both_ports_of_a_pair_are_free),
        cmocka_unit_test(a_stream_takes_its_allocation_with_it),
        cmocka_unit_test(ports_are_drawn_at_random_and_all_of_them_used),
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(the_log_tells_of_allocations_with_as_much_address_as_it_may),
        cmocka_unit_test(every_counter_is_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
