#include "mesh/messages.h"

#include <sodium.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"
#include "common/json_text.h"
#include "mesh/node_record.h"

#define DEPTH_MAX 5         /* the object, a list, its items, and room for keys that are not known yet */
#define BOX_TEXT_MAX 131072 /* characters of a box: a signal in its worst spelling fits */

static const char *const names[] = {
#define LM_X(name) #name,
    LM_MESH_TYPES(LM_X)
#undef LM_X
};

const char *lm_mesh_type_name(lm_mesh_type type)
{
    return names[type];
}

bool lm_mesh_type_is_conversational(lm_mesh_type type)
{
    return type >= LM_MESH_TYPE_open;
}

/* base64url of exactly len bytes. */
static int text_bytes(const char *text, uint8_t *bytes, size_t len)
{
    size_t got;
    if (text == NULL || lm_base64url_decode(bytes, len, &got, text, strlen(text)) != LM_OK || got != len)
        return LM_EMALFORMED;
    return LM_OK;
}

/* Of a lower-case hex digit; above 15: it is none. */
static unsigned hex_value(char c)
{
    return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* 64 lower-case hex digits. Lists of rooms are most of what comes: this has to be quick. */
static int text_room(const char *text, uint8_t room[LM_MESH_ROOM_LEN])
{
    if (text == NULL || strlen(text) != (size_t)2 * LM_MESH_ROOM_LEN)
        return LM_EMALFORMED;
    for (size_t i = 0; i < LM_MESH_ROOM_LEN; i++) {
        unsigned high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high > 15 || low > 15)
            return LM_EMALFORMED;
        room[i] = (uint8_t)(high << 4 | low);
    }
    return LM_OK;
}

static const char *get_text(const cJSON *json, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static int number(const cJSON *item, uint64_t *value)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= LM_MESH_NUMBER_MAX) ||
        item->valuedouble != (double)(uint64_t)item->valuedouble)
        return LM_EMALFORMED;
    *value = (uint64_t)item->valuedouble;
    return LM_OK;
}

static int get_uint(const cJSON *json, const char *key, uint64_t *value)
{
    return number(cJSON_GetObjectItemCaseSensitive(json, key), value);
}

/* An absent key is false. */
static int get_bool(const cJSON *json, const char *key, bool *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    *value = cJSON_IsTrue(item);
    return item == NULL || cJSON_IsBool(item) ? LM_OK : LM_EMALFORMED;
}

int lm_mesh_item_nk(const cJSON *item, uint8_t nk[LM_NODE_PUBLIC_KEY_LEN])
{
    return text_bytes(cJSON_GetStringValue(item), nk, LM_NODE_PUBLIC_KEY_LEN);
}

int lm_mesh_item_room(const cJSON *item, uint8_t room[LM_MESH_ROOM_LEN])
{
    return text_room(cJSON_GetStringValue(item), room);
}

int lm_mesh_item_peer(const cJSON *item, uint8_t peer[LM_MESH_PEER_LEN])
{
    return text_bytes(cJSON_GetStringValue(item), peer, LM_MESH_PEER_LEN);
}

int lm_mesh_item_member(const cJSON *item, uint8_t peer[LM_MESH_PEER_LEN], const char **info)
{
    const char *text = get_text(item, "info");
    if (text == NULL || strlen(text) > LM_MESH_INFO_MAX)
        return LM_EMALFORMED;
    *info = text;
    return text_bytes(get_text(item, "id"), peer, LM_MESH_PEER_LEN);
}

int lm_mesh_item_record(const cJSON *item, const char **record, const char **sig)
{
    const char *record_text = get_text(item, "record"), *sig_text = get_text(item, "sig");
    if (record_text == NULL || sig_text == NULL || strlen(record_text) > LM_NODE_RECORD_MAX)
        return LM_EMALFORMED;
    *record = record_text;
    *sig = sig_text;
    return LM_OK;
}

int lm_mesh_item_have(const cJSON *item, uint8_t nk[LM_NODE_PUBLIC_KEY_LEN], uint64_t *seq)
{
    int result = text_bytes(get_text(item, "nk"), nk, LM_NODE_PUBLIC_KEY_LEN);
    return result == LM_OK ? get_uint(item, "seq", seq) : result;
}

typedef enum item_kind { ITEM_NK, ITEM_ROOM, ITEM_PEER, ITEM_MEMBER, ITEM_RECORD, ITEM_HAVE } item_kind;

static int check_item(const cJSON *item, item_kind kind)
{
    uint8_t bytes[LM_MESH_ROOM_LEN];
    const char *text, *other;
    uint64_t value;
    switch (kind) {
    case ITEM_NK:
        return lm_mesh_item_nk(item, bytes);
    case ITEM_ROOM:
        return lm_mesh_item_room(item, bytes);
    case ITEM_PEER:
        return lm_mesh_item_peer(item, bytes);
    case ITEM_MEMBER:
        return lm_mesh_item_member(item, bytes, &text);
    case ITEM_RECORD:
        return lm_mesh_item_record(item, &text, &other);
    default:
        return lm_mesh_item_have(item, bytes, &value);
    }
}

/* The list under key, with all items good; NULL if it is absent. */
static int get_list(const cJSON *json, const char *key, item_kind kind, const cJSON **list)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(json, key), *item;
    if (found == NULL)
        return LM_OK;
    if (!cJSON_IsArray(found))
        return LM_EMALFORMED;
    cJSON_ArrayForEach(item, found) {
        if (check_item(item, kind) != LM_OK)
            return LM_EMALFORMED;
    }
    *list = found;
    return LM_OK;
}

/* full, add, del: at least one of the lists is there. */
static int parse_lists(lm_mesh_message *m, item_kind add, item_kind del)
{
    if (get_bool(m->json, "full", &m->full) != LM_OK || get_list(m->json, "add", add, &m->add) != LM_OK ||
        get_list(m->json, "del", del, &m->del) != LM_OK)
        return LM_EMALFORMED;
    return m->add != NULL || m->del != NULL ? LM_OK : LM_EMALFORMED;
}

static int parse_hello(lm_mesh_message *m)
{
    uint64_t v;
    if (get_uint(m->json, "v", &v) != LM_OK)
        return LM_EMALFORMED;
    if (v != LM_MESH_VERSION)
        return LM_EUNSUPPORTED;
    return get_uint(m->json, "boot", &m->boot) == LM_OK ? lm_mesh_item_record(m->json, &m->record, &m->sig)
                                                        : LM_EMALFORMED;
}

static int parse_via(lm_mesh_message *m)
{
    m->box = get_text(m->json, "box");
    if (m->box == NULL || strlen(m->box) > BOX_TEXT_MAX)
        return LM_EMALFORMED;
    int result = text_bytes(get_text(m->json, "to"), m->to_nk, sizeof m->to_nk);
    return result == LM_OK ? text_bytes(get_text(m->json, "from"), m->from_nk, sizeof m->from_nk) : result;
}

static int parse_have(lm_mesh_message *m)
{
    uint64_t buckets;
    if (get_uint(m->json, "buckets", &buckets) != LM_OK || buckets > UINT32_MAX)
        return LM_EMALFORMED;
    m->buckets = (uint32_t)buckets;
    int result = get_list(m->json, "nodes", ITEM_HAVE, &m->nodes);
    return result == LM_OK && m->nodes == NULL ? LM_EMALFORMED : result;
}

static int parse_signal(lm_mesh_message *m)
{
    m->data = get_text(m->json, "data");
    if (m->data == NULL || strlen(m->data) > LM_MESH_DATA_MAX ||
        text_room(get_text(m->json, "room"), m->room) != LM_OK ||
        text_bytes(get_text(m->json, "from"), m->from, sizeof m->from) != LM_OK)
        return LM_EMALFORMED;
    return text_bytes(get_text(m->json, "to"), m->to, sizeof m->to);
}

static int parse_fields(lm_mesh_message *m)
{
    int result;
    if (lm_mesh_type_is_conversational(m->type) &&
        (get_uint(m->json, "e", &m->e) != LM_OK || get_uint(m->json, "p", &m->p) != LM_OK || m->e == 0))
        return LM_EMALFORMED;
    if (m->type > LM_MESH_TYPE_open && get_uint(m->json, "a", &m->a) != LM_OK)
        return LM_EMALFORMED;
    if (m->type > LM_MESH_TYPE_ack && get_uint(m->json, "n", &m->n) != LM_OK)
        return LM_EMALFORMED;
    switch (m->type) {
    case LM_MESH_TYPE_hello:
        return parse_hello(m);
    case LM_MESH_TYPE_nodes:
        result = get_list(m->json, "nodes", ITEM_RECORD, &m->nodes);
        return result == LM_OK && m->nodes == NULL ? LM_EMALFORMED : result;
    case LM_MESH_TYPE_digest:
        return text_bytes(get_text(m->json, "sums"), m->digest, sizeof m->digest);
    case LM_MESH_TYPE_have:
        return parse_have(m);
    case LM_MESH_TYPE_links:
        return parse_lists(m, ITEM_NK, ITEM_NK);
    case LM_MESH_TYPE_via:
        return parse_via(m);
    case LM_MESH_TYPE_ping:
    case LM_MESH_TYPE_pong:
        return get_uint(m->json, "t", &m->t);
    case LM_MESH_TYPE_ack:
        return get_bool(m->json, "ask", &m->ask) == LM_OK ? get_bool(m->json, "gap", &m->gap) : LM_EMALFORMED;
    case LM_MESH_TYPE_rooms:
        return parse_lists(m, ITEM_ROOM, ITEM_ROOM);
    case LM_MESH_TYPE_members:
        result = text_room(get_text(m->json, "room"), m->room);
        return result == LM_OK ? parse_lists(m, ITEM_MEMBER, ITEM_PEER) : result;
    case LM_MESH_TYPE_signal:
        return parse_signal(m);
    default:
        return LM_OK;
    }
}

static int find_type(const char *name, lm_mesh_type *type)
{
    for (size_t i = 0; i < LM_MESH_TYPE_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *type = (lm_mesh_type)i;
            return LM_OK;
        }
    }
    return LM_EUNSUPPORTED;
}

int lm_mesh_message_parse(lm_mesh_message *m, const char *text, size_t len)
{
    lm_mesh_message read = {.json = NULL};
    int result = lm_json_parse_object(&read.json, text, len, DEPTH_MAX);
    if (result != LM_OK)
        return result;
    const char *name = get_text(read.json, "type");
    result = name != NULL ? find_type(name, &read.type) : LM_EMALFORMED;
    if (result == LM_OK)
        result = parse_fields(&read);
    if (result == LM_OK)
        *m = read;
    else
        cJSON_Delete(read.json);
    return result;
}

void lm_mesh_message_clear(lm_mesh_message *m)
{
    cJSON_Delete(m->json);
    m->json = NULL;
}

lm_json_writer lm_mesh_message_begin(void *buf, size_t cap, lm_mesh_type type)
{
    lm_json_writer j = lm_json_writer_init(buf, cap);
    lm_json_open(&j, '{');
    lm_mesh_put_text(&j, "type", names[type]);
    return j;
}

void lm_mesh_put_text(lm_json_writer *j, const char *key, const char *text)
{
    if (key != NULL)
        lm_json_key(j, key);
    lm_json_string(j, text);
}

void lm_mesh_put_uint(lm_json_writer *j, const char *key, uint64_t value)
{
    lm_json_key(j, key);
    lm_json_uint(j, value);
}

void lm_mesh_put_bytes(lm_json_writer *j, const char *key, const uint8_t *bytes, size_t len)
{
    char text[LM_BASE64URL_SIZE(LM_MESH_DIGEST_LEN)];
    lm_mesh_put_text(j, key, lm_base64url_encode(text, sizeof text, bytes, len));
}

void lm_mesh_put_room(lm_json_writer *j, const char *key, const uint8_t room[LM_MESH_ROOM_LEN])
{
    char text[2 * LM_MESH_ROOM_LEN + 1];
    lm_mesh_put_text(j, key, sodium_bin2hex(text, sizeof text, room, LM_MESH_ROOM_LEN));
}
