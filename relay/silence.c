#include "relay/silence.h"

#include "relay/mesh_rooms.h"

static void set(lm_relay *relay, lm_ms now, lm_peer *peer, bool silent)
{
    if (peer->silent == silent)
        return;
    peer->silent = silent;
    lm_mesh_rooms_silent(relay, now, peer);
}

void lm_silence_watch(lm_relay *relay, lm_ms now, lm_peer *peer)
{
    if (relay->mesh == NULL)
        return;
    lm_peers_set_silence(&relay->peers, peer, now + LM_SILENCE_TIME);
    set(relay, now, peer, false);
}

void lm_silence_detached(lm_relay *relay, lm_ms now, lm_peer *peer)
{
    if (relay->mesh == NULL)
        return;
    lm_peers_set_silence(&relay->peers, peer, LM_MS_NEVER);
    set(relay, now, peer, true);
}

void lm_silence_expire(lm_relay *relay, lm_ms now)
{
    lm_deadline *due;
    while ((due = lm_deadlines_pop(&relay->peers.silences, now)) != NULL) {
        lm_peer *peer = due->owner;
        lm_ms heard = lm_ms_min(lm_webrtc_heard(relay->stack, peer->session->id), now);
        bool silent = now - heard >= LM_SILENCE_TIME;
        lm_peers_set_silence(&relay->peers, peer, silent ? now + LM_SILENCE_LOOK : heard + LM_SILENCE_TIME);
        set(relay, now, peer, silent); /* an attached peer stays, even without a place */
    }
}
