/*
 * A whole relay in the libuv loop of a program: settings, identity, ports, rooms, TURN, mesh. The daemon does
 * the same with signals, a log and an HTTP server around it.
 *
 *     const char *settings[] = {"--public-ip=203.0.113.10", "--state-dir=/var/lib/mine", NULL};
 *     lm_node_start(&node, uv_default_loop(), settings, NULL, &error);
 *
 * Nothing here starts a thread, handles a signal, or reads the environment. All calls are made on the loop's
 * thread.
 */
#ifndef LM_RELAY_NODE_UV_H
#define LM_RELAY_NODE_UV_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/api.h"
#include "common/error_text.h"
#include "common/log.h"

/* Room for the text that lm_node_report() writes, whatever the numbers are. */
#define LM_NODE_REPORT_MAX (128 * 1024)

typedef struct lm_node lm_node;

/*
 * Reads the settings, loads or makes the identity in STATE_DIR, and begins to serve. settings (borrowed for
 * the call) are the daemon's flags, "--udp-port=3478", with a NULL behind the last; "--config=FILE" names a
 * file of further ones. log (may be NULL) is borrowed until lm_node_stop(), and goes by its own level and
 * addresses: LOG_LEVEL, LOG_FORMAT, LOG_ADDRESSES and DRAIN_SECONDS are the daemon's and do nothing here.
 *
 * LM_EINVAL for settings that are not usable, a command (--help), and HEALTH_LISTEN and DEMO, which are the
 * daemon's; LM_EIO when a port cannot be opened, or the identity cannot be read or made; LM_EMALFORMED,
 * LM_EAUTH, LM_ECRYPTO, LM_ENOMEM. *error (may be NULL) says why. After an error the loop needs a few turns
 * to clean up.
 */
LM_API int lm_node_start(lm_node **node, uv_loop_t *loop, const char *const settings[], const lm_log *log,
                         lm_error_text *error);

/* The UDP port that is open. */
LM_API uint16_t lm_node_port(const lm_node *node);

/*
 * What browsers need to come to it, as JSON in several lines and as a blob in one; both valid until
 * lm_node_reload() or lm_node_stop().
 */
LM_API const char *lm_node_json(const lm_node *node);
LM_API const char *lm_node_blob(const lm_node *node);

/* Sessions of browsers that are open. */
LM_API uint64_t lm_node_sessions(const lm_node *node);

/* Writes what the daemon serves at /statsz, JSON without a NUL, into buf. Its length, or LM_ETOOBIG. */
LM_API int lm_node_report(const lm_node *node, void *buf, size_t cap);

/*
 * Reads settings, certificate and secrets again, as the daemon on SIGHUP: all of it takes effect, or nothing,
 * with an error as above. Settings that need another start are kept, with a line in the log.
 */
LM_API int lm_node_reload(lm_node *node, const char *const settings[], lm_error_text *error);

/* Refuses newcomers and tells the clients to go to other relays. There is no way back. */
LM_API void lm_node_drain(lm_node *node);

/* Tells the clients and closes everything; the loop's next turns free the rest. node may be NULL. */
LM_API void lm_node_stop(lm_node *node);

#endif
