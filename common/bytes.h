/*
 * Bounded reader and writer for wire formats, in network byte order. A read or write past the end sets
 * `failed`, gives zeros or drops the bytes, and leaves the position; so a parser reads a whole structure and
 * checks once.
 */
#ifndef LM_COMMON_BYTES_H
#define LM_COMMON_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct lm_reader {
    const uint8_t *pos;
    const uint8_t *end;
    bool failed;
} lm_reader;

static inline lm_reader lm_reader_init(const void *data, size_t len)
{
    const uint8_t *start = (const uint8_t *)data;
    return (lm_reader){.pos = start, .end = len ? start + len : start, .failed = false};
}

static inline size_t lm_reader_left(const lm_reader *r)
{
    return (size_t)(r->end - r->pos);
}

/* The next len bytes, borrowed from the input; NULL and `failed` if there are fewer. */
static inline const uint8_t *lm_read_bytes(lm_reader *r, size_t len)
{
    if (lm_reader_left(r) < len) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *start = r->pos;
    if (len > 0) /* nothing may be added to the NULL of an empty input */
        r->pos += len;
    return start;
}

/* An unsigned integer of len bytes, 1 to 8. */
static inline uint64_t lm_read_uint(lm_reader *r, size_t len)
{
    const uint8_t *p = lm_read_bytes(r, len);
    uint64_t value = 0;
    for (size_t i = 0; p != NULL && i < len; i++)
        value = value << 8 | p[i];
    return value;
}

static inline uint8_t lm_read_u8(lm_reader *r)
{
    return (uint8_t)lm_read_uint(r, 1);
}

static inline uint16_t lm_read_u16(lm_reader *r)
{
    return (uint16_t)lm_read_uint(r, 2);
}

static inline uint32_t lm_read_u24(lm_reader *r)
{
    return (uint32_t)lm_read_uint(r, 3);
}

static inline uint32_t lm_read_u32(lm_reader *r)
{
    return (uint32_t)lm_read_uint(r, 4);
}

static inline uint64_t lm_read_u64(lm_reader *r)
{
    return lm_read_uint(r, 8);
}

typedef struct lm_writer {
    uint8_t *start;
    size_t cap;
    size_t len; /* bytes written */
    bool failed;
} lm_writer;

static inline lm_writer lm_writer_init(void *buf, size_t cap)
{
    return (lm_writer){.start = (uint8_t *)buf, .cap = cap, .len = 0, .failed = false};
}

/* Room for len bytes, to be filled by the caller; NULL and `failed` if they do not fit. */
static inline uint8_t *lm_write_reserve(lm_writer *w, size_t len)
{
    if (w->cap - w->len < len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *p = w->start == NULL ? NULL : w->start + w->len;
    w->len += len;
    return p;
}

static inline void lm_write_bytes(lm_writer *w, const void *data, size_t len)
{
    uint8_t *p = lm_write_reserve(w, len);
    if (p != NULL && len > 0)
        memcpy(p, data, len);
}

/* An unsigned integer in len bytes, 1 to 8. */
static inline void lm_write_uint(lm_writer *w, uint64_t value, size_t len)
{
    uint8_t *p = lm_write_reserve(w, len);
    for (size_t i = 0; p != NULL && i < len; i++)
        p[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

static inline void lm_write_u8(lm_writer *w, uint8_t value)
{
    lm_write_uint(w, value, 1);
}

static inline void lm_write_u16(lm_writer *w, uint16_t value)
{
    lm_write_uint(w, value, 2);
}

static inline void lm_write_u24(lm_writer *w, uint32_t value)
{
    lm_write_uint(w, value, 3);
}

static inline void lm_write_u32(lm_writer *w, uint32_t value)
{
    lm_write_uint(w, value, 4);
}

static inline void lm_write_u64(lm_writer *w, uint64_t value)
{
    lm_write_uint(w, value, 8);
}

#endif
