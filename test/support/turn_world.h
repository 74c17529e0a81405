/*
 * A TURN server and its clients on virtual time, in memory. Every packet is handed to the server in a block
 * of just the room that lm_packet promises, so that a sanitizer sees a step over it.
 */
#ifndef LM_TEST_TURN_WORLD_H
#define LM_TEST_TURN_WORLD_H

#include "test/support/turn_client.h"
#include "webrtc/turn.h"

#define TURN_WORLD_SECRET "a secret of the tests"
#define TURN_WORLD_REALM "turn.example"
#define TURN_WORLD_SERVER "198.51.100.1:3478"
#define TURN_WORLD_SERVER6 "[2001:db8::1]:3478"
#define TURN_WORLD_UNIX 1700000000u /* seconds since 1970 when a world begins */
#define TURN_WORLD_PACKET_MAX 65536
#define TURN_WORLD_PORTS 64

typedef struct turn_world {
    lm_turn *turn;
    lm_ms now;
    lm_packet packet;  /* the last one; what is to be sent if turn_world_put() gave 1 */
    uint8_t *block;    /* that its bytes lie in */
    bool refuse_ports; /* open mode: the next ports cannot be opened */
    bool hold_ports;   /* nothing is said of ports; turn_world_open_held() does */
    lm_addr held;
    lm_addr ports[TURN_WORLD_PORTS]; /* that are open */
    size_t port_count;
    uint64_t answer_bytes; /* of all answers */
    uint64_t seed;
} turn_world;

/* The usual settings: 198.51.100.1 and 2001:db8::1, ports 50000 to 50099, 20 allocations, no other limit. */
lm_turn_config turn_world_config(turn_world *w, lm_turn_mode mode);

/* Zeroes *w, starts the server; config NULL: the usual one. */
void turn_world_start(turn_world *w, lm_turn_mode mode, const lm_turn_config *config);
void turn_world_stop(turn_world *w);

/* A client of `user` at this address, with a good credential, which knows no nonce yet. */
turn_client turn_world_client(const turn_world *w, const char *address, const char *user);

/* Hands over a packet; what lm_turn_relay() returns. */
int turn_world_put(turn_world *w, const lm_addr *remote, const lm_addr *local, bool relayed, const void *data,
                   size_t len);

/*
 * Drains the server: ports are opened and closed. True when there was an answer for the client, and *answer
 * is it; answers for others, or two of them, abort.
 */
bool turn_world_drain(turn_world *w, turn_client *c, turn_client_answer *answer);

/* Puts a request of the client and drains; the error's number, 0 for success, -1 for no answer. */
int turn_world_ask(turn_world *w, turn_client *c, const uint8_t *request, size_t len,
                   turn_client_answer *answer);

/* The same for the usual requests; Allocate is asked twice if it has to be, for the nonce. */
int turn_world_allocate(turn_world *w, turn_client *c, const turn_client_wish *wish,
                        turn_client_answer *answer);
int turn_world_refresh(turn_world *w, turn_client *c, uint32_t lifetime);
int turn_world_permit(turn_world *w, turn_client *c, const char *peer);
int turn_world_bind(turn_world *w, turn_client *c, uint16_t channel, const lm_addr *peer);

/* Says of the port that was held how it went; then drain. */
void turn_world_open_held(turn_world *w, bool opened);

/* Lets time pass, with the server's timeouts on the way. */
void turn_world_pass(turn_world *w, lm_ms ms);

#endif
