#include "common/json_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

size_t lm_utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t len;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        if (p[0] == 0xe0)
            low = 0xa0; /* below: overlong */
        else if (p[0] == 0xed)
            high = 0x9f; /* above: surrogates */
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        if (p[0] == 0xf0)
            low = 0x90; /* below: overlong */
        else if (p[0] == 0xf4)
            high = 0x8f; /* above: past U+10FFFF */
    } else {
        return 0;
    }
    if (left < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/*
 * Length of the escape that starts at the backslash p, 0 if it is none. cJSON reads \uXYZW without hex digits
 * as U+0000, and U+0000 itself would cut the C string short: neither may pass.
 */
static size_t escape_sequence(const uint8_t *p, size_t left)
{
    if (left < 2)
        return 0;
    if (p[1] != 'u')
        return memchr("\"\\/bfnrt", p[1], 8) != NULL ? 2 : 0;
    if (left < 6 || memcmp(p + 2, "0000", 4) == 0)
        return 0;
    for (size_t i = 2; i < 6; i++) {
        if (!is_hex(p[i]))
            return 0;
    }
    return 6;
}

/*
 * What cJSON would let through or choke on: bad UTF-8, control characters, bad escapes, deep nesting. Grammar
 * proper is left to cJSON.
 */
static int check(const uint8_t *p, size_t len, unsigned max_depth)
{
    bool in_string = false;
    unsigned depth = 0;
    for (size_t i = 0, n; i < len; i += n) {
        uint8_t c = p[i];
        n = 1;
        if (in_string && c >= 0x20 && c < 0x80 && c != '"' && c != '\\') /* most of them */
            continue;
        if (c < 0x20 && (in_string || (c != '\t' && c != '\n' && c != '\r')))
            return LM_EMALFORMED;
        if (c >= 0x80)
            n = in_string ? lm_utf8_sequence(p + i, len - i) : 0;
        else if (c == '"')
            in_string = !in_string;
        else if (in_string && c == '\\')
            n = escape_sequence(p + i, len - i);
        else if (!in_string && (c == '{' || c == '[') && ++depth > max_depth)
            n = 0;
        else if (!in_string && (c == '}' || c == ']') && depth-- == 0)
            n = 0;
        if (n == 0)
            return LM_EMALFORMED;
    }
    return in_string || depth != 0 ? LM_EMALFORMED : LM_OK;
}

int lm_json_parse_object(cJSON **object, const char *text, size_t len, unsigned max_depth)
{
    int result = check((const uint8_t *)text, len, max_depth);
    if (result != LM_OK)
        return result;

    /*
     * A copy with a NUL behind it: cJSON before 1.7.18 reads one byte past a text that comes with a length.
     */
    char *copy = malloc(len + 1);
    if (copy == NULL)
        return LM_ENOMEM;
    memcpy(copy, text, len);
    copy[len] = '\0';
    cJSON *json = cJSON_ParseWithOpts(copy, NULL, true);
    free(copy);
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return LM_EMALFORMED;
    }
    *object = json;
    return LM_OK;
}
