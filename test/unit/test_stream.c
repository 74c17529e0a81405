/* Datagrams in streams: both framings, cut anywhere, and what is neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/data.h"
#include "webrtc/stream.h"

#define DATAGRAMS 64

static lm_stream_buffer buffer;

static struct {
    uint8_t bytes[DATAGRAMS][LM_STREAM_TURN_MAX];
    size_t len[DATAGRAMS];
    size_t count;
} got;

/* 20 bytes of a Binding request without attributes (RFC 8489 section 5). */
static const uint8_t binding[20] = {0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42, 't', 'r',
                                    'a',  'n',  's',  'a',  'c',  't',  'i',  'o',  'n', '!'};

/* Reads bytes in pieces of `step`; what is handed out is written over, room included, as relay() may. */
static int read_all(lm_stream *s, const uint8_t *data, size_t len, size_t step)
{
    for (size_t at = 0; at < len; at += step) {
        size_t n = len - at < step ? len - at : step, datagram_len;
        uint8_t *datagram;
        int result;
        memcpy(lm_stream_begin(&buffer, s), data + at, n);
        lm_stream_input(&buffer, n);
        while ((result = lm_stream_next(&buffer, &datagram, &datagram_len)) == 1) {
            assert_true(got.count < DATAGRAMS && datagram_len <= LM_STREAM_TURN_MAX);
            memcpy(got.bytes[got.count], datagram, datagram_len);
            got.len[got.count++] = datagram_len;
            memset(datagram - LM_PACKET_HEADROOM, 0xEE,
                   LM_PACKET_HEADROOM + datagram_len + LM_PACKET_TAILROOM);
        }
        if (result < 0)
            return result;
    }
    return 0;
}

static int reset(void **state)
{
    (void)state;
    memset(&got, 0, sizeof got);
    return 0;
}

static void assert_got(size_t i, const void *data, size_t len)
{
    assert_true(i < got.count);
    assert_int_equal(got.len[i], len);
    assert_memory_equal(got.bytes[i], data, len);
}

static size_t append(uint8_t *stream, size_t at, const void *data, size_t len)
{
    memcpy(stream + at, data, len);
    return at + len;
}

static void turn_messages_follow_each_other(void **state)
{
    static const uint8_t data5[] = {0x40, 0x00, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0}; /* 3 of padding */
    static const uint8_t data4[] = {0x4F, 0xFF, 0, 4, 'f', 'o', 'u', 'r'};
    static const uint8_t empty[] = {0x40, 0x01, 0, 0};
    uint8_t stream[128];
    size_t len = append(stream, 0, binding, sizeof binding);
    (void)state;
    len = append(stream, len, data5, sizeof data5);
    len = append(stream, len, data4, sizeof data4);
    len = append(stream, len, empty, sizeof empty);
    len = append(stream, len, binding, sizeof binding);
    for (size_t step = 1; step <= len; step++) {
        lm_stream s = {0};
        reset(NULL);
        assert_int_equal(read_all(&s, stream, len, step), 0);
        assert_int_equal(s.framing, LM_STREAM_TURN);
        assert_int_equal(got.count, 5);
        assert_got(0, binding, sizeof binding);
        assert_got(1, data5, 9);
        assert_got(2, data4, sizeof data4);
        assert_got(3, empty, sizeof empty);
        assert_got(4, binding, sizeof binding);
        assert_null(s.rest);
        lm_stream_clear(&s);
    }
}

/* What Chromium sends, each with its length before it; null packets between them. */
static void ice_tcp_packets_have_lengths(void **state)
{
    static const char *const files[] = {"chromium156-stun-binding-1.hex", "chromium156-clienthello-1.hex",
                                        "chromium156-clientkeyexchange.hex", "chromium156-appdata-init.hex"};
    static uint8_t stream[8192];
    uint8_t *data[4];
    size_t lens[4], len = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/captures/%s", LM_TEST_DATA, files[i]);
        data[i] = test_read_hex(path, &lens[i]);
        stream[len++] = (uint8_t)(lens[i] >> 8);
        stream[len++] = (uint8_t)lens[i];
        len = append(stream, len, data[i], lens[i]);
        len = append(stream, len, "\0", 2);
    }
    for (size_t step = 1; step <= len; step += step < 40 ? 1 : 97) {
        lm_stream s = {0};
        reset(NULL);
        assert_int_equal(read_all(&s, stream, len, step), 0);
        assert_int_equal(s.framing, LM_STREAM_ICE);
        assert_int_equal(got.count, 4);
        for (size_t i = 0; i < 4; i++)
            assert_got(i, data[i], lens[i]);
        lm_stream_clear(&s);
    }
    for (size_t i = 0; i < 4; i++)
        free(data[i]);
}

static void whatever_else_is_refused(void **state)
{
    static const char *const firsts[] = {"GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH\r\n",
                                         "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        lm_stream s = {0};
        assert_int_equal(read_all(&s, (const uint8_t *)firsts[i], 10, 1), LM_EMALFORMED);
        assert_int_equal(got.count, 0);
        lm_stream_clear(&s);
    }
}

static void a_stream_out_of_step_is_refused(void **state)
{
    static const struct {
        uint8_t next[8];
        int result;
    } cases[] = {
        {{0x00, 0x01, 0, 0, 0, 0, 0, 0}, LM_EMALFORMED},             /* no cookie */
        {{0x00, 0x01, 0, 2, 0x21, 0x12, 0xA4, 0x42}, LM_EMALFORMED}, /* attributes have multiples of 4 */
        {{0x80, 0x00, 0, 4}, LM_EMALFORMED},                         /* reserved channel numbers */
        {{0x16, 0xfe, 0xfd, 0}, LM_EMALFORMED},                      /* DTLS is not TURN's */
        {{0x00, 0x01, 0x0F, 0xF0, 0x21, 0x12, 0xA4, 0x42}, LM_ETOOBIG},
        {{0x40, 0x00, 0x0F, 0xFD}, LM_ETOOBIG}, /* with its padding */
        {{0x00, 0x01, 0x0F, 0xEC, 0x21, 0x12, 0xA4, 0x42}, 0},
        {{0x40, 0x00, 0x0F, 0xFC}, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lm_stream s = {0};
        assert_int_equal(read_all(&s, binding, sizeof binding, 20), 0);
        assert_int_equal(read_all(&s, cases[i].next, 8, 8), cases[i].result);
        lm_stream_clear(&s);
    }
}

static void the_longest_ice_packet(void **state)
{
    static uint8_t stream[3 * LM_STREAM_ICE_MAX] = {0, 20};
    size_t len = append(stream, 2, binding, sizeof binding);
    lm_stream s = {0};
    (void)state;
    memcpy(stream + len, "\x08\x00", 2); /* 2,048 bytes */
    assert_int_equal(read_all(&s, stream, len + LM_STREAM_ICE_MAX, 1000), 0);
    assert_int_equal(got.count, 2);
    assert_got(1, stream + len + 2, 2048);
    assert_int_equal(read_all(&s, (const uint8_t *)"\x08\x01", 2, 1), LM_ETOOBIG);
    lm_stream_clear(&s);
}

/* A stream keeps no more than it has of one datagram. */
static void only_a_beginning_is_kept(void **state)
{
    uint8_t stream[3 * sizeof binding];
    size_t len = append(stream, 0, binding, sizeof binding);
    lm_stream s = {0};
    (void)state;
    len = append(stream, len, binding, sizeof binding);
    assert_int_equal(read_all(&s, stream, len - 7, sizeof stream), 0);
    assert_int_equal(got.count, 1);
    assert_int_equal(s.rest_len, 13);
    assert_int_equal(read_all(&s, stream + len - 7, 7, 7), 0);
    assert_int_equal(got.count, 2);
    assert_int_equal(s.rest_len, 0);
    assert_null(s.rest);
}

static void prefixes(void **state)
{
    uint8_t prefix[LM_STREAM_PREFIX_MAX] = {0};
    lm_stream s = {.framing = LM_STREAM_ICE};
    (void)state;
    assert_int_equal(lm_stream_write_prefix(&s, 0x1234, prefix), 2);
    assert_memory_equal(prefix, "\x12\x34", 2);
    assert_int_equal(lm_stream_write_prefix(&s, 65536, prefix), LM_ETOOBIG);
    s.framing = LM_STREAM_TURN;
    assert_int_equal(lm_stream_write_prefix(&s, 0x1234, prefix), 0);
    s.framing = LM_STREAM_UNKNOWN;
    assert_int_equal(lm_stream_write_prefix(&s, 1, prefix), LM_EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(turn_messages_follow_each_other, reset),
        cmocka_unit_test_setup(ice_tcp_packets_have_lengths, reset),
        cmocka_unit_test_setup(whatever_else_is_refused, reset),
        cmocka_unit_test_setup(a_stream_out_of_step_is_refused, reset),
        cmocka_unit_test_setup(the_longest_ice_packet, reset),
        cmocka_unit_test_setup(only_a_beginning_is_kept, reset),
        cmocka_unit_test_setup(prefixes, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
