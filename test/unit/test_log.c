#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/error.h"
#include "common/log.h"

typedef struct heard {
    unsigned lines;
    lm_log_level level;
    char text[LM_LOG_MAX + 1];
} heard;

static void hear(void *ctx, lm_log_level level, const char *text)
{
    heard *h = ctx;
    h->lines++;
    h->level = level;
    assert_in_range(strlen(text), 0, LM_LOG_MAX - 1);
    strcpy(h->text, text);
}

static unsigned evaluated;

static unsigned evaluate(void)
{
    return ++evaluated;
}

static void messages_up_to_the_level_are_heard_and_others_not_even_formatted(void **state)
{
    (void)state;
    for (lm_log_level level = LM_LOG_ERROR; level <= LM_LOG_DEBUG; level++) {
        heard h = {0};
        lm_log log = {.level = level, .handler = hear, .ctx = &h};
        evaluated = 0;
        LM_LOGE(&log, "error %u", evaluate());
        assert_string_equal(h.text, "error 1");
        LM_LOGW(&log, "warn %u", evaluate());
        LM_LOGI(&log, "info %u", evaluate());
        LM_LOGD(&log, "debug %u", evaluate());
        assert_int_equal(h.lines, level + 1);
        assert_int_equal(h.level, level);
        assert_int_equal(evaluated, level + 1);
        for (lm_log_level at = LM_LOG_ERROR; at <= LM_LOG_DEBUG; at++)
            assert_int_equal(lm_log_wants(&log, at), at <= level);
    }
}

static void no_log_and_no_handler_are_silent(void **state)
{
    lm_log log = {.level = LM_LOG_DEBUG};
    (void)state;
    LM_LOGE(NULL, "%s", "nobody");
    LM_LOGE(&log, "%s", "nobody");
    lm_logf(NULL, LM_LOG_ERROR, "%s", "nobody");
    lm_logf(&log, LM_LOG_ERROR, "%s", "nobody");
    assert_false(lm_log_wants(NULL, LM_LOG_ERROR));
    assert_false(lm_log_wants(&log, LM_LOG_ERROR));
}

static void long_messages_are_cut(void **state)
{
    static char text[3 * LM_LOG_MAX];
    heard h = {0};
    lm_log log = {.level = LM_LOG_INFO, .handler = hear, .ctx = &h};
    (void)state;
    memset(text, 'x', sizeof text - 1);
    LM_LOGI(&log, "%s", text);
    assert_int_equal(strlen(h.text), LM_LOG_MAX - 1);
}

static void one_message_an_interval_is_allowed_and_the_rest_counted(void **state)
{
    lm_log_limit limit = {0};
    uint64_t suppressed = 77;
    (void)state;
    assert_true(lm_log_allow(&limit, 0, 1000, &suppressed));
    assert_int_equal(suppressed, 0);
    suppressed = 77;
    for (lm_ms now = 0; now < 1000; now++)
        assert_false(lm_log_allow(&limit, now, 1000, &suppressed));
    assert_int_equal(suppressed, 77); /* written only when it may go out */
    assert_true(lm_log_allow(&limit, 1000, 1000, &suppressed));
    assert_int_equal(suppressed, 1000);
    assert_true(lm_log_allow(&limit, 1000000, 1000, NULL));
    assert_false(lm_log_allow(&limit, 1000999, 1000, NULL));
    assert_true(lm_log_allow(&limit, 1001000, 1000, &suppressed));
    assert_int_equal(suppressed, 1);
}

static void levels_have_names_both_ways(void **state)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    lm_log_level level;
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_string_equal(lm_log_level_name((lm_log_level)i), names[i]);
        assert_int_equal(lm_log_level_parse(&level, names[i]), LM_OK);
        assert_int_equal(level, i);
    }
    level = LM_LOG_INFO;
    assert_int_equal(lm_log_level_parse(&level, ""), LM_EINVAL);
    assert_int_equal(lm_log_level_parse(&level, "Error"), LM_EINVAL);
    assert_int_equal(lm_log_level_parse(&level, "debug "), LM_EINVAL);
    assert_int_equal(level, LM_LOG_INFO);
}

static void addresses_are_blurred(void **state)
{
    static const struct {
        const char *addr, *prefix;
    } cases[] = {{"192.0.2.255:40000", "192.0.2.0/24"},
                 {"255.255.255.255:1", "255.255.255.0/24"},
                 {"[2001:db8:1:2:3:4:5:6]:40000", "2001:db8:1::/48"},
                 {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", "ffff:ffff:ffff::/48"},
                 {"[::1]:1", "::/48"}};
    lm_log log = {.level = LM_LOG_DEBUG};
    char text[LM_ADDR_STRLEN];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lm_addr addr;
        assert_int_equal(lm_addr_parse(&addr, cases[i].addr), LM_OK);
        log.addresses = LM_LOG_ADDRESSES_FULL;
        assert_string_equal(lm_log_address(&log, &addr, text), cases[i].addr);
        assert_string_equal(lm_log_address(NULL, &addr, text), cases[i].addr);
        log.addresses = LM_LOG_ADDRESSES_PREFIX;
        assert_string_equal(lm_log_address(&log, &addr, text), cases[i].prefix);
        log.addresses = LM_LOG_ADDRESSES_NONE;
        assert_string_equal(lm_log_address(&log, &addr, text), "-");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_up_to_the_level_are_heard_and_others_not_even_formatted),
        cmocka_unit_test(no_log_and_no_handler_are_silent),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(one_message_an_interval_is_allowed_and_the_rest_counted),
        cmocka_unit_test(levels_have_names_both_ways),
        cmocka_unit_test(addresses_are_blurred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
