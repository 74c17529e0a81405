#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/deadlines.h"
#include "common/error.h"

#define ENTRIES 500

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void pops_in_order_after_random_moves(void **state)
{
    static lm_deadline entries[ENTRIES];
    lm_deadlines d = {0};
    uint32_t seed = 7;
    size_t set = 0;
    (void)state;

    for (int round = 0; round < 5000; round++) {
        lm_deadline *entry = &entries[next_random(&seed) % ENTRIES];
        lm_ms at = next_random(&seed) % 4 == 0 ? LM_MS_NEVER : next_random(&seed) % 10000;
        assert_int_equal(lm_deadlines_set(&d, entry, at), LM_OK);
    }
    for (size_t i = 0; i < ENTRIES; i++)
        set += entries[i].slot != 0;
    assert_int_equal(d.len, set);

    lm_ms last = 0;
    for (lm_deadline *entry; (entry = lm_deadlines_pop(&d, LM_MS_NEVER - 1)) != NULL; set--) {
        assert_true(entry->at >= last);
        assert_int_equal(entry->slot, 0);
        last = entry->at;
    }
    assert_int_equal(set, 0);
    lm_deadlines_clear(&d);
}

static void gives_only_what_is_due(void **state)
{
    lm_deadline a = {0}, b = {0};
    lm_deadlines d = {0};
    (void)state;
    assert_true(lm_deadlines_next(&d) == LM_MS_NEVER);
    lm_deadlines_set(&d, &a, 10);
    lm_deadlines_set(&d, &b, 20);
    assert_int_equal(lm_deadlines_next(&d), 10);
    assert_null(lm_deadlines_pop(&d, 9));
    assert_ptr_equal(lm_deadlines_pop(&d, 10), &a);
    assert_null(lm_deadlines_pop(&d, 19));
    lm_deadlines_remove(&d, &b);
    lm_deadlines_remove(&d, &b);
    assert_true(lm_deadlines_next(&d) == LM_MS_NEVER);
    lm_deadlines_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pops_in_order_after_random_moves),
        cmocka_unit_test(gives_only_what_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
