/*
 * STUN messages, read in two ways: the input as a whole message, and the input as the attributes of a message
 * whose header, integrity and fingerprint are right, since no fuzzer guesses those.
 */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/ice_lite.h"

#undef NDEBUG
#include <assert.h>

#define PWD "0123456789abcdef0123456789abcdef"

static const lm_ice_credentials credentials = {.ufrag = "luma", .pwd = PWD};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_answer(lm_ice_verdict verdict, const lm_stun_msg *request, const lm_addr *remote)
{
    uint8_t answer[LM_STUN_ANSWER_MAX];
    lm_stun_msg msg;
    lm_addr mapped;
    int len = lm_ice_lite_answer(&credentials, verdict, request, remote, answer);
    assert(len >= LM_STUN_HEADER_LEN + 8 && len <= LM_STUN_ANSWER_MAX);
    assert(lm_stun_parse(&msg, answer, (size_t)len) == LM_OK);
    assert(memcmp(msg.transaction, request->transaction, LM_STUN_TRANSACTION_LEN) == 0);
    assert(msg.unknown_count == 0);
    assert(msg.integrity == NULL || lm_stun_check_integrity(&msg, PWD) == LM_OK);
    if (verdict == LM_ICE_VALID || verdict == LM_ICE_STUN) {
        assert(msg.class == LM_STUN_SUCCESS && lm_stun_error_number(&msg) == 0);
        assert(lm_stun_mapped_address(&msg, &mapped) == LM_OK && lm_addr_equal(&mapped, remote));
    } else {
        assert(msg.class == LM_STUN_ERROR && lm_stun_error_number(&msg) >= 400);
    }
}

static void check(const uint8_t *data, size_t len)
{
    lm_stun_msg msg;
    lm_addr addr;
    if (lm_stun_parse(&msg, data, len) != LM_OK)
        return;
    assert(msg.bytes == data && msg.len == len);
    assert(msg.unknown_count <= LM_STUN_UNKNOWN_MAX);
    lm_stun_check_integrity(&msg, PWD);
    lm_stun_mapped_address(&msg, &addr);
    unsigned error = lm_stun_error_number(&msg);
    assert(error == 0 || (error >= 300 && error <= 699));

    lm_ice_verdict judged = lm_ice_lite_judge(&credentials, &msg);
    assert(judged != LM_ICE_FULL && judged != LM_ICE_GONE);
    if (judged == LM_ICE_VALID) {
        uint8_t key[LM_ICE_CLIENT_KEY_MAX];
        size_t key_len = lm_ice_lite_client_key(&msg, key);
        assert(key_len > 8 && key_len <= sizeof key);
    }
    lm_addr_set(&addr, (const uint8_t *)"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16, 4242);
    check_answer(judged, &msg, &addr);
    lm_addr_set(&addr, (const uint8_t *)"\xC0\0\2\1", 4, 4242);
    for (int verdict = LM_ICE_VALID; verdict <= LM_ICE_GONE; verdict++)
        check_answer((lm_ice_verdict)verdict, &msg, &addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t transaction[LM_STUN_TRANSACTION_LEN] = "transaction";
    lm_stun_builder b;
    check(data, len);

    size_t cap = len + 64;
    uint8_t *buf = malloc(cap);
    if (buf == NULL)
        return 0;
    lm_stun_begin(&b, buf, cap, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    lm_write_bytes(&b.w, data, len / 4 * 4);
    lm_stun_add_integrity(&b, PWD);
    int built = lm_stun_finish(&b);
    if (built > 0)
        check(buf, (size_t)built);
    free(buf);
    return 0;
}
