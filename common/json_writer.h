/*
 * Writes JSON text into a buffer of the caller's, with the commas and escapes where they belong. It never
 * allocates; text that does not fit sets text.failed. A copy of the struct is a mark: assigning it back
 * undoes what came after.
 *
 *     lm_json_writer j = lm_json_writer_init(buf, sizeof buf);
 *     lm_json_open(&j, '{');
 *     lm_json_key(&j, "action");
 *     lm_json_string(&j, "left");
 *     lm_json_close(&j, '}');
 */
#ifndef LM_COMMON_JSON_WRITER_H
#define LM_COMMON_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

typedef struct lm_json_writer {
    lm_writer text;
    bool comma; /* the next key or value needs one before it */
} lm_json_writer;

/* Starts with no text in buf (borrowed), cap bytes. No NUL is ever written. */
lm_json_writer lm_json_writer_init(void *buf, size_t cap);

/* Opens an object '{' or an array '[', and closes it again. */
void lm_json_open(lm_json_writer *j, char bracket);
void lm_json_close(lm_json_writer *j, char bracket);

/* The key of what comes next; it must not need escapes. */
void lm_json_key(lm_json_writer *j, const char *key);

/* Values. text is NUL-terminated UTF-8; raw is JSON text and goes in as it is. */
void lm_json_string(lm_json_writer *j, const char *text);
void lm_json_uint(lm_json_writer *j, uint64_t value);
void lm_json_number(lm_json_writer *j, double value); /* finite; a reader gets the same double again */
void lm_json_bool(lm_json_writer *j, bool value);
void lm_json_raw(lm_json_writer *j, const char *raw);

#endif
