#include "mesh/members_tell.h"

#include "mesh/conversation.h"

/* What follows is sent in lists that are split where they get long. */

static lm_json_writer begin_list(lm_mesh *mesh, lm_mesh_type type, const lm_mesh_room *room, bool full,
                                 const char *key)
{
    lm_json_writer j = lm_mesh_message_begin(mesh->body, sizeof mesh->body, type);
    if (room != NULL)
        lm_mesh_put_room(&j, "room", room->id);
    if (full) {
        lm_json_key(&j, "full");
        lm_json_bool(&j, true);
    }
    lm_json_key(&j, key);
    lm_json_open(&j, '[');
    return j;
}

static void end_list(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, lm_json_writer *j)
{
    lm_json_close(j, ']');
    (void)lm_conversation_send(mesh, now, node, j);
}

static void put_member(lm_json_writer *j, const lm_presence_of *who)
{
    lm_json_open(j, '{');
    lm_mesh_put_bytes(j, "id", who->id, sizeof who->id);
    lm_mesh_put_text(j, "info", who->info);
    lm_json_close(j, '}');
}

void lm_members_tell_all(lm_mesh *mesh, lm_ms now, lm_share *share)
{
    lm_presence_of *who, *next;
    share->told = true;
    lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_members, share->room, true, "add");
    HASH_ITER(hh, share->room->peers, who, next) {
        if (who->local == NULL)
            continue;
        if (j.text.len > LM_MESH_LIST_MAX) {
            end_list(mesh, now, share->node, &j);
            j = begin_list(mesh, LM_MESH_TYPE_members, share->room, false, "add");
        }
        put_member(&j, who);
    }
    end_list(mesh, now, share->node, &j);
}

void lm_members_tell_gone(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const uint8_t id[LM_MESH_ROOM_LEN])
{
    lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_rooms, NULL, false, "del");
    lm_mesh_put_room(&j, NULL, id);
    end_list(mesh, now, node, &j);
}

void lm_members_tell_change(lm_mesh *mesh, lm_ms now, const lm_presence_of *who, bool gone)
{
    lm_share *share;
    DL_FOREACH2(who->room->shares, share, room_next) {
        if (!share->told)
            continue;
        lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_members, who->room, false, gone ? "del" : "add");
        if (gone) {
            char text[LM_BASE64URL_SIZE(LM_MESH_PEER_LEN)];
            lm_mesh_put_text(&j, NULL, lm_base64url_encode(text, sizeof text, who->id, sizeof who->id));
        } else {
            put_member(&j, who);
        }
        end_list(mesh, now, share->node, &j);
    }
}

void lm_members_tell_rooms(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, bool full)
{
    lm_mesh_room *room, *next;
    lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_rooms, NULL, full, "add");
    for (room = full ? mesh->rooms : mesh->fresh_rooms; room != NULL; room = next) {
        next = full ? room->hh.next : room->fresh_next;
        if (j.text.len > LM_MESH_LIST_MAX) {
            end_list(mesh, now, node, &j);
            j = begin_list(mesh, LM_MESH_TYPE_rooms, NULL, false, "add");
        }
        lm_mesh_put_room(&j, NULL, room->id);
    }
    end_list(mesh, now, node, &j);
}
