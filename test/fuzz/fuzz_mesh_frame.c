/*
 * Frames out of a byte stream that comes in pieces: the first byte says how large the pieces are. Whatever
 * the pieces, the frames are the same.
 */
#include <stdlib.h>
#include <string.h>

#include "mesh/frame.h"

#undef NDEBUG
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A sum over all frames; the stream is taken in pieces. */
static uint64_t take(const uint8_t *data, size_t len, size_t piece)
{
    lm_byte_queue q = {0};
    uint64_t sum = 1;
    const uint8_t *frame;
    size_t frame_len;
    int result = 0;
    for (size_t at = 0; at < len && result >= 0; at += piece) {
        assert(lm_byte_queue_append(&q, data + at, len - at < piece ? len - at : piece) == 0);
        while ((result = lm_frame_next(&q, &frame, &frame_len)) == 1) {
            assert(frame_len > 0 && frame_len <= LM_FRAME_MAX && frame_len + LM_FRAME_HEAD <= q.len);
            for (size_t i = 0; i < frame_len; i++)
                sum = sum * 31 + frame[i];
            sum = sum * 31 + frame_len;
            lm_byte_queue_consume(&q, LM_FRAME_HEAD + frame_len);
        }
    }
    lm_byte_queue_clear(&q);
    return result < 0 ? ~sum : sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    assert(take(data + 1, len - 1, data[0] + (size_t)1) == take(data + 1, len - 1, len));
    return 0;
}
