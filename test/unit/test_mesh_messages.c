/* What is read as a message of a mesh link, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/messages.h"

#define NK "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"
#define PEER "AAAAAAAAAAAAAAAAAAAAAA"
#define HEAD "\"e\":5,\"p\":6,\"a\":1,\"n\":2,"

static int parse(lm_mesh_message *m, const char *text)
{
    return lm_mesh_message_parse(m, text, strlen(text));
}

static void each_type_is_read(void **state)
{
    static const struct {
        const char *text;
        lm_mesh_type type;
    } good[] = {
        {"{\"type\":\"hello\",\"v\":1,\"boot\":7,\"record\":\"r\",\"sig\":\"s\"}", LM_MESH_TYPE_hello},
        {"{\"type\":\"nodes\",\"nodes\":[{\"record\":\"r\",\"sig\":\"s\"}]}", LM_MESH_TYPE_nodes},
        {"{\"type\":\"have\",\"buckets\":3,\"nodes\":[{\"nk\":\"" NK "\",\"seq\":1}]}", LM_MESH_TYPE_have},
        {"{\"type\":\"links\",\"full\":true,\"add\":[\"" NK "\"],\"later\":{}}", LM_MESH_TYPE_links},
        {"{\"type\":\"via\",\"from\":\"" NK "\",\"to\":\"" NK "\",\"box\":\"AA\"}", LM_MESH_TYPE_via},
        {"{\"type\":\"ping\",\"t\":12}", LM_MESH_TYPE_ping},
        {"{\"type\":\"open\",\"e\":5,\"p\":0}", LM_MESH_TYPE_open},
        {"{\"type\":\"ack\",\"e\":5,\"p\":6,\"a\":1,\"gap\":true}", LM_MESH_TYPE_ack},
        {"{" HEAD "\"type\":\"rooms\",\"add\":[\"" ROOM "\"]}", LM_MESH_TYPE_rooms},
        {"{" HEAD "\"type\":\"members\",\"room\":\"" ROOM "\",\"add\":[{\"id\":\"" PEER "\",\"info\":\"i\"}],"
         "\"del\":[\"" PEER "\"]}",
         LM_MESH_TYPE_members},
        {"{" HEAD "\"type\":\"signal\",\"room\":\"" ROOM "\",\"from\":\"" PEER "\",\"to\":\"" PEER
         "\",\"data\":\"d\"}",
         LM_MESH_TYPE_signal},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        lm_mesh_message m;
        assert_int_equal(parse(&m, good[i].text), LM_OK);
        assert_int_equal(m.type, good[i].type);
        if (m.type > LM_MESH_TYPE_ack)
            assert_true(m.e == 5 && m.p == 6 && m.a == 1 && m.n == 2);
        lm_mesh_message_clear(&m);
    }
}

static void bad_ones_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"type\":1}",
        "{\"type\":\"ping\"}",
        "{\"type\":\"ping\",\"t\":-1}",
        "{\"type\":\"ping\",\"t\":0.5}",
        "{\"type\":\"ping\",\"t\":9007199254740992}",
        "{\"type\":\"ping\",\"t\":1e400}",
        "{\"type\":\"ping\",\"t\":\"1\"}",
        "{\"type\":\"links\"}",
        "{\"type\":\"links\",\"add\":{}}",
        "{\"type\":\"links\",\"add\":[\"" NK "\",\"AAA\"]}",
        "{\"type\":\"links\",\"full\":1,\"add\":[]}",
        "{\"type\":\"nodes\",\"nodes\":[{\"record\":\"r\"}]}",
        "{\"type\":\"open\",\"e\":0,\"p\":0}",
        "{\"type\":\"ack\",\"e\":5,\"p\":6}",
        "{\"type\":\"rooms\",\"e\":5,\"p\":6,\"a\":1,\"add\":[]}",
        "{" HEAD "\"type\":\"rooms\",\"add\":[\"11\"]}",
        "{" HEAD
        "\"type\":\"rooms\",\"add\":[\"A111111111111111111111111111111111111111111111111111111111111111\"]}",
        "{" HEAD
        "\"type\":\"rooms\",\"add\":[\"111111111111111111111111111111111111111111111111111111111111111g\"]}",
        "{" HEAD
        "\"type\":\"rooms\",\"add\":[\"1111111111111111111111111111111111111111111111111111111111111111\","
        "\"/111111111111111111111111111111111111111111111111111111111111111\"]}",
        "{" HEAD "\"type\":\"members\",\"room\":\"" ROOM "\",\"add\":[{\"id\":\"" PEER "\"}]}",
        "{" HEAD "\"type\":\"signal\",\"room\":\"" ROOM "\",\"from\":\"" PEER
        "\",\"to\":\"\",\"data\":\"d\"}",
        "{\"type\":\"ping\",\"t\":1,\"x\":[[[[[[]]]]]]}",
    };
    lm_mesh_message m;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse(&m, bad[i]), LM_EMALFORMED);
    assert_int_equal(parse(&m, "{\"type\":\"of a later version\"}"), LM_EUNSUPPORTED);
    assert_int_equal(parse(&m, "{\"type\":\"hello\",\"v\":2}"), LM_EUNSUPPORTED);
}

static void info_and_data_have_bounds(void **state)
{
    char *text = malloc(LM_MESH_DATA_MAX + 1024), *data = malloc(LM_MESH_DATA_MAX + 2);
    lm_mesh_message m;
    (void)state;
    memset(data, 'd', LM_MESH_DATA_MAX + 1);
    data[LM_MESH_DATA_MAX + 1] = '\0';
    for (int over = 1; over >= 0; over--) {
        sprintf(text,
                "{" HEAD "\"type\":\"signal\",\"room\":\"" ROOM "\",\"from\":\"" PEER "\",\"to\":\"" PEER
                "\",\"data\":\"%s\"}",
                data + 1 - over);
        assert_int_equal(parse(&m, text), over ? LM_EMALFORMED : LM_OK);
    }
    lm_mesh_message_clear(&m);
    for (int over = 1; over >= 0; over--) {
        data[LM_MESH_INFO_MAX + over] = '\0';
        sprintf(text,
                "{" HEAD "\"type\":\"members\",\"room\":\"" ROOM "\",\"add\":[{\"id\":\"" PEER
                "\",\"info\":\"%s\"}]}",
                data);
        assert_int_equal(parse(&m, text), over ? LM_EMALFORMED : LM_OK);
    }
    lm_mesh_message_clear(&m);
    free(text);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_is_read),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(info_and_data_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
