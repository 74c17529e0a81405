#include "webrtc/credentials.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

#define UFRAG_MIN 4
#define PWD_MIN 22

static void clear(lm_ice_credentials *c)
{
    if (c->pwd != NULL)
        sodium_memzero((char *)(uintptr_t)c->pwd, strlen(c->pwd));
    free((char *)(uintptr_t)c->pwd);
    free((char *)(uintptr_t)c->ufrag);
    *c = (lm_ice_credentials){0};
}

int lm_credentials_set(lm_credentials *credentials, const char *ufrag, const char *pwd)
{
    lm_ice_credentials *present = &credentials->now;
    if (strlen(ufrag) < UFRAG_MIN || strlen(pwd) < PWD_MIN)
        return LM_EINVAL;
    if (present->ufrag != NULL && strcmp(present->ufrag, ufrag) == 0 && strcmp(present->pwd, pwd) == 0)
        return LM_OK;
    lm_ice_credentials fresh = {.ufrag = strdup(ufrag), .pwd = strdup(pwd)};
    if (fresh.ufrag == NULL || fresh.pwd == NULL) {
        clear(&fresh);
        return LM_ENOMEM;
    }
    clear(&credentials->before);
    credentials->before = *present;
    *present = fresh;
    return LM_OK;
}

void lm_credentials_clear(lm_credentials *credentials)
{
    clear(&credentials->now);
    clear(&credentials->before);
}
