/* What is served where, and the policy that the demo page gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/pages.h"

/* The hashes come from: printf %s "import './x.js';" | openssl dgst -sha256 -binary | base64 */
#define HTML                                                                                      \
    "<!doctype html><style>p{color:red}</style><SCRIPT type=\"module\">import './x.js';</SCRIPT>" \
    "<script src=\"/demo/lumamesh.js\"></script><styled>no</styled>"

#define FILE_OF(path, text)                                \
    {                                                      \
        path, (const unsigned char *)text, sizeof text - 1 \
    }

static const lm_page_file demo_files[] = {FILE_OF("/demo", HTML), FILE_OF("/demo/main.js", "start();"),
                                          FILE_OF("/demo/demo.css", "p{}"),
                                          FILE_OF("/demo/lumamesh.js", "export {};")};
static const lm_page_files files = {demo_files, 4};

static lm_node_config config(void)
{
    lm_node_config c = {.port = 3478, .ufrag = "luma", .pwd = "0123456789abcdef0123456789abcdef"};
    assert_int_equal(lm_addr_parse_ip(&c.ip, "203.0.113.10", 0), LM_OK);
    memset(c.nk, 0x11, sizeof c.nk);
    return c;
}

static lm_http_response get(lm_pages *pages, const char *path)
{
    lm_http_request request = {.path = path};
    lm_http_response response;
    lm_pages_get(pages, &request, 1234567890123, &response);
    return response;
}

static void body_is(const lm_http_response *response, const char *expected)
{
    assert_int_equal(response->body_len, strlen(expected));
    assert_memory_equal(response->body, expected, response->body_len);
}

static void health_tells_node_and_time(void **state)
{
    lm_pages pages;
    lm_node_config c = config();
    (void)state;
    assert_int_equal(lm_pages_init(&pages, &c, NULL), LM_OK);
    lm_http_response response = get(&pages, "/healthz");
    assert_int_equal(response.status, 200);
    assert_string_equal(response.content_type, "application/json");
    body_is(&response,
            "{\"nodeId\":\"ERERERERERERERERERERERERERERERERERERERERERE\",\"ok\":true,\"ts\":1234567890123}");
    assert_non_null(strstr(response.headers, "nosniff"));
    assert_non_null(strstr(response.headers, "no-store"));
    lm_pages_clear(&pages);
}

static void without_demo_there_is_nothing_else(void **state)
{
    static const char *const paths[] = {
        "/",         "/demo",     "/demo/lumamesh.js", "/demo/main.js", "/demo/relay.json", "/healthz/",
        "/healthz2", "//healthz", "/readyz",           "/statsz",       "/metrics",         "/blob"};
    lm_pages pages;
    lm_node_config c = config();
    (void)state;
    assert_int_equal(lm_pages_init(&pages, &c, NULL), LM_OK);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(get(&pages, paths[i]).status, 404);
    lm_pages_clear(&pages);
}

static void the_demo_has_its_files(void **state)
{
    lm_pages pages;
    lm_node_config c = config();
    (void)state;
    assert_int_equal(lm_pages_init(&pages, &c, &files), LM_OK);
    lm_http_response response = get(&pages, "/demo");
    assert_string_equal(response.content_type, "text/html; charset=utf-8");
    body_is(&response, HTML);
    response = get(&pages, "/demo/main.js");
    assert_string_equal(response.content_type, "text/javascript; charset=utf-8");
    assert_non_null(strstr(response.headers, "default-src 'none'; frame-ancestors"));
    body_is(&response, "start();");
    response = get(&pages, "/demo/demo.css");
    assert_string_equal(response.content_type, "text/css; charset=utf-8");
    body_is(&response, "p{}");
    response = get(&pages, "/demo/lumamesh.js");
    assert_string_equal(response.content_type, "text/javascript; charset=utf-8");
    body_is(&response, "export {};");
    assert_non_null(strstr(response.headers, "nosniff"));
    response = get(&pages, "/demo/relay.json");
    assert_string_equal(response.content_type, "application/json");
    char *json = lm_node_config_json(&c);
    body_is(&response, json);
    free(json);
    assert_int_equal(get(&pages, "/demo/").status, 404);
    assert_int_equal(get(&pages, "/demo/../demo").status, 404);
    lm_pages_clear(&pages);
}

static lm_webrtc_stats webrtc_stats;
static lm_relay_stats relay_stats;
static lm_udp_stats udp_stats;
static lm_stream_stats tcp_stats, tls_stats;
static lm_turn_stats turn_stats;
static lm_mesh_stats mesh_stats;

/* ctx is a report's state. */
static void get_report(void *ctx, lm_report *report)
{
    *report = *(const lm_report *)ctx;
    report->version = "1.2.3";
    report->webrtc = &webrtc_stats;
    report->relay = &relay_stats;
    report->udp = &udp_stats;
    report->tcp = &tcp_stats;
    report->tls = &tls_stats;
    report->turn = &turn_stats;
    report->mesh = &mesh_stats;
}

static void reports_are_made_when_they_are_asked_for(void **state)
{
    lm_pages pages;
    lm_node_config c = config();
    lm_report report = {.open = true};
    (void)state;
    assert_int_equal(lm_pages_init(&pages, &c, NULL), LM_OK);
    assert_int_equal(lm_pages_set_report(&pages, &(lm_report_source){get_report, &report}), LM_OK);

    lm_http_response response = get(&pages, "/readyz");
    assert_int_equal(response.status, 200);
    body_is(&response, "{\"ready\":true}");
    report.draining = true;
    response = get(&pages, "/readyz");
    assert_int_equal(response.status, 503);
    assert_string_equal(lm_http_reason(503), "Service Unavailable");
    body_is(&response, "{\"ready\":false}");
    report.draining = report.open = false;
    assert_int_equal(get(&pages, "/readyz").status, 503);

    relay_stats.rooms = 17;
    response = get(&pages, "/statsz");
    assert_int_equal(response.status, 200);
    assert_string_equal(response.content_type, "application/json");
    static const char beginning[] = "{\"version\":\"1.2.3\",\"nodeId\":"
                                    "\"ERERERERERERERERERERERERERERERERERERERERERE\",\"ready\":false,"
                                    "\"draining\":false,\"ts\":1234567890123,";
    assert_memory_equal(response.body, beginning, sizeof beginning - 1);
    assert_non_null(memmem(response.body, response.body_len, "\"rooms\":17,", 11));

    response = get(&pages, "/metrics");
    assert_int_equal(response.status, 200);
    assert_string_equal(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(memmem(response.body, response.body_len, "\nlumamesh_rooms 17\n", 19));

    static const char *const none[] = {"/readyz/", "/statsz/", "/metricsz", "/metrics/x", "/status"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(get(&pages, none[i]).status, 404);
    lm_pages_clear(&pages);
}

static void the_status_page_has_files_and_the_blob(void **state)
{
    static const lm_page_file status_files[] = {FILE_OF("/", HTML), FILE_OF("/status.js", "watch();"),
                                                FILE_OF("/base.css", "b{}")};
    static const lm_page_files status = {status_files, 3};
    lm_pages pages;
    lm_node_config c = config();
    (void)state;
    assert_int_equal(lm_pages_init(&pages, &c, NULL), LM_OK);
    assert_int_equal(lm_pages_set_status(&pages, &c, &status), LM_OK);
    assert_int_equal(lm_pages_set_status(&pages, &c, &status), LM_OK);
    lm_http_response response = get(&pages, "/");
    assert_string_equal(response.content_type, "text/html; charset=utf-8");
    assert_non_null(strstr(response.headers, "script-src 'self' 'sha256-XTP27THU914Uu029"));
    body_is(&response, HTML);
    response = get(&pages, "/status.js");
    assert_string_equal(response.content_type, "text/javascript; charset=utf-8");
    body_is(&response, "watch();");
    response = get(&pages, "/base.css");
    assert_string_equal(response.content_type, "text/css; charset=utf-8");
    body_is(&response, "b{}");
    response = get(&pages, "/blob");
    assert_string_equal(response.content_type, "text/plain; charset=utf-8");
    char *blob = lm_node_config_blob(&c);
    body_is(&response, blob);
    free(blob);
    assert_int_equal(get(&pages, "").status, 404);
    assert_int_equal(get(&pages, "/index.html").status, 404);
    assert_int_equal(get(&pages, "/demo").status, 404);
    lm_pages_clear(&pages);
}

static void errors_have_pages(void **state)
{
    lm_pages pages;
    lm_node_config c = config();
    lm_http_response response;
    (void)state;
    assert_int_equal(lm_pages_init(&pages, &c, &files), LM_OK);
    static const int statuses[] = {400, 405, 431, 505};
    for (size_t i = 0; i < 4; i++) {
        lm_http_request request = {.status = statuses[i], .path = ""};
        lm_pages_get(&pages, &request, 0, &response);
        assert_int_equal(response.status, statuses[i]);
        assert_true(response.body_len > 0);
        assert_int_equal(strstr(response.headers, "Allow: GET, HEAD\r\n") != NULL, statuses[i] == 405);
    }
    lm_pages_clear(&pages);
}

static void the_policy_lets_the_pages_own_blocks_through(void **state)
{
    lm_pages pages;
    lm_node_config c = config();
    (void)state;
    assert_int_equal(lm_pages_init(&pages, &c, &files), LM_OK);
    lm_http_response response = get(&pages, "/demo");
    assert_non_null(strstr(response.headers,
                           "Content-Security-Policy: default-src 'none'; "
                           "script-src 'self' 'sha256-XTP27THU914Uu029YpeepuzYsaAbtSO8AjA7Ffm0mOc='; "
                           "style-src 'self' 'sha256-p0bF+un5yUb9MBO6xRb8kPHlY2BdpHVtLiFkDrZPF64='; "
                           "connect-src 'self';"));
    assert_null(strstr(response.headers, "unsafe"));
    char head[LM_HTTP_HEAD_MAX];
    size_t len;
    assert_int_equal(lm_http_write_head(head, sizeof head, &len, &response, 0), LM_OK);
    lm_pages_clear(&pages);
}

static void odd_pages_are_survived(void **state)
{
    static const char *const odd[] = {
        "", "<", "<script", "<script>", "<script>x", "<script>x</script", "<style></style>", "</script>"};
    char policy[LM_CSP_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        size_t len = strlen(odd[i]);
        char *exact = malloc(len + 1); /* for a sanitizer to see a read behind the end */
        memcpy(exact, odd[i], len);
        char *shrunk = realloc(exact, len ? len : 1);
        assert_int_equal(lm_csp_for_page(policy, shrunk, len), LM_OK);
        assert_null(strstr(policy, "sha256"));
        free(shrunk);
    }
    static const char block[] = "<script>1</script>";
    char many[40 * sizeof block] = "";
    for (int i = 0; i < 30; i++)
        strcat(many, block);
    assert_int_equal(lm_csp_for_page(policy, many, strlen(many)), LM_ETOOBIG);
}

static int set_up(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_tells_node_and_time),
        cmocka_unit_test(without_demo_there_is_nothing_else),
        cmocka_unit_test(the_demo_has_its_files),
        cmocka_unit_test(reports_are_made_when_they_are_asked_for),
        cmocka_unit_test(the_status_page_has_files_and_the_blob),
        cmocka_unit_test(errors_have_pages),
        cmocka_unit_test(the_policy_lets_the_pages_own_blocks_through),
        cmocka_unit_test(odd_pages_are_survived),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
