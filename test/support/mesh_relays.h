/*
 * Several relays that form a mesh, in one process on one clock. Links are pipes with a delay; a node is
 * dialled as "node<number>:1".
 */
#ifndef LM_TEST_MESH_RELAYS_H
#define LM_TEST_MESH_RELAYS_H

#include "mesh/mesh.h"
#include "test/support/relay_world.h"

#define MESH_RELAYS_MAX 4
#define MESH_RELAYS_WIRES 64

typedef struct mesh_relays_end {
    int node;
    lm_link_id link;
} mesh_relays_end;

typedef struct mesh_relays_bytes {
    struct mesh_relays_bytes *prev, *next;
    int wire, to; /* which end of the wire */
    lm_ms at;
    size_t len;
    uint8_t data[];
} mesh_relays_bytes;

typedef struct mesh_relays {
    relay_world world[MESH_RELAYS_MAX];
    lm_mesh *mesh[MESH_RELAYS_MAX];
    uint64_t random[MESH_RELAYS_MAX];
    bool alone[MESH_RELAYS_MAX]; /* cut off: nothing comes or goes, and nobody is told */
    bool turn;
    int without_turn; /* the node that serves none where others do; -1: there is no such node */
    int count;
    lm_ms now, delay;
    struct {
        bool open;
        mesh_relays_end end[2];
    } wires[MESH_RELAYS_WIRES];
    mesh_relays_bytes *bytes; /* on their way, in order */
} mesh_relays;

/*
 * Makes count nodes at `now` 1000, each of which knows the others' addresses, and lets them find each other.
 * limits may be NULL. turn: with TURN, of one secret.
 */
void mesh_relays_create(mesh_relays *m, int count, const lm_relay_limits *limits, bool turn);
void mesh_relays_create_without_turn(mesh_relays *m, int count, const lm_relay_limits *limits, bool turn,
                                     int without_turn);
void mesh_relays_destroy(mesh_relays *m);

/* A node ends: its links close. */
void mesh_relays_stop(mesh_relays *m, int node);

/* Moves the clock on by ms, with all that happens on the way. */
void mesh_relays_advance(mesh_relays *m, lm_ms ms);

/* A session at a node says something; what follows at other nodes needs time. */
void mesh_relays_say(mesh_relays *m, int node, lm_session_id session, const char *text);
void mesh_relays_end_session(mesh_relays *m, int node, lm_session_id session, lm_close_reason reason);

/* Opens a session at the node and says the hello of this key; the welcome has been taken. */
lm_session_id mesh_relays_greet(mesh_relays *m, int node, uint8_t key);

#endif
