/*
 * Floods against a relay on loopback: what its kinds share. Each kind sends at a bounded rate until its time
 * is over, and counts what it sent and what came back.
 */
#ifndef LM_TOOLS_FLOOD_H
#define LM_TOOLS_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "mesh/node_config.h"

/* What is counted, by the name it is printed with. */
#define FLOOD_COUNTS(X)                                                            \
    X(checks)    /* Binding requests of clients that never came before */          \
    X(successes) /* answers to them: a session was made */                         \
    X(refused)   /* answers of 486: no place, or too many from one address */      \
    X(hellos)    /* ClientHellos */                                                \
    X(cookies)   /* HelloVerifyRequests, each answered with a ClientHello again */ \
    X(flights)   /* ServerHellos: the relay has done its half of a handshake */    \
    X(sessions)  /* sessions whose channel opened */                               \
    X(requests)  /* messages sent on channels */                                   \
    X(joined)    /* rooms entered */                                               \
    X(errors)    /* answers that were errors */                                    \
    X(signals)   /* signals sent to members who do not read */                     \
    X(cut_off)   /* members who do not read, and whose session the relay has ended */

typedef struct flood {
    lm_node_config relay;
    lm_addr addr;   /* the relay's, on loopback */
    unsigned rate;  /* what a second is to bring: clients, requests or signals; 0: the kind's own */
    unsigned count; /* sessions, of the kinds that have some; 0: the kind's own */
    lm_ms end;
#define X(name) uint64_t name;
    struct {
        FLOOD_COUNTS(X)
    } counts;
#undef X
} flood;

lm_ms flood_now(void);
void flood_die(const char *what);

/* How many may be sent now, for `rate` a second since `start`, after `sent` have been: a few at a time. */
unsigned flood_allowance(lm_ms start, unsigned rate, uint64_t sent);

/* A socket on an address of its own in 127.0.0.0/8, connected to the relay; non-blocking. */
int flood_socket(const flood *f, uint32_t number);

/* The address number `number` in 127.0.0.0/8, none of which is 127.0.0.1. */
void flood_source(uint8_t ip[4], uint32_t number);

/* The kinds. */
void flood_ufrags(flood *f);
void flood_hellos(flood *f);
void flood_half_open(flood *f);
void flood_rooms(flood *f);
void flood_slow_reader(flood *f);

#endif
