/*
 * The mesh: nodes that hold the same MESH_SALT link up, learn of each other, and let browsers meet whichever
 * node they land on (mesh page). Sans-IO: bytes of links, the wall clock, time and randomness come in; bytes,
 * links to be dialled and closed, and what happens in rooms go out.
 *
 *     lm_mesh_input(mesh, now, link, data, len);
 *     while (lm_mesh_poll(mesh, now, &out) == 1)
 *         ...send, dial, close, or tell the members in a room...
 *
 * Contract: after each call that changes it, poll until it is drained; call lm_mesh_timeout() when
 * lm_mesh_next_timeout() has come. The mesh never calls back.
 */
#ifndef LM_MESH_MESH_H
#define LM_MESH_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/random.h"
#include "mesh/messages.h"
#include "mesh/node_record.h"
#include "mesh/stats.h"

#define LM_MESH_SALT_MIN 16 /* characters of MESH_SALT */
#define LM_MESH_HOST_PORT_MAX 272
#define LM_MESH_PENDING_MAX 64 /* links that are not up yet: strangers take no place from nodes */

/* Names one link of one mesh for ever: never 0, never used again. */
typedef uint64_t lm_link_id;

typedef struct lm_mesh_limits {
    uint32_t links_wanted;     /* with more nodes than this a node stops dialling them all; default 64 */
    uint32_t links_max;        /* links of both directions; default 128 */
    uint32_t nodes_max;        /* known nodes; default 1,024 */
    uint32_t room_size;        /* members of a room, over all nodes; default 250 */
    uint32_t members_per_node; /* members that one other node may announce, in all rooms; default 10,000 */
    uint32_t members_max;      /* the same for all other nodes together; default 100,000 */
    uint32_t shares_max;       /* rooms that are here and at other nodes, once for each; default 250,000 */
    uint32_t link_bytes;       /* buffers of all links together; default 64 MiB, at least 1 */
    uint32_t queue_bytes;      /* what waits in all conversations together; default 64 MiB */
    uint32_t frame_rate;       /* frames a second and link; default 2,000, bursts of four times as many */
} lm_mesh_limits;

void lm_mesh_limits_default(lm_mesh_limits *limits);

/*
 * Most bytes of what others can make a mesh hold, with the allocator's part: a link besides its buffers, all
 * buffers over limits.link_bytes (while one of them grows, and is there twice), a node and its record, a
 * member elsewhere with its info, a room that a node shares.
 */
#define LM_MESH_LINK_BYTES 16384u
#define LM_MESH_BUFFER_BYTES (25u * 1024 * 1024)
#define LM_MESH_NODE_BYTES 8192u
#define LM_MESH_MEMBER_BYTES 1664u
#define LM_MESH_SHARE_BYTES 192u

/* The most memory that a mesh with these limits takes, in bytes. */
uint64_t lm_mesh_memory(const lm_mesh_limits *limits);

typedef struct lm_mesh_config {
    const uint8_t *seed; /* Ed25519 seed of this node, 32 bytes */
    const char *salt;    /* MESH_SALT */
    lm_mesh_limits limits;
    lm_random random;
    const lm_log *log; /* may be NULL; borrowed for the mesh's life */
} lm_mesh_config;

typedef struct lm_mesh lm_mesh;

/* Everything but log is copied. LM_EINVAL: a salt under LM_MESH_SALT_MIN, a limit of 0; LM_ENOMEM. */
int lm_mesh_create(lm_mesh **mesh, const lm_mesh_config *config, lm_ms now);
void lm_mesh_destroy(lm_mesh *mesh); /* may be NULL */

/* The wall-clock time that belongs to now. Call it before the first input, and when the clock was set. */
void lm_mesh_set_unix_time(lm_mesh *mesh, lm_ms now, uint64_t unix_ms);

/*
 * Puts this node's own record (copied) in the place of the last one and tells it to the others; its `mesh`
 * says where they may dial. Call it first with the first record, then whenever the record is renewed.
 * LM_EINVAL: no good record of this node; LM_ENOMEM.
 */
int lm_mesh_set_record(lm_mesh *mesh, lm_ms now, const lm_node_record *record);

/*
 * The greatest seq of this node's own record that others have shown. One above the record's own: this clock
 * was set back, and nobody takes the record until one with a greater seq is made.
 */
uint64_t lm_mesh_own_seq(const lm_mesh *mesh);

/*
 * MESH_PEERS: the addresses ("host:port", copied) to be dialled until a link is up; in the place of those
 * that were set before. LM_ENOMEM.
 */
int lm_mesh_set_peers(lm_mesh *mesh, lm_ms now, const char *const *peers, size_t count);

/*
 * Other limits and peers in two steps, for whom something else could fail in between: the first does all that
 * can fail and changes nothing, the second puts in place what was prepared last, with no other call between
 * them. What is there stays where it is over a limit. LM_EINVAL, LM_ENOMEM.
 */
int lm_mesh_prepare(lm_mesh *mesh, const lm_mesh_limits *limits, const char *const *peers, size_t count);
void lm_mesh_commit(lm_mesh *mesh, lm_ms now);

/* The transport's side. A link that is not known (any more) is passed over in all of these. */

/* Somebody has connected. LM_ELIMIT, LM_ENOMEM: close it. */
int lm_mesh_accepted(lm_mesh *mesh, lm_ms now, const lm_addr *from, lm_link_id *link);
/* A link of LM_MESH_CONNECT is connected, to this address. */
void lm_mesh_connected(lm_mesh *mesh, lm_ms now, lm_link_id link, const lm_addr *to);
/* Bytes (borrowed) have arrived. */
void lm_mesh_input(lm_mesh *mesh, lm_ms now, lm_link_id link, const void *data, size_t len);
/* So many bytes of LM_MESH_SEND have been taken by the network: more may follow. */
void lm_mesh_sent(lm_mesh *mesh, lm_ms now, lm_link_id link, size_t len);
/* A link has ended, or could not be connected. Not after LM_MESH_CLOSE. */
void lm_mesh_closed(lm_mesh *mesh, lm_ms now, lm_link_id link);

/* The relay's side. */

/*
 * A peer here joins a room, or changes its info there (copied, at most LM_MESH_INFO_MAX bytes). Whether there
 * is a place is the caller's question: see lm_mesh_remote_count(). LM_ETOOBIG, LM_ENOMEM.
 */
int lm_mesh_join(lm_mesh *mesh, lm_ms now, const uint8_t room[LM_MESH_ROOM_LEN],
                 const uint8_t peer[LM_MESH_PEER_LEN], const char *info);

/* It leaves. With the last one here, the room's members elsewhere are forgotten without an event. */
void lm_mesh_leave(lm_mesh *mesh, lm_ms now, const uint8_t room[LM_MESH_ROOM_LEN],
                   const uint8_t peer[LM_MESH_PEER_LEN]);

/*
 * The peer's session has been silent for LM_MESH_SILENT_TIME, or was heard again: while it is silent, another
 * node that has named the same peer since gets its places (LM_MESH_GIVE_UP).
 */
#define LM_MESH_SILENT_TIME 7000 /* ms */
void lm_mesh_peer_silent(lm_mesh *mesh, lm_ms now, const uint8_t peer[LM_MESH_PEER_LEN], bool silent);

/*
 * A signal of a member here to one elsewhere, at every node that has it, whether it is here, too, or not;
 * data (copied) is UTF-8. LM_ENOTFOUND: no such member elsewhere; LM_ETOOBIG; LM_ELIMIT: too much waits for
 * that node; LM_ENOMEM.
 */
int lm_mesh_signal(lm_mesh *mesh, lm_ms now, const uint8_t room[LM_MESH_ROOM_LEN],
                   const uint8_t from[LM_MESH_PEER_LEN], const uint8_t to[LM_MESH_PEER_LEN],
                   const char *data);

/* Members of the room elsewhere who are not members here too; 0 for a room without members here. */
uint32_t lm_mesh_remote_count(const lm_mesh *mesh, const uint8_t room[LM_MESH_ROOM_LEN]);

/* One of them: borrowed until the next call that changes the mesh. */
typedef struct lm_mesh_member_info {
    uint8_t peer[LM_MESH_PEER_LEN];
    uint8_t node[LM_NODE_PUBLIC_KEY_LEN]; /* that has it */
    const char *info;
} lm_mesh_member_info;

/* Calls visit for each of them. */
void lm_mesh_visit_members(const lm_mesh *mesh, const uint8_t room[LM_MESH_ROOM_LEN],
                           void (*visit)(void *ctx, const lm_mesh_member_info *member), void *ctx);

typedef enum lm_mesh_output_kind {
    LM_MESH_CONNECT,   /* dial .host_port, a TCP link with this id */
    LM_MESH_SEND,      /* send .bytes on the link, all of them and in order; then lm_mesh_sent() */
    LM_MESH_CLOSE,     /* close the link, once what was sent has gone; the id is dead */
    LM_MESH_JOINED,    /* .member.peer is a member of .room elsewhere, with .member.text as its info */
    LM_MESH_CHANGED,   /* its info is another one now */
    LM_MESH_LEFT,      /* it is no member any more */
    LM_MESH_SIGNAL,    /* .member.peer, elsewhere, sends .text to .to, here */
    LM_MESH_GIVE_UP,   /* .member.peer, here, has gone on at another node: its place in .room ends without a
                          word, for it stays a member to the others. No lm_mesh_leave() for it. */
    LM_MESH_ROOM_FULL, /* .member.peer joined .room here when nothing was known yet of its members elsewhere:
                          they fill it. Let it leave, with the error that it is full. */
} lm_mesh_output_kind;

/* Borrowed bytes live until the next call of lm_mesh_poll(). */
typedef struct lm_mesh_output {
    lm_mesh_output_kind kind;
    lm_link_id link;
    union {
        const char *host_port;
        struct {
            const uint8_t *data;
            size_t len;
        } bytes;
        struct {
            uint8_t room[LM_MESH_ROOM_LEN];
            uint8_t peer[LM_MESH_PEER_LEN];
            uint8_t to[LM_MESH_PEER_LEN];
            const char *text; /* info or data */
        } member;
    };
} lm_mesh_output;

/* 1: *out holds the next output; 0: drained. */
int lm_mesh_poll(lm_mesh *mesh, lm_ms now, lm_mesh_output *out);

/*
 * The same for what happens in rooms alone, from LM_MESH_JOINED on, which a relay takes at once after its own
 * calls: what goes to the network is left for lm_mesh_poll().
 */
int lm_mesh_poll_members(lm_mesh *mesh, lm_mesh_output *out);

/* When lm_mesh_timeout() has to be called, LM_MS_NEVER if not at all. */
lm_ms lm_mesh_next_timeout(const lm_mesh *mesh);
void lm_mesh_timeout(lm_mesh *mesh, lm_ms now);

/* A link or a node, for reports; all borrowed until the next call that changes the mesh. */
typedef struct lm_mesh_link_info {
    lm_link_id id;
    bool dialled;
    lm_addr addr;
    const uint8_t *nk; /* LM_NODE_PUBLIC_KEY_LEN bytes */
    lm_ms up;          /* how long it has been up */
    lm_ms round_trip;  /* of the last ping, LM_MS_NEVER before the first */
    uint64_t bytes_in, bytes_out;
} lm_mesh_link_info;

typedef struct lm_mesh_node_info {
    const uint8_t *nk;
    const char *record, *sig;
    bool self;
    bool live;   /* renewed within 10 minutes: to be told to browsers */
    bool linked; /* there is a link */
    bool spoken; /* its rooms and members are known here, by a link or through a neighbour */
    uint32_t members;
} lm_mesh_node_info;

/* Calls visit for each link that is up, and for each node whose record is known, this one included. */
void lm_mesh_visit_links(const lm_mesh *mesh, lm_ms now,
                         void (*visit)(void *ctx, const lm_mesh_link_info *link), void *ctx);
void lm_mesh_visit_nodes(const lm_mesh *mesh, lm_ms now,
                         void (*visit)(void *ctx, const lm_mesh_node_info *node), void *ctx);

/*
 * Calls visit for each link between two other nodes that a neighbour has told of: a and b are their places in
 * the order in which lm_mesh_visit_nodes() goes. Each pair comes once.
 */
void lm_mesh_visit_pairs(const lm_mesh *mesh, void (*visit)(void *ctx, uint32_t a, uint32_t b), void *ctx);

/* Counters, live; valid as long as the mesh. */
const lm_mesh_stats *lm_mesh_get_stats(const lm_mesh *mesh);

#endif
