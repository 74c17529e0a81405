/*
 * The cookie exchange of DTLS (RFC 6347 section 4.2.1), without a state for the client: a ClientHello without
 * a good cookie is answered by a HelloVerifyRequest of 48 bytes, and nothing is kept. Who sends the cookie
 * back has received it, so its address is no forgery.
 *
 *     Client                                   Server
 *     ------                                   ------
 *     ClientHello           ----->
 *                           <----- HelloVerifyRequest (contains cookie)
 *     ClientHello           ----->
 *     (with cookie)
 *     [Rest of handshake]
 */
#ifndef LM_WEBRTC_HELLO_COOKIE_H
#define LM_WEBRTC_HELLO_COOKIE_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/random.h"

/* Minute of issue and the first 16 bytes of a keyed hash. */
#define LM_HELLO_COOKIE_LEN 20

/* Record header, handshake header, version, length of the cookie, cookie. */
#define LM_HELLO_VERIFY_LEN (13 + 12 + 2 + 1 + LM_HELLO_COOKIE_LEN)

/* How long a cookie is good for at least, in ms; at most twice that. */
#define LM_HELLO_COOKIE_LIFETIME 60000

typedef struct lm_hello_cookie {
    uint8_t secret[32];
} lm_hello_cookie;

typedef enum lm_hello_cookie_verdict {
    LM_HELLO_COOKIE_GOOD, /* go on with the handshake */
    LM_HELLO_COOKIE_ASK,  /* send the answer */
    LM_HELLO_COOKIE_DROP  /* no ClientHello, or a later fragment of one */
} lm_hello_cookie_verdict;

/* Draws the secret. */
void lm_hello_cookie_init(lm_hello_cookie *cookie, const lm_random *random);

/*
 * Judges a datagram that is to open a handshake from `remote`. The cookie stands in the first fragment of a
 * ClientHello, so that one is enough. With LM_HELLO_COOKIE_ASK answer is a HelloVerifyRequest of
 * LM_HELLO_VERIFY_LEN bytes.
 */
lm_hello_cookie_verdict lm_hello_cookie_judge(const lm_hello_cookie *cookie, lm_ms now, const lm_addr *remote,
                                              const uint8_t *data, size_t len,
                                              uint8_t answer[LM_HELLO_VERIFY_LEN]);

#endif
