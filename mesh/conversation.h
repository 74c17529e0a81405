/*
 * Conversations: what two nodes tell each other of their rooms, members and signals, each message once and in
 * order, whether it goes over a link of theirs, over another one after that has ended, or through a
 * neighbour.
 *
 * Each side has an epoch, a random number, and counts its messages from 0. Every message carries the
 * sender's epoch e, the receiver's p as the sender knows it, and a, the number that the sender expects next;
 * a message that counts has its number n.
 *
 *     opening ──(a message with p equal to our epoch)──► established ──(no path any more)──► over
 *
 * Only a message that names our epoch can begin a conversation or put another in its place, so what somebody
 * recorded and sends again does nothing. One that names another is answered by `open`, from which its sender
 * learns our epoch. When either side begins anew, both do: the first message is always a full `rooms`.
 *
 * A path is a link to the node, or else a link to a neighbour that says it is linked with the node. When the
 * path changes, everything that was not confirmed is sent once more, and what came before is passed over.
 */
#ifndef LM_MESH_CONVERSATION_H
#define LM_MESH_CONVERSATION_H

#include "mesh/mesh_state.h"

typedef struct lm_parcel lm_parcel;

struct lm_conversation {
    lm_mesh_node *node;
    lm_mesh_link *path; /* never NULL */
    bool direct;        /* path is a link to the node */
    bool established;
    bool over; /* ends with this turn */
    uint64_t epoch, peer_epoch;
    lm_parcel *parcels;       /* not confirmed, the oldest first */
    lm_parcel *unsent;        /* the first of them that goes out next; NULL: all have gone */
    uint64_t next, confirmed; /* numbers: of the next new message, of the first one not confirmed */
    size_t queued, flying;    /* bytes: of all parcels, of those that have gone */
    uint64_t expected;        /* number of the other side's next message */
    size_t owed, owed_bytes;  /* messages taken in since we last confirmed any */
    unsigned tries;           /* to open, or to send again */
    lm_ms begun, heard,
        asked; /* asked: since when there has been no answer, LM_MS_NEVER: there is none due */
    lm_ms open_at, ack_at, resend_at, ask_at, pump_at; /* LM_MS_NEVER: not due */
    lm_ms went_back, complained, answered;             /* when we last did */
    lm_deadline deadline;
};

/* The paths to a node may have changed: begins, moves or ends the conversation with it. */
void lm_conversation_find_path(lm_mesh *mesh, lm_ms now, lm_mesh_node *node);

/* A link is over: those that went by it go another way. */
void lm_conversation_path_lost(lm_mesh *mesh, lm_ms now, const lm_mesh_link *link);

/* Ends it: the node's members leave. */
void lm_conversation_end(lm_mesh *mesh, lm_ms now, lm_mesh_node *node);

/* A message of a conversation, by whatever way. */
void lm_conversation_receive(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m);

/*
 * Queues a message: what a writer has written since lm_mesh_message_begin(), in mesh->body, without its last
 * bracket. LM_ENOTFOUND: no conversation; LM_ETOOBIG: it did not fit; LM_ELIMIT: too much waits, and the
 * conversation ends with this turn; LM_ENOMEM, likewise.
 */
int lm_conversation_send(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, lm_json_writer *j);

/* True if there is one, established. */
bool lm_conversation_is_on(const lm_mesh_node *node);

void lm_conversation_timeout(lm_mesh *mesh, lm_ms now);

/* Ends those that are over, and begins them anew. */
void lm_conversation_close_over(lm_mesh *mesh, lm_ms now);

#endif
