/* Log lines: each stays one line, and in JSON one object, whatever the message holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "relay/log_line.h"

#define TIME 1700000000007u

/* The line without its newline, in static storage. */
static const char *line_of(lm_log_format format, const char *text)
{
    static char line[LM_LOG_LINE_SIZE + 1];
    size_t len = lm_log_line(line, format, TIME, LM_LOG_INFO, text);
    assert_in_range(len, 1, LM_LOG_LINE_SIZE);
    assert_int_equal(line[len - 1], '\n');
    line[len - 1] = '\0';
    assert_int_equal(strlen(line), len - 1);
    assert_null(strchr(line, '\n'));
    return line;
}

static void lines_for_people(void **state)
{
    (void)state;
    assert_string_equal(line_of(LM_LOG_TEXT, "hello \"you\""),
                        "2023-11-14T22:13:20.007Z info  hello \"you\"");
    assert_string_equal(line_of(LM_LOG_TEXT, "a\nb\x1b[0m\x7f"), "2023-11-14T22:13:20.007Z info  a?b?[0m?");
}

static void lines_for_programs(void **state)
{
    (void)state;
#define HEAD "{\"time\":\"2023-11-14T22:13:20.007Z\",\"level\":\"info\",\"msg\":"
    assert_string_equal(line_of(LM_LOG_JSON, "hello"), HEAD "\"hello\"}");
    assert_string_equal(line_of(LM_LOG_JSON, "\"a\\b\"\n\t\x01\x1f"),
                        HEAD "\"\\\"a\\\\b\\\"\\n\\t\\u0001\\u001f\"}");
    assert_string_equal(line_of(LM_LOG_JSON, "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x8d\xb5"),
                        HEAD "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x8d\xb5\"}");
    /* No UTF-8: a byte alone, a character cut short, an overlong one. */
    assert_string_equal(line_of(LM_LOG_JSON, "\xff\xe4x\xe2\x82"),
                        HEAD "\"\xef\xbf\xbd\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd\"}");
    assert_string_equal(line_of(LM_LOG_JSON, "\xc0\x80"), HEAD "\"\xef\xbf\xbd\xef\xbf\xbd\"}");
}

static void every_byte_fits(void **state)
{
    static char text[LM_LOG_MAX + 100];
    (void)state;
    for (int c = 1; c < 256; c++) {
        cJSON *object;
        memset(text, c, sizeof text - 1);
        line_of(LM_LOG_TEXT, text);
        const char *line = line_of(LM_LOG_JSON, text);
        assert_int_equal(lm_json_parse_object(&object, line, strlen(line), 2), LM_OK);
        const char *msg = cJSON_GetStringValue(cJSON_GetObjectItem(object, "msg"));
        assert_int_equal(strlen(msg), c < 0x80 ? LM_LOG_MAX : 3 * LM_LOG_MAX);
        cJSON_Delete(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_for_people),
        cmocka_unit_test(lines_for_programs),
        cmocka_unit_test(every_byte_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
