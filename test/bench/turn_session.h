/*
 * As much of a TURN client as a benchmark needs: an allocation over UDP and a channel (RFC 8656). Blocking,
 * and right whether asserts are compiled in or not.
 */
#ifndef LM_TEST_BENCH_TURN_SESSION_H
#define LM_TEST_BENCH_TURN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "webrtc/turn_credentials.h"

typedef struct turn_session {
    int fd;
    lm_addr server;
    lm_addr relayed; /* the address that was given */
    char username[LM_TURN_USERNAME_MAX + 1];
    uint8_t key[LM_TURN_KEY_LEN];
    char realm[LM_TURN_REALM_MAX + 1];
    uint8_t nonce[128];
    size_t nonce_len; /* 0: requests go out without credentials */
} turn_session;

/* Makes an allocation with a credential under `secret`. False, with a line on stderr. */
bool turn_session_allocate(turn_session *s, int fd, const lm_addr *server, const char *secret,
                           const char *user);

/* Binds a channel to a peer, with its permission. */
bool turn_session_bind(turn_session *s, uint16_t channel, const lm_addr *peer);

#endif
