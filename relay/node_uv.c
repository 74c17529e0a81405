#include "relay/node_uv.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"
#include "common/version.h"
#include "relay/configuration.h"
#include "relay/report.h"
#include "relay/service_uv.h"

_Static_assert(LM_NODE_REPORT_MAX == LM_REPORT_MAX, "the same room");

struct lm_node {
    uv_loop_t *loop;
    const lm_log *log;
    lm_configuration configuration;
    lm_service *service;
    char *json, *blob;
    uint64_t started_unix_ms; /* when, by both clocks */
    uint64_t started;
};

static uint64_t unix_ms(void)
{
    uv_timeval64_t now;
    return uv_gettimeofday(&now) == 0 ? (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000 : 0;
}

static const char *no_environment(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return NULL;
}

/* The flags as main() has them. *argv is to be freed, its texts are the caller's. LM_ENOMEM. */
static int source_of(lm_settings_source *source, char ***argv, const char *const settings[])
{
    static char name[] = "lumamesh"; /* the flags begin behind it */
    size_t len = 0;
    while (settings[len] != NULL)
        len++;
    *argv = calloc(len + 2, sizeof **argv);
    if (*argv == NULL)
        return LM_ENOMEM;
    (*argv)[0] = name;
    for (size_t i = 0; i < len; i++)
        memcpy(&(*argv)[i + 1], &settings[i], sizeof settings[i]); /* nobody writes to them */
    *source = (lm_settings_source){.argc = (int)len + 1, .argv = *argv, .get = no_environment};
    return LM_OK;
}

/* What the daemon knows and a node does not. */
static int check(const lm_settings *settings, lm_error_text *error)
{
    if (settings->command != LM_COMMAND_RUN)
        return lm_error_text_set(error, LM_EINVAL, "a command is for the daemon alone");
    if (settings->health_listen.family != LM_AF_NONE || settings->demo)
        return lm_error_text_set(error, LM_EINVAL,
                                 "HEALTH_LISTEN and DEMO are for the daemon alone: there is no HTTP here");
    return LM_OK;
}

static int make_texts(const lm_node_config *config, char **json, char **blob, lm_error_text *error)
{
    *json = lm_node_config_pretty(config);
    *blob = lm_node_config_blob(config);
    if (*json != NULL && *blob != NULL)
        return LM_OK;
    free(*json);
    free(*blob);
    *json = *blob = NULL;
    return lm_error_text_set(error, LM_ENOMEM, "out of memory");
}

static void discard(lm_node *node)
{
    free(node->json);
    free(node->blob);
    lm_configuration_clear(&node->configuration);
    free(node);
}

static int load(lm_node *node, const char *const settings[], lm_error_text *error)
{
    lm_configuration *c = &node->configuration;
    lm_settings_source source;
    char **argv;
    if (source_of(&source, &argv, settings) != LM_OK)
        return lm_error_text_set(error, LM_ENOMEM, "out of memory");
    int result = lm_settings_read(&c->settings, &source, error);
    free(argv);
    if (result == LM_OK || c->settings.command != LM_COMMAND_RUN)
        result = check(&c->settings, error);
    return result == LM_OK ? lm_configuration_load(c, false, node->log, error) : result;
}

int lm_node_start(lm_node **out, uv_loop_t *loop, const char *const settings[], const lm_log *log,
                  lm_error_text *error)
{
    if (sodium_init() < 0)
        return lm_error_text_set(error, LM_ECRYPTO, "the system gives no random numbers");
    lm_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return lm_error_text_set(error, LM_ENOMEM, "out of memory");
    node->loop = loop;
    node->log = log;
    uv_update_time(loop);
    node->started_unix_ms = unix_ms();
    node->started = uv_now(loop);
    int result = load(node, settings, error);
    if (result == LM_OK)
        result = lm_service_start(&node->service, loop, &node->configuration, log, error);
    /* After the start, which says what the TCP port is. */
    if (result == LM_OK)
        result = make_texts(&node->configuration.node, &node->json, &node->blob, error);
    if (result != LM_OK) {
        lm_service_stop(node->service);
        discard(node);
        return result;
    }
    *out = node;
    return LM_OK;
}

uint16_t lm_node_port(const lm_node *node)
{
    return lm_service_port(node->service);
}

const char *lm_node_json(const lm_node *node)
{
    return node->json;
}

const char *lm_node_blob(const lm_node *node)
{
    return node->blob;
}

uint64_t lm_node_sessions(const lm_node *node)
{
    return lm_service_sessions(node->service);
}

int lm_node_report(const lm_node *node, void *buf, size_t cap)
{
    char node_id[LM_BASE64URL_SIZE(LM_NODE_PUBLIC_KEY_LEN)];
    lm_report report = {.version = lm_version(),
                        .node_id = node_id,
                        .unix_ms = unix_ms(),
                        .started_unix_ms = node->started_unix_ms,
                        .uptime_ms = uv_now(node->loop) - node->started};
    const uint8_t *nk = node->configuration.node.nk;
    lm_base64url_encode(node_id, sizeof node_id, nk, LM_NODE_PUBLIC_KEY_LEN);
    lm_service_report(node->service, &report);
    lm_process_stats_read(&report.process);
    return lm_report_json(&report, buf, cap);
}

static int reload(lm_node *node, lm_configuration *fresh, const lm_settings_source *source,
                  lm_error_text *error)
{
    char kept[LM_SETTINGS_KEPT_SIZE], *json = NULL, *blob = NULL;
    int result = lm_configuration_reload(fresh, &node->configuration, source, kept, node->log, error);
    if (result != LM_OK)
        return result;
    result = check(&fresh->settings, error);
    if (result == LM_OK)
        result = make_texts(&fresh->node, &json, &blob, error);
    if (result == LM_OK)
        result = lm_service_reconfigure(node->service, fresh, error);
    if (result != LM_OK) {
        free(json);
        free(blob);
        lm_configuration_clear(fresh);
        return result;
    }
    free(node->json);
    free(node->blob);
    node->json = json;
    node->blob = blob;
    lm_configuration_clear(&node->configuration);
    node->configuration = *fresh;
    if (kept[0] != '\0')
        LM_LOGW(node->log, "%s: a change of this needs a restart", kept);
    return LM_OK;
}

int lm_node_reload(lm_node *node, const char *const settings[], lm_error_text *error)
{
    lm_settings_source source;
    char **argv = NULL;
    lm_configuration *fresh = calloc(1, sizeof *fresh);
    int result = fresh == NULL ? LM_ENOMEM : source_of(&source, &argv, settings);
    if (result != LM_OK)
        lm_error_text_set(error, result, "out of memory");
    else
        result = reload(node, fresh, &source, error);
    if (fresh != NULL)
        sodium_memzero(fresh, sizeof *fresh); /* what it owned is the node's now */
    free(fresh);
    free(argv);
    return result;
}

void lm_node_drain(lm_node *node)
{
    lm_service_drain(node->service);
}

void lm_node_stop(lm_node *node)
{
    if (node == NULL)
        return;
    lm_service_stop(node->service);
    discard(node);
}
