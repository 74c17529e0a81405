/*
 * Logging through a handler that the owner gives. The library never prints. A line that a stranger on the
 * network can provoke is logged at debug, or above it only after lm_log_allow().
 */
#ifndef LM_COMMON_LOG_H
#define LM_COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/api.h"
#include "common/clock.h"

typedef enum lm_log_level { LM_LOG_ERROR = 0, LM_LOG_WARN, LM_LOG_INFO, LM_LOG_DEBUG } lm_log_level;

/* Longest message in bytes; longer ones are cut. */
#define LM_LOG_MAX 1024

/* How much of a peer's address a log may keep. */
typedef enum lm_log_addresses {
    LM_LOG_ADDRESSES_FULL = 0, /* 192.0.2.7:40000 */
    LM_LOG_ADDRESSES_PREFIX,   /* 192.0.2.0/24, 2001:db8:1::/48: the network, not the host */
    LM_LOG_ADDRESSES_NONE      /* - */
} lm_log_addresses;

typedef struct lm_log {
    lm_log_level level; /* messages above it are not formatted */
    lm_log_addresses addresses;
    /* text: one line without its newline, borrowed. */
    void (*handler)(void *ctx, lm_log_level level, const char *text);
    void *ctx;
} lm_log;

/* log may be NULL: then nothing is logged. */
LM_API void lm_logf(const lm_log *log, lm_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline bool lm_log_wants(const lm_log *log, lm_log_level level)
{
    return log != NULL && log->handler != NULL && level <= log->level;
}

#define LM_LOG_AT(log, at, ...)                \
    do {                                       \
        if (lm_log_wants((log), (at)))         \
            lm_logf((log), (at), __VA_ARGS__); \
    } while (0)
#define LM_LOGE(log, ...) LM_LOG_AT(log, LM_LOG_ERROR, __VA_ARGS__)
#define LM_LOGW(log, ...) LM_LOG_AT(log, LM_LOG_WARN, __VA_ARGS__)
#define LM_LOGI(log, ...) LM_LOG_AT(log, LM_LOG_INFO, __VA_ARGS__)
#define LM_LOGD(log, ...) LM_LOG_AT(log, LM_LOG_DEBUG, __VA_ARGS__)

/*
 * A peer's address as the log may keep it; returns text. Every message with the address of a peer writes it
 * by this.
 */
LM_API const char *lm_log_address(const lm_log *log, const lm_addr *addr, char text[LM_ADDR_STRLEN]);

/* Lets one message through each interval and counts the rest; zero-initialise. */
typedef struct lm_log_limit {
    lm_ms next;          /* when the next message may go out */
    uint64_t suppressed; /* held back since the last one */
} lm_log_limit;

/*
 * True when a message may go out now; *suppressed (may be NULL) is then how many were held back before it.
 */
LM_API bool lm_log_allow(lm_log_limit *limit, lm_ms now, lm_ms interval, uint64_t *suppressed);

/* "error", "warn", "info", "debug" */
LM_API const char *lm_log_level_name(lm_log_level level);
LM_API int lm_log_level_parse(lm_log_level *level, const char *name); /* LM_EINVAL if it is none */

#endif
