/*
 * Browsers, each of them a peer of one node and in one room, and what nodes tell them. Checked at once:
 * nobody joins twice, leaves or signals without having joined; signals come in order, none twice, and none is
 * missing while both stay in each other's sight.
 */
#ifndef LM_SIM_BROWSERS_H
#define LM_SIM_BROWSERS_H

#include "test/sim/world.h"

/* A member elsewhere that a node has told its own members of. */
struct sim_view {
    uint64_t key; /* room and browser */
    lm_ms since;
    UT_hash_handle hh;
};

/* Signals from one browser to another. */
struct sim_pair {
    uint64_t key; /* from and to */
    unsigned from_gen, to_gen;
    uint32_t sent, received;
    bool lossy; /* one left the other's sight: what was under way may be lost */
    UT_hash_handle hh;
};

void sim_room_id(unsigned room, uint8_t id[LM_MESH_ROOM_LEN]);

void sim_join(sim_world *w, unsigned browser, unsigned node, unsigned room);
void sim_leave(sim_world *w, unsigned browser);
/* Goes on at another node, before its old one knows that it has gone. */
void sim_move(sim_world *w, unsigned browser, unsigned node);
void sim_signal(sim_world *w, unsigned from, unsigned to);

/* All browsers of a node are nowhere. */
void sim_browsers_lost(sim_world *w, unsigned node);

/* The member as its node sees it; NULL: it does not. */
sim_view *sim_find_view(const sim_node *n, unsigned room, unsigned browser);

/* An output of a node's mesh that is for its relay. */
void sim_on_member(sim_world *w, sim_node *n, const lm_mesh_output *out);

void sim_on_silent(sim_world *w, const struct sim_event *event);
void sim_on_ghost(sim_world *w, const struct sim_event *event);

void sim_browsers_clear(sim_world *w);

#endif
