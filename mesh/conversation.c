#include "mesh/conversation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/dialer.h"
#include "mesh/gossip.h"
#include "mesh/links.h"
#include "mesh/members.h"
#include "mesh/nodes.h"
#include "mesh/via.h"

#define EPOCH_BITS 48
#define WINDOW (512 * 1024)           /* bytes that may be on their way without being confirmed */
#define QUEUED_MAX (16 * 1024 * 1024) /* bytes that wait in one conversation */
#define ACK_DELAY 1000
#define OWED_MAX 32 /* messages, or bytes, that are confirmed at once */
#define OWED_BYTES_MAX (128 * 1024)
#define RESEND_TIME 3000 /* ms through a neighbour; a link loses nothing but by its end */
#define OPEN_TIME 1000   /* ms, doubling to 60 s */
#define DETOUR_TIME                                                                                        \
    2000 /* ms that a link may take to come up, as dialer.c waits, before one is begun through a neighbour \
          */
#define OPEN_TIME_MAX 60000
#define ASK_TIME 5000 /* ms of silence through a neighbour, where the node has members on show */
#define ANSWER_TIME 10000
#define PUMP_TIME 50 /* ms after which one that found no turn tries again */
#define COMPLAINT_TIME 100
#define ENVELOPE_MAX 128

struct lm_parcel {
    lm_parcel *prev, *next;
    uint64_t n;
    bool flown; /* sent at least once */
    size_t len;
    char text[]; /* of the message, behind its first bracket */
};

#define PARCEL_BYTES (sizeof(lm_parcel) + 16) /* besides its text, with what the allocator adds */

bool lm_conversation_is_on(const lm_mesh_node *node)
{
    return node->conversation != NULL && node->conversation->established;
}

static uint64_t draw_epoch(lm_mesh *mesh)
{
    uint64_t epoch = 0;
    lm_random_fill(&mesh->random, &epoch, EPOCH_BITS / 8);
    return (epoch & ((UINT64_C(1) << EPOCH_BITS) - 1)) | 1;
}

static void arm(lm_mesh *mesh, lm_conversation *c)
{
    lm_ms at = c->open_at;
    if (c->established)
        at = lm_ms_min(lm_ms_min(c->ack_at, c->resend_at), lm_ms_min(c->ask_at, c->pump_at));
    (void)lm_deadlines_set(&mesh->conversation_deadlines, &c->deadline, at); /* reserved by begin() */
}

static void transmit(lm_mesh *mesh, lm_ms now, lm_conversation *c, const char *head, const char *text,
                     size_t len)
{
    size_t head_len = strlen(head);
    memcpy(mesh->frame, head, head_len);
    memcpy(mesh->frame + head_len, text, len);
    if (c->direct)
        lm_links_send(mesh, now, c->path, mesh->frame, head_len + len);
    else
        lm_via_send(mesh, now, c->node, c->path, mesh->frame, head_len + len);
}

static void send_open(lm_mesh *mesh, lm_ms now, lm_conversation *c, uint64_t p)
{
    static const char text[] = "\"type\":\"open\"}";
    char head[ENVELOPE_MAX];
    snprintf(head, sizeof head, "{\"e\":%" PRIu64 ",\"p\":%" PRIu64 ",", c->epoch, p);
    transmit(mesh, now, c, head, text, sizeof text - 1);
}

/* What a message confirms is owed no longer. */
static void note_confirmed(lm_conversation *c)
{
    c->owed = 0;
    c->owed_bytes = 0;
    c->ack_at = LM_MS_NEVER;
}

static void send_ack(lm_mesh *mesh, lm_ms now, lm_conversation *c, const char *what)
{
    char head[ENVELOPE_MAX], text[64];
    snprintf(head, sizeof head, "{\"e\":%" PRIu64 ",\"p\":%" PRIu64 ",\"a\":%" PRIu64 ",", c->epoch,
             c->peer_epoch, c->expected);
    int len = snprintf(text, sizeof text, "\"type\":\"ack\"%s}", what);
    transmit(mesh, now, c, head, text, (size_t)len);
    note_confirmed(c);
}

/* Sends what may be sent. */
static void pump(lm_mesh *mesh, lm_ms now, lm_conversation *c)
{
    char head[ENVELOPE_MAX];
    c->pump_at = LM_MS_NEVER;
    while (c->established && c->unsent != NULL && c->flying < WINDOW) {
        lm_parcel *parcel = c->unsent;
        if (!lm_links_take_turn(mesh, now, c->path)) {
            c->pump_at = now + PUMP_TIME;
            break;
        }
        snprintf(head, sizeof head,
                 "{\"e\":%" PRIu64 ",\"p\":%" PRIu64 ",\"n\":%" PRIu64 ",\"a\":%" PRIu64 ",", c->epoch,
                 c->peer_epoch, parcel->n, c->expected);
        transmit(mesh, now, c, head, parcel->text, parcel->len);
        note_confirmed(c);
        mesh->stats.resent += parcel->flown;
        parcel->flown = true;
        c->flying += parcel->len;
        c->unsent = parcel->next;
    }
    if (c->established && !c->direct && c->flying > 0 && c->resend_at == LM_MS_NEVER)
        c->resend_at = now + RESEND_TIME;
    arm(mesh, c);
}

/* All that is not confirmed goes once more. */
static void go_back(lm_conversation *c)
{
    c->unsent = c->parcels;
    c->flying = 0;
    c->resend_at = LM_MS_NEVER;
}

static void clear_parcels(lm_mesh *mesh, lm_conversation *c)
{
    lm_parcel *parcel, *next;
    DL_FOREACH_SAFE(c->parcels, parcel, next) {
        free(parcel);
    }
    mesh->stats.queued_bytes -= c->queued;
    c->parcels = c->unsent = NULL;
    c->queued = c->flying = 0;
    c->next = c->confirmed = 0;
}

/* Back to the beginning, with an epoch that nobody knows yet. */
static void restart(lm_mesh *mesh, lm_ms now, lm_conversation *c)
{
    if (c->established)
        mesh->stats.conversations--;
    lm_members_forget(mesh, now, c->node);
    clear_parcels(mesh, c);
    note_confirmed(c);
    c->established = false;
    c->epoch = draw_epoch(mesh);
    c->peer_epoch = c->expected = 0;
    c->resend_at = c->ask_at = c->pump_at = c->asked = LM_MS_NEVER;
    c->open_at = now;
    c->tries = 0;
    arm(mesh, c);
}

/* The way to a node now; NULL: there is none. avoid may be NULL. */
static lm_mesh_link *choose_path(lm_mesh *mesh, const lm_mesh_node *node, const lm_mesh_link *avoid)
{
    lm_mesh_link *best = NULL, *link, *next;
    uint64_t best_rank = 0;
    if (node->links != NULL)
        return node->links->node_prev; /* the newest */
    if (node->listed == 0)
        return NULL;
    HASH_ITER(hh, mesh->links, link, next) {
        if (link->state != LM_LINK_UP || link == avoid || !lm_gossip_reaches(link, node))
            continue;
        uint64_t rank = lm_gossip_rank(mesh->self, node, link->node);
        if (best == NULL || rank < best_rank) {
            best = link;
            best_rank = rank;
        }
    }
    return best;
}

static void set_path(lm_mesh *mesh, lm_ms now, lm_conversation *c, lm_mesh_link *path)
{
    if (c->path == path)
        return;
    c->path = path;
    c->direct = path->node == c->node;
    c->open_at = now;
    c->tries = 0;
    if (c->direct) {
        c->asked = c->ask_at = LM_MS_NEVER;
    } else if (c->established) {
        c->ask_at = now + ASK_TIME;
    }
    go_back(c);
    if (c->established)
        pump(mesh, now, c);
    else
        arm(mesh, c);
}

static void begin(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, lm_mesh_link *path)
{
    lm_conversation *c = NULL;
    if (lm_deadlines_reserve(&mesh->conversation_deadlines, HASH_COUNT(mesh->nodes)) != LM_OK ||
        (c = calloc(1, sizeof *c)) == NULL) {
        mesh->stats.drops.memory++;
        return;
    }
    c->node = node;
    c->deadline.owner = c;
    c->begun = c->heard = now;
    node->conversation = c;
    restart(mesh, now, c);
    set_path(mesh, now, c, path);
    if (!c->direct) {
        c->open_at = now + DETOUR_TIME;
        arm(mesh, c);
    }
}

void lm_conversation_end(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    lm_conversation *c = node->conversation;
    if (c == NULL)
        return;
    mesh->stats.conversations -= c->established;
    lm_members_forget(mesh, now, node);
    clear_parcels(mesh, c);
    lm_deadlines_remove(&mesh->conversation_deadlines, &c->deadline);
    node->conversation = NULL;
    free(c);
}

static bool is_good(const lm_conversation *c)
{
    if (c->path->state != LM_LINK_UP)
        return false;
    return c->direct || (c->node->links == NULL && lm_gossip_reaches(c->path, c->node));
}

void lm_conversation_find_path(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    lm_conversation *c = node->conversation;
    if (c != NULL && is_good(c))
        return;
    lm_mesh_link *path =
        now < node->banned_until || node == mesh->self ? NULL : choose_path(mesh, node, NULL);
    if (path == NULL) {
        lm_conversation_end(mesh, now, node);
        lm_dialer_hurry(mesh, now, node);
    } else if (c == NULL) {
        begin(mesh, now, node, path);
    } else {
        set_path(mesh, now, c, path);
    }
}

void lm_conversation_path_lost(lm_mesh *mesh, lm_ms now, const lm_mesh_link *link)
{
    lm_mesh_node *node, *next;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (node->conversation != NULL && node->conversation->path == link)
            lm_conversation_find_path(mesh, now, node);
    }
}

/* True if c is established with the epoch e of the other side, which has just proven that it knows ours. */
static bool agree(lm_mesh *mesh, lm_ms now, lm_conversation *c, uint64_t e)
{
    if (c->established && c->peer_epoch == e)
        return true;
    if (c->established && c->confirmed > 0) { /* it has forgotten what it confirmed */
        restart(mesh, now, c);
        send_open(mesh, now, c, e);
        c->open_at = now + OPEN_TIME;
        arm(mesh, c);
        return false;
    }
    lm_members_forget(mesh, now, c->node);
    c->peer_epoch = e;
    c->expected = 0;
    note_confirmed(c);
    if (!c->established) {
        c->established = true;
        c->tries = 0;
        c->ask_at = c->direct ? LM_MS_NEVER : now + ASK_TIME;
        mesh->stats.conversations++;
        mesh->stats.conversations_up++;
        lm_members_begin(mesh, now, c->node);
    }
    go_back(c);
    pump(mesh, now, c);
    return true;
}

/* Takes in that all messages below a have arrived. Negative: they were never sent. */
static int confirm(lm_mesh *mesh, lm_ms now, lm_conversation *c, uint64_t a, bool gap)
{
    if (a > c->next)
        return LM_EMALFORMED;
    bool progress = a > c->confirmed;
    while (c->parcels != NULL && c->parcels->n < a) {
        lm_parcel *parcel = c->parcels;
        if (c->unsent == parcel)
            c->unsent = parcel->next;
        else
            c->flying -= parcel->len;
        c->queued -= PARCEL_BYTES + parcel->len;
        mesh->stats.queued_bytes -= PARCEL_BYTES + parcel->len;
        DL_DELETE(c->parcels, parcel);
        free(parcel);
    }
    if (progress) {
        c->confirmed = a;
        c->tries = 0;
        c->resend_at = LM_MS_NEVER;
    }
    if (gap && now - c->went_back >= 2 * COMPLAINT_TIME) {
        c->went_back = now;
        go_back(c);
    }
    if (progress || gap)
        pump(mesh, now, c);
    return LM_OK;
}

static int handle(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m)
{
    if (m->type == LM_MESH_TYPE_rooms)
        return lm_members_on_rooms(mesh, now, node, m);
    if (m->type == LM_MESH_TYPE_members)
        return lm_members_on_members(mesh, now, node, m);
    return lm_members_on_signal(mesh, now, node, m);
}

/* A message with a number. Negative: the node broke a rule. */
static int take_in(lm_mesh *mesh, lm_ms now, lm_conversation *c, const lm_mesh_message *m)
{
    if (m->n < c->expected) {
        mesh->stats.drops.repeated++;
        c->ack_at = lm_ms_min(c->ack_at, now + COMPLAINT_TIME);
        return LM_OK;
    }
    if (m->n > c->expected) {
        mesh->stats.drops.gap++;
        if (now - c->complained >= COMPLAINT_TIME) {
            c->complained = now;
            send_ack(mesh, now, c, ",\"gap\":true");
        }
        return LM_OK;
    }
    if (c->expected == 0)
        lm_histogram_add(&mesh->stats.lag, c->begun, now);
    c->expected++;
    c->owed++;
    c->owed_bytes += m->data != NULL ? strlen(m->data) : LM_MESH_INFO_MAX;
    c->ack_at = lm_ms_min(c->ack_at, now + ACK_DELAY);
    int result = handle(mesh, now, c->node, m);
    if (c->owed >= OWED_MAX || c->owed_bytes >= OWED_BYTES_MAX)
        send_ack(mesh, now, c, "");
    return result;
}

void lm_conversation_receive(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m)
{
    lm_conversation *c = node->conversation;
    int result = LM_OK;
    if (c == NULL) { /* it sees a way to us, and we none to it yet */
        mesh->stats.drops.epoch++;
        return;
    }
    if (m->p != c->epoch) {
        mesh->stats.drops.epoch += m->type != LM_MESH_TYPE_open;
        if (now - c->answered >= PUMP_TIME || c->answered == 0) {
            c->answered = now;
            send_open(mesh, now, c, m->e);
        }
        return;
    }
    c->heard = now;
    c->asked = LM_MS_NEVER;
    if (!agree(mesh, now, c, m->e) || m->type == LM_MESH_TYPE_open)
        return;
    result = confirm(mesh, now, c, m->a, m->gap);
    if (result == LM_OK && m->type == LM_MESH_TYPE_ack && m->ask)
        send_ack(mesh, now, c, "");
    else if (result == LM_OK && m->type != LM_MESH_TYPE_ack)
        result = take_in(mesh, now, c, m);
    arm(mesh, c);
    if (result != LM_OK && result != LM_ENOMEM)
        lm_mesh_ban(mesh, now, node);
}

int lm_conversation_send(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, lm_json_writer *j)
{
    lm_conversation *c = node->conversation;
    lm_json_close(j, '}');
    if (j->text.failed || j->text.len > LM_MESH_BODY_MAX - ENVELOPE_MAX)
        return LM_ETOOBIG;
    if (c == NULL || !c->established)
        return LM_ENOTFOUND;
    size_t len = j->text.len - 1;
    lm_parcel *parcel = NULL;
    size_t bytes = PARCEL_BYTES + len;
    bool full = c->queued + bytes > QUEUED_MAX || mesh->stats.queued_bytes + bytes > mesh->limits.queue_bytes;
    if (c->over || full || (parcel = malloc(sizeof *parcel + len)) == NULL) {
        if (full && !c->over)
            mesh->stats.drops.slow_reader++;
        else if (!full)
            mesh->stats.drops.memory++;
        c->over = mesh->doom = true; /* what follows would not make sense without it */
        return full ? LM_ELIMIT : LM_ENOMEM;
    }
    *parcel = (lm_parcel){.n = c->next++, .len = len};
    memcpy(parcel->text, j->text.start + 1, len);
    DL_APPEND(c->parcels, parcel);
    if (c->unsent == NULL)
        c->unsent = parcel;
    c->queued += bytes;
    mesh->stats.queued_bytes += bytes;
    pump(mesh, now, c);
    return LM_OK;
}

/* Nobody answers any more, but the path is still there. */
static void lose(lm_mesh *mesh, lm_ms now, lm_conversation *c)
{
    lm_mesh_link *other = choose_path(mesh, c->node, c->path);
    mesh->stats.drops.conversation++;
    restart(mesh, now, c);
    if (other != NULL)
        set_path(mesh, now, c, other);
    c->tries = 1;
    c->open_at = now + OPEN_TIME;
}

static void resend(lm_mesh *mesh, lm_ms now, lm_conversation *c)
{
    lm_mesh_link *other = c->tries++ > 0 ? choose_path(mesh, c->node, c->path) : NULL;
    unsigned tries = c->tries;
    go_back(c);
    if (other != NULL)
        set_path(mesh, now, c, other);
    else
        pump(mesh, now, c);
    c->tries = tries;
}

static void ask(lm_mesh *mesh, lm_ms now, lm_conversation *c)
{
    c->ask_at = now + ASK_TIME;
    if (c->node->shares == NULL && c->parcels == NULL)
        return;
    if (c->asked == LM_MS_NEVER && now - c->heard >= ASK_TIME)
        c->asked = now;
    if (c->asked != LM_MS_NEVER)
        send_ack(mesh, now, c, ",\"ask\":true");
}

static void timeout_established(lm_mesh *mesh, lm_ms now, lm_conversation *c)
{
    if (c->asked != LM_MS_NEVER && now >= c->asked + ANSWER_TIME) {
        lose(mesh, now, c);
        return;
    }
    if (now >= c->resend_at)
        resend(mesh, now, c);
    if (now >= c->pump_at)
        pump(mesh, now, c);
    if (now >= c->ack_at)
        send_ack(mesh, now, c, "");
    if (now >= c->ask_at)
        ask(mesh, now, c);
}

void lm_conversation_timeout(lm_mesh *mesh, lm_ms now)
{
    lm_deadline *due;
    while ((due = lm_deadlines_pop(&mesh->conversation_deadlines, now)) != NULL) {
        lm_conversation *c = due->owner;
        if (c->established) {
            timeout_established(mesh, now, c);
        } else {
            lm_ms wait = (lm_ms)OPEN_TIME << (c->tries < 6 ? c->tries : 6);
            c->tries++;
            c->open_at = now + (wait < OPEN_TIME_MAX ? wait : OPEN_TIME_MAX);
            send_open(mesh, now, c, 0);
        }
        arm(mesh, c);
    }
}

void lm_conversation_close_over(lm_mesh *mesh, lm_ms now)
{
    lm_mesh_node *node, *next;
    HASH_ITER(hh, mesh->nodes, node, next) {
        bool banned = now < node->banned_until;
        if (node->conversation == NULL || (!node->conversation->over && !banned))
            continue;
        lm_conversation_end(mesh, now, node);
        if (!banned)
            lm_conversation_find_path(mesh, now, node);
    }
}
