#include "mesh/dialer.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/links.h"
#include "mesh/nodes.h"

#define BACKOFF_MIN 1000
#define BACKOFF_MAX 60000
#define BACKOFF_KNOWN 3000     /* ms, where a link has been up */
#define KNOWN_TIME 1000        /* ms for which it was: who is refused at once is not known for that */
#define STABLE_TIME 10000      /* ms for which a link is up before its failures are forgotten */
#define SELF_TIME (10 * 60000) /* ms: the address may lead to another node by then */
#define FIRST_TIME 200         /* ms within which a newly learned node is dialled */
#define LARGER_WAITS 1500      /* ms that the larger nk leaves to the smaller one, whose link would stay */
#define FULL_TIME 5000         /* ms after which one that found no room looks again */
#define DIALLING_MAX 32        /* at once */

static void set(lm_mesh *mesh, lm_dial *dial, lm_ms at)
{
    (void)lm_deadlines_set(&mesh->dial_deadlines, &dial->deadline, at); /* reserved by create() */
}

/* Larger than that all could be linked with all. */
static bool is_large(const lm_mesh *mesh)
{
    return mesh->stats.nodes > mesh->limits.links_wanted + 1;
}

/* On no list yet; but there is room for its deadline, if it goes onto mesh->dials with `more` others. */
static lm_dial *create(lm_mesh *mesh, const char *host_port, size_t more)
{
    size_t count;
    lm_dial *dial, *each;
    DL_COUNT(mesh->dials, each, count);
    if (lm_deadlines_reserve(&mesh->dial_deadlines, count + more + 1) != LM_OK ||
        (dial = calloc(1, sizeof *dial)) == NULL)
        return NULL;
    dial->host_port = strdup(host_port);
    if (dial->host_port == NULL) {
        free(dial);
        return NULL;
    }
    dial->deadline.owner = dial;
    return dial;
}

static void free_dial(lm_dial *dial)
{
    free(dial->host_port);
    free(dial);
}

static void drop(lm_mesh *mesh, lm_dial *dial)
{
    if (dial->link != NULL)
        dial->link->dial = NULL;
    mesh->stats.peers -= dial->configured && !dial->self;
    lm_deadlines_remove(&mesh->dial_deadlines, &dial->deadline);
    DL_DELETE(mesh->dials, dial);
    free_dial(dial);
}

static void clear_fresh(lm_mesh *mesh)
{
    lm_dial *dial, *next;
    DL_FOREACH_SAFE(mesh->fresh_dials, dial, next) {
        free_dial(dial);
    }
    mesh->fresh_dials = NULL;
}

/* The configured one of this list that leads there, NULL if there is none. */
static lm_dial *find_configured(lm_dial *dials, const char *host_port)
{
    lm_dial *dial;
    DL_FOREACH(dials, dial)
    {
        if (dial->configured && strcmp(dial->host_port, host_port) == 0)
            return dial;
    }
    return NULL;
}

int lm_dialer_prepare(lm_mesh *mesh, const char *const *peers, size_t count)
{
    lm_dial *dial;
    clear_fresh(mesh);
    DL_FOREACH(mesh->dials, dial)
    {
        dial->wanted = false;
    }
    for (size_t i = 0; i < count; i++) {
        if ((dial = find_configured(mesh->dials, peers[i])) == NULL &&
            (dial = find_configured(mesh->fresh_dials, peers[i])) == NULL) {
            if ((dial = create(mesh, peers[i], count)) == NULL) {
                clear_fresh(mesh);
                return LM_ENOMEM;
            }
            dial->configured = true;
            DL_APPEND(mesh->fresh_dials, dial);
        }
        dial->wanted = true;
    }
    return LM_OK;
}

void lm_dialer_commit(lm_mesh *mesh, lm_ms now)
{
    lm_dial *dial, *next;
    DL_FOREACH_SAFE(mesh->dials, dial, next) {
        if (dial->configured && !dial->wanted)
            drop(mesh, dial);
    }
    DL_FOREACH_SAFE(mesh->fresh_dials, dial, next) {
        DL_DELETE(mesh->fresh_dials, dial);
        DL_APPEND(mesh->dials, dial);
        mesh->stats.peers++;
        set(mesh, dial, now + lm_mesh_below(mesh, FIRST_TIME));
    }
}

void lm_dialer_learn(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    if (node->dial != NULL && node->address != NULL && strcmp(node->dial->host_port, node->address) == 0)
        return;
    lm_dialer_forget(mesh, node);
    if (node->address == NULL || (node->dial = create(mesh, node->address, 0)) == NULL)
        return;
    node->dial->node = node;
    DL_APPEND(mesh->dials, node->dial);
    bool waits = !is_large(mesh) && mesh->self->address != NULL &&
                 memcmp(mesh->keys.nk, node->nk, LM_NODE_PUBLIC_KEY_LEN) > 0;
    set(mesh, node->dial, now + (waits ? LARGER_WAITS : 0) + lm_mesh_below(mesh, FIRST_TIME));
}

void lm_dialer_forget(lm_mesh *mesh, lm_mesh_node *node)
{
    lm_dial *dial;
    if (node->dial != NULL)
        drop(mesh, node->dial);
    node->dial = NULL;
    if (node->record != NULL)
        return;
    DL_FOREACH(mesh->dials, dial)
    { /* a configured address that led there */
        if (dial->node == node && node->links == NULL)
            dial->node = NULL;
    }
}

void lm_dialer_set_self(lm_mesh *mesh, lm_dial *dial, bool self)
{
    if (dial == NULL || dial->self == self)
        return;
    dial->self = self;
    if (dial->configured && self)
        mesh->stats.peers--;
    else if (dial->configured)
        mesh->stats.peers++;
}

void lm_dialer_link_up(lm_mesh *mesh, lm_ms now, lm_mesh_link *link)
{
    lm_dial *dial = link->dial;
    (void)now;
    if (dial == NULL)
        return;
    lm_dialer_set_self(mesh, dial, false);
    dial->salt_logged = false;
    dial->unheard = 0;
    dial->node = link->node;
}

static lm_ms backoff(lm_mesh *mesh, const lm_dial *dial)
{
    lm_ms most = dial->was_up ? BACKOFF_KNOWN : BACKOFF_MAX;
    lm_ms time = BACKOFF_MIN << (dial->failures < 7 ? dial->failures : 7);
    if (dial->self)
        time = most = SELF_TIME;
    if (time > most)
        time = most;
    return time / 2 + lm_mesh_below(mesh, (uint32_t)time / 2 + 1);
}

/* All ways to the node may be tried again. */
static void rearm_node(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    lm_dial *dial;
    DL_FOREACH(mesh->dials, dial)
    {
        if (dial->node == node && dial->link == NULL && dial->deadline.slot == 0)
            set(mesh, dial, now + backoff(mesh, dial));
    }
}

void lm_dialer_link_ended(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, bool was_up)
{
    lm_dial *dial = link->dial;
    link->dial = NULL;
    if (dial != NULL) {
        dial->link = NULL;
        dial->was_up = dial->was_up || (was_up && now - link->since >= KNOWN_TIME);
        if (was_up && now - link->since >= STABLE_TIME)
            dial->failures = 0;
        /* In a large mesh it may have made room for another node: then it is others' turn. */
        lm_ms wait = was_up && is_large(mesh) ? BACKOFF_MAX / 2 + lm_mesh_below(mesh, BACKOFF_MAX / 2)
                                              : backoff(mesh, dial);
        dial->failures++;
        set(mesh, dial, now + wait);
    }
    if (was_up && link->node->links == NULL)
        rearm_node(mesh, now, link->node);
}

void lm_dialer_hurry(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    if (node->dial != NULL && node->dial->link == NULL && node->links == NULL && node->dial->failures == 0)
        set(mesh, node->dial, now + lm_mesh_below(mesh, FIRST_TIME));
}

/* True if one more link to this node is wanted now; else *again is when to ask again. */
static bool is_wanted(lm_mesh *mesh, lm_ms now, const lm_dial *dial, lm_ms *again)
{
    const lm_mesh_node *node = dial->node;
    uint32_t wanted = mesh->limits.links_wanted;
    *again = now + FULL_TIME;
    if (node != NULL && (node->links != NULL || node == mesh->self)) {
        *again = LM_MS_NEVER; /* until that link ends */
        return false;
    }
    if (node != NULL && now < node->banned_until) {
        *again = node->banned_until;
        return false;
    }
    if (mesh->self->record == NULL || mesh->dialling >= DIALLING_MAX) {
        *again = now + FIRST_TIME;
        return false;
    }
    if (mesh->stats.links >= mesh->limits.links_max)
        return false;
    if (!is_large(mesh) || mesh->stats.links == 0)
        return true;
    if (node != NULL && node->listed == 0)
        return mesh->link_count < wanted + wanted / 2;
    return mesh->dialled_up + mesh->dialling < wanted / 2 && mesh->link_count < wanted;
}

void lm_dialer_timeout(lm_mesh *mesh, lm_ms now)
{
    lm_deadline *due;
    lm_ms again;
    while ((due = lm_deadlines_pop(&mesh->dial_deadlines, now)) != NULL) {
        lm_dial *dial = due->owner;
        if (dial->link != NULL)
            continue;
        if (!is_wanted(mesh, now, dial, &again)) {
            if (again != LM_MS_NEVER)
                again += lm_mesh_below(mesh, (uint32_t)(again - now) / 2 + 1);
            set(mesh, dial, again);
            continue;
        }
        dial->link = lm_links_add(mesh, now, dial, NULL);
        if (dial->link == NULL) {
            set(mesh, dial, now + FULL_TIME);
            continue;
        }
        mesh->stats.dials++;
        lm_mesh_emit(mesh, LM_MESH_CONNECT, dial->link->id, dial->host_port);
    }
}

void lm_dialer_clear(lm_mesh *mesh)
{
    lm_dial *dial, *next;
    clear_fresh(mesh);
    DL_FOREACH_SAFE(mesh->dials, dial, next) {
        drop(mesh, dial);
    }
    lm_deadlines_clear(&mesh->dial_deadlines);
}
