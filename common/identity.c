#include "common/identity.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base64url.h"
#include "common/dir_lock.h"
#include "common/error.h"
#include "common/file.h"

#define FILE_MAX 65536 /* bytes; the PEM files have under 1 kB */
#define ICE_PWD_BYTES 16
#define ICE_PWD_LEN (2 * ICE_PWD_BYTES)
#define SEED_TEXT_SIZE LM_BASE64URL_SIZE(LM_IDENTITY_SEED_LEN)
#define STAGED_SUFFIX ".new-"
#define STAGED_DIGITS 16
#define ADVICE "restore it from the backup, or move the identity's files away to have a new identity made"
#define ADVICE_UNREADABLE "make it a file that this user can read, or " ADVICE

/*
 * In the order of the renames: the certificate first, because its fingerprint says which staged files belong
 * to it.
 */
enum { CERT, KEY, ICE_PWD, NODE_KEY, FILES };

static const unsigned file_modes[FILES] = {0644, 0600, 0600, 0600};

typedef struct file_set {
    struct {
        bool used; /* false: the ICE password when it was given */
        bool exists;
        bool staged; /* the bytes lie under the staged name still */
        char path[LM_PATH_SIZE];
        char staged_path[LM_PATH_SIZE];
    } file[FILES];
    bool reading; /* every file has been found, and what is wrong is in one of them */
    lm_error_text *error;
} file_set;

static const char *source_path(const file_set *set, int i)
{
    return set->file[i].staged ? set->file[i].staged_path : set->file[i].path;
}

/* "<why it failed>: <what to do>" from the text that a function below left. */
static int advise(file_set *set, int result)
{
    char reason[LM_ERROR_TEXT_SIZE];
    if (set->error == NULL)
        return result;
    memcpy(reason, set->error->text, sizeof reason);
    return lm_error_text_set(set->error, result, "%s: %s", reason,
                             result == LM_EIO ? ADVICE_UNREADABLE : ADVICE);
}

static int set_init(file_set *set, const lm_identity_config *config, lm_error_text *error)
{
    char ice_pwd_file[LM_PATH_SIZE];
    const char *const names[FILES] = {config->cert_file, config->key_file, ice_pwd_file,
                                      config->node_key_file};
    memset(set, 0, sizeof *set);
    set->error = error;
    if (snprintf(ice_pwd_file, sizeof ice_pwd_file, "%s.icepwd", config->key_file) >=
        (int)sizeof ice_pwd_file)
        return lm_error_text_set(error, LM_ETOOBIG, "%.64s…: the path is too long", config->key_file);
    for (int i = 0; i < FILES; i++) {
        set->file[i].used = i != ICE_PWD || config->ice_pwd == NULL || config->ice_pwd[0] == '\0';
        int result = lm_path_join(set->file[i].path, config->state_dir, names[i], error);
        if (result != LM_OK)
            return result;
        if (strlen(set->file[i].path) + sizeof STAGED_SUFFIX + STAGED_DIGITS > LM_PATH_SIZE)
            return lm_error_text_set(error, LM_ETOOBIG, "%.64s…: the path is too long", set->file[i].path);
        for (int j = 0; j < i; j++) {
            if (strcmp(set->file[i].path, set->file[j].path) == 0)
                return lm_error_text_set(error, LM_EINVAL,
                                         "%s is named for two files of the identity: give each its own name",
                                         set->file[i].path);
        }
    }
    return LM_OK;
}

/* Finds out which files exist. With a list, one that cannot be looked at is left for set_tell(). */
static int set_survey(file_set *set, int *missing, bool all)
{
    *missing = 0;
    for (int i = 0; i < FILES; i++) {
        if (!set->file[i].used)
            continue;
        int result = lm_file_exists(&set->file[i].exists, set->file[i].path, set->error);
        if (result != LM_OK && !all)
            return advise(set, result);
        if (result != LM_OK)
            set->file[i].exists = true;
        *missing += !set->file[i].exists;
    }
    return LM_OK;
}

/* The names under which the files lie until the renames. */
static void set_staged_names(file_set *set, const uint8_t *fingerprint)
{
    char hex[STAGED_DIGITS + 1];
    sodium_bin2hex(hex, sizeof hex, fingerprint, STAGED_DIGITS / 2);
    for (int i = 0; i < FILES; i++) {
        size_t len = strlen(set->file[i].path);
        memcpy(set->file[i].staged_path, set->file[i].path, len); /* set_init() made sure of the room */
        snprintf(set->file[i].staged_path + len, LM_PATH_SIZE - len, "%s%s", STAGED_SUFFIX, hex);
    }
}

/* "a and b are missing, while c exists: what to do" */
static int complain_of_missing(const file_set *set)
{
    char missing[LM_ERROR_TEXT_SIZE / 3] = "", existing[LM_ERROR_TEXT_SIZE / 3] = "";
    int n_missing = 0, n_existing = 0;
    for (int i = 0; i < FILES; i++) {
        if (!set->file[i].used)
            continue;
        char *list = set->file[i].exists ? existing : missing;
        size_t len = strlen(list);
        snprintf(list + len, sizeof missing - len, "%s%s", len > 0 ? " and " : "", set->file[i].path);
        n_missing += !set->file[i].exists;
        n_existing += set->file[i].exists;
    }
    const char *or_set_pwd = n_missing == 1 && set->file[ICE_PWD].used && !set->file[ICE_PWD].exists
                                 ? ", or set ICE_PWD to the password that it held"
                                 : "";
    return lm_error_text_set(
        set->error, LM_EIO,
        "%s %s missing, but %s %s there: restore what is missing from the backup%s, or move the "
        "others away to have a new identity made",
        missing, n_missing > 1 ? "are" : "is", existing, n_existing > 1 ? "are" : "is", or_set_pwd);
}

/*
 * If what is missing lies staged beside the certificate that it was made with, marks it; else it is missing.
 */
static int set_find_staged(file_set *set)
{
    const char *why;
    lm_file pem;
    lm_certificate cert;
    if (!set->file[CERT].exists)
        return complain_of_missing(set);
    int result = lm_file_read(&pem, set->file[CERT].path, FILE_MAX, set->error);
    if (result != LM_OK)
        return complain_of_missing(set);
    result = lm_certificate_parse(&cert, pem.data, pem.len, &why);
    lm_file_clear(&pem);
    if (result != LM_OK)
        return complain_of_missing(set);
    set_staged_names(set, cert.fingerprint);
    lm_certificate_clear(&cert);
    for (int i = 0; i < FILES; i++) {
        if (!set->file[i].used || set->file[i].exists)
            continue;
        bool exists;
        if (lm_file_exists(&exists, set->file[i].staged_path, set->error) != LM_OK || !exists)
            return complain_of_missing(set);
        set->file[i].staged = true;
    }
    return LM_OK;
}

/* Fills the four texts of a new identity; empty texts stand for files that are not used. */
static int make_texts(const file_set *set, char text[FILES][LM_CERTIFICATE_PEM_SIZE], const lm_random *random)
{
    uint8_t pwd[ICE_PWD_BYTES], seed[LM_IDENTITY_SEED_LEN];
    int result = lm_certificate_make(text[CERT], text[KEY], random);
    if (result != LM_OK)
        return lm_error_text_set(set->error, result, "%s cannot be made: the cryptographic library refused",
                                 set->file[CERT].path);
    lm_random_fill(random, pwd, sizeof pwd);
    lm_random_fill(random, seed, sizeof seed);
    sodium_bin2hex(text[ICE_PWD], ICE_PWD_LEN + 1, pwd, sizeof pwd);
    lm_base64url_encode(text[NODE_KEY], SEED_TEXT_SIZE, seed, sizeof seed);
    sodium_memzero(pwd, sizeof pwd);
    sodium_memzero(seed, sizeof seed);
    return LM_OK;
}

static int set_remove_staged(const file_set *set, lm_error_text *error)
{
    int result = LM_OK;
    for (int i = 0; i < FILES && result == LM_OK; i++) {
        if (set->file[i].used)
            result = lm_file_remove_staged(set->file[i].path, STAGED_SUFFIX, STAGED_DIGITS, error);
    }
    return result;
}

static int set_sync_dirs(const file_set *set)
{
    int result = LM_OK;
    for (int i = 0; i < FILES && result == LM_OK; i++) {
        if (set->file[i].used)
            result = lm_file_sync_dir(set->file[i].path, set->error);
    }
    return result;
}

/* Makes a new identity under staged names. */
static int set_stage(file_set *set, const lm_random *random)
{
    char text[FILES][LM_CERTIFICATE_PEM_SIZE] = {{0}};
    lm_certificate cert;
    const char *why;
    int result = set_remove_staged(set, set->error);
    if (result != LM_OK || (result = make_texts(set, text, random)) != LM_OK)
        goto out;
    if ((result = lm_certificate_parse(&cert, text[CERT], strlen(text[CERT]), &why)) != LM_OK) {
        lm_error_text_set(set->error, result, "%s %s", set->file[CERT].path, why);
        goto out;
    }
    set_staged_names(set, cert.fingerprint);
    lm_certificate_clear(&cert);
    for (int i = 0; i < FILES && result == LM_OK; i++) {
        if (!set->file[i].used)
            continue;
        result =
            lm_file_write_new(set->file[i].staged_path, file_modes[i], text[i], strlen(text[i]), set->error);
        set->file[i].staged = result == LM_OK;
    }
    if (result == LM_OK)
        result = set_sync_dirs(set);
    if (result != LM_OK)
        set_remove_staged(
            set, NULL); /* a full disk is no place for half an identity; the first error is the one to tell */
out:
    sodium_memzero(text, sizeof text);
    return result;
}

/*
 * Gives the staged files their final names. What is not renamed by an error or a kill is found by the next
 * start.
 */
static int set_install(file_set *set)
{
    int result = LM_OK;
    for (int i = 0; i < FILES && result == LM_OK; i++) {
        if (set->file[i].staged)
            result = lm_file_move(set->file[i].staged_path, set->file[i].path, set->error);
    }
    return result == LM_OK ? set_sync_dirs(set) : result;
}

/* The text behind a line end that an editor may have put there. */
static size_t trimmed_len(const lm_file *file)
{
    size_t len = file->len;
    if (len > 0 && file->data[len - 1] == '\n')
        len--;
    if (len < file->len && len > 0 && file->data[len - 1] == '\r')
        len--;
    return len;
}

/* Takes one file's bytes into the identity; *why is set on failure. */
static int take_file(lm_identity *identity, int i, const lm_file *file, const lm_random *random,
                     const char **why)
{
    size_t len = trimmed_len(file), seed_len = 0;
    switch (i) {
    case CERT:
        return lm_certificate_parse(&identity->cert, file->data, file->len, why);
    case KEY:
        return lm_private_key_parse(&identity->key, file->data, file->len, &identity->cert, random, why);
    case ICE_PWD:
        *why = "does not hold an ICE password of 32 hex digits";
        if (len != ICE_PWD_LEN || strspn(file->data, "0123456789abcdefABCDEF") != ICE_PWD_LEN)
            return LM_EMALFORMED;
        memcpy(identity->ice_pwd, file->data, ICE_PWD_LEN);
        identity->ice_pwd[ICE_PWD_LEN] = '\0';
        return LM_OK;
    default:
        *why = "does not hold a node key (32 bytes as 43 characters of base64url)";
        if (lm_base64url_decode(identity->node_seed, sizeof identity->node_seed, &seed_len, file->data,
                                len) != LM_OK ||
            seed_len != sizeof identity->node_seed)
            return LM_EMALFORMED;
        return LM_OK;
    }
}

/* Reads and checks one file of the set. */
static int set_read_one(const file_set *set, int i, lm_identity *identity, const lm_identity_config *config)
{
    const char *why = "";
    lm_file file;
    int result = lm_file_read(&file, source_path(set, i), FILE_MAX, set->error);
    if (result != LM_OK)
        return result;
    if (i != CERT && (file.mode & 077) != 0)
        LM_LOGW(config->log,
                "%s is private, but others than its owner have access to it (mode %04o): chmod 600 it",
                source_path(set, i), file.mode);
    result = take_file(identity, i, &file, &config->random, &why);
    lm_file_clear(&file);
    if (result == LM_EAUTH)
        return lm_error_text_set(set->error, result, "%s %s in %s", source_path(set, i), why,
                                 source_path(set, CERT));
    if (result != LM_OK)
        return lm_error_text_set(set->error, result, "%s %s", source_path(set, i), why);
    return LM_OK;
}

/* Reads and checks the whole set, wherever its files lie. */
static int set_read(const file_set *set, lm_identity *identity, const lm_identity_config *config)
{
    int result = LM_OK;
    for (int i = 0; i < FILES && result == LM_OK; i++) {
        if (set->file[i].used)
            result = set_read_one(set, i, identity, config);
    }
    return result;
}

/*
 * Tells the list what is wrong with the set, whose loading has failed: what *set->error says, unless that is
 * of one file, and what is wrong with each file that is there. A key is parsed beside a good certificate
 * only.
 */
static void set_tell(const file_set *failed, int result, const lm_identity_config *config)
{
    lm_error_text why;
    lm_identity identity = {0};
    lm_identity_config silent = *config; /* the warnings have been logged */
    file_set set = *failed;
    set.error = &why;
    silent.log = NULL;
    if (!set.reading)
        lm_error_list_add(config->errors, result, "%s", failed->error->text);
    for (int i = 0; i < FILES; i++) {
        lm_file file;
        if (!set.file[i].used || !(set.file[i].exists || set.file[i].staged))
            continue;
        if (i != KEY || identity.cert.der_len > 0)
            result = set_read_one(&set, i, &identity, &silent);
        else if ((result = lm_file_read(&file, source_path(&set, i), FILE_MAX, &why)) == LM_OK)
            lm_file_clear(&file);
        if (result != LM_OK) {
            advise(&set, result);
            lm_error_list_add(config->errors, result, "%s", why.text);
        }
    }
    lm_identity_clear(&identity);
}

/* Says whether a new identity could be made: LM_ENOTFOUND, for there is none, or why it cannot, LM_EIO. */
static int set_could_be_made(const file_set *set)
{
    for (int i = 0; i < FILES; i++) {
        char dir[LM_PATH_SIZE];
        if (set->file[i].used && access(lm_path_dir(dir, set->file[i].path), W_OK | X_OK) != 0)
            return lm_error_text_set(set->error, LM_EIO, "%s cannot be made: %s", set->file[i].path,
                                     strerror(errno));
    }
    return lm_error_text_set(set->error, LM_ENOTFOUND, "there is no %s yet: the first run makes an identity",
                             set->file[CERT].path);
}

/* Everything that happens under the lock. */
static int load_locked(lm_identity *identity, file_set *set, bool locked, const lm_identity_config *config)
{
    int missing, used = FILES - !set->file[ICE_PWD].used;
    int result = set_survey(set, &missing, config->errors != NULL);
    if (result != LM_OK)
        return result;
    if (missing > 0 && missing < used && (result = set_find_staged(set)) != LM_OK)
        return result;
    if (missing > 0 && !locked)
        return lm_error_text_set(
            set->error, LM_EIO,
            "%s cannot be made: its file system does not lock directories; make the identity "
            "elsewhere and copy its files here",
            set->file[CERT].exists ? set->file[NODE_KEY].path : set->file[CERT].path);
    if (missing == used && config->read_only)
        return set_could_be_made(set);
    if (missing == used && (result = set_stage(set, &config->random)) != LM_OK)
        return result;
    set->reading = true;
    if ((result = set_read(set, identity, config)) != LM_OK)
        return advise(set, result);
    if (missing > 0 && !config->read_only)
        result = set_install(set);
    identity->created = missing > 0;
    return result;
}

int lm_identity_load(lm_identity *identity, const lm_identity_config *config, lm_error_text *error)
{
    file_set set;
    lm_dir_lock lock = {0};
    lm_identity loaded = {0};
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    lm_error_text own;
    int result = set_init(&set, config, error != NULL ? error : &own);
    if (result != LM_OK)
        return lm_error_list_add(config->errors, result, "%s", set.error->text);
    if (!set.file[ICE_PWD].used)
        snprintf(loaded.ice_pwd, sizeof loaded.ice_pwd, "%s", config->ice_pwd);

    const char *const paths[] = {set.file[CERT].path, set.file[KEY].path, set.file[NODE_KEY].path};
    /* Who makes nothing needs no lock, and a relay that runs must not wait for one. */
    if (!config->read_only)
        result = lm_dir_lock_take(&lock, paths, sizeof paths / sizeof paths[0], set.error);
    if (result == LM_OK)
        result = load_locked(&loaded, &set, lock.held || config->read_only, config);
    lm_dir_lock_release(&lock);

    if (result == LM_OK) {
        crypto_sign_seed_keypair(loaded.node_public_key, secret, loaded.node_seed);
        sodium_memzero(secret, sizeof secret);
        *identity = loaded;
        sodium_memzero(&loaded, sizeof loaded);
    } else {
        if (config->errors != NULL && result != LM_ENOTFOUND)
            set_tell(&set, result, config);
        lm_identity_clear(&loaded);
    }
    return result;
}

void lm_identity_clear(lm_identity *identity)
{
    lm_certificate_clear(&identity->cert);
    lm_private_key_clear(&identity->key);
    sodium_memzero(identity, sizeof *identity);
}
