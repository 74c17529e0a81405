#include "relay/web.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/features.h"
#include "relay/embedded.h"
#include "relay/health_uv.h"
#include "relay/pages.h"

struct lm_web {
    lm_report_source source;
    lm_pages pages, prepared;
    bool demo;
    lm_health *health; /* NULL: stopped */
};

#define PAGE_FILE(path, symbol) *file++ = (lm_page_file){path, lm_##symbol, lm_##symbol##_len};

static lm_page_files status_files(void)
{
    static lm_page_file files[LM_STATUS_FILE_COUNT];
    lm_page_file *file = files;
    LM_STATUS_FILES(PAGE_FILE)
    return (lm_page_files){files, LM_STATUS_FILE_COUNT};
}

/* None where the demo page is left out: DEMO cannot be set then. */
static lm_page_files demo_files(void)
{
#if LM_WITH_DEMO
    static lm_page_file files[LM_DEMO_FILE_COUNT];
    lm_page_file *file = files;
    LM_DEMO_FILES(PAGE_FILE)
    return (lm_page_files){files, LM_DEMO_FILE_COUNT};
#else
    return (lm_page_files){NULL, 0};
#endif
}

/* After an error, too, *pages is to be cleared. */
static int make_pages(lm_web *web, lm_pages *pages, const lm_configuration *configuration,
                      lm_error_text *error)
{
    const lm_page_files demo = demo_files(), status = status_files();
    int result = lm_pages_init(pages, &configuration->node, web->demo ? &demo : NULL);
    if (result == LM_OK)
        result = lm_pages_set_status(pages, &configuration->node, &status);
    if (result == LM_OK)
        result = lm_pages_set_report(pages, &web->source);
    if (result != LM_OK)
        return lm_error_text_set(error, result, "the pages cannot be prepared: %s", lm_strerror(result));
    return LM_OK;
}

int lm_web_start(lm_web **out, uv_loop_t *loop, const lm_configuration *configuration,
                 const lm_report_source *source, const lm_log *log, lm_error_text *error)
{
    const lm_settings *settings = &configuration->settings;
    *out = NULL;
    if (settings->health_listen.family == LM_AF_NONE)
        return LM_OK;
    lm_web *web = calloc(1, sizeof *web);
    if (web == NULL)
        return lm_error_text_set(error, LM_ENOMEM, "out of memory");
    web->source = *source;
    web->demo = settings->demo;
    lm_health_config health = {.listen = settings->health_listen, .pages = &web->pages, .log = log};
    int result = make_pages(web, &web->pages, configuration, error);
    if (result == LM_OK)
        result = lm_health_start(&web->health, loop, &health, error);
    *out = web; /* even then: the loop may have to close what has begun before its pages go */
    return result;
}

int lm_web_prepare(lm_web *web, const lm_configuration *fresh, lm_error_text *error)
{
    if (web == NULL)
        return LM_OK;
    web->prepared = (lm_pages){0};
    int result = make_pages(web, &web->prepared, fresh, error);
    if (result != LM_OK)
        lm_web_drop(web);
    return result;
}

void lm_web_change(lm_web *web)
{
    if (web == NULL)
        return;
    lm_pages_clear(&web->pages);
    web->pages = web->prepared;
    web->prepared = (lm_pages){0};
}

void lm_web_drop(lm_web *web)
{
    if (web == NULL)
        return;
    lm_pages_clear(&web->prepared);
    web->prepared = (lm_pages){0};
}

void lm_web_stop(lm_web *web)
{
    if (web == NULL)
        return;
    lm_health_stop(web->health);
    web->health = NULL;
}

void lm_web_destroy(lm_web *web)
{
    if (web == NULL)
        return;
    lm_pages_clear(&web->pages);
    free(web);
}
