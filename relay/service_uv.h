/* What browsers talk to, on libuv: the WebRTC stack, the relay on it, the TURN server, and their ports. */
#ifndef LM_RELAY_SERVICE_UV_H
#define LM_RELAY_SERVICE_UV_H

#include <uv.h>

#include "common/error_text.h"
#include "common/log.h"
#include "relay/configuration.h"
#include "relay/report.h"

typedef struct lm_service lm_service;

/*
 * Starts it; log is borrowed until lm_service_stop(). configuration->node.tcp becomes the TCP port that is
 * open, 0 where that could not be had. LM_EIO when a port cannot be opened, LM_EINVAL, LM_ECRYPTO, LM_ENOMEM,
 * with a line that says why.
 */
int lm_service_start(lm_service **service, uv_loop_t *loop, lm_configuration *configuration,
                     const lm_log *log, lm_error_text *error);

/* The UDP port that is open. */
uint16_t lm_service_port(const lm_service *service);

/*
 * Changes what can change while it runs, as lm_relay_reconfigure(): all or nothing, with a line that says
 * why.
 */
int lm_service_reconfigure(lm_service *service, const lm_configuration *configuration, lm_error_text *error);

/* Refuses newcomers and tells the clients, as lm_relay_drain(). */
void lm_service_drain(lm_service *service);

/* Number of sessions that are open, 0 once everybody has gone. */
uint64_t lm_service_sessions(const lm_service *service);

/* Fills in what the service knows: its state and its counters, borrowed until lm_service_stop(). */
void lm_service_report(const lm_service *service, lm_report *report);

/* Tells the clients, closes everything; the memory is freed by the loop's next turns. service may be NULL. */
void lm_service_stop(lm_service *service);

#endif
