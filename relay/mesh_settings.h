/* What the settings say of the mesh, in the forms in which the mesh and the relay take it. */
#ifndef LM_RELAY_MESH_SETTINGS_H
#define LM_RELAY_MESH_SETTINGS_H

#include "mesh/mesh.h"
#include "relay/settings.h"

#define LM_MESH_PEERS_MAX 64 /* addresses that MESH_PEERS names */

/* Base64url of 32 bytes, a TURN secret. */
#define LM_MESH_TURN_SECRET_SIZE LM_BASE64URL_SIZE(32)

/* True when the relay is to be part of a mesh. */
bool lm_mesh_settings_are_set(const lm_settings *settings);

/*
 * Adds to errors what is wrong: half a configuration, with the half that is missing, or an address that is
 * none. What could not be read has been told already, and is "" or zero.
 */
void lm_mesh_settings_check(const lm_settings *settings, lm_error_list *errors);

/* MESH_PEERS as single texts. */
typedef struct lm_mesh_peers {
    char text[LM_MESH_PEERS_TEXT + 1];
    const char *peer[LM_MESH_PEERS_MAX]; /* in text */
    size_t count;
} lm_mesh_peers;

/* LM_EINVAL, with a line that says which one is no address. */
int lm_mesh_peers_parse(lm_mesh_peers *peers, const char *text, lm_error_text *why);

/*
 * Where other nodes may dial ("host:port"): MESH_ADVERTISE, or this relay's first public address with
 * MESH_LISTEN's port; NULL without MESH_LISTEN, as nobody can. Returns text.
 */
const char *lm_mesh_settings_advertise(const lm_settings *settings, char text[LM_MESH_HOST_PORT_MAX]);

/* Those of the mesh that follow from settings; the others are the default ones. */
void lm_mesh_settings_limits(const lm_settings *settings, lm_mesh_limits *limits);

/*
 * The secret of TURN credentials that all nodes of a mesh derive from MESH_SALT where TURN_SECRET is not set
 * (protocol page, section 6); returns secret.
 */
const char *lm_mesh_settings_turn_secret(const lm_settings *settings, char secret[LM_MESH_TURN_SECRET_SIZE]);

#endif
