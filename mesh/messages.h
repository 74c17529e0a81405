/*
 * The messages of a mesh link, version 1 (mesh page, section 2): reading them strictly, and the pieces that
 * they are written of. A message is one JSON object; its `type` is a name of LM_MESH_TYPES.
 */
#ifndef LM_MESH_MESSAGES_H
#define LM_MESH_MESSAGES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json_writer.h"
#include "mesh/node_config.h"

#define LM_MESH_VERSION 1
#define LM_MESH_ROOM_LEN 32    /* bytes of a room's id, 64 lower-case hex digits as text */
#define LM_MESH_PEER_LEN 16    /* bytes of a peer's id, 22 characters of base64url as text */
#define LM_MESH_INFO_MAX 1024  /* bytes of a member's info */
#define LM_MESH_DATA_MAX 49152 /* bytes of a signal's data */
#define LM_MESH_LIST_MAX 49152 /* bytes after which a list is split into the next message */
#define LM_MESH_DIGEST_BUCKETS 32
#define LM_MESH_DIGEST_LEN (LM_MESH_DIGEST_BUCKETS * 8) /* bytes */
#define LM_MESH_NUMBER_MAX 9007199254740991             /* 2^53 - 1 (RFC 8259 section 6) */

/* On a link; and in a conversation, which goes over links or through a neighbour. */
#define LM_MESH_TYPES(X) \
    X(hello)             \
    X(nodes)             \
    X(digest)            \
    X(have)              \
    X(links)             \
    X(via)               \
    X(ping)              \
    X(pong)              \
    X(open)              \
    X(ack)               \
    X(rooms)             \
    X(members)           \
    X(signal)

typedef enum lm_mesh_type {
#define LM_X(name) LM_MESH_TYPE_##name,
    LM_MESH_TYPES(LM_X)
#undef LM_X
        LM_MESH_TYPE_COUNT
} lm_mesh_type;

/* "hello", …; static storage. */
const char *lm_mesh_type_name(lm_mesh_type type);

/*
 * A message that was read; what its type does not have is zero or NULL. Texts and lists are borrowed from
 * json. The items of all lists have been checked: the readers below cannot fail on them.
 */
typedef struct lm_mesh_message {
    lm_mesh_type type;
    cJSON *json;              /* owned */
    uint64_t e, p, n, a;      /* of a conversation's message: epochs, number, next one expected */
    const char *record, *sig; /* hello */
    uint64_t boot;            /* hello */
    const cJSON *nodes;       /* nodes: {record, sig}; have: {nk, seq} */
    const cJSON *add, *del;   /* links: nk; rooms: room; members: {id, info}, and id */
    bool full;                /* links, rooms, members: in place of all that was said before */
    uint32_t buckets;         /* have: of which it lists everything */
    uint8_t digest[LM_MESH_DIGEST_LEN];
    uint8_t to_nk[LM_NODE_PUBLIC_KEY_LEN], from_nk[LM_NODE_PUBLIC_KEY_LEN]; /* via */
    const char *box;                                                        /* via */
    uint64_t t;                                                             /* ping, pong */
    bool ask, gap;                                                          /* ack */
    uint8_t room[LM_MESH_ROOM_LEN];                                         /* members, signal */
    uint8_t from[LM_MESH_PEER_LEN], to[LM_MESH_PEER_LEN];                   /* signal */
    const char *data;                                                       /* signal */
} lm_mesh_message;

/*
 * Reads a message of len bytes (borrowed). LM_EMALFORMED: not such JSON, or a field that is missing or wrong;
 * LM_EUNSUPPORTED: a type that is not known, or a hello of another version; LM_ENOMEM. On success free it
 * with lm_mesh_message_clear(). Keys that are not known are passed over.
 */
int lm_mesh_message_parse(lm_mesh_message *m, const char *text, size_t len);
void lm_mesh_message_clear(lm_mesh_message *m);

/* True for the types that go in a conversation. */
bool lm_mesh_type_is_conversational(lm_mesh_type type);

/* Items of lists. LM_EMALFORMED. Borrowed texts. */
int lm_mesh_item_nk(const cJSON *item, uint8_t nk[LM_NODE_PUBLIC_KEY_LEN]);
int lm_mesh_item_room(const cJSON *item, uint8_t room[LM_MESH_ROOM_LEN]);
int lm_mesh_item_peer(const cJSON *item, uint8_t peer[LM_MESH_PEER_LEN]);
int lm_mesh_item_member(const cJSON *item, uint8_t peer[LM_MESH_PEER_LEN], const char **info);
int lm_mesh_item_record(const cJSON *item, const char **record, const char **sig);
int lm_mesh_item_have(const cJSON *item, uint8_t nk[LM_NODE_PUBLIC_KEY_LEN], uint64_t *seq);

/* {"type":<name> into buf, to be ended by lm_json_close(). */
lm_json_writer lm_mesh_message_begin(void *buf, size_t cap, lm_mesh_type type);

/* Writes a key and its value as text. */
void lm_mesh_put_text(lm_json_writer *j, const char *key, const char *text);
void lm_mesh_put_uint(lm_json_writer *j, const char *key, uint64_t value);
void lm_mesh_put_bytes(lm_json_writer *j, const char *key, const uint8_t *bytes, size_t len); /* ≤ 256 */
void lm_mesh_put_room(lm_json_writer *j, const char *key, const uint8_t room[LM_MESH_ROOM_LEN]);

#endif
