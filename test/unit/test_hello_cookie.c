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
#include "webrtc/hello_cookie.h"

#define COOKIE_OFFSET (13 + 12 + 2 + 1)

static void fill(void *ctx, void *buf, size_t len)
{
    memset(buf, *(const int *)ctx, len);
}

static lm_hello_cookie make_cookie(int secret)
{
    lm_hello_cookie cookie;
    lm_random random = {.fill = fill, .ctx = &secret};
    lm_hello_cookie_init(&cookie, &random);
    return cookie;
}

static lm_addr address(const char *text)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, text), LM_OK);
    return addr;
}

static uint8_t *capture(const char *name, size_t *len)
{
    char path[512];
    snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s.hex", name);
    return test_read_hex(path, len);
}

/* Puts a cookie into a captured first fragment, as the browser would on its second try; malloc'ed. */
static uint8_t *with_cookie(const uint8_t *hello, size_t len, const uint8_t *cookie, size_t *new_len)
{
    size_t at = 13 + 12 + 2 + 32;
    at += 1 + hello[at]; /* session_id */
    assert_int_equal(hello[at], 0);
    uint8_t *data = malloc(len + LM_HELLO_COOKIE_LEN);
    assert_non_null(data);
    memcpy(data, hello, at);
    data[at] = LM_HELLO_COOKIE_LEN;
    memcpy(data + at + 1, cookie, LM_HELLO_COOKIE_LEN);
    memcpy(data + at + 1 + LM_HELLO_COOKIE_LEN, hello + at + 1, len - at - 1);
    *new_len = len + LM_HELLO_COOKIE_LEN;
    size_t fragment = (size_t)(data[22] << 16 | data[23] << 8 | data[24]) + LM_HELLO_COOKIE_LEN;
    data[22] = (uint8_t)(fragment >> 16), data[23] = (uint8_t)(fragment >> 8), data[24] = (uint8_t)fragment;
    return data;
}

static void both_browsers_hellos_are_asked_for_a_cookie(void **state)
{
    static const char *const names[] = {"chromium156-clienthello-1", "firefox153-clienthello-1",
                                        "chromium156-clienthello-unfragmented",
                                        "firefox153-clienthello-unfragmented"};
    lm_hello_cookie cookie = make_cookie(1);
    lm_addr from = address("192.0.2.7:9");
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint8_t answer[LM_HELLO_VERIFY_LEN];
        size_t len, again_len;
        uint8_t *hello = capture(names[i], &len);
        assert_int_equal(lm_hello_cookie_judge(&cookie, 5, &from, hello, len, answer), LM_HELLO_COOKIE_ASK);

        /* Record: handshake, DTLS 1.0, epoch 0, the ClientHello's number, length 12 + 23 */
        static const uint8_t record[5] = {22, 0xFE, 0xFF, 0, 0};
        assert_memory_equal(answer, record, sizeof record);
        assert_memory_equal(answer + 5, hello + 5, 6);
        assert_int_equal(answer[11] << 8 | answer[12], 12 + 2 + 1 + LM_HELLO_COOKIE_LEN);
        /*
         * Handshake: hello_verify_request, length 23, message_seq 0, one fragment; version; length of the
         * cookie
         */
        static const uint8_t handshake[15] = {
            3, 0, 0, 23, 0, 0, 0, 0, 0, 0, 0, 23, 0xFE, 0xFF, LM_HELLO_COOKIE_LEN};
        assert_memory_equal(answer + 13, handshake, sizeof handshake);

        uint8_t *again = with_cookie(hello, len, answer + COOKIE_OFFSET, &again_len);
        assert_int_equal(lm_hello_cookie_judge(&cookie, 6, &from, again, again_len, answer),
                         LM_HELLO_COOKIE_GOOD);
        free(again);
        free(hello);
    }
}

static void a_cookie_is_good_for_its_address_its_hello_and_its_time(void **state)
{
    lm_hello_cookie cookie = make_cookie(1), other = make_cookie(2);
    lm_addr from = address("192.0.2.7:9"), port = address("192.0.2.7:10"), ip = address("192.0.2.8:9");
    uint8_t answer[LM_HELLO_VERIFY_LEN];
    size_t len, again_len;
    lm_ms now = 10 * LM_HELLO_COOKIE_LIFETIME + 7;
    (void)state;
    uint8_t *hello = capture("chromium156-clienthello-1", &len);
    lm_hello_cookie_judge(&cookie, now, &from, hello, len, answer);
    uint8_t *again = with_cookie(hello, len, answer + COOKIE_OFFSET, &again_len);

#define JUDGE(cookie, now, from) lm_hello_cookie_judge(cookie, now, from, again, again_len, answer)
    assert_int_equal(JUDGE(&cookie, now + LM_HELLO_COOKIE_LIFETIME, &from), LM_HELLO_COOKIE_GOOD);
    assert_int_equal(JUDGE(&cookie, now + 2 * LM_HELLO_COOKIE_LIFETIME, &from), LM_HELLO_COOKIE_ASK);
    assert_int_equal(JUDGE(&cookie, now - LM_HELLO_COOKIE_LIFETIME, &from),
                     LM_HELLO_COOKIE_ASK); /* from the future */
    assert_int_equal(JUDGE(&cookie, now, &port), LM_HELLO_COOKIE_ASK);
    assert_int_equal(JUDGE(&cookie, now, &ip), LM_HELLO_COOKIE_ASK);
    assert_int_equal(JUDGE(&other, now, &from), LM_HELLO_COOKIE_ASK);
    again[13 + 12 + 2 + 5] ^= 1; /* another client random */
    assert_int_equal(JUDGE(&cookie, now, &from), LM_HELLO_COOKIE_ASK);
    again[13 + 12 + 2 + 5] ^= 1;
    assert_int_equal(JUDGE(&cookie, now, &from), LM_HELLO_COOKIE_GOOD);
    for (size_t i = 0; i < LM_HELLO_COOKIE_LEN; i++) {
        size_t at = 13 + 12 + 2 + 32 + 1 + again[13 + 12 + 2 + 32] + 1 + i;
        again[at] ^= 0x10;
        assert_int_equal(JUDGE(&cookie, now, &from), LM_HELLO_COOKIE_ASK);
        again[at] ^= 0x10;
    }
    free(again);
    free(hello);
}

static void what_is_no_first_fragment_is_dropped(void **state)
{
    static const char *const names[] = {"chromium156-clienthello-2", "firefox153-clienthello-2",
                                        "chromium156-clientkeyexchange", "chromium156-appdata-init"};
    lm_hello_cookie cookie = make_cookie(1);
    lm_addr from = address("192.0.2.7:9");
    uint8_t answer[LM_HELLO_VERIFY_LEN];
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint8_t *data = capture(names[i], &len);
        assert_int_equal(lm_hello_cookie_judge(&cookie, 5, &from, data, len, answer), LM_HELLO_COOKIE_DROP);
        free(data);
    }
    uint8_t *hello = capture("firefox153-clienthello-unfragmented", &len);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1); /* so that a sanitizer sees a read past the end */
        assert_non_null(exact);
        memcpy(exact, hello, cut);
        assert_int_equal(lm_hello_cookie_judge(&cookie, 5, &from, exact, cut, answer), LM_HELLO_COOKIE_DROP);
        free(exact);
    }
    free(hello);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_browsers_hellos_are_asked_for_a_cookie),
        cmocka_unit_test(a_cookie_is_good_for_its_address_its_hello_and_its_time),
        cmocka_unit_test(what_is_no_first_fragment_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
