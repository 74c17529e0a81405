/*
 * The two reports of one fixed state, in which every counter has a number of its own, are compared with
 * test/data/report/: whoever adds a counter looks at what it changes there. LM_REGENERATE=1 in the
 * environment writes the files anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/report.h"

#define NAMES_MAX 512

typedef int (*writer)(const lm_report *report, void *buf, size_t cap);

static lm_webrtc_stats webrtc;
static lm_relay_stats relay;
static lm_udp_stats udp;
static lm_stream_stats tcp, tls;
static lm_turn_stats turn;
static lm_mesh_stats mesh;

/* Each counter is another number, from first on. All three structs hold nothing but uint64_t. */
static uint64_t number(void *stats, size_t size, uint64_t first, uint64_t step)
{
    uint64_t *values = stats;
    for (size_t i = 0; i < size / sizeof *values; i++, first += step)
        values[i] = first;
    return first;
}

static lm_report make_report(uint64_t first, uint64_t step)
{
    lm_report report = {.version = "1.2.3",
                        .node_id = "ERERERERERERERERERERERERERERERERERERERERERE",
                        .open = true,
                        .unix_ms = 1234567890123,
                        .started_unix_ms = 1234567800007,
                        .uptime_ms = 90116,
                        .max_sessions = 1000,
                        .max_allocations = 500,
                        .webrtc = &webrtc,
                        .relay = &relay,
                        .udp = &udp,
                        .tcp = &tcp,
                        .tls = &tls,
                        .turn = &turn,
                        .mesh = &mesh};
    first = number(&webrtc, sizeof webrtc, first, step);
    first = number(&relay, sizeof relay, first, step);
    first = number(&udp, sizeof udp, first, step);
    first = number(&tcp, sizeof tcp, first, step);
    first = number(&tls, sizeof tls, first, step);
    first = number(&turn, sizeof turn, first, step);
    first = number(&mesh, sizeof mesh, first, step);

    number(&report.process, sizeof report.process, first, step);
    return report;
}

static char *write_report(writer write, const lm_report *report)
{
    char *text = malloc(LM_REPORT_MAX + 1);
    int len = write(report, text, LM_REPORT_MAX);
    assert_in_range(len, 1, LM_REPORT_MAX);
    text[len] = '\0';
    return text;
}

static void compare(const char *name, const char *text)
{
    char path[512], *expected = calloc(1, LM_REPORT_MAX + 1);
    snprintf(path, sizeof path, LM_TEST_DATA "/report/%s", name);
    if (getenv("LM_REGENERATE") != NULL) {
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(text, out);
        fclose(out);
    }
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t len = fread(expected, 1, LM_REPORT_MAX, in);
    assert_true(len > 0);
    fclose(in);
    assert_string_equal(text, expected);
    free(expected);
}

static void json_is_as_written_down(void **state)
{
    lm_report report = make_report(1001, 1);
    char *text = write_report(lm_report_json, &report);
    cJSON *json = cJSON_Parse(text);
    (void)state;
    assert_non_null(json);
    char *pretty = cJSON_Print(json);
    compare("statsz.json", pretty);
    free(pretty);
    cJSON_Delete(json);
    free(text);
}

static void metrics_are_as_written_down(void **state)
{
    lm_report report = make_report(1001, 1);
    char *text = write_report(lm_report_metrics, &report);
    (void)state;
    compare("metrics.txt", text);
    free(text);
}

/* No number of a stats struct is left out of either report: each is there as the value that it alone has. */
static void nothing_is_forgotten(void **state)
{
    lm_report report = make_report(1000001, 7);
    char *json = write_report(lm_report_json, &report), *metrics = write_report(lm_report_metrics, &report);
    (void)state;
    for (const uint64_t *v = (uint64_t *)&webrtc; v < (uint64_t *)(&webrtc + 1); v++) {
        char value[32];
        if (v >= (uint64_t *)&webrtc.connect_time)
            continue; /* a histogram's own form is compared above */
        snprintf(value, sizeof value, ":%llu", (unsigned long long)*v);
        assert_non_null(strstr(json, value));
        snprintf(value, sizeof value, " %llu\n", (unsigned long long)*v);
        assert_non_null(strstr(metrics, value));
    }
    for (const uint64_t *v = (uint64_t *)&relay; v < (uint64_t *)&relay.signal_time; v++) {
        char value[32];
        snprintf(value, sizeof value, ":%llu", (unsigned long long)*v);
        assert_non_null(strstr(json, value));
        snprintf(value, sizeof value, " %llu\n", (unsigned long long)*v);
        assert_non_null(strstr(metrics, value));
    }
    free(json);
    free(metrics);
}

static void the_largest_numbers_fit_and_too_little_room_is_an_error(void **state)
{
    static const writer writers[] = {lm_report_json, lm_report_metrics};
    lm_report report = make_report(UINT64_MAX, 0);
    char small[100];
    (void)state;
    report.unix_ms = report.started_unix_ms = report.uptime_ms = report.max_sessions =
        report.max_allocations = UINT64_MAX;
    for (size_t i = 0; i < 2; i++) {
        free(write_report(writers[i], &report));
        assert_int_equal(writers[i](&report, small, sizeof small), LM_ETOOBIG);
    }
}

/* ---- the text format, as prometheus.io/docs/instrumenting/exposition_formats has it */

typedef struct family {
    char name[128];
    char type[16];
    bool help;
    bool samples;
} family;

static family families[NAMES_MAX];
static size_t family_count;

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalpha((unsigned char)text[i]) && text[i] != '_' && text[i] != ':' &&
            (i == 0 || !isdigit((unsigned char)text[i])))
            return false;
    }
    return len > 0;
}

static family *find_family(const char *name, size_t len)
{
    for (size_t i = 0; i < family_count; i++) {
        if (strlen(families[i].name) == len && memcmp(families[i].name, name, len) == 0)
            return &families[i];
    }
    return NULL;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    return len >= strlen(end) && memcmp(text + len - strlen(end), end, strlen(end)) == 0;
}

/* "# HELP name text" or "# TYPE name type"; the samples of a family follow both. */
static void check_comment(const char *line)
{
    const char *name = line + 7, *end = strchr(name, ' ');
    assert_non_null(end);
    size_t len = (size_t)(end - name);
    assert_true(is_name(name, len));
    family *f = find_family(name, len);
    if (strncmp(line, "# HELP ", 7) == 0) {
        assert_null(f);
        assert_true(family_count < NAMES_MAX && strlen(end + 1) > 0);
        f = &families[family_count++];
        *f = (family){.help = true};
        memcpy(f->name, name, len);
        return;
    }
    assert_memory_equal(line, "# TYPE ", 7);
    assert_true(f != NULL && f == &families[family_count - 1] && f->type[0] == '\0' && !f->samples);
    snprintf(f->type, sizeof f->type, "%s", end + 1);
    bool counter = strcmp(f->type, "counter") == 0;
    assert_true(counter || strcmp(f->type, "gauge") == 0 || strcmp(f->type, "histogram") == 0);
    assert_int_equal(counter, ends_with(name, len, "_total"));
    assert_true(strncmp(name, "lumamesh_", 9) == 0 || strncmp(name, "process_", 8) == 0);
}

/* {name="value",…}; returns what follows. */
static const char *check_labels(const char *at)
{
    for (at++;; at++) {
        size_t len = strcspn(at, "=");
        assert_true(is_name(at, len) && at[len + 1] == '"');
        at += len + 2;
        size_t value = strcspn(at, "\"\\\n");
        assert_true(value > 0 && at[value] == '"'); /* none of ours needs an escape */
        at += value + 1;
        if (*at == '}')
            return at + 1;
        assert_int_equal(*at, ',');
    }
}

static void check_sample(const char *line)
{
    static const char *const parts[] = {"_bucket", "_sum", "_count"};
    size_t len = strcspn(line, "{ ");
    family *last = &families[family_count - 1];
    assert_true(is_name(line, len) && family_count > 0);
    if (strcmp(last->type, "histogram") == 0) {
        size_t base = strlen(last->name);
        bool known = false;
        for (size_t i = 0; i < 3; i++)
            known = known || (len == base + strlen(parts[i]) && ends_with(line, len, parts[i]));
        assert_true(known && memcmp(line, last->name, base) == 0);
    } else {
        assert_ptr_equal(find_family(line, len), last);
    }
    last->samples = true;
    const char *at = line[len] == '{' ? check_labels(line + len) : line + len;
    char *end;
    assert_int_equal(*at, ' ');
    assert_true(strtod(at + 1, &end) >= 0 && end > at + 1);
    assert_int_equal(*end, '\0');
}

static void metrics_follow_the_text_format(void **state)
{
    lm_report report = make_report(1, 1);
    char *text = write_report(lm_report_metrics, &report);
    char *seen[1024];
    size_t seen_count = 0;
    (void)state;
    family_count = 0;
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *save, *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == '#') {
            check_comment(line);
            continue;
        }
        check_sample(line);
        char *value = strrchr(line, ' ');
        *value = '\0';
        for (size_t i = 0; i < seen_count; i++) /* no series twice */
            assert_string_not_equal(seen[i], line);
        assert_true(seen_count < 1024);
        seen[seen_count++] = line;
    }
    for (size_t i = 0; i < family_count; i++)
        assert_true(families[i].help && families[i].type[0] != '\0' && families[i].samples);
    assert_non_null(find_family("process_cpu_seconds_total", strlen("process_cpu_seconds_total")));
    free(text);
}

static void buckets_add_up(void **state)
{
    lm_report report = make_report(0, 0);
    (void)state;
    lm_histogram_add(&relay.signal_time, 0, 0);
    lm_histogram_add(&relay.signal_time, 0, 40);
    lm_histogram_add(&relay.signal_time, 0, 70000);
    char *text = write_report(lm_report_metrics, &report);
    assert_non_null(strstr(text, "lumamesh_signal_latency_seconds_bucket{le=\"0.001\"} 1\n"));
    assert_non_null(strstr(text, "lumamesh_signal_latency_seconds_bucket{le=\"0.025\"} 1\n"));
    assert_non_null(strstr(text, "lumamesh_signal_latency_seconds_bucket{le=\"0.05\"} 2\n"));
    assert_non_null(strstr(text, "lumamesh_signal_latency_seconds_bucket{le=\"30\"} 2\n"));
    assert_non_null(strstr(text, "lumamesh_signal_latency_seconds_bucket{le=\"+Inf\"} 3\n"
                                 "lumamesh_signal_latency_seconds_sum 70.040\n"
                                 "lumamesh_signal_latency_seconds_count 3\n"));
    free(text);
}

static void ready_means_open_and_not_draining(void **state)
{
    lm_report report = {.open = true};
    (void)state;
    assert_true(lm_report_ready(&report));
    report.draining = true;
    assert_false(lm_report_ready(&report));
    report = (lm_report){.open = false};
    assert_false(lm_report_ready(&report));
}

static void the_process_is_measured(void **state)
{
    lm_process_stats before, after;
    (void)state;
    lm_process_stats_read(&before);
    assert_in_range(before.resident_bytes, 100000, before.virtual_bytes);
    assert_true(before.open_fds >= 1);
    FILE *file = fopen("/dev/null", "r");
    char *memory = malloc(8000000);
    assert_non_null(memory);
    memset(memory, 1, 8000000);
    lm_process_stats_read(&after);
    assert_int_equal(after.open_fds, before.open_fds + 1);
    assert_true(after.resident_bytes >= before.resident_bytes + 4000000);
    assert_true(after.cpu_ms >= before.cpu_ms);
    free(memory);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_as_written_down),
        cmocka_unit_test(metrics_are_as_written_down),
        cmocka_unit_test(nothing_is_forgotten),
        cmocka_unit_test(the_largest_numbers_fit_and_too_little_room_is_an_error),
        cmocka_unit_test(metrics_follow_the_text_format),
        cmocka_unit_test(buckets_add_up),
        cmocka_unit_test(ready_means_open_and_not_draining),
        cmocka_unit_test(the_process_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
