#include "common/base64url.h"

#include <sodium.h>

#include "common/error.h"

char *lm_base64url_encode(char *text, size_t text_size, const uint8_t *data, size_t len)
{
    return sodium_bin2base64(text, text_size, data, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int lm_base64url_decode(uint8_t *data, size_t cap, size_t *len, const char *text, size_t text_len)
{
    size_t decoded;
    const char *end;
    /*
     * The longest text that cap bytes can have; sodium tells "too big" and "malformed" apart only by errno.
     */
    if (text_len > LM_BASE64URL_SIZE(cap) - 1)
        return LM_ETOOBIG;
    if (sodium_base642bin(data, cap, text, text_len, NULL, &decoded, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        end != text + text_len)
        return LM_EMALFORMED;
    *len = decoded;
    return LM_OK;
}
