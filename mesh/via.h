/*
 * Messages between two nodes that are not linked, through a neighbour that is linked with both; never through
 * two. The neighbour cannot read or forge them: they are sealed under a key of the two nodes alone.
 *
 *     key = HKDF-SHA-256(ikm: X25519(own static secret, the other's static key), salt: empty,
 *                        info: "lumamesh-via-v1", 32 bytes)
 *     box = nonce (24 random bytes) ‖ XChaCha20-Poly1305(key, nonce, message, ad: from ‖ to)
 */
#ifndef LM_MESH_VIA_H
#define LM_MESH_VIA_H

#include "mesh/mesh_state.h"

/* Sends a message of a conversation (borrowed) to node by way of link, another node's. */
void lm_via_send(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, lm_mesh_link *link, const char *text,
                 size_t len);

/* Passes a `via` on to the neighbour that it is for, or opens it if it is for us. */
void lm_via_receive(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m);

#endif
