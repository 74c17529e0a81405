#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>

/* uthash's allocations, which a test may make fail. */
static bool out_of_memory;
static void *allocate(size_t size)
{
    return out_of_memory ? NULL : malloc(size);
}
#define uthash_malloc(size) allocate(size)
#include "common/table.h"

typedef struct item {
    uint32_t key;
    UT_hash_handle hh;
} item;

static item *add(item **table, uint32_t key)
{
    item *i = calloc(1, sizeof *i);
    assert_non_null(i);
    i->key = key;
    HASH_ADD(hh, *table, key, sizeof i->key, i);
    return i;
}

static item *find(item *table, uint32_t key)
{
    item *i;
    HASH_FIND(hh, table, &key, sizeof key, i);
    return i;
}

static void clear(item **table)
{
    item *i, *next;
    HASH_ITER(hh, *table, i, next) {
        HASH_DEL(*table, i);
        free(i);
    }
}

static void what_was_added_is_found_in_the_order_of_adding(void **state)
{
    item *table = NULL, *i, *next;
    uint32_t expected = 0;
    (void)state;
    for (uint32_t key = 0; key < 5000; key++)
        assert_non_null(add(&table, key)->hh.tbl);
    for (uint32_t key = 0; key < 5000; key++)
        assert_int_equal(find(table, key)->key, key);
    assert_null(find(table, 5000));
    HASH_ITER(hh, table, i, next) {
        assert_int_equal(i->key, expected);
        expected++;
    }
    clear(&table);
}

/* SipHash spreads keys that differ in little, as those that a stranger chooses would. */
static void keys_spread_over_the_buckets(void **state)
{
    enum { BUCKETS = 256, KEYS = BUCKETS * 64 };
    unsigned counts[BUCKETS] = {0};
    (void)state;
    for (uint32_t key = 0; key < KEYS; key++)
        counts[lm_table_hash(&key, sizeof key) % BUCKETS]++;
    for (int i = 0; i < BUCKETS; i++) /* 64 on average, and 8 standard deviations off either way */
        assert_in_range(counts[i], 1, 128);
}

static void the_hash_depends_on_every_byte_and_on_the_length(void **state)
{
    uint8_t key[64] = {0};
    (void)state;
    unsigned hash = lm_table_hash(key, sizeof key);
    assert_int_equal(lm_table_hash(key, sizeof key), hash); /* the key is drawn once */
    assert_int_not_equal(lm_table_hash(key, sizeof key - 1), hash);
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = 1;
        assert_int_not_equal(lm_table_hash(key, sizeof key), hash); /* but for one run in 60 million */
        key[i] = 0;
    }
}

static void without_memory_an_element_is_not_added_and_its_table_is_null(void **state)
{
    item *table = NULL;
    (void)state;
    out_of_memory = true;
    item *first = add(&table, 1);
    assert_null(first->hh.tbl);
    assert_null(find(table, 1));
    free(first);
    out_of_memory = false;

    table = NULL;
    uint32_t added = 0;
    while (added < 1000) { /* each time that the buckets have to be doubled, without memory first */
        out_of_memory = true;
        item *i = add(&table, added);
        out_of_memory = false;
        if (i->hh.tbl == NULL) {
            free(i);
            assert_null(find(table, added));
            assert_non_null(add(&table, added)->hh.tbl);
        }
        added++;
    }
    for (uint32_t key = 0; key < added; key++)
        assert_int_equal(find(table, key)->key, key);
    assert_int_equal(HASH_COUNT(table), added);
    clear(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found_in_the_order_of_adding),
        cmocka_unit_test(keys_spread_over_the_buckets),
        cmocka_unit_test(the_hash_depends_on_every_byte_and_on_the_length),
        cmocka_unit_test(without_memory_an_element_is_not_added_and_its_table_is_null),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
