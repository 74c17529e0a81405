/* Users of a TURN server, by name, while they have allocations: what the quota of each is counted by. */
#ifndef LM_WEBRTC_TURN_USERS_H
#define LM_WEBRTC_TURN_USERS_H

#include <stddef.h>
#include <stdint.h>

/* A table; NULL when empty, and so after the last allocation has ended. */
typedef struct lm_turn_user lm_turn_user;

/* Allocations of the user of this name. */
uint32_t lm_turn_users_count(lm_turn_user *users, const uint8_t *name, size_t len);

/* Counts one more; the user belongs to the table. NULL: no memory. */
lm_turn_user *lm_turn_users_add(lm_turn_user **users, const uint8_t *name, size_t len);

/* Counts one less; frees who has none left. */
void lm_turn_users_remove(lm_turn_user **users, lm_turn_user *user);

#endif
