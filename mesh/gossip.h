/*
 * What goes over a link for all to know: node records and whom a node is linked with. And the way of every
 * frame to the part that it is for.
 *
 * A record goes by its node to its neighbours, and from those to the nodes that are two links away, once
 * each: of the common neighbours the one does it that a hash chooses. That of a node new to us goes to all in
 * a small mesh, and to a few in a large one. Digests, when a link comes up and every 30 s, find what went
 * astray.
 */
#ifndef LM_MESH_GOSSIP_H
#define LM_MESH_GOSSIP_H

#include "mesh/mesh_state.h"

#define LM_GOSSIP_DIGEST_TIME 30000

/* One frame (borrowed) of a link. */
void lm_gossip_frame(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const char *text, size_t len);

/* A link has come up; learned: its node's record is a new one. Or it has ended. */
void lm_gossip_link_up(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, bool learned);
void lm_gossip_link_down(lm_mesh *mesh, lm_ms now, lm_mesh_link *link);

/* This node's record is another one. */
void lm_gossip_self(lm_mesh *mesh, lm_ms now);

void lm_gossip_send_digest(lm_mesh *mesh, lm_ms now, lm_mesh_link *link);

/* True if the node of link says that it is linked with node. */
bool lm_gossip_reaches(const lm_mesh_link *link, const lm_mesh_node *node);

/* A rank for the pair of a and b by way of c, the same on all nodes. */
uint64_t lm_gossip_rank(const lm_mesh_node *a, const lm_mesh_node *b, const lm_mesh_node *c);

/* Tells neighbours of neighbours, when it is time. */
void lm_gossip_timeout(lm_mesh *mesh, lm_ms now);

#endif
