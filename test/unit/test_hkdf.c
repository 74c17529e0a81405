#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>
#include <sodium.h>
#include <string.h>

#include "common/error.h"
#include "common/hkdf.h"

static void count_up(uint8_t *out, uint8_t first, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(first + i);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    char text[256];
    assert_string_equal(sodium_bin2hex(text, sizeof text, bytes, len), hex);
}

/* RFC 5869 appendices A.1 to A.3. */
static void gives_the_rfcs_keys(void **state)
{
    uint8_t ikm[80], salt[80], info[80], okm[82];
    (void)state;
    memset(ikm, 0x0b, 22);
    count_up(salt, 0x00, 13);
    count_up(info, 0xf0, 10);
    assert_int_equal(lm_hkdf_sha256(okm, 42, salt, 13, ikm, 22, info, 10), LM_OK);
    assert_hex(okm, 42,
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    assert_int_equal(lm_hkdf_sha256(okm, 42, NULL, 0, ikm, 22, NULL, 0), LM_OK);
    assert_hex(okm, 42,
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");

    count_up(ikm, 0x00, 80);
    count_up(salt, 0x60, 80);
    count_up(info, 0xb0, 80);
    assert_int_equal(lm_hkdf_sha256(okm, 82, salt, 80, ikm, 80, info, 80), LM_OK);
    assert_hex(
        okm, 82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da"
        "3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

static void agrees_with_mbedtls(void **state)
{
    static const char ikm[] = "a secret that is longer than one block of SHA-256, which has sixty-four bytes";
    static uint8_t ours[LM_HKDF_OUT_MAX], theirs[LM_HKDF_OUT_MAX];
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    (void)state;
    for (size_t len = 1; len <= sizeof ours; len += len < 130 ? 1 : 8030) {
        size_t part = len % sizeof ikm;
        memset(ours, 0xA5, sizeof ours);
        assert_int_equal(lm_hkdf_sha256(ours, len, ikm, part, ikm, sizeof ikm - part, ikm + 1, part / 2),
                         LM_OK);
        assert_int_equal(mbedtls_hkdf(sha256, (const uint8_t *)ikm, part, (const uint8_t *)ikm,
                                      sizeof ikm - part, (const uint8_t *)ikm + 1, part / 2, theirs, len),
                         0);
        assert_memory_equal(ours, theirs, len);
        assert_true(len == sizeof ours || ours[len] == 0xA5);
    }
}

static void has_a_longest_output(void **state)
{
    static uint8_t okm[LM_HKDF_OUT_MAX + 1];
    (void)state;
    assert_int_equal(lm_hkdf_sha256(okm, sizeof okm, NULL, 0, "x", 1, NULL, 0), LM_ETOOBIG);
    assert_true(sodium_is_zero(okm, sizeof okm));
    assert_int_equal(lm_hkdf_sha256(okm, LM_HKDF_OUT_MAX, NULL, 0, "x", 1, NULL, 0), LM_OK);
    assert_int_equal(lm_hkdf_sha256(okm, 0, NULL, 0, NULL, 0, NULL, 0), LM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_rfcs_keys),
        cmocka_unit_test(agrees_with_mbedtls),
        cmocka_unit_test(has_a_longest_output),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
