/*
 * Reassembly of the ClientHello. The input is read in two ways: as one datagram, and as several, each behind
 * its length in two bytes.
 */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"
#include "webrtc/client_hello.h"

#define HEADERS_LEN (LM_DTLS_RECORD_HEADER_LEN + LM_DTLS_HANDSHAKE_HEADER_LEN)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What comes out is one record with one whole ClientHello. */
static void check_record(const uint8_t *record, size_t len)
{
    lm_reader r = lm_reader_init(record, len);
    assert(lm_read_u8(&r) == 22);
    assert(lm_read_u16(&r) >> 8 == 0xFE);
    assert(lm_read_u16(&r) == 0);
    lm_read_bytes(&r, 6);
    assert(lm_read_u16(&r) == lm_reader_left(&r));
    assert(lm_read_u8(&r) == 1);
    uint32_t total = lm_read_u24(&r);
    lm_read_u16(&r);
    assert(lm_read_u24(&r) == 0);
    assert(lm_read_u24(&r) == total);
    assert(!r.failed && total == lm_reader_left(&r) && total > 0 && total <= LM_CLIENT_HELLO_MAX);
}

static void check(lm_client_hello *hello, const uint8_t *data, size_t len)
{
    const uint8_t *record = NULL, *again = NULL;
    size_t record_len = 0, again_len = 0;
    bool is = lm_client_hello_is(data, len);
    int result = lm_client_hello_input(hello, data, len, &record, &record_len);
    assert(is || len == 0 || result != 1);
    assert(result == 0 || result == 1 || result == LM_EMALFORMED || result == LM_ETOOBIG ||
           result == LM_ENOMEM);
    if (result != 1)
        return;
    assert(record_len > HEADERS_LEN);
    check_record(record, record_len);

    lm_client_hello other = {0}; /* a whole one goes through as it is */
    assert(lm_client_hello_is(record, record_len));
    assert(lm_client_hello_input(&other, record, record_len, &again, &again_len) == 1);
    assert(again_len == record_len && memcmp(again, record, record_len) == 0);
    lm_client_hello_clear(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    lm_client_hello hello = {0};
    check(&hello, data, len);
    lm_client_hello_clear(&hello);

    lm_reader r = lm_reader_init(data, len);
    while (lm_reader_left(&r) >= 2) {
        size_t n = lm_read_u16(&r);
        if (n > lm_reader_left(&r))
            n = lm_reader_left(&r);
        uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees a read behind its end */
        assert(exact != NULL);
        memcpy(exact + 1, lm_read_bytes(&r, n), n);
        check(&hello, exact + 1, n);
        free(exact);
    }
    lm_client_hello_clear(&hello);
    return 0;
}
