#include "webrtc/turn_stats.h"

void lm_turn_stats_visit(const lm_turn_stats *stats,
                         void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
#define LM_X(name, metric, help) visit(ctx, #name, stats->name);
    LM_TURN_COUNTERS(LM_X)
    LM_TURN_GAUGES(LM_X)
#undef LM_X
#define LM_X(name) visit(ctx, "drop_" #name, stats->drops.name);
    LM_TURN_DROPS(LM_X)
#undef LM_X
}
