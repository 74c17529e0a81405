/* STUN messages: RFC 5769's test vectors, captured checks of browsers, and our own builder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/data.h"
#include "webrtc/stun.h"

#define PWD "0123456789abcdef0123456789abcdef" /* of the captures */
#define RFC5769_PWD "VOkJxbRl1RmTxUk/WvJxBt"

/* clang-format off */
#define HEADER(type, length) \
    0x00 | (type) >> 8, (type)&0xFF, 0x00, (length), /* message type, length of the attributes */ \
        0x21, 0x12, 0xA4, 0x42,                      /* magic cookie */ \
        0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34, 0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE /* transaction id */

static const uint8_t transaction[LM_STUN_TRANSACTION_LEN] = {0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34,
                                                             0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE};

/* RFC 5769 section 2.1, sample request */
static const uint8_t sample_request[] = {
    HEADER(0x0001, 0x58),                                                    /* Binding request */
    0x80, 0x22, 0x00, 0x10,                                                  /* SOFTWARE, 16 bytes */
    'S', 'T', 'U', 'N', ' ', 't', 'e', 's', 't', ' ', 'c', 'l', 'i', 'e', 'n', 't',
    0x00, 0x24, 0x00, 0x04,                                                  /* PRIORITY */
    0x6E, 0x00, 0x01, 0xFF,
    0x80, 0x29, 0x00, 0x08,                                                  /* ICE-CONTROLLED */
    0x93, 0x2F, 0xF9, 0xB1, 0x51, 0x26, 0x3B, 0x36,                          /* tie-breaker */
    0x00, 0x06, 0x00, 0x09,                                                  /* USERNAME, 9 bytes */
    'e', 'v', 't', 'j', ':', 'h', '6', 'v', 'Y', 0x20, 0x20, 0x20,           /* padded with spaces */
    0x00, 0x08, 0x00, 0x14,                                                  /* MESSAGE-INTEGRITY */
    0x9A, 0xEA, 0xA7, 0x0C, 0xBF, 0xD8, 0xCB, 0x56, 0x78, 0x1E, 0xF2, 0xB5,  /* HMAC-SHA1 */
    0xB2, 0xD3, 0xF2, 0x49, 0xC1, 0xB5, 0x71, 0xA2,
    0x80, 0x28, 0x00, 0x04,                                                  /* FINGERPRINT */
    0xE5, 0x7A, 0x3B, 0xCF,
};

/* RFC 5769 section 2.2, sample IPv4 response */
static const uint8_t sample_response4[] = {
    HEADER(0x0101, 0x3C),                                                   /* Binding success response */
    0x80, 0x22, 0x00, 0x0B,                                                 /* SOFTWARE, 11 bytes */
    't', 'e', 's', 't', ' ', 'v', 'e', 'c', 't', 'o', 'r', 0x20,            /* padded with a space */
    0x00, 0x20, 0x00, 0x08,                                                 /* XOR-MAPPED-ADDRESS */
    0x00, 0x01, 0xA1, 0x47, 0xE1, 0x12, 0xA6, 0x43,                         /* IPv4, port, address */
    0x00, 0x08, 0x00, 0x14,                                                 /* MESSAGE-INTEGRITY */
    0x2B, 0x91, 0xF5, 0x99, 0xFD, 0x9E, 0x90, 0xC3, 0x8C, 0x74, 0x89, 0xF9, /* HMAC-SHA1 */
    0x2A, 0xF9, 0xBA, 0x53, 0xF0, 0x6B, 0xE7, 0xD7,
    0x80, 0x28, 0x00, 0x04,                                                 /* FINGERPRINT */
    0xC0, 0x7D, 0x4C, 0x96,
};

/* RFC 5769 section 2.3, sample IPv6 response */
static const uint8_t sample_response6[] = {
    HEADER(0x0101, 0x48),                                                   /* Binding success response */
    0x80, 0x22, 0x00, 0x0B,                                                 /* SOFTWARE, 11 bytes */
    't', 'e', 's', 't', ' ', 'v', 'e', 'c', 't', 'o', 'r', 0x20,            /* padded with a space */
    0x00, 0x20, 0x00, 0x14,                                                 /* XOR-MAPPED-ADDRESS */
    0x00, 0x02, 0xA1, 0x47,                                                 /* IPv6, port */
    0x01, 0x13, 0xA9, 0xFA, 0xA5, 0xD3, 0xF1, 0x79,                         /* address */
    0xBC, 0x25, 0xF4, 0xB5, 0xBE, 0xD2, 0xB9, 0xD9,
    0x00, 0x08, 0x00, 0x14,                                                 /* MESSAGE-INTEGRITY */
    0xA3, 0x82, 0x95, 0x4E, 0x4B, 0xE6, 0x7B, 0xF1, 0x17, 0x84, 0xC9, 0x7C, /* HMAC-SHA1 */
    0x82, 0x92, 0xC2, 0x75, 0xBF, 0xE3, 0xED, 0x41,
    0x80, 0x28, 0x00, 0x04,                                                 /* FINGERPRINT */
    0xC8, 0xFB, 0x0B, 0x4C,
};

/* RFC 5769 section 2.4, sample request with long-term authentication */
static const uint8_t sample_long_term[] = {
    0x00, 0x01, 0x00, 0x60,                                                 /* Binding request */
    0x21, 0x12, 0xA4, 0x42,                                                 /* magic cookie */
    0x78, 0xAD, 0x34, 0x33, 0xC6, 0xAD, 0x72, 0xC0, 0x29, 0xDA, 0x41, 0x2E, /* transaction id */
    0x00, 0x06, 0x00, 0x12,                                                 /* USERNAME, 18 bytes */
    0xE3, 0x83, 0x9E, 0xE3, 0x83, 0x88, 0xE3, 0x83, 0xAA, 0xE3, 0x83, 0x83, /* U+30DE U+30C8 U+30EA ... */
    0xE3, 0x82, 0xAF, 0xE3, 0x82, 0xB9, 0x00, 0x00,
    0x00, 0x15, 0x00, 0x1C,                                                 /* NONCE, 28 bytes */
    'f', '/', '/', '4', '9', '9', 'k', '9', '5', '4', 'd', '6', 'O', 'L',
    '3', '4', 'o', 'L', '9', 'F', 'S', 'T', 'v', 'y', '6', '4', 's', 'A',
    0x00, 0x14, 0x00, 0x0B,                                                 /* REALM, 11 bytes */
    'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'o', 'r', 'g', 0x00,
    0x00, 0x08, 0x00, 0x14,                                                 /* MESSAGE-INTEGRITY */
    0xF6, 0x70, 0x24, 0x65, 0x6D, 0xD6, 0x4A, 0x3E, 0x02, 0xB8, 0xE0, 0x71, /* HMAC-SHA1 */
    0x2E, 0x85, 0xC9, 0xA2, 0x8C, 0xA8, 0x96, 0x66,
};

/* RFC 8489 appendix B.1, with the length that erratum 6268 corrects and its PASSWORD-ALGORITHM */
static const uint8_t sample_sha256[] = {
    0x00, 0x01, 0x00, 0x90,                                                 /* Binding request */
    0x21, 0x12, 0xA4, 0x42,                                                 /* magic cookie */
    0x78, 0xAD, 0x34, 0x33, 0xC6, 0xAD, 0x72, 0xC0, 0x29, 0xDA, 0x41, 0x2E, /* transaction id */
    0x00, 0x1E, 0x00, 0x20,                                                 /* USERHASH */
    0x4A, 0x3C, 0xF3, 0x8F, 0xEF, 0x69, 0x92, 0xBD, 0xA9, 0x52, 0xC6, 0x78, /* SHA-256 */
    0x04, 0x17, 0xDA, 0x0F, 0x24, 0x81, 0x94, 0x15, 0x56, 0x9E, 0x60, 0xB2,
    0x05, 0xC4, 0x6E, 0x41, 0x40, 0x7F, 0x17, 0x04,
    0x00, 0x15, 0x00, 0x29,                                                 /* NONCE, 41 bytes */
    'o', 'b', 'M', 'a', 't', 'J', 'o', 's', '2', 'A', 'A', 'A', 'C', 'f',
    '/', '/', '4', '9', '9', 'k', '9', '5', '4', 'd', '6', 'O', 'L', '3',
    '4', 'o', 'L', '9', 'F', 'S', 'T', 'v', 'y', '6', '4', 's', 'A', 0x00, 0x00, 0x00,
    0x00, 0x14, 0x00, 0x0B,                                                 /* REALM, 11 bytes */
    'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'o', 'r', 'g', 0x00,
    0x00, 0x1D, 0x00, 0x04,                                                 /* PASSWORD-ALGORITHM */
    0x00, 0x02, 0x00, 0x00,                                                 /* SHA-256, no parameters */
    0x00, 0x1C, 0x00, 0x20,                                                 /* MESSAGE-INTEGRITY-SHA256 */
    0xB5, 0xC7, 0xBF, 0x00, 0x5B, 0x6C, 0x52, 0xA2, 0x1C, 0x51, 0xC5, 0xE8, /* HMAC-SHA256 */
    0x92, 0xF8, 0x19, 0x24, 0x13, 0x62, 0x96, 0xCB, 0x92, 0x7C, 0x43, 0x14,
    0x93, 0x09, 0x27, 0x8C, 0xC6, 0x51, 0x8E, 0x65,
};
/* clang-format on */

/* Of both: the user name, and with it what the key of a long-term credential is the hash of. */
#define MATRIX "\xE3\x83\x9E\xE3\x83\x88\xE3\x83\xAA\xE3\x83\x83\xE3\x82\xAF\xE3\x82\xB9"
#define MATRIX_CREDENTIAL MATRIX ":example.org:TheMatrIX"

typedef struct capture {
    const char *name;
    const char *username;
    bool nominates;
} capture;

static const capture captures[] = {
    {"chromium156-stun-binding-1", "luma:Bun/", false},
    {"chromium156-stun-binding-2", "luma:Bun/", true},
    {"chromium156-stun-binding-keepalive", "luma:Bun/", true},
    {"firefox153-stun-binding-1", "luma:051b386a", true},
    {"firefox153-stun-binding-keepalive", "luma:051b386a", false},
};
#define CAPTURES (sizeof captures / sizeof captures[0])

static uint8_t *read_capture(size_t i, size_t *len)
{
    char path[512];
    snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s.hex", captures[i].name);
    return test_read_hex(path, len);
}

static void rfc5769_request_is_read_and_verified(void **state)
{
    lm_stun_msg msg;
    (void)state;
    assert_int_equal(lm_stun_parse(&msg, sample_request, sizeof sample_request), LM_OK);
    assert_int_equal(msg.class, LM_STUN_REQUEST);
    assert_int_equal(msg.method, LM_STUN_BINDING);
    assert_memory_equal(msg.transaction, transaction, sizeof transaction);
    assert_int_equal(msg.username_len, 9);
    assert_memory_equal(msg.username, "evtj:h6vY", 9);
    assert_int_equal(msg.priority, 0x6E0001FF);
    assert_true(msg.controlled);
    assert_false(msg.controlling);
    assert_true(msg.tie_breaker == 0x932FF9B151263B36u);
    assert_false(msg.use_candidate);
    assert_int_equal(msg.unknown_count, 0);
    assert_int_equal(lm_stun_check_integrity(&msg, RFC5769_PWD), LM_OK);
    assert_int_equal(lm_stun_check_integrity(&msg, PWD), LM_EAUTH);
}

static void rfc5769_responses_are_read_and_verified(void **state)
{
    static const struct {
        const uint8_t *bytes;
        size_t len;
        const char *address;
    } responses[] = {
        {sample_response4, sizeof sample_response4, "192.0.2.1:32853"},
        {sample_response6, sizeof sample_response6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"},
    };
    lm_stun_msg msg;
    lm_addr mapped, expected;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(lm_stun_parse(&msg, responses[i].bytes, responses[i].len), LM_OK);
        assert_int_equal(msg.class, LM_STUN_SUCCESS);
        assert_int_equal(msg.method, LM_STUN_BINDING);
        assert_int_equal(lm_stun_check_integrity(&msg, RFC5769_PWD), LM_OK);
        assert_int_equal(lm_stun_mapped_address(&msg, &mapped), LM_OK);
        assert_int_equal(lm_addr_parse(&expected, responses[i].address), LM_OK);
        assert_true(lm_addr_equal(&mapped, &expected));
        assert_int_equal(lm_stun_error_number(&msg), 0);
    }
}

/* The builder pads with zeros where the RFC's samples have spaces; else the two agree byte for byte. */
static void the_builder_makes_the_rfc5769_messages(void **state)
{
    uint8_t buf[200], padded[12] = "test vector ";
    lm_addr addr;
    lm_stun_msg msg;
    lm_stun_builder b;
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        const uint8_t *sample = v6 ? sample_response6 : sample_response4;
        size_t len = v6 ? sizeof sample_response6 : sizeof sample_response4;
        size_t before_integrity = len - 8 - 24;
        assert_int_equal(
            lm_addr_parse(&addr, v6 ? "[2001:db8:1234:5678:11:2233:4455:6677]:32853" : "192.0.2.1:32853"),
            LM_OK);
        lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_SUCCESS, transaction);
        lm_stun_add(&b, LM_STUN_SOFTWARE, padded, 11);
        buf[35] = ' ';
        lm_stun_add_xor_address(&b, LM_STUN_XOR_MAPPED_ADDRESS, &addr);
        assert_memory_equal(buf + 20, sample + 20, before_integrity - 20);
        lm_stun_add_integrity(&b, RFC5769_PWD);
        assert_int_equal(lm_stun_finish(&b), (int)len);
        assert_memory_equal(buf, sample, len);
        assert_int_equal(lm_stun_parse(&msg, buf, len), LM_OK);
    }
}

static void captured_checks_are_read_and_verified(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        size_t len;
        uint8_t *data = read_capture(i, &len);
        lm_stun_msg msg;
        assert_int_equal(lm_stun_parse(&msg, data, len), LM_OK);
        assert_int_equal(msg.class, LM_STUN_REQUEST);
        assert_int_equal(msg.method, LM_STUN_BINDING);
        assert_int_equal(msg.len, len);
        assert_int_equal(msg.username_len, strlen(captures[i].username));
        assert_memory_equal(msg.username, captures[i].username, msg.username_len);
        assert_true(msg.controlling);
        assert_false(msg.controlled);
        assert_true(msg.tie_breaker != 0);
        assert_true(msg.priority != 0);
        assert_int_equal(msg.use_candidate, captures[i].nominates);
        assert_int_equal(msg.unknown_count, 0);
        assert_int_equal(lm_stun_check_integrity(&msg, PWD), LM_OK);
        assert_int_equal(lm_stun_check_integrity(&msg, "0123456789abcdef0123456789abcdeF"), LM_EAUTH);
        free(data);
    }
}

static void a_message_cut_anywhere_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        size_t len;
        uint8_t *data = read_capture(i, &len);
        for (size_t cut = 0; cut < len; cut++) {
            lm_stun_msg msg = {.len = 77};
            uint8_t *exact = malloc(cut + 1);
            assert_non_null(exact);
            memcpy(exact + 1, data, cut); /* so that a sanitizer sees a read behind its end */
            assert_int_equal(lm_stun_parse(&msg, exact + 1, cut), LM_EMALFORMED);
            assert_int_equal(msg.len, 77); /* written only on success */
            free(exact);
        }
        free(data);
    }
}

/* What a message can lose unnoticed is its FINGERPRINT, by a flip in its type: no integrity covers that. */
static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        size_t len;
        uint8_t *data = read_capture(i, &len);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            lm_stun_msg msg;
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            bool accepted =
                lm_stun_parse(&msg, data, len) == LM_OK && lm_stun_check_integrity(&msg, PWD) == LM_OK;
            assert_int_equal(accepted, bit / 8 == len - 8 || bit / 8 == len - 7);
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(data);
    }
}

/* Without FINGERPRINT, every flip before the integrity's end has to break the format or the integrity. */
static void every_flipped_bit_of_an_unfingerprinted_message_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        size_t len;
        uint8_t *data = read_capture(i, &len);
        lm_stun_msg msg;
        len -= 8;
        data[3] = (uint8_t)(data[3] - 8);
        assert_int_equal(lm_stun_parse(&msg, data, len), LM_OK);
        assert_int_equal(lm_stun_check_integrity(&msg, PWD), LM_OK);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(lm_stun_parse(&msg, data, len) == LM_OK &&
                         lm_stun_check_integrity(&msg, PWD) == LM_OK);
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(data);
    }
}

static void what_is_built_is_read_again(void **state)
{
    static const lm_stun_class classes[] = {LM_STUN_REQUEST, LM_STUN_INDICATION, LM_STUN_SUCCESS,
                                            LM_STUN_ERROR};
    static const uint16_t methods[] = {0x001, 0x003, 0x00F, 0x010, 0x07F, 0x080, 0xABC, 0xFFF};
    uint8_t buf[512];
    lm_stun_builder b;
    lm_stun_msg msg;
    (void)state;
    for (size_t c = 0; c < 4; c++) {
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
            lm_stun_begin(&b, buf, sizeof buf, methods[m], classes[c], transaction);
            lm_stun_add(&b, LM_STUN_USERNAME, "luma:abcd1", 10);
            lm_stun_add_uint(&b, LM_STUN_PRIORITY, 0x01020304, 4);
            lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLING, 0x0102030405060708u, 8);
            lm_stun_add(&b, LM_STUN_USE_CANDIDATE, "", 0);
            lm_stun_add_integrity(&b, PWD);
            int len = lm_stun_finish(&b);
            assert_int_equal(len, 20 + (4 + 12) + (4 + 4) + (4 + 8) + 4 + 24 + 8);
            assert_int_equal(lm_stun_parse(&msg, buf, (size_t)len), LM_OK);
            assert_int_equal(msg.class, classes[c]);
            assert_int_equal(msg.method, methods[m]);
            assert_memory_equal(msg.transaction, transaction, sizeof transaction);
            assert_int_equal(msg.username_len, 10);
            assert_memory_equal(msg.username, "luma:abcd1", 10);
            assert_int_equal(msg.priority, 0x01020304);
            assert_true(msg.tie_breaker == 0x0102030405060708u);
            assert_true(msg.use_candidate && msg.controlling && !msg.controlled);
            assert_int_equal(lm_stun_check_integrity(&msg, PWD), LM_OK);
        }
    }
}

static void addresses_come_back_as_they_went(void **state)
{
    static const char *const addresses[] = {"0.0.0.0:0",         "255.255.255.255:65535",
                                            "33.18.164.66:8466", "[::]:0",
                                            "[ff02::1:2]:65535", "[2001:db8::dead:beef]:3478"};
    uint8_t buf[128];
    lm_stun_builder b;
    lm_stun_msg msg;
    lm_addr addr, back;
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        assert_int_equal(lm_addr_parse(&addr, addresses[i]), LM_OK);
        lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_SUCCESS, transaction);
        lm_stun_add_xor_address(&b, LM_STUN_XOR_MAPPED_ADDRESS, &addr);
        int len = lm_stun_finish(&b);
        assert_int_equal(len, addr.family == LM_AF_INET ? 20 + 12 + 8 : 20 + 24 + 8);
        assert_int_equal(lm_stun_parse(&msg, buf, (size_t)len), LM_OK);
        assert_int_equal(lm_stun_mapped_address(&msg, &back), LM_OK);
        assert_true(lm_addr_equal(&addr, &back));
        assert_null(msg.integrity);
        assert_int_equal(lm_stun_check_integrity(&msg, PWD), LM_EAUTH);
    }
}

/* One attribute in an otherwise right message. */
static int parse_with(lm_stun_msg *msg, uint16_t type, const void *value, size_t len)
{
    static uint8_t buf[1024];
    lm_stun_builder b;
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_ERROR, transaction);
    lm_stun_add(&b, type, value, len);
    return lm_stun_parse(msg, buf, (size_t)lm_stun_finish(&b));
}

static void wrong_addresses_are_malformed(void **state)
{
    uint8_t value[24] = {0, 1, 0xA1, 0x47};
    lm_stun_msg msg;
    lm_addr addr;
    (void)state;
    assert_int_equal(parse_with(&msg, LM_STUN_SOFTWARE, "x", 1), LM_OK);
    assert_int_equal(lm_stun_mapped_address(&msg, &addr), LM_ENOTFOUND);
    for (size_t len = 0; len <= sizeof value; len++) {
        for (uint8_t family = 0; family < 4; family++) {
            value[1] = family;
            assert_int_equal(parse_with(&msg, LM_STUN_XOR_MAPPED_ADDRESS, value, len), LM_OK);
            bool right = (family == 1 && len == 8) || (family == 2 && len == 20);
            assert_int_equal(lm_stun_mapped_address(&msg, &addr), right ? LM_OK : LM_EMALFORMED);
        }
    }
}

static void error_codes_come_back_and_wrong_ones_are_none(void **state)
{
    static const unsigned numbers[] = {300, 400, 401, 420, 486, 487, 500, 699};
    static const uint8_t wrong[][4] = {
        {0, 0, 2, 99}, {0, 0, 7, 0}, {0, 0, 4, 100}, {0, 0, 0, 0}, {0, 0, 6, 255}};
    uint8_t buf[256];
    lm_stun_builder b;
    lm_stun_msg msg;
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_ERROR, transaction);
        lm_stun_add_error(&b, numbers[i], "Some Reason");
        int len = lm_stun_finish(&b);
        assert_int_equal(len, 20 + 4 + 16 + 8);
        assert_int_equal(lm_stun_parse(&msg, buf, (size_t)len), LM_OK);
        assert_int_equal(lm_stun_error_number(&msg), numbers[i]);
        assert_memory_equal(msg.error + 4, "Some Reason", 11);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(parse_with(&msg, LM_STUN_ERROR_CODE, wrong[i], 4), LM_OK);
        assert_int_equal(lm_stun_error_number(&msg), 0);
    }
    assert_int_equal(parse_with(&msg, LM_STUN_ERROR_CODE, wrong[0], 3), LM_EMALFORMED);
}

static void attributes_of_a_wrong_length_are_malformed(void **state)
{
    static const struct {
        uint16_t type;
        size_t len;
    } right[] = {{LM_STUN_MESSAGE_INTEGRITY, 20},
                 {LM_STUN_PRIORITY, 4},
                 {LM_STUN_USE_CANDIDATE, 0},
                 {LM_STUN_ICE_CONTROLLED, 8},
                 {LM_STUN_ICE_CONTROLLING, 8}};
    static const uint8_t zeros[520];
    lm_stun_msg msg;
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        for (size_t len = 0; len <= 24; len++)
            assert_int_equal(parse_with(&msg, right[i].type, zeros, len),
                             len == right[i].len ? LM_OK : LM_EMALFORMED);
    assert_int_equal(parse_with(&msg, LM_STUN_USERNAME, zeros, 513), LM_OK);
    assert_int_equal(parse_with(&msg, LM_STUN_USERNAME, zeros, 514), LM_EMALFORMED);
}

static void attributes_after_the_integrity_are_ignored(void **state)
{
    uint8_t buf[256];
    lm_stun_builder b;
    lm_stun_msg msg;
    (void)state;
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    lm_stun_add(&b, LM_STUN_USERNAME, "luma:good", 9);
    lm_stun_add_integrity(&b, PWD);
    lm_stun_add(&b, LM_STUN_USERNAME, "luma:evil", 9);
    lm_stun_add(&b, LM_STUN_USE_CANDIDATE, "", 0);
    lm_stun_add_uint(&b, LM_STUN_PRIORITY, 1, 3); /* not even of the right length */
    lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLED, 7, 8);
    lm_stun_add(&b, LM_STUN_MESSAGE_INTEGRITY, "another MAC, nowhere", 20);
    lm_stun_add(&b, 0x7001, "?", 1);
    int len = lm_stun_finish(&b);
    assert_int_equal(lm_stun_parse(&msg, buf, (size_t)len), LM_OK);
    assert_memory_equal(msg.username, "luma:good", 9);
    assert_false(msg.use_candidate);
    assert_false(msg.controlled);
    assert_int_equal(msg.priority, 0);
    assert_int_equal(msg.unknown_count, 0);
    assert_int_equal(lm_stun_check_integrity(&msg, PWD), LM_OK);
}

static void unknown_attributes_are_collected_if_they_must_be_understood(void **state)
{
    uint8_t buf[512];
    lm_stun_builder b;
    lm_stun_msg msg;
    (void)state;
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    lm_stun_add(&b, 0x7FFF, "", 0);
    lm_stun_add(&b, 0x8000, "optional", 8);
    lm_stun_add(&b, 0xC057, "\0\1\0\2", 4); /* Chromium's GOOG-NETWORK-INFO */
    lm_stun_add(&b, 0x0002, "x", 1);
    lm_stun_add_integrity(&b, PWD);
    assert_int_equal(lm_stun_parse(&msg, buf, (size_t)lm_stun_finish(&b)), LM_OK);
    assert_int_equal(msg.unknown_count, 2);
    assert_int_equal(msg.unknown[0], 0x7FFF);
    assert_int_equal(msg.unknown[1], 0x0002);

    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    for (uint16_t i = 0; i < LM_STUN_UNKNOWN_MAX + 3; i++)
        lm_stun_add(&b, (uint16_t)(0x7000 + i), "", 0);
    assert_int_equal(lm_stun_parse(&msg, buf, (size_t)lm_stun_finish(&b)), LM_OK);
    assert_int_equal(msg.unknown_count, LM_STUN_UNKNOWN_MAX);
    assert_int_equal(msg.unknown[LM_STUN_UNKNOWN_MAX - 1], 0x7000 + LM_STUN_UNKNOWN_MAX - 1);
}

static void the_number_of_attributes_is_limited(void **state)
{
    uint8_t buf[1024];
    lm_stun_builder b;
    lm_stun_msg msg;
    (void)state;
    for (size_t n = LM_STUN_ATTRIBUTES_MAX - 1; n <= LM_STUN_ATTRIBUTES_MAX; n++) {
        lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
        for (size_t i = 0; i < n; i++)
            lm_stun_add(&b, 0x8001, "", 0);
        int len = lm_stun_finish(&b); /* FINGERPRINT is one more */
        assert_int_equal(lm_stun_parse(&msg, buf, (size_t)len),
                         n < LM_STUN_ATTRIBUTES_MAX ? LM_OK : LM_EMALFORMED);
    }
}

static void a_fingerprint_is_last_and_right(void **state)
{
    uint8_t buf[256];
    lm_stun_builder b;
    lm_stun_msg msg;
    (void)state;
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    int len = lm_stun_finish(&b);
    assert_int_equal(len, 28);
    assert_int_equal(lm_stun_parse(&msg, buf, 28), LM_OK);
    buf[27] ^= 1;
    assert_int_equal(lm_stun_parse(&msg, buf, 28), LM_EMALFORMED);
    buf[27] ^= 1;
    memcpy(buf + 28, "\x80\x22\0\0", 4); /* SOFTWARE behind it */
    buf[3] = 12;
    assert_int_equal(lm_stun_parse(&msg, buf, 32), LM_EMALFORMED);
    buf[3] = 0;
    assert_int_equal(lm_stun_parse(&msg, buf, 20), LM_OK); /* none at all is allowed */
}

/* The attribute of this type, which is there. */
static lm_stun_attribute attribute_of(const lm_stun_msg *msg, uint16_t type)
{
    lm_stun_attributes all = lm_stun_attributes_of(msg);
    lm_stun_attribute a;
    while (lm_stun_next_attribute(&all, &a)) {
        if (a.type == type)
            return a;
    }
    fail_msg("no attribute of type %04x", type);
    return a;
}

static void hash(mbedtls_md_type_t type, const char *text, uint8_t *out)
{
    assert_int_equal(mbedtls_md(mbedtls_md_info_from_type(type), (const uint8_t *)text, strlen(text), out),
                     0);
}

static void rfc5769_long_term_request_is_read_verified_and_built(void **state)
{
    uint8_t key[16], built[sizeof sample_long_term];
    lm_stun_msg msg;
    lm_stun_builder b;
    (void)state;
    assert_int_equal(lm_stun_parse(&msg, sample_long_term, sizeof sample_long_term), LM_OK);
    hash(MBEDTLS_MD_MD5, MATRIX_CREDENTIAL, key);
    assert_int_equal(lm_stun_check_integrity_key(&msg, key, sizeof key), LM_OK);
    assert_int_equal(lm_stun_check_integrity_sha256(&msg, key, sizeof key), LM_EAUTH); /* has none */
    assert_false(msg.fingerprint);
    key[15] ^= 1;
    assert_int_equal(lm_stun_check_integrity_key(&msg, key, sizeof key), LM_EAUTH);
    key[15] ^= 1;
    lm_stun_attribute nonce = attribute_of(&msg, LM_STUN_NONCE), realm = attribute_of(&msg, LM_STUN_REALM);
    assert_int_equal(nonce.len, 28);
    assert_memory_equal(nonce.value, "f//499k954d6OL34oL9FSTvy64sA", 28);
    assert_int_equal(realm.len, 11);

    lm_stun_begin(&b, built, sizeof built, LM_STUN_BINDING, LM_STUN_REQUEST, msg.transaction);
    lm_stun_add(&b, LM_STUN_USERNAME, MATRIX, strlen(MATRIX));
    lm_stun_add(&b, LM_STUN_NONCE, nonce.value, nonce.len);
    lm_stun_add(&b, LM_STUN_REALM, realm.value, realm.len);
    lm_stun_add_integrity_key(&b, key, sizeof key);
    assert_int_equal(lm_stun_finish_plain(&b), sizeof sample_long_term);
    assert_memory_equal(built, sample_long_term, sizeof built);
}

static void rfc8489_sha256_request_is_read_verified_and_built(void **state)
{
    uint8_t key[32], userhash[32], built[sizeof sample_sha256];
    lm_stun_msg msg;
    lm_stun_builder b;
    (void)state;
    assert_int_equal(lm_stun_parse(&msg, sample_sha256, sizeof sample_sha256), LM_OK);
    hash(MBEDTLS_MD_SHA256, MATRIX_CREDENTIAL, key);
    assert_int_equal(lm_stun_check_integrity_sha256(&msg, key, sizeof key), LM_OK);
    assert_int_equal(lm_stun_check_integrity_key(&msg, key, sizeof key), LM_EAUTH); /* no SHA-1 there */
    key[0] ^= 1;
    assert_int_equal(lm_stun_check_integrity_sha256(&msg, key, sizeof key), LM_EAUTH);
    key[0] ^= 1;
    hash(MBEDTLS_MD_SHA256, MATRIX ":example.org", userhash); /* section 14.4 */
    assert_int_equal(attribute_of(&msg, 0x001E).len, sizeof userhash);
    assert_memory_equal(attribute_of(&msg, 0x001E).value, userhash, sizeof userhash);
    assert_int_equal(attribute_of(&msg, LM_STUN_NONCE).len, 41);
    assert_int_equal(attribute_of(&msg, 0x001D).value[1], 2);
    assert_int_equal(msg.unknown_count, 4); /* ICE knows none of them */

    lm_stun_begin(&b, built, sizeof built, LM_STUN_BINDING, LM_STUN_REQUEST, msg.transaction);
    lm_stun_add(&b, 0x001E, userhash, sizeof userhash);
    lm_stun_add(&b, LM_STUN_NONCE, attribute_of(&msg, LM_STUN_NONCE).value, 41);
    lm_stun_add(&b, LM_STUN_REALM, "example.org", 11);
    lm_stun_add_uint(&b, 0x001D, 0x00020000, 4);
    lm_stun_add_integrity_sha256(&b, key, sizeof key);
    assert_int_equal(lm_stun_finish_plain(&b), sizeof sample_sha256);
    assert_memory_equal(built, sample_sha256, sizeof built);
}

/* Cut to 16, 20 … 32 bytes it is checked under the length that it has (RFC 8489 section 14.6). */
static void a_cut_sha256_integrity_is_right_under_its_own_length(void **state)
{
    static const uint8_t key[] = "key";
    (void)state;
    for (size_t len = 4; len <= 40; len += 4) {
        uint8_t buf[128], mac[32];
        lm_stun_builder b;
        lm_stun_msg msg;
        lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
        buf[3] = (uint8_t)(4 + len);
        assert_int_equal(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, 3, buf, 20, mac),
                         0);
        lm_stun_add(&b, LM_STUN_MESSAGE_INTEGRITY_SHA256, mac, len <= 32 ? len : 32);
        if (len > 32)
            lm_write_bytes(&b.w, mac, len - 32), buf[23] = (uint8_t)len;
        int built = lm_stun_finish_plain(&b);
        bool right = len >= LM_STUN_SHA256_MIN && len <= LM_STUN_SHA256_LEN;
        assert_int_equal(lm_stun_parse(&msg, buf, (size_t)built), right ? LM_OK : LM_EMALFORMED);
        if (right) {
            assert_int_equal(lm_stun_check_integrity_sha256(&msg, key, 3), LM_OK);
            buf[24] ^= 1;
            assert_int_equal(lm_stun_check_integrity_sha256(&msg, key, 3), LM_EAUTH);
        }
    }
}

static void attributes_are_gone_through_up_to_the_integrity(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        uint8_t buf[256];
        lm_stun_builder b;
        lm_stun_msg msg;
        lm_stun_attribute a;
        lm_stun_begin(&b, buf, sizeof buf, 3, LM_STUN_REQUEST, transaction);
        lm_stun_add(&b, 0x0022, "12345678", 8);
        lm_stun_add(&b, 0x8001, "x", 1);
        lm_stun_add(&b, 0x001A, "", 0);
        if (variant & 1)
            lm_stun_add_integrity_key(&b, (const uint8_t *)"key", 3);
        if (variant & 2)
            lm_stun_add_integrity_sha256(&b, (const uint8_t *)"key", 3);
        if (variant != 0)
            lm_stun_add(&b, 0x0018, "behind", 6);
        int len = lm_stun_finish(&b);
        assert_int_equal(lm_stun_parse(&msg, buf, (size_t)len), LM_OK);
        assert_int_equal(lm_stun_check_integrity(&msg, "key"), variant & 1 ? LM_OK : LM_EAUTH);
        assert_int_equal(lm_stun_check_integrity_sha256(&msg, (const uint8_t *)"key", 3),
                         variant & 2 ? LM_OK : LM_EAUTH);
        assert_true(msg.fingerprint);
        lm_stun_attributes all = lm_stun_attributes_of(&msg);
        assert_true(lm_stun_next_attribute(&all, &a));
        assert_int_equal(a.type, 0x0022);
        assert_int_equal(a.len, 8);
        assert_memory_equal(a.value, "12345678", 8);
        assert_true(lm_stun_next_attribute(&all, &a));
        assert_int_equal(a.type, 0x8001);
        assert_int_equal(a.len, 1);
        assert_true(lm_stun_next_attribute(&all, &a));
        assert_int_equal(a.type, 0x001A);
        assert_int_equal(a.len, 0);
        assert_false(lm_stun_next_attribute(&all, &a));
    }
}

static void headers_that_are_not_stun_are_malformed(void **state)
{
    static const uint8_t bare[20] = {HEADER(0x0001, 0)};
    uint8_t bytes[24] = {0};
    lm_stun_msg msg;
    (void)state;
    assert_int_equal(lm_stun_parse(&msg, bare, sizeof bare), LM_OK);
    for (int first = 0x40; first < 0x100; first += 0x40) { /* the first two bits are zero */
        memcpy(bytes, bare, 20);
        bytes[0] |= (uint8_t)first;
        assert_int_equal(lm_stun_parse(&msg, bytes, 20), LM_EMALFORMED);
    }
    memcpy(bytes, bare, 20);
    bytes[7] ^= 1; /* the cookie */
    assert_int_equal(lm_stun_parse(&msg, bytes, 20), LM_EMALFORMED);
    memcpy(bytes, bare, 20);
    for (uint8_t len = 1; len <= 4; len++) { /* a length that is not the datagram's, or no multiple of 4 */
        bytes[3] = len;
        assert_int_equal(lm_stun_parse(&msg, bytes, 20), LM_EMALFORMED);
        assert_int_equal(lm_stun_parse(&msg, bytes, 20u + len), len == 4 ? LM_OK : LM_EMALFORMED);
    }
}

static void a_buffer_that_is_too_small_is_told_by_finish(void **state)
{
    (void)state;
    for (size_t cap = 0; cap <= 100; cap++) {
        uint8_t *buf = malloc(cap + 1);
        lm_addr addr;
        lm_stun_builder b;
        assert_non_null(buf);
        assert_int_equal(lm_addr_parse(&addr, "[2001:db8::1]:1"), LM_OK);
        lm_stun_begin(&b, buf, cap, LM_STUN_BINDING, LM_STUN_ERROR, transaction);
        lm_stun_add_xor_address(&b, LM_STUN_XOR_MAPPED_ADDRESS, &addr);
        lm_stun_add_error(&b, 401, "No");
        lm_stun_add_integrity(&b, PWD);
        int needed = 20 + 24 + 12 + 24 + 8;
        assert_int_equal(lm_stun_finish(&b), (int)cap >= needed ? needed : LM_ETOOBIG);
        free(buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc5769_request_is_read_and_verified),
        cmocka_unit_test(rfc5769_responses_are_read_and_verified),
        cmocka_unit_test(the_builder_makes_the_rfc5769_messages),
        cmocka_unit_test(captured_checks_are_read_and_verified),
        cmocka_unit_test(a_message_cut_anywhere_is_malformed),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_flipped_bit_of_an_unfingerprinted_message_is_noticed),
        cmocka_unit_test(what_is_built_is_read_again),
        cmocka_unit_test(addresses_come_back_as_they_went),
        cmocka_unit_test(wrong_addresses_are_malformed),
        cmocka_unit_test(error_codes_come_back_and_wrong_ones_are_none),
        cmocka_unit_test(attributes_of_a_wrong_length_are_malformed),
        cmocka_unit_test(attributes_after_the_integrity_are_ignored),
        cmocka_unit_test(unknown_attributes_are_collected_if_they_must_be_understood),
        cmocka_unit_test(the_number_of_attributes_is_limited),
        cmocka_unit_test(a_fingerprint_is_last_and_right),
        cmocka_unit_test(rfc5769_long_term_request_is_read_verified_and_built),
        cmocka_unit_test(rfc8489_sha256_request_is_read_verified_and_built),
        cmocka_unit_test(a_cut_sha256_integrity_is_right_under_its_own_length),
        cmocka_unit_test(attributes_are_gone_through_up_to_the_integrity),
        cmocka_unit_test(headers_that_are_not_stun_are_malformed),
        cmocka_unit_test(a_buffer_that_is_too_small_is_told_by_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
