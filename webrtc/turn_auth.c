#include <string.h>

#include "common/error.h"
#include "webrtc/turn_request.h"

/* The integrity that the request has, the stronger one if it has both (RFC 8489 section 9.2.4). */
static int check(const lm_stun_msg *stun, const uint8_t key[LM_TURN_KEY_LEN])
{
    return stun->integrity_sha256 != NULL ? lm_stun_check_integrity_sha256(stun, key, LM_TURN_KEY_LEN)
                                          : lm_stun_check_integrity_key(stun, key, LM_TURN_KEY_LEN);
}

static int accept(lm_turn_request *request, const uint8_t key[LM_TURN_KEY_LEN])
{
    memmove(request->key, key, LM_TURN_KEY_LEN);
    request->asker.key = request->key;
    return 0;
}

/* Tries each secret; the client may have got its credential under any of them. */
static int check_secrets(lm_turn_request *request)
{
    const lm_turn *turn = request->turn;
    const lm_stun_msg *stun = &request->stun;
    for (unsigned i = 0; i < turn->secrets.count; i++) {
        uint8_t key[LM_TURN_KEY_LEN];
        int result =
            lm_turn_key(turn->secrets.secret[i], turn->realm, stun->username, stun->username_len, key);
        if (result == LM_OK)
            result = check(stun, key);
        if (result == LM_OK)
            return accept(request, key);
        if (result != LM_EAUTH)
            return result;
    }
    return 401;
}

int lm_turn_authenticate(lm_turn_request *request)
{
    const lm_turn *turn = request->turn;
    const lm_stun_msg *stun = &request->stun;
    const lm_turn_message *message = &request->message;
    const lm_turn_allocation *a = request->allocation;

    if (stun->integrity == NULL && stun->integrity_sha256 == NULL)
        return 401;
    if (stun->username == NULL || message->realm == NULL || message->nonce == NULL)
        return 400;
    if (lm_turn_nonce_check(&turn->nonces, request->now, request->asker.remote, message->nonce,
                            message->nonce_len) != LM_OK)
        return 438;
    uint64_t expiry = lm_turn_username_expiry(stun->username, stun->username_len, &request->user_at);
    if (expiry == 0 || stun->username_len > LM_TURN_USERNAME_MAX)
        return 401;

    request->own = a != NULL && a->username_len == stun->username_len &&
                   memcmp(a->username, stun->username, a->username_len) == 0;
    if (request->own) {
        int result = check(stun, a->key);
        if (result == LM_OK)
            return accept(request, a->key);
        if (result != LM_EAUTH)
            return result;
    }
    if (expiry <= (turn->unix_ms + (request->now - turn->unix_at)) / 1000)
        return 401;
    return check_secrets(request);
}
