#include "relay/pages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"

/*
 * Nothing here is to be sniffed, kept, or built into other origins' pages. A changed build must show at once:
 * no caching.
 */
#define SECURITY_HEADERS                                                                             \
    "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n" \
    "Cross-Origin-Resource-Policy: same-origin\r\n"
#define LOCKED_POLICY "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"

static const char plain_headers[] = SECURITY_HEADERS LOCKED_POLICY;

int lm_pages_init(lm_pages *pages, const lm_node_config *config, const lm_demo_files *demo)
{
    char policy[LM_CSP_SIZE];
    memset(pages, 0, sizeof *pages);
    lm_base64url_encode(pages->nk, sizeof pages->nk, config->nk, sizeof config->nk);
    if (demo == NULL)
        return LM_OK;
    int result = lm_csp_for_page(policy, (const char *)demo->demo_html.data, demo->demo_html.len);
    if (result != LM_OK)
        return result;
    pages->relay_json = lm_node_config_json(config);
    if (pages->relay_json == NULL)
        return LM_ENOMEM;
    snprintf(pages->demo_headers, sizeof pages->demo_headers,
             SECURITY_HEADERS "Content-Security-Policy: %s\r\n", policy);
    pages->demo = demo;
    return LM_OK;
}

void lm_pages_clear(lm_pages *pages)
{
    free(pages->relay_json);
    memset(pages, 0, sizeof *pages);
}

static void answer(lm_http_response *response, const char *content_type, const void *body, size_t body_len)
{
    response->content_type = content_type;
    response->body = body;
    response->body_len = body_len;
}

static void answer_error(lm_http_response *response, int status)
{
    const char *reason = lm_http_reason(status);
    response->status = status;
    if (status == 405)
        response->headers = SECURITY_HEADERS LOCKED_POLICY "Allow: GET, HEAD\r\n";
    answer(response, "text/plain; charset=utf-8", reason, strlen(reason));
}

void lm_pages_get(lm_pages *pages, const lm_http_request *request, uint64_t unix_ms,
                  lm_http_response *response)
{
    const char *path = request->path;
    *response = (lm_http_response){.status = 200, .headers = plain_headers};
    if (request->status != 0) {
        answer_error(response, request->status);
    } else if (strcmp(path, "/healthz") == 0) {
        snprintf(pages->healthz, sizeof pages->healthz, "{\"nodeId\":\"%s\",\"ok\":true,\"ts\":%" PRIu64 "}",
                 pages->nk, unix_ms);
        answer(response, "application/json", pages->healthz, strlen(pages->healthz));
    } else if (pages->demo != NULL && strcmp(path, "/demo") == 0) {
        answer(response, "text/html; charset=utf-8", pages->demo->demo_html.data, pages->demo->demo_html.len);
        response->headers = pages->demo_headers;
    } else if (pages->demo != NULL && strcmp(path, "/demo/demo.js") == 0) {
        answer(response, "text/javascript; charset=utf-8", pages->demo->demo_js.data,
               pages->demo->demo_js.len);
    } else if (pages->demo != NULL && strcmp(path, "/demo/lumamesh.js") == 0) {
        answer(response, "text/javascript; charset=utf-8", pages->demo->lumamesh_js.data,
               pages->demo->lumamesh_js.len);
    } else if (pages->demo != NULL && strcmp(path, "/demo/relay.json") == 0) {
        answer(response, "application/json", pages->relay_json, strlen(pages->relay_json));
    } else {
        answer_error(response, 404);
    }
}
