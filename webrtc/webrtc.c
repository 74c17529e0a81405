#include "webrtc/webrtc.h"

void lm_webrtc_destroy(lm_webrtc *stack)
{
    if (stack != NULL)
        stack->ops->destroy(stack);
}

int lm_webrtc_input(lm_webrtc *stack, lm_ms now, const lm_dgram *in)
{
    return stack->ops->input(stack, now, in);
}

int lm_webrtc_poll(lm_webrtc *stack, lm_webrtc_output *out)
{
    return stack->ops->poll(stack, out);
}

lm_ms lm_webrtc_next_timeout(const lm_webrtc *stack)
{
    return stack->ops->next_timeout(stack);
}

void lm_webrtc_timeout(lm_webrtc *stack, lm_ms now)
{
    stack->ops->timeout(stack, now);
}

int lm_webrtc_send(lm_webrtc *stack, lm_ms now, lm_session_id session, const char *text, size_t len)
{
    return stack->ops->send(stack, now, session, text, len);
}

int lm_webrtc_close(lm_webrtc *stack, lm_ms now, lm_session_id session)
{
    return stack->ops->close(stack, now, session);
}

int lm_webrtc_remote(const lm_webrtc *stack, lm_session_id session, lm_addr *addr)
{
    return stack->ops->remote(stack, session, addr);
}

lm_ms lm_webrtc_heard(const lm_webrtc *stack, lm_session_id session)
{
    return stack->ops->heard(stack, session);
}

void lm_webrtc_path_closed(lm_webrtc *stack, const lm_addr *remote, const lm_addr *local)
{
    stack->ops->path_closed(stack, remote, local);
}

bool lm_webrtc_has_path(const lm_webrtc *stack, const lm_addr *remote, const lm_addr *local)
{
    return stack->ops->has_path(stack, remote, local);
}

void lm_webrtc_set_limits(lm_webrtc *stack, const lm_webrtc_limits *limits)
{
    stack->ops->set_limits(stack, limits);
}

int lm_webrtc_set_identity(lm_webrtc *stack, const lm_webrtc_identity *identity)
{
    return stack->ops->set_identity(stack, identity);
}

const lm_webrtc_stats *lm_webrtc_get_stats(const lm_webrtc *stack)
{
    return stack->ops->stats(stack);
}

const char *lm_close_reason_name(lm_close_reason reason)
{
    switch (reason) {
    case LM_CLOSE_REMOTE:
        return "remote";
    case LM_CLOSE_CONSENT:
        return "consent";
    case LM_CLOSE_HANDSHAKE:
        return "handshake";
    case LM_CLOSE_SLOW_READER:
        return "slow-reader";
    case LM_CLOSE_PROTOCOL:
        return "protocol";
    case LM_CLOSE_LOCAL:
        return "local";
    case LM_CLOSE_REASONS:
        break;
    }
    return "unknown";
}

void lm_webrtc_stats_visit(const lm_webrtc_stats *stats,
                           void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
#define LM_X(name, metric, help) visit(ctx, #name, stats->name);
    LM_WEBRTC_COUNTERS(LM_X)
    LM_WEBRTC_GAUGES(LM_X)
#undef LM_X
#define LM_X(name) visit(ctx, "drop_" #name, stats->drops.name);
    LM_WEBRTC_DROPS(LM_X)
#undef LM_X
}
