/*
 * The signalling protocol's requests (protocol page, section 3): parses one message, carries it out, and
 * answers.
 */
#ifndef LM_RELAY_SIGNALLING_H
#define LM_RELAY_SIGNALLING_H

#include <stdbool.h>
#include <stddef.h>

#include "relay/relay_state.h"

#define LM_SIGNAL_DATA_MAX 49152 /* bytes of data */

/* Nesting that a message may have; the protocol itself needs 1. */
#define LM_MESSAGE_DEPTH_MAX 32

/* Messages over its rate that a session is answered `rate-limited` for, before it is closed. */
#define LM_OVER_RATE_MAX 256

/* Takes one message (borrowed) of a session; answers it, and may close the session. */
void lm_signalling_message(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *text,
                           size_t len, bool binary);

#endif
