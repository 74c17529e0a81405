/*
 * Any datagram, judged as one that is to open a handshake. A cookie that was never given out must not be
 * good.
 */
#include <stdlib.h>
#include <string.h>

#include "webrtc/hello_cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 0xA5, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const lm_addr from = {.ip = {192, 0, 2, 1}, .port = 1, .family = LM_AF_INET};
    const lm_random random = {.fill = fill};
    uint8_t answer[LM_HELLO_VERIFY_LEN];
    lm_hello_cookie cookie;
    lm_hello_cookie_init(&cookie, &random);
    if (lm_hello_cookie_judge(&cookie, 60000, &from, data, len, answer) == LM_HELLO_COOKIE_GOOD)
        abort();
    return 0;
}
