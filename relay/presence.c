#include "relay/presence.h"

#include <utlist.h>

#include "common/error.h"
#include "relay/mesh_rooms.h"
#include "relay/messages.h"
#include "relay/silence.h"

void lm_presence_leave(lm_relay *relay, lm_ms now, lm_member *member)
{
    if (!lm_mesh_rooms_leave(relay, now, member))
        lm_message_peer_left(relay, now, member);
    lm_rooms_remove(&relay->rooms, member);
}

/*
 * A place is given up without the peer's word. While the relay drains nobody hears of it: its clients go
 * where they were sent, and a `peer-left` would make browsers hang up on those they go on talking to. The
 * other nodes hear of it when this one ends.
 */
static void give_up(lm_relay *relay, lm_ms now, lm_member *member)
{
    if (relay->draining)
        lm_rooms_remove(&relay->rooms, member);
    else
        lm_presence_leave(relay, now, member);
}

void lm_presence_lapse(lm_relay *relay, lm_ms now, lm_member *member)
{
    relay->stats.places_lapsed++;
    give_up(relay, now, member);
}

/* The peer leaves all its rooms and is freed. */
static void remove_peer(lm_relay *relay, lm_ms now, lm_peer *peer)
{
    while (peer->places != NULL)
        give_up(relay, now, peer->places);
    lm_peers_remove(&relay->peers, peer);
}

/* Takes the session from its peer and closes it; the peer is the caller's to deal with. */
static void close_session(lm_relay *relay, lm_ms now, lm_relay_session *session)
{
    session->peer = NULL;
    session->closing = true;
    /* LM_ENOTFOUND: the stack was faster, its LM_WEBRTC_CLOSED is on its way. */
    (void)lm_webrtc_close(relay->stack, now, session->id);
}

/*
 * The peer's new session has joined nothing yet: it has the resume time to say which places it still wants.
 */
static void take_over(lm_relay *relay, lm_ms now, lm_peer *peer, lm_relay_session *session)
{
    lm_member *member;
    if (peer->session != NULL) {
        relay->stats.closes.replaced++;
        close_session(relay, now, peer->session);
    }
    lm_peers_attach(&relay->peers, peer, session);
    DL_FOREACH2(peer->places, member, peer_next) {
        member->stale = true;
    }
    lm_peers_set_deadline(&relay->peers, peer,
                          peer->places != NULL ? now + relay->limits.resume : LM_MS_NEVER);
    relay->stats.peers_resumed++;
}

int lm_presence_greet(lm_relay *relay, lm_ms now, lm_relay_session *session, const uint8_t id[LM_PEER_ID_LEN])
{
    lm_peer *peer = lm_peers_find(&relay->peers, id);
    if (peer != NULL)
        take_over(relay, now, peer, session);
    else if ((peer = lm_peers_add(&relay->peers, id, session)) == NULL)
        return LM_ENOMEM;
    session->peer = peer;
    lm_silence_watch(relay, now, peer);
    return LM_OK;
}

void lm_presence_end(lm_relay *relay, lm_ms now, lm_relay_session *session, lm_close_reason reason)
{
    lm_peer *peer = session->peer;
    session->peer = NULL;
    lm_sessions_remove(&relay->sessions, session);
    if (peer == NULL)
        return;
    if (reason == LM_CLOSE_CONSENT && relay->limits.resume > 0 && peer->places != NULL &&
        relay->stats.peers_detached < LM_PEERS_DETACHED_MAX) {
        lm_peers_attach(&relay->peers, peer, NULL);
        lm_peers_set_deadline(&relay->peers, peer, now + relay->limits.resume);
        lm_silence_detached(relay, now, peer);
    } else {
        remove_peer(relay, now, peer);
    }
}

void lm_presence_close(lm_relay *relay, lm_ms now, lm_relay_session *session)
{
    lm_peer *peer = session->peer;
    close_session(relay, now, session);
    if (peer != NULL)
        remove_peer(relay, now, peer);
}

void lm_presence_clear(lm_relay *relay)
{
    lm_peer *peer, *next;
    HASH_ITER(hh, relay->peers.table, peer, next) {
        while (peer->places != NULL)
            lm_rooms_remove(&relay->rooms, peer->places);
        if (peer->session != NULL)
            peer->session->peer = NULL;
    }
    lm_peers_clear(&relay->peers);
}

void lm_presence_expire(lm_relay *relay, lm_ms now)
{
    lm_deadline *due;
    while ((due = lm_deadlines_pop(&relay->peers.deadlines, now)) != NULL) {
        lm_peer *peer = due->owner;
        if (peer->session == NULL) {
            relay->stats.peers_expired++;
            remove_peer(relay, now, peer);
        } else {
            for (lm_member *stale; (stale = lm_rooms_stale_place(peer)) != NULL;)
                lm_presence_lapse(relay, now, stale);
        }
    }
}
