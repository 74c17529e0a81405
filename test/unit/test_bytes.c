#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/bytes.h"

static void integers_are_in_network_order(void **state)
{
    static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09,
                                    0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x12};
    uint8_t written[sizeof bytes];
    lm_reader r = lm_reader_init(bytes, sizeof bytes);
    lm_writer w = lm_writer_init(written, sizeof written);
    (void)state;
    assert_int_equal(lm_read_u8(&r), 0x01);
    assert_int_equal(lm_read_u16(&r), 0x0203);
    assert_int_equal(lm_read_u24(&r), 0x040506);
    assert_int_equal(lm_read_u32(&r), 0x0708090A);
    assert_true(lm_read_u64(&r) == 0x0B0C0D0E0F101112u);
    assert_int_equal(lm_reader_left(&r), 0);
    assert_false(r.failed);

    lm_write_u8(&w, 0x01);
    lm_write_u16(&w, 0x0203);
    lm_write_u24(&w, 0x040506);
    lm_write_u32(&w, 0x0708090A);
    lm_write_u64(&w, 0x0B0C0D0E0F101112u);
    assert_false(w.failed);
    assert_int_equal(w.len, sizeof bytes);
    assert_memory_equal(written, bytes, sizeof bytes);
}

static void a_read_past_the_end_gives_zero_and_leaves_the_position(void **state)
{
    static const uint8_t bytes[] = {0xFF, 0xFE, 0xFD};
    lm_reader r = lm_reader_init(bytes, sizeof bytes);
    (void)state;
    assert_int_equal(lm_read_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(lm_reader_left(&r), 3);
    assert_null(lm_read_bytes(&r, 4));
    assert_null(lm_read_bytes(&r, SIZE_MAX));
    assert_int_equal(lm_read_u24(&r), 0xFFFEFD);
    assert_true(r.failed); /* for good */
    assert_int_equal(lm_read_u8(&r), 0);
}

static void reading_nothing_of_nothing_is_right(void **state)
{
    lm_reader r = lm_reader_init(NULL, 0);
    (void)state;
    assert_int_equal(lm_reader_left(&r), 0);
    lm_read_bytes(&r, 0);
    assert_false(r.failed);
    assert_int_equal(lm_read_u8(&r), 0);
    assert_true(r.failed);
}

static void bytes_read_are_borrowed(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4};
    lm_reader r = lm_reader_init(bytes, sizeof bytes);
    (void)state;
    assert_ptr_equal(lm_read_bytes(&r, 3), bytes);
    assert_ptr_equal(lm_read_bytes(&r, 1), bytes + 3);
    assert_ptr_equal(lm_read_bytes(&r, 0), bytes + 4);
    assert_false(r.failed);
}

static void a_write_past_the_end_is_dropped_whole(void **state)
{
    uint8_t bytes[4] = {9, 9, 9, 9};
    lm_writer w = lm_writer_init(bytes, 3);
    (void)state;
    lm_write_u16(&w, 0x0102);
    assert_false(w.failed);
    lm_write_u16(&w, 0x0304);
    assert_true(w.failed);
    assert_int_equal(w.len, 2);
    assert_null(lm_write_reserve(&w, 2));
    assert_null(lm_write_reserve(&w, SIZE_MAX));
    lm_write_bytes(&w, "ab", 2);
    lm_write_u8(&w, 3); /* what fits is still written; the failure stays */
    assert_true(w.failed);
    assert_int_equal(w.len, 3);
    assert_memory_equal(bytes, "\1\2\3\11", 4);
}

static void writing_nothing_is_right(void **state)
{
    lm_writer w = lm_writer_init(NULL, 0);
    (void)state;
    lm_write_bytes(&w, NULL, 0);
    assert_false(w.failed);
    lm_write_u8(&w, 1);
    assert_true(w.failed);
    assert_int_equal(w.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_in_network_order),
        cmocka_unit_test(a_read_past_the_end_gives_zero_and_leaves_the_position),
        cmocka_unit_test(reading_nothing_of_nothing_is_right),
        cmocka_unit_test(bytes_read_are_borrowed),
        cmocka_unit_test(a_write_past_the_end_is_dropped_whole),
        cmocka_unit_test(writing_nothing_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
