#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/output_queue.h"

static lm_addr address(const char *text)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, text), LM_OK);
    return addr;
}

static void outputs_come_in_the_order_of_happening(void **state)
{
    lm_output_queue q = {0};
    lm_webrtc_output out;
    lm_addr remote = address("192.0.2.1:1"), local = address("192.0.2.2:2");
    (void)state;
    assert_int_equal(lm_output_queue_take(&q, &out), 0);
    assert_int_equal(lm_output_queue_open(&q, 7), LM_OK);
    assert_int_equal(lm_output_queue_send(&q, &remote, &local, (const uint8_t *)"datagram", 8), LM_OK);
    assert_int_equal(lm_output_queue_message(&q, 8, (const uint8_t *)"message", 7, false), LM_OK);
    assert_int_equal(lm_output_queue_message(&q, 9, NULL, 0, true), LM_OK);
    assert_int_equal(lm_output_queue_closed(&q, 7, LM_CLOSE_SLOW_READER), LM_OK);

    assert_int_equal(lm_output_queue_take(&q, &out), 1);
    assert_int_equal(out.kind, LM_WEBRTC_OPEN);
    assert_int_equal(out.session, 7);
    assert_int_equal(lm_output_queue_take(&q, &out), 1);
    assert_int_equal(out.kind, LM_WEBRTC_SEND);
    assert_int_equal(out.session, LM_SESSION_NONE);
    assert_int_equal(out.send.len, 8);
    assert_memory_equal(out.send.data, "datagram", 8);
    assert_true(lm_addr_equal(&out.send.remote, &remote));
    assert_true(lm_addr_equal(&out.send.local, &local));
    assert_int_equal(lm_output_queue_take(&q, &out), 1);
    assert_int_equal(out.kind, LM_WEBRTC_MESSAGE);
    assert_int_equal(out.session, 8);
    assert_int_equal(out.message.len, 7);
    assert_memory_equal(out.message.data, "message", 7);
    assert_false(out.message.binary);
    assert_int_equal(lm_output_queue_take(&q, &out), 1);
    assert_int_equal(out.session, 9);
    assert_int_equal(out.message.len, 0);
    assert_true(out.message.binary);
    assert_int_equal(lm_output_queue_take(&q, &out), 1);
    assert_int_equal(out.kind, LM_WEBRTC_CLOSED);
    assert_int_equal(out.closed, LM_CLOSE_SLOW_READER);
    assert_int_equal(lm_output_queue_take(&q, &out), 0);
    assert_int_equal(lm_output_queue_open(&q, 10), LM_OK); /* and it can be filled again */
    assert_int_equal(lm_output_queue_take(&q, &out), 1);
    assert_int_equal(out.session, 10);
    lm_output_queue_clear(&q);
}

static void a_taken_output_stays_while_others_are_appended(void **state)
{
    lm_output_queue q = {0};
    lm_webrtc_output out;
    lm_addr addr = address("192.0.2.1:1");
    uint8_t data[1000];
    (void)state;
    memset(data, 'a', sizeof data);
    assert_int_equal(lm_output_queue_send(&q, &addr, &addr, data, sizeof data), LM_OK);
    assert_int_equal(lm_output_queue_take(&q, &out), 1);
    const uint8_t *borrowed = out.send.data;
    assert_ptr_not_equal(borrowed, data); /* copied */
    memset(data, 'b', sizeof data);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lm_output_queue_message(&q, 1, data, sizeof data, false), LM_OK);
    for (size_t i = 0; i < sizeof data; i++)
        assert_int_equal(borrowed[i], 'a');
    lm_output_queue_clear(&q);
}

static void datagrams_are_bounded_by_their_bytes_and_events_are_not(void **state)
{
    static uint8_t data[65536];
    lm_output_queue q = {0};
    lm_webrtc_output out;
    lm_addr addr = address("192.0.2.1:1");
    size_t n = 0;
    (void)state;
    while (lm_output_queue_send(&q, &addr, &addr, data, sizeof data) == LM_OK)
        assert_in_range(++n, 1, LM_OUTPUT_QUEUE_DATAGRAM_BYTES / sizeof data);
    assert_int_equal(n, LM_OUTPUT_QUEUE_DATAGRAM_BYTES / sizeof data);
    assert_int_equal(lm_output_queue_send(&q, &addr, &addr, data, 1), LM_ELIMIT);
    assert_int_equal(lm_output_queue_message(&q, 1, data, sizeof data, false), LM_OK);
    assert_int_equal(lm_output_queue_open(&q, 1), LM_OK);
    assert_int_equal(lm_output_queue_closed(&q, 1, LM_CLOSE_LOCAL), LM_OK);

    assert_int_equal(lm_output_queue_take(&q, &out), 1); /* what is taken makes room */
    assert_int_equal(lm_output_queue_send(&q, &addr, &addr, data, sizeof data), LM_OK);
    assert_int_equal(lm_output_queue_send(&q, &addr, &addr, data, 1), LM_ELIMIT);
    while (lm_output_queue_take(&q, &out))
        ;
    assert_int_equal(q.datagram_bytes, 0);
    lm_output_queue_clear(&q);
}

static void clearing_frees_what_waits_and_what_is_taken(void **state)
{
    lm_output_queue q = {0};
    lm_webrtc_output out;
    (void)state;
    lm_output_queue_clear(&q);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(lm_output_queue_open(&q, i), LM_OK);
    assert_int_equal(lm_output_queue_take(&q, &out), 1);
    lm_output_queue_clear(&q);
    assert_int_equal(lm_output_queue_take(&q, &out), 0);
    assert_int_equal(lm_output_queue_open(&q, 1), LM_OK);
    lm_output_queue_clear(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_come_in_the_order_of_happening),
        cmocka_unit_test(a_taken_output_stays_while_others_are_appended),
        cmocka_unit_test(datagrams_are_bounded_by_their_bytes_and_events_are_not),
        cmocka_unit_test(clearing_frees_what_waits_and_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
