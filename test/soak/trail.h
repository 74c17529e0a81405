/*
 * What is known of a member when a signal of it is missed: its sessions, and the latest SCTP packets of the
 * one that it has. It costs little enough to be written down always, since what fails once in a hundred runs
 * is not there again when somebody looks.
 */
#ifndef LM_TEST_SOAK_TRAIL_H
#define LM_TEST_SOAK_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/addr.h"
#include "common/clock.h"

#define SOAK_TRAIL_SESSIONS 6
#define SOAK_TRAIL_PACKETS 48
#define SOAK_TRAIL_ID_SIZE 23

typedef struct soak_trail_session {
    uint32_t serial; /* 0: none */
    char id[SOAK_TRAIL_ID_SIZE];
    lm_addr address;              /* the latest */
    lm_ms came, greeted, welcome; /* LM_MS_NEVER: not yet */
    lm_ms went;
    const char *why; /* it went; a literal */
} soak_trail_session;

typedef struct soak_trail_packet {
    lm_ms at;
    bool sent;
    size_t len;
    char chunks[48];
} soak_trail_packet;

/* Zero-initialise. Both are rings: the latest is at (count - 1) modulo their size. */
typedef struct soak_trail {
    unsigned session_count, packet_count;
    soak_trail_session sessions[SOAK_TRAIL_SESSIONS];
    soak_trail_packet packets[SOAK_TRAIL_PACKETS];
} soak_trail;

/* A session begins; what its packets were before is forgotten. */
void soak_trail_come(soak_trail *trail, lm_ms now, uint32_t serial);
/* The session that began last; not before one did. */
soak_trail_session *soak_trail_latest(soak_trail *trail);
/* It has ended, for the first reason that is given. */
void soak_trail_go(soak_trail *trail, lm_ms now, const char *why);
/* An SCTP packet of it, in plaintext. */
void soak_trail_packet_add(soak_trail *trail, lm_ms now, bool sent, const uint8_t *packet, size_t len);

/* The latest of its sessions that went by this id, or NULL. */
const soak_trail_session *soak_trail_find(const soak_trail *trail, const char *id);

/* Lines for people; times are ms before `now`. */
void soak_trail_print_session(FILE *out, lm_ms now, const soak_trail_session *session);
void soak_trail_print_packets(FILE *out, lm_ms now, const soak_trail *trail);

#endif
