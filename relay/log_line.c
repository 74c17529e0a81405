#include "relay/log_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h> /* gmtime_r and strftime: the time itself is an argument */

#include "common/json_text.h"
#include "common/json_writer.h"

#define TIME_SIZE 64
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* ISO 8601 in UTC, to the millisecond. */
static void write_time(char text[TIME_SIZE], uint64_t unix_ms)
{
    struct tm utc = {0};
    time_t seconds = (time_t)(unix_ms / 1000);
    gmtime_r(&seconds, &utc);
    size_t len = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + len, TIME_SIZE - len, ".%03uZ", (unsigned)(unix_ms % 1000));
}

static size_t text_line(char line[LM_LOG_LINE_SIZE], const char *time, const char *level, const char *text)
{
    int len = snprintf(line, LM_LOG_LINE_SIZE - 1, "%s %-5s %.*s", time, level, LM_LOG_MAX, text);
    for (int i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[len] = '\n';
    return (size_t)len + 1;
}

/* A message may hold a file's name as it is, or have been cut within a character. */
static void make_utf8(char good[3 * LM_LOG_MAX + 1], const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t run = lm_utf8_sequence((const uint8_t *)text + i, len - i);
        memcpy(good, run > 0 ? text + i : REPLACEMENT, run > 0 ? run : 3);
        good += run > 0 ? run : 3;
        i += run > 0 ? run : 1;
    }
    *good = '\0';
}

static size_t json_line(char line[LM_LOG_LINE_SIZE], const char *time, const char *level, const char *text)
{
    char good[3 * LM_LOG_MAX + 1];
    make_utf8(good, text, strnlen(text, LM_LOG_MAX));
    lm_json_writer j = lm_json_writer_init(line, LM_LOG_LINE_SIZE);
    lm_json_open(&j, '{');
    lm_json_key(&j, "time");
    lm_json_string(&j, time);
    lm_json_key(&j, "level");
    lm_json_string(&j, level);
    lm_json_key(&j, "msg");
    lm_json_string(&j, good);
    lm_json_close(&j, '}');
    lm_write_u8(&j.text, '\n');
    return j.text.len;
}

size_t lm_log_line(char line[LM_LOG_LINE_SIZE], lm_log_format format, uint64_t unix_ms, lm_log_level level,
                   const char *text)
{
    char time[TIME_SIZE];
    write_time(time, unix_ms);
    return format == LM_LOG_JSON ? json_line(line, time, lm_log_level_name(level), text)
                                 : text_line(line, time, lm_log_level_name(level), text);
}
