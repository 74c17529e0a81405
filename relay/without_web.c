/* In the place of web.c and status_command.c where LM_WITH_HEALTH is off: no HTTP, and nobody to ask by it.
 */
#include "common/error.h"
#include "relay/status_command.h"
#include "relay/web.h"

static const char without[] = "status: this relay is built without HEALTH";

int lm_status_arguments_take(lm_status_arguments *arguments, int *argc, char **argv, lm_error_text *error)
{
    (void)arguments;
    (void)argc;
    (void)argv;
    return lm_error_text_set(error, LM_EUNSUPPORTED, "%s", without);
}

int lm_status_print(const lm_addr *health, bool json, lm_error_text *error)
{
    (void)health;
    (void)json;
    return lm_error_text_set(error, LM_EUNSUPPORTED, "%s", without);
}

int lm_web_start(lm_web **web, uv_loop_t *loop, const lm_configuration *configuration,
                 const lm_report_source *source, const lm_log *log, lm_error_text *error)
{
    (void)loop;
    (void)configuration; /* HEALTH_LISTEN cannot be set */
    (void)source;
    (void)log;
    (void)error;
    *web = NULL;
    return LM_OK;
}

int lm_web_prepare(lm_web *web, const lm_configuration *fresh, lm_error_text *error)
{
    (void)web;
    (void)fresh;
    (void)error;
    return LM_OK;
}

void lm_web_change(lm_web *web)
{
    (void)web;
}

void lm_web_drop(lm_web *web)
{
    (void)web;
}

void lm_web_stop(lm_web *web)
{
    (void)web;
}

void lm_web_destroy(lm_web *web)
{
    (void)web;
}
