#include "test/sim/hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/conversation.h"
#include "mesh/links.h"
#include "mesh/mesh_state.h"
#include "mesh/nodes.h"

static lm_mesh_link *any_link(sim_world *w, lm_mesh *mesh)
{
    unsigned count = HASH_COUNT(mesh->links), chosen = count > 0 ? sim_below(w, count) : 0;
    lm_mesh_link *link, *next;
    HASH_ITER(hh, mesh->links, link, next) {
        if (chosen-- == 0)
            return link->state == LM_LINK_UP ? link : NULL;
    }
    return NULL;
}

static lm_mesh_node *any_node(sim_world *w, lm_mesh *mesh)
{
    unsigned chosen = sim_below(w, HASH_COUNT(mesh->nodes));
    lm_mesh_node *node, *next;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (chosen-- == 0)
            return node != mesh->self ? node : NULL;
    }
    return NULL;
}

static void say(sim_world *w, lm_mesh *mesh, lm_mesh_link *link, const char *text)
{
    lm_links_send(mesh, w->now, link, text, strlen(text));
}

static lm_json_writer body(lm_mesh *mesh, lm_mesh_type type, unsigned room)
{
    uint8_t id[LM_MESH_ROOM_LEN];
    lm_json_writer j = lm_mesh_message_begin(mesh->body, sizeof mesh->body, type);
    memset(id, 0x52, sizeof id);
    memcpy(id, &room, sizeof room);
    lm_mesh_put_room(&j, "room", id);
    return j;
}

/* Claims members, real ones and made-up ones. */
static void claim(sim_world *w, lm_mesh *mesh, lm_mesh_node *node, unsigned count)
{
    lm_json_writer j = body(mesh, LM_MESH_TYPE_members, sim_below(w, w->room_count));
    lm_json_key(&j, "add");
    lm_json_open(&j, '[');
    for (unsigned i = 0; i < count; i++) {
        uint8_t id[LM_MESH_PEER_LEN];
        unsigned browser = sim_below(w, w->browser_count);
        memset(id, sim_below(w, 4) == 0 ? 0xB0 : 0x66, sizeof id);
        memcpy(id, &browser, sizeof browser);
        lm_json_open(&j, '{');
        lm_mesh_put_bytes(&j, "id", id, sizeof id);
        lm_mesh_put_text(&j, "info", "forged");
        lm_json_close(&j, '}');
    }
    lm_json_close(&j, ']');
    (void)lm_conversation_send(mesh, w->now, node, &j);
}

/* A signal from somebody whom nobody announced, or who is elsewhere. */
static void forge_signal(sim_world *w, lm_mesh *mesh, lm_mesh_node *node)
{
    uint8_t from[LM_MESH_PEER_LEN], to[LM_MESH_PEER_LEN];
    unsigned a = sim_below(w, w->browser_count), b = sim_below(w, w->browser_count);
    lm_json_writer j = body(mesh, LM_MESH_TYPE_signal, sim_below(w, w->room_count));
    memset(from, 0xB0, sizeof from);
    memset(to, 0xB0, sizeof to);
    memcpy(from, &a, sizeof a);
    memcpy(to, &b, sizeof b);
    lm_mesh_put_bytes(&j, "from", from, sizeof from);
    lm_mesh_put_bytes(&j, "to", to, sizeof to);
    lm_mesh_put_text(&j, "data", "forged");
    (void)lm_conversation_send(mesh, w->now, node, &j);
}

/* Somebody's record with another seq, under the old signature. */
static void forge_record(sim_world *w, lm_mesh *mesh, lm_mesh_link *link, const lm_mesh_node *node)
{
    char text[LM_NODE_RECORD_MAX + 1];
    if (node->record == NULL)
        return;
    snprintf(text, sizeof text, "%s", node->record);
    char *seq = strstr(text, "\"seq\":");
    if (seq != NULL)
        seq[6] = '2';
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_nodes);
    lm_json_key(&j, "nodes");
    lm_json_open(&j, '[');
    lm_json_open(&j, '{');
    lm_mesh_put_text(&j, "record", text);
    lm_mesh_put_text(&j, "sig", node->sig);
    lm_json_close(&j, '}');
    lm_json_close(&j, ']');
    lm_links_send_json(mesh, w->now, link, &j);
}

/* A message in somebody else's name, sealed by nobody. */
static void forge_via(sim_world *w, lm_mesh *mesh, lm_mesh_link *link, const lm_mesh_node *node)
{
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_via);
    lm_mesh_put_text(&j, "from", node->nk_text);
    lm_mesh_put_text(&j, "to", link->node->nk_text);
    lm_mesh_put_text(&j, "box",
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    lm_links_send_json(mesh, w->now, link, &j);
}

/* Neighbours that it does not have. */
static void forge_links(sim_world *w, lm_mesh *mesh, lm_mesh_link *link, unsigned count)
{
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];
    char text[64];
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_links);
    lm_json_key(&j, "add");
    lm_json_open(&j, '[');
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < sizeof nk; k++)
            nk[k] = (uint8_t)sim_below(w, 256);
        lm_mesh_put_text(&j, NULL, lm_base64url_encode(text, sizeof text, nk, sizeof nk));
    }
    lm_json_close(&j, ']');
    lm_links_send_json(mesh, w->now, link, &j);
}

void sim_misbehave(sim_world *w, unsigned index)
{
    static const char *const garbage[] = {
        "{}",
        "[]",
        "{\"type\":\"nothing\"}",
        "{\"type\":\"hello\",\"v\":1}",
        "{\"type\":\"links\",\"add\":[1]}",
        "{\"type\":\"ack\",\"e\":1,\"p\":1,\"a\":99999999}",
        "{\"type\":\"ping\",\"t\":-1}",
        "\x80",
        "{\"type\":\"rooms\",\"e\":5,\"p\":5,\"n\":9007199254740991,\"a\":0,\"add\":[]}"};
    sim_node *n = &w->nodes[index];
    lm_mesh_link *link = n->mesh != NULL ? any_link(w, n->mesh) : NULL;
    lm_mesh_node *node = n->mesh != NULL ? any_node(w, n->mesh) : NULL;
    if (link == NULL || node == NULL)
        return;
    switch (sim_below(w, 16)) {
    case 0:
        say(w, n->mesh, link, garbage[sim_below(w, sizeof garbage / sizeof garbage[0])]);
        break;
    case 1:
        forge_links(w, n->mesh, link, 1 + sim_below(w, 300));
        break;
    case 2:
        for (unsigned i = 0; i < 9000; i++)
            say(w, n->mesh, link, "{\"type\":\"pong\",\"t\":0}");
        break;
    case 3:
        claim(w, n->mesh, node, 300);
        break;
    case 4:
    case 5:
        forge_record(w, n->mesh, link, node);
        break;
    case 6:
    case 7:
        forge_via(w, n->mesh, link, node);
        break;
    case 8:
    case 9:
    case 10:
        forge_signal(w, n->mesh, node);
        break;
    default:
        claim(w, n->mesh, node, 1 + sim_below(w, 4));
        break;
    }
    sim_drain(w, n);
}
