#include "relay/signalling.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/json_writer.h"
#include "relay/mesh_rooms.h"
#include "relay/messages.h"
#include "relay/presence.h"

/* Random ids that are taken are drawn again, this often: more means that the generator is broken. */
#define RANDOM_ID_TRIES 8

/* One request while it is carried out. */
typedef struct request {
    lm_relay *relay;
    lm_ms now;
    lm_relay_session *session;
    const cJSON *json;
    char re[LM_RE_TEXT]; /* JSON text of `re`, "" if there is none */
} request;

typedef void (*request_handler)(request *r);

static void answer_error(request *r, lm_relay_error error, const char *text)
{
    lm_message_error(r->relay, r->now, r->session, error, text, r->re);
}

static const cJSON *field(const request *r, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(r->json, name);
}

/* NULL if the field is missing or no string. */
static const char *string_field(const request *r, const char *name)
{
    return cJSON_GetStringValue(field(r, name));
}

/* Number of characters, not bytes, of valid UTF-8. */
static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/*
 * Writes a string or number of at most LM_RE_CHARS_MAX characters as JSON text, to be echoed; "" for NULL.
 * False if item is anything else.
 */
static bool echo_text(char text[LM_RE_TEXT], const cJSON *item)
{
    text[0] = '\0';
    if (item == NULL)
        return true;
    bool usable = cJSON_IsString(item) ? count_characters(item->valuestring) <= LM_RE_CHARS_MAX
                                       : cJSON_IsNumber(item) && isfinite(item->valuedouble);
    if (!usable)
        return false;
    lm_json_writer j = lm_json_writer_init(text, LM_RE_TEXT - 1);
    if (cJSON_IsString(item))
        lm_json_string(&j, item->valuestring);
    else
        lm_json_number(&j, item->valuedouble);
    text[j.text.len] = '\0';
    return true;
}

/* The room's id from `room`; answers `bad-request` where it is none: false. */
static bool room_field(request *r, uint8_t id[LM_ROOM_ID_LEN])
{
    const char *text = string_field(r, "room");
    if (text != NULL && lm_room_id_parse(id, text) == LM_OK)
        return true;
    answer_error(r, LM_RELAY_ERROR_bad_request, "room: 64 hex digits are needed");
    return false;
}

/* Exactly len bytes as base64url. */
static bool bytes_field(const request *r, const char *name, uint8_t *bytes, size_t len)
{
    size_t got;
    const char *text = string_field(r, name);
    return text != NULL && lm_base64url_decode(bytes, len, &got, text, strlen(text)) == LM_OK && got == len;
}

/* A random id that no peer has. LM_ECRYPTO if the generator gives none. */
static int draw_id(lm_relay *relay, uint8_t id[LM_PEER_ID_LEN])
{
    for (int i = 0; i < RANDOM_ID_TRIES; i++) {
        lm_random_fill(&relay->random, id, LM_PEER_ID_LEN);
        if (lm_peers_find(&relay->peers, id) == NULL)
            return LM_OK;
    }
    return LM_ECRYPTO;
}

/* The id of the peer that says hello: from its key, or drawn. LM_EMALFORMED: `key` is none; LM_ECRYPTO. */
static int hello_id(const request *r, uint8_t id[LM_PEER_ID_LEN])
{
    uint8_t key[LM_PEER_KEY_LEN];
    if (field(r, "key") == NULL)
        return draw_id(r->relay, id);
    if (!bytes_field(r, "key", key, sizeof key))
        return LM_EMALFORMED;
    lm_peer_id_from_key(id, key);
    return LM_OK;
}

static void on_hello(request *r)
{
    lm_relay *relay = r->relay;
    uint8_t nonce[LM_HELLO_NONCE_LEN], id[LM_PEER_ID_LEN];
    const cJSON *v = field(r, "v"), *client = field(r, "client");

    if (r->session->peer != NULL) {
        answer_error(r, LM_RELAY_ERROR_bad_request, "action: hello was said before");
        return;
    }
    if (relay->draining) {
        answer_error(r, LM_RELAY_ERROR_shutting_down, "the relay is shutting down");
        relay->stats.closes.shutting_down++;
        lm_presence_close(relay, r->now, r->session);
        return;
    }
    if (!cJSON_IsNumber(v) || v->valuedouble != LM_PROTOCOL_VERSION) {
        answer_error(r, LM_RELAY_ERROR_version, "v: this relay speaks version 1");
        return;
    }
    if (!bytes_field(r, "nonce", nonce, sizeof nonce)) {
        answer_error(r, LM_RELAY_ERROR_bad_request, "nonce: base64url of 32 bytes is needed");
        return;
    }
    if (client != NULL && !cJSON_IsString(client)) {
        answer_error(r, LM_RELAY_ERROR_bad_request, "client: a string is needed");
        return;
    }
    int result = hello_id(r, id);
    if (result == LM_EMALFORMED) {
        answer_error(r, LM_RELAY_ERROR_bad_request, "key: base64url of 32 bytes is needed");
        return;
    }
    if (result == LM_OK)
        result = lm_presence_greet(relay, r->now, r->session, id);
    if (result != LM_OK) {
        /* The protocol has no code for it, and a session that can go no further is better closed. */
        LM_LOGD(relay->log, "relay: cannot greet session %llu: %s", (unsigned long long)r->session->id,
                lm_strerror(result));
        relay->stats.closes.failed++;
        lm_presence_close(relay, r->now, r->session);
        return;
    }
    lm_message_welcome(relay, r->now, r->session, nonce, r->re);
}

/* A join of a room where the peer has its place already: nobody else hears of it. */
static void join_again(request *r, lm_member *member, const char *info)
{
    bool same = strcmp(member->info, info) == 0;
    if (lm_member_set_info(member, info) != LM_OK)
        r->relay->stats.drops.memory++; /* the old info stays, the place is what matters */
    member->stale = false;
    if (!same)
        lm_mesh_rooms_join(r->relay, r->now, member);
    lm_message_joined(r->relay, r->now, member, r->re);
}

static void join_new(request *r, const uint8_t id[LM_ROOM_ID_LEN], const char *info)
{
    lm_relay *relay = r->relay;
    lm_peer *peer = r->session->peer;
    lm_member *member, *stale = NULL;
    /* Places that the peer's last session left behind give way to those that this one asks for. */
    bool all_taken = peer->place_count >= relay->limits.rooms_per_session;
    if (all_taken && (stale = lm_rooms_stale_place(peer)) == NULL) {
        answer_error(r, LM_RELAY_ERROR_too_many_rooms, "no more rooms for one session");
        return;
    }
    /* A peer that has come from another node stays a member to the others: they hear nothing. */
    bool moved = lm_mesh_rooms_has(relay, id, peer->id);
    int result = lm_mesh_rooms_is_full(relay, id, peer->id)
                     ? LM_ELIMIT
                     : lm_rooms_add(&relay->rooms, id, peer, info, &member);
    switch (result) {
    case LM_OK:
        if (stale != NULL)
            lm_presence_lapse(relay, r->now, stale);
        lm_mesh_rooms_join(relay, r->now, member);
        lm_message_joined(relay, r->now, member, r->re);
        if (!moved)
            lm_message_peer_joined(relay, r->now, member);
        break;
    case LM_ELIMIT:
        answer_error(r, LM_RELAY_ERROR_room_full, "the room is full");
        break;
    default:
        answer_error(r, LM_RELAY_ERROR_room_full, "the relay has no memory for one more member");
        break;
    }
}

static void on_join(request *r)
{
    uint8_t id[LM_ROOM_ID_LEN];
    const char *info = field(r, "info") == NULL ? "" : string_field(r, "info");
    if (!room_field(r, id))
        return;
    if (info == NULL) {
        answer_error(r, LM_RELAY_ERROR_bad_request, "info: a string is needed");
        return;
    }
    if (strlen(info) > LM_MEMBER_INFO_MAX) {
        answer_error(r, LM_RELAY_ERROR_too_large, "info: at most 1024 bytes");
        return;
    }
    lm_member *member = lm_rooms_place(lm_rooms_find(&r->relay->rooms, id), r->session->peer);
    if (member != NULL)
        join_again(r, member, info);
    else
        join_new(r, id, info);
}

static void on_leave(request *r)
{
    uint8_t id[LM_ROOM_ID_LEN];
    if (!room_field(r, id))
        return;
    lm_member *member = lm_rooms_place(lm_rooms_find(&r->relay->rooms, id), r->session->peer);
    if (member == NULL) {
        answer_error(r, LM_RELAY_ERROR_not_in_room, "not in that room");
        return;
    }
    lm_message_left(r->relay, r->now, r->session, member->room, r->re);
    lm_presence_leave(r->relay, r->now, member);
}

/* To a member at another node. One whose node does not read is about to leave, so it is not there. */
static int signal_elsewhere(const request *r, const lm_member *sender, const char *to, const char *data)
{
    uint8_t id[LM_PEER_ID_LEN];
    size_t len;
    if (lm_base64url_decode(id, sizeof id, &len, to, strlen(to)) != LM_OK || len != sizeof id)
        return LM_ENOTFOUND;
    return lm_mesh_rooms_signal(r->relay, r->now, sender, id, data);
}

static void on_signal(request *r)
{
    uint8_t id[LM_ROOM_ID_LEN];
    const char *to = string_field(r, "to"), *data = string_field(r, "data");
    if (!room_field(r, id))
        return;
    if (to == NULL) {
        answer_error(r, LM_RELAY_ERROR_bad_request, "to: a peer id is needed");
        return;
    }
    if (data == NULL) {
        answer_error(r, LM_RELAY_ERROR_bad_request, "data: a string is needed");
        return;
    }
    if (strlen(data) > LM_SIGNAL_DATA_MAX) {
        answer_error(r, LM_RELAY_ERROR_too_large, "data: at most 49152 bytes");
        return;
    }
    const lm_room *room = lm_rooms_find(&r->relay->rooms, id);
    const lm_member *sender = lm_rooms_place(room, r->session->peer);
    if (sender == NULL || sender->stale) {
        answer_error(r, LM_RELAY_ERROR_not_in_room, "not in that room");
        return;
    }
    const lm_peer *peer = lm_peers_find_text(&r->relay->peers, to);
    const lm_member *target = peer != NULL ? lm_rooms_place(room, peer) : NULL;
    int result = LM_ENOTFOUND;
    /* Nobody is a peer of its own: no list says so either. */
    if (target != NULL && target != sender && lm_member_listens(target))
        result = lm_message_signal(r->relay, r->now, target, sender->peer->id_text, data);
    /* Of one that has a session elsewhere, too, either may be dead without our knowing. */
    if (target != sender) {
        int elsewhere = signal_elsewhere(r, sender, to, data);
        result = result == LM_ENOTFOUND ? elsewhere : result;
    }
    if (result == LM_ETOOBIG)
        answer_error(r, LM_RELAY_ERROR_too_large, "data: with its escapes it fits no message");
    else if (result != LM_OK)
        answer_error(r, LM_RELAY_ERROR_no_such_peer, "no such peer in that room now");
}

static void on_nodes(request *r)
{
    lm_message_nodes(r->relay, r->now, r->session, r->re);
}

/* room may be NULL. */
static void answer_turn(request *r, const uint8_t *room)
{
    if (lm_message_turn(r->relay, r->now, r->session, room, r->re) != LM_OK)
        answer_error(r, LM_RELAY_ERROR_turn_disabled, "no node serves TURN now");
}

static void on_turn(request *r)
{
    uint8_t id[LM_ROOM_ID_LEN];
    if (!lm_turn_offer_is_made(&r->relay->turn))
        answer_error(r, LM_RELAY_ERROR_turn_disabled, "this relay serves no TURN");
    else if (field(r, "room") == NULL)
        answer_turn(r, NULL);
    else if (room_field(r, id))
        answer_turn(r, id);
}

static void on_ping(request *r)
{
    char t[LM_RE_TEXT];
    if (echo_text(t, field(r, "t")))
        lm_message_pong(r->relay, r->now, r->session, t, r->re);
    else
        answer_error(r, LM_RELAY_ERROR_bad_request,
                     "t: a number, or a string of at most 64 characters, is needed");
}

/* The handler of an action, and the count of it; NULL if there is no such action. */
static request_handler find_action(lm_relay_stats *stats, const char *action, uint64_t **counter)
{
#define LM_X(name)                        \
    if (strcmp(action, #name) == 0) {     \
        *counter = &stats->messages.name; \
        return on_##name;                 \
    }
    LM_RELAY_ACTIONS(LM_X)
#undef LM_X
    return NULL;
}

static void dispatch(request *r)
{
    uint64_t *counter = NULL;
    const char *action = string_field(r, "action");
    if (action == NULL) {
        answer_error(r, LM_RELAY_ERROR_bad_request, "action: a string is needed");
        return;
    }
    request_handler handler = find_action(&r->relay->stats, action, &counter);
    if (r->session->peer == NULL && handler != on_hello) {
        answer_error(r, LM_RELAY_ERROR_hello_first, "hello comes first");
        return;
    }
    if (handler == NULL) {
        answer_error(r, LM_RELAY_ERROR_unknown_action, "action: not one that this relay knows");
        return;
    }
    ++*counter;
    handler(r);
}

/*
 * Takes a token for a message. Without one, the message is refused; from the first refusal until the bucket
 * is full again, refusals add up, so that a client which goes on at a rate that is just too high is found as
 * well as a flood.
 */
static bool within_rate(const lm_relay *relay, lm_ms now, lm_relay_session *session)
{
    uint32_t rate = relay->limits.message_rate, burst = relay->limits.message_burst;
    if (session->over > 0 && lm_token_bucket_full(&session->bucket, rate, burst, now))
        session->over = 0;
    if (lm_token_bucket_take(&session->bucket, rate, burst, now))
        return true;
    session->over++;
    return false;
}

static void refuse_over_rate(request *r)
{
    if (r->session->over <= LM_OVER_RATE_MAX) {
        answer_error(r, LM_RELAY_ERROR_rate_limited, "too many messages");
        return;
    }
    answer_error(r, LM_RELAY_ERROR_rate_limited, "too many messages: this session is closed");
    r->relay->stats.closes.rate_limited++;
    lm_presence_close(r->relay, r->now, r->session);
}

/* A message that parsed as an object: everything that answers it from here on echoes its `re`. */
static void handle_object(request *r, bool allowed)
{
    bool good_re = echo_text(r->re, field(r, "re"));
    if (!allowed)
        refuse_over_rate(r);
    else if (!good_re)
        answer_error(r, LM_RELAY_ERROR_bad_request,
                     "re: a number, or a string of at most 64 characters, is needed");
    else
        dispatch(r);
}

void lm_signalling_message(lm_relay *relay, lm_ms now, lm_relay_session *session, const char *text,
                           size_t len, bool binary)
{
    request r = {.relay = relay, .now = now, .session = session, .json = NULL, .re = ""};
    cJSON *json = NULL;
    bool allowed = within_rate(relay, now, session);
    int result = binary ? LM_EUNSUPPORTED : lm_json_parse_object(&json, text, len, LM_MESSAGE_DEPTH_MAX);
    r.json = json;
    if (result == LM_OK)
        handle_object(&r, allowed);
    else if (!allowed)
        refuse_over_rate(&r);
    else if (result == LM_ENOMEM)
        relay->stats.drops.memory++;
    else if (binary)
        answer_error(&r, LM_RELAY_ERROR_bad_json, "a text message is needed, not a binary one");
    else
        answer_error(&r, LM_RELAY_ERROR_bad_json, "not a JSON object in UTF-8");
    cJSON_Delete(json);
}
