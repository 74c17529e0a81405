/*
 * How much memory the settings allow: the sum of everything that a peer can fill, each part with the maximum
 * that is named where it is enforced. What an operator sizes a machine by, and what `--check-config` prints.
 */
#ifndef LM_RELAY_MEMORY_BOUND_H
#define LM_RELAY_MEMORY_BOUND_H

#include <stdint.h>

#include "relay/settings.h"

/* Sizes that no sizeof tells, in bytes, as measured (test/memory.sh): the libraries allocate most of them. */
#define LM_MEMORY_PROGRAM (16u << 20)    /* the process with nobody there: code, libraries, first tables */
#define LM_MEMORY_SESSION 50000u         /* an open session at rest: DTLS, SCTP, paths, the relay's side */
#define LM_MEMORY_ADMISSION_ENTRY 128u   /* an address that the session rate is counted for */
#define LM_MEMORY_HTTP_CONNECTION 24576u /* a connection to the health pages */
#define LM_MEMORY_OVERHEAD 64u           /* of one allocation: the allocator's, and a table's entry */

/* Silent sessions are found after so many seconds, so a session's place bears a detached peer that seldom. */
#define LM_MEMORY_SILENCE_SECONDS 30u

typedef struct lm_memory_bound {
    uint64_t fixed;           /* whatever the number of sessions is */
    uint64_t session_at_rest; /* each session, with nothing under way and in no room */
    uint64_t session_most;    /* each session in all the rooms it may be in, with SCTP's buffers full */
    uint64_t queues_most;     /* what waits for sessions that read slowly */
    uint64_t peer_most;       /* each peer that is kept for a session to come back to */
    uint64_t peers_most;      /* number of those */
    uint64_t turn_most;       /* the TURN server with all its allocations; 0: off */
    uint64_t streams_most;    /* the TCP and TLS connections with their queues full */
    uint64_t mesh_most;       /* the mesh with all that other nodes may make it hold; 0: alone */
    uint64_t at_rest, most;   /* the sums */
} lm_memory_bound;

void lm_memory_bound_of(lm_memory_bound *bound, const lm_settings *settings);

/* Writes it in a few lines. */
void lm_memory_bound_print(FILE *out, const lm_memory_bound *bound, const lm_settings *settings);

#endif
