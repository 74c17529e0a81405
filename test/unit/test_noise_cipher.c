#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/noise_cipher.h"

#define ROUNDS 300
#define SPARE 64

static const uint8_t key[LM_NOISE_KEY_LEN] = "one key for both of the ciphers";

static lm_noise_cipher make_cipher(uint64_t nonce)
{
    lm_noise_cipher cipher = {.nonce = nonce};
    memcpy(cipher.key, key, sizeof key);
    return cipher;
}

static uint8_t *exact(size_t len)
{
    uint8_t *p = malloc(len > 0 ? len : 1);
    assert_non_null(p);
    return p;
}

/* RFC 8439 section 2.8.2 has a nonce with 7 in its first half, so it is not reachable; this is the AEAD
 * itself. */
static void counts_in_little_endian(void **state)
{
    lm_noise_cipher cipher = make_cipher(0x1122334455667788);
    static const uint8_t nonce[12] = {0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    uint8_t ours[32], theirs[32];
    (void)state;
    assert_int_equal(
        lm_noise_encrypt(&cipher, (const uint8_t *)"ad", 2, (const uint8_t *)"hello", 5, ours, 32), 21);
    crypto_aead_chacha20poly1305_ietf_encrypt(theirs, NULL, (const uint8_t *)"hello", 5,
                                              (const uint8_t *)"ad", 2, NULL, nonce, key);
    assert_memory_equal(ours, theirs, 21);
    assert_true(cipher.nonce == 0x1122334455667789);
}

static void carries_any_size(void **state)
{
    lm_noise_cipher send = make_cipher(0), receive = make_cipher(0);
    (void)state;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        size_t len = i < 70    ? i
                     : i == 70 ? LM_NOISE_PAYLOAD_MAX
                               : randombytes_uniform(LM_NOISE_PAYLOAD_MAX + 1);
        size_t ad_len = i % 20;
        uint8_t *in = exact(len), *message = exact(len + LM_NOISE_TAG_LEN), *out = exact(len);
        randombytes_buf(in, len);
        assert_int_equal(lm_noise_encrypt(&send, key, ad_len, in, len, message, len + LM_NOISE_TAG_LEN),
                         len + LM_NOISE_TAG_LEN);
        assert_int_equal(lm_noise_decrypt(&receive, key, ad_len, message, len + LM_NOISE_TAG_LEN, out, len),
                         len);
        assert_memory_equal(in, out, len);
        assert_true(send.nonce == i + 1 && receive.nonce == i + 1);
        free(in);
        free(message);
        free(out);
    }
}

static void keeps_the_bounds(void **state)
{
    static uint8_t buf[LM_NOISE_MESSAGE_MAX + 1];
    lm_noise_cipher cipher = make_cipher(3), same = cipher;
    (void)state;
    assert_int_equal(lm_noise_encrypt(&cipher, NULL, 0, buf, LM_NOISE_PAYLOAD_MAX + 1, buf, sizeof buf),
                     LM_ETOOBIG);
    assert_int_equal(lm_noise_encrypt(&cipher, NULL, 0, buf, SIZE_MAX, buf, sizeof buf), LM_ETOOBIG);
    assert_int_equal(lm_noise_encrypt(&cipher, NULL, 0, buf, 10, buf, 25), LM_ETOOBIG);
    assert_int_equal(lm_noise_encrypt(&cipher, NULL, 0, NULL, 0, NULL, 0), LM_ETOOBIG);
    for (size_t len = 0; len < LM_NOISE_TAG_LEN; len++)
        assert_int_equal(lm_noise_decrypt(&cipher, NULL, 0, buf, len, buf, sizeof buf), LM_EMALFORMED);
    assert_int_equal(lm_noise_decrypt(&cipher, NULL, 0, buf, sizeof buf, buf, sizeof buf), LM_ETOOBIG);
    assert_int_equal(lm_noise_decrypt(&cipher, NULL, 0, buf, 26, buf, 9), LM_ETOOBIG);
    assert_true(sodium_is_zero(buf, sizeof buf));
    assert_memory_equal(&cipher, &same, sizeof same);
}

/* What is changed, repeated, left out, or under other additional data does not open; the right one still
 * does. */
static void refuses_what_is_not_the_next(void **state)
{
    lm_noise_cipher send = make_cipher(0), receive = make_cipher(0);
    uint8_t first[32], second[32], wrong[32], out[32];
    const size_t len = 7 + LM_NOISE_TAG_LEN;
    (void)state;
    lm_noise_encrypt(&send, (const uint8_t *)"ad", 2, (const uint8_t *)"payload", 7, first, sizeof first);
    lm_noise_encrypt(&send, (const uint8_t *)"ad", 2, (const uint8_t *)"payload", 7, second, sizeof second);
    assert_memory_not_equal(first, second, len);
    for (size_t i = 0; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(wrong, first, len);
            wrong[i] ^= (uint8_t)(1 << bit);
            memset(out, 0xA5, sizeof out);
            assert_int_equal(lm_noise_decrypt(&receive, (const uint8_t *)"ad", 2, wrong, len, out, 7),
                             LM_EAUTH);
            assert_true(sodium_is_zero(out, 7) && out[7] == 0xA5);
        }
    }
    for (size_t part = LM_NOISE_TAG_LEN; part < len; part++)
        assert_int_equal(lm_noise_decrypt(&receive, (const uint8_t *)"ad", 2, first, part, out, 7), LM_EAUTH);
    assert_int_equal(lm_noise_decrypt(&receive, (const uint8_t *)"aD", 2, first, len, out, 7), LM_EAUTH);
    assert_int_equal(lm_noise_decrypt(&receive, NULL, 0, first, len, out, 7), LM_EAUTH);
    assert_int_equal(lm_noise_decrypt(&receive, (const uint8_t *)"ad", 2, second, len, out, 7), LM_EAUTH);
    assert_int_equal(lm_noise_decrypt(&receive, (const uint8_t *)"ad", 2, first, len, out, 7), 7);
    assert_int_equal(lm_noise_decrypt(&receive, (const uint8_t *)"ad", 2, first, len, out, 7), LM_EAUTH);
    assert_int_equal(lm_noise_decrypt(&receive, (const uint8_t *)"ad", 2, second, len, out, 7), 7);
    assert_memory_equal(out, "payload", 7);
}

static void never_wraps_the_nonce(void **state)
{
    lm_noise_cipher send = make_cipher(UINT64_MAX - 1), receive = send;
    uint8_t message[32], again[32], out[32];
    (void)state;
    assert_int_equal(lm_noise_encrypt(&send, NULL, 0, (const uint8_t *)"last", 4, message, sizeof message),
                     20);
    assert_int_equal(lm_noise_decrypt(&receive, NULL, 0, message, 20, out, sizeof out), 4);
    for (int i = 0; i < 2; i++) {
        memset(again, 0, sizeof again);
        assert_int_equal(lm_noise_encrypt(&send, NULL, 0, (const uint8_t *)"more", 4, again, sizeof again),
                         LM_ELIMIT);
        assert_true(sodium_is_zero(again, sizeof again));
        assert_int_equal(lm_noise_decrypt(&receive, NULL, 0, message, 20, out, sizeof out), LM_ELIMIT);
    }
    assert_true(send.nonce == UINT64_MAX && receive.nonce == UINT64_MAX);
}

static void buffers_may_overlap(void **state)
{
    static uint8_t buf[4096 + 2 * SPARE];
    uint8_t payload[2048];
    const size_t len = sizeof payload;
    uint8_t *const message = buf + SPARE;
    lm_noise_cipher send = make_cipher(0), receive = send;
    (void)state;
    randombytes_buf(payload, sizeof payload);
    for (int shift = -SPARE; shift <= SPARE; shift++) {
        memcpy(message + shift, payload, len);
        assert_int_equal(
            lm_noise_encrypt(&send, NULL, 0, message + shift, len, message, len + LM_NOISE_TAG_LEN),
            len + LM_NOISE_TAG_LEN);
        assert_int_equal(
            lm_noise_decrypt(&receive, NULL, 0, message, len + LM_NOISE_TAG_LEN, message - shift, len), len);
        assert_memory_equal(message - shift, payload, len);
    }
}

static void is_wiped(void **state)
{
    lm_noise_cipher cipher = make_cipher(1);
    (void)state;
    lm_noise_cipher_clear(&cipher);
    assert_true(sodium_is_zero((const uint8_t *)&cipher, sizeof cipher));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_in_little_endian),
        cmocka_unit_test(carries_any_size),
        cmocka_unit_test(keeps_the_bounds),
        cmocka_unit_test(refuses_what_is_not_the_next),
        cmocka_unit_test(never_wraps_the_nonce),
        cmocka_unit_test(buffers_may_overlap),
        cmocka_unit_test(is_wiped),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
