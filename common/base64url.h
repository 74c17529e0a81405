/* base64url without padding (RFC 4648 section 5), on libsodium. */
#ifndef LM_COMMON_BASE64URL_H
#define LM_COMMON_BASE64URL_H

#include <stddef.h>
#include <stdint.h>

/* Size of the encoded text with its NUL, for len bytes. */
#define LM_BASE64URL_SIZE(len) (((len)*4 + 2) / 3 + 1)

/* Writes LM_BASE64URL_SIZE(len) characters with the NUL; text_size must be at least that. Returns text. */
char *lm_base64url_encode(char *text, size_t text_size, const uint8_t *data, size_t len);

/*
 * Decodes text_len characters into exactly *len ≤ cap bytes. LM_EMALFORMED for any other character, padding,
 * or a non-zero remainder in the last character; LM_ETOOBIG if cap is too small.
 */
int lm_base64url_decode(uint8_t *data, size_t cap, size_t *len, const char *text, size_t text_len);

#endif
