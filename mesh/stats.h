/*
 * Counters of a mesh. One list gives the fields and their names, so that whoever reports them cannot forget
 * one. Counters only grow; gauges go up and down.
 */
#ifndef LM_MESH_STATS_H
#define LM_MESH_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "common/histogram.h"

/* Each drop is one link, frame, item or message that led to nothing. */
#define LM_MESH_DROPS(X)                                                                       \
    X(link_limit)    /* a newcomer while all links are taken */                                \
    X(salt)          /* link closed: another MESH_SALT, as it seems */                         \
    X(handshake)     /* link closed: the handshake failed otherwise, or took too long */       \
    X(silent)        /* link closed: nothing heard for 15 s */                                 \
    X(malformed)     /* link closed: a frame or message that does not follow its format */     \
    X(version)       /* link closed: hello of another version */                               \
    X(out_of_place)  /* link closed: a message before hello, or hello twice */                 \
    X(banned)        /* link closed: its node broke a rule a short time ago */                 \
    X(frame_rate)    /* link closed: over the rate of frames */                                \
    X(slow_reader)   /* link or conversation closed: too much waits for it */                  \
    X(duplicate)     /* link closed: another one to the same node stays */                     \
    X(too_many)      /* link closed: more members, rooms or neighbours than a node may have */ \
    X(unknown_type)  /* message of a type that is not known */                                 \
    X(record_bad)    /* node record that does not verify */                                    \
    X(record_future) /* node record from too far in the future */                              \
    X(record_old)    /* node record that was forgotten already */                              \
    X(record_rate)   /* node record not looked at: its link brings too many */                 \
    X(nodes_full)    /* node record of a new node while the table is full */                   \
    X(via_forward)   /* not passed on: `to` is no neighbour, or its link is full */            \
    X(via_source)    /* passed on by its sender for somebody else, or of a node not known */   \
    X(via_box)       /* does not open: not from the node that it names */                      \
    X(epoch)         /* message of a conversation that is over */                              \
    X(repeated)      /* message of a conversation that came before */                          \
    X(gap)           /* message of a conversation that came too early: is sent again */        \
    X(conversation)  /* conversation given up: no answer for 15 s */                           \
    X(members_full)  /* member not taken in: as many are known as may be */                    \
    X(signal_from)   /* signal of nobody whom its node has announced */                        \
    X(signal_to)     /* signal to nobody who is a member here */                               \
    X(memory)        /* something for which there was no memory */

#define LM_MESH_COUNTERS(X)                                                                   \
    X(frames_in, "mesh_received_frames", "Frames received from other nodes.")                 \
    X(frames_out, "mesh_sent_frames", "Frames sent to other nodes.")                          \
    X(bytes_in, "mesh_received_bytes", "Bytes received from other nodes.")                    \
    X(bytes_out, "mesh_sent_bytes", "Bytes sent to other nodes.")                             \
    X(via_passed, "mesh_passed_on", "Messages passed on between two neighbours.")             \
    X(dials, "mesh_dials", "Links dialled.")                                                  \
    X(dials_failed, "mesh_dials_failed", "Dialled links that did not come up.")               \
    X(links_up, "mesh_links_up", "Links that came up.")                                       \
    X(records_verified, "mesh_records_verified", "Node records whose signature was checked.") \
    X(conversations_up, "mesh_conversations_up", "Conversations with other nodes begun.")     \
    X(signals_in, "mesh_received_signals", "Signals received for members here.")              \
    X(signals_out, "mesh_sent_signals", "Signals sent to members elsewhere.")                 \
    X(resent, "mesh_resent_messages", "Messages of conversations that were sent once more.")  \
    X(given_up, "mesh_places_given_up", "Places given up to a node where their peer went on.")

#define LM_MESH_GAUGES(X)                                                                     \
    X(links, "mesh_links", "Links that are up.")                                              \
    X(peers, "mesh_peers", "Addresses of MESH_PEERS, but for this node's own.")               \
    X(nodes, "mesh_nodes", "Nodes whose record is known, this one included.")                 \
    X(conversations, "mesh_conversations", "Nodes that are spoken with, directly or not.")    \
    X(remote_rooms, "mesh_remote_rooms", "Rooms with members here and elsewhere.")            \
    X(remote_members, "mesh_remote_members", "Members elsewhere of rooms with members here.") \
    X(queued_bytes, "mesh_queued_bytes", "Bytes that wait to be sent or confirmed.")

typedef struct lm_mesh_stats {
#define LM_X(name, metric, help) uint64_t name;
    LM_MESH_COUNTERS(LM_X)
    LM_MESH_GAUGES(LM_X)
#undef LM_X
    struct {
#define LM_X(name) uint64_t name;
        LM_MESH_DROPS(LM_X)
#undef LM_X
    } drops;
    lm_histogram lag;        /* convergence: from a link's rise to the other node's list of rooms */
    lm_histogram round_trip; /* of pings, over all links */
} lm_mesh_stats;

/* Calls visit for each counter and gauge by its name, drops as "drop_<reason>", for reports. */
void lm_mesh_stats_visit(const lm_mesh_stats *stats,
                         void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx);

#endif
