/* In the place of webrtc/tls.c where LM_WITH_TLS is off: no server can be made, so there is no connection of
 * one. */
#include "common/error.h"
#include "webrtc/tls.h"

int lm_tls_server_create(lm_tls_server **server, const char *cert_pem, const char *key_pem,
                         const lm_random *random, lm_tls_complaint *why)
{
    (void)server;
    (void)cert_pem;
    (void)key_pem;
    (void)random;
    *why = (lm_tls_complaint){LM_TLS_CERTIFICATE, "is of no use: this relay is built without TLS"};
    return LM_EUNSUPPORTED;
}

void lm_tls_server_destroy(lm_tls_server *server)
{
    (void)server;
}

lm_tls_server *lm_tls_server_share(lm_tls_server *server)
{
    return server;
}

int lm_tls_create(lm_tls **tls, lm_tls_server *server, lm_tls_output_fn *output, void *user)
{
    (void)tls;
    (void)server;
    (void)output;
    (void)user;
    return LM_EUNSUPPORTED;
}

void lm_tls_destroy(lm_tls *tls)
{
    (void)tls;
}

int lm_tls_input(lm_tls *tls, const uint8_t *data, size_t len)
{
    (void)tls;
    (void)data;
    (void)len;
    return LM_ECLOSED;
}

int lm_tls_read(lm_tls *tls, uint8_t *buf, size_t cap)
{
    (void)tls;
    (void)buf;
    (void)cap;
    return LM_ECLOSED;
}

int lm_tls_write(lm_tls *tls, const uint8_t *data, size_t len)
{
    (void)tls;
    (void)data;
    (void)len;
    return LM_ECLOSED;
}

void lm_tls_close(lm_tls *tls)
{
    (void)tls;
}

lm_tls_state lm_tls_get_state(const lm_tls *tls)
{
    (void)tls;
    return LM_TLS_FAILED;
}
