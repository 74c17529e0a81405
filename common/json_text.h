/*
 * JSON text from strangers, made safe for cJSON, which is lenient where RFC 8259 is not and recurses as deep
 * as it is led: the text is checked in one bounded pass before cJSON sees it.
 */
#ifndef LM_COMMON_JSON_TEXT_H
#define LM_COMMON_JSON_TEXT_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Length in bytes of the UTF-8 sequence at p, of which left > 0 bytes are there; 0 if it is malformed (RFC
 * 3629 section 4).
 */
size_t lm_utf8_sequence(const uint8_t *p, size_t left);

/*
 * Parses len bytes of text (borrowed, need not end with a NUL) as one JSON object. LM_EMALFORMED: not UTF-8,
 * not JSON, not an object, nested deeper than max_depth, bytes behind the object, or a U+0000 in a string,
 * which C strings cannot carry. LM_ENOMEM only where cJSON itself can tell. On success *object is the
 * caller's, to be freed by cJSON_Delete().
 */
int lm_json_parse_object(cJSON **object, const char *text, size_t len, unsigned max_depth);

#endif
