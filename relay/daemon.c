#include "relay/daemon.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h> /* the daemon owns the loop */

#include "common/error.h"
#include "common/version.h"
#include "relay/notify_uv.h"
#include "relay/service_uv.h"
#include "relay/web.h"

/* How often an end that waits for the last sessions looks whether they have gone, in ms. */
#define DRAIN_LOOK 50

static const int signal_numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
#define SIGNALS (sizeof signal_numbers / sizeof signal_numbers[0])

typedef struct daemon {
    lm_configuration *configuration;
    const lm_settings *settings; /* the configuration's */
    const lm_settings_source *source;
    lm_log *log;
    uv_loop_t loop;
    uv_signal_t signals[SIGNALS];
    bool stopping;
    uv_timer_t drain;
    uint64_t drain_until; /* of the loop's clock */
    lm_service *service;
    uint64_t started_unix_ms; /* when, by both clocks */
    uint64_t started;
    lm_web *web;       /* NULL without HEALTH_LISTEN */
    lm_notify *notify; /* NULL without a service manager */
} daemon_state;

static void stop(daemon_state *d)
{
    uv_timer_stop(&d->drain);
    lm_web_stop(d->web);
    lm_service_stop(d->service);
    d->service = NULL;
}

/* Stops once all sessions have gone, or their time is over. */
static void on_drain(uv_timer_t *timer)
{
    daemon_state *d = timer->data;
    uint64_t sessions = lm_service_sessions(d->service);
    if (sessions > 0 && uv_now(&d->loop) < d->drain_until)
        return;
    if (sessions > 0)
        LM_LOGI(d->log, "closing %llu sessions that are still there", (unsigned long long)sessions);
    stop(d);
    /* The signals are still listened to, for the second one, but no longer keep the loop running. */
    for (size_t i = 0; i < SIGNALS; i++)
        uv_unref((uv_handle_t *)&d->signals[i]);
}

static void begin_to_stop(daemon_state *d, int number)
{
    LM_LOGI(d->log, "stopping on %s", number == SIGINT ? "SIGINT" : "SIGTERM");
    d->stopping = true;
    lm_notify_stopping(d->notify, d->settings->drain_seconds, "waiting for sessions to go");
    lm_service_drain(d->service);
    d->drain_until = uv_now(&d->loop) + (uint64_t)d->settings->drain_seconds * 1000;
    uv_timer_start(&d->drain, on_drain, 0, DRAIN_LOOK);
}

static void fill_report(void *ctx, lm_report *report)
{
    const daemon_state *d = ctx;
    report->version = lm_version();
    report->started_unix_ms = d->started_unix_ms;
    report->uptime_ms = uv_now(&d->loop) - d->started;
    lm_service_report(d->service, report);
    lm_process_stats_read(&report->process);
}

/* Everything that can fail comes before the first thing that changes. */
static int change(daemon_state *d, lm_configuration *fresh, lm_error_text *error)
{
    int result = lm_web_prepare(d->web, fresh, error);
    if (result != LM_OK)
        return result;
    result = lm_service_reconfigure(d->service, fresh, error);
    if (result != LM_OK) {
        lm_web_drop(d->web);
        return result;
    }
    lm_web_change(d->web);
    lm_configuration_clear(d->configuration);
    *d->configuration = *fresh;
    d->log->level = d->settings->log_level;
    d->log->addresses = (lm_log_addresses)d->settings->log_addresses;
    return LM_OK;
}

static void tell_ready(daemon_state *d, const char *what)
{
    char status[LM_ERROR_TEXT_SIZE + 64];
    snprintf(status, sizeof status, "on UDP port %u; %s", (unsigned)lm_service_port(d->service), what);
    lm_notify_ready(d->notify, status);
}

static void reload(daemon_state *d)
{
    static lm_configuration fresh; /* too large for the stack, and there is one daemon */
    char kept[LM_SETTINGS_KEPT_SIZE];
    lm_error_text error = {""};
    lm_notify_reloading(d->notify);
    int result = lm_configuration_reload(&fresh, d->configuration, d->source, kept, d->log, &error);
    if (result == LM_OK && (result = change(d, &fresh, &error)) != LM_OK)
        lm_configuration_clear(&fresh);
    if (result != LM_OK) {
        LM_LOGE(d->log, "SIGHUP: nothing is changed: %s", error.text);
        tell_ready(d, error.text);
        return;
    }
    sodium_memzero(&fresh, sizeof fresh); /* what it owned is the configuration's now */
    if (kept[0] != '\0')
        LM_LOGW(d->log, "SIGHUP: %s: a change of this needs a restart", kept);
    LM_LOGI(d->log, "SIGHUP: settings, certificate and secrets are read again");
    tell_ready(d, "read again");
}

static void on_signal(uv_signal_t *handle, int number)
{
    daemon_state *d = handle->data;
    switch (number) {
    case SIGHUP:
        if (!d->stopping)
            reload(d);
        break;
    case SIGUSR1:
        if (d->service == NULL)
            break; /* it has stopped */
        LM_LOGI(d->log, "draining on SIGUSR1: newcomers are refused");
        lm_service_drain(d->service);
        lm_notify_status(d->notify, "draining: newcomers are refused");
        break;
    default:
        if (d->stopping)
            _exit(0); /* it was told to stop, and somebody will not wait for the goodbyes */
        begin_to_stop(d, number);
        break;
    }
}

static int start_signals(daemon_state *d, lm_error_text *error)
{
    signal(SIGPIPE, SIG_IGN); /* a reader of our output or a peer that goes away is no reason to die */
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&d->loop, &d->signals[i]);
        d->signals[i].data = d;
        if (uv_signal_start(&d->signals[i], on_signal, signal_numbers[i]) != 0)
            return lm_error_text_set(error, LM_EIO, "signals cannot be handled");
    }
    return LM_OK;
}

static uint64_t unix_ms(void)
{
    uv_timeval64_t now;
    return uv_gettimeofday(&now) == 0 ? (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000 : 0;
}

/* The demo's address, as a browser on this machine would write it. */
static void announce_demo(const lm_addr *listen)
{
    char text[LM_ADDR_STRLEN];
    lm_addr addr = *listen;
    if (lm_addr_is_unspecified(&addr))
        addr.ip[addr.family == LM_AF_INET6 ? 15 : 3] = 1;
    if (addr.family == LM_AF_INET && addr.ip[0] == 0)
        addr.ip[0] = 127;
    printf("open http://%s/demo in two tabs\n", lm_addr_format(&addr, text));
    fflush(stdout);
}

/* Said only once everything is there: a start that fails says one line, its error. */
static void announce(const daemon_state *d)
{
    const lm_addr *listen = &d->settings->health_listen;
    char text[LM_ADDR_STRLEN];
    LM_LOGI(d->log, "relay is up on UDP port %u", (unsigned)lm_service_port(d->service));
    if (listen->family != LM_AF_NONE)
        LM_LOGI(d->log, "health: http://%s/healthz", lm_addr_format(listen, text));
    if (d->settings->demo)
        announce_demo(listen);
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/*
 * Each relayed address and each stream takes a file descriptor. The soft limit is low for the sake of
 * programs that use select(); this one does not.
 */
static void allow_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

int lm_daemon_run(lm_configuration *configuration, const lm_settings_source *source, lm_log *log,
                  lm_error_text *error)
{
    daemon_state d = {
        .configuration = configuration, .settings = &configuration->settings, .source = source, .log = log};
    if (uv_loop_init(&d.loop) != 0)
        return lm_error_text_set(error, LM_EIO, "the event loop cannot be made");
    allow_files();
    d.started_unix_ms = unix_ms();
    d.started = uv_now(&d.loop);
    uv_timer_init(&d.loop, &d.drain);
    d.drain.data = &d;
    int result = start_signals(&d, error);
    if (result == LM_OK)
        result = lm_service_start(&d.service, &d.loop, configuration, log, error);
    if (result == LM_OK)
        result = lm_web_start(&d.web, &d.loop, configuration,
                              &(lm_report_source){.get = fill_report, .ctx = &d}, log, error);
    if (result == LM_OK) {
        announce(&d);
        lm_notify_start(&d.notify, &d.loop, source->get, source->ctx, log);
        tell_ready(&d, "up");
        uv_run(&d.loop, UV_RUN_DEFAULT);
        LM_LOGI(log, "stopped");
        lm_notify_stop(d.notify);
    } else {
        stop(&d);
    }
    /* The signal handles are left, and after a failed start whatever is on its way to be closed. */
    uv_walk(&d.loop, close_handle, NULL);
    uv_run(&d.loop, UV_RUN_DEFAULT);
    uv_loop_close(&d.loop);
    lm_web_destroy(d.web);
    return result;
}
