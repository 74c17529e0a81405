/*
 * Everything that a relay is started with: its settings, its identity, and what it tells of itself, which
 * follows from both. It is read at the start, and again while the relay runs.
 */
#ifndef LM_RELAY_CONFIGURATION_H
#define LM_RELAY_CONFIGURATION_H

#include "common/error_list.h"
#include "common/identity.h"
#include "common/log.h"
#include "mesh/node_config.h"
#include "relay/settings.h"
#include "webrtc/tls.h"

/* Zero-initialise; lm_configuration_clear() wipes and frees. Large: not for the stack. */
typedef struct lm_configuration {
    lm_settings settings;
    lm_identity identity;
    lm_tls_server *tls; /* of TLS_PORT; NULL without one */
    lm_node_config node;
} lm_configuration;

/*
 * Loads the identity and the TLS port's certificate that configuration->settings name, and makes the rest
 * from them. With read_only nothing is made, see lm_identity_config. log (may be NULL) is for warnings.
 * Errors are lm_identity_load()'s and lm_tls_files_load()'s.
 */
int lm_configuration_load(lm_configuration *configuration, bool read_only, const lm_log *log,
                          lm_error_text *error);

/*
 * Reads settings and identity from source, making nothing, and tells errors everything that is wrong with
 * them. *note (a line) says if there is no identity yet, and is "" otherwise. Returns LM_OK, or the code of
 * the first error; the configuration is then good for nothing but to be cleared.
 */
int lm_configuration_check(lm_configuration *configuration, const lm_settings_source *source,
                           const lm_log *log, lm_error_list *errors, lm_error_text *note);

/*
 * Reads all of it again, from where `running` came, into `fresh`. What cannot change while a relay runs
 * (see LM_SETTINGS_FIXED) is kept from `running`, and named in kept, "" if there is no difference. On an
 * error fresh is cleared: LM_EINVAL (settings, or the key of another node), or as lm_identity_load().
 */
int lm_configuration_reload(lm_configuration *fresh, const lm_configuration *running,
                            const lm_settings_source *source, char kept[LM_SETTINGS_KEPT_SIZE],
                            const lm_log *log, lm_error_text *error);

void lm_configuration_clear(lm_configuration *configuration);

#endif
