/*
 * A request to a TURN server on its way through: read, authenticated (turn_auth.c), carried out
 * (turn_allocate.c, turn_requests.c) and answered (turn_answer.c).
 */
#ifndef LM_WEBRTC_TURN_REQUEST_H
#define LM_WEBRTC_TURN_REQUEST_H

#include "webrtc/turn_state.h"

/* Who gets an answer, and what it has to look like. */
typedef struct lm_turn_asker {
    const lm_addr *remote, *local;
    const uint8_t *transaction;
    uint16_t method;
    const uint8_t *key; /* LM_TURN_KEY_LEN, of an authenticated request; NULL: not authenticated */
    bool sha256;        /* integrity by MESSAGE-INTEGRITY-SHA256 */
    bool fingerprint;   /* with FINGERPRINT */
    size_t request_len; /* what the answer to one who is not authenticated is measured by */
} lm_turn_asker;

typedef struct lm_turn_request {
    lm_turn *turn;
    lm_ms now;
    lm_stun_msg stun;
    lm_turn_message message;
    lm_turn_asker asker;
    lm_turn_allocation *allocation; /* of its 5-tuple; NULL: none */
    uint8_t key[LM_TURN_KEY_LEN];
    size_t user_at; /* where in its USERNAME the user begins */
    bool own;       /* its USERNAME is that of the allocation */
} lm_turn_request;

/* Takes a STUN message that is no Send indication: answers, or counts a drop. */
void lm_turn_take_request(lm_turn *turn, lm_ms now, const lm_addr *remote, const lm_addr *local,
                          const uint8_t *data, size_t len);

/*
 * Checks a request's credentials (RFC 8489 section 9.2.4). 0: they are good, and the request has its key;
 * 400, 401 or 438: the error to answer with; LM_ECRYPTO.
 */
int lm_turn_authenticate(lm_turn_request *request);

/* Handlers of authenticated requests. */
void lm_turn_allocate(lm_turn_request *request);
void lm_turn_refresh(lm_turn_request *request);
void lm_turn_create_permission(lm_turn_request *request);
void lm_turn_channel_bind(lm_turn_request *request);

/* Answers with success: begin, add attributes to the builder, end. Counted as a request. */
typedef struct lm_turn_answer {
    lm_stun_builder b;
    uint8_t bytes[384]; /* the longest, a 401 with all its texts, has 260 */
} lm_turn_answer;

void lm_turn_answer_begin(lm_turn_answer *answer, const lm_turn_asker *asker);
void lm_turn_answer_end(lm_turn *turn, lm_turn_answer *answer, const lm_turn_asker *asker);

/* Answers with an error and counts it as the drop it is: `drop` is one of turn->stats.drops. */
void lm_turn_refuse(lm_turn *turn, lm_ms now, const lm_turn_asker *asker, unsigned number, uint64_t *drop);

/* An error 420 that names these types. */
void lm_turn_refuse_unknown(lm_turn *turn, const lm_turn_asker *asker, const lm_turn_message *message);

#endif
