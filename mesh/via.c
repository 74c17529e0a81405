#include "mesh/via.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/hkdf.h"
#include "mesh/conversation.h"
#include "mesh/links.h"
#include "mesh/nodes.h"

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN crypto_aead_xchacha20poly1305_ietf_ABYTES
#define AD_LEN (2 * LM_NODE_PUBLIC_KEY_LEN)

static const char key_info[] = "lumamesh-via-v1";

/* The key with a node; NULL if its nk is no good key. */
static const uint8_t *key_with(const lm_mesh *mesh, lm_mesh_node *node)
{
    uint8_t theirs[crypto_scalarmult_BYTES], shared[crypto_scalarmult_BYTES];
    if (node->has_via_key)
        return node->via_key;
    if (crypto_sign_ed25519_pk_to_curve25519(theirs, node->nk) != 0 ||
        crypto_scalarmult(shared, mesh->keys.static_secret, theirs) != 0)
        return NULL;
    lm_hkdf_sha256(node->via_key, sizeof node->via_key, NULL, 0, shared, sizeof shared, key_info,
                   sizeof key_info - 1);
    sodium_memzero(shared, sizeof shared);
    node->has_via_key = true;
    return node->via_key;
}

static void put_ad(uint8_t ad[AD_LEN], const uint8_t *from, const uint8_t *to)
{
    memcpy(ad, from, LM_NODE_PUBLIC_KEY_LEN);
    memcpy(ad + LM_NODE_PUBLIC_KEY_LEN, to, LM_NODE_PUBLIC_KEY_LEN);
}

/* The same keys in the same order for a frame that is made and one that is passed on. */
static void send_frame(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const uint8_t *from, const uint8_t *to,
                       const char *box)
{
    lm_json_writer j = lm_mesh_message_begin(mesh->frame, sizeof mesh->frame, LM_MESH_TYPE_via);
    lm_mesh_put_bytes(&j, "from", from, LM_NODE_PUBLIC_KEY_LEN);
    lm_mesh_put_bytes(&j, "to", to, LM_NODE_PUBLIC_KEY_LEN);
    lm_mesh_put_text(&j, "box", box);
    lm_links_send_json(mesh, now, link, &j);
}

void lm_via_send(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, lm_mesh_link *link, const char *text,
                 size_t len)
{
    uint8_t ad[AD_LEN];
    const uint8_t *key = key_with(mesh, node);
    size_t box_len = NONCE_LEN + len + TAG_LEN;
    uint8_t *box = malloc(box_len);
    char *box_text = malloc(LM_BASE64URL_SIZE(box_len));
    if (key == NULL) { /* somebody made the node up */
        mesh->stats.drops.via_source++;
    } else if (box == NULL || box_text == NULL) {
        mesh->stats.drops.memory++;
    } else {
        put_ad(ad, mesh->keys.nk, node->nk);
        lm_random_fill(&mesh->random, box, NONCE_LEN);
        crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_LEN, NULL, (const uint8_t *)text, len, ad,
                                                   sizeof ad, NULL, box, key);
        lm_base64url_encode(box_text, LM_BASE64URL_SIZE(box_len), box, box_len);
        send_frame(mesh, now, link, mesh->keys.nk, node->nk, box_text);
    }
    free(box);
    free(box_text);
}

static void pass_on(lm_mesh *mesh, lm_ms now, const lm_mesh_link *link, const lm_mesh_message *m)
{
    const lm_mesh_node *to = lm_nodes_find(mesh, m->to_nk);
    if (memcmp(m->from_nk, link->node->nk, sizeof m->from_nk) != 0) {
        mesh->stats.drops.via_source++;
    } else if (to == NULL || to->links == NULL || to == link->node ||
               !lm_links_take_turn(mesh, now, to->links)) {
        mesh->stats.drops.via_forward++;
    } else {
        mesh->stats.via_passed++;
        send_frame(mesh, now, to->links, m->from_nk, m->to_nk, m->box);
    }
}

/* Opens the box in place; its length, or negative. */
static int open_box(const uint8_t *key, const lm_mesh_message *m, uint8_t *box, size_t cap)
{
    uint8_t ad[AD_LEN];
    size_t len;
    if (lm_base64url_decode(box, cap, &len, m->box, strlen(m->box)) != LM_OK || len < NONCE_LEN + TAG_LEN)
        return LM_EMALFORMED;
    put_ad(ad, m->from_nk, m->to_nk);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(box + NONCE_LEN, NULL, NULL, box + NONCE_LEN,
                                                   len - NONCE_LEN, ad, sizeof ad, box, key) != 0)
        return LM_EAUTH;
    return (int)(len - NONCE_LEN - TAG_LEN);
}

void lm_via_receive(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const lm_mesh_message *m)
{
    lm_mesh_message inner;
    if (memcmp(m->to_nk, mesh->keys.nk, sizeof m->to_nk) != 0) {
        pass_on(mesh, now, link, m);
        return;
    }
    lm_mesh_node *from = lm_nodes_find(mesh, m->from_nk);
    const uint8_t *key = from != NULL && from != mesh->self ? key_with(mesh, from) : NULL;
    if (key == NULL || now < from->banned_until) {
        mesh->stats.drops.via_source++;
        return;
    }
    size_t cap = strlen(m->box);
    uint8_t *box = malloc(cap + 1);
    int len = box != NULL ? open_box(key, m, box, cap) : LM_ENOMEM;
    if (len < 0 || lm_mesh_message_parse(&inner, (const char *)box + NONCE_LEN, (size_t)len) != LM_OK) {
        mesh->stats.drops.via_box++;
    } else {
        if (lm_mesh_type_is_conversational(inner.type))
            lm_conversation_receive(mesh, now, from, &inner);
        else
            mesh->stats.drops.via_box++;
        lm_mesh_message_clear(&inner);
    }
    free(box);
}
