#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/json_writer.h"

static void writes_nested_values(void **state)
{
    static const char expected[] =
        "{\"a\":\"x\",\"b\":[1,true,{},[]],\"c\":{\"d\":18446744073709551615},\"e\":null}";
    char buf[128];
    (void)state;
    lm_json_writer j = lm_json_writer_init(buf, sizeof buf);
    lm_json_open(&j, '{');
    lm_json_key(&j, "a");
    lm_json_string(&j, "x");
    lm_json_key(&j, "b");
    lm_json_open(&j, '[');
    lm_json_uint(&j, 1);
    lm_json_bool(&j, true);
    lm_json_open(&j, '{');
    lm_json_close(&j, '}');
    lm_json_open(&j, '[');
    lm_json_close(&j, ']');
    lm_json_close(&j, ']');
    lm_json_key(&j, "c");
    lm_json_open(&j, '{');
    lm_json_key(&j, "d");
    lm_json_uint(&j, UINT64_MAX);
    lm_json_close(&j, '}');
    lm_json_key(&j, "e");
    lm_json_raw(&j, "null");
    lm_json_close(&j, '}');
    assert_false(j.text.failed);
    assert_int_equal(j.text.len, strlen(expected));
    assert_memory_equal(buf, expected, j.text.len);
}

static void escapes_strings(void **state)
{
    static const char text[] = "a\"b\\c/d\b\f\n\r\t\x01\x1f\x7f\xc3\xa9";
    static const char expected[] = "\"a\\\"b\\\\c/d\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"";
    char buf[128];
    (void)state;
    lm_json_writer j = lm_json_writer_init(buf, sizeof buf);
    lm_json_string(&j, text);
    assert_int_equal(j.text.len, strlen(expected));
    assert_memory_equal(buf, expected, j.text.len);
}

static void says_when_it_does_not_fit(void **state)
{
    char buf[8];
    (void)state;
    lm_json_writer j = lm_json_writer_init(buf, sizeof buf);
    lm_json_open(&j, '[');
    lm_json_string(&j, "abc"); /* 1 + 5 */
    const lm_json_writer mark = j;
    lm_json_string(&j, "d");
    assert_true(j.text.failed);
    j = mark;
    lm_json_uint(&j, 7);
    assert_false(j.text.failed);
    assert_int_equal(j.text.len, 8);
    assert_memory_equal(buf, "[\"abc\",7", 8);
    lm_json_close(&j, ']');
    assert_true(j.text.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_nested_values),
        cmocka_unit_test(escapes_strings),
        cmocka_unit_test(says_when_it_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
