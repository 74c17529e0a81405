#include "relay/http.h"

#include <stdio.h>
#include <string.h>

#include "common/error.h"

#define MS_A_DAY 86400000u
#define DATE_SIZE 64 /* more than the 30 that are used, for the compiler to see that it fits */

/* Characters of a token, besides letters and digits (RFC 9110 section 5.6.2). */
static const char token_marks[] = "!#$%&'*+-.^_`|~";

const char *lm_http_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "";
    }
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!is_alnum(text[i]) && (text[i] == '\0' || strchr(token_marks, text[i]) == NULL))
            return false;
    }
    return len > 0;
}

/* ASCII alone, so no locale comes into it. */
static bool equals_ignoring_case(const char *text, size_t len, const char *lower)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + ('a' - 'A')) : text[i];
        if (lower[i] == '\0' || c != lower[i])
            return false;
    }
    return lower[len] == '\0';
}

/*
 * Cuts the line that begins at *at off with a NUL, in place of its CR or LF, and moves *at behind it. NULL if
 * it holds a control character other than a tab: a bare CR, a NUL.
 */
static char *next_line(char **at)
{
    char *line = *at, *end = strchr(line, '\n');
    if (end == NULL)
        return NULL;
    *at = end + 1;
    if (end > line && end[-1] == '\r')
        end--;
    *end = '\0';
    for (const char *p = line; p < end; p++) {
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return NULL;
    }
    return line;
}

/*
 * The path of a request target in origin form or, as RFC 9112 section 3.2.2 demands, in absolute form; NULL:
 * neither.
 */
static char *path_of(char *target)
{
    static char root[] = "/";
    if (equals_ignoring_case(target, strlen(target) < 7 ? 0 : 7, "http://")) {
        target += 7;
        if (target[0] == '\0' || target[0] == '/' || target[0] == '?')
            return NULL;
        target += strcspn(target, "/?");
        if (target[0] != '/')
            return root;
    }
    if (target[0] != '/')
        return NULL;
    target[strcspn(target, "?#")] = '\0';
    return target;
}

/* "GET /path HTTP/1.1", single spaces. Returns the status, 0 if it can be served. */
static int parse_request_line(char *line, lm_http_request *request, bool *http_1_0)
{
    char *target = strchr(line, ' ');
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;
    if (version == NULL || !is_token(line, (size_t)(target - line)))
        return 400;
    *target++ = '\0';
    *version++ = '\0';
    if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[5] < '0' || version[5] > '9' ||
        version[6] != '.' || version[7] < '0' || version[7] > '9')
        return 400;
    if (version[5] != '1')
        return 505;
    *http_1_0 = version[7] == '0';
    request->head = strcmp(line, "HEAD") == 0;
    if (!request->head && strcmp(line, "GET") != 0)
        return 405;
    request->path = path_of(target);
    return request->path != NULL ? 0 : 400;
}

/* Headers do not matter to us, but a request that two readers could understand differently is refused. */
static int parse_headers(char *at, bool http_1_0)
{
    int hosts = 0;
    for (char *line; (line = next_line(&at)) != NULL;) {
        const char *colon = strchr(line, ':');
        if (line[0] == '\0')
            return hosts == 1 || (hosts == 0 && http_1_0) ? 0 : 400; /* RFC 9112 section 3.2 */
        if (colon == NULL ||
            !is_token(line, (size_t)(colon - line))) /* also a folded line, or a space before the colon */
            return 400;
        hosts += equals_ignoring_case(line, (size_t)(colon - line), "host");
    }
    return 400;
}

static void parse(lm_http_parser *parser, lm_http_request *request)
{
    bool http_1_0 = false;
    char *at = parser->text;
    *request = (lm_http_request){.path = ""};
    if (strlen(parser->text) != parser->len) {
        request->status = 400;
        return;
    }
    at += strspn(at, "\r\n"); /* RFC 9112 section 2.2 */
    char *line = next_line(&at);
    request->status = line != NULL ? parse_request_line(line, request, &http_1_0) : 400;
    if (request->status == 0)
        request->status = parse_headers(at, http_1_0);
    if (request->status != 0)
        request->path = "";
}

/*
 * Bytes of the head with the empty line at its end; 0: it is not complete. Empty lines before it do not end
 * it.
 */
static size_t head_len(const lm_http_parser *parser)
{
    const char *end = parser->text + parser->len;
    const char *start = parser->text + strspn(parser->text, "\r\n");
    for (const char *p = start; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) {
        if (p + 1 < end && p[1] == '\n')
            return (size_t)(p + 2 - parser->text);
        if (p + 2 < end && p[1] == '\r' && p[2] == '\n')
            return (size_t)(p + 3 - parser->text);
    }
    return 0;
}

int lm_http_parser_input(lm_http_parser *parser, const void *data, size_t len, lm_http_request *request)
{
    size_t room = LM_HTTP_REQUEST_MAX - parser->len;
    size_t taken = len < room ? len : room;
    if (parser->done)
        return 0;
    if (taken > 0)
        memcpy(parser->text + parser->len, data, taken);
    parser->len += taken;
    parser->text[parser->len] = '\0';
    size_t complete = head_len(parser);
    if (complete > 0) {
        /* What follows the head must not matter, however much of it has come along. */
        parser->len = complete;
        parser->text[complete] = '\0';
        parse(parser, request);
    } else if (parser->len == LM_HTTP_REQUEST_MAX) {
        *request = (lm_http_request){.status = 431, .path = ""};
    } else {
        return 0;
    }
    parser->done = true;
    return 1;
}

/*
 * "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7) from days and seconds, in the proleptic Gregorian
 * calendar.
 */
static void format_date(char text[DATE_SIZE], uint64_t unix_ms)
{
    static const char week[] = "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t day = unix_ms / MS_A_DAY;
    unsigned second = (unsigned)(unix_ms % MS_A_DAY / 1000), year = 1970, month = 0;
    const char *weekday = week + 3 * (day % 7);
    for (;; year++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        if (year == 9999 || day < 365u + leap) {
            day = day < 365u + leap ? day : 0; /* a clock that is out of its mind */
            for (unsigned days; day >= (days = lengths[month] + (month == 1 && leap)); month++)
                day -= days;
            break;
        }
        day -= 365u + leap;
    }
    snprintf(text, DATE_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", weekday, (unsigned)day + 1,
             months + 3 * month, year, second / 3600, second / 60 % 60, second % 60);
}

int lm_http_write_head(char *buf, size_t size, size_t *len, const lm_http_response *response,
                       uint64_t unix_ms)
{
    char date[DATE_SIZE];
    format_date(date, unix_ms);
    int n = snprintf(
        buf, size,
        "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "%s\r\n",
        response->status, lm_http_reason(response->status), date, response->content_type, response->body_len,
        response->headers);
    if (n < 0 || (size_t)n >= size)
        return LM_ETOOBIG;
    *len = (size_t)n;
    return LM_OK;
}
