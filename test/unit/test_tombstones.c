/* Clients whose session is over: remembered for a while, and not without bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "webrtc/ice_lite.h"
#include "webrtc/tombstones.h"

static void fill_sevens(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 7, len);
}

static const lm_random random_bytes = {.fill = fill_sevens};

static void a_client_is_remembered_for_its_time(void **state)
{
    lm_tombstones t = {0};
    (void)state;
    lm_tombstones_init(&t, &random_bytes);
    assert_false(lm_tombstones_has(&t, 0, (const uint8_t *)"a", 1));
    lm_tombstones_add(&t, 0, (const uint8_t *)"a", 1);
    assert_false(lm_tombstones_has(&t, 0, (const uint8_t *)"b", 1));
    assert_false(lm_tombstones_has(&t, 0, (const uint8_t *)"aa", 2));
    assert_true(lm_tombstones_has(&t, LM_TOMBSTONE_KEPT - 1, (const uint8_t *)"a", 1));
    /* Each check starts its time anew. */
    assert_true(lm_tombstones_has(&t, 2 * LM_TOMBSTONE_KEPT - 2, (const uint8_t *)"a", 1));
    assert_false(lm_tombstones_has(&t, 3 * LM_TOMBSTONE_KEPT - 2, (const uint8_t *)"a", 1));
    assert_int_equal(lm_tombstones_count(&t), 0);
    lm_tombstones_clear(&t);
}

static void adding_twice_counts_once(void **state)
{
    lm_tombstones t = {0};
    (void)state;
    lm_tombstones_init(&t, &random_bytes);
    lm_tombstones_add(&t, 0, (const uint8_t *)"a", 1);
    lm_tombstones_add(&t, 10, (const uint8_t *)"a", 1);
    assert_int_equal(lm_tombstones_count(&t), 1);
    assert_true(lm_tombstones_has(&t, LM_TOMBSTONE_KEPT + 9, (const uint8_t *)"a", 1));
    lm_tombstones_clear(&t);
    assert_int_equal(lm_tombstones_count(&t), 0);
}

static void add_number(lm_tombstones *t, lm_ms now, uint32_t number)
{
    lm_tombstones_add(t, now, (const uint8_t *)&number, sizeof number);
}

static bool has_number(lm_tombstones *t, lm_ms now, uint32_t number)
{
    return lm_tombstones_has(t, now, (const uint8_t *)&number, sizeof number);
}

static void the_oldest_is_forgotten_when_there_are_too_many(void **state)
{
    lm_tombstones t = {0};
    (void)state;
    lm_tombstones_init(&t, &random_bytes);
    for (uint32_t i = 0; i < LM_TOMBSTONES_MAX; i++)
        add_number(&t, 0, i);
    assert_true(has_number(&t, 1, 0)); /* heard from again: the oldest is number 1 now */
    add_number(&t, 1, LM_TOMBSTONES_MAX);
    assert_int_equal(lm_tombstones_count(&t), LM_TOMBSTONES_MAX);
    assert_true(has_number(&t, 1, 0));
    assert_false(has_number(&t, 1, 1));
    assert_true(has_number(&t, 1, 2));
    assert_true(has_number(&t, 1, LM_TOMBSTONES_MAX));
    lm_tombstones_clear(&t);
}

static void the_silent_go_when_one_is_added(void **state)
{
    lm_tombstones t = {0};
    (void)state;
    lm_tombstones_init(&t, &random_bytes);
    for (uint32_t i = 0; i < 100; i++)
        add_number(&t, i, i);
    add_number(&t, LM_TOMBSTONE_KEPT + 49, 100);
    assert_int_equal(lm_tombstones_count(&t), 51);
    lm_tombstones_clear(&t);
}

static void long_keys_are_told_apart_to_their_end(void **state)
{
    lm_tombstones t = {0};
    uint8_t key[LM_ICE_CLIENT_KEY_MAX] = {0};
    (void)state;
    lm_tombstones_init(&t, &random_bytes);
    lm_tombstones_add(&t, 0, key, sizeof key);
    key[sizeof key - 1] = 1;
    assert_false(lm_tombstones_has(&t, 0, key, sizeof key));
    key[sizeof key - 1] = 0;
    assert_true(lm_tombstones_has(&t, 0, key, sizeof key));
    lm_tombstones_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_remembered_for_its_time),
        cmocka_unit_test(adding_twice_counts_once),
        cmocka_unit_test(the_oldest_is_forgotten_when_there_are_too_many),
        cmocka_unit_test(the_silent_go_when_one_is_added),
        cmocka_unit_test(long_keys_are_told_apart_to_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
