/* What happens, and when: a heap, where what was pushed first of two at the same time comes first. */
#ifndef LM_SIM_EVENTS_H
#define LM_SIM_EVENTS_H

#include "test/sim/world.h"

typedef enum event_kind {
    EVENT_TIMER,   /* a node's */
    EVENT_CONNECT, /* what a node dials answers, or not */
    EVENT_CHUNK,   /* bytes arrive */
    EVENT_SILENT,  /* a session that was left behind counts as silent */
    EVENT_GHOST    /* and is closed */
} event_kind;

struct sim_event {
    lm_ms at;
    uint64_t order;
    event_kind kind;
    unsigned node, life; /* the node's; nothing happens in another life */
    unsigned side;       /* of conn */
    unsigned browser;    /* EVENT_CONNECT: the node that is dialled */
    lm_link_id link;
    sim_conn *conn;
};

void sim_push(sim_world *w, struct sim_event event);

/* Takes the next one, of one or more. */
struct sim_event sim_pop(sim_world *w);

#endif
