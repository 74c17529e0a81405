/*
 * Silent peers. A browser whose network changed comes back as the same peer, perhaps to another node of the
 * mesh, while its old session here still waits for consent to expire. Once that has said nothing for
 * LM_SILENCE_TIME the mesh is told, and gives the places up to a node that has the peer now. Without a mesh
 * nobody is watched.
 */
#ifndef LM_RELAY_SILENCE_H
#define LM_RELAY_SILENCE_H

#include "relay/relay_state.h"

/* ms without a check, of which browsers make one in 6 s at least (RFC 7675) */
#define LM_SILENCE_TIME LM_MESH_SILENT_TIME
#define LM_SILENCE_LOOK 1000 /* ms after which it is looked whether a silent one is heard again */

/* Begins to watch a peer that has been attached to a session. */
void lm_silence_watch(lm_relay *relay, lm_ms now, lm_peer *peer);

/* Its session is gone: it is silent until it is attached again. May free the peer, with its last place. */
void lm_silence_detached(lm_relay *relay, lm_ms now, lm_peer *peer);

/* Looks at those whose time has come. */
void lm_silence_expire(lm_relay *relay, lm_ms now);

#endif
