/*
 * Counters of the relay. One list gives the fields and their names, so that whoever reports them cannot
 * forget one. Counters only grow; gauges go up and down.
 */
#ifndef LM_RELAY_RELAY_STATS_H
#define LM_RELAY_RELAY_STATS_H

#include <stdint.h>

#include "common/histogram.h"

/* What a client may ask for; the name is the value of `action`. */
#define LM_RELAY_ACTIONS(X) \
    X(hello)                \
    X(join)                 \
    X(leave)                \
    X(signal)               \
    X(nodes)                \
    X(turn)                 \
    X(ping)

/* Error replies, with the value of `code`. */
#define LM_RELAY_ERRORS(X)              \
    X(bad_json, "bad-json")             \
    X(bad_request, "bad-request")       \
    X(unknown_action, "unknown-action") \
    X(hello_first, "hello-first")       \
    X(version, "version")               \
    X(room_full, "room-full")           \
    X(too_many_rooms, "too-many-rooms") \
    X(not_in_room, "not-in-room")       \
    X(no_such_peer, "no-such-peer")     \
    X(too_large, "too-large")           \
    X(rate_limited, "rate-limited")     \
    X(turn_disabled, "turn-disabled")   \
    X(shutting_down, "shutting-down")

/* Each drop is one message, in or out, that led to nothing. */
#define LM_RELAY_DROPS(X)                                                            \
    X(closing)     /* came from a session that the relay has already closed */       \
    X(queue_full)  /* the target reads too slowly; its session is being closed */    \
    X(gone)        /* the target's session has ended, its end is still to be read */ \
    X(memory)      /* memory ran out */                                              \
    X(no_listener) /* from another node, for nobody who hears it here */             \
    X(too_large)   /* from another node, and with its escapes it fits no message */

/* Sessions that the relay itself closed. */
#define LM_RELAY_CLOSES(X)                                      \
    X(rate_limited)  /* went on past its message rate */        \
    X(replaced)      /* a newer session brought the same key */ \
    X(shutting_down) /* the relay is ending */                  \
    X(failed)        /* memory or randomness ran out for it */

/* Each with the name that it has as a metric (lumamesh_…, counters with _total), and what it counts. */
#define LM_RELAY_COUNTERS(X)                                                                                \
    X(messages_in, "messages_received", "Messages received on open channels.")                              \
    X(messages_out, "messages_sent", "Messages sent.")                                                      \
    X(signals_routed, "signals_routed", "Signals passed on from one peer to another.")                      \
    X(peers_resumed, "peers_resumed", "Peers that a new session took over, silent ones and replaced ones.") \
    X(peers_expired, "peers_expired", "Silent peers that nobody took over in time.")                        \
    X(places_lapsed, "places_lapsed", "Places in rooms that a resumed peer did not take again.")            \
    X(places_moved, "places_moved", "Places in rooms that moved to another node with their peer.")

#define LM_RELAY_GAUGES(X)                                                     \
    X(sessions, "sessions", "Sessions with an open channel.")                  \
    X(peers, "peers", "Peers that said hello, silent ones included.")          \
    X(peers_detached, "peers_detached", "Silent peers whose places are kept.") \
    X(rooms, "rooms", "Rooms with at least one member.")                       \
    X(members, "room_members", "Places in rooms that are taken, over all rooms.")

typedef struct lm_relay_stats {
#define LM_X(name, metric, help) uint64_t name;
    LM_RELAY_COUNTERS(LM_X)
    LM_RELAY_GAUGES(LM_X)
#undef LM_X
#define LM_X(name) uint64_t name;
    struct {
        LM_RELAY_ACTIONS(LM_X)
    } messages; /* received, by action */
    struct {
        LM_RELAY_DROPS(LM_X)
    } drops;
    struct {
        LM_RELAY_CLOSES(LM_X)
    } closes;
#undef LM_X
#define LM_X(name, code) uint64_t name;
    struct {
        LM_RELAY_ERRORS(LM_X)
    } errors; /* answered, by code */
#undef LM_X
    lm_histogram signal_time; /* of signals, from the datagrams coming in to the target's queue */
} lm_relay_stats;

/*
 * Calls visit for each counter and gauge by its name: "message_<action>", "error_<code>", "drop_<reason>",
 * "close_<reason>", the others by their own, for reports.
 */
void lm_relay_stats_visit(const lm_relay_stats *stats,
                          void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx);

#endif
