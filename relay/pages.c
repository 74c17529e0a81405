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

/* The headers of a page of ours, with the policy that it needs. */
static int write_page_headers(char headers[LM_CSP_SIZE + 512], const lm_page_file *page)
{
    char policy[LM_CSP_SIZE];
    int result = lm_csp_for_page(policy, (const char *)page->data, page->len);
    if (result == LM_OK)
        snprintf(headers, LM_CSP_SIZE + 512, SECURITY_HEADERS "Content-Security-Policy: %s\r\n", policy);
    return result;
}

int lm_pages_init(lm_pages *pages, const lm_node_config *config, const lm_demo_files *demo)
{
    memset(pages, 0, sizeof *pages);
    lm_base64url_encode(pages->nk, sizeof pages->nk, config->nk, sizeof config->nk);
    if (demo == NULL)
        return LM_OK;
    int result = write_page_headers(pages->demo_headers, &demo->demo_html);
    if (result != LM_OK)
        return result;
    pages->relay_json = lm_node_config_json(config);
    if (pages->relay_json == NULL)
        return LM_ENOMEM;
    pages->demo = demo;
    return LM_OK;
}

void lm_pages_clear(lm_pages *pages)
{
    free(pages->relay_json);
    free(pages->report);
    free(pages->blob);
    memset(pages, 0, sizeof *pages);
}

int lm_pages_set_report(lm_pages *pages, const lm_report_source *source)
{
    if (pages->report == NULL && (pages->report = malloc(LM_REPORT_MAX)) == NULL)
        return LM_ENOMEM;
    pages->source = *source;
    return LM_OK;
}

int lm_pages_set_status(lm_pages *pages, const lm_node_config *config, const lm_status_files *files)
{
    char *blob = lm_node_config_blob(config);
    int result = blob == NULL ? LM_ENOMEM : write_page_headers(pages->status_headers, &files->status_html);
    if (result != LM_OK) {
        free(blob);
        return result;
    }
    free(pages->blob);
    pages->blob = blob;
    pages->status = files;
    return LM_OK;
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

static lm_report make_report(const lm_pages *pages, uint64_t unix_ms)
{
    lm_report report = {0};
    pages->source.get(pages->source.ctx, &report);
    report.node_id = pages->nk;
    report.unix_ms = unix_ms;
    return report;
}

static void answer_text(lm_pages *pages, lm_http_response *response, const char *content_type, int len)
{
    if (len < 0)
        answer_error(response, 500);
    else
        answer(response, content_type, pages->report, (size_t)len);
}

/* True if the path is one of a report's. */
static bool answer_report(lm_pages *pages, const char *path, uint64_t unix_ms, lm_http_response *response)
{
    if (pages->source.get == NULL)
        return false;
    if (strcmp(path, "/readyz") == 0) {
        const lm_report report = make_report(pages, unix_ms);
        const char *body = lm_report_ready(&report) ? "{\"ready\":true}" : "{\"ready\":false}";
        response->status = lm_report_ready(&report) ? 200 : 503;
        answer(response, "application/json", body, strlen(body));
    } else if (strcmp(path, "/statsz") == 0) {
        const lm_report report = make_report(pages, unix_ms);
        answer_text(pages, response, "application/json",
                    lm_report_json(&report, pages->report, LM_REPORT_MAX));
    } else if (strcmp(path, "/metrics") == 0) {
        const lm_report report = make_report(pages, unix_ms);
        answer_text(pages, response, "text/plain; version=0.0.4; charset=utf-8",
                    lm_report_metrics(&report, pages->report, LM_REPORT_MAX));
    } else {
        return false;
    }
    return true;
}

static void answer_file(lm_http_response *response, const char *content_type, const lm_page_file *file)
{
    answer(response, content_type, file->data, file->len);
}

/* True if the path is one of the status page's. */
static bool answer_status(const lm_pages *pages, const char *path, lm_http_response *response)
{
    const lm_status_files *files = pages->status;
    if (files == NULL)
        return false;
    if (strcmp(path, "/") == 0) {
        answer_file(response, "text/html; charset=utf-8", &files->status_html);
        response->headers = pages->status_headers;
    } else if (strcmp(path, "/status.js") == 0) {
        answer_file(response, "text/javascript; charset=utf-8", &files->status_js);
    } else if (strcmp(path, "/plots.js") == 0) {
        answer_file(response, "text/javascript; charset=utf-8", &files->plots_js);
    } else if (strcmp(path, "/mesh.js") == 0) {
        answer_file(response, "text/javascript; charset=utf-8", &files->mesh_js);
    } else if (strcmp(path, "/blob") == 0) {
        answer(response, "text/plain; charset=utf-8", pages->blob, strlen(pages->blob));
    } else {
        return false;
    }
    return true;
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
    } else if (answer_report(pages, path, unix_ms, response) || answer_status(pages, path, response)) {
        return;
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
