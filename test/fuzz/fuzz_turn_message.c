/*
 * TURN's attributes and ChannelData, read in two ways: the input as a whole message, and the input as the
 * attributes of a message with a right header, integrity and fingerprint, since no fuzzer guesses those.
 */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/turn.h"
#include "webrtc/turn_message.h"

#undef NDEBUG
#include <assert.h>

#define KEY ((const uint8_t *)"0123456789abcdef")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_within(const uint8_t *value, size_t value_len, const uint8_t *data, size_t len)
{
    assert(value == NULL || (value >= data && value_len <= len && value <= data + len - value_len));
}

static void check(const uint8_t *data, size_t len)
{
    lm_stun_msg msg;
    lm_turn_message m;
    lm_stun_attribute a;
    lm_channel_data header;
    size_t attributes = 0;
    bool turn = lm_turn_is_turn(data, len);
    if (lm_channel_data_read(&header, data, len) == LM_OK)
        assert(turn && header.len + 4u <= len && header.number >= 0x4000 && header.number <= 0x7FFF);
    if (lm_stun_parse(&msg, data, len) != LM_OK)
        return;
    assert(msg.method < 3 || msg.method > 9 || msg.method == 5 || turn);
    lm_stun_check_integrity_key(&msg, KEY, 16);
    lm_stun_check_integrity_sha256(&msg, KEY, 16);
    lm_stun_attributes all = lm_stun_attributes_of(&msg);
    while (lm_stun_next_attribute(&all, &a)) {
        assert(a.value != NULL && !all.r.failed);
        check_within(a.value, a.len, data, len);
        attributes++;
    }
    assert(attributes <= LM_STUN_ATTRIBUTES_MAX);
    if (lm_turn_message_read(&m, &msg) != LM_OK)
        return;
    assert(m.peer_count <= LM_STUN_ATTRIBUTES_MAX && m.unknown_count <= LM_STUN_UNKNOWN_MAX);
    for (size_t i = 0; i < m.peer_count; i++)
        assert(m.peers[i].family == LM_AF_INET || m.peers[i].family == LM_AF_INET6);
    check_within(m.nonce, m.nonce_len, data, len);
    check_within(m.realm, m.realm_len, data, len);
    check_within(m.data, m.data_len, data, len);
    check_within(m.token, LM_TURN_TOKEN_LEN, data, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t transaction[LM_STUN_TRANSACTION_LEN] = "transaction";
    lm_stun_builder b;
    if (len == 0)
        return 0;
    check(data, len);

    size_t cap = len + 128;
    uint8_t *buf = malloc(cap);
    if (buf == NULL)
        return 0;
    lm_stun_begin(&b, buf, cap, LM_TURN_ALLOCATE, LM_STUN_REQUEST, transaction);
    lm_write_bytes(&b.w, data, len / 4 * 4);
    if (data[0] & 1)
        lm_stun_add_integrity_key(&b, KEY, 16);
    if (data[0] & 2)
        lm_stun_add_integrity_sha256(&b, KEY, 16);
    int built = data[0] & 4 ? lm_stun_finish(&b) : lm_stun_finish_plain(&b);
    if (built > 0)
        check(buf, (size_t)built);
    free(buf);
    return 0;
}
