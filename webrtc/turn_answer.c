#include <string.h>

#include "common/error.h"
#include "webrtc/turn_request.h"

/* RFC 8489 section 14.8 and RFC 8656 section 19. */
static const char *reason_of(unsigned number)
{
    switch (number) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthenticated";
    case 403:
        return "Forbidden";
    case 420:
        return "Unknown Attribute";
    case 437:
        return "Allocation Mismatch";
    case 438:
        return "Stale Nonce";
    case 440:
        return "Address Family not Supported";
    case 441:
        return "Wrong Credentials";
    case 442:
        return "Unsupported Transport Protocol";
    case 443:
        return "Peer Address Family Mismatch";
    case 486:
        return "Allocation Quota Reached";
    default:
        return "Insufficient Capacity";
    }
}

static void begin(lm_turn_answer *answer, const lm_turn_asker *asker, lm_stun_class class)
{
    lm_stun_begin(&answer->b, answer->bytes, sizeof answer->bytes, asker->method, class, asker->transaction);
}

/* Integrity as the request had it, FINGERPRINT if it had one; returns the length. */
static size_t finish(lm_turn_answer *answer, const lm_turn_asker *asker)
{
    if (asker->key != NULL && asker->sha256)
        lm_stun_add_integrity_sha256(&answer->b, asker->key, LM_TURN_KEY_LEN);
    else if (asker->key != NULL)
        lm_stun_add_integrity_key(&answer->b, asker->key, LM_TURN_KEY_LEN);
    int len = asker->fingerprint ? lm_stun_finish(&answer->b) : lm_stun_finish_plain(&answer->b);
    return len < 0 ? 0 : (size_t)len;
}

/* Queues the answer; false when that was not possible, which is counted. */
static bool send(lm_turn *turn, const lm_turn_answer *answer, size_t len, const lm_turn_asker *asker)
{
    if (len == 0) { /* it fits: what fails is a hash that gets no memory */
        turn->stats.drops.memory++;
        return false;
    }
    int result = lm_turn_queue_send(&turn->outputs, asker->remote, asker->local, answer->bytes, len);
    if (result == LM_ELIMIT)
        turn->stats.drops.blocked++;
    else if (result != LM_OK)
        turn->stats.drops.memory++;
    return result == LM_OK;
}

void lm_turn_answer_begin(lm_turn_answer *answer, const lm_turn_asker *asker)
{
    begin(answer, asker, LM_STUN_SUCCESS);
}

void lm_turn_answer_end(lm_turn *turn, lm_turn_answer *answer, const lm_turn_asker *asker)
{
    size_t len = finish(answer, asker);
    turn->stats.requests += send(turn, answer, len, asker);
}

/* Header, ERROR-CODE without its reason, REALM, NONCE; against a header and REQUESTED-TRANSPORT. */
_Static_assert(LM_STUN_HEADER_LEN + 8 + (4 + LM_TURN_REALM_MAX) + (4 + LM_TURN_NONCE_LEN) <=
                   LM_TURN_UNPROVEN_FACTOR * (LM_STUN_HEADER_LEN + 8),
               "the shortest Allocate is answered whatever the realm is");

static size_t build_error(const lm_turn *turn, lm_ms now, const lm_turn_asker *asker, unsigned number,
                          const char *reason, lm_turn_answer *answer)
{
    begin(answer, asker, LM_STUN_ERROR);
    lm_stun_add_error(&answer->b, number, reason);
    if (number == 401 || number == 438) {
        char nonce[LM_TURN_NONCE_LEN + 1];
        lm_turn_nonce_make(&turn->nonces, now, asker->remote, nonce);
        lm_stun_add(&answer->b, LM_STUN_REALM, turn->realm, strlen(turn->realm));
        lm_stun_add(&answer->b, LM_STUN_NONCE, nonce, LM_TURN_NONCE_LEN);
    }
    return finish(answer, asker);
}

void lm_turn_refuse(lm_turn *turn, lm_ms now, const lm_turn_asker *asker, unsigned number, uint64_t *drop)
{
    lm_turn_answer answer;
    size_t most = asker->key != NULL ? SIZE_MAX : LM_TURN_UNPROVEN_FACTOR * asker->request_len;
    size_t len = build_error(turn, now, asker, number, reason_of(number), &answer);
    if (len > most)
        len = build_error(turn, now, asker, number, "", &answer);
    if (len > most) {
        turn->stats.drops.amplification++;
        return;
    }
    (*drop)++;
    send(turn, &answer, len, asker);
}

void lm_turn_refuse_unknown(lm_turn *turn, const lm_turn_asker *asker, const lm_turn_message *message)
{
    uint8_t types[2 * LM_STUN_UNKNOWN_MAX];
    lm_writer w = lm_writer_init(types, sizeof types);
    lm_turn_answer answer;
    begin(&answer, asker, LM_STUN_ERROR);
    lm_stun_add_error(&answer.b, 420, reason_of(420));
    for (size_t i = 0; i < message->unknown_count; i++)
        lm_write_u16(&w, message->unknown[i]);
    lm_stun_add(&answer.b, LM_STUN_UNKNOWN_ATTRIBUTES, types, w.len);
    turn->stats.drops.unknown_attribute++;
    send(turn, &answer, finish(&answer, asker), asker);
}
