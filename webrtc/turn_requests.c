#include <string.h>

#include "common/error.h"
#include "webrtc/turn_request.h"

/* What is wrong with a peer's address, as an error's number; 0: it may be talked to. */
static unsigned judge_peer(const lm_turn *turn, const lm_turn_allocation *a, const lm_addr *peer)
{
    if (peer->family != a->relayed.family)
        return 443;
    if (lm_turn_is_own(turn, peer))
        return peer->port == 0 ? 403 : 0;
    return turn->mode == LM_TURN_OPEN && lm_turn_peers_allow(&turn->peers, peer) ? 0 : 403;
}

static void refuse_peer(lm_turn_request *r, unsigned error)
{
    lm_turn_drop *drops = &r->turn->stats.drops;
    lm_turn_refuse(r->turn, r->now, &r->asker, error, error == 403 ? &drops->forbidden : &drops->unsupported);
}

static void refuse_malformed(lm_turn_request *r)
{
    lm_turn_refuse(r->turn, r->now, &r->asker, 400, &r->turn->stats.drops.malformed);
}

/* LM_ELIMIT or LM_ENOMEM. */
static void refuse_capacity(lm_turn_request *r, int why)
{
    lm_turn_drop *drops = &r->turn->stats.drops;
    lm_turn_refuse(r->turn, r->now, &r->asker, 508, why == LM_ENOMEM ? &drops->memory : &drops->capacity);
}

static void succeed(lm_turn_request *r)
{
    lm_turn_answer answer;
    lm_turn_rearm(r->turn, r->now, r->allocation);
    lm_turn_answer_begin(&answer, &r->asker);
    lm_turn_answer_end(r->turn, &answer, &r->asker);
}

/* How many of the peers have no permission yet, each IP address once. */
static size_t new_peers(const lm_turn_allocation *a, lm_ms now, const lm_addr *peers, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t j = 0;
        while (j < i && !lm_turn_same_ip(&peers[j], &peers[i]))
            j++;
        found += j == i && !lm_turn_permits(a, now, &peers[i]);
    }
    return found;
}

/* Section 10: all of the permissions, or none. */
void lm_turn_create_permission(lm_turn_request *r)
{
    lm_turn_allocation *a = r->allocation;
    const lm_turn_message *m = &r->message;
    if (m->peer_count == 0) {
        refuse_malformed(r);
        return;
    }
    for (size_t i = 0; i < m->peer_count; i++) {
        lm_addr peer = m->peers[i];
        peer.port = 1; /* "The port portion of each attribute is ignored" */
        unsigned error = judge_peer(r->turn, a, &peer);
        if (error != 0) {
            refuse_peer(r, error);
            return;
        }
    }
    lm_turn_allocation_prune(a, r->now, &r->turn->stats);
    int result = lm_turn_permissions_reserve(a, new_peers(a, r->now, m->peers, m->peer_count));
    if (result != LM_OK) {
        refuse_capacity(r, result);
        return;
    }
    for (size_t i = 0; i < m->peer_count; i++)
        lm_turn_permission_set(a, r->now, &m->peers[i], &r->turn->stats);
    succeed(r);
}

/* Section 12.2. */
void lm_turn_channel_bind(lm_turn_request *r)
{
    lm_turn_allocation *a = r->allocation;
    const lm_turn_message *m = &r->message;
    const lm_addr *peer = &m->peers[0];
    if (!m->has_channel || m->peer_count == 0 || m->channel < LM_CHANNEL_FIRST ||
        m->channel > LM_CHANNEL_LAST) {
        refuse_malformed(r);
        return;
    }
    lm_turn_allocation_prune(a, r->now, &r->turn->stats);
    const lm_turn_channel *numbered = lm_turn_channel_by_number(a, r->now, m->channel);
    if (numbered != lm_turn_channel_by_peer(a, r->now, peer)) { /* one of both is bound to something else */
        refuse_malformed(r);
        return;
    }
    unsigned error = judge_peer(r->turn, a, peer);
    if (error != 0) {
        refuse_peer(r, error);
        return;
    }
    int result = lm_turn_channels_reserve(a, numbered == NULL);
    if (result == LM_OK)
        result = lm_turn_permissions_reserve(a, new_peers(a, r->now, peer, 1));
    if (result != LM_OK) {
        refuse_capacity(r, result);
        return;
    }
    lm_turn_channel_set(a, r->now, m->channel, peer, &r->turn->stats);
    lm_turn_permission_set(a, r->now, peer, &r->turn->stats);
    succeed(r);
}

static const struct {
    uint16_t method;
    bool makes; /* the allocation, which all others need */
    void (*handle)(lm_turn_request *request);
} handlers[] = {
    {LM_TURN_ALLOCATE, true, lm_turn_allocate},
    {LM_TURN_REFRESH, false, lm_turn_refresh},
    {LM_TURN_CREATE_PERMISSION, false, lm_turn_create_permission},
    {LM_TURN_CHANNEL_BIND, false, lm_turn_channel_bind},
};
#define HANDLERS (sizeof handlers / sizeof handlers[0])

/* Answers one whose credentials are not good, as long as he does not ask too often. */
static void refuse_stranger(lm_turn_request *r, unsigned error)
{
    lm_turn *turn = r->turn;
    if (!lm_admission_take(&turn->strangers, r->now, r->asker.remote))
        turn->stats.drops.request_rate++;
    else
        lm_turn_refuse(turn, r->now, &r->asker, error,
                       error == 400 ? &turn->stats.drops.malformed : &turn->stats.drops.unauthenticated);
}

static void handle(lm_turn_request *r, size_t handler)
{
    lm_turn *turn = r->turn;
    const lm_turn_allocation *a = r->allocation;
    if (r->message.unknown_count > 0)
        lm_turn_refuse_unknown(turn, &r->asker, &r->message);
    else if (handlers[handler].makes)
        handlers[handler].handle(r);
    else if (a == NULL || !a->open)
        lm_turn_refuse(turn, r->now, &r->asker, 437, &turn->stats.drops.mismatch);
    else if (!r->own) /* section 5: "the same username" */
        lm_turn_refuse(turn, r->now, &r->asker, 441, &turn->stats.drops.wrong_credentials);
    else
        handlers[handler].handle(r);
}

void lm_turn_take_request(lm_turn *turn, lm_ms now, const lm_addr *remote, const lm_addr *local,
                          const uint8_t *data, size_t len)
{
    lm_turn_request r;
    size_t handler = 0;
    int result = lm_stun_parse(&r.stun, data, len);
    while (result == LM_OK && handler < HANDLERS && handlers[handler].method != r.stun.method)
        handler++;
    if (result != LM_OK || handler == HANDLERS || r.stun.class != LM_STUN_REQUEST) {
        turn->stats.drops.malformed++;
        return;
    }
    r.turn = turn;
    r.now = now;
    r.asker = (lm_turn_asker){
        .remote = remote,
        .local = local,
        .transaction = r.stun.transaction,
        .method = r.stun.method,
        .sha256 = r.stun.integrity_sha256 != NULL,
        .fingerprint = r.stun.fingerprint,
        .request_len = len,
    };
    r.allocation = lm_turn_find(turn, now, remote, local);
    r.own = false;
    if (lm_turn_message_read(&r.message, &r.stun) != LM_OK)
        result = 400;
    else
        result = lm_turn_authenticate(&r);
    if (result < 0)
        turn->stats.drops.memory++;
    else if (result > 0)
        refuse_stranger(&r, (unsigned)result);
    else
        handle(&r, handler);
}
