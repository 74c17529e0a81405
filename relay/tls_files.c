#include "relay/tls_files.h"

#include "common/error.h"
#include "common/file.h"
#include "common/random.h"

static int read_file(lm_file *file, char path[LM_PATH_SIZE], const char *dir, const char *name,
                     lm_error_text *error)
{
    int result = lm_path_join(path, dir, name, error);
    return result == LM_OK ? lm_file_read(file, path, LM_TLS_FILE_MAX, error) : result;
}

int lm_tls_files_load(lm_tls_server **server, const lm_settings *settings, lm_error_text *error)
{
    char cert_path[LM_PATH_SIZE], key_path[LM_PATH_SIZE];
    lm_file cert = {0}, key = {0};
    const lm_random random = lm_random_system();
    lm_tls_complaint complaint = {.text = NULL};

    if (settings->tls_port == 0) {
        *server = NULL;
        return LM_OK;
    }
    int result = read_file(&cert, cert_path, settings->state_dir, settings->tls_cert, error);
    if (result == LM_OK)
        result = read_file(&key, key_path, settings->state_dir, settings->tls_key, error);
    if (result == LM_OK) {
        result = lm_tls_server_create(server, cert.data, key.data, &random, &complaint);
        if (result != LM_OK && complaint.text != NULL)
            lm_error_text_set(error, result, "%s %s",
                              complaint.about == LM_TLS_CERTIFICATE ? cert_path : key_path, complaint.text);
        else if (result != LM_OK)
            lm_error_text_set(error, result, "%s: %s", cert_path, lm_strerror(result));
    }
    lm_file_clear(&cert);
    lm_file_clear(&key);
    return result;
}
