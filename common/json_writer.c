#include "common/json_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(lm_json_writer *j, const char *text)
{
    lm_write_bytes(&j->text, text, strlen(text));
}

static void put_comma(lm_json_writer *j)
{
    if (j->comma)
        put(j, ",");
}

lm_json_writer lm_json_writer_init(void *buf, size_t cap)
{
    return (lm_json_writer){.text = lm_writer_init(buf, cap), .comma = false};
}

void lm_json_open(lm_json_writer *j, char bracket)
{
    put_comma(j);
    lm_write_u8(&j->text, (uint8_t)bracket);
    j->comma = false;
}

void lm_json_close(lm_json_writer *j, char bracket)
{
    lm_write_u8(&j->text, (uint8_t)bracket);
    j->comma = true;
}

void lm_json_key(lm_json_writer *j, const char *key)
{
    put_comma(j);
    put(j, "\"");
    put(j, key);
    put(j, "\":");
    j->comma = false;
}

/* The escape of one character that must not stand in a string as it is (RFC 8259 section 7). */
static void put_escape(lm_json_writer *j, char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = strchr(plain, c);
    if (found != NULL) {
        const char text[2] = {'\\', letters[found - plain]};
        lm_write_bytes(&j->text, text, sizeof text);
    } else {
        char text[8];
        snprintf(text, sizeof text, "\\u%04x", (unsigned)(unsigned char)c);
        put(j, text);
    }
}

void lm_json_string(lm_json_writer *j, const char *text)
{
    put_comma(j);
    put(j, "\"");
    for (const char *p = text; *p != '\0';) {
        size_t run = 0; /* of characters that go in as they are */
        while ((unsigned char)p[run] >= 0x20 && p[run] != '"' && p[run] != '\\')
            run++;
        lm_write_bytes(&j->text, p, run);
        p += run;
        if (*p != '\0')
            put_escape(j, *p++);
    }
    put(j, "\"");
    j->comma = true;
}

void lm_json_uint(lm_json_writer *j, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    lm_json_raw(j, text);
}

void lm_json_number(lm_json_writer *j, double value)
{
    char text[32];
    /*
     * As few digits as will do, 17 at most. (cJSON takes 15 where that comes near, and so changes large
     * integers.)
     */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    char *comma = strchr(text, ','); /* the decimal point of some locales */
    if (comma != NULL)
        *comma = '.';
    lm_json_raw(j, text);
}

void lm_json_bool(lm_json_writer *j, bool value)
{
    lm_json_raw(j, value ? "true" : "false");
}

void lm_json_raw(lm_json_writer *j, const char *raw)
{
    put_comma(j);
    put(j, raw);
    j->comma = true;
}
