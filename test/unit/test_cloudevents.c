// test_cloudevents.c - the envelope's contract: what is packed is read back unchanged.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "io/cloudevents/v1/cloudevents.pb-c.h"

static void a_payload_survives_the_envelope_byte_for_byte(void **state)
{
    (void)state;
    uint8_t payload[] = {0, 1, 2, 0xff, 0};
    Io__Cloudevents__V1__CloudEvent event = IO__CLOUDEVENTS__V1__CLOUD_EVENT__INIT;
    event.id = "1";
    event.data_case = IO__CLOUDEVENTS__V1__CLOUD_EVENT__DATA_BINARY_DATA;
    event.binary_data = (ProtobufCBinaryData){sizeof payload, payload};

    uint8_t packed[128];
    size_t len = io__cloudevents__v1__cloud_event__get_packed_size(&event);
    assert_in_range(len, 1, sizeof packed);
    assert_int_equal(io__cloudevents__v1__cloud_event__pack(&event, packed), len);
    Io__Cloudevents__V1__CloudEvent *read =
        io__cloudevents__v1__cloud_event__unpack(NULL, len, packed);
    assert_non_null(read);
    assert_string_equal(read->id, "1");
    assert_int_equal(read->binary_data.len, sizeof payload);
    assert_memory_equal(read->binary_data.data, payload, sizeof payload);
    io__cloudevents__v1__cloud_event__free_unpacked(read, NULL);
}

static void bytes_that_are_no_envelope_are_refused(void **state)
{
    (void)state;
    static const uint8_t cut[] = {0x0a, 0x05, 'a'}; // says five characters, holds one
    assert_null(io__cloudevents__v1__cloud_event__unpack(NULL, sizeof cut, cut));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_survives_the_envelope_byte_for_byte),
        cmocka_unit_test(bytes_that_are_no_envelope_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
