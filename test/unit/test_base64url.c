#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"

/* RFC 4648 section 10, without the padding, and the two characters that differ from base64. */
static const struct {
    const char *text;
    const char *data;
    size_t len;
} vectors[] = {
    {"", "", 0},           {"Zg", "f", 1},          {"Zm8", "fo", 2},          {"Zm9v", "foo", 3},
    {"Zm9vYg", "foob", 4}, {"Zm9vYmE", "fooba", 5}, {"Zm9vYmFy", "foobar", 6}, {"-_-_", "\xFB\xFF\xBF", 3},
    {"AAAA", "\0\0\0", 3},
};

static void vectors_go_both_ways(void **state)
{
    char text[32];
    uint8_t data[32];
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        size_t text_len = strlen(vectors[i].text);
        assert_int_equal(LM_BASE64URL_SIZE(vectors[i].len), text_len + 1);
        assert_ptr_equal(lm_base64url_encode(text, LM_BASE64URL_SIZE(vectors[i].len),
                                             (const uint8_t *)vectors[i].data, vectors[i].len),
                         text);
        assert_string_equal(text, vectors[i].text);
        len = 77;
        assert_int_equal(lm_base64url_decode(data, vectors[i].len, &len, vectors[i].text, text_len), LM_OK);
        assert_int_equal(len, vectors[i].len);
        assert_memory_equal(data, vectors[i].data, len);
    }
}

static void what_is_not_base64url_is_malformed(void **state)
{
    static const char *const bad[] = {"Z",    "Zg==",   "Zm8=",      "Zm9v=",   "Zm+v", "Zm/v",
                                      "Zm 9", "Zm9v\n", "Zm9vY",     "Zh",      "Zm9",  "Zm9vYh",
                                      "Z*",   "====",   "Zm9vYmFyA", "\xC3\xA4"};
    uint8_t data[32];
    size_t len = 77;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lm_base64url_decode(data, sizeof data, &len, bad[i], strlen(bad[i])), LM_EMALFORMED);
    assert_int_equal(lm_base64url_decode(data, sizeof data, &len, "Zm\0v", 4), LM_EMALFORMED);
    assert_int_equal(len, 77);
}

static void what_does_not_fit_is_too_big(void **state)
{
    uint8_t data[6] = {0};
    size_t len = 77;
    (void)state;
    for (size_t cap = 0; cap < 6; cap++)
        assert_int_equal(lm_base64url_decode(data, cap, &len, "Zm9vYmFy", 8), LM_ETOOBIG);
    assert_int_equal(lm_base64url_decode(data, 0, &len, "Zg", 2), LM_ETOOBIG);
    assert_int_equal(len, 77);
    assert_int_equal(lm_base64url_decode(data, 6, &len, "Zm9vYmFy", 8), LM_OK);
    assert_int_equal(lm_base64url_decode(data, 0, &len, "", 0), LM_OK);
    assert_int_equal(len, 0);
}

static void every_length_comes_back(void **state)
{
    uint8_t data[100], back[100];
    char text[LM_BASE64URL_SIZE(100)];
    (void)state;
    for (size_t n = 0; n <= sizeof data; n++) {
        size_t len;
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)(i * 37 + n);
        lm_base64url_encode(text, LM_BASE64URL_SIZE(n), data, n);
        assert_int_equal(strlen(text), LM_BASE64URL_SIZE(n) - 1);
        assert_int_equal(lm_base64url_decode(back, n, &len, text, strlen(text)), LM_OK);
        assert_int_equal(len, n);
        assert_memory_equal(back, data, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_go_both_ways),
        cmocka_unit_test(what_is_not_base64url_is_malformed),
        cmocka_unit_test(what_does_not_fit_is_too_big),
        cmocka_unit_test(every_length_comes_back),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
