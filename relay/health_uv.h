/* Binds the pages to TCP with libuv: the listener at HEALTH_LISTEN. */
#ifndef LM_RELAY_HEALTH_UV_H
#define LM_RELAY_HEALTH_UV_H

#include <uv.h>

#include "common/addr.h"
#include "common/error_text.h"
#include "common/log.h"
#include "relay/pages.h"

#define LM_HEALTH_CONNECTIONS_MAX 128 /* at the same time; further ones are closed at once */
#define LM_HEALTH_TIMEOUT_MS 10000u   /* from a connection's beginning to its end */

typedef struct lm_health_config {
    lm_addr listen;
    lm_pages *pages;     /* borrowed until lm_health_stop() */
    const lm_log *log;   /* may be NULL; borrowed likewise */
    uint64_t timeout_ms; /* 0: LM_HEALTH_TIMEOUT_MS */
} lm_health_config;

typedef struct lm_health lm_health;

/*
 * Listens. LM_EIO with a text that names HEALTH_LISTEN and the reason (the port is taken, the address is not
 * this machine's); LM_ENOMEM. Warns when strangers may reach the address. Run the loop once more after an
 * error, too, for libuv to let go of the handle.
 */
int lm_health_start(lm_health **health, uv_loop_t *loop, const lm_health_config *config,
                    lm_error_text *error);

/*
 * Closes the listener and every connection. The memory is freed by the loop as it closes them. health may be
 * NULL.
 */
void lm_health_stop(lm_health *health);

/* Where it listens, with the port that the system chose if the configured one was 0. */
lm_addr lm_health_address(const lm_health *health);

#endif
