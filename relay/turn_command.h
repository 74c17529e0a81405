/* `lumamesh-relay turn-credential USER`: a credential for the TURN server, as the relay gives them to
 * browsers. */
#ifndef LM_RELAY_TURN_COMMAND_H
#define LM_RELAY_TURN_COMMAND_H

#include "common/error_text.h"
#include "relay/settings.h"

/* Longest user: what is left of a user name beside the expiry and its colon. */
#define LM_TURN_USER_MAX (LM_TURN_USERNAME_MAX - 21)

/* Takes the two words out of argv. LM_EINVAL with a line: the user is missing or too long. */
int lm_turn_command_take(char user[LM_TURN_USER_MAX + 1], int *argc, char **argv, lm_error_text *error);

/*
 * Prints URLs, username and credential as a JSON object, as RTCPeerConnection's iceServers takes it, with its
 * ttl. LM_EINVAL: TURN is off, or TURN_SECRET is not set and so known to the running relay alone; LM_ECRYPTO.
 */
int lm_turn_command_print(const lm_settings *settings, const lm_node_config *node, const char *user,
                          lm_error_text *error);

#endif
