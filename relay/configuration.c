#include "relay/configuration.h"

#include <sodium.h>
#include <string.h>

#include "common/error.h"
#include "common/random.h"
#include "relay/tls_files.h"

static int load(lm_configuration *c, bool read_only, const lm_log *log, lm_error_list *errors,
                lm_error_text *error)
{
    const lm_identity_config identity = {.state_dir = c->settings.state_dir,
                                         .cert_file = c->settings.cert_file,
                                         .key_file = c->settings.key_file,
                                         .node_key_file = c->settings.node_key,
                                         .ice_pwd = c->settings.ice_pwd,
                                         .read_only = read_only,
                                         .errors = errors,
                                         .random = lm_random_system(),
                                         .log = log};
    int tls = lm_tls_files_load(&c->tls, &c->settings, error);
    if (tls != LM_OK)
        lm_error_list_add(errors, tls, "%s", error->text);
    if (tls != LM_OK && errors == NULL)
        return tls;
    int result = lm_identity_load(&c->identity, &identity, error);
    if (result == LM_OK)
        lm_settings_node_config(&c->settings, &c->identity, &c->node);
    return result;
}

int lm_configuration_load(lm_configuration *c, bool read_only, const lm_log *log, lm_error_text *error)
{
    return load(c, read_only, log, NULL, error);
}

int lm_configuration_check(lm_configuration *c, const lm_settings_source *source, const lm_log *log,
                           lm_error_list *errors, lm_error_text *note)
{
    lm_error_text text;
    lm_settings *s = &c->settings;
    note->text[0] = '\0';
    lm_settings_check(s, source, errors);
    /* Where a path could not be read, nobody knows which identity is meant. */
    bool known = s->state_dir[0] != '\0' && s->cert_file[0] != '\0' && s->key_file[0] != '\0' &&
                 s->node_key[0] != '\0';
    if (s->tls_cert[0] == '\0' || s->tls_key[0] == '\0')
        s->tls_port = 0; /* as much has been said already */
    if (known && load(c, true, log, errors, &text) == LM_ENOTFOUND)
        *note = text;
    return errors->code;
}

/* Whoever takes TLS_PORT away takes these away with it; but it stays open until the restart, and needs them.
 */
static void keep_tls_files(lm_settings *s, const lm_settings *running)
{
    if (s->tls_port == 0 || (s->tls_cert[0] != '\0' && s->tls_key[0] != '\0'))
        return;
    memcpy(s->tls_cert, running->tls_cert, sizeof s->tls_cert);
    memcpy(s->tls_key, running->tls_key, sizeof s->tls_key);
}

int lm_configuration_reload(lm_configuration *fresh, const lm_configuration *running,
                            const lm_settings_source *source, char kept[LM_SETTINGS_KEPT_SIZE],
                            const lm_log *log, lm_error_text *error)
{
    memset(fresh, 0, sizeof *fresh);
    int result = lm_settings_read(&fresh->settings, source, error);
    if (result == LM_OK) {
        lm_settings_keep_fixed(&fresh->settings, &running->settings, kept);
        keep_tls_files(&fresh->settings, &running->settings);
        result = lm_configuration_load(fresh, true, log, error);
    }
    fresh->node.tcp = running->node.tcp; /* the port that is open */

    if (result == LM_OK && memcmp(fresh->node.nk, running->node.nk, sizeof fresh->node.nk) != 0)
        result = lm_error_text_set(error, LM_EINVAL, "%s holds the key of another node: that needs a restart",
                                   fresh->settings.node_key);
    if (result != LM_OK)
        lm_configuration_clear(fresh);
    return result;
}

void lm_configuration_clear(lm_configuration *c)
{
    lm_identity_clear(&c->identity);
    lm_tls_server_destroy(c->tls);
    sodium_memzero(c, sizeof *c);
}
