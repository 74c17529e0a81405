#include "relay/messages.h"

#include <utlist.h>

#include "common/error.h"
#include "common/json_writer.h"
#include "relay/node_list.h"

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

static void put_peer(lm_json_writer *j, const char *id, const char *info)
{
    lm_json_open(j, '{');
    put_string(j, "id", id);
    put_string(j, "info", info);
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

/* To every member that listens, but to this one (which may be NULL). */
static void send_to_others(lm_relay *relay, lm_ms now, const lm_room *room, const lm_member *member,
                           const lm_json_writer *j)
{
    const lm_member *other;
    DL_FOREACH2(room->members, other, room_next) {
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
 * A list that goes out in as many messages as it takes, each with its action, and the room where there is
 * one.
 */
typedef struct list {
    lm_relay *relay;
    lm_ms now;
    const lm_relay_session *session;
    const char *action, *room, *key, *re;
    lm_json_writer j;
} list;

static void begin_list(list *l)
{
    l->j = begin(l->relay, l->action);
    if (l->room != NULL)
        put_string(&l->j, "room", l->room);
    lm_json_key(&l->j, l->key);
    lm_json_open(&l->j, '[');
    l->j.text.cap -= LIST_TAIL;
}

static void end_list(list *l, bool more)
{
    l->j.text.cap += LIST_TAIL;
    lm_json_close(&l->j, ']');
    if (more) {
        lm_json_key(&l->j, "more");
        lm_json_bool(&l->j, true);
    }
    end(&l->j, l->re);
    send_text(l->relay, l->now, l->session, &l->j);
}

/* What was written since mark did not fit: it begins the next message. True once. */
static bool turn_page(list *l, const lm_json_writer *mark)
{
    if (!l->j.text.failed)
        return false;
    l->j = *mark;
    end_list(l, true);
    begin_list(l);
    return true;
}

/* One always fits: info is at most LM_MEMBER_INFO_MAX bytes, six times as much when escaped. */
static void list_peer(list *l, const char *id, const char *info)
{
    const lm_json_writer mark = l->j;
    put_peer(&l->j, id, info);
    if (turn_page(l, &mark))
        put_peer(&l->j, id, info);
}

static void list_member_elsewhere(void *ctx, const lm_mesh_member_info *member)
{
    char id[LM_PEER_ID_TEXT];
    list_peer(ctx, lm_base64url_encode(id, sizeof id, member->peer, sizeof member->peer), member->info);
}

void lm_message_joined(lm_relay *relay, lm_ms now, const lm_member *member, const char *re)
{
    const lm_member *other;
    list l = {.relay = relay,
              .now = now,
              .session = member->peer->session,
              .action = "joined",
              .room = member->room->id_text,
              .key = "peers",
              .re = re};
    begin_list(&l);
    DL_FOREACH2(member->room->members, other, room_next) {
        if (other != member)
            list_peer(&l, other->peer->id_text, other->info);
    }
    if (relay->mesh != NULL)
        lm_mesh_visit_members(relay->mesh, member->room->id, list_member_elsewhere, &l);
    end_list(&l, false);
}

void lm_message_peer_joined(lm_relay *relay, lm_ms now, const lm_member *member)
{
    lm_json_writer j = begin(relay, "peer-joined");
    put_string(&j, "room", member->room->id_text);
    lm_json_key(&j, "peer");
    put_peer(&j, member->peer->id_text, member->info);
    end(&j, "");
    send_to_others(relay, now, member->room, member, &j);
}

void lm_message_joined_elsewhere(lm_relay *relay, lm_ms now, const lm_room *room, const char *id,
                                 const char *info, bool before)
{
    lm_json_writer j = begin(relay, "peer-joined");
    put_string(&j, "room", room->id_text);
    lm_json_key(&j, "peer");
    put_peer(&j, id, info);
    if (before) {
        lm_json_key(&j, "before");
        lm_json_bool(&j, true);
    }
    end(&j, "");
    send_to_others(relay, now, room, NULL, &j);
}

void lm_message_left(lm_relay *relay, lm_ms now, lm_relay_session *session, const lm_room *room,
                     const char *re)
{
    lm_json_writer j = begin(relay, "left");
    put_string(&j, "room", room->id_text);
    end(&j, re);
    send_text(relay, now, session, &j);
}

static void tell_left(lm_relay *relay, lm_ms now, const lm_room *room, const lm_member *member,
                      const char *id)
{
    lm_json_writer j = begin(relay, "peer-left");
    put_string(&j, "room", room->id_text);
    put_string(&j, "id", id);
    end(&j, "");
    send_to_others(relay, now, room, member, &j);
}

void lm_message_peer_left(lm_relay *relay, lm_ms now, const lm_member *member)
{
    tell_left(relay, now, member->room, member, member->peer->id_text);
}

void lm_message_left_elsewhere(lm_relay *relay, lm_ms now, const lm_room *room, const char *id)
{
    tell_left(relay, now, room, NULL, id);
}

/* An error that no request has brought about. */
static void take_back(lm_relay *relay, lm_ms now, const lm_member *member, lm_relay_error error,
                      const char *text)
{
    lm_json_writer j = begin(relay, "error");
    put_string(&j, "code", error_codes[error]);
    put_string(&j, "message", text);
    put_string(&j, "room", member->room->id_text);
    end(&j, "");
    count_error(&relay->stats, error);
    send_text(relay, now, member->peer->session, &j);
}

void lm_message_evicted(lm_relay *relay, lm_ms now, const lm_member *member)
{
    take_back(relay, now, member, LM_RELAY_ERROR_room_full,
              "others joined at other nodes at the same time, and the room is full");
}

void lm_message_given_up(lm_relay *relay, lm_ms now, const lm_member *member)
{
    take_back(relay, now, member, LM_RELAY_ERROR_not_in_room,
              "nothing was heard of this session, and the peer went on at another node: join again");
}

int lm_message_signal(lm_relay *relay, lm_ms now, const lm_member *target, const char *from, const char *data)
{
    lm_json_writer j = begin(relay, "signal");
    put_string(&j, "room", target->room->id_text);
    put_string(&j, "from", from);
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

static void put_record(lm_json_writer *j, const char *record, const char *sig)
{
    lm_json_open(j, '{');
    put_string(j, "record", record);
    put_string(j, "sig", sig);
    lm_json_close(j, '}');
}

static void list_record(void *ctx, const char *record, const char *sig)
{
    list *l = ctx;
    const lm_json_writer mark = l->j;
    put_record(&l->j, record, sig);
    if (turn_page(l, &mark))
        put_record(&l->j, record, sig);
}

void lm_message_nodes(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *re)
{
    list l = {.relay = relay, .now = now, .session = session, .action = "nodes", .key = "nodes", .re = re};
    begin_list(&l);
    lm_node_list_visit(relay, now, list_record, &l);
    end_list(&l, false);
}

/* The URLs of the nodes that serve the room; without one, this node's. False: nobody serves it. */
static bool put_all_turn_urls(lm_relay *relay, lm_ms now, const uint8_t *room, lm_json_writer *j)
{
    lm_turn_node nodes[LM_NODE_LIST_TURN];
    size_t count = room != NULL ? lm_node_list_turn(relay, now, room, nodes) : 0;
    if (count == 0 && !lm_turn_offer_is_own(&relay->turn))
        return false;
    if (count == 0)
        lm_turn_offer_put_urls(j, &relay->turn, &relay->node.config);
    for (size_t i = 0; i < count; i++) {
        const lm_turn_offer other = {.tcp_port = nodes[i].config.tcp};
        lm_turn_offer_put_urls(j, nodes[i].self ? &relay->turn : &other,
                               nodes[i].self ? &relay->node.config : &nodes[i].config);
    }
    return true;
}

int lm_message_turn(lm_relay *relay, lm_ms now, lm_relay_session *session, const uint8_t *room,
                    const char *re)
{
    char username[LM_TURN_USERNAME_MAX + 1], credential[LM_TURN_PASSWORD_LEN + 1];
    uint64_t expiry = lm_own_node_unix_time(&relay->node, now) / 1000 + LM_TURN_CREDENTIAL_TTL;
    int result = lm_turn_credential(relay->turn.secret, session->peer->id_text, expiry, username, credential);
    if (result != LM_OK)
        return result;
    lm_json_writer j = begin(relay, "turn");
    lm_json_key(&j, "urls");
    lm_json_open(&j, '[');
    if (!put_all_turn_urls(relay, now, room, &j))
        return LM_ENOTFOUND;
    lm_json_close(&j, ']');
    lm_turn_offer_put_credential(&j, username, credential);
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
