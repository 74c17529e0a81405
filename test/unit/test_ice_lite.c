/* Judging Binding requests and answering them. */
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
#include "webrtc/ice_lite.h"

#define UFRAG "luma"
#define PWD "0123456789abcdef0123456789abcdef"

static const lm_ice_credentials credentials = {.ufrag = UFRAG, .pwd = PWD};
static const uint8_t transaction[LM_STUN_TRANSACTION_LEN] = "transaction";

/* A request; what is NULL or 0 is left out. */
typedef struct check {
    const char *username;
    const char *pwd;
    uint16_t role; /* attribute */
    uint64_t tie_breaker;
    unsigned unknown; /* unknown attributes that must be understood */
} check;

static lm_stun_msg make(const check *c)
{
    static uint8_t buf[2048];
    lm_stun_builder b;
    lm_stun_msg msg;
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    if (c->username != NULL)
        lm_stun_add(&b, LM_STUN_USERNAME, c->username, strlen(c->username));
    if (c->role != 0)
        lm_stun_add_uint(&b, c->role, c->tie_breaker, 8);
    for (unsigned i = 0; i < c->unknown; i++)
        lm_stun_add(&b, (uint16_t)(0x7000 + i), "", 0);
    if (c->pwd != NULL)
        lm_stun_add_integrity(&b, c->pwd);
    int len = lm_stun_finish(&b);
    assert_true(len > 0);
    assert_int_equal(lm_stun_parse(&msg, buf, (size_t)len), LM_OK);
    return msg;
}

static lm_ice_verdict judge(check c)
{
    lm_stun_msg request = make(&c);
    return lm_ice_lite_judge(&credentials, &request);
}

static void right_checks_are_valid(void **state)
{
    (void)state;
    assert_int_equal(judge((check){"luma:abcd", PWD, LM_STUN_ICE_CONTROLLING, 1, 0}), LM_ICE_VALID);
    assert_int_equal(judge((check){"luma:a", PWD, 0, 0, 0}), LM_ICE_VALID);
    assert_int_equal(judge((check){"luma:a:b:", PWD, 0, 0, 0}), LM_ICE_VALID); /* the first colon counts */
    char longest[5 + LM_ICE_UFRAG_MAX + 2] = "luma:";
    memset(longest + 5, 'x', LM_ICE_UFRAG_MAX);
    assert_int_equal(judge((check){longest, PWD, 0, 0, 0}), LM_ICE_VALID);
    longest[5 + LM_ICE_UFRAG_MAX] = 'x';
    assert_int_equal(judge((check){longest, PWD, 0, 0, 0}), LM_ICE_BAD_REQUEST);
}

static void captured_checks_are_valid(void **state)
{
    static const char *const names[] = {"chromium156-stun-binding-1", "firefox153-stun-binding-keepalive"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        size_t len;
        lm_stun_msg msg;
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s.hex", names[i]);
        uint8_t *data = test_read_hex(path, &len);
        assert_int_equal(lm_stun_parse(&msg, data, len), LM_OK);
        assert_int_equal(lm_ice_lite_judge(&credentials, &msg), LM_ICE_VALID);
        free(data);
    }
}

static void every_other_verdict_has_its_cause(void **state)
{
    (void)state;
    assert_int_equal(judge((check){NULL, NULL, 0, 0, 0}), LM_ICE_STUN);
    assert_int_equal(judge((check){NULL, PWD, 0, 0, 0}), LM_ICE_STUN);
    assert_int_equal(judge((check){NULL, NULL, 0, 0, 1}), LM_ICE_UNKNOWN);
    assert_int_equal(judge((check){"luma:abcd", NULL, 0, 0, 0}), LM_ICE_BAD_REQUEST);
    assert_int_equal(judge((check){"luma", PWD, 0, 0, 0}), LM_ICE_BAD_REQUEST);
    assert_int_equal(judge((check){"", PWD, 0, 0, 0}), LM_ICE_BAD_REQUEST);
    assert_int_equal(judge((check){"luma:", PWD, 0, 0, 0}), LM_ICE_BAD_REQUEST);
    assert_int_equal(judge((check){"Luma:abcd", PWD, 0, 0, 0}), LM_ICE_WRONG_UFRAG);
    assert_int_equal(judge((check){"lum:abcd", PWD, 0, 0, 0}), LM_ICE_WRONG_UFRAG);
    assert_int_equal(judge((check){"lumaa:abcd", PWD, 0, 0, 0}), LM_ICE_WRONG_UFRAG);
    assert_int_equal(judge((check){":abcd", PWD, 0, 0, 0}), LM_ICE_WRONG_UFRAG);
    assert_int_equal(judge((check){"luma:abcd", "0123456789abcdef0123456789abcdee", 0, 0, 0}),
                     LM_ICE_WRONG_MAC);
    assert_int_equal(judge((check){"luma:abcd", PWD, 0, 0, 3}), LM_ICE_UNKNOWN);
    assert_int_equal(judge((check){"luma:abcd", "wrong", 0, 0, 3}),
                     LM_ICE_WRONG_MAC); /* says nothing to strangers */
    assert_int_equal(judge((check){"luma:abcd", PWD, LM_STUN_ICE_CONTROLLED, 1, 0}), LM_ICE_CONFLICT);
    assert_int_equal(judge((check){"luma:abcd", "wrong", LM_STUN_ICE_CONTROLLED, 1, 0}), LM_ICE_WRONG_MAC);
}

/* The answer to a request with this verdict, parsed again. */
static lm_stun_msg answer(lm_ice_verdict verdict, check c, const char *remote, lm_addr *addr)
{
    static uint8_t buf[LM_STUN_ANSWER_MAX];
    lm_stun_msg request = make(&c), msg;
    assert_int_equal(lm_addr_parse(addr, remote), LM_OK);
    int len = lm_ice_lite_answer(&credentials, verdict, &request, addr, buf);
    assert_in_range(len, 28, LM_STUN_ANSWER_MAX);
    assert_int_equal(lm_stun_parse(&msg, buf, (size_t)len), LM_OK);
    assert_memory_equal(buf + len - 8, "\x80\x28\0\4", 4); /* always with a FINGERPRINT */
    assert_int_equal(msg.method, LM_STUN_BINDING);
    assert_memory_equal(msg.transaction, transaction, sizeof transaction);
    return msg;
}

static void success_says_the_address(void **state)
{
    static const char *const remotes[] = {"198.51.100.7:40000", "[2001:db8::7]:40000"};
    lm_addr remote, mapped;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        lm_stun_msg msg = answer(LM_ICE_VALID, (check){"luma:abcd", PWD, 0, 0, 0}, remotes[i], &remote);
        assert_int_equal(msg.class, LM_STUN_SUCCESS);
        assert_int_equal(lm_stun_mapped_address(&msg, &mapped), LM_OK);
        assert_true(lm_addr_equal(&mapped, &remote));
        assert_int_equal(lm_stun_check_integrity(&msg, PWD), LM_OK);

        msg = answer(LM_ICE_STUN, (check){0}, remotes[i], &remote);
        assert_int_equal(msg.class, LM_STUN_SUCCESS);
        assert_int_equal(lm_stun_mapped_address(&msg, &mapped), LM_OK);
        assert_true(lm_addr_equal(&mapped, &remote));
        assert_null(msg.integrity); /* nobody there to check it */
    }
}

static void errors_have_their_number_and_integrity_only_for_who_has_it(void **state)
{
    static const struct {
        lm_ice_verdict verdict;
        unsigned number;
        bool integrity;
    } errors[] = {
        {LM_ICE_BAD_REQUEST, 400, false}, {LM_ICE_WRONG_UFRAG, 401, false}, {LM_ICE_WRONG_MAC, 401, false},
        {LM_ICE_UNKNOWN, 420, true},      {LM_ICE_FULL, 486, true},         {LM_ICE_CONFLICT, 487, true},
        {LM_ICE_GONE, 403, true},
    };
    lm_addr remote;
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        lm_stun_msg msg =
            answer(errors[i].verdict, (check){"luma:abcd", PWD, 0, 0, 2}, "198.51.100.7:1", &remote);
        assert_int_equal(msg.class, LM_STUN_ERROR);
        assert_int_equal(lm_stun_error_number(&msg), errors[i].number);
        assert_int_equal(lm_stun_check_integrity(&msg, PWD), errors[i].integrity ? LM_OK : LM_EAUTH);
        assert_int_equal(msg.integrity != NULL, errors[i].integrity);
        assert_null(msg.mapped);
    }
    lm_stun_msg msg = answer(LM_ICE_UNKNOWN, (check){NULL, NULL, 0, 0, 1}, "198.51.100.7:1", &remote);
    assert_int_equal(lm_stun_error_number(&msg), 420);
    assert_null(msg.integrity); /* a request without a user name has none either */
}

static void error_420_names_the_attributes(void **state)
{
    uint8_t buf[LM_STUN_ANSWER_MAX];
    lm_addr remote = {0};
    (void)state;
    for (unsigned n = 1; n <= LM_STUN_UNKNOWN_MAX + 2; n++) {
        check c = {"luma:abcd", PWD, 0, 0, n};
        lm_stun_msg request = make(&c);
        unsigned named = n < LM_STUN_UNKNOWN_MAX ? n : LM_STUN_UNKNOWN_MAX;
        int len = lm_ice_lite_answer(&credentials, LM_ICE_UNKNOWN, &request, &remote, buf);
        size_t at =
            20 + 4 + 4 + 20; /* behind the header and ERROR-CODE with "Unknown Attribute" and its padding */
        assert_int_equal(len, at + 4 + (2 * named + 3) / 4 * 4 + 24 + 8);
        assert_int_equal(buf[at] << 8 | buf[at + 1], LM_STUN_UNKNOWN_ATTRIBUTES);
        assert_int_equal(buf[at + 2] << 8 | buf[at + 3], 2 * named);
        for (unsigned i = 0; i < named; i++)
            assert_int_equal(buf[at + 4 + 2 * i] << 8 | buf[at + 5 + 2 * i], 0x7000 + i);
    }
}

static size_t client_key(check c, uint8_t key[LM_ICE_CLIENT_KEY_MAX])
{
    lm_stun_msg request = make(&c);
    return lm_ice_lite_client_key(&request, key);
}

static void the_key_is_tie_breaker_and_client_ufrag(void **state)
{
    uint8_t key[LM_ICE_CLIENT_KEY_MAX];
    (void)state;
    assert_int_equal(
        client_key((check){"luma:abcd", PWD, LM_STUN_ICE_CONTROLLING, 0x0102030405060708u, 0}, key), 12);
    assert_memory_equal(key, "\1\2\3\4\5\6\7\10abcd", 12);
    assert_int_equal(client_key((check){"luma:a:b", PWD, LM_STUN_ICE_CONTROLLING, 1, 0}, key), 11);
    assert_memory_equal(key, "\0\0\0\0\0\0\0\1a:b", 11);
    assert_int_equal(client_key((check){"luma:abcd", PWD, 0, 0, 0}, key), 12); /* no role told */
    assert_memory_equal(key, "\0\0\0\0\0\0\0\0abcd", 12);
    char longest[5 + LM_ICE_UFRAG_MAX + 1] = "luma:";
    memset(longest + 5, 'x', LM_ICE_UFRAG_MAX);
    assert_int_equal(client_key((check){longest, PWD, 0, 0, 0}, key), LM_ICE_CLIENT_KEY_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_checks_are_valid),
        cmocka_unit_test(captured_checks_are_valid),
        cmocka_unit_test(every_other_verdict_has_its_cause),
        cmocka_unit_test(success_says_the_address),
        cmocka_unit_test(errors_have_their_number_and_integrity_only_for_who_has_it),
        cmocka_unit_test(error_420_names_the_attributes),
        cmocka_unit_test(the_key_is_tie_breaker_and_client_ufrag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
