/* What the files of the mesh share. Nobody outside includes this. */
#ifndef LM_MESH_MESH_STATE_H
#define LM_MESH_MESH_STATE_H

#include <utlist.h>

#include "common/deadlines.h"
#include "common/table.h"
#include "common/token_bucket.h"
#include "mesh/mesh.h"
#include "mesh/noise_stream.h"

#define LM_MESH_BODY_MAX 66560     /* bytes of a message within a conversation */
#define LM_MESH_BAN (60 * 1000)    /* ms without links and conversations for a node that broke a rule */
#define LM_MESH_NEIGHBOURS_MAX 256 /* that a node may say it has */
#define LM_MESH_IN_FLIGHT_MAX (128 * 1024) /* bytes handed out for a link that the network has not taken */

typedef struct lm_mesh_link lm_mesh_link;
typedef struct lm_mesh_node lm_mesh_node;
typedef struct lm_conversation lm_conversation;
typedef struct lm_dial lm_dial;
typedef struct lm_mesh_room lm_mesh_room;
typedef struct lm_share lm_share;

typedef enum lm_mesh_link_state {
    LM_LINK_CONNECTING,  /* dialled */
    LM_LINK_HANDSHAKING, /* Noise, then the other side's hello */
    LM_LINK_UP,
    LM_LINK_DEAD /* on mesh->ready with its last words, then on mesh->dying, to be freed with the turn */
} lm_mesh_link_state;

/* links.c */
struct lm_mesh_link {
    lm_link_id id;
    lm_mesh_link_state state;
    bool dialled;
    bool ready;    /* on mesh->ready */
    bool doomed;   /* to be closed at the end of the turn */
    bool told;     /* has our neighbours as of mesh->told */
    lm_dial *dial; /* that it comes from; NULL if accepted */
    lm_addr addr;
    lm_noise_stream stream;
    size_t buffers;     /* bytes of the stream's buffers, as counted in mesh->link_bytes */
    size_t in_flight;   /* bytes handed out, not yet lm_mesh_sent() */
    lm_mesh_node *node; /* LM_LINK_UP */
    uint64_t boot;      /* of its hello */
    lm_ms since;        /* begun, then connected, then up */
    lm_ms heard, ping_at, digest_at, round_trip;
    lm_token_bucket frames, turns, records;
    lm_mesh_node **reaches; /* whom its node is linked with, owned list */
    size_t reach_count;
    uint64_t bytes_in, bytes_out;
    lm_deadline deadline;
    lm_mesh_link *node_prev, *node_next;   /* node->links, in the order of coming up */
    lm_mesh_link *ready_prev, *ready_next; /* mesh->ready; mesh->dying */
    UT_hash_handle hh;
};

/* nodes.c: a node that somebody has named; most have a record. */
struct lm_mesh_node {
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];
    char nk_text[LM_BASE64URL_SIZE(LM_NODE_PUBLIC_KEY_LEN)];
    char *record, *sig; /* NULL: not known */
    uint64_t seq;
    lm_ms renewed_at;    /* when seq grew last */
    bool renewed;        /* it has grown since the node is known */
    char *address;       /* where it may be dialled; NULL: nowhere */
    lm_dial *dial;       /* for address */
    lm_mesh_link *links; /* up */
    uint32_t listed;     /* neighbours that are linked with it */
    uint32_t mark;       /* scratch of gossip.c */
    uint32_t place;      /* scratch of lm_mesh_visit_pairs() */
    lm_ms banned_until;
    lm_conversation *conversation;
    lm_share *shares; /* rooms with members here that it named */
    uint32_t share_count, member_count;
    bool has_via_key;
    uint8_t via_key[32];
    UT_hash_handle hh;
};

struct lm_mesh {
    lm_mesh_limits limits;
    lm_mesh_keys keys;
    lm_random random;
    const lm_log *log;
    uint64_t boot; /* another one at each start */
    lm_ms clock_at;
    uint64_t unix_ms; /* belongs to clock_at */
    lm_mesh_stats stats;

    lm_mesh_link *links; /* by id */
    lm_link_id last_link;
    lm_mesh_link *ready; /* have something to send */
    lm_mesh_link *dying;
    bool doom; /* some link is doomed, or some node banned, in this turn */
    uint32_t link_count, dialling, dialled_up;
    size_t link_bytes; /* buffers of all links */
    lm_deadlines link_deadlines;
    lm_log_limit salt_log;

    lm_mesh_node *nodes; /* by nk */
    lm_mesh_node *self;
    uint8_t digest[LM_MESH_DIGEST_LEN]; /* of all records, kept by nodes.c */
    uint64_t seen_seq;
    uint32_t mark;
    lm_ms expire_at;

    lm_dial *dials;
    lm_dial *fresh_dials;    /* to be added by lm_mesh_commit() */
    lm_mesh_limits prepared; /* to be put in place by it */
    lm_deadlines dial_deadlines;
    lm_deadlines conversation_deadlines;

    uint8_t (*told)[LM_NODE_PUBLIC_KEY_LEN]; /* neighbours that we told of last, owned list */
    size_t told_count, told_cap;
    lm_ms tell_at; /* when neighbours are told next, LM_MS_NEVER: nothing new */

    lm_mesh_room *rooms; /* with members here */
    struct lm_local_peer *locals;
    lm_mesh_room *fresh_rooms; /* not yet told to the others */
    lm_ms fresh_at;
    uint32_t share_total; /* of rooms with other nodes */
    uint32_t claim_total; /* of peers by other nodes */

    struct lm_mesh_event *events;
    struct lm_mesh_event *polled; /* whose bytes the caller has */
    char body[LM_MESH_BODY_MAX];
    char frame[2 * LM_MESH_BODY_MAX];
    uint8_t out[LM_NOISE_RECORD_MAX];
};

/* The wall clock. */
static inline uint64_t lm_mesh_unix(const lm_mesh *mesh, lm_ms now)
{
    return mesh->unix_ms + (now > mesh->clock_at ? now - mesh->clock_at : 0);
}

/* A random number below n, n > 0. */
uint32_t lm_mesh_below(lm_mesh *mesh, uint32_t n);

/* Queues an output; bytes are copied. text may be NULL. */
void lm_mesh_emit(lm_mesh *mesh, lm_mesh_output_kind kind, lm_link_id link, const char *text);
void lm_mesh_emit_member(lm_mesh *mesh, lm_mesh_output_kind kind, const uint8_t room[LM_MESH_ROOM_LEN],
                         const uint8_t peer[LM_MESH_PEER_LEN], const uint8_t *to, const char *text);

/* Has all links of a node that broke a rule closed, and what it said forgotten, at the end of the turn. */
void lm_mesh_ban(lm_mesh *mesh, lm_ms now, lm_mesh_node *node);

#endif
