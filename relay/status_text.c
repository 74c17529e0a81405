#include "relay/status_text.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdbool.h>
#include <time.h> /* gmtime_r and strftime: the time itself is an argument */

#include "common/error.h"
#include "common/json_text.h"

#define DEPTH_MAX 8
#define NUMBER_MAX 9007199254740992.0 /* 2^53: above it a double is no whole number for sure */

/* The number at path "a", or "b" in the object a where key is given; 0 if there is none. */
static double number(const cJSON *json, const char *name, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (key != NULL)
        item = cJSON_GetObjectItemCaseSensitive(item, key);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0))
        return 0;
    return item->valuedouble < NUMBER_MAX ? item->valuedouble : NUMBER_MAX;
}

/* Text that may go to a terminal; "?" for any other. */
static const char *printable(const char *value)
{
    if (value == NULL)
        return "?";
    for (const char *p = value; *p != '\0'; p++) {
        if (*p < 0x20 || *p > 0x7e)
            return "?";
    }
    return value;
}

static const char *text(const cJSON *json, const char *name)
{
    return printable(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name)));
}

static void print_bytes(FILE *out, double bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    for (; bytes >= 999.95 && unit < 5; unit++)
        bytes /= 1000;
    fprintf(out, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
}

static void print_duration(FILE *out, uint64_t seconds)
{
    uint64_t days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;
    if (days > 0)
        fprintf(out, "%" PRIu64 " d ", days);
    if (seconds >= 3600)
        fprintf(out, "%" PRIu64 " h ", hours);
    if (seconds >= 60)
        fprintf(out, "%" PRIu64 " min", minutes);
    else
        fprintf(out, "%" PRIu64 " s", seconds);
}

static void print_since(FILE *out, double unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    char date[64];
    if (gmtime_r(&seconds, &utc) != NULL && strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", &utc) > 0)
        fprintf(out, ", since %s", date);
}

/* ", half within 50 ms": the first bound under which that part (0.5: half) of the times lies. */
static void print_bound(FILE *out, const cJSON *histogram, double total, double part, const char *what)
{
    const cJSON *bounds = cJSON_GetObjectItemCaseSensitive(histogram, "bounds"), *bound;
    const cJSON *count = cJSON_GetObjectItemCaseSensitive(histogram, "counts")->child;
    double sum = 0, longest = 0;
    cJSON_ArrayForEach(bound, bounds) {
        sum += cJSON_IsNumber(count) ? count->valuedouble : 0;
        longest = cJSON_IsNumber(bound) ? bound->valuedouble : 0;
        if (sum >= part * total) {
            fprintf(out, ", %s within %.0f ms", what, longest);
            return;
        }
        count = count != NULL ? count->next : NULL;
    }
    fprintf(out, ", %s in over %.0f ms", what, longest);
}

/* "half within 50 ms, 99 % within 250 ms", behind how many there were. */
static void print_times(FILE *out, const char *label, const cJSON *histogram)
{
    const cJSON *count;
    double total = 0;
    cJSON_ArrayForEach(count, cJSON_GetObjectItemCaseSensitive(histogram, "counts"))
        total += cJSON_IsNumber(count) ? count->valuedouble : 0;
    fprintf(out, "%-12s%.0f", label, total);
    if (total > 0) {
        print_bound(out, histogram, total, 0.5, "half");
        print_bound(out, histogram, total, 0.99, "99 %");
    }
    fputc('\n', out);
}

/* Nothing without a mesh. */
static void print_mesh(FILE *out, const cJSON *r)
{
    const cJSON *mesh = cJSON_GetObjectItemCaseSensitive(r, "mesh");
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(mesh, "on")))
        return;
    fprintf(out, "%-12s%.0f nodes known, this one included, %.0f spoken with, %.0f links\n", "mesh",
            number(mesh, "nodes", NULL), number(mesh, "conversations", NULL), number(mesh, "links", NULL));
    fprintf(out, "%-12s%.0f rooms with %.0f members at other nodes\n", "", number(mesh, "remote_rooms", NULL),
            number(mesh, "remote_members", NULL));
    double salt = number(cJSON_GetObjectItemCaseSensitive(r, "drops"), "mesh", "salt");
    if (salt > 0)
        fprintf(out, "%-12s%.0f links without a common key: MESH_SALT differs?\n", "", salt);
}

/* One line for each reason that there has been, in the order of the layers. */
static void print_drops(FILE *out, const cJSON *drops)
{
    const cJSON *layer, *reason;
    bool any = false;
    cJSON_ArrayForEach(layer, drops) {
        cJSON_ArrayForEach(reason, layer) {
            if (!cJSON_IsNumber(reason) || reason->valuedouble <= 0)
                continue;
            fprintf(out, "%-12s%.0f %s\n", any ? "" : "dropped", reason->valuedouble,
                    printable(reason->string));
            any = true;
        }
    }
    if (!any)
        fprintf(out, "%-12snothing\n", "dropped");
}

static void print_report(FILE *out, const cJSON *r)
{
    bool ready = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r, "ready"));
    bool draining = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r, "draining"));
    fprintf(out, "%-12slumamesh-relay %s, %s\n", "relay", text(r, "version"),
            ready      ? "ready"
            : draining ? "draining: no newcomers are let in"
                       : "not ready");
    fprintf(out, "%-12s%s\n%-12s", "node", text(r, "nodeId"), "up");
    print_duration(out, (uint64_t)number(r, "uptimeMs", NULL) / 1000);
    print_since(out, number(r, "startedAt", NULL));
    fprintf(out, "\n%-12s%.0f of at most %.0f\n", "sessions", number(r, "sessions", NULL),
            number(r, "maxSessions", NULL));
    fprintf(out, "%-12s%.0f, with %.0f members\n", "rooms", number(r, "rooms", NULL),
            number(r, "members", NULL));
    fprintf(out, "%-12s%.0f in, %.0f out\n", "messages", number(r, "messages", "in"),
            number(r, "messages", "out"));
    fprintf(out, "%-12s", "traffic");
    print_bytes(out, number(r, "webrtc", "bytes_in"));
    fprintf(out, " in, ");
    print_bytes(out, number(r, "webrtc", "bytes_out"));
    fprintf(out, " out\n%-12s%.0f done, %.0f failed\n", "handshakes", number(r, "handshakes", "done"),
            number(r, "handshakes", "failed"));
    fprintf(out, "%-12s%.0f allocations, ", "TURN", number(r, "turn", "allocations"));
    print_bytes(out, number(r, "turn", "bytes_from_clients"));
    fprintf(out, " from clients, ");
    print_bytes(out, number(r, "turn", "bytes_to_clients"));
    fprintf(out, " to clients\n%-12s%.0f by TCP, %.0f by TLS\n", "streams", number(r, "tcp", "connections"),
            number(r, "tls", "connections"));
    print_mesh(out, r);
    print_times(out, "connects", cJSON_GetObjectItemCaseSensitive(r, "connectTime"));
    print_times(out, "signals", cJSON_GetObjectItemCaseSensitive(r, "signalTime"));
    fprintf(out, "%-12s", "process");
    print_bytes(out, number(r, "process", "residentBytes"));
    fprintf(out, " of memory, %.1f s of CPU, %.0f open files\n", number(r, "process", "cpuMs") / 1000,
            number(r, "process", "openFds"));
    print_drops(out, cJSON_GetObjectItemCaseSensitive(r, "drops"));
}

int lm_status_text(FILE *out, const char *json, size_t len)
{
    cJSON *report = NULL;
    int result = lm_json_parse_object(&report, json, len, DEPTH_MAX);
    if (result != LM_OK)
        return result;
    if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(report, "nodeId")))
        result = LM_EMALFORMED;
    else
        print_report(out, report);
    cJSON_Delete(report);
    return result;
}
