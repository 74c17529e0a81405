/*
 * A relay on the in-memory stack with a clock, a seed and a node key of its own: what the relay's tests start
 * from.
 */
#ifndef LM_TEST_RELAY_WORLD_H
#define LM_TEST_RELAY_WORLD_H

#include "relay/relay_state.h"
#include "test/support/memory_stack.h"

#define RELAY_WORLD_UNIX_START 1700000000000u /* wall clock at `now` 0, ms */
#define RELAY_WORLD_HELLO_MAX 256

typedef struct relay_world {
    lm_relay *relay;
    lm_webrtc *stack; /* the relay's */
    lm_ms now;
    uint64_t random; /* state of the generator */
} relay_world;

/* Makes a world at `now` 1000. limits may be NULL: the defaults. Returns what lm_relay_create() did. */
int relay_world_create(relay_world *world, const lm_relay_limits *limits, uint64_t seed);
void relay_world_destroy(relay_world *world);

/* Lets the relay take all events. */
void relay_world_drain(relay_world *world);

/* Moves the clock on by ms, at the deadlines on the way, too. */
void relay_world_advance(relay_world *world, lm_ms ms);

/* A session says something, ends, and the relay takes notice. */
void relay_world_say(relay_world *world, lm_session_id session, const char *text);
void relay_world_end(relay_world *world, lm_session_id session, lm_close_reason reason);

/* The hello of a client whose key is 32 times the byte `key`; returns text. */
const char *relay_world_hello_text(char text[RELAY_WORLD_HELLO_MAX], uint8_t key);

/* Opens a session and says that hello; the welcome is left to be taken. */
lm_session_id relay_world_greet(relay_world *world, uint8_t key);

/* The peer id that belongs to that key; returns id. */
const char *relay_world_id(char id[LM_PEER_ID_TEXT], uint8_t key);

/* What is wrong with the relay's tables, lists, counts and gauges; NULL if all agree. */
const char *relay_world_fault(const relay_world *world);

#endif
