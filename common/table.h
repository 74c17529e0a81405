/*
 * uthash with a keyed hash: many keys here are chosen by strangers (ufrags, room ids, addresses), who must
 * not be able to make them collide. Include this instead of uthash.h. Iteration is in the order of insertion,
 * as ever with uthash.
 */
#ifndef LM_COMMON_TABLE_H
#define LM_COMMON_TABLE_H

#include <stddef.h>

/* SipHash-2-4 under a key drawn at the first call of the process. */
unsigned lm_table_hash(const void *key, size_t len);

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = lm_table_hash((keyptr), (keylen)))
/* Out of memory is the caller's to handle: the element is then not in the table, and its hh.tbl is NULL. */
#define HASH_NONFATAL_OOM 1

#include <uthash.h>

#endif
