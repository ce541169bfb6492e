/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens and invitations as text. What is wrong with a text is said without repeating it: it may be
 * a secret with one slip in it.
 */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "proto/trust_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "int8x/alloc.h"
#include "int8x/file.h"

#define PREFIX_SIZE (sizeof I8X_TOKEN_PREFIX - 1)
#define HEX_DIGITS "0123456789abcdef"
#define FINGERPRINT "sha256:"

static const struct {
    const char *name;
    char letter;
} roles[I8X_TOKEN_ROLE_COUNT] = {
#define X(name, text, letter) {text, letter},
    I8X_TOKEN_ROLE_LIST(X)
#undef X
};

_Static_assert(I8X_TOKEN_SIZE == PREFIX_SIZE + 1 + I8X_DIGEST_HEX_SIZE,
               "prefix, letter, hex, zero");

const char *i8x_token_role_name(i8x_token_role role)
{
    return (unsigned)role < I8X_TOKEN_ROLE_COUNT ? roles[role].name : "?";
}

i8x_token_role i8x_token_role_from_name(const char *name)
{
    int role = 0;
    while (role < I8X_TOKEN_ROLE_COUNT && strcmp(roles[role].name, name) != 0)
        role++;
    return (i8x_token_role)role;
}

void i8x_wipe(void *bytes, size_t size)
{
    if (size > 0)
        explicit_bzero(bytes, size);
}

i8x_status i8x_token_make(i8x_token_role role, char text[I8X_TOKEN_SIZE])
{
    i8x_digest random; /* 256 bits, and a digest knows its hex */
    I8X_TRY(i8x_digest_random(random.bytes, sizeof random.bytes));
    memcpy(text, I8X_TOKEN_PREFIX, PREFIX_SIZE);
    text[PREFIX_SIZE] = roles[role].letter;
    i8x_digest_to_hex(&random, text + PREFIX_SIZE + 1);
    i8x_wipe(&random, sizeof random);
    return I8X_OK;
}

bool i8x_token_is_text(const char *text)
{
    if (strlen(text) != I8X_TOKEN_SIZE - 1 || strncmp(text, I8X_TOKEN_PREFIX, PREFIX_SIZE) != 0)
        return false;
    bool letter = false;
    for (int role = 0; role < I8X_TOKEN_ROLE_COUNT; role++)
        letter |= roles[role].letter == text[PREFIX_SIZE];
    return letter && strspn(text + PREFIX_SIZE + 1, HEX_DIGITS) == I8X_DIGEST_HEX_SIZE - 1;
}

i8x_digest i8x_token_hash(const char *text)
{
    return i8x_digest_of(text, strlen(text));
}

i8x_status i8x_token_read(const char *path, char text[I8X_TOKEN_SIZE])
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    I8X_TRY(i8x_file_read_all(NULL, path, I8X_TOKEN_FILE_MAX, &bytes, &size));
    char *line = (char *)bytes;
    line[strcspn(line, "\r\n")] = 0;
    bool good = i8x_token_is_text(line);
    if (good)
        memcpy(text, line, I8X_TOKEN_SIZE);
    i8x_wipe(bytes, size);
    i8x_alloc_free(i8x_alloc_heap(), bytes, size + 1);
    I8X_ENSURE(good, I8X_EFORMAT,
               "'%.120s': its first line is no token; one is " I8X_TOKEN_PREFIX
               ", a letter and 64 hex digits",
               path);
    return I8X_OK;
}

/* ---- invitations ---- */

char *i8x_invite_print(const i8x_invite *invite, char text[I8X_INVITE_SIZE])
{
    char hex[I8X_DIGEST_HEX_SIZE];
    snprintf(text, I8X_INVITE_SIZE, "%s," FINGERPRINT "%s,%s", invite->address,
             i8x_digest_to_hex(&invite->ca, hex), invite->secret);
    return text;
}

/* HOST:PORT of bytes that may stand in a URL. */
static bool is_address(const char *text, size_t size)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    return size > 2 && size <= I8X_INVITE_ADDRESS_MAX && strspn(text, allowed) == size &&
           memchr(text, ':', size) != NULL;
}

i8x_status i8x_invite_parse(const char *text, i8x_invite *invite)
{
    static const char form[] = "HOST:PORT," FINGERPRINT "HEX," I8X_TOKEN_PREFIX "j...";
    size_t address = strcspn(text, ","), skip = sizeof FINGERPRINT - 1;
    const char *print = text + address + (text[address] == ',');
    size_t hex = strncmp(print, FINGERPRINT, skip) == 0 ? strcspn(print + skip, ",") : 0;
    I8X_ENSURE(is_address(text, address) && hex == I8X_DIGEST_HEX_SIZE - 1, I8X_EFORMAT,
               "this is no invitation; `int8x admin invite` prints one: %s", form);
    memcpy(invite->address, text, address);
    invite->address[address] = 0;
    char digits[I8X_DIGEST_HEX_SIZE] = {0};
    memcpy(digits, print + skip, hex);
    I8X_TRY(i8x_digest_from_hex(digits, &invite->ca));
    const char *secret = print + skip + hex + (print[skip + hex] == ',');
    size_t size = strcspn(secret, " \t\r\n");
    bool fits = size == I8X_TOKEN_SIZE - 1 && secret[size + strspn(secret + size, " \t\r\n")] == 0;
    if (fits)
        memcpy(invite->secret, secret, size);
    invite->secret[fits ? size : 0] = 0;
    I8X_ENSURE(i8x_token_is_text(invite->secret) && invite->secret[PREFIX_SIZE] == 'j', I8X_EFORMAT,
               "the invitation's last part is no join token: %s", form);
    return I8X_OK;
}

/* ---- lives ---- */

i8x_status i8x_life_parse(const char *text, int64_t *seconds)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end = NULL;
    long number = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;
    for (size_t i = 0; number > 0 && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0 || number > I8X_LIFE_S_MAX / units[i].seconds)
            continue;
        *seconds = number * units[i].seconds;
        return I8X_OK;
    }
    I8X_FAIL(I8X_EARG, "'%.20s' is no span of time: 90s, 15m, 12h or 30d, ten years at most", text);
}
