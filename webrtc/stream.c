#include "webrtc/stream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"
#include "webrtc/demux.h"
#include "webrtc/stun.h"

#define CHANNEL_HEADER_LEN 4
#define ICE_PREFIX_LEN 2

/* Where the cookie is in the first message of each framing. */
#define TURN_COOKIE_AT 4
#define ICE_COOKIE_AT (ICE_PREFIX_LEN + TURN_COOKIE_AT)

_Static_assert(LM_STREAM_TURN_MAX <= UINT16_MAX && LM_STREAM_ICE_MAX <= LM_STREAM_TURN_MAX,
               "lm_stream.rest_len and the buffer hold the beginning of any datagram");

/* A datagram at the beginning of the bytes that are there. */
typedef struct frame {
    size_t before; /* bytes before the datagram */
    size_t len;    /* of the datagram */
    size_t after;  /* bytes of padding */
} frame;

const char *lm_stream_framing_name(lm_stream_framing framing)
{
    switch (framing) {
    case LM_STREAM_UNKNOWN:
        return "unknown";
    case LM_STREAM_TURN:
        return "turn";
    case LM_STREAM_ICE:
        return "ice";
    case LM_STREAM_FRAMINGS:
        break;
    }
    return "unknown";
}

static size_t left(const lm_stream_buffer *b)
{
    return (size_t)(b->end - b->pos);
}

static uint16_t u16_at(const lm_stream_buffer *b, size_t at)
{
    lm_reader r = lm_reader_init(b->pos + at, 2);
    return lm_read_u16(&r);
}

static bool cookie_at(const lm_stream_buffer *b, size_t at)
{
    lm_reader r = lm_reader_init(b->pos + at, 4);
    return lm_read_u32(&r) == LM_STUN_COOKIE;
}

uint8_t *lm_stream_begin(lm_stream_buffer *b, lm_stream *stream)
{
    b->stream = stream;
    b->pos = b->end = b->bytes + LM_PACKET_HEADROOM;
    b->tail = NULL;
    if (stream->rest_len > 0)
        memcpy(b->end, stream->rest, stream->rest_len);
    b->end += stream->rest_len;
    return b->end;
}

void lm_stream_input(lm_stream_buffer *b, size_t len)
{
    b->end += len;
}

/* Tells the framings apart. LM_EAGAIN: more bytes are needed; LM_EMALFORMED. */
static int recognise(lm_stream_buffer *b)
{
    if (left(b) >= TURN_COOKIE_AT + 4 && cookie_at(b, TURN_COOKIE_AT))
        b->stream->framing = LM_STREAM_TURN;
    else if (left(b) >= ICE_COOKIE_AT + 4 && cookie_at(b, ICE_COOKIE_AT))
        b->stream->framing = LM_STREAM_ICE;
    else
        return left(b) >= ICE_COOKIE_AT + 4 ? LM_EMALFORMED : LM_EAGAIN;
    return LM_OK;
}

static int find_turn(const lm_stream_buffer *b, frame *f)
{
    if (left(b) < CHANNEL_HEADER_LEN)
        return LM_EAGAIN;
    size_t len = u16_at(b, 2);
    switch (lm_demux(b->pos[0])) {
    case LM_DEMUX_STUN:
        if (left(b) < TURN_COOKIE_AT + 4)
            return LM_EAGAIN;
        if (len % 4 != 0 || !cookie_at(b, TURN_COOKIE_AT))
            return LM_EMALFORMED;
        *f = (frame){.len = LM_STUN_HEADER_LEN + len};
        break;
    case LM_DEMUX_TURN_CHANNEL:
        *f = (frame){.len = CHANNEL_HEADER_LEN + len, .after = (4 - len % 4) % 4};
        break;
    default:
        return LM_EMALFORMED;
    }
    return f->len + f->after <= LM_STREAM_TURN_MAX ? LM_OK : LM_ETOOBIG;
}

static int find_ice(const lm_stream_buffer *b, frame *f)
{
    if (left(b) < ICE_PREFIX_LEN)
        return LM_EAGAIN;
    *f = (frame){.before = ICE_PREFIX_LEN, .len = u16_at(b, 0)};
    return f->before + f->len <= LM_STREAM_ICE_MAX ? LM_OK : LM_ETOOBIG;
}

static int find(lm_stream_buffer *b, frame *f)
{
    int result = b->stream->framing == LM_STREAM_UNKNOWN ? recognise(b) : LM_OK;
    if (result == LM_OK)
        result = b->stream->framing == LM_STREAM_TURN ? find_turn(b, f) : find_ice(b, f);
    if (result == LM_OK && left(b) < f->before + f->len + f->after)
        result = LM_EAGAIN;
    return result;
}

static int put_aside(lm_stream_buffer *b)
{
    lm_stream *s = b->stream;
    size_t len = left(b);
    uint8_t *rest = NULL;
    if (len > 0) {
        rest = malloc(len);
        if (rest == NULL)
            return LM_ENOMEM;
        memcpy(rest, b->pos, len);
    }
    free(s->rest);
    s->rest = rest;
    s->rest_len = (uint16_t)len;
    return 0;
}

int lm_stream_next(lm_stream_buffer *b, uint8_t **data, size_t *len)
{
    frame f;
    int result;
    if (b->tail != NULL)
        memcpy(b->tail, b->saved, sizeof b->saved);
    b->tail = NULL;
    do {
        result = find(b, &f);
        if (result != LM_OK)
            return result == LM_EAGAIN ? put_aside(b) : result;
        *data = b->pos + f.before;
        b->pos = *data + f.len + f.after;
    } while (f.len == 0); /* "null packets" are allowed (RFC 4571 section 2) and say nothing */
    *len = f.len;
    b->tail = *data + f.len;
    memcpy(b->saved, b->tail, sizeof b->saved);
    return 1;
}

int lm_stream_write_prefix(const lm_stream *stream, size_t len, uint8_t prefix[LM_STREAM_PREFIX_MAX])
{
    lm_writer w = lm_writer_init(prefix, LM_STREAM_PREFIX_MAX);
    if (stream->framing == LM_STREAM_UNKNOWN)
        return LM_EAGAIN;
    if (len > UINT16_MAX)
        return LM_ETOOBIG;
    if (stream->framing == LM_STREAM_ICE)
        lm_write_u16(&w, (uint16_t)len);
    return (int)w.len;
}

void lm_stream_clear(lm_stream *stream)
{
    free(stream->rest);
    *stream = (lm_stream){0};
}
