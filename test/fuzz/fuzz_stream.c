/*
 * Streams, read in one piece and in pieces whose lengths the first bytes say: both ways must give the same
 * datagrams and come to the same end, whatever is written over a datagram and the room around it. The rest of
 * the input is also taken for one datagram, which has to come out of either framing as it went in.
 */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/stream.h"

#undef NDEBUG
#include <assert.h>

#define PIECES 4

static lm_stream_buffer buffer;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The datagrams one after another, each behind its length. */
typedef struct record {
    uint8_t *bytes;
    size_t len;
    int end;
} record;

static void note(record *r, const uint8_t *data, size_t len)
{
    memcpy(r->bytes + r->len, &len, sizeof len);
    memcpy(r->bytes + r->len + sizeof len, data, len);
    r->len += sizeof len + len;
}

static record read_all(const uint8_t *data, size_t len, const uint8_t steps[PIECES])
{
    /* A datagram has two bytes in the stream at least, and a length of 8 in the record. */
    record r = {.bytes = malloc(len * (1 + sizeof(size_t)) + 1)};
    lm_stream s = {0};
    assert(r.bytes != NULL);
    for (size_t at = 0, i = 0; at < len && r.end == 0; i++) {
        size_t n = steps == NULL ? LM_STREAM_READ : steps[i % PIECES] + 1u, datagram_len;
        uint8_t *datagram;
        n = n < len - at ? n : len - at;
        memcpy(lm_stream_begin(&buffer, &s), data + at, n);
        at += n;
        lm_stream_input(&buffer, n);
        while ((r.end = lm_stream_next(&buffer, &datagram, &datagram_len)) == 1) {
            assert(datagram_len > 0 && datagram_len <= LM_STREAM_TURN_MAX);
            assert(datagram - LM_PACKET_HEADROOM >= buffer.bytes);
            assert(datagram + datagram_len + LM_PACKET_TAILROOM <= buffer.bytes + sizeof buffer.bytes);
            note(&r, datagram, datagram_len);
            memset(datagram - LM_PACKET_HEADROOM, 0xEE,
                   LM_PACKET_HEADROOM + datagram_len + LM_PACKET_TAILROOM);
        }
        assert(r.end != 0 || s.rest_len < LM_STREAM_TURN_MAX);
    }
    lm_stream_clear(&s);
    return r;
}

/* A datagram of ICE-TCP behind a first one with the cookie. */
static void wrap(const uint8_t *data, size_t len)
{
    static const uint8_t first[] = {0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 0,
                                    0, 0,  0, 0, 0, 0, 0,    0,    0,    0,    0};
    lm_stream s = {.framing = LM_STREAM_ICE};
    uint8_t stream[sizeof first + LM_STREAM_ICE_MAX];
    if (len == 0 || len + LM_STREAM_PREFIX_MAX > LM_STREAM_ICE_MAX)
        return;
    memcpy(stream, first, sizeof first);
    assert(lm_stream_write_prefix(&s, len, stream + sizeof first) == LM_STREAM_PREFIX_MAX);
    memcpy(stream + sizeof first + LM_STREAM_PREFIX_MAX, data, len);
    record r = read_all(stream, sizeof first + LM_STREAM_PREFIX_MAX + len, NULL);
    assert(r.end == 0 && r.len == 2 * sizeof(size_t) + 20 + len);
    assert(memcmp(r.bytes + r.len - len, data, len) == 0);
    free(r.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < PIECES)
        return 0;
    record whole = read_all(data + PIECES, len - PIECES, NULL);
    record pieces = read_all(data + PIECES, len - PIECES, data);
    assert(whole.end == pieces.end && whole.len == pieces.len);
    assert(memcmp(whole.bytes, pieces.bytes, whole.len) == 0);
    free(whole.bytes);
    free(pieces.bytes);
    wrap(data + PIECES, len - PIECES);
    return 0;
}
