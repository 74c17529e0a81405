#include "webrtc/path.h"

#include <stdlib.h>

lm_path *lm_path_find(const lm_path_table *table, const lm_addr *remote, const lm_addr *local)
{
    lm_path *path, key = {.ends = {.remote = *remote, .local = *local}};
    HASH_FIND(hh, table->head, &key.ends, sizeof key.ends, path);
    return path;
}

lm_path *lm_path_add(lm_path_table *table, struct lm_session *session, const lm_addr *remote,
                     const lm_addr *local)
{
    lm_path *path = calloc(1, sizeof *path);
    if (path == NULL)
        return NULL;
    path->ends.remote = *remote;
    path->ends.local = *local;
    path->session = session;
    HASH_ADD(hh, table->head, ends, sizeof path->ends, path);
    if (path->hh.tbl == NULL) {
        free(path);
        return NULL;
    }
    return path;
}

void lm_path_remove(lm_path_table *table, lm_path *path)
{
    HASH_DELETE(hh, table->head, path);
    free(path);
}
