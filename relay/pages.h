/*
 * What the relay serves over HTTP at HEALTH_LISTEN:
 *
 *     /healthz             {"nodeId":"<nk>","ok":true,"ts":<Unix ms>}
 *     /readyz              {"ready":true}; while newcomers are refused 503 and {"ready":false}
 *     /statsz              what the relay counts, as JSON (report.h)
 *     /metrics             the same for Prometheus
 *     /                    the status page; its scripts and styles are beside it
 *     /blob                the relay's config as a blob, which is meant to be handed around
 *     /demo                the demo page                                    with DEMO=1 only, as what follows
 *     /demo/…              its scripts and styles, and the browser library /demo/lumamesh.js
 *     /demo/relay.json     the relay's config
 */
#ifndef LM_RELAY_PAGES_H
#define LM_RELAY_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base64url.h"
#include "mesh/node_config.h"
#include "relay/csp.h"
#include "relay/http.h"
#include "relay/report.h"

/* A file as it is built into the daemon; borrowed. */
typedef struct lm_page_file {
    const char *path; /* where it is served; one that ends in .js or .css is a script or style, others HTML */
    const unsigned char *data;
    size_t len;
} lm_page_file;

/* A page and what belongs to it; borrowed. */
typedef struct lm_page_files {
    const lm_page_file *files; /* the first one is the page itself */
    size_t count;              /* 0: there is no such page */
} lm_page_files;

typedef struct lm_pages {
    lm_page_files demo;
    char *relay_json; /* owned */
    lm_page_files status;
    char *blob;              /* owned */
    lm_report_source source; /* get NULL: there are no reports */
    char *report;            /* the latest one's text, LM_REPORT_MAX bytes; owned */
    char nk[LM_BASE64URL_SIZE(LM_NODE_PUBLIC_KEY_LEN)];
    char healthz[160];                    /* the latest answer */
    char demo_headers[LM_CSP_SIZE + 512]; /* for the page */
    char status_headers[LM_CSP_SIZE + 512];
} lm_pages;

/*
 * Prepares the pages of the node that config describes; demo is borrowed until lm_pages_clear(); NULL: none.
 * LM_ENOMEM; LM_ETOOBIG if the demo page has too many inline scripts for one policy.
 */
int lm_pages_init(lm_pages *pages, const lm_node_config *config, const lm_page_files *demo);
void lm_pages_clear(lm_pages *pages);

/* Adds /readyz, /statsz and /metrics. source is copied, its ctx borrowed until lm_pages_clear(). LM_ENOMEM.
 */
int lm_pages_set_report(lm_pages *pages, const lm_report_source *source);

/* Adds the status page and /blob; files are borrowed until lm_pages_clear(). Errors as lm_pages_init(). */
int lm_pages_set_status(lm_pages *pages, const lm_node_config *config, const lm_page_files *files);

/*
 * Answers a request, be it one that the parser refused. unix_ms is the wall clock. The body is borrowed until
 * the next call; for a HEAD request it is there for its length alone.
 */
void lm_pages_get(lm_pages *pages, const lm_http_request *request, uint64_t unix_ms,
                  lm_http_response *response);

#endif
