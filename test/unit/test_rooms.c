#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "common/error.h"
#include "relay/rooms.h"
#include "relay/sessions.h"

static void reads_room_ids(void **state)
{
    uint8_t id[LM_ROOM_ID_LEN], upper[LM_ROOM_ID_LEN];
    (void)state;
    assert_int_equal(lm_room_id_parse(id, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
                     LM_OK);
    assert_int_equal(id[1], 0x11);
    assert_int_equal(id[31], 0xff);
    assert_int_equal(
        lm_room_id_parse(upper, "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"), LM_OK);
    assert_memory_equal(id, upper, sizeof id);

    static const char *const bad[] = {
        "",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef",   /* 63 */
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0", /* 65 */
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefff0",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg",
        "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        " 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddee\xc3\xa9",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lm_room_id_parse(id, bad[i]), LM_EMALFORMED);
}

static void keeps_places_in_order_of_joining(void **state)
{
    lm_relay_stats stats = {0};
    lm_rooms rooms = {.room_size = 3, .stats = &stats};
    lm_relay_session session = {.id = 1};
    lm_peer peers[4] = {
        {.session = &session}, {.session = &session}, {.session = &session}, {.session = &session}};
    const uint8_t id[LM_ROOM_ID_LEN] = {1};
    lm_member *members[4] = {NULL};
    (void)state;

    assert_null(lm_rooms_find(&rooms, id));
    assert_null(lm_rooms_place(NULL, &peers[0]));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(lm_rooms_add(&rooms, id, &peers[i], "", &members[i]), LM_OK);
    assert_int_equal(lm_rooms_add(&rooms, id, &peers[3], "", &members[3]), LM_ELIMIT);
    assert_null(members[3]);

    lm_room *room = lm_rooms_find(&rooms, id);
    assert_non_null(room);
    assert_string_equal(room->id_text, "0100000000000000000000000000000000000000000000000000000000000000");
    assert_ptr_equal(room->members, members[0]);
    assert_ptr_equal(room->members->room_next, members[1]);
    assert_ptr_equal(lm_rooms_place(room, &peers[2]), members[2]);
    assert_null(lm_rooms_place(room, &peers[3]));
    assert_int_equal(stats.rooms, 1);
    assert_int_equal(stats.members, 3);

    lm_rooms_remove(&rooms, members[1]);
    assert_int_equal(lm_rooms_add(&rooms, id, &peers[3], "x", &members[3]), LM_OK);
    assert_ptr_equal(members[2]->room_next, members[3]);
    lm_rooms_remove(&rooms, members[0]);
    lm_rooms_remove(&rooms, members[3]);
    assert_ptr_equal(lm_rooms_find(&rooms, id), room);
    lm_rooms_remove(&rooms, members[2]);
    assert_null(lm_rooms_find(&rooms, id));
    assert_null(rooms.table);
    assert_int_equal(stats.rooms, 0);
    assert_int_equal(stats.members, 0);
}

static void a_peer_has_many_places(void **state)
{
    lm_relay_stats stats = {0};
    lm_rooms rooms = {.room_size = 1, .stats = &stats};
    lm_relay_session session = {.id = 1};
    lm_peer peer = {.session = &session};
    lm_member *member;
    uint8_t id[LM_ROOM_ID_LEN] = {0};
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        id[31] = (uint8_t)i;
        id[0] = (uint8_t)(i >> 8);
        assert_int_equal(lm_rooms_add(&rooms, id, &peer, "", &member), LM_OK);
        assert_int_equal(peer.place_count, i + 1);
    }
    assert_int_equal(stats.rooms, 500);
    assert_null(lm_rooms_stale_place(&peer));
    peer.places->peer_next->stale = true;
    assert_ptr_equal(lm_rooms_stale_place(&peer), peer.places->peer_next);
    while (peer.places != NULL)
        lm_rooms_remove(&rooms, peer.places);
    assert_int_equal(peer.place_count, 0);
    assert_int_equal(stats.rooms, 0);
}

static void replaces_info_and_listens(void **state)
{
    lm_relay_stats stats = {0};
    lm_rooms rooms = {.room_size = 2, .stats = &stats};
    lm_relay_session session = {.id = 1};
    lm_peer peer = {.session = &session};
    const uint8_t id[LM_ROOM_ID_LEN] = {0};
    lm_member *member;
    (void)state;
    assert_int_equal(lm_rooms_add(&rooms, id, &peer, "one", &member), LM_OK);
    assert_string_equal(member->info, "one");
    assert_int_equal(lm_member_set_info(member, "two"), LM_OK);
    assert_string_equal(member->info, "two");
    assert_true(lm_member_listens(member));
    member->stale = true;
    assert_false(lm_member_listens(member));
    member->stale = false;
    peer.session = NULL;
    assert_false(lm_member_listens(member));
    lm_rooms_remove(&rooms, member);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_room_ids),
        cmocka_unit_test(keeps_places_in_order_of_joining),
        cmocka_unit_test(a_peer_has_many_places),
        cmocka_unit_test(replaces_info_and_listens),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
