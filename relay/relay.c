#include "relay/relay.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/mesh_rooms.h"
#include "relay/messages.h"
#include "relay/node_list.h"
#include "relay/presence.h"
#include "relay/relay_state.h"
#include "relay/signalling.h"
#include "relay/silence.h"

void lm_relay_limits_default(lm_relay_limits *limits)
{
    *limits = (lm_relay_limits){
        .room_size = 250,
        .rooms_per_session = 64,
        .message_rate = 200,
        .message_burst = 4096,
        .resume = 15000,
    };
}

static int check_limits(const lm_relay_limits *limits)
{
    if (limits->room_size == 0 || limits->rooms_per_session == 0)
        return LM_EINVAL;
    return limits->message_rate > 0 && limits->message_burst == 0 ? LM_EINVAL : LM_OK;
}

int lm_relay_create(lm_relay **out, const lm_relay_config *config, lm_webrtc *stack)
{
    lm_relay *relay = NULL;
    int result = sodium_init() < 0 ? LM_ECRYPTO : check_limits(&config->limits);
    if (result == LM_OK && (relay = calloc(1, sizeof *relay)) == NULL)
        result = LM_ENOMEM;
    if (result != LM_OK) {
        lm_webrtc_destroy(stack);
        return result;
    }
    relay->limits = config->limits;
    relay->random = config->random;
    relay->log = config->log;
    relay->stack = stack;
    relay->taken_in = LM_MS_NEVER;
    relay->sessions.stats = &relay->stats;
    relay->peers.stats = &relay->stats;
    relay->rooms.stats = &relay->stats;
    relay->rooms.room_size = config->limits.room_size;
    relay->turn = config->turn;
    relay->mesh = config->mesh;
    relay->record_due = LM_MS_NEVER;
    result = lm_own_node_init(&relay->node, &config->node, config->node_seed);
    if (result != LM_OK) {
        lm_relay_destroy(relay);
        return result;
    }
    lm_own_node_set_turn(&relay->node, lm_turn_offer_is_own(&relay->turn));
    lm_own_node_set_mesh(&relay->node, config->advertise != NULL ? config->advertise : "");
    *out = relay;
    return LM_OK;
}

void lm_relay_destroy(lm_relay *relay)
{
    if (relay == NULL)
        return;
    lm_presence_clear(relay);
    lm_sessions_clear(&relay->sessions);
    lm_own_node_clear(&relay->node);
    sodium_memzero(&relay->turn, sizeof relay->turn);
    lm_webrtc_destroy(relay->stack);
    free(relay);
}

void lm_relay_set_unix_time(lm_relay *relay, lm_ms now, uint64_t unix_ms)
{
    lm_own_node_set_unix_time(&relay->node, now, unix_ms);
    lm_node_list_renew(relay, now);
}

int lm_relay_reconfigure(lm_relay *relay, const lm_relay_change *change)
{
    int result = check_limits(&change->limits);
    if (result == LM_OK && memcmp(change->node.nk, relay->node.config.nk, sizeof change->node.nk) != 0)
        result = LM_EINVAL;
    if (result == LM_OK)
        result = lm_webrtc_set_identity(relay->stack, &change->identity);
    if (result != LM_OK)
        return result;
    /* From here on nothing can fail. */
    (void)lm_own_node_set_config(&relay->node, &change->node);
    relay->turn = change->turn;
    lm_own_node_set_turn(&relay->node, lm_turn_offer_is_own(&relay->turn));
    lm_own_node_set_mesh(&relay->node, change->advertise != NULL ? change->advertise : "");
    if (relay->mesh != NULL)
        relay->record_due = 0; /* at once */
    relay->limits = change->limits;
    relay->rooms.room_size = change->limits.room_size;
    if (!relay->draining)
        lm_webrtc_set_limits(relay->stack, &change->stack);
    return LM_OK;
}

int lm_relay_input(lm_relay *relay, lm_ms now, const lm_dgram *in)
{
    relay->taken_in = lm_ms_min(relay->taken_in, now);
    return lm_webrtc_input(relay->stack, now, in);
}

void lm_relay_mesh_output(lm_relay *relay, lm_ms now, const lm_mesh_output *out)
{
    lm_mesh_rooms_tell(relay, now, out);
}

void lm_relay_stream_closed(lm_relay *relay, const lm_addr *remote, const lm_addr *local)
{
    lm_webrtc_path_closed(relay->stack, remote, local);
}

bool lm_relay_has_stream(const lm_relay *relay, const lm_addr *remote, const lm_addr *local)
{
    return lm_webrtc_has_path(relay->stack, remote, local);
}

static void log_open(const lm_relay *relay, lm_session_id id)
{
    char text[LM_ADDR_STRLEN];
    lm_addr addr;
    if (lm_log_wants(relay->log, LM_LOG_DEBUG) && lm_webrtc_remote(relay->stack, id, &addr) == LM_OK)
        LM_LOGD(relay->log, "relay: session %llu opened from %s", (unsigned long long)id,
                lm_log_address(relay->log, &addr, text));
}

static void on_open(lm_relay *relay, lm_ms now, lm_session_id id)
{
    log_open(relay, id);
    if (lm_sessions_add(&relay->sessions, id, relay->limits.message_burst, now) == NULL) {
        relay->stats.closes.failed++;
        (void)lm_webrtc_close(relay->stack, now, id);
    }
}

static void on_message(lm_relay *relay, lm_ms now, const lm_webrtc_output *event)
{
    lm_relay_session *session = lm_sessions_find(&relay->sessions, event->session);
    relay->stats.messages_in++;
    if (session == NULL || session->closing)
        relay->stats.drops.closing++;
    else
        lm_signalling_message(relay, now, session, event->message.data, event->message.len,
                              event->message.binary);
}

static void on_closed(lm_relay *relay, lm_ms now, const lm_webrtc_output *event)
{
    lm_relay_session *session = lm_sessions_find(&relay->sessions, event->session);
    LM_LOGD(relay->log, "relay: session %llu closed: %s", (unsigned long long)event->session,
            lm_close_reason_name(event->closed));
    if (session != NULL)
        lm_presence_end(relay, now, session, event->closed);
}

int lm_relay_poll(lm_relay *relay, lm_ms now, lm_dgram *out)
{
    lm_webrtc_output event;
    /* What was kept until now must be gone before an event could find it. */
    lm_presence_expire(relay, now);
    lm_silence_expire(relay, now);
    while (lm_webrtc_poll(relay->stack, &event) == 1) {
        switch (event.kind) {
        case LM_WEBRTC_SEND:
            *out = event.send;
            return 1;
        case LM_WEBRTC_OPEN:
            on_open(relay, now, event.session);
            break;
        case LM_WEBRTC_MESSAGE:
            on_message(relay, now, &event);
            break;
        case LM_WEBRTC_CLOSED:
            on_closed(relay, now, &event);
            break;
        }
    }
    relay->taken_in = LM_MS_NEVER;
    return 0;
}

lm_ms lm_relay_next_timeout(const lm_relay *relay)
{
    lm_ms next = lm_ms_min(lm_webrtc_next_timeout(relay->stack), relay->record_due);
    next = lm_ms_min(next, lm_deadlines_next(&relay->peers.silences));
    return lm_ms_min(next, lm_deadlines_next(&relay->peers.deadlines));
}

void lm_relay_timeout(lm_relay *relay, lm_ms now)
{
    lm_presence_expire(relay, now);
    lm_silence_expire(relay, now);
    if (now >= relay->record_due)
        lm_node_list_renew(relay, now);
    lm_webrtc_timeout(relay->stack, now);
}

/* Tells every session that has not been told yet. */
static void tell_all(lm_relay *relay, lm_ms now)
{
    lm_relay_session *session, *next;
    HASH_ITER(hh, relay->sessions.table, session, next) {
        if (session->closing || session->told)
            continue;
        session->told = true;
        lm_message_error(relay, now, session, LM_RELAY_ERROR_shutting_down, "the relay is shutting down", "");
    }
}

void lm_relay_drain(lm_relay *relay, lm_ms now)
{
    const lm_webrtc_limits nobody = {.max_sessions = 0};
    if (relay->draining)
        return;
    relay->draining = true;
    lm_webrtc_set_limits(relay->stack, &nobody);
    tell_all(relay, now);
}

bool lm_relay_is_draining(const lm_relay *relay)
{
    return relay->draining;
}

void lm_relay_shut_down(lm_relay *relay, lm_ms now)
{
    lm_relay_session *session, *next;
    if (relay->shutting_down)
        return;
    lm_relay_drain(relay, now);
    relay->shutting_down = true;
    tell_all(relay, now); /* those that have opened since */
    /*
     * Rooms end in silence: a `peer-left` would make browsers hang up on each other, and they need no relay
     * for talking.
     */
    lm_presence_clear(relay);
    HASH_ITER(hh, relay->sessions.table, session, next) {
        if (session->closing)
            continue;
        relay->stats.closes.shutting_down++;
        lm_presence_close(relay, now, session);
    }
}

const lm_relay_stats *lm_relay_get_stats(const lm_relay *relay)
{
    return &relay->stats;
}

const lm_webrtc_stats *lm_relay_get_webrtc_stats(const lm_relay *relay)
{
    return lm_webrtc_get_stats(relay->stack);
}
