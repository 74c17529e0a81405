/*
 * The ICE credentials of a stack: the present ones, for newcomers, and those before them. A session's consent
 * checks go on with the credentials that it began with (RFC 8445 section 2.4: they are per session), so the
 * last ones stay good for the sessions that are there.
 */
#ifndef LM_WEBRTC_CREDENTIALS_H
#define LM_WEBRTC_CREDENTIALS_H

#include "webrtc/ice_lite.h"

/* Zero-initialise; lm_credentials_clear() frees. Both hold copies; before.ufrag is NULL if there were none.
 */
typedef struct lm_credentials {
    lm_ice_credentials now, before;
} lm_credentials;

/*
 * Makes these the present ones (copied); nothing changes if they are that already. LM_EINVAL: fewer than 4
 * and 22 characters (RFC 8839 section 5.4); LM_ENOMEM. On an error all stays as it was.
 */
int lm_credentials_set(lm_credentials *credentials, const char *ufrag, const char *pwd);

/* Wipes and frees. */
void lm_credentials_clear(lm_credentials *credentials);

#endif
