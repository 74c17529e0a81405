/* Any text as a message of a mesh link; what is read is walked through to its last item. */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/frame.h"
#include "mesh/messages.h"

#undef NDEBUG
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void walk(const lm_mesh_message *m)
{
    uint8_t bytes[32];
    const char *text, *other;
    uint64_t seq;
    const cJSON *item;
    cJSON_ArrayForEach(item, m->nodes) {
        assert((m->type == LM_MESH_TYPE_have ? lm_mesh_item_have(item, bytes, &seq)
                                             : lm_mesh_item_record(item, &text, &other)) == LM_OK);
    }
    cJSON_ArrayForEach(item, m->add) {
        assert((m->type == LM_MESH_TYPE_links   ? lm_mesh_item_nk(item, bytes)
                : m->type == LM_MESH_TYPE_rooms ? lm_mesh_item_room(item, bytes)
                                                : lm_mesh_item_member(item, bytes, &text)) == LM_OK);
    }
    cJSON_ArrayForEach(item, m->del) {
        assert((m->type == LM_MESH_TYPE_links   ? lm_mesh_item_nk(item, bytes)
                : m->type == LM_MESH_TYPE_rooms ? lm_mesh_item_room(item, bytes)
                                                : lm_mesh_item_peer(item, bytes)) == LM_OK);
    }
    assert((m->data == NULL) == (m->type != LM_MESH_TYPE_signal));
    assert(lm_mesh_type_name(m->type) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    lm_mesh_message m;
    if (lm_mesh_message_parse(&m, (const char *)data, len) == LM_OK) {
        walk(&m);
        lm_mesh_message_clear(&m);
    }
    return 0;
}
