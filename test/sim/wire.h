/*
 * The network between the nodes: TCP connections, whose bytes arrive in order and each chunk at its time. One
 * that a partition blocks holds its bytes until it is healed, as TCP would.
 */
#ifndef LM_SIM_WIRE_H
#define LM_SIM_WIRE_H

#include "test/sim/world.h"

/* A node's bytes for a link (copied), and its end of one. */
void sim_wire_send(sim_world *w, sim_node *n, lm_link_id link, const void *data, size_t len);
void sim_wire_close(sim_world *w, sim_node *n, lm_link_id link);

/* All connections of a node end; silent: nobody is told. */
void sim_wire_cut(sim_world *w, sim_node *n, bool silent);

/* True if a partition lies between two nodes. */
bool sim_is_blocked(const sim_world *w, unsigned a, unsigned b);

/* Resets one of `in` connections, by chance. */
void sim_lose_links(sim_world *w, unsigned in);

void sim_on_connect(sim_world *w, const struct sim_event *event);
void sim_on_chunk(sim_world *w, const struct sim_event *event);

void sim_wire_clear(sim_world *w);

#endif
