/*
 * The nodes that browsers are told of: this one, and in a mesh every live one. This node's own record is made
 * and renewed here, and given to the mesh.
 */
#ifndef LM_RELAY_NODE_LIST_H
#define LM_RELAY_NODE_LIST_H

#include "relay/relay_state.h"

/* Most bytes of records in one list: they have to fit a session's queue, with their escapes. */
#define LM_NODE_LIST_BYTES (512 * 1024)

/* Nodes that serve one room's TURN (protocol page, section 6). */
#define LM_NODE_LIST_TURN 2

/* Gives the mesh this node's record, where that is a new one; sets when the next is due. */
void lm_node_list_renew(lm_relay *relay, lm_ms now);

/* Calls visit for the record (borrowed) of each live node, this one's first. */
void lm_node_list_visit(lm_relay *relay, lm_ms now,
                        void (*visit)(void *ctx, const char *record, const char *sig), void *ctx);

/* A node that serves TURN. */
typedef struct lm_turn_node {
    bool self;
    lm_node_config config; /* unless it is this one */
} lm_turn_node;

/*
 * The live nodes with the feature `turn` that rank first for a room by SHA-256(room ‖ nk), so that all its
 * members allocate on the same ones. Their number: 1 or 0 where there are no more.
 */
size_t lm_node_list_turn(lm_relay *relay, lm_ms now, const uint8_t room[LM_ROOM_ID_LEN],
                         lm_turn_node nodes[LM_NODE_LIST_TURN]);

#endif
