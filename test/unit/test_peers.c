#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "relay/peers.h"
#include "relay/sessions.h"

static void derives_ids_from_keys(void **state)
{
    /* By Python's hashlib: sha256(b"lumamesh-peer-v1\0" + bytes([1]) * 32)[:16] */
    uint8_t key[LM_PEER_KEY_LEN], id[LM_PEER_ID_LEN];
    char text[LM_PEER_ID_TEXT];
    (void)state;
    memset(key, 1, sizeof key);
    lm_peer_id_from_key(id, key);
    assert_string_equal(lm_base64url_encode(text, sizeof text, id, sizeof id), "vKRHdHM6RIoCnPsHgpyusA");
}

static void finds_by_id_and_text(void **state)
{
    lm_relay_stats stats = {0};
    lm_peers peers = {.stats = &stats};
    lm_relay_session session = {.id = 1};
    uint8_t id[LM_PEER_ID_LEN] = {0};
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        id[0] = (uint8_t)i;
        id[9] = (uint8_t)(i >> 8);
        assert_null(lm_peers_find(&peers, id));
        lm_peer *peer = lm_peers_add(&peers, id, &session);
        assert_non_null(peer);
        assert_ptr_equal(lm_peers_find(&peers, id), peer);
        assert_ptr_equal(lm_peers_find_text(&peers, peer->id_text), peer);
        assert_int_equal(strlen(peer->id_text), 22);
    }
    assert_int_equal(stats.peers, 1000);
    assert_null(lm_peers_find_text(&peers, ""));
    assert_null(lm_peers_find_text(&peers, "AAAA"));
    assert_null(lm_peers_find_text(&peers, "AAAAAAAAAAAAAAAAAAAAAA=="));
    assert_null(lm_peers_find_text(&peers, "AAAAAAAAAAAAAAAAAAAAAAA"));
    assert_null(lm_peers_find_text(&peers, "AAAAAAAAAAAAAAAAAAAAA!"));
    lm_peers_clear(&peers);
    assert_int_equal(stats.peers, 0);
}

static void counts_the_detached(void **state)
{
    lm_relay_stats stats = {0};
    lm_peers peers = {.stats = &stats};
    lm_relay_session session = {.id = 1};
    uint8_t id[LM_PEER_ID_LEN] = {0};
    (void)state;
    lm_peer *peer = lm_peers_add(&peers, id, &session);
    assert_int_equal(stats.peers_detached, 0);
    lm_peers_attach(&peers, peer, NULL);
    assert_int_equal(stats.peers_detached, 1);
    lm_peers_set_deadline(&peers, peer, 5);
    assert_ptr_equal(lm_deadlines_pop(&peers.deadlines, 5)->owner, peer);
    lm_peers_attach(&peers, peer, &session);
    assert_int_equal(stats.peers_detached, 0);
    lm_peers_attach(&peers, peer, NULL);
    lm_peers_set_deadline(&peers, peer, 9);
    lm_peers_remove(&peers, peer);
    assert_int_equal(stats.peers_detached, 0);
    assert_true(lm_deadlines_next(&peers.deadlines) == LM_MS_NEVER);
    lm_peers_clear(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derives_ids_from_keys),
        cmocka_unit_test(finds_by_id_and_text),
        cmocka_unit_test(counts_the_detached),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
