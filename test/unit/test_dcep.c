/* DCEP messages: those that browsers sent, and our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/data.h"
#include "webrtc/dcep.h"

#define COMMON_HEADER_LEN 12 /* of SCTP */
#define DATA_HEADER_LEN 16   /* type, flags, length; TSN; stream, sequence number; PPID */

/* DATA_CHANNEL_OPEN as both browsers sent it. */
static const uint8_t open_signal[] = {
    0x03,                   /* message type: DATA_CHANNEL_OPEN */
    0x00,                   /* channel type: reliable, ordered */
    0x00, 0x00,             /* priority; set below */
    0x00, 0x00, 0x00, 0x00, /* reliability parameter */
    0x00, 0x06,             /* label length */
    0x00, 0x00,             /* protocol length */
    's',  'i',  'g',  'n',  'a', 'l',
};

static void captured_opens_are_read(void **state)
{
    static const char *const browsers[] = {"chromium156", "firefox153"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        size_t len;
        lm_dcep_msg msg;
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s-sctp-dcep-open.hex", browsers[i]);
        uint8_t *packet = test_read_hex(path, &len);
        const uint8_t *chunk = packet + COMMON_HEADER_LEN;
        assert_int_equal(chunk[0], 0); /* DATA */
        assert_int_equal(chunk[15], LM_PPID_DCEP);
        size_t dcep_len = (size_t)(chunk[2] << 8 | chunk[3]) - DATA_HEADER_LEN; /* without the padding */
        const uint8_t *dcep = chunk + DATA_HEADER_LEN;
        assert_int_equal(dcep_len, sizeof open_signal);
        assert_int_equal(lm_dcep_parse(&msg, dcep, dcep_len), LM_OK);
        assert_int_equal(msg.type, LM_DCEP_OPEN);
        assert_int_equal(msg.channel_type, LM_DCEP_RELIABLE);
        assert_int_equal(msg.priority, dcep[2] << 8 | dcep[3]);
        assert_int_equal(msg.reliability, 0);
        assert_int_equal(msg.label_len, 6);
        assert_memory_equal(msg.label, "signal", 6);
        assert_int_equal(msg.protocol_len, 0);
        for (size_t cut = 0; cut < dcep_len; cut++)
            assert_int_equal(lm_dcep_parse(&msg, dcep, cut), LM_EMALFORMED);
        assert_int_equal(lm_dcep_parse(&msg, dcep, dcep_len + 2), LM_EMALFORMED); /* with the padding */
        free(packet);
    }
}

static void every_field_of_an_open_is_read(void **state)
{
    static const uint8_t bytes[] = {
        0x03,                   /* DATA_CHANNEL_OPEN */
        0x82,                   /* partially reliable by time, unordered */
        0x01, 0x02,             /* priority */
        0x03, 0x04, 0x05, 0x06, /* reliability parameter */
        0x00, 0x03,             /* label length */
        0x00, 0x02,             /* protocol length */
        'a',  'b',  'c',  'x',  'y',
    };
    lm_dcep_msg msg;
    (void)state;
    assert_int_equal(lm_dcep_parse(&msg, bytes, sizeof bytes), LM_OK);
    assert_int_equal(msg.channel_type, 0x82);
    assert_int_equal(msg.priority, 0x0102);
    assert_int_equal(msg.reliability, 0x03040506);
    assert_int_equal(msg.label_len, 3);
    assert_ptr_equal(msg.label, bytes + 12); /* borrowed */
    assert_int_equal(msg.protocol_len, 2);
    assert_ptr_equal(msg.protocol, bytes + 15);
}

static void lengths_that_do_not_add_up_are_malformed(void **state)
{
    lm_dcep_msg msg = {.label_len = 77};
    (void)state;
    for (unsigned label = 0; label < 10; label++) {
        for (unsigned protocol = 0; protocol < 10; protocol++) {
            uint8_t bytes[sizeof open_signal];
            memcpy(bytes, open_signal, sizeof bytes);
            bytes[9] = (uint8_t)label;
            bytes[11] = (uint8_t)protocol;
            bool right = label + protocol == 6;
            assert_int_equal(lm_dcep_parse(&msg, bytes, sizeof bytes), right ? LM_OK : LM_EMALFORMED);
            bytes[8] = 0xFF;
            assert_int_equal(lm_dcep_parse(&msg, bytes, sizeof bytes), LM_EMALFORMED);
        }
    }
    msg.label_len = 77;
    assert_int_equal(lm_dcep_parse(&msg, open_signal, sizeof open_signal - 1), LM_EMALFORMED);
    assert_int_equal(msg.label_len, 77); /* written only on success */
}

static void an_ack_is_one_byte(void **state)
{
    static const uint8_t ack[] = {0x02, 0x00};
    lm_dcep_msg msg;
    (void)state;
    assert_int_equal(lm_dcep_parse(&msg, ack, 0), LM_EMALFORMED);
    assert_int_equal(lm_dcep_parse(&msg, ack, 1), LM_OK);
    assert_int_equal(msg.type, LM_DCEP_ACK);
    assert_null(msg.label);
    assert_int_equal(lm_dcep_parse(&msg, ack, 2), LM_EMALFORMED);
}

static void other_types_are_malformed(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t bytes[sizeof open_signal];
        lm_dcep_msg msg;
        memcpy(bytes, open_signal, sizeof bytes);
        bytes[0] = (uint8_t)type;
        assert_int_equal(lm_dcep_parse(&msg, bytes, sizeof bytes), type == 3 ? LM_OK : LM_EMALFORMED);
        assert_int_equal(lm_dcep_parse(&msg, bytes, 1), type == 2 ? LM_OK : LM_EMALFORMED);
    }
}

static void what_is_written_is_read_again(void **state)
{
    uint8_t buf[64];
    lm_dcep_msg msg;
    (void)state;
    assert_int_equal(lm_dcep_write_open(buf, sizeof buf, "signal"), sizeof open_signal);
    assert_memory_equal(buf, open_signal, sizeof open_signal);
    assert_int_equal(lm_dcep_write_open(buf, sizeof buf, ""), 12);
    assert_int_equal(lm_dcep_parse(&msg, buf, 12), LM_OK);
    assert_int_equal(msg.label_len, 0);
    for (size_t cap = 0; cap < sizeof open_signal; cap++)
        assert_int_equal(lm_dcep_write_open(buf, cap, "signal"), LM_ETOOBIG);
}

static void a_label_of_65536_bytes_does_not_fit_its_length(void **state)
{
    static char label[65537];
    static uint8_t buf[70000];
    lm_dcep_msg msg;
    (void)state;
    memset(label, 'l', 65536);
    assert_int_equal(lm_dcep_write_open(buf, sizeof buf, label), LM_ETOOBIG);
    label[65535] = 0;
    assert_int_equal(lm_dcep_write_open(buf, sizeof buf, label), 12 + 65535);
    assert_int_equal(lm_dcep_parse(&msg, buf, 12 + 65535), LM_OK);
    assert_int_equal(msg.label_len, 65535);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_opens_are_read),
        cmocka_unit_test(every_field_of_an_open_is_read),
        cmocka_unit_test(lengths_that_do_not_add_up_are_malformed),
        cmocka_unit_test(an_ack_is_one_byte),
        cmocka_unit_test(other_types_are_malformed),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_label_of_65536_bytes_does_not_fit_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
