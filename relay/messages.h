/*
 * What the relay says (protocol page, section 3): each function writes one kind of message and queues it. A
 * message that cannot be queued is counted as a drop; the stack closes a session whose queue is full, so
 * nobody misses one silently.
 *
 * re is the JSON text of the request's `re`, "" if it had none. Everything passed in is borrowed for the
 * call.
 */
#ifndef LM_RELAY_MESSAGES_H
#define LM_RELAY_MESSAGES_H

#include "relay/relay_state.h"

/* Longest JSON text of `re` with its NUL: 64 characters, each an escape of at most 6, and the quotes. */
#define LM_RE_CHARS_MAX 64
#define LM_RE_TEXT (LM_RE_CHARS_MAX * 6 + 3)

typedef enum lm_relay_error {
#define LM_X(name, code) LM_RELAY_ERROR_##name,
    LM_RELAY_ERRORS(LM_X)
#undef LM_X
} lm_relay_error;

/* text is for people, in English. Counts the error by its code. */
void lm_message_error(lm_relay *relay, lm_ms now, lm_relay_session *session, lm_relay_error error,
                      const char *text, const char *re);

/* session has its peer already; nonce is the hello's. */
void lm_message_welcome(lm_relay *relay, lm_ms now, lm_relay_session *session,
                        const uint8_t nonce[LM_HELLO_NONCE_LEN], const char *re);

/* Tells member of all other members, in as many messages as it takes. */
void lm_message_joined(lm_relay *relay, lm_ms now, const lm_member *member, const char *re);

/* Tells the room's other members of this one. */
void lm_message_peer_joined(lm_relay *relay, lm_ms now, const lm_member *member);

void lm_message_left(lm_relay *relay, lm_ms now, lm_relay_session *session, const lm_room *room,
                     const char *re);

/* Tells the room's other members that this one has gone. */
void lm_message_peer_left(lm_relay *relay, lm_ms now, const lm_member *member);

/* To target, from a peer in the same room. LM_ETOOBIG: escaped, it does not fit one message. */
int lm_message_signal(lm_relay *relay, lm_ms now, const lm_member *target, const lm_peer *from,
                      const char *data);

/* The URLs of the TURN server and a credential for this session's peer. LM_ECRYPTO: none could be made. */
int lm_message_turn(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *re);

void lm_message_nodes(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *re);

/* t is JSON text, "" if the ping had none. */
void lm_message_pong(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *t, const char *re);

#endif
