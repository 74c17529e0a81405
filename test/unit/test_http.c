/* The HTTP request parser, fed whole and byte by byte, and the head of an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/http.h"

/*
 * Parses text twice, in one piece and byte by byte; both must come to the same. False if it is not complete.
 */
static bool parse(const char *text, size_t len, lm_http_request *request, char path[LM_HTTP_REQUEST_MAX])
{
    lm_http_parser *parser = calloc(1, sizeof *parser);
    lm_http_request other;
    int result = lm_http_parser_input(parser, text, len, request);
    strcpy(path, result == 1 ? request->path : "");
    memset(parser, 0, sizeof *parser);
    size_t i = 0;
    while (i < len && lm_http_parser_input(parser, text + i, 1, &other) == 0)
        i++;
    assert_int_equal(i < len, result == 1);
    if (result == 1) {
        assert_int_equal(other.status, request->status);
        assert_int_equal(other.head, request->head);
        assert_string_equal(other.path, path);
        assert_int_equal(lm_http_parser_input(parser, "x", 1, &other), 0); /* what follows does not count */
    }
    free(parser);
    request->path = path;
    return result == 1;
}

#define HOST "Host: relay\r\n"

static void requests_that_are_served(void **state)
{
    static const struct {
        const char *text, *path;
        bool head;
    } good[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", "/", false},
        {"HEAD /healthz HTTP/1.1\r\n" HOST "\r\n", "/healthz", true},
        {"GET /a?b=c#d HTTP/1.1\r\n" HOST "\r\n", "/a", false},
        {"GET /a HTTP/1.0\r\n\r\n", "/a", false},
        {"GET /a HTTP/1.0\r\n" HOST "\r\n", "/a", false},
        {"GET /a HTTP/1.9\r\n" HOST "\r\n", "/a", false},
        {"GET http://relay:80/a?x HTTP/1.1\r\n" HOST "\r\n", "/a", false},
        {"GET HTTP://relay HTTP/1.1\r\n" HOST "\r\n", "/", false},
        {"GET http://relay?x HTTP/1.1\r\n" HOST "\r\n", "/", false},
        {"\r\n\nGET /a HTTP/1.1\r\nhOsT:relay\r\n\r\n", "/a", false},
        {"GET /a HTTP/1.1\nHost: x\n\n", "/a", false},
        {"GET /a HTTP/1.1\r\n" HOST "X-Empty:\r\nX: \t a\tb\xff \r\n\r\nbody that nobody reads", "/a", false},
        {"GET /a HTTP/1.1\r\nHost:\r\n\r\n", "/a", false},
    };
    char path[LM_HTTP_REQUEST_MAX];
    lm_http_request request;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(parse(good[i].text, strlen(good[i].text), &request, path));
        if (request.status != 0)
            fail_msg("%d for %s", request.status, good[i].text);
        assert_string_equal(request.path, good[i].path);
        assert_int_equal(request.head, good[i].head);
    }
}

static void requests_that_are_refused(void **state)
{
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"POST / HTTP/1.1\r\n" HOST "\r\n", 405},
        {"get / HTTP/1.1\r\n" HOST "\r\n", 405},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 405},
        {"CONNECT relay:80 HTTP/1.1\r\n" HOST "\r\n", 405},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\n", 505},
        {"GET /\r\n\r\n", 400}, /* HTTP/0.9 */
        {"GET\r\n\r\n", 400},
        {"x\r\n\r\n", 400},
        {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.11\r\n" HOST "\r\n", 400},
        {"GET / HTTP/11\r\n" HOST "\r\n", 400},
        {"GET / HTTP/x.1\r\n" HOST "\r\n", 400},
        {"GET / http/1.1\r\n" HOST "\r\n", 400},
        {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET https://relay/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET http:///a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* without Host */
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : relay\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST ": no name\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "X: a\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n folded\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400},
        {"GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400},
    };
    char path[LM_HTTP_REQUEST_MAX];
    lm_http_request request;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(parse(bad[i].text, strlen(bad[i].text), &request, path));
        if (request.status != bad[i].status)
            fail_msg("%d instead of %d for %s", request.status, bad[i].status, bad[i].text);
        assert_string_equal(request.path, "");
    }
    static const char nul[] = "GET /a\0b HTTP/1.1\r\n" HOST "\r\n";
    assert_true(parse(nul, sizeof nul - 1, &request, path));
    assert_int_equal(request.status, 400);
}

static void incomplete_requests_wait(void **state)
{
    static const char whole[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    char path[LM_HTTP_REQUEST_MAX];
    lm_http_request request;
    (void)state;
    for (size_t len = 0; len < sizeof whole - 1; len++)
        assert_false(parse(whole, len, &request, path));
    assert_false(parse("\r\n\r\n\r\n", 6, &request, path));
}

static void long_requests_get_431(void **state)
{
    static char text[LM_HTTP_REQUEST_MAX + 1];
    char path[LM_HTTP_REQUEST_MAX];
    lm_http_request request;
    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "GET / HTTP/1.1\r\nHost: x\r\nX: ", 28);
    assert_false(parse(text, LM_HTTP_REQUEST_MAX - 1, &request, path));
    assert_true(parse(text, LM_HTTP_REQUEST_MAX, &request, path));
    assert_int_equal(request.status, 431);
    assert_true(parse(text, LM_HTTP_REQUEST_MAX + 1, &request, path));
    assert_int_equal(request.status, 431);
    memcpy(text + LM_HTTP_REQUEST_MAX - 4, "\r\n\r\n", 4); /* just fits */
    assert_true(parse(text, LM_HTTP_REQUEST_MAX, &request, path));
    assert_int_equal(request.status, 0);
}

static void heads_are_written(void **state)
{
    char buf[LM_HTTP_HEAD_MAX];
    size_t len;
    lm_http_response response = {
        .status = 404, .content_type = "text/plain", .headers = "X: y\r\n", .body = "hello", .body_len = 5};
    (void)state;
    assert_int_equal(lm_http_write_head(buf, sizeof buf, &len, &response, 784111777999), LM_OK);
    buf[len] = '\0';
    assert_string_equal(
        buf, "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n"
             "Content-Type: text/plain\r\nContent-Length: 5\r\nX: y\r\n\r\n");
    for (size_t size = 0; size <= len; size++) {
        size_t other = 77;
        assert_int_equal(lm_http_write_head(buf, size, &other, &response, 0), LM_ETOOBIG);
        assert_int_equal(other, 77);
    }
    assert_int_equal(lm_http_write_head(buf, len + 1, &len, &response, 0), LM_OK);
}

static void dates(void **state)
{
    static const struct {
        uint64_t unix_ms;
        const char *date;
    } known[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400000, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800000, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {1735689599999, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {1735689600000, "Wed, 01 Jan 2025 00:00:00 GMT"},
        {4107542400000, "Mon, 01 Mar 2100 00:00:00 GMT"}, /* no leap year */
        {253402300799000, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    char buf[LM_HTTP_HEAD_MAX];
    size_t len;
    lm_http_response response = {.status = 200, .content_type = "a/b", .headers = ""};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(lm_http_write_head(buf, sizeof buf, &len, &response, known[i].unix_ms), LM_OK);
        if (strstr(buf, known[i].date) == NULL)
            fail_msg("%s is not in %s", known[i].date, buf);
    }
    assert_int_equal(lm_http_write_head(buf, sizeof buf, &len, &response, UINT64_MAX), LM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_are_served), cmocka_unit_test(requests_that_are_refused),
        cmocka_unit_test(incomplete_requests_wait), cmocka_unit_test(long_requests_get_431),
        cmocka_unit_test(heads_are_written),        cmocka_unit_test(dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
