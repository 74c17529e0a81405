#include "mesh/links.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/conversation.h"
#include "mesh/dialer.h"
#include "mesh/gossip.h"
#include "mesh/nodes.h"

#define CONNECT_TIME 3000   /* ms for TCP: a network that heals is tried often enough */
#define HANDSHAKE_TIME 5000 /* ms from the connection to the other side's hello */
#define PING_TIME 5000
#define SILENT_TIME 15000
#define GUEST_TIME 3000           /* ms in which a node has learned of the others */
#define MISSED_TIME 7000          /* without a byte: a ping and its answer have been missed */
#define OUT_MAX (8 * 1024 * 1024) /* bytes that wait for a link, then it is closed */
_Static_assert(2 * OUT_MAX + OUT_MAX <= LM_MESH_BUFFER_BYTES, "what lm_mesh_memory() counts");
_Static_assert(sizeof(lm_mesh_link) + LM_MESH_NEIGHBOURS_MAX * 2 * sizeof(void *) + 1024 <=
                   LM_MESH_LINK_BYTES,
               "likewise");
#define OUT_SOFT (256 * 1024) /* bytes, then messages that may wait do */
#define TURN_SHARE 2          /* the part of the rate of frames that such messages may take, inverse */
#define RATE_BURST 4          /* seconds of frames */
#define SALT_LOG_INTERVAL (60 * 1000)

static void arm(lm_mesh *mesh, lm_mesh_link *link)
{
    lm_ms at = link->since + (link->state == LM_LINK_CONNECTING ? CONNECT_TIME : HANDSHAKE_TIME);
    if (link->state == LM_LINK_UP)
        at = lm_ms_min(lm_ms_min(link->ping_at, link->digest_at), link->heard + SILENT_TIME);
    (void)lm_deadlines_set(&mesh->link_deadlines, &link->deadline, at); /* reserved by lm_links_add() */
}

lm_mesh_link *lm_links_add(lm_mesh *mesh, lm_ms now, lm_dial *dial, const lm_addr *addr)
{
    lm_mesh_link *link;
    if (mesh->link_count - mesh->stats.links >= LM_MESH_PENDING_MAX) {
        mesh->stats.drops.link_limit++;
        return NULL;
    }
    if (lm_deadlines_reserve(&mesh->link_deadlines, mesh->link_count + 1) != LM_OK ||
        (link = calloc(1, sizeof *link)) == NULL) {
        mesh->stats.drops.memory++;
        return NULL;
    }
    *link = (lm_mesh_link){.id = mesh->last_link + 1,
                           .state = LM_LINK_CONNECTING,
                           .dialled = dial != NULL,
                           .dial = dial,
                           .since = now,
                           .round_trip = LM_MS_NEVER};
    link->deadline.owner = link;
    if (addr != NULL)
        link->addr = *addr;
    HASH_ADD(hh, mesh->links, id, sizeof link->id, link);
    if (link->hh.tbl == NULL) {
        free(link);
        mesh->stats.drops.memory++;
        return NULL;
    }
    mesh->last_link++;
    mesh->link_count++;
    mesh->dialling += link->dialled;
    arm(mesh, link);
    return link;
}

lm_mesh_link *lm_links_find(const lm_mesh *mesh, lm_link_id id)
{
    lm_mesh_link *link;
    HASH_FIND(hh, mesh->links, &id, sizeof id, link);
    return link;
}

void lm_links_mark_ready(lm_mesh *mesh, lm_mesh_link *link)
{
    if (link->ready || !lm_noise_stream_pending(&link->stream))
        return;
    link->ready = true;
    DL_APPEND2(mesh->ready, link, ready_prev, ready_next);
}

void lm_links_begin(lm_mesh *mesh, lm_ms now, lm_mesh_link *link)
{
    uint32_t rate = mesh->limits.frame_rate;
    if (link->state != LM_LINK_CONNECTING)
        return;
    link->state = LM_LINK_HANDSHAKING;
    link->since = link->heard = now;
    lm_token_bucket_init(&link->frames, rate * RATE_BURST, now);
    lm_token_bucket_init(&link->turns, rate / TURN_SHARE * RATE_BURST, now);
    lm_token_bucket_init(&link->records, mesh->limits.nodes_max, now);
    arm(mesh, link);
    if (lm_noise_stream_init(&link->stream, &mesh->keys, link->dialled, &mesh->random) != LM_OK) {
        mesh->stats.drops.memory++;
        lm_links_close(mesh, now, link, true);
        return;
    }
    lm_links_mark_ready(mesh, link);
}

/*
 * Bytes of the end of a link that still go to the network: the hello above all, so that the other side, to
 * whom an end without a word means another salt, knows better. One for which more waits does not read.
 */
#define LAST_WORDS_MAX LM_NOISE_PAYLOAD_MAX

static bool has_last_words(const lm_mesh_link *link)
{
    return link->stream.open && link->stream.out.len > 0 && link->stream.out.len <= LAST_WORDS_MAX &&
           link->in_flight < LM_MESH_IN_FLIGHT_MAX;
}

/*
 * The dialling side knows of another salt by the other side's end of the link before it has said anything. A
 * node that ends at just that moment looks the same, so once is not enough.
 */
#define UNHEARD_MIN 2

/* Counts and logs that a handshake failed, and whether it looks like another salt. */
static void note_failure(lm_mesh *mesh, lm_ms now, const lm_mesh_link *link, bool salt)
{
    char text[LM_ADDR_STRLEN];
    if (!salt) {
        mesh->stats.drops.handshake++;
        return;
    }
    mesh->stats.drops.salt++;
    bool first = link->dial != NULL ? !link->dial->salt_logged
                                    : lm_log_allow(&mesh->salt_log, now, SALT_LOG_INTERVAL, NULL);
    if (link->dial != NULL)
        link->dial->salt_logged = true;
    if (first)
        LM_LOGW(mesh->log, "mesh: no common key with %s %s: MESH_SALT differs?",
                link->dialled ? "the node dialled at" : "a node from",
                link->dial != NULL ? link->dial->host_port : lm_log_address(mesh->log, &link->addr, text));
}

/* A dialled link has ended after our part of the handshake and without a word; theirs: the other side did it.
 */
static void note_unheard(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, bool theirs)
{
    lm_dial *dial = link->dial;
    /* MESH_PEERS may name this very node as well as the others. */
    bool self = memcmp(link->stream.nk, mesh->keys.nk, sizeof mesh->keys.nk) == 0;
    if (self)
        lm_dialer_set_self(mesh, dial, true);
    else
        note_failure(mesh, now, link, theirs && dial != NULL && ++dial->unheard >= UNHEARD_MIN);
}

void lm_links_close(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, bool tell)
{
    bool was_up = link->state == LM_LINK_UP, was_connecting = link->state == LM_LINK_CONNECTING;
    lm_mesh_node *node = link->node;
    if (link->state == LM_LINK_DEAD)
        return;
    if (!was_up && !was_connecting && link->dialled && link->stream.open && !link->stream.heard)
        note_unheard(mesh, now, link, !tell);
    link->state = LM_LINK_DEAD;
    HASH_DEL(mesh->links, link);
    mesh->link_count--;
    lm_deadlines_remove(&mesh->link_deadlines, &link->deadline);
    if (tell && has_last_words(link))
        lm_links_mark_ready(mesh, link);
    else
        lm_links_bury(mesh, link);
    if (tell)
        lm_mesh_emit(mesh, LM_MESH_CLOSE, link->id, NULL);
    if (was_up) {
        mesh->stats.links--;
        mesh->dialled_up -= link->dialled;
        DL_DELETE2(node->links, link, node_prev, node_next);
        lm_gossip_link_down(mesh, now, link);
    } else {
        mesh->dialling -= link->dialled;
        mesh->stats.dials_failed += link->dialled;
    }
    lm_dialer_link_ended(mesh, now, link, was_up);
    if (node != NULL)
        lm_nodes_release(mesh, node);
}

void lm_links_count_buffers(lm_mesh *mesh, lm_mesh_link *link)
{
    mesh->link_bytes -= link->buffers;
    link->buffers = lm_noise_stream_buffers(&link->stream);
    mesh->link_bytes += link->buffers;
}

/* Has the links that take most of all buffers closed, until those of the others are within the bound. */
static void bound_buffers(lm_mesh *mesh)
{
    lm_mesh_link *link, *next, *largest;
    while (mesh->link_bytes > mesh->limits.link_bytes) {
        largest = NULL;
        HASH_ITER(hh, mesh->links, link, next) {
            if (!link->doomed && (largest == NULL || link->buffers > largest->buffers))
                largest = link;
        }
        if (largest == NULL)
            return;
        mesh->stats.drops.slow_reader++;
        lm_links_doom(mesh, largest);
        lm_byte_queue_clear(&largest->stream.out);
        lm_links_count_buffers(mesh, largest);
    }
}

void lm_links_bury(lm_mesh *mesh, lm_mesh_link *link)
{
    if (link->ready)
        DL_DELETE2(mesh->ready, link, ready_prev, ready_next);
    link->ready = false;
    DL_APPEND2(mesh->dying, link, ready_prev, ready_next);
}

void lm_links_reap(lm_mesh *mesh)
{
    lm_mesh_link *link, *next;
    DL_FOREACH_SAFE2(mesh->dying, link, next, ready_next)
    {
        DL_DELETE2(mesh->dying, link, ready_prev, ready_next);
        lm_noise_stream_clear(&link->stream);
        lm_links_count_buffers(mesh, link);
        free(link->reaches);
        free(link);
    }
}

void lm_links_doom(lm_mesh *mesh, lm_mesh_link *link)
{
    link->doomed = true;
    mesh->doom = true;
}

void lm_links_close_doomed(lm_mesh *mesh, lm_ms now)
{
    lm_mesh_link *link, *next;
    HASH_ITER(hh, mesh->links, link, next) {
        if (link->doomed)
            lm_links_close(mesh, now, link, true);
    }
}

/* Nothing but the handshake counts before the link is up. */
static void say_hello(lm_mesh *mesh, lm_ms now, lm_mesh_link *link)
{
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_hello);
    lm_mesh_put_uint(&j, "v", LM_MESH_VERSION);
    lm_mesh_put_uint(&j, "boot", mesh->boot);
    lm_mesh_put_text(&j, "record", mesh->self->record);
    lm_mesh_put_text(&j, "sig", mesh->self->sig);
    lm_links_send_json(mesh, now, link, &j);
}

void lm_links_input(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const void *data, size_t len)
{
    const uint8_t *frame;
    size_t frame_len;
    bool was_open = link->stream.open;
    int result;
    if (link->state != LM_LINK_HANDSHAKING && link->state != LM_LINK_UP)
        return;
    mesh->stats.bytes_in += len;
    link->bytes_in += len;
    link->heard = now;
    unsigned step = link->stream.noise.step; /* which a failure wipes */
    result = lm_noise_stream_input(&link->stream, data, len);
    lm_links_count_buffers(mesh, link);
    bound_buffers(mesh);
    if (link->stream.open && !was_open)
        say_hello(mesh, now, link);
    while (link->state != LM_LINK_DEAD && !link->doomed &&
           (frame_len = 0, lm_frame_next(&link->stream.in, &frame, &frame_len)) == 1) {
        mesh->stats.frames_in++;
        if (!lm_token_bucket_take(&link->frames, mesh->limits.frame_rate,
                                  mesh->limits.frame_rate * RATE_BURST, now)) {
            mesh->stats.drops.frame_rate++;
            lm_links_close(mesh, now, link, true);
            return;
        }
        lm_gossip_frame(mesh, now, link, (const char *)frame, frame_len);
        lm_byte_queue_consume(&link->stream.in, LM_FRAME_HEAD + frame_len);
        lm_links_count_buffers(mesh, link);
    }
    if (link->state == LM_LINK_DEAD || link->doomed)
        return;
    if (result == LM_OK && lm_frame_next(&link->stream.in, &frame, &frame_len) < 0)
        result = LM_EMALFORMED;
    if (result != LM_OK) {
        bool salt = result == LM_EAUTH && !link->dialled && !was_open && step == 2;
        if (link->stream.open && result != LM_ENOMEM && link->stream.heard)
            mesh->stats.drops.malformed++;
        else if (!(link->dialled && link->stream.open)) /* else lm_links_close() does */
            note_failure(mesh, now, link, salt);
        lm_links_close(mesh, now, link, true);
        return;
    }
    lm_links_mark_ready(mesh, link);
    if (link->state != LM_LINK_UP || link->deadline.at > link->heard + SILENT_TIME)
        arm(mesh, link);
}

void lm_links_send(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const void *text, size_t len)
{
    (void)now;
    if (link->state == LM_LINK_DEAD || link->doomed)
        return;
    if (link->stream.out.len > OUT_MAX) {
        mesh->stats.drops.slow_reader++;
        lm_links_doom(mesh, link);
        return;
    }
    if (lm_frame_append(&link->stream.out, text, len) != LM_OK) {
        mesh->stats.drops.memory++;
        lm_links_doom(mesh, link); /* what follows would not make sense without it */
        return;
    }
    mesh->stats.frames_out++;
    lm_links_mark_ready(mesh, link);
    lm_links_count_buffers(mesh, link);
    bound_buffers(mesh);
}

void lm_links_send_json(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, lm_json_writer *j)
{
    lm_json_close(j, '}');
    if (!j->text.failed)
        lm_links_send(mesh, now, link, j->text.start, j->text.len);
}

bool lm_links_take_turn(lm_mesh *mesh, lm_ms now, lm_mesh_link *link)
{
    uint32_t rate = mesh->limits.frame_rate / TURN_SHARE;
    return link->state == LM_LINK_UP && link->stream.out.len < OUT_SOFT &&
           lm_token_bucket_take(&link->turns, rate, rate * RATE_BURST, now);
}

/* True if `other`, up already, gives way to link, which comes up beside it. */
static bool gives_way(const lm_mesh *mesh, lm_ms now, const lm_mesh_link *other, const lm_mesh_link *link)
{
    if (other->boot != link->boot || now - other->heard > MISSED_TIME)
        return true;
    if (other->dialled == link->dialled)
        return link->dialled; /* else it is for the other side to say */
    bool ours_first = memcmp(mesh->keys.nk, link->stream.nk, LM_NODE_PUBLIC_KEY_LEN) < 0;
    return link->dialled == ours_first;
}

/* Settles who stays of the links to a node. False if it is not this one. */
static bool settle_duplicates(lm_mesh *mesh, lm_ms now, lm_mesh_link *link)
{
    lm_mesh_link *other, *next;
    unsigned kept = 0;
    DL_FOREACH_SAFE2(link->node->links, other, next, node_next)
    {
        if (other == link)
            continue;
        if (gives_way(mesh, now, other, link) || ++kept > 2) {
            mesh->stats.drops.duplicate++;
            lm_links_close(mesh, now, other, true);
        } else if (other->dialled != link->dialled) {
            return false;
        }
    }
    return true;
}

/*
 * Ends the oldest link that was accepted and whose node has another way to us, so that a newcomer finds a
 * place and learns of the others. False if there is none.
 */
static bool make_room(lm_mesh *mesh, lm_ms now)
{
    lm_mesh_link *link, *next, *oldest = NULL;
    HASH_ITER(hh, mesh->links, link, next) {
        if (link->state == LM_LINK_UP && !link->dialled && !link->doomed && link->node->listed > 0 &&
            now - link->since >= GUEST_TIME && (oldest == NULL || link->since < oldest->since))
            oldest = link;
    }
    if (oldest != NULL)
        lm_links_doom(mesh, oldest);
    return oldest != NULL;
}

void lm_links_hello(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m)
{
    lm_mesh_node *node = lm_nodes_get(mesh, link->stream.nk);
    int learned = node != NULL ? lm_nodes_learn_own(mesh, now, node, m->record, m->sig) : LM_ENOMEM;
    if (node == mesh->self)
        lm_dialer_set_self(mesh, link->dial, true);
    /* A record from a clock that is wrong is no reason to part; one that is not its sender's is. */
    if (node == NULL || node == mesh->self || learned < 0) {
        mesh->stats.drops.handshake += node != mesh->self;
        lm_links_close(mesh, now, link, true);
        if (node != NULL)
            lm_nodes_release(mesh, node);
        return;
    }
    bool banned = now < node->banned_until;
    if (banned || (mesh->stats.links >= mesh->limits.links_max && !make_room(mesh, now))) {
        mesh->stats.drops.banned += banned;
        mesh->stats.drops.link_limit += !banned;
        lm_links_close(mesh, now, link, true);
        lm_nodes_release(mesh, node);
        return;
    }
    mesh->dialling -= link->dialled;
    mesh->dialled_up += link->dialled;
    link->state = LM_LINK_UP;
    link->node = node;
    link->boot = m->boot;
    link->since = now;
    link->ping_at = now;
    link->digest_at = now + lm_mesh_below(mesh, LM_GOSSIP_DIGEST_TIME);
    DL_APPEND2(node->links, link, node_prev, node_next);
    mesh->stats.links++;
    mesh->stats.links_up++;
    arm(mesh, link);
    lm_dialer_link_up(mesh, now, link);
    if (settle_duplicates(mesh, now, link)) {
        lm_gossip_link_up(mesh, now, link, learned > 0);
    } else {
        mesh->stats.drops.duplicate++;
        lm_links_close(mesh, now, link, true);
    }
}

void lm_links_pong(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, uint64_t t)
{
    if (t > now)
        return;
    link->round_trip = now - t;
    lm_histogram_add(&mesh->stats.round_trip, t, now);
}

static void timeout_up(lm_mesh *mesh, lm_ms now, lm_mesh_link *link)
{
    if (now >= link->heard + SILENT_TIME) {
        mesh->stats.drops.silent++;
        lm_links_close(mesh, now, link, true);
        return;
    }
    if (now >= link->ping_at) {
        link->ping_at = now + PING_TIME;
        lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_ping);
        lm_mesh_put_uint(&j, "t", now);
        lm_links_send_json(mesh, now, link, &j);
    }
    if (now >= link->digest_at && link->state == LM_LINK_UP) {
        link->digest_at = now + LM_GOSSIP_DIGEST_TIME;
        lm_gossip_send_digest(mesh, now, link);
    }
    if (link->state == LM_LINK_UP)
        arm(mesh, link);
}

void lm_links_timeout(lm_mesh *mesh, lm_ms now)
{
    lm_deadline *due;
    while ((due = lm_deadlines_pop(&mesh->link_deadlines, now)) != NULL) {
        lm_mesh_link *link = due->owner;
        if (link->state == LM_LINK_UP) {
            timeout_up(mesh, now, link);
        } else {
            if (link->state == LM_LINK_HANDSHAKING && !(link->dialled && link->stream.open))
                mesh->stats.drops.handshake++;
            lm_links_close(mesh, now, link, true);
        }
    }
}
