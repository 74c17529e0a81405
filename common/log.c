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

const char *lm_log_address(const lm_log *log, const lm_addr *addr, char text[LM_ADDR_STRLEN])
{
    lm_addr network = *addr;
    size_t kept = addr->family == LM_AF_INET6 ? 6 : 3;
    switch (log != NULL ? log->addresses : LM_LOG_ADDRESSES_FULL) {
    case LM_LOG_ADDRESSES_FULL:
        return lm_addr_format(addr, text);
    case LM_LOG_ADDRESSES_PREFIX:
        memset(network.ip + kept, 0, sizeof network.ip - kept);
        lm_addr_format_ip(&network, text);
        snprintf(text + strlen(text), 4, "/%u", (unsigned)(8 * kept));
        return text;
    case LM_LOG_ADDRESSES_NONE:
        break;
    }
    memcpy(text, "-", 2);
    return text;
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
