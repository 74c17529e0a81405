/*
 * HTTP requests from anywhere. The input is fed in one piece and in pieces whose length the first byte says;
 * both ways must come to the same request, and every request must have an answer that fits.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/http.h"
#include "relay/pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void no_report(void *ctx, lm_report *report)
{
    static const lm_webrtc_stats webrtc;
    static const lm_relay_stats relay;
    static const lm_udp_stats udp;
    static const lm_stream_stats streams;
    static const lm_turn_stats turn;
    static const lm_mesh_stats mesh;
    (void)ctx;
    *report = (lm_report){.version = "0",
                          .webrtc = &webrtc,
                          .relay = &relay,
                          .udp = &udp,
                          .tcp = &streams,
                          .tls = &streams,
                          .turn = &turn,
                          .mesh = &mesh};
}

static void answer(const lm_http_request *request)
{
    static const lm_page_file demo[] = {{"/demo", (const unsigned char *)"<p>", 3},
                                        {"/demo/main.js", (const unsigned char *)"", 0}};
    static const lm_page_files files = {demo, 2};
    static const lm_node_config config = {.port = 1, .ufrag = "luma"};
    static const lm_report_source source = {.get = no_report};
    static lm_pages pages;
    char head[LM_HTTP_HEAD_MAX];
    size_t head_len;
    lm_http_response response;
    if (pages.demo.count == 0 && (sodium_init() < 0 || lm_pages_init(&pages, &config, &files) != LM_OK ||
                                  lm_pages_set_report(&pages, &source) != LM_OK))
        abort();
    lm_pages_get(&pages, request, 0, &response);
    if (lm_http_reason(response.status)[0] == '\0' ||
        lm_http_write_head(head, sizeof head, &head_len, &response, 0) != LM_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    lm_http_request whole, pieces;
    if (len == 0)
        return 0;
    size_t step = data[0] % 64 + 1u;
    data++;
    len--;

    lm_http_parser *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    if (a == NULL || b == NULL)
        abort();
    int done = lm_http_parser_input(a, data, len, &whole), done_in_pieces = 0;
    for (size_t i = 0; i < len && done_in_pieces == 0; i += step)
        done_in_pieces = lm_http_parser_input(b, data + i, len - i < step ? len - i : step, &pieces);
    if (done != done_in_pieces)
        abort();
    if (done == 1) {
        if (whole.status != pieces.status || whole.head != pieces.head ||
            strcmp(whole.path, pieces.path) != 0)
            abort();
        answer(&whole);
    }
    free(a);
    free(b);
    return 0;
}
