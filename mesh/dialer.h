/*
 * Whom to dial, and when: MESH_PEERS, and every known node that names an address, until there are enough
 * links. A try that failed is followed by the next after 1 s, doubling to 60 s; to a node that a link has
 * been up to, after 3 s at the most, so that a network that heals is a mesh again soon. All with jitter.
 *
 * In a mesh of up to links_wanted nodes all dial all. In a larger one a node dials half as many as it wants
 * links, chosen by chance, and beyond them nodes that it has no neighbour in common with.
 */
#ifndef LM_MESH_DIALER_H
#define LM_MESH_DIALER_H

#include "mesh/mesh_state.h"

struct lm_dial {
    char *host_port; /* owned */
    bool configured; /* of MESH_PEERS; else of its node's record */
    bool wanted;     /* configured: by the peers that lm_dialer_prepare() had last */
    bool self;       /* led to this very node */
    bool salt_logged;
    bool was_up;        /* for a moment at least */
    unsigned unheard;   /* links in a row that the other side ended without a word: another salt? */
    lm_mesh_node *node; /* who is there, if known */
    lm_mesh_link *link; /* by it, of any state but dead */
    unsigned failures;  /* in a row */
    lm_deadline deadline;
    lm_dial *prev, *next;
};

/* Makes ready for other peers in the place of those that are configured: LM_ENOMEM. Then takes them. */
int lm_dialer_prepare(lm_mesh *mesh, const char *const *peers, size_t count);
void lm_dialer_commit(lm_mesh *mesh, lm_ms now);

/* A node's record has come: dials its address, or goes on with the old one if it is the same. */
void lm_dialer_learn(lm_mesh *mesh, lm_ms now, lm_mesh_node *node);

/* A node is forgotten, or names no address any more. */
void lm_dialer_forget(lm_mesh *mesh, lm_mesh_node *node);

/* It has turned out whether the address leads to this very node. dial may be NULL. */
void lm_dialer_set_self(lm_mesh *mesh, lm_dial *dial, bool self);

void lm_dialer_link_up(lm_mesh *mesh, lm_ms now, lm_mesh_link *link);
void lm_dialer_link_ended(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, bool was_up);

/* No neighbour leads to the node any more: dials it soon, if that is possible. */
void lm_dialer_hurry(lm_mesh *mesh, lm_ms now, lm_mesh_node *node);

void lm_dialer_timeout(lm_mesh *mesh, lm_ms now);
void lm_dialer_clear(lm_mesh *mesh);

#endif
