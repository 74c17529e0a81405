#include "common/table.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

unsigned lm_table_hash(const void *key, size_t len)
{
    static unsigned char secret[crypto_shorthash_KEYBYTES];
    static bool drawn;
    unsigned char hash[crypto_shorthash_BYTES];
    unsigned value;
    if (!drawn) {
        randombytes_buf(secret, sizeof secret);
        drawn = true;
    }
    crypto_shorthash(hash, key, len, secret);
    memcpy(&value, hash, sizeof value);
    return value;
}
