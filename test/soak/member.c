#include "test/soak/member.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/support/seeded.h"

#define SIGNAL_MAX 24576

static uint32_t serials;

static void fault(soak_member *m, const char *what, const char *text)
{
    m->totals->faults++;
    if (m->totals->faults <= 20)
        fprintf(stderr, "soak: member %u, session %u: %s: %.80s\n", m->number, (unsigned)m->serial, what,
                text);
}

static bool send_text(soak_member *m, lm_ms now, const char *text)
{
    return test_client_send(m->client, now, text, strlen(text));
}

static const char *field(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, name));
    return text != NULL ? text : "";
}

/* --- who is where --- */

static soak_peer *find_peer(soak_room *room, const char *id)
{
    for (unsigned i = 0; i < room->peer_count; i++)
        if (strcmp(room->peers[i].id, id) == 0)
            return &room->peers[i];
    return NULL;
}

/* A place for one more; that of somebody who has gone if there is no other. */
static soak_peer *new_peer(soak_room *room)
{
    if (room->peer_count < SOAK_ROOM_PEERS)
        return &room->peers[room->peer_count++];
    for (unsigned i = 0; i < room->peer_count; i++)
        if (!room->peers[i].here)
            return &room->peers[i];
    return NULL;
}

static void add_peer(soak_member *m, soak_room *room, const cJSON *peer, bool was_there)
{
    const char *id = field(peer, "id");
    soak_peer *p = find_peer(room, id);
    if (p != NULL && p->here) {
        fault(m, "a peer comes twice", id);
        return;
    }
    uint32_t sent = p != NULL ? p->sent : 0;
    if ((p == NULL && (p = new_peer(room)) == NULL) || strlen(id) >= SOAK_ID_SIZE) {
        fault(m, "a peer has no place", id);
        return;
    }
    *p = (soak_peer){
        .here = true, .was_there = was_there, .sent = sent, .since = *m->now, .sent_at = LM_MS_NEVER};
    strcpy(p->id, id);
}

static void on_joined(soak_member *m, soak_room *room, const cJSON *json)
{
    const cJSON *peer;
    cJSON_ArrayForEach(peer, cJSON_GetObjectItem(json, "peers")) {
        add_peer(m, room, peer, true);
    }
    room->in = room->in || !cJSON_IsTrue(cJSON_GetObjectItem(json, "more"));
}

static void on_peer_left(soak_member *m, soak_room *room, const char *id)
{
    soak_peer *peer = find_peer(room, id);
    if (peer == NULL || !peer->here)
        fault(m, "a peer leaves who was not there", id);
    else
        peer->here = false; /* a signal to it may be under way while it comes back: its number is kept */
}

static void on_signal(soak_member *m, soak_room *room, const cJSON *json)
{
    const char *data = field(json, "data");
    unsigned serial, number, marker;
    soak_peer *peer = find_peer(room, field(json, "from"));
    if (sscanf(data, "%u %u %u", &serial, &number, &marker) != 3) {
        fault(m, "a signal is not what was sent", data);
        return;
    }
    m->totals->signals_heard++;
    if (!room->in) /* came back within its time, and has not joined again yet: its place was kept */
        return;
    if (peer == NULL || !peer->here) {
        fault(m, "a signal of one who is not there", data);
        return;
    }
    if (peer->serial != serial) { /* a session of it that was not heard from yet */
        bool first = peer->serial == 0 && peer->was_there;
        if (number != 0 && !first)
            fault(m, "the first signal is missing", data);
    } else if (number != peer->next) {
        fault(m, number < peer->next ? "a signal came twice or late" : "a signal is missing", data);
    }
    peer->serial = serial;
    peer->next = number + 1;
    peer->marker = marker;
    m->totals->markers_heard += marker != 0;
}

static void on_error(soak_member *m, const cJSON *json, const char *text)
{
    if (strcmp(field(json, "code"), "no-such-peer") == 0)
        m->totals->gone_peers++;
    else if (strcmp(field(json, "code"), "shutting-down") != 0)
        fault(m, "an error", text);
}

static void on_message(void *user, test_client *client, const char *data, size_t len)
{
    soak_member *m = user;
    cJSON *json = cJSON_ParseWithLength(data, len);
    (void)client;
    const char *action = field(json, "action");
    unsigned number = (unsigned)strtoul(field(json, "room"), NULL, 16);
    soak_room *room = &m->rooms[number % SOAK_ROOMS];
    if (strcmp(action, "welcome") == 0) {
        snprintf(m->id, sizeof m->id, "%s", field(json, "id"));
        m->welcome = true;
        soak_trail_session *session = soak_trail_latest(&m->trail);
        session->welcome = *m->now;
        memcpy(session->id, m->id, sizeof session->id);
    } else if (strcmp(action, "joined") == 0) {
        on_joined(m, room, json);
    } else if (strcmp(action, "peer-joined") == 0) {
        if (room->in)
            add_peer(m, room, cJSON_GetObjectItem(json, "peer"), false);
    } else if (strcmp(action, "peer-left") == 0) {
        if (room->in)
            on_peer_left(m, room, field(json, "id"));
    } else if (strcmp(action, "signal") == 0) {
        on_signal(m, room, json);
    } else if (strcmp(action, "error") == 0) {
        on_error(m, json, data);
    } else if (strcmp(action, "left") != 0) {
        fault(m, "an unknown message", action);
    }
    cJSON_Delete(json);
}

/* --- what it does --- */

static void on_packet(void *user, bool sent, const uint8_t *data, size_t len)
{
    soak_member *m = user;
    soak_trail_packet_add(&m->trail, *m->now, sent, data, len);
}

void soak_member_come(soak_member *m, const test_client_config *given)
{
    test_client_config config = *given;
    m->serial = ++serials;
    m->greeted = m->welcome = false;
    snprintf(m->ufrag, sizeof m->ufrag, "s%u", (unsigned)m->serial);
    config.ufrag = m->ufrag;
    config.local = m->address;
    config.message = on_message;
    config.packet = on_packet;
    config.user = m;
    m->client = test_client_create(&config);
    m->totals->sessions++;
    soak_trail_come(&m->trail, *m->now, m->serial);
    soak_trail_latest(&m->trail)->address = m->address;
}

void soak_member_forget(soak_member *m, const char *why)
{
    soak_trail_go(&m->trail, *m->now, why);
    test_client_destroy(m->client);
    m->client = NULL;
    for (unsigned i = 0; i < SOAK_ROOMS; i++) {
        m->rooms[i].in = false;
        m->rooms[i].peer_count = 0;
    }
}

static void join(soak_member *m, lm_ms now, unsigned room)
{
    char text[160];
    snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"%064x\",\"info\":\"member %u\"}", room,
             m->number);
    send_text(m, now, text);
}

static void greet(soak_member *m, lm_ms now)
{
    char text[256], key[64];
    sodium_bin2base64(key, sizeof key, m->key, sizeof m->key, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    snprintf(text, sizeof text, "{\"action\":\"hello\",\"v\":1,\"nonce\":\"%s\",\"key\":\"%s\"}", key, key);
    m->greeted = send_text(m, now, text);
    soak_trail_latest(&m->trail)->greeted = now;
    for (unsigned i = 0; i < SOAK_ROOMS; i++)
        if (m->rooms[i].wanted)
            join(m, now, i);
    m->totals->opened++;
}

bool soak_member_step(soak_member *m, lm_ms now)
{
    if (m->client == NULL)
        return false;
    if (test_client_get_state(m->client) == TEST_CLIENT_CLOSED) {
        m->totals->refused += test_client_error(m->client) != 0;
        return false;
    }
    if (test_client_get_state(m->client) == TEST_CLIENT_OPEN && !m->greeted)
        greet(m, now);
    return true;
}

void soak_member_toggle(soak_member *m, lm_ms now, unsigned number)
{
    char text[160];
    soak_room *room = &m->rooms[number];
    if (!m->welcome || room->wanted != room->in)
        return; /* on its way in */
    room->wanted = !room->wanted;
    if (room->wanted) {
        join(m, now, number);
        return;
    }
    snprintf(text, sizeof text, "{\"action\":\"leave\",\"room\":\"%064x\"}", number);
    if (!send_text(m, now, text)) {
        room->wanted = true;
        return;
    }
    room->in = false;
    room->peer_count = 0;
}

static bool signal_to(soak_member *m, lm_ms now, unsigned room, soak_peer *peer, uint32_t marker,
                      unsigned padding)
{
    static char text[SIGNAL_MAX + 512];
    int len = snprintf(text, sizeof text,
                       "{\"action\":\"signal\",\"room\":\"%064x\",\"to\":\"%s\",\"data\":\"%u %u %u ", room,
                       peer->id, (unsigned)m->serial, (unsigned)peer->sent, (unsigned)marker);
    memset(text + len, 'x', padding);
    strcpy(text + len + padding, "\"}");
    if (!send_text(m, now, text))
        return false;
    peer->sent++;
    peer->sent_at = now;
    m->totals->signals_sent++;
    return true;
}

bool soak_member_signal(soak_member *m, lm_ms now, unsigned padding)
{
    unsigned start = seeded_draw(m->random, SOAK_ROOMS);
    for (unsigned i = 0; i < SOAK_ROOMS; i++) {
        unsigned number = (start + i) % SOAK_ROOMS;
        soak_room *room = &m->rooms[number];
        if (!room->in || room->peer_count == 0)
            continue;
        soak_peer *peer = &room->peers[seeded_draw(m->random, room->peer_count)];
        if (!peer->here)
            continue;
        signal_to(m, now, number, peer, 0, padding < SIGNAL_MAX ? padding : SIGNAL_MAX);
        return true;
    }
    return false;
}

static void mark_peer(soak_member *m, lm_ms now, unsigned room, soak_peer *peer, uint32_t marker)
{
    if (peer->here && peer->marked != marker && signal_to(m, now, room, peer, marker, 0))
        peer->marked = marker;
}

void soak_member_mark(soak_member *m, lm_ms now, uint32_t marker)
{
    for (unsigned i = 0; i < SOAK_ROOMS; i++)
        for (unsigned p = 0; m->rooms[i].in && p < m->rooms[i].peer_count; p++)
            mark_peer(m, now, i, &m->rooms[i].peers[p], marker);
}

bool soak_member_is_settled(const soak_member *m)
{
    if (m->client == NULL || !m->welcome)
        return false;
    for (unsigned i = 0; i < SOAK_ROOMS; i++)
        if (m->rooms[i].wanted != m->rooms[i].in)
            return false;
    return true;
}

bool soak_member_is_whole(const soak_member *m, uint32_t marker)
{
    if (!soak_member_is_settled(m))
        return false;
    for (unsigned i = 0; i < SOAK_ROOMS; i++) {
        const soak_room *room = &m->rooms[i];
        for (unsigned p = 0; p < room->peer_count; p++)
            if (room->peers[p].here && room->peers[p].marker != marker)
                return false;
    }
    return true;
}

void soak_member_check_whole(soak_member *m, uint32_t marker)
{
    if (soak_member_is_whole(m, marker))
        return;
    if (m->client == NULL || !m->welcome)
        fault(m, "it was not welcomed", m->client == NULL ? "away" : "waiting");
    for (unsigned i = 0; i < SOAK_ROOMS; i++) {
        const soak_room *room = &m->rooms[i];
        char text[160];
        if (room->wanted != room->in) {
            snprintf(text, sizeof text, "%u", i);
            fault(m, "it is not in a room that it wants, or in one that it does not", text);
        }
        for (unsigned p = 0; p < room->peer_count; p++) {
            const soak_peer *peer = &room->peers[p];
            if (!peer->here || peer->marker == marker)
                continue;
            snprintf(text, sizeof text, "%s, session %u, room %u, next signal %u", peer->id,
                     (unsigned)peer->serial, i, (unsigned)peer->next);
            fault(m, "it has not heard the last of a peer that it sees", text);
        }
    }
}

const soak_peer *soak_member_missing(const soak_member *m, uint32_t marker, unsigned number, unsigned *room)
{
    for (unsigned i = 0; i < SOAK_ROOMS; i++)
        for (unsigned p = 0; p < m->rooms[i].peer_count; p++) {
            const soak_peer *peer = &m->rooms[i].peers[p];
            if (!peer->here || peer->marker == marker || number-- > 0)
                continue;
            *room = i;
            return peer;
        }
    return NULL;
}

/* --- for who looks for a fault --- */

static void explain_peer(const soak_member *m, FILE *out, const soak_room *room, const char *peer_id)
{
    const soak_peer *peer = NULL;
    for (unsigned i = 0; i < room->peer_count; i++)
        if (strcmp(room->peers[i].id, peer_id) == 0)
            peer = &room->peers[i];
    if (peer == NULL) {
        fprintf(out, "soak:   it has not seen %s there\n", peer_id);
        return;
    }
    fprintf(out, "soak:   %s %s, %s %llu ms ago; %u signals sent to it, the last ", peer_id,
            peer->here ? "is there" : "has left", peer->was_there ? "was there when it came" : "came",
            (unsigned long long)(*m->now - peer->since), (unsigned)peer->sent);
    if (peer->sent_at != LM_MS_NEVER)
        fprintf(out, "%llu ms ago", (unsigned long long)(*m->now - peer->sent_at));
    else
        fprintf(out, "never since then");
    fprintf(out, ", marker %u; %u heard of its session %u, marker %u\n", (unsigned)peer->marked,
            (unsigned)peer->next, (unsigned)peer->serial, (unsigned)peer->marker);
}

void soak_member_explain(const soak_member *m, FILE *out, unsigned number, const char *peer_id)
{
    static const char *const states[] = {"checking", "handshaking", "connecting", "open", "closed"};
    const soak_room *room = &m->rooms[number];
    fprintf(out, "soak: member %u, session %u, %s, %s; room %u: %s, %s\n", m->number, (unsigned)m->serial,
            m->client != NULL ? states[test_client_get_state(m->client)] : "away", m->id, number,
            room->wanted ? "wanted" : "not wanted", room->in ? "in" : "not in");
    explain_peer(m, out, room, peer_id);
    for (unsigned i = 0; i < SOAK_TRAIL_SESSIONS; i++)
        if (m->trail.sessions[i].serial != 0)
            soak_trail_print_session(out, *m->now, &m->trail.sessions[i]);
    soak_trail_print_packets(out, *m->now, &m->trail);
}
