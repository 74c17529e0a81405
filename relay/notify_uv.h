/*
 * Tells the service manager how the relay is: the datagrams of sd_notify(3) to the socket that NOTIFY_SOCKET
 * names. Without that variable there is nobody to tell, and every function does nothing.
 */
#ifndef LM_RELAY_NOTIFY_UV_H
#define LM_RELAY_NOTIFY_UV_H

#include <stdint.h>
#include <uv.h>

#include "common/log.h"

typedef struct lm_notify lm_notify;

/*
 * Begins; get (as getenv()) is asked for NOTIFY_SOCKET (a path, or "@" and an abstract name), WATCHDOG_USEC
 * and WATCHDOG_PID. If the manager wants to hear that this process is alive, it hears so from the loop, twice
 * as often as it asks for: a loop that hangs is silent. A service that cannot tell runs all the same:
 * problems are warned of in log (may be NULL, borrowed), and *notify is NULL where there is nobody to tell.
 */
void lm_notify_start(lm_notify **notify, uv_loop_t *loop, const char *(*get)(void *ctx, const char *name),
                     void *ctx, const lm_log *log);

/* The start, or a reload, is over. status is one line for people, as `systemctl status` shows it. */
void lm_notify_ready(lm_notify *notify, const char *status);

/* Everything is as it was, but for the line. */
void lm_notify_status(lm_notify *notify, const char *status);

/* A reload has begun; lm_notify_ready() ends it, whether it did anything or not. */
void lm_notify_reloading(lm_notify *notify);

/* The end has begun, and will take up to so many seconds. */
void lm_notify_stopping(lm_notify *notify, uint32_t seconds, const char *status);

/* Closes the socket; the memory is freed by the loop's next turns. notify may be NULL. */
void lm_notify_stop(lm_notify *notify);

#endif
