/*
 * A mesh on libuv: the listener, the links' TCP connections, dialling, and the one timer. Each turn of the
 * loop ends with all that the mesh has to say being sent; what is not the network's business goes to `tell`.
 */
#ifndef LM_MESH_MESH_UV_H
#define LM_MESH_MESH_UV_H

#include <uv.h>

#include "common/error_text.h"
#include "mesh/mesh.h"

#define LM_MESH_PER_ADDRESS 32 /* accepted connections from one address: nodes behind one NAT */
#define LM_MESH_BACKLOG 128
#define LM_MESH_LINGERING_MAX                                                     \
    64 /* connections whose link has ended; of more, the oldest is closed at once \
        */

/*
 * Most memory of a connection besides what the mesh holds for it: what has been handed to the network. And so
 * many of them besides the links that are up.
 */
#define LM_MESH_CONNECTION_BYTES (200 * 1024)
#define LM_MESH_CONNECTIONS_MORE (LM_MESH_PENDING_MAX + LM_MESH_LINGERING_MAX)

typedef struct lm_mesh_uv_config {
    lm_mesh *mesh;  /* borrowed until lm_mesh_uv_close() */
    lm_addr listen; /* LM_AF_NONE: this node only dials. [::] listens on both families. */
    /* An output for the relay, borrowed for the call, which may change the mesh. */
    void (*tell)(void *ctx, lm_ms now, const lm_mesh_output *out);
    /* The relay's turn to send what follows from it: called after one or more of tell. */
    void (*flush)(void *ctx);
    void *ctx;
    const lm_log *log; /* may be NULL; borrowed */
} lm_mesh_uv_config;

/* What the core does not see. */
typedef struct lm_mesh_uv_stats {
    uint64_t accepted;
    uint64_t refused;       /* no place for the link, or too many from its address */
    uint64_t accept_errors; /* out of file descriptors or memory, mostly */
} lm_mesh_uv_stats;

typedef struct lm_mesh_uv lm_mesh_uv;

/*
 * Opens the listener, if there is to be one, and drives the mesh from now on. LM_EIO when the address cannot
 * be had, LM_ENOMEM, with a line that says why; the loop then needs a few turns to clean up.
 */
int lm_mesh_uv_open(lm_mesh_uv **mesh_uv, uv_loop_t *loop, const lm_mesh_uv_config *config,
                    lm_error_text *why);

/* The port that it listens on, 0 for none. */
uint16_t lm_mesh_uv_port(const lm_mesh_uv *mesh_uv);

const lm_mesh_uv_stats *lm_mesh_uv_get_stats(const lm_mesh_uv *mesh_uv);

/* Sends what there is, closes everything, and asks the mesh nothing more. mesh_uv may be NULL. */
void lm_mesh_uv_close(lm_mesh_uv *mesh_uv);

#endif
