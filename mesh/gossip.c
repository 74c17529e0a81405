#include "mesh/gossip.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/conversation.h"
#include "mesh/links.h"
#include "mesh/nodes.h"
#include "mesh/via.h"

#define SMALL_MESH 64        /* nodes */
#define TINY_MESH 8          /* nodes: to say too much costs less than to ask first */
#define RUMOURS 4            /* neighbours that hear from us of a new node which is nobody's neighbour here */
#define TELL_DELAY 50        /* ms in which changes of links are gathered */
#define TELL_DELAY_LARGE 250 /* the same where a hundred neighbours are to be told */

bool lm_gossip_reaches(const lm_mesh_link *link, const lm_mesh_node *node)
{
    for (size_t i = 0; i < link->reach_count; i++) {
        if (link->reaches[i] == node)
            return true;
    }
    return false;
}

uint64_t lm_gossip_rank(const lm_mesh_node *a, const lm_mesh_node *b, const lm_mesh_node *c)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES];
    uint8_t bytes[24];
    uint64_t rank;
    bool swap = memcmp(a->nk, b->nk, sizeof a->nk) > 0;
    memcpy(bytes, (swap ? b : a)->nk, 8);
    memcpy(bytes + 8, (swap ? a : b)->nk, 8);
    memcpy(bytes + 16, c->nk, 8);
    crypto_shorthash((uint8_t *)&rank, bytes, sizeof bytes, key);
    return rank;
}

static void put_record(lm_json_writer *j, const lm_mesh_node *node)
{
    lm_json_open(j, '{');
    lm_mesh_put_text(j, "record", node->record);
    lm_mesh_put_text(j, "sig", node->sig);
    lm_json_close(j, '}');
}

static lm_json_writer begin_nodes(lm_mesh *mesh)
{
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_nodes);
    lm_json_key(&j, "nodes");
    lm_json_open(&j, '[');
    return j;
}

static void end_nodes(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, lm_json_writer *j)
{
    lm_json_close(j, ']');
    lm_links_send_json(mesh, now, link, j);
}

/* All are linked with all. */
static bool is_small(const lm_mesh *mesh)
{
    return mesh->stats.nodes <= SMALL_MESH;
}

static void send_record(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_node *node)
{
    lm_json_writer j = begin_nodes(mesh);
    put_record(&j, node);
    end_nodes(mesh, now, link, &j);
}

/* All records, or those whose node has this mark. */
static void send_records(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, uint32_t mark)
{
    lm_json_writer j = begin_nodes(mesh);
    size_t count = 0;
    lm_mesh_node *node, *next;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (node->record == NULL || (mark != 0 && node->mark != mark))
            continue;
        put_record(&j, node);
        count++;
        if (j.text.len > LM_MESH_LIST_MAX) {
            end_nodes(mesh, now, link, &j);
            j = begin_nodes(mesh);
            count = 0;
        }
    }
    if (count > 0)
        end_nodes(mesh, now, link, &j);
}

/* Marks the neighbours of a neighbour; returns the mark. */
static uint32_t mark_reached(lm_mesh *mesh, const lm_mesh_node *node)
{
    uint32_t mark = ++mesh->mark;
    for (size_t i = 0; i < node->links->reach_count; i++)
        node->links->reaches[i]->mark = mark;
    return mark;
}

/* True if it is for us to pass on what `origin`, whose neighbours have the mark, says to the node of link. */
static bool is_our_turn(const lm_mesh *mesh, const lm_mesh_node *origin, const lm_mesh_link *link,
                        uint32_t mark)
{
    uint64_t own = lm_gossip_rank(origin, link->node, mesh->self);
    for (size_t i = 0; i < link->reach_count; i++) {
        const lm_mesh_node *common = link->reaches[i];
        if (common->mark == mark && common != mesh->self && lm_gossip_rank(origin, link->node, common) < own)
            return false;
    }
    return true;
}

/* True for one link to each neighbour. */
static bool is_first_link(const lm_mesh_link *link)
{
    return link->state == LM_LINK_UP && link->node->links == link;
}

static void pass_on(lm_mesh *mesh, lm_ms now, const lm_mesh_link *from, lm_mesh_node *node, bool first)
{
    lm_mesh_link *link, *next;
    uint32_t mark = 0, rumours = 0;
    bool all = first && is_small(mesh);
    if (node->record == NULL || (!first && node->links == NULL))
        return;
    if (node->links != NULL)
        mark = mark_reached(mesh, node);
    else if (first)
        rumours = RUMOURS;
    HASH_ITER(hh, mesh->links, link, next) {
        const lm_mesh_node *to = link->node;
        if (!is_first_link(link) || to == node || to == from->node)
            continue;
        bool ours = node->links != NULL && to->mark != mark && !lm_gossip_reaches(link, node) &&
                    is_our_turn(mesh, node, link, mark);
        if (rumours > 0 && lm_mesh_below(mesh, (uint32_t)mesh->stats.links + 1) < RUMOURS) {
            rumours--;
            ours = true;
        }
        /* Who is linked with the one that told us has been told, too. */
        if (ours || (all && !lm_gossip_reaches(link, node) && !lm_gossip_reaches(link, from->node)))
            send_record(mesh, now, link, node);
    }
}

void lm_gossip_self(lm_mesh *mesh, lm_ms now)
{
    lm_mesh_link *link, *next;
    HASH_ITER(hh, mesh->links, link, next) {
        if (is_first_link(link))
            send_record(mesh, now, link, mesh->self);
    }
}

static void tell_soon(lm_mesh *mesh, lm_ms now)
{
    mesh->tell_at = lm_ms_min(mesh->tell_at, now + (is_small(mesh) ? TELL_DELAY : TELL_DELAY_LARGE));
}

void lm_gossip_link_up(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, bool learned)
{
    if (mesh->stats.nodes <= TINY_MESH)
        send_records(mesh, now, link, 0);
    else
        lm_gossip_send_digest(mesh, now, link);
    if (learned)
        pass_on(mesh, now, link, link->node, true);
    tell_soon(mesh, now);
    lm_conversation_find_path(mesh, now, link->node);
}

/* The node is no longer, or again, reached through a neighbour. */
static void set_listed(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, bool listed)
{
    if (listed)
        node->listed++;
    else
        node->listed--;
    lm_conversation_find_path(mesh, now, node);
    lm_nodes_release(mesh, node);
}

void lm_gossip_link_down(lm_mesh *mesh, lm_ms now, lm_mesh_link *link)
{
    tell_soon(mesh, now);
    while (link->reach_count > 0) {
        link->reach_count--;
        set_listed(mesh, now, link->reaches[link->reach_count], false);
    }
    lm_conversation_path_lost(mesh, now, link);
    lm_conversation_find_path(mesh, now, link->node);
}

static void reach_add(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN])
{
    lm_mesh_node *node = lm_nodes_get_named(mesh, nk);
    if (node == NULL || node == mesh->self || lm_gossip_reaches(link, node))
        return;
    if (link->reaches == NULL)
        link->reaches = malloc(LM_MESH_NEIGHBOURS_MAX * sizeof(lm_mesh_node *));
    if (link->reaches == NULL) {
        mesh->stats.drops.memory++;
        lm_nodes_release(mesh, node);
        return;
    }
    if (link->reach_count == LM_MESH_NEIGHBOURS_MAX) {
        mesh->stats.drops.too_many++;
        lm_nodes_release(mesh, node);
        lm_mesh_ban(mesh, now, link->node);
        return;
    }
    link->reaches[link->reach_count++] = node;
    set_listed(mesh, now, node, true);
}

static void reach_del(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_node *node)
{
    for (size_t i = 0; i < link->reach_count; i++) {
        if (link->reaches[i] != node)
            continue;
        lm_mesh_node *gone = link->reaches[i];
        link->reaches[i] = link->reaches[--link->reach_count];
        set_listed(mesh, now, gone, false);
        return;
    }
}

/* In place of what was said before: what is not in the list goes first. */
static void keep_only(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const cJSON *list)
{
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];
    const cJSON *item;
    uint32_t mark = ++mesh->mark;
    cJSON_ArrayForEach(item, list) {
        lm_mesh_item_nk(item, nk);
        lm_mesh_node *node = lm_nodes_find(mesh, nk);
        if (node != NULL)
            node->mark = mark;
    }
    for (size_t i = link->reach_count; i-- > 0;) {
        if (i < link->reach_count && link->reaches[i]->mark != mark)
            reach_del(mesh, now, link, link->reaches[i]);
    }
}

static void on_links(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m)
{
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];
    const cJSON *item;
    if (m->full)
        keep_only(mesh, now, link, m->add);
    cJSON_ArrayForEach(item, m->del) {
        lm_mesh_item_nk(item, nk);
        const lm_mesh_node *node = lm_nodes_find(mesh, nk);
        if (node != NULL)
            reach_del(mesh, now, link, node);
    }
    cJSON_ArrayForEach(item, m->add) {
        lm_mesh_item_nk(item, nk);
        if (!link->doomed)
            reach_add(mesh, now, link, nk);
    }
}

static void on_nodes(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m)
{
    const cJSON *item;
    const char *record, *sig;
    cJSON_ArrayForEach(item, m->nodes) {
        lm_mesh_node *node = NULL;
        bool first = false;
        lm_mesh_item_record(item, &record, &sig);
        if (lm_nodes_learn(mesh, now, link, record, sig, &node, &first) == 1) {
            pass_on(mesh, now, link, node, first);
            lm_conversation_find_path(mesh, now, node);
        }
    }
}

void lm_gossip_send_digest(lm_mesh *mesh, lm_ms now, lm_mesh_link *link)
{
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_digest);
    lm_mesh_put_bytes(&j, "sums", mesh->digest, sizeof mesh->digest);
    lm_links_send_json(mesh, now, link, &j);
}

/* Says what we have in the buckets that differ; what we lack comes in answer. */
static void on_digest(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m)
{
    uint32_t differ = 0;
    lm_mesh_node *node, *next;
    for (unsigned i = 0; i < LM_MESH_DIGEST_BUCKETS; i++) {
        if (memcmp(mesh->digest + 8 * (size_t)i, m->digest + 8 * (size_t)i, 8) != 0)
            differ |= UINT32_C(1) << i;
    }
    if (differ == 0)
        return;
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_have);
    lm_mesh_put_uint(&j, "buckets", differ);
    lm_json_key(&j, "nodes");
    lm_json_open(&j, '[');
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (node->record == NULL || (differ >> lm_nodes_bucket(node) & 1) == 0)
            continue;
        lm_json_open(&j, '{');
        lm_mesh_put_text(&j, "nk", node->nk_text);
        lm_mesh_put_uint(&j, "seq", node->seq);
        lm_json_close(&j, '}');
    }
    lm_json_close(&j, ']');
    lm_links_send_json(mesh, now, link, &j);
}

/* Sends what is newer here, or missing there. */
static void on_have(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m)
{
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];
    uint64_t seq;
    const cJSON *item;
    lm_mesh_node *node, *next;
    uint32_t mark = ++mesh->mark;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (m->buckets >> lm_nodes_bucket(node) & 1)
            node->mark = mark;
    }
    cJSON_ArrayForEach(item, m->nodes) {
        lm_mesh_item_have(item, nk, &seq);
        node = lm_nodes_find(mesh, nk);
        if (node != NULL && node->seq <= seq)
            node->mark = 0;
    }
    send_records(mesh, now, link, mark);
}

static void on_ping(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m)
{
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_pong);
    lm_mesh_put_uint(&j, "t", m->t);
    lm_links_send_json(mesh, now, link, &j);
}

static void dispatch(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m)
{
    if ((m->type == LM_MESH_TYPE_hello) != (link->state == LM_LINK_HANDSHAKING)) {
        mesh->stats.drops.out_of_place++;
        lm_links_close(mesh, now, link, true);
        return;
    }
    switch (m->type) {
    case LM_MESH_TYPE_hello:
        lm_links_hello(mesh, now, link, m);
        break;
    case LM_MESH_TYPE_nodes:
        on_nodes(mesh, now, link, m);
        break;
    case LM_MESH_TYPE_digest:
        on_digest(mesh, now, link, m);
        break;
    case LM_MESH_TYPE_have:
        on_have(mesh, now, link, m);
        break;
    case LM_MESH_TYPE_links:
        on_links(mesh, now, link, m);
        break;
    case LM_MESH_TYPE_via:
        lm_via_receive(mesh, now, link, m);
        break;
    case LM_MESH_TYPE_ping:
        on_ping(mesh, now, link, m);
        break;
    case LM_MESH_TYPE_pong:
        lm_links_pong(mesh, now, link, m->t);
        break;
    default:
        lm_conversation_receive(mesh, now, link->node, m);
        break;
    }
}

void lm_gossip_frame(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const char *text, size_t len)
{
    lm_mesh_message m;
    int result = lm_mesh_message_parse(&m, text, len);
    if (result == LM_OK) {
        dispatch(mesh, now, link, &m);
        lm_mesh_message_clear(&m);
        return;
    }
    if (result == LM_EUNSUPPORTED && link->state == LM_LINK_UP) { /* of a later version */
        mesh->stats.drops.unknown_type++;
        return;
    }
    if (result == LM_EUNSUPPORTED)
        mesh->stats.drops.version++;
    else if (result == LM_ENOMEM)
        mesh->stats.drops.memory++;
    else
        mesh->stats.drops.malformed++;
    lm_links_close(mesh, now, link, true);
}

/* Writes those of `nodes` that are not among `others`, all with this mark. Returns how many. */
static size_t put_links(lm_mesh *mesh, lm_json_writer *j, const char *key, bool added)
{
    size_t count = 0;
    char text[LM_BASE64URL_SIZE(LM_NODE_PUBLIC_KEY_LEN)];
    lm_mesh_node *node, *next;
    lm_json_key(j, key);
    lm_json_open(j, '[');
    if (added) {
        HASH_ITER(hh, mesh->nodes, node, next) {
            if (node->links != NULL && node->mark != mesh->mark) {
                lm_mesh_put_text(j, NULL, node->nk_text);
                count++;
            }
        }
    }
    for (size_t i = 0; !added && i < mesh->told_count; i++) {
        node = lm_nodes_find(mesh, mesh->told[i]);
        if (node != NULL && node->links != NULL)
            continue;
        lm_mesh_put_text(j, NULL,
                         lm_base64url_encode(text, sizeof text, mesh->told[i], sizeof mesh->told[i]));
        count++;
    }
    lm_json_close(j, ']');
    return count;
}

/* Tells all links that have (told) or have not heard of our neighbours what is in j. */
static void send_links(lm_mesh *mesh, lm_ms now, lm_json_writer *j, bool told)
{
    lm_mesh_link *link, *next;
    lm_json_close(j, '}');
    HASH_ITER(hh, mesh->links, link, next) {
        if (link->state == LM_LINK_UP && link->told == told)
            lm_links_send(mesh, now, link, j->text.start, j->text.len);
    }
}

static lm_json_writer begin_links(lm_mesh *mesh)
{
    return lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_links);
}

void lm_gossip_timeout(lm_mesh *mesh, lm_ms now)
{
    lm_mesh_node *node, *next;
    lm_mesh_link *link, *next_link;
    if (now < mesh->tell_at)
        return;
    mesh->tell_at = LM_MS_NEVER;
    mesh->mark++; /* marks whom we told of */
    for (size_t i = 0; i < mesh->told_count; i++) {
        if ((node = lm_nodes_find(mesh, mesh->told[i])) != NULL)
            node->mark = mesh->mark;
    }
    lm_json_writer j = begin_links(mesh);
    size_t changes = put_links(mesh, &j, "add", true);
    changes += put_links(mesh, &j, "del", false);
    if (changes > 0)
        send_links(mesh, now, &j, true);

    mesh->told_count = 0;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (node->links != NULL && mesh->told_count < mesh->limits.links_max)
            memcpy(mesh->told[mesh->told_count++], node->nk, sizeof node->nk);
    }
    mesh->mark++;
    j = begin_links(mesh);
    lm_json_key(&j, "full");
    lm_json_bool(&j, true);
    put_links(mesh, &j, "add", true);
    send_links(mesh, now, &j, false);
    HASH_ITER(hh, mesh->links, link, next_link) {
        link->told = link->state == LM_LINK_UP;
    }
}
