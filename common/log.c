#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void lm_logf(const lm_log *log, lm_log_level level, const char *format, ...)
{
    char text[LM_LOG_MAX];
    va_list args;
    if (!lm_log_wants(log, level))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log->handler(log->ctx, level, text);
}

bool lm_log_allow(lm_log_limit *limit, lm_ms now, lm_ms interval, uint64_t *suppressed)
{
    if (now < limit->next) {
        limit->suppressed++;
        return false;
    }
    if (suppressed != NULL)
        *suppressed = limit->suppressed;
    limit->suppressed = 0;
    limit->next = now + interval;
    return true;
}

const char *lm_log_level_name(lm_log_level level)
{
    return level_names[level];
}

int lm_log_level_parse(lm_log_level *level, const char *name)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (lm_log_level)i;
            return LM_OK;
        }
    }
    return LM_EINVAL;
}
