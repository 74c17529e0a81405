#include "webrtc/ice_lite.h"

#include <string.h>

#include "common/bytes.h"

/*
 * Splits USERNAME "<relay ufrag>:<client ufrag>" (RFC 8445 section 7.2.2); NULL and zeros if there is no
 * colon.
 */
static const uint8_t *client_ufrag(const lm_stun_msg *request, size_t *relay_len, size_t *client_len)
{
    const uint8_t *colon = memchr(request->username, ':', request->username_len);
    *relay_len = *client_len = 0;
    if (colon == NULL)
        return NULL;
    *relay_len = (size_t)(colon - request->username);
    *client_len = request->username_len - *relay_len - 1;
    return colon + 1;
}

lm_ice_verdict lm_ice_lite_judge(const lm_ice_credentials *credentials, const lm_stun_msg *request)
{
    size_t relay_len, client_len;
    if (request->username == NULL)
        return request->unknown_count > 0 ? LM_ICE_UNKNOWN : LM_ICE_STUN;
    const uint8_t *client = client_ufrag(request, &relay_len, &client_len);
    if (request->integrity == NULL || client == NULL || client_len == 0 || client_len > LM_ICE_UFRAG_MAX)
        return LM_ICE_BAD_REQUEST;
    if (relay_len != strlen(credentials->ufrag) ||
        memcmp(request->username, credentials->ufrag, relay_len) != 0)
        return LM_ICE_WRONG_UFRAG;
    if (lm_stun_check_integrity(request, credentials->pwd) != 0)
        return LM_ICE_WRONG_MAC;
    if (request->unknown_count > 0)
        return LM_ICE_UNKNOWN;
    if (request->controlled)
        return LM_ICE_CONFLICT;
    return LM_ICE_VALID;
}

size_t lm_ice_lite_client_key(const lm_stun_msg *request, uint8_t key[LM_ICE_CLIENT_KEY_MAX])
{
    size_t relay_len, client_len;
    const uint8_t *client = client_ufrag(request, &relay_len, &client_len);
    lm_writer w = lm_writer_init(key, LM_ICE_CLIENT_KEY_MAX);
    lm_write_u64(&w, request->tie_breaker);
    lm_write_bytes(&w, client, client_len);
    return w.len;
}

static void add_error(lm_stun_builder *b, lm_ice_verdict verdict, const lm_stun_msg *request)
{
    uint8_t types[2 * LM_STUN_UNKNOWN_MAX];
    lm_writer w = lm_writer_init(types, sizeof types);
    switch (verdict) {
    case LM_ICE_BAD_REQUEST:
        lm_stun_add_error(b, 400, "Bad Request");
        break;
    case LM_ICE_UNKNOWN:
        lm_stun_add_error(b, 420, "Unknown Attribute");
        for (size_t i = 0; i < request->unknown_count; i++)
            lm_write_u16(&w, request->unknown[i]);
        lm_stun_add(b, LM_STUN_UNKNOWN_ATTRIBUTES, types, w.len);
        break;
    case LM_ICE_FULL:
        lm_stun_add_error(b, 486, "Relay Full");
        break;
    case LM_ICE_GONE:
        lm_stun_add_error(b, LM_ICE_GONE_ERROR, "Session Over");
        break;
    case LM_ICE_CONFLICT:
        lm_stun_add_error(b, 487, "Role Conflict");
        break;
    default:
        lm_stun_add_error(b, 401, "Unauthenticated");
        break;
    }
}

int lm_ice_lite_answer(const lm_ice_credentials *credentials, lm_ice_verdict verdict,
                       const lm_stun_msg *request, const lm_addr *remote, uint8_t answer[LM_STUN_ANSWER_MAX])
{
    bool success = verdict == LM_ICE_VALID || verdict == LM_ICE_STUN;
    lm_stun_builder b;
    lm_stun_begin(&b, answer, LM_STUN_ANSWER_MAX, LM_STUN_BINDING, success ? LM_STUN_SUCCESS : LM_STUN_ERROR,
                  request->transaction);
    if (success)
        lm_stun_add_xor_address(&b, LM_STUN_XOR_MAPPED_ADDRESS, remote);
    else
        add_error(&b, verdict, request);
    /*
     * RFC 8489 section 9.1.3: whoever passed the integrity check gets an answer with integrity, no one else.
     */
    if (verdict == LM_ICE_VALID || verdict == LM_ICE_CONFLICT || verdict == LM_ICE_FULL ||
        verdict == LM_ICE_GONE || (verdict == LM_ICE_UNKNOWN && request->username != NULL))
        lm_stun_add_integrity(&b, credentials->pwd);
    return lm_stun_finish(&b);
}
