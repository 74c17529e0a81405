/* A client that has a session in a world of its own, and what was heard of it. */
#ifndef LM_TEST_SUPPORT_ONE_SESSION_H
#define LM_TEST_SUPPORT_ONE_SESSION_H

#include <stdbool.h>

#include "test/support/world.h"

typedef struct one_session {
    lm_session_id session; /* the last that opened */
    unsigned opened, messages, closed;
    lm_close_reason reason;   /* of the last that closed */
    unsigned client_messages; /* that the relay sent */
} one_session;

/*
 * A new world, which the caller destroys, with an open session of *c, which is the world's. The record must
 * outlive it. Asserts that it opens within 5 s; fills in who is told of events.
 */
test_world *one_session_open(one_session *r, test_world_config config, test_client_config client,
                             test_client **c);

/* For a further client of the same world: its `message`, with a record as `user`. */
void one_session_heard(void *user, test_client *client, const char *data, size_t len);

const lm_webrtc_stats *one_session_stats(test_world *w);

/* True when the relay would send to the session at this address. */
bool one_session_sends_to(test_world *w, const one_session *r, const lm_addr *remote);

#endif
