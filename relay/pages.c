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

int lm_pages_init(lm_pages *pages, const lm_node_config *config, const lm_page_files *demo)
{
    memset(pages, 0, sizeof *pages);
    lm_base64url_encode(pages->nk, sizeof pages->nk, config->nk, sizeof config->nk);
    if (demo == NULL)
        return LM_OK;
    int result = write_page_headers(pages->demo_headers, &demo->files[0]);
    if (result != LM_OK)
        return result;
    pages->relay_json = lm_node_config_json(config);
    if (pages->relay_json == NULL)
        return LM_ENOMEM;
    pages->demo = *demo;
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

int lm_pages_set_status(lm_pages *pages, const lm_node_config *config, const lm_page_files *files)
{
    char *blob = lm_node_config_blob(config);
    int result = blob == NULL ? LM_ENOMEM : write_page_headers(pages->status_headers, &files->files[0]);
    if (result != LM_OK) {
        free(blob);
        return result;
    }
    free(pages->blob);
    pages->blob = blob;
    pages->status = *files;
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

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static const char *content_type(const char *path)
{
    if (ends_in(path, ".js"))
        return "text/javascript; charset=utf-8";
    return ends_in(path, ".css") ? "text/css; charset=utf-8" : "text/html; charset=utf-8";
}

/* True if the path is one of the page's files; the page itself goes with page_headers. */
static bool answer_file(const lm_page_files *page, const char *page_headers, const char *path,
                        lm_http_response *response)
{
    for (size_t i = 0; i < page->count; i++) {
        const lm_page_file *file = &page->files[i];
        if (strcmp(path, file->path) != 0)
            continue;
        answer(response, content_type(path), file->data, file->len);
        if (i == 0)
            response->headers = page_headers;
        return true;
    }
    return false;
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
    } else if (answer_report(pages, path, unix_ms, response) ||
               answer_file(&pages->status, pages->status_headers, path, response) ||
               answer_file(&pages->demo, pages->demo_headers, path, response)) {
        return;
    } else if (pages->blob != NULL && strcmp(path, "/blob") == 0) {
        answer(response, "text/plain; charset=utf-8", pages->blob, strlen(pages->blob));
    } else if (pages->relay_json != NULL && strcmp(path, "/demo/relay.json") == 0) {
        answer(response, "application/json", pages->relay_json, strlen(pages->relay_json));
    } else {
        answer_error(response, 404);
    }
}
