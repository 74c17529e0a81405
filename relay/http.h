/*
 * As much HTTP/1.1 (RFC 9112) as a health check and a demo page need: one GET or HEAD for each connection,
 * which is closed behind the answer. Sans-IO: bytes go in, a request comes out, and an answer's head is
 * written into a buffer.
 */
#ifndef LM_RELAY_HTTP_H
#define LM_RELAY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_HTTP_REQUEST_MAX 8192 /* bytes of a request's head; a longer one is answered with 431 */
#define LM_HTTP_HEAD_MAX 2048    /* room for the head of every answer of ours */

typedef struct lm_http_request {
    int status;       /* 0: to be served; otherwise the error status that is the answer: 400, 405, 431, 505 */
    bool head;        /* HEAD: the answer's body is not sent */
    const char *path; /* "/healthz", without the query; "" if status is not 0. Lives as long as the parser. */
} lm_http_request;

/* Zero-initialise, one for each connection. */
typedef struct lm_http_parser {
    char text[LM_HTTP_REQUEST_MAX + 1];
    size_t len;
    bool done;
} lm_http_parser;

typedef struct lm_http_response {
    int status;
    const char *content_type;
    const char *headers; /* further lines, each with its CRLF; "" if there are none */
    const void *body;    /* borrowed */
    size_t body_len;
} lm_http_response;

/*
 * Takes bytes as they come, in pieces of any size. 1: *request is filled, and further bytes do not count; 0:
 * more is needed.
 */
int lm_http_parser_input(lm_http_parser *parser, const void *data, size_t len, lm_http_request *request);

/*
 * Writes status line and headers, up to the empty line. unix_ms is the wall clock, for Date. LM_OK and *len,
 * or LM_ETOOBIG.
 */
int lm_http_write_head(char *buf, size_t size, size_t *len, const lm_http_response *response,
                       uint64_t unix_ms);

/* "Not Found"; "" for a status that is not used here. */
const char *lm_http_reason(int status);

#endif
