/* DCEP messages. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/dcep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    lm_dcep_msg msg, again;
    if (lm_dcep_parse(&msg, data, len) != LM_OK || msg.type == LM_DCEP_ACK) {
        assert(len != 1 || data[0] != LM_DCEP_ACK || msg.type == LM_DCEP_ACK);
        return 0;
    }
    assert(msg.type == LM_DCEP_OPEN && len == 12 + msg.label_len + msg.protocol_len);
    assert(msg.label == (const char *)data + 12 && msg.protocol == msg.label + msg.label_len);

    char *label = strndup(msg.label, msg.label_len);
    uint8_t *buf = malloc(len);
    assert(label != NULL && buf != NULL);
    int written = lm_dcep_write_open(buf, len, label);
    assert(written == 12 + (int)strlen(label));
    assert(lm_dcep_parse(&again, buf, (size_t)written) == LM_OK);
    assert(again.label_len == strlen(label) && memcmp(again.label, label, again.label_len) == 0);
    free(buf);
    free(label);
    return 0;
}
