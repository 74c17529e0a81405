/* Credentials and nonces of the TURN server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/turn_credentials.h"

#define SECRET "0123456789abcdef"

static void secrets_are_read_from_a_list(void **state)
{
    lm_turn_secrets s;
    char longest[LM_TURN_SECRET_MAX + 2];
    (void)state;
    assert_int_equal(lm_turn_secrets_parse(&s, SECRET), LM_OK);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.secret[0], SECRET);
    assert_int_equal(lm_turn_secrets_parse(&s, "the first secret is this,the second secret is that"), LM_OK);
    assert_int_equal(s.count, 2);
    assert_string_equal(s.secret[0], "the first secret is this");
    assert_string_equal(s.secret[1], "the second secret is that");
    memset(longest, 'x', sizeof longest);
    longest[LM_TURN_SECRET_MAX] = '\0';
    assert_int_equal(lm_turn_secrets_parse(&s, longest), LM_OK);
    assert_int_equal(strlen(s.secret[0]), LM_TURN_SECRET_MAX);
    longest[LM_TURN_SECRET_MAX] = 'x';
    longest[LM_TURN_SECRET_MAX + 1] = '\0';

    const char *const wrong[] = {
        "",
        ",",
        "0123456789abcde",
        SECRET ",",
        "," SECRET,
        SECRET ",short",
        SECRET "," SECRET "," SECRET "," SECRET "," SECRET,
        longest,
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        s.count = 77;
        assert_int_equal(lm_turn_secrets_parse(&s, wrong[i]), LM_EINVAL);
        assert_int_equal(s.count, 77);
    }
}

static void a_realm_can_stand_between_quotes(void **state)
{
    char longest[LM_TURN_REALM_MAX + 2];
    (void)state;
    assert_true(lm_turn_realm_is_good("x"));
    assert_true(lm_turn_realm_is_good("turn.example, and more \xc3\xa4"));
    memset(longest, 'x', sizeof longest);
    longest[LM_TURN_REALM_MAX + 1] = '\0';
    assert_false(lm_turn_realm_is_good(longest));
    longest[LM_TURN_REALM_MAX] = '\0';
    assert_true(lm_turn_realm_is_good(longest));
    assert_false(lm_turn_realm_is_good(NULL));
    assert_false(lm_turn_realm_is_good(""));
    assert_false(lm_turn_realm_is_good("a\"b"));
    assert_false(lm_turn_realm_is_good("a\\b"));
    assert_false(lm_turn_realm_is_good("a\nb"));
    assert_false(lm_turn_realm_is_good("a\x7f"));
}

/* Made with: printf 1700086400:ada | openssl dgst -sha1 -hmac 0123456789abcdef -binary | base64 */
static void a_credential_is_the_one_of_the_rest_api(void **state)
{
    char username[LM_TURN_USERNAME_MAX + 1], password[LM_TURN_PASSWORD_LEN + 1], user[200];
    (void)state;
    assert_int_equal(lm_turn_credential(SECRET, "ada", 1700086400, username, password), LM_OK);
    assert_string_equal(username, "1700086400:ada");
    assert_string_equal(password, "v2GmRo0npTX3OLLuUE0n8Oix4Kk=");
    memset(user, 'u', sizeof user);
    user[LM_TURN_USERNAME_MAX - 21] = '\0';
    assert_int_equal(lm_turn_credential(SECRET, user, UINT64_MAX, username, password), LM_OK);
    assert_int_equal(strlen(username), LM_TURN_USERNAME_MAX);
    user[LM_TURN_USERNAME_MAX - 21] = 'u';
    user[LM_TURN_USERNAME_MAX - 20] = '\0';
    assert_int_equal(lm_turn_credential(SECRET, user, UINT64_MAX, username, password), LM_EINVAL);
    assert_int_equal(lm_turn_credential(SECRET, "ada", 0, username, password), LM_EINVAL);
}

/* Made with: printf '1700086400:ada:turn.example:v2GmRo0npTX3OLLuUE0n8Oix4Kk=' | md5sum */
static void the_key_is_the_one_of_rfc_8489(void **state)
{
    static const uint8_t expected[] = {0xdb, 0x95, 0xfc, 0xf9, 0x1e, 0xc1, 0xb3, 0xbe,
                                       0xcd, 0x57, 0x91, 0xb1, 0x37, 0x65, 0x06, 0x57};
    uint8_t key[LM_TURN_KEY_LEN];
    (void)state;
    assert_int_equal(lm_turn_key(SECRET, "turn.example", (const uint8_t *)"1700086400:ada", 14, key), LM_OK);
    assert_memory_equal(key, expected, sizeof key);
}

static void the_expiry_stands_before_the_first_colon(void **state)
{
    static const struct {
        const char *username;
        uint64_t expiry;
        size_t user_at;
    } cases[] = {
        {"1700086400:ada", 1700086400, 11},
        {"1:", 1, 2},
        {"7:a:b", 7, 2},
        {"18446744073709551605:x", 18446744073709551605u, 21},
        {"", 0, 0},
        {":ada", 0, 0},
        {"ada", 0, 0},
        {"1700086400", 0, 0},
        {"17x:ada", 0, 0},
        {"-1:ada", 0, 0},
        {" 1:ada", 0, 0},
        {"0:ada", 0, 2},
        {"99999999999999999999:ada", 0, 0},
        {"100000000000000000000000:ada", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t at = 0, len = strlen(cases[i].username);
        assert_true(lm_turn_username_expiry((const uint8_t *)cases[i].username, len, &at) == cases[i].expiry);
        assert_int_equal(at, cases[i].user_at);
    }
}

static int check(const lm_turn_nonces *n, lm_ms now, const char *address, const char *nonce)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, address), LM_OK);
    return lm_turn_nonce_check(n, now, &addr, (const uint8_t *)nonce, strlen(nonce));
}

static void a_nonce_is_good_for_its_address_and_for_a_while(void **state)
{
    lm_random random = lm_random_system();
    lm_turn_nonces n, other;
    lm_addr addr;
    char nonce[LM_TURN_NONCE_LEN + 1];
    const lm_ms made = 5000;
    (void)state;
    lm_turn_nonces_init(&n, &random);
    lm_turn_nonces_init(&other, &random);
    assert_int_equal(lm_addr_parse(&addr, "192.0.2.1:1000"), LM_OK);
    lm_turn_nonce_make(&n, made, &addr, nonce);
    assert_int_equal(strlen(nonce), LM_TURN_NONCE_LEN);
    assert_int_equal(check(&n, made, "192.0.2.1:1000", nonce), LM_OK);
    assert_int_equal(check(&n, made + LM_TURN_NONCE_LIFETIME, "192.0.2.1:1000", nonce), LM_OK);
    assert_int_equal(check(&n, made + LM_TURN_NONCE_LIFETIME + 1000, "192.0.2.1:1000", nonce), LM_EAGAIN);
    assert_int_equal(check(&n, made, "192.0.2.1:1001", nonce), LM_EAUTH);
    assert_int_equal(check(&n, made, "192.0.2.2:1000", nonce), LM_EAUTH);
    assert_int_equal(check(&other, made, "192.0.2.1:1000", nonce), LM_EAUTH);
    assert_int_equal(check(&n, made, "192.0.2.1:1000", ""), LM_EAUTH);
    assert_int_equal(check(&n, made, "192.0.2.1:1000", "AAAAAAAAAAAAAAAAAAAA"), LM_EAUTH);
    for (size_t i = 0; i < LM_TURN_NONCE_LEN; i++) { /* each character counts */
        char changed[sizeof nonce];
        memcpy(changed, nonce, sizeof nonce);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_int_equal(check(&n, made, "192.0.2.1:1000", changed), LM_EAUTH);
        changed[i] = '\0';
        assert_int_equal(check(&n, made, "192.0.2.1:1000", changed), LM_EAUTH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_read_from_a_list),
        cmocka_unit_test(a_realm_can_stand_between_quotes),
        cmocka_unit_test(a_credential_is_the_one_of_the_rest_api),
        cmocka_unit_test(the_key_is_the_one_of_rfc_8489),
        cmocka_unit_test(the_expiry_stands_before_the_first_colon),
        cmocka_unit_test(a_nonce_is_good_for_its_address_and_for_a_while),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
