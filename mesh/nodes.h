/*
 * Nodes: whoever has been named by its nk, and the newest record of each that is known. A record is live, and
 * told to browsers, until it has not been renewed for 10 minutes; a day after its last renewal it is
 * forgotten. A node's clock may be wrong: one that renews its record before our eyes, or is linked with us,
 * is live whatever its clock says.
 */
#ifndef LM_MESH_NODES_H
#define LM_MESH_NODES_H

#include "mesh/mesh_state.h"

lm_mesh_node *lm_nodes_find(const lm_mesh *mesh, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN]);

/*
 * The same, made if need be, without a record: for a node that is linked, or whose record has a place. NULL:
 * no memory.
 */
lm_mesh_node *lm_nodes_get(lm_mesh *mesh, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN]);

/* The same for one that somebody else says is there. NULL, too: too many. */
lm_mesh_node *lm_nodes_get_named(lm_mesh *mesh, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN]);

/* Frees the node if nothing is known of it and nobody names it. */
void lm_nodes_release(lm_mesh *mesh, lm_mesh_node *node);

/*
 * Takes a record that came by `link` if it is good and newer than what is known. 1: *learned is its node,
 * whose record is another one now; *first: it had none; 0: nothing new; negative: dropped and counted.
 */
int lm_nodes_learn(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const char *record, const char *sig,
                   lm_mesh_node **learned, bool *first);

/*
 * The same for the record of node itself by its own hello. Negative only where it is no record of that node:
 * one whose clock is wrong is not taken, but excused.
 */
int lm_nodes_learn_own(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const char *record, const char *sig);

/* Makes the first record of this node, or a newer one. LM_EINVAL: none of this node's; LM_ENOMEM. */
int lm_nodes_set_self(lm_mesh *mesh, lm_ms now, const char *record, const char *sig);

bool lm_nodes_is_live(const lm_mesh *mesh, lm_ms now, const lm_mesh_node *node);

/* The bucket of mesh->digest that the node's record is in. */
static inline unsigned lm_nodes_bucket(const lm_mesh_node *node)
{
    return node->nk[0] % LM_MESH_DIGEST_BUCKETS;
}

/* Forgets what is too old. */
void lm_nodes_expire(lm_mesh *mesh, lm_ms now);
void lm_nodes_clear(lm_mesh *mesh);

#endif
