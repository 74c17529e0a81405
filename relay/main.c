/* lumamesh-relay: settings, identity, then the daemon or one of the commands that print and end. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "common/error.h"
#include "common/version.h"
#include "relay/daemon.h"
#include "relay/log_line.h"
#include "relay/memory_bound.h"
#include "relay/status_command.h"
#include "relay/turn_command.h"

enum { EXIT_USAGE = 2 };

static const char *get_environment(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

/* ctx: the settings, which may change */
static void log_to_stderr(void *ctx, lm_log_level level, const char *text)
{
    const lm_settings *settings = ctx;
    char line[LM_LOG_LINE_SIZE];
    struct timeval now;
    gettimeofday(&now, NULL);
    uint64_t unix_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
    size_t len = lm_log_line(line, (lm_log_format)settings->log_format, unix_ms, level, text);
    fwrite(line, 1, len, stderr); /* stderr is not buffered: a line is one write */
}

static int fail(const lm_error_text *error, int status)
{
    fprintf(stderr, "lumamesh-relay: %s\n", error->text);
    return status;
}

/* Lines above and below, but none at the sides, so that JSON and blob can be copied as they stand. */
static void print_box(const char *json, const char *blob)
{
    static const char title[] =
        "┌── relay config: what a page needs to reach this relay, as JSON and as a blob ──";
    printf("%s\n\n%s\n\n%s\n\n└──────────\n", title, json, blob);
    fflush(stdout);
}

/* Prints what the command or the first run asks for. */
static int print_config(const lm_settings *settings, const lm_node_config *config, bool created,
                        lm_error_text *error)
{
    char *json = lm_node_config_pretty(config), *blob = lm_node_config_blob(config);
    int result = json != NULL && blob != NULL ? LM_OK : lm_error_text_set(error, LM_ENOMEM, "out of memory");
    if (result == LM_OK && settings->command == LM_COMMAND_PRINT_CONFIG)
        printf("%s\n", json);
    else if (result == LM_OK && settings->command == LM_COMMAND_PRINT_BLOB)
        printf("%s\n", blob);
    else if (result == LM_OK && (created || settings->demo))
        print_box(json, blob);
    if (result == LM_OK && fflush(stdout) != 0)
        result = lm_error_text_set(error, LM_EIO, "the config cannot be written to the standard output");
    free(json);
    free(blob);
    return result;
}

/* What --check-config says where nothing is wrong. */
static int explain(const lm_settings *settings, const lm_settings_source *source, lm_error_text *error)
{
    lm_memory_bound bound;
    int result = lm_settings_explain(stdout, source, error);
    if (result != LM_OK)
        return result;
    lm_settings_print_reach(stdout, settings);
    lm_memory_bound_of(&bound, settings);
    lm_memory_bound_print(stdout, &bound, settings);
    return fflush(stdout) == 0 ? LM_OK
                               : lm_error_text_set(error, LM_EIO, "the standard output cannot be written");
}

static void tell(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "lumamesh-relay: %s\n", text);
}

static int check_config(lm_configuration *configuration, const lm_settings_source *source)
{
    const lm_log log = {.level = LM_LOG_WARN, .handler = log_to_stderr, .ctx = &configuration->settings};
    lm_error_list errors = {.tell = tell};
    lm_error_text error, note;
    int result = lm_configuration_check(configuration, source, &log, &errors, &note);
    if (errors.count > LM_ERROR_LIST_MAX)
        fprintf(stderr, "lumamesh-relay: and %u more\n", errors.count - LM_ERROR_LIST_MAX);
    if (result == LM_OK && note.text[0] != '\0')
        printf("%s\n", note.text); /* nothing wrong: it is made when it is needed */
    if (result == LM_OK && explain(&configuration->settings, source, &error) != LM_OK)
        result = fail(&error, EXIT_FAILURE);
    lm_configuration_clear(configuration);
    return result == LM_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int init_crypto(lm_error_text *error)
{
    return sodium_init() >= 0 ? LM_OK
                              : lm_error_text_set(error, LM_ECRYPTO, "the system gives no random numbers");
}

int main(int argc, char **argv)
{
    static lm_configuration configuration;
    lm_settings *settings = &configuration.settings;
    lm_error_text error = {""};
    lm_status_arguments status;
    char user[LM_TURN_USER_MAX + 1];
    bool ask_status = argc > 1 && strcmp(argv[1], "status") == 0;
    bool make_credential = argc > 1 && strcmp(argv[1], "turn-credential") == 0;

    if (ask_status && lm_status_arguments_take(&status, &argc, argv, &error) != LM_OK)
        return fail(&error, EXIT_USAGE);
    if (make_credential && lm_turn_command_take(user, &argc, argv, &error) != LM_OK)
        return fail(&error, EXIT_USAGE);
    const lm_settings_source source = {.argc = argc, .argv = argv, .get = get_environment};
    int result = lm_settings_read(settings, &source, &error);
    if (settings->command == LM_COMMAND_CHECK_CONFIG && !ask_status)
        return init_crypto(&error) == LM_OK ? check_config(&configuration, &source)
                                            : fail(&error, EXIT_FAILURE);
    if (result != LM_OK)
        return fail(&error, EXIT_USAGE);
    if (settings->command == LM_COMMAND_HELP) {
        lm_settings_print_help(stdout);
        return EXIT_SUCCESS;
    }
    if (settings->command == LM_COMMAND_VERSION) {
        printf("lumamesh-relay %s\n", lm_version());
        return EXIT_SUCCESS;
    }

    if (ask_status) {
        const lm_addr *health =
            status.health.family != LM_AF_NONE ? &status.health : &settings->health_listen;
        return lm_status_print(health, status.json, &error) == LM_OK ? EXIT_SUCCESS
                                                                     : fail(&error, EXIT_FAILURE);
    }

    if (make_credential) {
        /* Whoever gives them out may be elsewhere: no identity is needed, and no certificate. */
        static const lm_identity nobody;
        lm_settings_node_config(settings, &nobody, &configuration.node);
        result = init_crypto(&error) == LM_OK
                     ? lm_turn_command_print(settings, &configuration.node, user, &error)
                     : LM_ECRYPTO;
        lm_configuration_clear(&configuration);
        return result == LM_OK ? EXIT_SUCCESS : fail(&error, EXIT_FAILURE);
    }

    lm_log log = {.level = settings->log_level,
                  .addresses = (lm_log_addresses)settings->log_addresses,
                  .handler = log_to_stderr,
                  .ctx = settings};
    if (init_crypto(&error) != LM_OK)
        return fail(&error, EXIT_FAILURE);
    result = lm_configuration_load(&configuration, false, &log, &error);
    if (result == LM_OK)
        result = print_config(settings, &configuration.node, configuration.identity.created, &error);
    if (result == LM_OK && settings->command == LM_COMMAND_RUN)
        result = lm_daemon_run(&configuration, &source, &log, &error);
    lm_configuration_clear(&configuration);
    return result == LM_OK ? EXIT_SUCCESS : fail(&error, EXIT_FAILURE);
}
