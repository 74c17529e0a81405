/* This relay's part in a mesh, on libuv: the mesh, its links, and what it has to say to the relay. */
#ifndef LM_RELAY_MESH_SERVICE_UV_H
#define LM_RELAY_MESH_SERVICE_UV_H

#include <uv.h>

#include "common/error_text.h"
#include "mesh/mesh_uv.h"
#include "relay/configuration.h"
#include "relay/relay.h"

typedef struct lm_mesh_service lm_mesh_service;

/*
 * Makes the mesh that the settings name; *service is NULL where they name none. log is borrowed. LM_EINVAL,
 * LM_ENOMEM, with a line that says why.
 */
int lm_mesh_service_create(lm_mesh_service **service, uv_loop_t *loop, const lm_configuration *configuration,
                           const lm_log *log, lm_error_text *error);

/* The mesh, for the relay, which must be gone before lm_mesh_service_destroy(). service may be NULL: NULL. */
lm_mesh *lm_mesh_service_mesh(const lm_mesh_service *service);

/*
 * Opens the listener and begins to dial. relay is borrowed; flush(ctx) sends what it has to say. LM_EIO,
 * LM_ENOMEM, with a line that says why. service may be NULL, here and below: nothing is done.
 */
int lm_mesh_service_serve(lm_mesh_service *service, lm_relay *relay, void (*flush)(void *ctx), void *ctx,
                          lm_error_text *error);

/*
 * Takes the peers and limits of other settings: as lm_mesh_prepare(), which changes nothing, and
 * lm_mesh_commit(), which cannot fail. LM_ENOMEM, with a line.
 */
int lm_mesh_service_prepare(lm_mesh_service *service, const lm_settings *settings, lm_error_text *error);
void lm_mesh_service_commit(lm_mesh_service *service);

const lm_mesh_uv_stats *lm_mesh_service_uv_stats(const lm_mesh_service *service);

/* Sends the last words and closes the links. */
void lm_mesh_service_close(lm_mesh_service *service);

/* After lm_mesh_service_close(). */
void lm_mesh_service_destroy(lm_mesh_service *service);

#endif
