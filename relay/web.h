/*
 * What the daemon serves by HTTP at HEALTH_LISTEN: the status page, health, metrics and, with DEMO, the demo
 * page, out of files that are built into it. Without HEALTH_LISTEN, or built without it, there is none.
 */
#ifndef LM_RELAY_WEB_H
#define LM_RELAY_WEB_H

#include <uv.h> /* binds health_uv to the daemon's loop */

#include "common/error_text.h"
#include "common/log.h"
#include "relay/configuration.h"
#include "relay/report.h"

typedef struct lm_web lm_web;

/*
 * Begins to serve; *web is NULL where the settings name no HEALTH_LISTEN. source is copied, its ctx and log
 * borrowed until lm_web_destroy(). LM_EIO, LM_ENOMEM, with a line that says why.
 */
int lm_web_start(lm_web **web, uv_loop_t *loop, const lm_configuration *configuration,
                 const lm_report_source *source, const lm_log *log, lm_error_text *error);

/*
 * A change in two steps: prepares the pages of another configuration, which may fail, with a line; then
 * serves those, or drops them. web may be NULL, in both and below: nothing is done.
 */
int lm_web_prepare(lm_web *web, const lm_configuration *fresh, lm_error_text *error);
void lm_web_change(lm_web *web);
void lm_web_drop(lm_web *web);

/* Stops serving. */
void lm_web_stop(lm_web *web);

/* Frees it, after lm_web_stop() and the loop's last turns. */
void lm_web_destroy(lm_web *web);

#endif
