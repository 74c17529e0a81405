/*
 * What a stranger may send to the TLS server: the bytes of a first flight, and whatever follows, in one piece
 * and in pieces whose lengths the first bytes say. Both ways must come to the same state.
 */
#include <stdlib.h>

#include "common/error.h"
#include "test/support/data.h"
#include "webrtc/tls.h"

#undef NDEBUG
#include <assert.h>

#define PIECES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t random_state;

/* The same bytes for the same input, so that what is found is found again. */
static void fill(void *ctx, void *buf, size_t len)
{
    uint8_t *bytes = buf;
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(random_state >> 56);
    }
}

static void count_output(void *user, const uint8_t *data, size_t len)
{
    (void)data;
    *(size_t *)user += len;
}

static lm_tls_server *make_server(void)
{
    const lm_random random = {.fill = fill};
    lm_tls_server *server;
    lm_tls_complaint why;
    size_t len;
    char *cert = (char *)test_read_file(LM_TEST_DATA "/tls/p256.pem", &len);
    char *key = (char *)test_read_file(LM_TEST_DATA "/tls/p256.key", &len);
    assert(lm_tls_server_create(&server, cert, key, &random, &why) == LM_OK);
    free(cert);
    free(key);
    return server;
}

static lm_tls_state run(lm_tls_server *server, const uint8_t *data, size_t len, const uint8_t steps[PIECES])
{
    uint8_t plaintext[512];
    size_t output = 0;
    lm_tls *tls;
    random_state = 1;
    assert(lm_tls_create(&tls, server, count_output, &output) == LM_OK);
    for (size_t at = 0, i = 0; at < len; i++) {
        size_t n = steps == NULL ? len : steps[i % PIECES] * 4u + 1u;
        n = n < len - at ? n : len - at;
        int result = lm_tls_input(tls, data + at, n);
        lm_tls_state state = lm_tls_get_state(tls);
        assert((result == LM_ECLOSED) == (state == LM_TLS_FAILED || state == LM_TLS_CLOSED));
        assert(lm_tls_read(tls, plaintext, sizeof plaintext) <= 0); /* nobody guesses a Finished */
        at += n;
    }
    lm_tls_state state = lm_tls_get_state(tls);
    assert(state != LM_TLS_CONNECTED);
    assert(output < 8192);
    lm_tls_destroy(tls);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static lm_tls_server *server;
    if (server == NULL)
        server = make_server();
    if (len < PIECES)
        return 0;
    assert(run(server, data + PIECES, len - PIECES, NULL) == run(server, data + PIECES, len - PIECES, data));
    return 0;
}
