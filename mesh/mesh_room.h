/*
 * What is known of the rooms that have members here: those members, the nodes that have the room too
 * (shares), and what each of these says of its members (claims). For members.c, which keeps the rules.
 */
#ifndef LM_MESH_MESH_ROOM_H
#define LM_MESH_MESH_ROOM_H

#include "mesh/mesh_state.h"

typedef struct lm_claim lm_claim;
typedef struct lm_presence_of lm_presence_of;
typedef struct lm_local_peer lm_local_peer;

/* One peer in one room. */
struct lm_presence_of {
    uint8_t id[LM_MESH_PEER_LEN];
    lm_mesh_room *room;
    lm_local_peer *local;                    /* NULL: not here */
    char *info;                              /* here; owned */
    lm_ms joined;                            /* here */
    bool evicted;                            /* LM_MESH_ROOM_FULL has been said */
    lm_claim *claims;                        /* of other nodes, the oldest first */
    lm_presence_of *local_prev, *local_next; /* local->places */
    UT_hash_handle hh;
};

/* What one node says of one peer in one room. */
struct lm_claim {
    lm_presence_of *who;
    lm_share *share;
    char *info; /* owned */
    lm_ms since;
    uint32_t mark;
    lm_claim *who_prev, *who_next, *share_prev, *share_next;
};

/* One room and one node that has it too. */
struct lm_share {
    lm_mesh_room *room;
    lm_mesh_node *node;
    bool told; /* it has our members of the room */
    lm_claim *claims;
    uint32_t count;
    lm_share *room_prev, *room_next, *node_prev, *node_next;
};

struct lm_mesh_room {
    uint8_t id[LM_MESH_ROOM_LEN];
    lm_presence_of *peers;
    uint32_t local_count, remote_count;
    lm_share *shares;
    lm_ms opened;
    bool fresh; /* on mesh->fresh_rooms */
    lm_mesh_room *fresh_prev, *fresh_next;
    UT_hash_handle hh;
};

/* A peer of this node. */
struct lm_local_peer {
    uint8_t id[LM_MESH_PEER_LEN];
    bool silent;
    lm_ms heard; /* silent: since then nothing has been */
    lm_presence_of *places;
    UT_hash_handle hh;
};

_Static_assert(sizeof(lm_share) + 64 <= LM_MESH_SHARE_BYTES &&
                   sizeof(lm_claim) + sizeof(lm_presence_of) + LM_MESH_INFO_MAX + 256 <= LM_MESH_MEMBER_BYTES,
               "what lm_mesh_memory() counts, with what the allocator adds");

/* NULL: nobody here is in it. */
lm_mesh_room *lm_room_find(const lm_mesh *mesh, const uint8_t id[LM_MESH_ROOM_LEN]);
/* Makes it where it is missing, and has it told to the others soon. NULL: no memory. */
lm_mesh_room *lm_room_get(lm_mesh *mesh, lm_ms now, const uint8_t id[LM_MESH_ROOM_LEN]);
/* One without members here, with what others say of it. No events: nobody here is left to hear of them. */
void lm_room_free(lm_mesh *mesh, lm_mesh_room *room);
/* The others have been told of it, or need not be any more. */
void lm_room_unfresh(lm_mesh *mesh, lm_mesh_room *room);

/* Of room, which may be NULL, as may the result. */
lm_presence_of *lm_room_find_peer(const lm_mesh_room *room, const uint8_t id[LM_MESH_PEER_LEN]);
/* Makes it where it is missing. NULL: no memory, counted. */
lm_presence_of *lm_room_get_peer(lm_mesh *mesh, lm_mesh_room *room, const uint8_t id[LM_MESH_PEER_LEN]);
/* Frees it if it is neither here nor elsewhere. */
void lm_room_release_peer(lm_presence_of *who);
/* Elsewhere and not here. */
bool lm_room_is_remote(const lm_presence_of *who);
void lm_room_count_remote(lm_mesh *mesh, lm_mesh_room *room, int change);
/* Queues an event about a peer; text is copied and may be NULL. */
void lm_room_emit(lm_mesh *mesh, lm_mesh_output_kind kind, const lm_presence_of *who, const char *text);

/* NULL: the node does not have the room. */
lm_share *lm_room_find_share(const lm_mesh_room *room, const lm_mesh_node *node);
/*
 * Makes it where it is missing. NULL: room is NULL, no memory, or a bound, which is counted; *result is
 * LM_ELIMIT if it is the node's own.
 */
lm_share *lm_room_get_share(lm_mesh *mesh, lm_mesh_room *room, lm_mesh_node *node, int *result);
/* With its claims, which ends memberships. */
void lm_room_free_share(lm_mesh *mesh, lm_share *share);

/* NULL: the node does not claim the peer. */
lm_claim *lm_room_find_claim(const lm_presence_of *who, const lm_mesh_node *node);
/* Frees a claim, with the event that is due; its peer may be gone afterwards. */
void lm_room_unclaim(lm_mesh *mesh, lm_claim *claim);

/* NULL: no memory. */
lm_local_peer *lm_local_peer_get(lm_mesh *mesh, const uint8_t id[LM_MESH_PEER_LEN]);
/* Frees it if it has no place any more. */
void lm_local_peer_release(lm_mesh *mesh, lm_local_peer *local);

#endif
