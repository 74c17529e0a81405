#include "webrtc/stream_stats.h"

static const char *const end_names[] = {
#define LM_X(name) #name,
    LM_STREAM_ENDS(LM_X)
#undef LM_X
};

const char *lm_stream_end_name(lm_stream_end end)
{
    return (unsigned)end < LM_STREAM_END_COUNT ? end_names[end] : "unknown";
}

void lm_stream_stats_visit(const lm_stream_stats *stats,
                           void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
#define LM_X(name, metric, help) visit(ctx, #name, stats->name);
    LM_STREAM_COUNTERS(LM_X)
    LM_STREAM_GAUGES(LM_X)
#undef LM_X
#define LM_X(name) visit(ctx, "end_" #name, stats->ended[LM_STREAM_END_##name]);
    LM_STREAM_ENDS(LM_X)
#undef LM_X
}
