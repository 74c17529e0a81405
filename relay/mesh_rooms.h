/*
 * What the mesh and the rooms tell each other: places here are announced to the other nodes, and the members
 * that other nodes announce stand in rooms here as if there were one relay. The mesh keeps them; nothing here
 * does, so the two cannot come to differ. Every function does nothing, or says that there is nobody, without
 * a mesh.
 *
 * What the mesh has to say of members after a call is taken at once, so that a list never names somebody who
 * is told as a newcomer afterwards.
 */
#ifndef LM_RELAY_MESH_ROOMS_H
#define LM_RELAY_MESH_ROOMS_H

#include "relay/relay_state.h"

_Static_assert(LM_ROOM_ID_LEN == LM_MESH_ROOM_LEN && LM_PEER_ID_LEN == LM_MESH_PEER_LEN &&
                   LM_MEMBER_INFO_MAX <= LM_MESH_INFO_MAX,
               "what a browser may say, a mesh can carry");

/*
 * In the time after a room came into being here, members elsewhere become known that were there before: ours
 * are the newcomers to them.
 */
#define LM_MESH_ROOMS_SETTLE 2000 /* ms */

/* True when a peer has a place in the room at another node, and none here. */
bool lm_mesh_rooms_has(const lm_relay *relay, const uint8_t room[LM_ROOM_ID_LEN],
                       const uint8_t peer[LM_PEER_ID_LEN]);

/* True when the room has no place for one more peer, all nodes' members counted. */
bool lm_mesh_rooms_is_full(const lm_relay *relay, const uint8_t room[LM_ROOM_ID_LEN],
                           const uint8_t peer[LM_PEER_ID_LEN]);

/* Announces a new place, or the new info of an old one. */
void lm_mesh_rooms_join(lm_relay *relay, lm_ms now, const lm_member *member);

/*
 * A place is about to be given up, unless the mesh has done so. True: the peer is in the room at another
 * node, so to the others it stays.
 */
bool lm_mesh_rooms_leave(lm_relay *relay, lm_ms now, const lm_member *member);

/* peer->silent has changed. May free a detached peer, with its last place. */
void lm_mesh_rooms_silent(lm_relay *relay, lm_ms now, const lm_peer *peer);

/*
 * Passes a signal on to a member elsewhere. LM_ENOTFOUND: there is none; LM_ETOOBIG; LM_ELIMIT: its node does
 * not read; LM_ENOMEM.
 */
int lm_mesh_rooms_signal(lm_relay *relay, lm_ms now, const lm_member *from, const uint8_t to[LM_PEER_ID_LEN],
                         const char *data);

/* As lm_relay_mesh_output(). */
void lm_mesh_rooms_tell(lm_relay *relay, lm_ms now, const lm_mesh_output *out);

#endif
