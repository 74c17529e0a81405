/*
 * Rooms and members over the nodes. A node keeps rooms that have members here, and of the other nodes what
 * they say of those rooms; it keeps nothing of rooms that are elsewhere alone. So what another node can make
 * it remember is bounded by what its own browsers ask for.
 *
 *     a room's first member here   `rooms` add to every node; those that have the room, too, answer with
 *                                  their `members` of it, and get ours
 *     more members, and leaves     `members` to the nodes that share the room
 *     a room's last member here    `rooms` del to those
 *
 * A peer is in a room once, whoever claims it: its node and, while a browser moves or a node lies, another
 * one. Nobody can tell the two apart from outside. So a peer stays until the last claim is gone, signals to
 * it go to all that claim it, and signals from it are taken from each of them; that way a false claim takes
 * nothing away. A peer of this very node is its own, until its session has fallen silent.
 */
#ifndef LM_MESH_MEMBERS_H
#define LM_MESH_MEMBERS_H

#include "mesh/mesh_state.h"

/* A conversation with the node has begun: tells it all our rooms. */
void lm_members_begin(lm_mesh *mesh, lm_ms now, lm_mesh_node *node);

/* What the node has said counts no longer: its members leave. */
void lm_members_forget(lm_mesh *mesh, lm_ms now, lm_mesh_node *node);

/* Messages. Negative: the node broke a rule. */
int lm_members_on_rooms(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m);
int lm_members_on_members(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m);
int lm_members_on_signal(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m);

/* Tells of fresh rooms, when it is time. */
void lm_members_timeout(lm_mesh *mesh, lm_ms now);
void lm_members_clear(lm_mesh *mesh);

#endif
