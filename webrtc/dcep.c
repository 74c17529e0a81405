#include "webrtc/dcep.h"

#include <string.h>

#include "common/bytes.h"
#include "common/error.h"

int lm_dcep_parse(lm_dcep_msg *msg, const uint8_t *data, size_t len)
{
    lm_reader r = lm_reader_init(data, len);
    lm_dcep_msg m = {0};
    uint8_t type = lm_read_u8(&r);

    if (type == LM_DCEP_ACK && len == LM_DCEP_ACK_LEN) {
        m.type = LM_DCEP_ACK;
        *msg = m;
        return LM_OK;
    }
    m.type = LM_DCEP_OPEN;
    m.channel_type = lm_read_u8(&r);
    m.priority = lm_read_u16(&r);
    m.reliability = lm_read_u32(&r);
    m.label_len = lm_read_u16(&r);
    m.protocol_len = lm_read_u16(&r);
    m.label = (const char *)lm_read_bytes(&r, m.label_len);
    m.protocol = (const char *)lm_read_bytes(&r, m.protocol_len);
    if (type != LM_DCEP_OPEN || r.failed || lm_reader_left(&r) != 0)
        return LM_EMALFORMED;
    *msg = m;
    return LM_OK;
}

int lm_dcep_write_open(uint8_t *buf, size_t cap, const char *label)
{
    size_t label_len = strlen(label);
    lm_writer w = lm_writer_init(buf, cap);
    lm_write_u8(&w, LM_DCEP_OPEN);
    lm_write_u8(&w, LM_DCEP_RELIABLE);
    lm_write_u16(&w, 0);
    lm_write_u32(&w, 0);
    lm_write_u16(&w, (uint16_t)label_len);
    lm_write_u16(&w, 0);
    lm_write_bytes(&w, label, label_len);
    return w.failed || label_len > UINT16_MAX ? LM_ETOOBIG : (int)w.len;
}
