/*
 * Paths: the address pairs on which a session's client has passed an ICE check. A datagram that is not STUN
 * belongs to the session whose path it came by; there is no other way in.
 */
#ifndef LM_WEBRTC_PATH_H
#define LM_WEBRTC_PATH_H

#include "common/addr.h"
#include "common/clock.h"
#include "common/table.h"

struct lm_session;

/*
 * Paths that a session keeps; a browser has one for each interface and family. The one used longest ago goes
 * first.
 */
#define LM_SESSION_PATHS 8

/*
 * How long an address pair stays its session's after the last check on it, in ms: some three checks of a
 * browser.
 */
#define LM_PATH_KEPT 15000

/*
 * A nominated path without a check for this long, in ms, gives way to another one that has them: Firefox does
 * not nominate again when its address changes. Browsers check the path that they use every 2.7 to 6 s.
 */
#define LM_PATH_STALE 7000

typedef struct lm_path {
    struct { /* the key of the table: no padding in it */
        lm_addr remote;
        lm_addr local;
    } ends;
    struct lm_session *session;
    lm_ms checked;        /* when the last valid check came by it */
    struct lm_path *next; /* of the same session */
    UT_hash_handle hh;
} lm_path;

/* Paths of all sessions; zero-initialise. */
typedef struct lm_path_table {
    lm_path *head;
} lm_path_table;

/* The path between two addresses, NULL if no session has it. */
lm_path *lm_path_find(const lm_path_table *table, const lm_addr *remote, const lm_addr *local);

/* Adds a path; the caller has made sure that it is not there. NULL if memory ran out. */
lm_path *lm_path_add(lm_path_table *table, struct lm_session *session, const lm_addr *remote,
                     const lm_addr *local);

/* Takes the path out of the table and frees it; its session's list is the caller's. */
void lm_path_remove(lm_path_table *table, lm_path *path);

#endif
