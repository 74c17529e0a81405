#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"

#define DEPTH 32

/* Parses an exact copy, so that a sanitizer sees a read past the end. */
static int parse(const char *text, size_t len)
{
    cJSON *json = NULL;
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    int result = lm_json_parse_object(&json, exact, len, DEPTH);
    free(exact);
    assert_true((result == LM_OK) == (json != NULL));
    cJSON_Delete(json);
    return result;
}

static void takes_objects(void **state)
{
    static const char *const good[] = {
        "{}",
        " \t\r\n{ \"a\" : [ 1 , -2.5e3 , true , null ] } \n",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\ude00\"}",
        "{\"braces in a string\":\"]}{[\\\"]\"}",
        "{\"a\":\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"}",
        "{\"a\":\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(parse(good[i], strlen(good[i])), LM_OK);
}

static void refuses_what_is_no_object(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "null",
        "1",
        "\"a\"",
        "[]",
        "[{}]",
        "{",
        "}",
        "{}}",
        "{}{}",
        "{} x",
        "{\"1\":1,",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":[1}",
        "{\"a\":tru}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":\"\\\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12",
        "{\"a\":\"\\uzzzz\"}",
        "{\"a\":\"\\u0000\"}",  /* would cut the C string */
        "{\"a\":\"\\ud800\"}",  /* half a surrogate pair */
        "{\"a\":\"\\udc00x\"}", /* the other half */
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\n\"}", /* control characters must be escaped */
        "{\"a\":\"\x1f\"}",
        "\x01{}",
        "\xef\xbb\xbf{}", /* byte order mark */
        "{\xc2\xa0}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse(bad[i], strlen(bad[i])), LM_EMALFORMED);
    assert_int_equal(parse("{}\0", 3), LM_EMALFORMED);
    assert_int_equal(parse("{\"a\":\"\0\"}", 9), LM_EMALFORMED);
}

/* RFC 3629 section 4, and the examples of section 10. */
static void refuses_bad_utf8(void **state)
{
    static const char *const bad[] = {
        "\x80", /* continuation without a start */
        "\xbf",
        "\xc0\x80", /* overlong NUL */
        "\xc1\xbf", /* overlong */
        "\xc2",     /* cut short */
        "\xc2\x41",
        "\xe0\x9f\xbf", /* overlong */
        "\xe2\x82",
        "\xe2\x82\x41",
        "\xed\xa0\x80", /* surrogate */
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80", /* past U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64] = "{\"a\":\"";
        strcat(text, bad[i]);
        assert_int_equal(parse(text, strlen(text)), LM_EMALFORMED); /* the text ends in the sequence */
        strcat(text, "\"}");
        assert_int_equal(parse(text, strlen(text)), LM_EMALFORMED);
    }
}

static void bounds_nesting(void **state)
{
    char text[256] = "";
    (void)state;
    for (size_t depth = DEPTH; depth <= DEPTH + 1; depth++) {
        strcpy(text, "{\"a\":");
        memset(text + 5, '[', depth - 1);
        memset(text + 5 + depth - 1, ']', depth - 1);
        strcpy(text + 5 + 2 * (depth - 1), "}");
        assert_int_equal(parse(text, strlen(text)), depth <= DEPTH ? LM_OK : LM_EMALFORMED);
    }

    static char deep[65536];
    memset(deep, '[', sizeof deep);
    assert_int_equal(parse(deep, sizeof deep), LM_EMALFORMED);
    for (size_t i = 0; i + 5 <= sizeof deep; i += 5)
        memcpy(deep + i, "{\"a\":", 5);
    assert_int_equal(parse(deep, sizeof deep), LM_EMALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_objects),
        cmocka_unit_test(refuses_what_is_no_object),
        cmocka_unit_test(refuses_bad_utf8),
        cmocka_unit_test(bounds_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
