/*
 * Allocate (RFC 8656 section 7). In closed mode the answer goes out at once; in open mode when the port has
 * been opened, and until then a retransmission of the request gets none.
 */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/turn_request.h"

/* Ports that are tried in open mode before the client is told that there is none. */
#define OPEN_TRIES 4

/* What is granted when `seconds` are asked for (section 7.2): at least the default, at most the maximum. */
static lm_ms granted_lifetime(uint32_t seconds)
{
    lm_ms asked = (lm_ms)seconds * 1000;
    return asked < LM_TURN_LIFETIME_DEFAULT ? LM_TURN_LIFETIME_DEFAULT
                                            : lm_ms_min(asked, LM_TURN_LIFETIME_MAX);
}

static void add_lifetime(lm_turn_answer *answer, lm_ms now, const lm_turn_allocation *a)
{
    lm_stun_add_uint(&answer->b, LM_TURN_LIFETIME, a->expires > now ? (a->expires - now) / 1000 : 0, 4);
}

static lm_turn_asker asker_of(const lm_turn_allocation *a)
{
    return (lm_turn_asker){
        .remote = &a->path.remote,
        .local = &a->path.local,
        .transaction = a->transaction,
        .method = LM_TURN_ALLOCATE,
        .key = a->key,
        .sha256 = a->sha256,
        .fingerprint = a->fingerprint,
    };
}

static void answer_success(lm_turn *turn, lm_ms now, const lm_turn_allocation *a)
{
    lm_turn_asker asker = asker_of(a);
    lm_turn_answer answer;
    lm_turn_answer_begin(&answer, &asker);
    lm_stun_add_xor_address(&answer.b, LM_TURN_XOR_RELAYED_ADDRESS, &a->relayed);
    add_lifetime(&answer, now, a);
    if (a->reserved_next)
        lm_stun_add(&answer.b, LM_TURN_RESERVATION_TOKEN, a->token, sizeof a->token);
    lm_stun_add_xor_address(&answer.b, LM_STUN_XOR_MAPPED_ADDRESS, &a->path.remote);
    lm_turn_answer_end(turn, &answer, &asker);
}

/*
 * Gives the allocation a relayed address: the port that is reserved under `token`, or one that is free, with
 * the next one reserved if that is asked for. LM_ELIMIT, LM_ENOTFOUND.
 */
static int take_port(lm_turn *turn, lm_ms now, lm_turn_allocation *a, lm_family family, const uint8_t *token)
{
    lm_addr port = family == LM_AF_INET ? turn->public_ip : turn->public_ip6;
    if (token != NULL) {
        int result = lm_turn_ports_claim(&turn->ports, now, token, &port);
        if (result != LM_OK)
            return result;
    } else {
        port.port = lm_turn_ports_draw(&turn->ports, &turn->random, family, a->choice);
        if (port.port == 0)
            return LM_ELIMIT;
    }
    if (a->choice == LM_TURN_PORT_PAIR) {
        lm_addr next = port;
        next.port++;
        if (lm_turn_ports_reserve(&turn->ports, now, &turn->random, &next, a->token) != LM_OK)
            return LM_ELIMIT;
        a->reserved_next = true;
    }
    a->relayed = port;
    lm_turn_ports_set(&turn->ports, &port, a);
    lm_turn_rearm_reservations(turn, now);
    return LM_OK;
}

/* Orders the allocation's port to be opened. LM_ENOMEM. */
static int order_port(lm_turn *turn, lm_turn_allocation *a)
{
    lm_turn_queued *open = lm_turn_queued_port(LM_TURN_OPEN_PORT);
    if (a->close == NULL)
        a->close = lm_turn_queued_port(LM_TURN_CLOSE_PORT);
    if (open == NULL || a->close == NULL) {
        lm_turn_queued_free(open);
        return LM_ENOMEM;
    }
    lm_turn_queue_put(&turn->outputs, open, &a->relayed);
    a->ordered = true;
    return LM_OK;
}

/* An allocation in its tables, without an address yet; NULL: no memory. */
static lm_turn_allocation *create(lm_turn_request *r)
{
    lm_turn *turn = r->turn;
    lm_turn_allocation *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->path = (lm_turn_path){.remote = *r->asker.remote, .local = *r->asker.local};
    a->sha256 = r->asker.sha256;
    a->fingerprint = r->asker.fingerprint;
    a->deadline.owner = a;
    a->username_len = r->stun.username_len;
    memcpy(a->transaction, r->stun.transaction, sizeof a->transaction);
    memcpy(a->key, r->key, sizeof a->key);
    memcpy(a->username, r->stun.username, a->username_len);
    lm_token_bucket_init(&a->sent, lm_turn_burst(&turn->limits), r->now);
    a->received = a->sent;
    /* One entry for each allocation and one for the reservations: setting a deadline cannot fail later. */
    if (lm_deadlines_reserve(&turn->deadlines, HASH_COUNT(turn->allocations) + 2) == LM_OK)
        a->user =
            lm_turn_users_add(&turn->users, r->stun.username + r->user_at, r->stun.username_len - r->user_at);
    if (a->user != NULL) {
        HASH_ADD(hh, turn->allocations, path, sizeof a->path, a);
        if (a->hh.tbl != NULL) {
            turn->stats.allocations++;
            turn->stats.allocations_stream += lm_turn_is_stream(a);
            return a;
        }
        lm_turn_users_remove(&turn->users, a->user);
    }
    lm_turn_allocation_free(a, &turn->stats);
    return NULL;
}

/* An open allocation: tells its client. */
static void opened(lm_turn *turn, lm_ms now, lm_turn_allocation *a)
{
    char text[LM_ADDR_STRLEN];
    a->open = true;
    turn->stats.allocations_created++;
    LM_LOGD(turn->log, "turn: allocation of %s, port %u", lm_log_address(turn->log, &a->path.remote, text),
            (unsigned)a->relayed.port);
    answer_success(turn, now, a);
}

/* What is wrong with the attributes of an Allocate request, as an error's number; 0: nothing. */
static unsigned judge(const lm_turn *turn, const lm_turn_message *m, lm_family *family)
{
    if (!m->has_transport || (m->token != NULL && (m->even_port || m->has_family)))
        return 400;
    if (m->transport != LM_TURN_TRANSPORT_UDP)
        return 442;
    *family = m->has_family ? (lm_family)m->family : LM_AF_INET;
    if (m->token == NULL && *family != LM_AF_INET && *family != LM_AF_INET6)
        return 440;
    if (m->token == NULL &&
        (*family == LM_AF_INET ? &turn->public_ip : &turn->public_ip6)->family == LM_AF_NONE)
        return 440;
    return 0;
}

void lm_turn_allocate(lm_turn_request *r)
{
    lm_turn *turn = r->turn;
    lm_turn_drop *drops = &turn->stats.drops;
    const lm_turn_message *m = &r->message;
    lm_turn_allocation *a = r->allocation;
    lm_family family;

    if (a != NULL) { /* section 7.2, number 2: only a retransmission finds one */
        if (!r->own || memcmp(a->transaction, r->stun.transaction, sizeof a->transaction) != 0)
            lm_turn_refuse(turn, r->now, &r->asker, 437, &drops->mismatch);
        else if (a->open)
            answer_success(turn, r->now, a);
        return;
    }
    unsigned error = judge(turn, m, &family);
    if (error != 0) {
        lm_turn_refuse(turn, r->now, &r->asker, error,
                       error == 400 ? &drops->malformed : &drops->unsupported);
        return;
    }
    const uint8_t *user = r->stun.username + r->user_at;
    if (turn->limits.user_allocations > 0 && !turn->limits.stopping &&
        lm_turn_users_count(turn->users, user, r->stun.username_len - r->user_at) >=
            turn->limits.user_allocations) {
        lm_turn_refuse(turn, r->now, &r->asker, 486, &drops->user_quota);
        return;
    }
    if (turn->limits.stopping || HASH_COUNT(turn->allocations) >= turn->limits.max_allocations) {
        lm_turn_refuse(turn, r->now, &r->asker, 508, &drops->capacity);
        return;
    }
    a = create(r);
    if (a == NULL) {
        lm_turn_refuse(turn, r->now, &r->asker, 508, &drops->memory);
        return;
    }
    a->choice = m->reserve_next ? LM_TURN_PORT_PAIR : m->even_port ? LM_TURN_PORT_EVEN : LM_TURN_PORT_ANY;
    a->claimed = m->token != NULL;
    a->expires = r->now + granted_lifetime(m->has_lifetime ? m->lifetime : 0);
    int result = take_port(turn, r->now, a, family, m->token);
    if (result == LM_OK && turn->mode == LM_TURN_OPEN)
        result = order_port(turn, a);
    if (result != LM_OK) {
        lm_turn_end(turn, a, "no port");
        lm_turn_refuse(turn, r->now, &r->asker, 508, result == LM_ENOMEM ? &drops->memory : &drops->capacity);
        return;
    }
    lm_turn_rearm(turn, r->now, a);
    if (turn->mode == LM_TURN_CLOSED)
        opened(turn, r->now, a);
}

/* The port could not be opened: tries another one. LM_ELIMIT, LM_ENOMEM: that is all. */
static int try_again(lm_turn *turn, lm_ms now, lm_turn_allocation *a)
{
    lm_family family = (lm_family)a->relayed.family;
    lm_turn_ports_set(&turn->ports, &a->relayed, NULL);
    a->relayed.family = LM_AF_NONE;
    a->ordered = false;
    if (a->reserved_next) {
        lm_addr next;
        if (lm_turn_ports_claim(&turn->ports, now, a->token, &next) == LM_OK)
            lm_turn_ports_set(&turn->ports, &next, NULL);
        a->reserved_next = false;
    }
    if (a->claimed || ++a->tries >= OPEN_TRIES)
        return LM_ELIMIT;
    int result = take_port(turn, now, a, family, NULL);
    return result != LM_OK ? result : order_port(turn, a);
}

void lm_turn_port_opened(lm_turn *turn, lm_ms now, const lm_addr *port, bool is_open)
{
    lm_turn_allocation *a = lm_turn_ports_find(&turn->ports, port);
    if (a == NULL || (a->open && is_open))
        return;
    if (a->open) {
        lm_turn_end(turn, a, "its port was lost");
    } else if (is_open) {
        opened(turn, now, a);
    } else {
        int result = try_again(turn, now, a);
        if (result == LM_OK)
            return;
        lm_turn_asker asker = asker_of(a);
        lm_turn_refuse(turn, now, &asker, 508,
                       result == LM_ENOMEM ? &turn->stats.drops.memory : &turn->stats.drops.capacity);
        lm_turn_end(turn, a, "no port could be opened");
    }
}

void lm_turn_refresh(lm_turn_request *r)
{
    lm_turn *turn = r->turn;
    const lm_turn_message *m = &r->message;
    lm_turn_allocation *a = r->allocation;
    lm_turn_answer answer;
    if (m->has_family && m->family != a->relayed.family) { /* section 8.2 */
        lm_turn_refuse(turn, r->now, &r->asker, 443, &turn->stats.drops.unsupported);
        return;
    }
    bool ends = m->has_lifetime && m->lifetime == 0;
    if (!ends && !turn->limits.stopping)
        a->expires = r->now + granted_lifetime(m->has_lifetime ? m->lifetime : 0);
    lm_turn_answer_begin(&answer, &r->asker);
    if (ends)
        lm_stun_add_uint(&answer.b, LM_TURN_LIFETIME, 0, 4);
    else
        add_lifetime(&answer, r->now, a);
    lm_turn_answer_end(turn, &answer, &r->asker);
    if (ends)
        lm_turn_end(turn, a, "ended by its client");
    else
        lm_turn_rearm(turn, r->now, a);
}
