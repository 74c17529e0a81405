/* In the place of webrtc/turn.c and its parts where LM_WITH_TURN is off: no server can be made, so nobody has
 * one. */
#include "common/error.h"
#include "webrtc/turn.h"

int lm_turn_create(lm_turn **turn, const lm_turn_config *config)
{
    (void)turn;
    (void)config;
    return LM_EUNSUPPORTED;
}

void lm_turn_destroy(lm_turn *turn)
{
    (void)turn;
}

void lm_turn_set_unix_time(lm_turn *turn, lm_ms now, uint64_t unix_ms)
{
    (void)turn;
    (void)now;
    (void)unix_ms;
}

bool lm_turn_is_turn(const uint8_t *data, size_t len)
{
    (void)data;
    (void)len;
    return false;
}

int lm_turn_relay(lm_turn *turn, lm_ms now, lm_packet *packet)
{
    (void)turn;
    (void)now;
    (void)packet;
    return LM_EAGAIN;
}

void lm_turn_port_opened(lm_turn *turn, lm_ms now, const lm_addr *port, bool opened)
{
    (void)turn;
    (void)now;
    (void)port;
    (void)opened;
}

bool lm_turn_has_allocation(const lm_turn *turn, const lm_addr *remote, const lm_addr *local)
{
    (void)turn;
    (void)remote;
    (void)local;
    return false;
}

void lm_turn_stream_closed(lm_turn *turn, lm_ms now, const lm_addr *remote, const lm_addr *local)
{
    (void)turn;
    (void)now;
    (void)remote;
    (void)local;
}

int lm_turn_poll(lm_turn *turn, lm_turn_output *out)
{
    (void)turn;
    (void)out;
    return 0;
}

lm_ms lm_turn_next_timeout(const lm_turn *turn)
{
    (void)turn;
    return LM_MS_NEVER;
}

void lm_turn_timeout(lm_turn *turn, lm_ms now)
{
    (void)turn;
    (void)now;
}

void lm_turn_set_limits(lm_turn *turn, const lm_turn_limits *limits)
{
    (void)turn;
    (void)limits;
}

int lm_turn_set_credentials(lm_turn *turn, const lm_turn_secrets *secrets, const char *realm,
                            const lm_turn_peers *peers)
{
    (void)turn;
    (void)secrets;
    (void)realm;
    (void)peers;
    return LM_EUNSUPPORTED;
}

void lm_turn_set_public(lm_turn *turn, const lm_addr *ip, const lm_addr *ip6)
{
    (void)turn;
    (void)ip;
    (void)ip6;
}

const lm_turn_stats *lm_turn_get_stats(const lm_turn *turn)
{
    static const lm_turn_stats none;
    (void)turn;
    return &none;
}
