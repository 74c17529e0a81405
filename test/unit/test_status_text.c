#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/report.h"
#include "relay/status_text.h"

static char *print(const char *json, size_t len, int *result)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    *result = lm_status_text(out, json, len);
    fclose(out);
    return text;
}

static void tells_all_that_people_ask_for(void **state)
{
    lm_webrtc_stats webrtc = {.bytes_in = 1234,
                              .bytes_out = 56789012,
                              .handshakes_done = 5,
                              .handshakes_failed = 6,
                              .drops = {.stun_ufrag = 3, .turn = 4}};
    lm_relay_stats relay = {
        .sessions = 1, .rooms = 2, .members = 3, .messages_in = 40, .messages_out = 41, .drops = {.gone = 9}};
    lm_udp_stats udp = {0};
    lm_stream_stats tcp = {.connections = 7}, tls = {.connections = 8};
    lm_turn_stats turn = {.allocations = 21, .bytes_from_clients = 2500, .bytes_to_clients = 3500000};
    static const lm_mesh_stats mesh;
    lm_report report = {.version = "1.2.3",
                        .node_id = "EREREQ",
                        .open = true,
                        .started_unix_ms = 1234567890123,
                        .uptime_ms = 90061000,
                        .max_sessions = 1000,
                        .webrtc = &webrtc,
                        .relay = &relay,
                        .udp = &udp,
                        .tcp = &tcp,
                        .tls = &tls,
                        .turn = &turn,
                        .mesh = &mesh,
                        .process = {.cpu_ms = 1250, .resident_bytes = 9999999, .open_fds = 14}};
    char json[LM_REPORT_MAX];
    int result;
    (void)state;
    for (int i = 0; i < 98; i++)
        lm_histogram_add(&webrtc.connect_time, 0, i < 60 ? 80 : 200);
    lm_histogram_add(&webrtc.connect_time, 0, 2000);
    lm_histogram_add(&webrtc.connect_time, 0, 40000);
    lm_histogram_add(&relay.signal_time, 0, 40000);
    int len = lm_report_json(&report, json, sizeof json);
    assert_true(len > 0);
    char *text = print(json, (size_t)len, &result);
    assert_int_equal(result, LM_OK);
    assert_string_equal(text, "relay       lumamesh-relay 1.2.3, ready\n"
                              "node        EREREQ\n"
                              "up          1 d 1 h 1 min, since 2009-02-13 23:31:30 UTC\n"
                              "sessions    1 of at most 1000\n"
                              "rooms       2, with 3 members\n"
                              "messages    40 in, 41 out\n"
                              "traffic     1.2 kB in, 56.8 MB out\n"
                              "handshakes  5 done, 6 failed\n"
                              "TURN        21 allocations, 2.5 kB from clients, 3.5 MB to clients\n"
                              "streams     7 by TCP, 8 by TLS\n"
                              "connects    100, half within 100 ms, 99 % within 2500 ms\n"
                              "signals     1, half in over 30000 ms, 99 % in over 30000 ms\n"
                              "process     10.0 MB of memory, 1.2 s of CPU, 14 open files\n"
                              "dropped     3 stun_ufrag\n"
                              "            4 turn\n"
                              "            9 gone\n");
    free(text);
    report.draining = true;
    len = lm_report_json(&report, json, sizeof json);
    text = print(json, (size_t)len, &result);
    assert_non_null(strstr(text, ", draining: no newcomers are let in\n"));
    free(text);
}

/* Whatever answers at that address: nothing of it makes a terminal do things. */
static void odd_answers_do_no_harm(void **state)
{
    static const char *const bad[] = {
        "", "x", "[]", "{}", "{\"nodeId\":1}", "{\"nodeId\":\"x\"", "{\"ok\":true}"};
    static const char *const good[] = {
        "{\"nodeId\":\"\\u001b[2J\"}",
        "{\"nodeId\":\"x\",\"connectTime\":7,\"drops\":[1,{\"a\":\"b\"},[2]]}",
        "{\"nodeId\":\"x\",\"drops\":{\"relay\":{\"\\u001b[2J\":1}}}",
        "{\"nodeId\":\"x\",\"connectTime\":{\"bounds\":[],\"counts\":[1]},\"uptimeMs\":1e300}",
        "{\"nodeId\":\"x\",\"connectTime\":{\"bounds\":{},\"counts\":[1,\"x\",-5]},\"sessions\":-1}",
        "{\"nodeId\":\"x\",\"startedAt\":9e15,\"webrtc\":[],\"process\":{\"cpuMs\":\"x\"}}",
    };
    int result;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *text = print(bad[i], strlen(bad[i]), &result);
        assert_int_equal(result, LM_EMALFORMED);
        assert_string_equal(text, "");
        free(text);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char *text = print(good[i], strlen(good[i]), &result);
        assert_int_equal(result, LM_OK);
        assert_null(strchr(text, '\x1b'));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_all_that_people_ask_for),
        cmocka_unit_test(odd_answers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
