/* In the place of mesh_rooms.c and mesh_service_uv.c where LM_WITH_MESH is off: every relay is alone. */
#include "common/error.h"
#include "relay/mesh_rooms.h"
#include "relay/mesh_service_uv.h"

int lm_mesh_service_create(lm_mesh_service **service, uv_loop_t *loop, const lm_configuration *configuration,
                           const lm_log *log, lm_error_text *error)
{
    (void)loop;
    (void)configuration; /* MESH_SALT cannot be set */
    (void)log;
    (void)error;
    *service = NULL;
    return LM_OK;
}

lm_mesh *lm_mesh_service_mesh(const lm_mesh_service *service)
{
    (void)service;
    return NULL;
}

int lm_mesh_service_serve(lm_mesh_service *service, lm_relay *relay, void (*flush)(void *ctx), void *ctx,
                          lm_error_text *error)
{
    (void)service;
    (void)relay;
    (void)flush;
    (void)ctx;
    (void)error;
    return LM_OK;
}

int lm_mesh_service_prepare(lm_mesh_service *service, const lm_settings *settings, lm_error_text *error)
{
    (void)service;
    (void)settings;
    (void)error;
    return LM_OK;
}

void lm_mesh_service_commit(lm_mesh_service *service)
{
    (void)service;
}

void lm_mesh_service_close(lm_mesh_service *service)
{
    (void)service;
}

void lm_mesh_service_destroy(lm_mesh_service *service)
{
    (void)service;
}

bool lm_mesh_rooms_has(const lm_relay *relay, const uint8_t room[LM_ROOM_ID_LEN],
                       const uint8_t peer[LM_PEER_ID_LEN])
{
    (void)relay;
    (void)room;
    (void)peer;
    return false;
}

bool lm_mesh_rooms_is_full(const lm_relay *relay, const uint8_t room[LM_ROOM_ID_LEN],
                           const uint8_t peer[LM_PEER_ID_LEN])
{
    (void)relay;
    (void)room;
    (void)peer;
    return false;
}

void lm_mesh_rooms_join(lm_relay *relay, lm_ms now, const lm_member *member)
{
    (void)relay;
    (void)now;
    (void)member;
}

bool lm_mesh_rooms_leave(lm_relay *relay, lm_ms now, const lm_member *member)
{
    (void)relay;
    (void)now;
    (void)member;
    return false;
}

void lm_mesh_rooms_silent(lm_relay *relay, lm_ms now, const lm_peer *peer)
{
    (void)relay;
    (void)now;
    (void)peer;
}

int lm_mesh_rooms_signal(lm_relay *relay, lm_ms now, const lm_member *from, const uint8_t to[LM_PEER_ID_LEN],
                         const char *data)
{
    (void)relay;
    (void)now;
    (void)from;
    (void)to;
    (void)data;
    return LM_ENOTFOUND;
}

void lm_mesh_rooms_tell(lm_relay *relay, lm_ms now, const lm_mesh_output *out)
{
    (void)relay;
    (void)now;
    (void)out;
}
