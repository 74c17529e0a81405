#include "webrtc/turn_message.h"

#include <string.h>

/* Takes one attribute into m. False when its value cannot be right. */
static bool take(lm_turn_message *m, const lm_stun_msg *stun, const lm_stun_attribute *a)
{
    lm_reader r = lm_reader_init(a->value, a->len);
    switch (a->type) {
    case LM_STUN_NONCE:
        if (m->nonce == NULL) {
            m->nonce = a->value;
            m->nonce_len = a->len;
        }
        return true;
    case LM_STUN_REALM:
        if (m->realm == NULL) {
            m->realm = a->value;
            m->realm_len = a->len;
        }
        return true;
    case LM_TURN_DATA:
        if (m->data == NULL) {
            m->data = a->value;
            m->data_len = a->len;
        }
        return true;
    case LM_TURN_CHANNEL_NUMBER:
        if (!m->has_channel)
            m->channel = lm_read_u16(&r);
        m->has_channel = true;
        return a->len == 4;
    case LM_TURN_LIFETIME:
        if (!m->has_lifetime)
            m->lifetime = lm_read_u32(&r);
        m->has_lifetime = true;
        return a->len == 4;
    case LM_TURN_XOR_PEER_ADDRESS:
        return lm_stun_xor_address(stun, a->value, a->len, &m->peers[m->peer_count++]) == LM_OK;
    case LM_TURN_REQUESTED_ADDRESS_FAMILY:
        if (!m->has_family && a->len == 4)
            m->family = a->value[0] == 1 ? LM_AF_INET : a->value[0] == 2 ? LM_AF_INET6 : LM_AF_NONE;
        m->has_family = true;
        return a->len == 4;
    case LM_TURN_EVEN_PORT:
        if (!m->even_port && a->len == 1)
            m->reserve_next = a->value[0] & 0x80;
        m->even_port = true;
        return a->len == 1;
    case LM_TURN_REQUESTED_TRANSPORT:
        if (!m->has_transport)
            m->transport = lm_read_u8(&r);
        m->has_transport = true;
        return a->len == 4;
    case LM_TURN_DONT_FRAGMENT:
        m->dont_fragment = true;
        return a->len == 0;
    case LM_TURN_RESERVATION_TOKEN:
        if (m->token == NULL)
            m->token = a->value;
        return a->len == LM_TURN_TOKEN_LEN;
    case LM_STUN_MAPPED_ADDRESS:
    case LM_STUN_USERNAME:
    case LM_STUN_ERROR_CODE:
    case LM_STUN_UNKNOWN_ATTRIBUTES:
    case LM_STUN_XOR_MAPPED_ADDRESS:
    case LM_TURN_XOR_RELAYED_ADDRESS:
        return true; /* known, of no use in what clients send */
    default:
        if (a->type < 0x8000 && m->unknown_count < LM_STUN_UNKNOWN_MAX)
            m->unknown[m->unknown_count++] = a->type;
        return true;
    }
}

int lm_turn_message_read(lm_turn_message *m, const lm_stun_msg *stun)
{
    lm_stun_attributes all = lm_stun_attributes_of(stun);
    lm_stun_attribute a;
    memset(m, 0, offsetof(lm_turn_message, peers)); /* the peers that count are written below */
    while (lm_stun_next_attribute(&all, &a)) {
        if (!take(m, stun, &a))
            return LM_EMALFORMED;
    }
    return LM_OK;
}
