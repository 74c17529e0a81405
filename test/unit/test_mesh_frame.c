/* Frames in a byte stream, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/frame.h"

static void frames_come_byte_by_byte(void **state)
{
    static const uint8_t wire[] = {0, 0, 0, 2, '{', '}', 0, 0, 0, 1, 'x'};
    lm_byte_queue out = {0}, in = {0};
    const uint8_t *frame;
    size_t len, frames = 0;
    (void)state;
    assert_int_equal(lm_frame_append(&out, "{}", 2), LM_OK);
    assert_int_equal(lm_frame_append(&out, "x", 1), LM_OK);
    assert_int_equal(out.len, sizeof wire);
    assert_memory_equal(lm_byte_queue_head(&out), wire, sizeof wire);
    for (size_t i = 0; i < sizeof wire; i++) {
        bool whole = i == 5 || i == 10;
        assert_int_equal(lm_byte_queue_append(&in, wire + i, 1), LM_OK);
        assert_int_equal(lm_frame_next(&in, &frame, &len), whole);
        if (!whole)
            continue;
        assert_int_equal(len, frames == 0 ? 2 : 1);
        lm_byte_queue_consume(&in, LM_FRAME_HEAD + len);
        frames++;
    }
    assert_int_equal(frames, 2);
    assert_int_equal(in.len, 0);
    lm_byte_queue_clear(&in);
    lm_byte_queue_clear(&out);
}

static void lengths_have_bounds(void **state)
{
    static const uint8_t zero[] = {0, 0, 0, 0}, most[] = {0, 4, 0, 0}, over[] = {0, 4, 0, 1};
    lm_byte_queue q = {0};
    const uint8_t *frame;
    size_t len;
    uint8_t *large = calloc(1, LM_FRAME_MAX + 1);
    (void)state;
    assert_int_equal(lm_byte_queue_append(&q, zero, 4), LM_OK);
    assert_int_equal(lm_frame_next(&q, &frame, &len), LM_ETOOBIG);
    lm_byte_queue_clear(&q);
    assert_int_equal(lm_byte_queue_append(&q, over, 4), LM_OK);
    assert_int_equal(lm_frame_next(&q, &frame, &len), LM_ETOOBIG);
    lm_byte_queue_clear(&q);
    assert_int_equal(lm_byte_queue_append(&q, most, 4), LM_OK);
    assert_int_equal(lm_frame_next(&q, &frame, &len), 0);
    lm_byte_queue_clear(&q);
    assert_int_equal(lm_frame_append(&q, large, 0), LM_ETOOBIG);
    assert_int_equal(lm_frame_append(&q, large, LM_FRAME_MAX + 1), LM_ETOOBIG);
    assert_int_equal(lm_frame_append(&q, large, LM_FRAME_MAX), LM_OK);
    assert_int_equal(lm_frame_next(&q, &frame, &len), 1);
    assert_int_equal(len, LM_FRAME_MAX);
    lm_byte_queue_consume(&q, q.len);
    assert_null(q.data); /* an empty queue keeps no large buffer */
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_byte_by_byte),
        cmocka_unit_test(lengths_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
