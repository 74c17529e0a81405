/*
 * A WebRTC stack without a network: the test says which sessions open, what they say and how they end, and
 * reads what the relay sent to each. Misuse by a test, or no memory for what a test does, aborts.
 *
 * What the real stack's contract allows is made to happen: the bytes of an event are freed at the next poll,
 * messages that came before a close are still handed out after it, and a session that is not read fills its
 * queue.
 */
#ifndef LM_TEST_MEMORY_STACK_H
#define LM_TEST_MEMORY_STACK_H

#include <stdbool.h>
#include <stddef.h>

#include "webrtc/webrtc.h"

/* Freed by lm_webrtc_destroy(). A datagram that is put in comes out again, as it is. */
lm_webrtc *memory_stack_create(void);

/* A client comes: LM_WEBRTC_OPEN. */
lm_session_id memory_stack_open(lm_webrtc *stack);

/* A client says something: LM_WEBRTC_MESSAGE, copied. Nothing happens if its session has ended. */
void memory_stack_say(lm_webrtc *stack, lm_session_id session, const char *text);
void memory_stack_say_bytes(lm_webrtc *stack, lm_session_id session, const void *data, size_t len,
                            bool binary);

/* A session ends: LM_WEBRTC_CLOSED. Nothing happens if it has ended already. */
void memory_stack_end(lm_webrtc *stack, lm_session_id session, lm_close_reason reason);

/* While a client does not read, what is sent to it waits, up to LM_WEBRTC_SEND_QUEUE_MAX bytes. */
void memory_stack_set_reading(lm_webrtc *stack, lm_session_id session, bool reading);

/* The client was heard last at that time, LM_MS_NEVER: it is heard all the time, as from the start. */
void memory_stack_set_heard(lm_webrtc *stack, lm_session_id session, lm_ms at);

/*
 * The oldest message sent to the session that was not taken yet, NUL-terminated; NULL if there is none.
 * Borrowed until the next call for the same session. Works on sessions that have ended, too.
 */
const char *memory_stack_take(lm_webrtc *stack, lm_session_id session);

/* Forgets all that was sent to the session; returns how many messages that were. */
size_t memory_stack_discard(lm_webrtc *stack, lm_session_id session);

/* True when the session has ended, or is about to. */
bool memory_stack_ended(const lm_webrtc *stack, lm_session_id session);

/* What lm_webrtc_next_timeout() says. lm_webrtc_timeout() sets it to LM_MS_NEVER. */
void memory_stack_set_timeout(lm_webrtc *stack, lm_ms at);

/* What lm_webrtc_set_limits() said last; it keeps no session from being opened. */
const lm_webrtc_limits *memory_stack_limits(const lm_webrtc *stack);

/* The password that lm_webrtc_set_identity() said last, "" before that. It refuses one that is too short. */
const char *memory_stack_pwd(const lm_webrtc *stack);

#endif
