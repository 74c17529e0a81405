/*
 * Relayed ports: who has which, and those that wait for a reservation to be claimed (RFC 8656 section 7.2).
 * A table per address family, indexed by the port, so that a packet finds its allocation at once.
 */
#ifndef LM_WEBRTC_TURN_PORTS_H
#define LM_WEBRTC_TURN_PORTS_H

#include "common/random.h"
#include "webrtc/turn.h"
#include "webrtc/turn_message.h"

struct lm_turn_allocation;

typedef enum lm_turn_port_choice {
    LM_TURN_PORT_ANY,
    LM_TURN_PORT_EVEN, /* EVEN-PORT */
    LM_TURN_PORT_PAIR  /* EVEN-PORT with R: the next higher port is free as well */
} lm_turn_port_choice;

typedef struct lm_turn_reservation {
    uint8_t token[LM_TURN_TOKEN_LEN];
    lm_addr port; /* family and port count; LM_AF_NONE: none */
    lm_ms expires;
} lm_turn_reservation;

typedef struct lm_turn_ports {
    struct lm_turn_allocation **table[2]; /* IPv4, IPv6; NULL: no such addresses are given */
    uint16_t min, max;
    lm_turn_reservation reservations[LM_TURN_RESERVATIONS_MAX];
} lm_turn_ports;

/* LM_ENOMEM. */
int lm_turn_ports_init(lm_turn_ports *ports, uint16_t min, uint16_t max, bool ipv4, bool ipv6);
void lm_turn_ports_clear(lm_turn_ports *ports);

/* The allocation at a relayed address, by its family and port; NULL if nobody is there. */
struct lm_turn_allocation *lm_turn_ports_find(const lm_turn_ports *ports, const lm_addr *port);

/* A free port of this family, drawn at random (section 7.2); 0 if there is none. */
uint16_t lm_turn_ports_draw(const lm_turn_ports *ports, const lm_random *random, lm_family family,
                            lm_turn_port_choice choice);

/* Gives a port, that is free or was claimed, to an allocation; NULL sets it free. */
void lm_turn_ports_set(lm_turn_ports *ports, const lm_addr *port, struct lm_turn_allocation *allocation);

/* Keeps a free port from being drawn, for whoever shows the token. LM_ELIMIT. */
int lm_turn_ports_reserve(lm_turn_ports *ports, lm_ms now, const lm_random *random, const lm_addr *port,
                          uint8_t token[LM_TURN_TOKEN_LEN]);

/* The port that belongs to a token, now the caller's to give or to set free. LM_ENOTFOUND. */
int lm_turn_ports_claim(lm_turn_ports *ports, lm_ms now, const uint8_t token[LM_TURN_TOKEN_LEN],
                        lm_addr *port);

/* Sets free what was reserved and not claimed; returns when the next reservation ends. */
lm_ms lm_turn_ports_expire(lm_turn_ports *ports, lm_ms now);

#endif
