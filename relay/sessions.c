#include "relay/sessions.h"

#include <stdlib.h>

lm_relay_session *lm_sessions_find(const lm_sessions *sessions, lm_session_id id)
{
    lm_relay_session *session;
    HASH_FIND(hh, sessions->table, &id, sizeof id, session);
    return session;
}

lm_relay_session *lm_sessions_add(lm_sessions *sessions, lm_session_id id, uint32_t burst, lm_ms now)
{
    lm_relay_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->id = id;
    lm_token_bucket_init(&session->bucket, burst, now);
    HASH_ADD(hh, sessions->table, id, sizeof id, session);
    if (session->hh.tbl == NULL) {
        free(session);
        return NULL;
    }
    sessions->stats->sessions++;
    return session;
}

void lm_sessions_remove(lm_sessions *sessions, lm_relay_session *session)
{
    HASH_DEL(sessions->table, session);
    free(session);
    sessions->stats->sessions--;
}

void lm_sessions_clear(lm_sessions *sessions)
{
    lm_relay_session *session, *next;
    HASH_ITER(hh, sessions->table, session, next) {
        lm_sessions_remove(sessions, session);
    }
}
