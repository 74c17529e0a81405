/* What a node says of its own members: the messages `rooms` and `members`. */
#ifndef LM_MESH_MEMBERS_TELL_H
#define LM_MESH_MEMBERS_TELL_H

#include "mesh/mesh_room.h"

/* Tells a node that shares the room all members of it here. */
void lm_members_tell_all(lm_mesh *mesh, lm_ms now, lm_share *share);

/* Tells a node that a room is not, or no longer, here, so that it does not count on us. */
void lm_members_tell_gone(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const uint8_t id[LM_MESH_ROOM_LEN]);

/* Tells the nodes that share the room of one member here. */
void lm_members_tell_change(lm_mesh *mesh, lm_ms now, const lm_presence_of *who, bool gone);

/* Tells a node of all rooms here, or of the fresh ones. */
void lm_members_tell_rooms(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, bool full);

#endif
