#include "test/support/node.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

void test_node(lm_node_config *node, uint8_t seed[32])
{
    uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
    *node = (lm_node_config){.port = 3478, .ufrag = "luma", .pwd = "00112233445566778899aabbccddeeff"};
    if (lm_addr_parse_ip(&node->ip, "203.0.113.10", 0) != LM_OK)
        abort();
    for (size_t i = 0; i < LM_FINGERPRINT_LEN; i++)
        node->fingerprint[i] = (uint8_t)i;
    memset(seed, 7, 32);
    crypto_sign_seed_keypair(node->nk, secret_key, seed);
}
