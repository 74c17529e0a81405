/* Problems are told one by one up to a bound, counted beyond it, and are one line together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/error.h"
#include "common/error_list.h"

typedef struct heard {
    unsigned count;
    char last[LM_ERROR_TEXT_SIZE];
} heard;

static void hear(void *ctx, const char *text)
{
    heard *h = ctx;
    h->count++;
    strcpy(h->last, text);
}

static void an_empty_list_is_no_error(void **state)
{
    lm_error_list list = {0};
    lm_error_text error = {"untouched"};
    (void)state;
    assert_int_equal(lm_error_list_result(&list, &error), LM_OK);
    assert_string_equal(error.text, "untouched");
    assert_int_equal(lm_error_list_add(NULL, LM_EIO, "nobody listens"), LM_EIO);
}

static void the_first_one_stands_for_all(void **state)
{
    lm_error_list list = {0};
    lm_error_text error;
    (void)state;
    assert_int_equal(lm_error_list_add(&list, LM_EIO, "file %d\n", 1), LM_EIO);
    assert_int_equal(lm_error_list_result(&list, &error), LM_EIO);
    assert_string_equal(error.text, "file 1?");
    assert_int_equal(lm_error_list_add(&list, LM_EINVAL, "file 2"), LM_EINVAL);
    assert_int_equal(lm_error_list_add(&list, LM_EINVAL, "file 3"), LM_EINVAL);
    assert_int_equal(lm_error_list_result(&list, &error), LM_EIO);
    assert_string_equal(error.text, "file 1? (and 2 more: --check-config lists them)");
    assert_int_equal(lm_error_list_result(&list, NULL), LM_EIO);
}

static void no_more_than_the_bound_is_told(void **state)
{
    heard h = {0};
    lm_error_list list = {.tell = hear, .ctx = &h};
    char longest[2 * LM_ERROR_TEXT_SIZE];
    lm_error_text error;
    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (unsigned i = 1; i <= LM_ERROR_LIST_MAX + 5; i++)
        lm_error_list_add(&list, LM_EINVAL, "%u %s", i, longest);
    assert_int_equal(h.count, LM_ERROR_LIST_MAX);
    assert_memory_equal(h.last, "32 x", 4);
    assert_int_equal(list.count, LM_ERROR_LIST_MAX + 5);
    lm_error_list_result(&list, &error);
    assert_non_null(strstr(error.text, "x (and 36 more: --check-config lists them)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_is_no_error),
        cmocka_unit_test(the_first_one_stands_for_all),
        cmocka_unit_test(no_more_than_the_bound_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
