#include "relay/relay_stats.h"

void lm_relay_stats_visit(const lm_relay_stats *stats,
                          void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
#define LM_X(name, metric, help) visit(ctx, #name, stats->name);
    LM_RELAY_COUNTERS(LM_X)
    LM_RELAY_GAUGES(LM_X)
#undef LM_X
#define LM_X(name) visit(ctx, "message_" #name, stats->messages.name);
    LM_RELAY_ACTIONS(LM_X)
#undef LM_X
#define LM_X(name, code) visit(ctx, "error_" #name, stats->errors.name);
    LM_RELAY_ERRORS(LM_X)
#undef LM_X
#define LM_X(name) visit(ctx, "drop_" #name, stats->drops.name);
    LM_RELAY_DROPS(LM_X)
#undef LM_X
#define LM_X(name) visit(ctx, "close_" #name, stats->closes.name);
    LM_RELAY_CLOSES(LM_X)
#undef LM_X
}
