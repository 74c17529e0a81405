#include "relay/mesh_service_uv.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/random.h"
#include "relay/mesh_settings.h"

struct lm_mesh_service {
    uv_loop_t *loop;
    const lm_log *log;
    lm_mesh *mesh;
    lm_mesh_uv *uv;
    lm_relay *relay;
    lm_addr listen;
    void (*flush)(void *ctx);
    void *ctx;
};

static int set_peers(lm_mesh_service *s, const lm_settings *settings)
{
    lm_mesh_peers peers;
    lm_error_text ignored; /* settings are checked */
    if (lm_mesh_peers_parse(&peers, settings->mesh_peers, &ignored) != LM_OK)
        return LM_EINVAL;
    return lm_mesh_set_peers(s->mesh, uv_now(s->loop), peers.peer, peers.count);
}

int lm_mesh_service_create(lm_mesh_service **service, uv_loop_t *loop, const lm_configuration *c,
                           const lm_log *log, lm_error_text *error)
{
    lm_mesh_config config = {.seed = c->identity.node_seed,
                             .salt = c->settings.mesh_salt,
                             .random = lm_random_system(),
                             .log = log};
    *service = NULL;
    if (!lm_mesh_settings_are_set(&c->settings))
        return LM_OK;
    lm_mesh_service *s = calloc(1, sizeof *s);
    if (s == NULL)
        return lm_error_text_set(error, LM_ENOMEM, "out of memory");
    s->loop = loop;
    s->log = log;
    s->listen = c->settings.mesh_listen;
    lm_mesh_settings_limits(&c->settings, &config.limits);
    int result = lm_mesh_create(&s->mesh, &config, uv_now(loop));
    if (result == LM_OK)
        result = set_peers(s, &c->settings);
    if (result != LM_OK) {
        lm_mesh_service_destroy(s);
        return lm_error_text_set(error, result, "the mesh cannot be made: %s", lm_strerror(result));
    }
    *service = s;
    return LM_OK;
}

lm_mesh *lm_mesh_service_mesh(const lm_mesh_service *s)
{
    return s != NULL ? s->mesh : NULL;
}

static void tell_relay(void *ctx, lm_ms now, const lm_mesh_output *out)
{
    lm_mesh_service *s = ctx;
    lm_relay_mesh_output(s->relay, now, out);
}

static void flush_relay(void *ctx)
{
    lm_mesh_service *s = ctx;
    s->flush(s->ctx);
}

int lm_mesh_service_serve(lm_mesh_service *s, lm_relay *relay, void (*flush)(void *ctx), void *ctx,
                          lm_error_text *error)
{
    if (s == NULL)
        return LM_OK;
    s->relay = relay;
    s->flush = flush;
    s->ctx = ctx;
    const lm_mesh_uv_config config = {.mesh = s->mesh,
                                      .listen = s->listen,
                                      .tell = tell_relay,
                                      .flush = flush_relay,
                                      .ctx = s,
                                      .log = s->log};
    char text[LM_ADDR_STRLEN];
    int result = lm_mesh_uv_open(&s->uv, s->loop, &config, error);
    if (result == LM_OK && s->listen.family != LM_AF_NONE)
        LM_LOGI(s->log, "mesh: listens on TCP %s", lm_addr_format(&s->listen, text));
    return result;
}

int lm_mesh_service_prepare(lm_mesh_service *s, const lm_settings *settings, lm_error_text *error)
{
    lm_mesh_limits limits;
    lm_mesh_peers peers;
    if (s == NULL)
        return LM_OK;
    lm_mesh_settings_limits(settings, &limits);
    int result = lm_mesh_peers_parse(&peers, settings->mesh_peers, error);
    if (result != LM_OK)
        return result;
    result = lm_mesh_prepare(s->mesh, &limits, peers.peer, peers.count);
    return result == LM_OK
               ? LM_OK
               : lm_error_text_set(error, result, "the mesh cannot be changed: %s", lm_strerror(result));
}

void lm_mesh_service_commit(lm_mesh_service *s)
{
    if (s != NULL)
        lm_mesh_commit(s->mesh, uv_now(s->loop));
}

const lm_mesh_uv_stats *lm_mesh_service_uv_stats(const lm_mesh_service *s)
{
    return s != NULL && s->uv != NULL ? lm_mesh_uv_get_stats(s->uv) : NULL;
}

void lm_mesh_service_close(lm_mesh_service *s)
{
    if (s == NULL)
        return;
    lm_mesh_uv_close(s->uv);
    s->uv = NULL;
}

void lm_mesh_service_destroy(lm_mesh_service *s)
{
    if (s == NULL)
        return;
    lm_mesh_destroy(s->mesh);
    free(s);
}
