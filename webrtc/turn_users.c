#include "webrtc/turn_users.h"

#include <stdlib.h>
#include <string.h>

#include "common/table.h"

struct lm_turn_user {
    uint32_t allocations;
    UT_hash_handle hh;
    uint8_t name[];
};

uint32_t lm_turn_users_count(lm_turn_user *users, const uint8_t *name, size_t len)
{
    lm_turn_user *user;
    HASH_FIND(hh, users, name, len, user);
    return user == NULL ? 0 : user->allocations;
}

lm_turn_user *lm_turn_users_add(lm_turn_user **users, const uint8_t *name, size_t len)
{
    lm_turn_user *user;
    HASH_FIND(hh, *users, name, len, user);
    if (user == NULL) {
        user = calloc(1, sizeof *user + len);
        if (user == NULL)
            return NULL;
        memcpy(user->name, name, len);
        HASH_ADD_KEYPTR(hh, *users, user->name, len, user);
        if (user->hh.tbl == NULL) {
            free(user);
            return NULL;
        }
    }
    user->allocations++;
    return user;
}

void lm_turn_users_remove(lm_turn_user **users, lm_turn_user *user)
{
    if (--user->allocations > 0)
        return;
    HASH_DELETE(hh, *users, user);
    free(user);
}
