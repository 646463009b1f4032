/*
 * Callback Secrets: what text gives what key, and what is refused with which words.
 */

#include "util/cleanup.h"
#include "verify/secret.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_32 "12345678901234567890123456789012"
#define BASE64_32 "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
#define HEX_32 "3132333435363738393031323334353637383930313233343536373839303132"

static const struct {
    const char *text;
    enum secret_encoding encoding;
    const char *want_key;
} decoded[] = {
    {BASE64_32, SECRET_AUTO, KEY_32},
    {BASE64_32, SECRET_BASE64, KEY_32},
    {BASE64_32, SECRET_RAW, BASE64_32},
    {HEX_32, SECRET_AUTO, KEY_32},
    {HEX_32, SECRET_HEX, KEY_32},
    {"4A4b4C4d4E4f50515253545556575859", SECRET_HEX, "JKLMNOPQRSTUVWXY"},
    /* one, two and no characters of padding */
    {"MTIzNDU2Nzg5MDEyMzQ1Ng==", SECRET_BASE64, "1234567890123456"},
    {"MTIzNDU2Nzg5MDEyMzQ1Njc=", SECRET_BASE64, "12345678901234567"},
    {"MTIzNDU2Nzg5MDEyMzQ1Njc4", SECRET_BASE64, "123456789012345678"},
    /* the whole alphabet's corners, and unused low bits that are not zero */
    {"+/+/+/+/+/+/+/+/+/+/+/++", SECRET_BASE64,
        "\xfb\xff\xbf\xfb\xff\xbf\xfb\xff\xbf\xfb\xff\xbf\xfb\xff\xbf\xfb\xff\xbe"},
    {"MTIzNDU2Nzg5MDEyMzQ1Nn==", SECRET_BASE64, "1234567890123456"},
    {"sixteen bytes !!", SECRET_RAW, "sixteen bytes !!"},
};

START_TEST(decodes)
{
    struct secret_key got_key = {.length = 0};
    struct error error = ERROR_INIT;
    const char *want_key = decoded[_i].want_key;

    ck_assert_msg(secret_decode(decoded[_i].text, strlen(decoded[_i].text), decoded[_i].encoding,
                      &got_key, &error) == 0,
        "%s: %s", decoded[_i].text, error.text);
    ck_assert_uint_eq(got_key.length, strlen(want_key));
    ck_assert_mem_eq(got_key.bytes, want_key, got_key.length);
}
END_TEST

START_TEST(names_encodings_both_ways)
{
    static const char *const names[] = {"auto", "base64", "hex", "raw"};
    enum secret_encoding got = SECRET_RAW;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        ck_assert_int_eq(secret_encoding_parse(names[i], &got), 0);
        ck_assert_str_eq(secret_encoding_name(got), names[i]);
    }
    ck_assert_int_eq(secret_encoding_parse("hex", &got), 0);
    ck_assert_int_eq(got, SECRET_HEX);
    ck_assert_int_eq(secret_encoding_parse("Base64", &got), -EINVAL);
    ck_assert_int_eq(secret_encoding_parse("", &got), -EINVAL);
    ck_assert_int_eq(got, SECRET_HEX);
}
END_TEST

START_TEST(wipes)
{
    struct secret_key key = {.length = 3, .bytes = "abc"};
    static const struct secret_key want;

    secret_key_wipe(&key);
    ck_assert_mem_eq(&key, &want, sizeof(key));
    secret_wipe(NULL, 0);
}
END_TEST

START_TEST(takes_the_longest_key)
{
    char hex[2 * SECRET_KEY_MAX + 2 + 1];
    char raw[SECRET_KEY_MAX + 1];
    struct secret_key got_key = {.length = 7};
    struct error error = ERROR_INIT;

    memset(hex, 'f', sizeof(hex));
    memset(raw, '\0', sizeof(raw));
    ck_assert_int_eq(secret_decode(raw, SECRET_KEY_MAX + 1, SECRET_RAW, &got_key, &error), -EINVAL);
    ck_assert_str_eq(error.text, "is 257 bytes long; at most 256 are possible");
    ck_assert_int_eq(
        secret_decode(hex, 2 * SECRET_KEY_MAX + 2, SECRET_HEX, &got_key, &error), -EINVAL);
    ck_assert_str_eq(error.text, "decodes to 257 bytes; at most 256 are possible");
    ck_assert_uint_eq(got_key.length, 7);

    ck_assert_int_eq(secret_decode(raw, SECRET_KEY_MAX, SECRET_RAW, &got_key, &error), 0);
    ck_assert_uint_eq(got_key.length, SECRET_KEY_MAX);
    ck_assert_int_eq(secret_decode(hex, 2 * SECRET_KEY_MAX, SECRET_HEX, &got_key, &error), 0);
    ck_assert_uint_eq(got_key.bytes[SECRET_KEY_MAX - 1], 0xff);
}
END_TEST

START_TEST(takes_the_longest_base64)
{
    char text[344 + 4]; /* base64 of 258 bytes; of 256 bytes when it ends in "==" */
    struct secret_key got_key;
    struct error error = ERROR_INIT;

    memset(text, 'A', sizeof(text));
    ck_assert_int_eq(secret_decode(text, 344, SECRET_BASE64, &got_key, &error), -EINVAL);
    ck_assert_str_eq(error.text, "decodes to 258 bytes; at most 256 are possible");
    memset(text + 342, '=', 2);
    ck_assert_int_eq(secret_decode(text, 344, SECRET_BASE64, &got_key, &error), 0);
    ck_assert_uint_eq(got_key.length, SECRET_KEY_MAX);
}
END_TEST

static const struct {
    const char *text;
    enum secret_encoding encoding;
    const char *want_error;
} refused[] = {
    {"", SECRET_AUTO, "is empty"},
    {"", SECRET_RAW, "is empty"},
    {"fifteen bytes !", SECRET_RAW, "is a key of 15 bytes; at least 16 are needed"},
    {"00112233445566778899aabbccddee", SECRET_HEX, "is a key of 15 bytes; at least 16 are needed"},
    {"MTIzNDU2Nzg5MDEyMzQ1", SECRET_BASE64, "is a key of 15 bytes; at least 16 are needed"},
    {"00112233445566778899aabbccddeef", SECRET_HEX,
        "is 31 characters long; hex digits come in pairs"},
    {"00112233445566778899aabbccddeexx", SECRET_HEX, "holds a character that is no hex digit"},
    {"MTIzNDU2Nzg5MDEyMzQ1Ng", SECRET_BASE64,
        "is 22 characters long, and base64 comes in groups of four; is it cut, or is its padding "
        "missing?"},
    {"MTIzNDU2Nzg5MDEyMzQ1N-==", SECRET_BASE64, "character 22 of 24 is no base64 digit"},
    {"MTIzNDU2Nzg5MDEyMzQ_Ng==", SECRET_BASE64, "character 20 of 24 is no base64 digit"},
    {"MTIzNDU2Nzg5MDEyMzQ1N===", SECRET_BASE64, "character 22 of 24 is no base64 digit"},
    {"MTIzNDU2=zg5MDEyMzQ1Ng==", SECRET_BASE64, "character 9 of 24 is no base64 digit"},
    {"MTIzNDU2Nzg5MDEyMzQ1 Ng=", SECRET_BASE64, "character 21 of 24 is no base64 digit"},
    {"MTIzNDU2Nzg5MDEyMzQ1Njc\n", SECRET_BASE64, "character 24 of 24 is no base64 digit"},
    {"====", SECRET_BASE64, "character 1 of 4 is no base64 digit"},
    /* auto takes 32 bytes only: base64 of 31 and of 33 bytes is 44 characters long as well */
    {"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ==", SECRET_AUTO,
        "is neither 64 hex digits nor base64 of 32 bytes (it is 44 characters long); set encoding "
        "to \"base64\", \"hex\" or \"raw\""},
    {"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", SECRET_AUTO,
        "is neither 64 hex digits nor base64 of 32 bytes (it is 44 characters long); set encoding "
        "to \"base64\", \"hex\" or \"raw\""},
    {HEX_32 "00", SECRET_AUTO,
        "is neither 64 hex digits nor base64 of 32 bytes (it is 66 characters long); set encoding "
        "to \"base64\", \"hex\" or \"raw\""},
    {"a password of some length", SECRET_AUTO,
        "is neither 64 hex digits nor base64 of 32 bytes (it is 25 characters long); set encoding "
        "to \"base64\", \"hex\" or \"raw\""},
};

START_TEST(refuses)
{
    struct secret_key got_key = {.length = 7};
    struct error error = ERROR_INIT;

    ck_assert_int_eq(secret_decode(refused[_i].text, strlen(refused[_i].text), refused[_i].encoding,
                         &got_key, &error),
        -EINVAL);
    ck_assert_str_eq(error.text, refused[_i].want_error);
    ck_assert_int_eq(error.code, EINVAL);
    ck_assert_uint_eq(got_key.length, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, decodes, 0, ARRAY_SIZE(decoded));
    tcase_add_test(core, names_encodings_both_ways);
    tcase_add_test(core, wipes);
    tcase_add_test(limits, takes_the_longest_key);
    tcase_add_test(limits, takes_the_longest_base64);
    tcase_add_loop_test(errors, refuses, 0, ARRAY_SIZE(refused));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
