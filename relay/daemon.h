/* The running relay: the loop, the signals, the health listener, and the service that browsers talk to. */
#ifndef LM_RELAY_DAEMON_H
#define LM_RELAY_DAEMON_H

#include "common/error_text.h"
#include "common/log.h"
#include "relay/configuration.h"

/*
 * Runs what configuration says, and changes it where SIGHUP has it read again from source; a change to the
 * log's level and addresses goes into log, too.
 * Runs until SIGINT or SIGTERM: then newcomers are refused, sessions are told, and it ends when they have
 * gone or DRAIN_SECONDS have passed; a second such signal ends the process at once. SIGUSR1 drains alone. A
 * service manager is told by source's NOTIFY_SOCKET. Everything is borrowed. LM_OK after such an end;
 * otherwise an error with one line of text, when the start failed: LM_EIO (a port is taken), LM_ENOMEM,
 * LM_ETOOBIG.
 */
int lm_daemon_run(lm_configuration *configuration, const lm_settings_source *source, lm_log *log,
                  lm_error_text *error);

#endif
