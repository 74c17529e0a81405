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

/* Tells member of all other members, those at other nodes too, in as many messages as it takes. */
void lm_message_joined(lm_relay *relay, lm_ms now, const lm_member *member, const char *re);

/* Tells the room's other members of this one. */
void lm_message_peer_joined(lm_relay *relay, lm_ms now, const lm_member *member);

/*
 * Tells the room's members here of one at another node, by its id. before: it was in the room before they
 * were, although they hear of it only now, so that they make the offers.
 */
void lm_message_joined_elsewhere(lm_relay *relay, lm_ms now, const lm_room *room, const char *id,
                                 const char *info, bool before);

void lm_message_left(lm_relay *relay, lm_ms now, lm_relay_session *session, const lm_room *room,
                     const char *re);

/* Tells the room's other members that this one has gone. */
void lm_message_peer_left(lm_relay *relay, lm_ms now, const lm_member *member);

/* Tells the room's members here that one at another node has gone. */
void lm_message_left_elsewhere(lm_relay *relay, lm_ms now, const lm_room *room, const char *id);

/* Tells a member that the room had no place for it after all. */
void lm_message_evicted(lm_relay *relay, lm_ms now, const lm_member *member);

/* Tells a member whose session has been silent that its place has been given up. */
void lm_message_given_up(lm_relay *relay, lm_ms now, const lm_member *member);

/* To target, from a peer (its id) in the same room. LM_ETOOBIG: escaped, it does not fit one message. */
int lm_message_signal(lm_relay *relay, lm_ms now, const lm_member *target, const char *from,
                      const char *data);

/*
 * The URLs of the TURN servers and a credential for this session's peer. room (LM_ROOM_ID_LEN bytes) says
 * which of a mesh's nodes they are; NULL: this one. LM_ECRYPTO: no credential could be made; LM_ENOTFOUND: no
 * node serves TURN.
 */
int lm_message_turn(lm_relay *relay, lm_ms now, lm_relay_session *session, const uint8_t *room,
                    const char *re);

/* The records of this node and of all others that are live, in as many messages as it takes. */
void lm_message_nodes(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *re);

/* t is JSON text, "" if the ping had none. */
void lm_message_pong(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *t, const char *re);

#endif
