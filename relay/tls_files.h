/* The certificate and key of the TLS port, out of the files that the settings name. */
#ifndef LM_RELAY_TLS_FILES_H
#define LM_RELAY_TLS_FILES_H

#include "common/error_text.h"
#include "relay/settings.h"
#include "webrtc/tls.h"

/* Longest of either file in bytes: a chain of a few certificates. */
#define LM_TLS_FILE_MAX 65536

/*
 * Makes a TLS server from TLS_CERT and TLS_KEY; NULL where the settings have no TLS port. LM_EIO,
 * LM_EMALFORMED, LM_EAUTH, LM_ENOMEM, LM_ECRYPTO, with a line that names the file.
 */
int lm_tls_files_load(lm_tls_server **server, const lm_settings *settings, lm_error_text *error);

#endif
