#include "relay/messages.h"

#include <utlist.h>

#include "common/error.h"
#include "common/json_writer.h"

/* Kept free behind a list for what ends its message: brackets, "more" and "re". */
#define LIST_TAIL (LM_RE_TEXT + 64)

static const char *const error_codes[] = {
#define LM_X(name, code) code,
    LM_RELAY_ERRORS(LM_X)
#undef LM_X
};

static void count_error(lm_relay_stats *stats, lm_relay_error error)
{
    switch (error) {
#define LM_X(name, code)        \
    case LM_RELAY_ERROR_##name: \
        stats->errors.name++;   \
        break;
        LM_RELAY_ERRORS(LM_X)
#undef LM_X
    }
}

/* {"action":<action> */
static lm_json_writer begin(lm_relay *relay, const char *action)
{
    lm_json_writer j = lm_json_writer_init(relay->out, sizeof relay->out);
    lm_json_open(&j, '{');
    lm_json_key(&j, "action");
    lm_json_string(&j, action);
    return j;
}

static void put_string(lm_json_writer *j, const char *key, const char *text)
{
    lm_json_key(j, key);
    lm_json_string(j, text);
}

/* Every message ends here: `re`, where there is one, comes last. */
static void end(lm_json_writer *j, const char *re)
{
    if (re[0] != '\0') {
        lm_json_key(j, "re");
        lm_json_raw(j, re);
    }
    lm_json_close(j, '}');
}

static void put_peer(lm_json_writer *j, const lm_member *member)
{
    lm_json_open(j, '{');
    put_string(j, "id", member->peer->id_text);
    put_string(j, "info", member->info);
    lm_json_close(j, '}');
}

/* True if the message is on its way; what it is not is counted. */
static bool send_text(lm_relay *relay, lm_ms now, const lm_relay_session *session, const lm_json_writer *j)
{
    switch (lm_webrtc_send(relay->stack, now, session->id, (const char *)j->text.start, j->text.len)) {
    case LM_OK:
        relay->stats.messages_out++;
        return true;
    case LM_ELIMIT:
        relay->stats.drops.queue_full++;
        return false;
    case LM_ENOMEM:
        relay->stats.drops.memory++;
        return false;
    default: /* the stack has ended it, and will say so by LM_WEBRTC_CLOSED */
        relay->stats.drops.gone++;
        return false;
    }
}

/* To every member that listens, but to this one. */
static void send_to_others(lm_relay *relay, lm_ms now, const lm_member *member, const lm_json_writer *j)
{
    const lm_member *other;
    DL_FOREACH2(member->room->members, other, room_next) {
        if (other != member && lm_member_listens(other))
            send_text(relay, now, other->peer->session, j);
    }
}

void lm_message_error(lm_relay *relay, lm_ms now, lm_relay_session *session, lm_relay_error error,
                      const char *text, const char *re)
{
    lm_json_writer j = begin(relay, "error");
    put_string(&j, "code", error_codes[error]);
    put_string(&j, "message", text);
    end(&j, re);
    count_error(&relay->stats, error);
    send_text(relay, now, session, &j);
}

void lm_message_welcome(lm_relay *relay, lm_ms now, lm_relay_session *session,
                        const uint8_t nonce[LM_HELLO_NONCE_LEN], const char *re)
{
    char sig[LM_NODE_SIG_TEXT];
    lm_own_node_sign_hello(&relay->node, nonce, sig);
    lm_json_writer j = begin(relay, "welcome");
    lm_json_key(&j, "v");
    lm_json_uint(&j, LM_PROTOCOL_VERSION);
    put_string(&j, "id", session->peer->id_text);
    put_string(&j, "node", relay->node.nk_text);
    put_string(&j, "sig", sig);
    lm_json_key(&j, "limits");
    lm_json_open(&j, '{');
    lm_json_key(&j, "rooms");
    lm_json_uint(&j, relay->limits.rooms_per_session);
    lm_json_key(&j, "room");
    lm_json_uint(&j, relay->limits.room_size);
    lm_json_key(&j, "message");
    lm_json_uint(&j, LM_WEBRTC_MESSAGE_MAX);
    lm_json_close(&j, '}');
    lm_json_key(&j, "turn");
    lm_json_bool(&j, lm_turn_offer_is_made(&relay->turn));
    end(&j, re);
    send_text(relay, now, session, &j);
}

/*
 * Writes the members from *next on, as far as they fit, and moves *next past them. One always fits: info is
 * at most LM_MEMBER_INFO_MAX bytes, six times as much when escaped.
 */
static void put_peers(lm_json_writer *j, const lm_member *self, const lm_member **next)
{
    size_t cap = j->text.cap;
    j->text.cap -= LIST_TAIL;
    lm_json_key(j, "peers");
    lm_json_open(j, '[');
    for (; *next != NULL; *next = (*next)->room_next) {
        const lm_json_writer mark = *j;
        if (*next == self)
            continue;
        put_peer(j, *next);
        if (j->text.failed) {
            *j = mark;
            break;
        }
    }
    j->text.cap = cap;
    lm_json_close(j, ']');
}

void lm_message_joined(lm_relay *relay, lm_ms now, const lm_member *member, const char *re)
{
    const lm_member *next = member->room->members;
    do {
        lm_json_writer j = begin(relay, "joined");
        put_string(&j, "room", member->room->id_text);
        put_peers(&j, member, &next);
        if (next != NULL) {
            lm_json_key(&j, "more");
            lm_json_bool(&j, true);
        }
        end(&j, re);
        send_text(relay, now, member->peer->session, &j);
    } while (next != NULL);
}

void lm_message_peer_joined(lm_relay *relay, lm_ms now, const lm_member *member)
{
    lm_json_writer j = begin(relay, "peer-joined");
    put_string(&j, "room", member->room->id_text);
    lm_json_key(&j, "peer");
    put_peer(&j, member);
    end(&j, "");
    send_to_others(relay, now, member, &j);
}

void lm_message_left(lm_relay *relay, lm_ms now, lm_relay_session *session, const lm_room *room,
                     const char *re)
{
    lm_json_writer j = begin(relay, "left");
    put_string(&j, "room", room->id_text);
    end(&j, re);
    send_text(relay, now, session, &j);
}

void lm_message_peer_left(lm_relay *relay, lm_ms now, const lm_member *member)
{
    lm_json_writer j = begin(relay, "peer-left");
    put_string(&j, "room", member->room->id_text);
    put_string(&j, "id", member->peer->id_text);
    end(&j, "");
    send_to_others(relay, now, member, &j);
}

int lm_message_signal(lm_relay *relay, lm_ms now, const lm_member *target, const lm_peer *from,
                      const char *data)
{
    lm_json_writer j = begin(relay, "signal");
    put_string(&j, "room", target->room->id_text);
    put_string(&j, "from", from->id_text);
    put_string(&j, "data", data);
    end(&j, "");
    if (j.text.failed)
        return LM_ETOOBIG;
    if (send_text(relay, now, target->peer->session, &j)) {
        relay->stats.signals_routed++;
        lm_histogram_add(&relay->stats.signal_time, lm_ms_min(relay->taken_in, now), now);
    }
    return LM_OK;
}

void lm_message_nodes(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *re)
{
    const lm_node_record *record = lm_own_node_record(&relay->node, now);
    lm_json_writer j = begin(relay, "nodes");
    lm_json_key(&j, "nodes");
    lm_json_open(&j, '[');
    if (record != NULL) {
        lm_json_open(&j, '{');
        put_string(&j, "record", record->text);
        put_string(&j, "sig", record->sig);
        lm_json_close(&j, '}');
    }
    lm_json_close(&j, ']');
    end(&j, re);
    send_text(relay, now, session, &j);
}

int lm_message_turn(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *re)
{
    char username[LM_TURN_USERNAME_MAX + 1], credential[LM_TURN_PASSWORD_LEN + 1];
    char urls[LM_TURN_OFFER_URLS_MAX][LM_TURN_OFFER_URL_SIZE];
    uint64_t expiry = lm_own_node_unix_time(&relay->node, now) / 1000 + LM_TURN_CREDENTIAL_TTL;
    int result = lm_turn_credential(relay->turn.secret, session->peer->id_text, expiry, username, credential);
    if (result != LM_OK)
        return result;
    size_t count = lm_turn_offer_urls(&relay->turn, &relay->node.config, urls);
    lm_json_writer j = begin(relay, "turn");
    lm_json_key(&j, "urls");
    lm_json_open(&j, '[');
    for (size_t i = 0; i < count; i++)
        lm_json_string(&j, urls[i]);
    lm_json_close(&j, ']');
    put_string(&j, "username", username);
    put_string(&j, "credential", credential);
    lm_json_key(&j, "ttl");
    lm_json_uint(&j, LM_TURN_CREDENTIAL_TTL);
    end(&j, re);
    send_text(relay, now, session, &j);
    return LM_OK;
}

void lm_message_pong(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *t, const char *re)
{
    lm_json_writer j = begin(relay, "pong");
    if (t[0] != '\0') {
        lm_json_key(&j, "t");
        lm_json_raw(&j, t);
    }
    end(&j, re);
    send_text(relay, now, session, &j);
}
