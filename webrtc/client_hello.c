#include "webrtc/client_hello.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"

#define CONTENT_HANDSHAKE 22
#define HANDSHAKE_CLIENT_HELLO 1
#define HEADERS_LEN (LM_DTLS_RECORD_HEADER_LEN + LM_DTLS_HANDSHAKE_HEADER_LEN)

typedef struct fragment {
    uint32_t total;
    uint16_t message_seq;
    uint32_t offset;
    uint32_t len;
    const uint8_t *body;
} fragment;

bool lm_client_hello_is(const uint8_t *data, size_t len)
{
    return len >= HEADERS_LEN && data[0] == CONTENT_HANDSHAKE && data[3] == 0 && data[4] == 0 &&
           data[LM_DTLS_RECORD_HEADER_LEN] == HANDSHAKE_CLIENT_HELLO;
}

/* Reads one record; r stands behind it then. *header points to its 13 bytes. */
static int read_record(lm_reader *r, const uint8_t **header, lm_reader *body)
{
    *header = r->pos;
    uint8_t type = lm_read_u8(r);
    uint16_t version = lm_read_u16(r);
    uint16_t epoch = lm_read_u16(r);
    lm_read_bytes(r, 6);
    uint16_t len = lm_read_u16(r);
    const uint8_t *start = lm_read_bytes(r, len);
    if (r->failed || type != CONTENT_HANDSHAKE || version >> 8 != 0xFE || epoch != 0)
        return LM_EMALFORMED;
    *body = lm_reader_init(start, len);
    return LM_OK;
}

static int read_fragment(lm_reader *r, fragment *f)
{
    uint8_t type = lm_read_u8(r);
    f->total = lm_read_u24(r);
    f->message_seq = lm_read_u16(r);
    f->offset = lm_read_u24(r);
    f->len = lm_read_u24(r);
    f->body = lm_read_bytes(r, f->len);
    if (r->failed || type != HANDSHAKE_CLIENT_HELLO || f->total == 0 || f->offset > f->total ||
        f->len > f->total - f->offset)
        return LM_EMALFORMED;
    return f->total > LM_CLIENT_HELLO_MAX ? LM_ETOOBIG : LM_OK;
}

/* Starts over for the message that f belongs to. */
static int start(lm_client_hello *hello, const fragment *f)
{
    size_t bitmap_len = (f->total + 7) / 8;
    uint8_t *record = malloc(HEADERS_LEN + f->total + bitmap_len);
    if (record == NULL)
        return LM_ENOMEM;
    lm_client_hello_clear(hello);
    hello->record = record;
    hello->present = record + HEADERS_LEN + f->total;
    memset(hello->present, 0, bitmap_len);
    hello->total = hello->missing = f->total;
    hello->message_seq = f->message_seq;
    return LM_OK;
}

static void take(lm_client_hello *hello, const fragment *f)
{
    memcpy(hello->record + HEADERS_LEN + f->offset, f->body, f->len);
    for (size_t i = f->offset; i < (size_t)f->offset + f->len; i++) {
        uint8_t bit = (uint8_t)(1u << (i % 8));
        hello->missing -= (hello->present[i / 8] & bit) == 0;
        hello->present[i / 8] |= bit;
    }
}

/*
 * Writes both headers: the record header is that of the fragment that completed the message, so its sequence
 * number is fresh; the handshake header says that this is all of it.
 */
static void finish(lm_client_hello *hello, const uint8_t *record_header)
{
    lm_writer w = lm_writer_init(hello->record, HEADERS_LEN);
    lm_write_bytes(&w, record_header, LM_DTLS_RECORD_HEADER_LEN - 2);
    lm_write_u16(&w, (uint16_t)(LM_DTLS_HANDSHAKE_HEADER_LEN + hello->total));
    lm_write_u8(&w, HANDSHAKE_CLIENT_HELLO);
    lm_write_u24(&w, (uint32_t)hello->total);
    lm_write_u16(&w, hello->message_seq);
    lm_write_u24(&w, 0);
    lm_write_u24(&w, (uint32_t)hello->total);
    memset(hello->present, 0, (hello->total + 7) / 8);
    hello->missing = hello->total;
}

int lm_client_hello_input(lm_client_hello *hello, const uint8_t *data, size_t len, const uint8_t **record,
                          size_t *record_len)
{
    lm_reader r = lm_reader_init(data, len);
    while (lm_reader_left(&r) > 0) {
        const uint8_t *header;
        lm_reader body;
        int error = read_record(&r, &header, &body);
        while (error == LM_OK && lm_reader_left(&body) > 0) {
            fragment f;
            error = read_fragment(&body, &f);
            if (error == LM_OK &&
                (hello->record == NULL || hello->total != f.total || hello->message_seq != f.message_seq))
                error = start(hello, &f);
            if (error != LM_OK)
                break;
            take(hello, &f);
            if (hello->missing == 0) {
                finish(hello, header);
                *record = hello->record;
                *record_len = HEADERS_LEN + hello->total;
                return 1;
            }
        }
        if (error != LM_OK)
            return error;
    }
    return 0;
}

void lm_client_hello_clear(lm_client_hello *hello)
{
    free(hello->record);
    *hello = (lm_client_hello){0};
}
