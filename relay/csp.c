#include "relay/csp.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/error.h"

#define HASH_TEXT_SIZE sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, sodium_base64_VARIANT_ORIGINAL)

/* The first place in [at, end) where the bytes of word (ASCII, any case) stand; NULL if there is none. */
static const char *find(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);
    for (; (size_t)(end - at) >= len; at++) {
        if (strncasecmp(at, word, len) == 0)
            return at;
    }
    return NULL;
}

/*
 * Adds " 'sha256-…'" for each <tag> element with content, as the page's own text. Our page is no stranger's:
 * an attribute with a '>' in it, or a tag's name within a comment, does not occur.
 */
static int add_hashes(char *policy, size_t *len, const char *html, size_t html_len, const char *tag)
{
    char open[16], close[16];
    const char *at = html, *end = html + html_len;
    snprintf(open, sizeof open, "<%s", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    while ((at = find(at, end, open)) != NULL) {
        uint8_t hash[crypto_hash_sha256_BYTES];
        char text[HASH_TEXT_SIZE];
        const char *name_end = at + strlen(open);
        const char *content = memchr(at, '>', (size_t)(end - at));
        const char *content_end = content != NULL ? find(content, end, close) : NULL;
        if (content_end == NULL)
            break;
        at = content_end;
        content++;
        /* "<styled" is another tag, and an empty element, such as one with src=, has nothing to hash. */
        if (content == content_end || strchr(" \t\r\n>/", *name_end) == NULL)
            continue;
        crypto_hash_sha256(hash, (const uint8_t *)content, (size_t)(content_end - content));
        sodium_bin2base64(text, sizeof text, hash, sizeof hash, sodium_base64_VARIANT_ORIGINAL);
        int n = snprintf(policy + *len, LM_CSP_SIZE - *len, " 'sha256-%s'", text);
        if (n < 0 || (size_t)n >= LM_CSP_SIZE - *len)
            return LM_ETOOBIG;
        *len += (size_t)n;
    }
    return LM_OK;
}

static int add_text(char *policy, size_t *len, const char *text)
{
    int n = snprintf(policy + *len, LM_CSP_SIZE - *len, "%s", text);
    if (n < 0 || (size_t)n >= LM_CSP_SIZE - *len)
        return LM_ETOOBIG;
    *len += (size_t)n;
    return LM_OK;
}

int lm_csp_for_page(char policy[LM_CSP_SIZE], const char *html, size_t html_len)
{
    size_t len = 0;
    int result = add_text(policy, &len, "default-src 'none'; script-src 'self'");
    if (result == LM_OK)
        result = add_hashes(policy, &len, html, html_len, "script");
    if (result == LM_OK)
        result = add_text(policy, &len, "; style-src 'self'");
    if (result == LM_OK)
        result = add_hashes(policy, &len, html, html_len, "style");
    if (result == LM_OK)
        result = add_text(policy, &len,
                          "; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
                          "frame-ancestors 'none'");
    return result;
}
