/*
 * Links: TCP connections to other nodes, from their dialling to their end.
 *
 *     connecting ──► handshaking ──(Noise, then hello of both)──► up ──► dead
 *
 * Of two links between the same two nodes one stays: the one that the node with the smaller nk has dialled;
 * of two that the same node dialled, its newer one. A link of a node that has been started anew, which its
 * `boot` tells, puts an end to those from before, and so does one beside a link that has missed its ping.
 */
#ifndef LM_MESH_LINKS_H
#define LM_MESH_LINKS_H

#include "mesh/mesh_state.h"

/* A link that is about to be; NULL: too many, or no memory. dial is NULL for one that was accepted. */
lm_mesh_link *lm_links_add(lm_mesh *mesh, lm_ms now, lm_dial *dial, const lm_addr *addr);

lm_mesh_link *lm_links_find(const lm_mesh *mesh, lm_link_id id);

/* The connection is there: starts the handshake. */
void lm_links_begin(lm_mesh *mesh, lm_ms now, lm_mesh_link *link);

void lm_links_input(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const void *data, size_t len);

/* The other side's hello. */
void lm_links_hello(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m);
void lm_links_pong(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, uint64_t t);

/* Queues a frame (copied). A link for which too much waits is closed, or where it is too much for all, the
 * one for which most waits. */
void lm_links_send(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const void *text, size_t len);

/* The same for what a writer has written, without its last bracket; what did not fit is not sent. */
void lm_links_send_json(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, lm_json_writer *j);

/* True if the link has room for a message that may as well wait; takes a token of its rate then. */
bool lm_links_take_turn(lm_mesh *mesh, lm_ms now, lm_mesh_link *link);

/* Its buffers have grown or shrunk. */
void lm_links_count_buffers(lm_mesh *mesh, lm_mesh_link *link);

/* Puts the link among those that have something to send, if it has. */
void lm_links_mark_ready(lm_mesh *mesh, lm_mesh_link *link);

/* Has a link ended with this turn: where others are being gone through, it cannot end at once. */
void lm_links_doom(lm_mesh *mesh, lm_mesh_link *link);
void lm_links_close_doomed(lm_mesh *mesh, lm_ms now);

/*
 * Ends a link; tell: the caller does not know of it yet. What little waits to be sent then still goes, from
 * mesh->ready; after that, or else at once, the link is freed by lm_links_reap().
 */
void lm_links_close(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, bool tell);

/* A dead link has nothing to say any more. */
void lm_links_bury(lm_mesh *mesh, lm_mesh_link *link);
void lm_links_reap(lm_mesh *mesh);

void lm_links_timeout(lm_mesh *mesh, lm_ms now);

#endif
