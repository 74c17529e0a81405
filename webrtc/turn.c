#include "webrtc/turn.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/turn_request.h"

static bool good_secrets(const lm_turn_secrets *secrets)
{
    return secrets != NULL && secrets->count > 0 && secrets->count <= LM_TURN_SECRETS_MAX;
}

static bool good(const lm_turn_config *c)
{
    return (c->mode == LM_TURN_CLOSED || c->mode == LM_TURN_OPEN) && c->random.fill != NULL &&
           (c->public_ip.family == LM_AF_INET || c->public_ip.family == LM_AF_NONE) &&
           (c->public_ip6.family == LM_AF_INET6 || c->public_ip6.family == LM_AF_NONE) &&
           (c->public_ip.family != LM_AF_NONE || c->public_ip6.family != LM_AF_NONE) && c->port_min >= 1024 &&
           c->port_min <= c->port_max && lm_turn_realm_is_good(c->realm) && good_secrets(c->secrets);
}

int lm_turn_set_credentials(lm_turn *turn, const lm_turn_secrets *secrets, const char *realm,
                            const lm_turn_peers *peers)
{
    if (!good_secrets(secrets) || !lm_turn_realm_is_good(realm))
        return LM_EINVAL;
    turn->secrets = *secrets;
    memset(turn->realm, 0, sizeof turn->realm);
    memcpy(turn->realm, realm, strlen(realm));
    turn->peers = peers != NULL ? *peers : (lm_turn_peers){.count = 0};
    return LM_OK;
}

static void set_public(lm_addr *current, const lm_addr *addr)
{
    if (current->family == LM_AF_NONE || addr->family != current->family)
        return;
    *current = *addr;
    current->port = 0;
}

void lm_turn_set_public(lm_turn *turn, const lm_addr *ip, const lm_addr *ip6)
{
    set_public(&turn->public_ip, ip);
    set_public(&turn->public_ip6, ip6);
}

int lm_turn_create(lm_turn **turn, const lm_turn_config *config)
{
    if (!good(config))
        return LM_EINVAL;
    lm_turn *t = calloc(1, sizeof *t);
    if (t == NULL)
        return LM_ENOMEM;
    t->mode = config->mode;
    t->public_ip = config->public_ip;
    t->public_ip6 = config->public_ip6;
    t->public_ip.port = t->public_ip6.port = 0;
    t->limits = config->limits;
    t->random = config->random;
    t->log = config->log;
    t->strangers = (lm_admission){.rate = LM_TURN_REQUEST_RATE, .burst = LM_TURN_REQUEST_BURST};
    lm_turn_nonces_init(&t->nonces, &t->random);
    lm_random_fill(&t->random, t->indication, sizeof t->indication);
    int result = lm_turn_set_credentials(t, config->secrets, config->realm, config->peers);
    if (result == LM_OK)
        result = lm_turn_ports_init(&t->ports, config->port_min, config->port_max,
                                    config->public_ip.family != LM_AF_NONE,
                                    config->public_ip6.family != LM_AF_NONE);
    if (result == LM_OK)
        result = lm_deadlines_reserve(&t->deadlines, 1);
    if (result != LM_OK) {
        lm_turn_destroy(t);
        return result;
    }
    *turn = t;
    return LM_OK;
}

void lm_turn_destroy(lm_turn *turn)
{
    lm_turn_allocation *a, *next;
    if (turn == NULL)
        return;
    HASH_ITER(hh, turn->allocations, a, next) {
        lm_turn_end(turn, a, "the server ends");
    }
    lm_turn_queue_clear(&turn->outputs);
    lm_turn_ports_clear(&turn->ports);
    lm_deadlines_clear(&turn->deadlines);
    lm_admission_clear(&turn->strangers);
    sodium_memzero(turn, sizeof *turn);
    free(turn);
}

void lm_turn_set_unix_time(lm_turn *turn, lm_ms now, uint64_t unix_ms)
{
    turn->unix_at = now;
    turn->unix_ms = unix_ms;
}

lm_turn_allocation *lm_turn_find(lm_turn *turn, lm_ms now, const lm_addr *remote, const lm_addr *local)
{
    lm_turn_path path = {.remote = *remote, .local = *local};
    lm_turn_allocation *a;
    HASH_FIND(hh, turn->allocations, &path, sizeof path, a);
    if (a != NULL && a->expires <= now) {
        lm_turn_end(turn, a, "its lifetime is over");
        return NULL;
    }
    return a;
}

void lm_turn_end(lm_turn *turn, lm_turn_allocation *a, const char *why)
{
    char text[LM_ADDR_STRLEN];
    LM_LOGD(turn->log, "turn: allocation of %s, port %u, ended: %s",
            lm_log_address(turn->log, &a->path.remote, text), (unsigned)a->relayed.port, why);
    HASH_DELETE(hh, turn->allocations, a);
    lm_turn_users_remove(&turn->users, a->user);
    lm_deadlines_remove(&turn->deadlines, &a->deadline);
    if (a->relayed.family != LM_AF_NONE)
        lm_turn_ports_set(&turn->ports, &a->relayed, NULL);
    if (a->ordered) {
        lm_turn_queue_put(&turn->outputs, a->close, &a->relayed);
        a->close = NULL;
    }
    turn->stats.allocations--;
    turn->stats.allocations_stream -= lm_turn_is_stream(a);
    lm_turn_allocation_free(a, &turn->stats);
}

void lm_turn_rearm(lm_turn *turn, lm_ms now, lm_turn_allocation *a)
{
    lm_deadlines_set(&turn->deadlines, &a->deadline, lm_turn_allocation_prune(a, now, &turn->stats));
}

void lm_turn_rearm_reservations(lm_turn *turn, lm_ms now)
{
    lm_deadlines_set(&turn->deadlines, &turn->reservations, lm_turn_ports_expire(&turn->ports, now));
}

lm_ms lm_turn_next_timeout(const lm_turn *turn)
{
    return lm_deadlines_next(&turn->deadlines);
}

void lm_turn_timeout(lm_turn *turn, lm_ms now)
{
    for (lm_deadline *due; (due = lm_deadlines_pop(&turn->deadlines, now)) != NULL;) {
        lm_turn_allocation *a = due->owner;
        if (a == NULL)
            lm_turn_rearm_reservations(turn, now);
        else if (a->expires <= now)
            lm_turn_end(turn, a, "its lifetime is over");
        else
            lm_turn_rearm(turn, now, a);
    }
}

bool lm_turn_has_allocation(const lm_turn *turn, const lm_addr *remote, const lm_addr *local)
{
    lm_turn_path path = {.remote = *remote, .local = *local};
    const lm_turn_allocation *a;
    HASH_FIND(hh, turn->allocations, &path, sizeof path, a);
    return a != NULL;
}

void lm_turn_stream_closed(lm_turn *turn, lm_ms now, const lm_addr *remote, const lm_addr *local)
{
    lm_turn_allocation *a = lm_turn_find(turn, now, remote, local);
    if (a != NULL)
        lm_turn_end(turn, a, "its stream has closed");
}

int lm_turn_poll(lm_turn *turn, lm_turn_output *out)
{
    return lm_turn_queue_take(&turn->outputs, out);
}

void lm_turn_set_limits(lm_turn *turn, const lm_turn_limits *limits)
{
    turn->limits = *limits;
}

const lm_turn_stats *lm_turn_get_stats(const lm_turn *turn)
{
    return &turn->stats;
}
