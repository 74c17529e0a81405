#include "test/soak/trail.h"

#include <string.h>

#define COMMON_HEADER_LEN 12
#define CHUNK_HEADER_LEN 4
#define CHUNK_DATA 0
#define CHUNK_SACK 3

static uint32_t read_uint(const uint8_t *bytes, unsigned count)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* --- what is written down --- */

void soak_trail_come(soak_trail *trail, lm_ms now, uint32_t serial)
{
    trail->sessions[trail->session_count++ % SOAK_TRAIL_SESSIONS] = (soak_trail_session){
        .serial = serial, .came = now, .greeted = LM_MS_NEVER, .welcome = LM_MS_NEVER, .went = LM_MS_NEVER};
    trail->packet_count = 0;
}

soak_trail_session *soak_trail_latest(soak_trail *trail)
{
    return &trail->sessions[(trail->session_count - 1) % SOAK_TRAIL_SESSIONS];
}

void soak_trail_go(soak_trail *trail, lm_ms now, const char *why)
{
    soak_trail_session *session = soak_trail_latest(trail);
    if (session->went != LM_MS_NEVER)
        return;
    session->went = now;
    session->why = why;
}

/* "data 17 sack 4 " and so on: chunks by their type, with the TSN of data and the one that a SACK stands at.
 */
static void describe(char *text, size_t size, const uint8_t *packet, size_t len)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t at = COMMON_HEADER_LEN; at + CHUNK_HEADER_LEN <= len && used < size;) {
        unsigned type = packet[at];
        size_t chunk = read_uint(packet + at + 2, 2);
        bool has_tsn = (type == CHUNK_DATA || type == CHUNK_SACK) && at + 8 <= len;
        int n = has_tsn ? snprintf(text + used, size - used, "%s %u ", type == CHUNK_DATA ? "data" : "sack",
                                   (unsigned)read_uint(packet + at + 4, 4))
                        : snprintf(text + used, size - used, "chunk-%u ", type);
        used += (size_t)n;
        at += chunk < CHUNK_HEADER_LEN ? len : (chunk + 3) / 4 * 4;
    }
}

void soak_trail_packet_add(soak_trail *trail, lm_ms now, bool sent, const uint8_t *packet, size_t len)
{
    soak_trail_packet *p = &trail->packets[trail->packet_count++ % SOAK_TRAIL_PACKETS];
    p->at = now;
    p->sent = sent;
    p->len = len;
    describe(p->chunks, sizeof p->chunks, packet, len);
}

/* --- what is said --- */

/* How many of a ring's entries there are. */
static unsigned kept(unsigned count, unsigned size)
{
    return count < size ? count : size;
}

const soak_trail_session *soak_trail_find(const soak_trail *trail, const char *id)
{
    const soak_trail_session *found = NULL;
    for (unsigned i = kept(trail->session_count, SOAK_TRAIL_SESSIONS); i > 0; i--) {
        const soak_trail_session *s = &trail->sessions[(trail->session_count - i) % SOAK_TRAIL_SESSIONS];
        if (strcmp(s->id, id) == 0)
            found = s;
    }
    return found;
}

static void print_time(FILE *out, lm_ms now, const char *what, lm_ms at)
{
    if (at == LM_MS_NEVER)
        fprintf(out, ", not %s", what);
    else
        fprintf(out, ", %s %llu ms ago", what, (unsigned long long)(now - at));
}

void soak_trail_print_session(FILE *out, lm_ms now, const soak_trail_session *s)
{
    char address[LM_ADDR_STRLEN];
    fprintf(out, "soak:   session %u, id %s, last at %s", (unsigned)s->serial, s->id[0] ? s->id : "unknown",
            lm_addr_format(&s->address, address));
    print_time(out, now, "came", s->came);
    print_time(out, now, "greeted", s->greeted);
    print_time(out, now, "welcome", s->welcome);
    print_time(out, now, "gone", s->went);
    fprintf(out, "%s%s\n", s->why != NULL ? ": " : "", s->why != NULL ? s->why : "");
}

void soak_trail_print_packets(FILE *out, lm_ms now, const soak_trail *trail)
{
    unsigned count = kept(trail->packet_count, SOAK_TRAIL_PACKETS);
    fprintf(out, "soak:   the last %u of its %u SCTP packets:\n", count, trail->packet_count);
    for (unsigned i = count; i > 0; i--) {
        const soak_trail_packet *p = &trail->packets[(trail->packet_count - i) % SOAK_TRAIL_PACKETS];
        fprintf(out, "soak:     %7llu ms ago %s %4zu bytes: %s\n", (unsigned long long)(now - p->at),
                p->sent ? "sent" : "had ", p->len, p->chunks);
    }
}
