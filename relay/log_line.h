/*
 * Lines of the log, for people or for programs:
 *
 *     2026-01-31T12:00:00.000Z info  relay is up on UDP port 3478
 *     {"time":"2026-01-31T12:00:00.000Z","level":"info","msg":"relay is up on UDP port 3478"}
 */
#ifndef LM_RELAY_LOG_LINE_H
#define LM_RELAY_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "common/log.h"

typedef enum lm_log_format { LM_LOG_TEXT = 0, LM_LOG_JSON } lm_log_format;

/* The longest line, if every byte of the message becomes \u00xx, and what stands around it. */
#define LM_LOG_LINE_SIZE (6 * LM_LOG_MAX + 128)

/*
 * Writes one line with its newline; returns its length. text is borrowed, and cut behind LM_LOG_MAX bytes.
 * Whatever it holds the line stays one: in text, control characters become '?'; in JSON they are escaped,
 * and what is no UTF-8 becomes U+FFFD.
 */
size_t lm_log_line(char line[LM_LOG_LINE_SIZE], lm_log_format format, uint64_t unix_ms, lm_log_level level,
                   const char *text);

#endif
