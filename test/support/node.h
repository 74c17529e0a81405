/* A node with a fixed config and key, for golden texts and signatures. */
#ifndef LM_TEST_NODE_H
#define LM_TEST_NODE_H

#include <stdint.h>

#include "mesh/node_config.h"

/* 203.0.113.10:3478, ufrag "luma", fingerprint 00:01:…:1F; the seed is 32 times 0x07, nk belongs to it. */
void test_node(lm_node_config *node, uint8_t seed[32]);

#endif
