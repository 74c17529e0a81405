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
#define FLOOD_COUNTS(X)                                                               \
    X(checks)    /* Binding requests of clients that never came before */             \
    X(successes) /* answers to them: a session was made */                            \
    X(refused)   /* answers of 486: no place, or too many from one address */         \
    X(hellos)    /* ClientHellos */                                                   \
    X(cookies)   /* HelloVerifyRequests, each answered with a ClientHello again */    \
    X(flights)   /* ServerHellos: the relay has done its half of a handshake */       \
    X(sessions)  /* sessions whose channel opened */                                  \
    X(requests)  /* messages sent on channels */                                      \
    X(joined)    /* rooms entered */                                                  \
    X(errors)    /* answers that were errors */                                       \
    X(signals)   /* signals sent to members who do not read */                        \
    X(cut_off)   /* members who do not read, and whose session the relay has ended */ \
    X(asked)     /* TURN requests */                                                  \
    X(asked_bytes)                                                                    \
    X(answers) /* to them */                                                          \
    X(answer_bytes)                                                                   \
    X(allocated)  /* allocations made */                                              \
    X(bound)      /* their channels, each with a permission */                        \
    X(user_quota) /* answers of 486 */                                                \
    X(capacity)   /* answers of 508 */                                                \
    X(unexpected) /* answers that should not be, or none where there has to be one */ \
    X(connected)  /* TCP connections made */                                          \
    X(closed)     /* that the relay has closed */                                     \
    X(reached)    /* most of them at once */

typedef struct flood {
    lm_node_config relay;
    lm_addr addr;   /* the relay's, on loopback */
    unsigned rate;  /* what a second is to bring: clients, requests or signals; 0: the kind's own */
    unsigned count; /* sessions, addresses or connections, of the kinds that have some; 0: the kind's own */
    const char *secret; /* of TURN credentials; "" */
    uint16_t tls_port;
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

/* One socket whose datagrams each have a source address of their own. */
typedef struct flood_sources {
    lm_addr relay;
    int fd;
    uint32_t first; /* where their addresses begin: those of another flood are not ours */
} flood_sources;

void flood_sources_open(flood_sources *s, const flood *f);
void flood_sources_send(flood_sources *s, const uint8_t source[4], const void *data, size_t len);
/* Waits for a moment and hands over what has come, with the address that it came to. */
void flood_sources_receive(flood_sources *s,
                           void (*take)(void *user, const uint8_t source[4], const uint8_t *data, size_t len),
                           void *user);
void flood_sources_close(flood_sources *s);

/* The kinds. */
void flood_ufrags(flood *f);
void flood_hellos(flood *f);
void flood_half_open(flood *f);
void flood_rooms(flood *f);
void flood_slow_reader(flood *f);
void flood_allocations(flood *f);
void flood_spoofed(flood *f);
void flood_wrong(flood *f);
void flood_silent(flood *f);
void flood_garbage(flood *f);
void flood_drip(flood *f);
void flood_tls(flood *f);

#endif
