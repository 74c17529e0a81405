/* The addresses of a node as its config and its record have them: the keys ip, ip6 and alt. */
#ifndef LM_MESH_NODE_ADDRESSES_H
#define LM_MESH_NODE_ADDRESSES_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "common/addr.h"
#include "mesh/node_config.h"

/*
 * Reads the three keys of an object into config->ip, ip6, alt and alt_count; what is absent becomes
 * LM_AF_NONE or 0. Returns how many addresses there are, which may be none. LM_EMALFORMED, with config
 * unchanged: a key that is there twice, a text that is no address of its family, alt with no address or more
 * than LM_NODE_ALT_MAX of them, or an address that is there twice, in whatever spelling.
 */
int lm_node_addresses_read(lm_node_config *config, const cJSON *json);

/* Adds alt to an object, unless the config has none. False if memory ran out. */
bool lm_node_addresses_add_alt(cJSON *json, const lm_node_config *config);

#endif
