#include "relay/turn_command.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h> /* time(): a command of its own process, which says what holds from now on */

#include "common/error.h"
#include "common/features.h"
#include "common/json_writer.h"
#include "relay/mesh_settings.h"
#include "relay/turn_offer.h"

#define OUTPUT_MAX 4096

int lm_turn_command_take(char user[LM_TURN_USER_MAX + 1], int *argc, char **argv, lm_error_text *error)
{
    if (*argc < 3 || argv[2][0] == '\0' || argv[2][0] == '-')
        return lm_error_text_set(error, LM_EINVAL, "turn-credential: name the user that it is for");
    if (strlen(argv[2]) > LM_TURN_USER_MAX)
        return lm_error_text_set(error, LM_EINVAL, "turn-credential: a user has at most %d bytes",
                                 LM_TURN_USER_MAX);
    memcpy(user, argv[2], strlen(argv[2]) + 1);
    for (int i = 1; i + 2 <= *argc; i++)
        argv[i] = argv[i + 2]; /* the NULL behind the last one, too */
    *argc -= 2;
    return LM_OK;
}

static void put(const lm_turn_offer *offer, const lm_node_config *node, const char *username,
                const char *credential)
{
    char text[OUTPUT_MAX];
    lm_json_writer j = lm_json_writer_init(text, sizeof text);
    lm_json_open(&j, '{');
    lm_json_key(&j, "urls");
    lm_json_open(&j, '[');
    lm_turn_offer_put_urls(&j, offer, node);
    lm_json_close(&j, ']');
    lm_turn_offer_put_credential(&j, username, credential);
    lm_json_close(&j, '}');
    printf("%.*s\n", (int)j.text.len, text);
    sodium_memzero(text, sizeof text);
}

int lm_turn_command_print(const lm_settings *settings, const lm_node_config *node, const char *user,
                          lm_error_text *error)
{
    char username[LM_TURN_USERNAME_MAX + 1], credential[LM_TURN_PASSWORD_LEN + 1];
    char derived[LM_MESH_TURN_SECRET_SIZE];
    lm_turn_secrets secrets;
    lm_turn_offer offer;
    if (!LM_WITH_TURN)
        return lm_error_text_set(error, LM_EUNSUPPORTED, "turn-credential: this relay is built without TURN");
    if (settings->turn == LM_TURN_CHOICE_OFF)
        return lm_error_text_set(error, LM_EINVAL, "turn-credential: TURN is off");
    if (settings->turn_secret[0] == '\0' && !lm_mesh_settings_are_set(settings))
        return lm_error_text_set(
            error, LM_EINVAL,
            "turn-credential: TURN_SECRET is not set, so that the running relay has one of "
            "its own that nobody knows");
    const char *text = settings->turn_secret[0] != '\0' ? settings->turn_secret
                                                        : lm_mesh_settings_turn_secret(settings, derived);
    int result = lm_turn_secrets_parse(&secrets, text);
    sodium_memzero(derived, sizeof derived);
    if (result == LM_OK)
        result = lm_turn_credential(secrets.secret[0], user, (uint64_t)time(NULL) + LM_TURN_CREDENTIAL_TTL,
                                    username, credential);
    sodium_memzero(&secrets, sizeof secrets);
    if (result != LM_OK)
        return lm_error_text_set(error, result, "turn-credential: %s", lm_strerror(result));
    offer = (lm_turn_offer){.tcp_port = lm_settings_tcp_port(settings), .tls_port = settings->tls_port};
    put(&offer, node, username, credential);
    return fflush(stdout) == 0 ? LM_OK
                               : lm_error_text_set(error, LM_EIO, "the standard output cannot be written");
}
