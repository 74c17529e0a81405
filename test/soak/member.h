/*
 * A client of the relay that says hello, joins rooms and signals to whom it sees there, and checks what it
 * hears: each signal of a member of a room comes once and in order. How that is known: a member counts its
 * signals to each peer that it sees, from 0, and sends the number and the serial of its session along.
 *
 *     a peer that came while the receiver was in the room    its numbers start at 0 and have no gap
 *     one that was there before                              they have no gap after the first one heard
 */
#ifndef LM_TEST_SOAK_MEMBER_H
#define LM_TEST_SOAK_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "test/soak/trail.h"
#include "test/support/client.h"

#define SOAK_ROOMS 24
#define SOAK_ROOM_PEERS 128 /* of one room that a member keeps in view */
#define SOAK_ID_SIZE SOAK_TRAIL_ID_SIZE

/* One peer in one room, as a member sees it. */
typedef struct soak_peer {
    char id[SOAK_ID_SIZE];
    bool here;
    uint32_t sent;   /* number of the next signal to it */
    uint32_t serial; /* of the session that it signals from; 0: none heard of */
    uint32_t next;   /* number of its next signal */
    bool was_there;  /* when we came: its numbers may start anywhere */
    uint32_t marker; /* of the last "end" that it sent */
    uint32_t marked; /* with the last "end" that we sent it */
    lm_ms since;     /* when we saw it come */
    lm_ms sent_at;   /* the last signal to it, LM_MS_NEVER: none */
} soak_peer;

typedef struct soak_room {
    bool wanted;
    bool in;
    soak_peer peers[SOAK_ROOM_PEERS];
    unsigned peer_count;
} soak_room;

typedef struct soak_totals {
    uint64_t sessions, opened, refused, moves, signals_sent, signals_heard, markers_heard, gone_peers, faults;
} soak_totals;

typedef struct soak_member {
    unsigned number;
    test_client *client; /* NULL: away */
    uint32_t serial;     /* of this session, never 0 while there is one */
    uint8_t key[32];
    bool greeted, welcome;
    char id[SOAK_ID_SIZE];
    char ufrag[16];
    lm_addr address;
    soak_room rooms[SOAK_ROOMS];
    soak_totals *totals;
    uint64_t *random;
    const lm_ms *now;
    soak_trail trail;
} soak_member;

/* Starts a session with a relay, from an address. */
void soak_member_come(soak_member *member, const test_client_config *config);

/* Forgets the session, without a word; why is a literal. */
void soak_member_forget(soak_member *member, const char *why);

/* After its client has been given anything: goes on with hello and joins; true while it has a living client.
 */
bool soak_member_step(soak_member *member, lm_ms now);

/* Joins or leaves a room. */
void soak_member_toggle(soak_member *member, lm_ms now, unsigned room);

/* Sends a signal with `padding` bytes more to one that it sees; false if it sees nobody. */
bool soak_member_signal(soak_member *member, lm_ms now, unsigned padding);

/* Sends everybody whom it sees a signal with this marker, which is not 0, but to each only once. */
void soak_member_mark(soak_member *member, lm_ms now, uint32_t marker);

/* True when it is welcome, and in all rooms that it wants and in no other. */
bool soak_member_is_settled(const soak_member *member);

/* True when it is that, and has the marker of everybody whom it sees there. */
bool soak_member_is_whole(const soak_member *member, uint32_t marker);

/* Says and counts what it lacks if it is not. */
void soak_member_check_whole(soak_member *member, uint32_t marker);

/* One of those that it sees in a room and has not the marker of, by number from 0; NULL if there is none. */
const soak_peer *soak_member_missing(const soak_member *member, uint32_t marker, unsigned number,
                                     unsigned *room);

/* Prints what it knows of another in a room, and its own sessions and packets, for who looks for a fault. */
void soak_member_explain(const soak_member *member, FILE *out, unsigned room, const char *peer_id);

#endif
