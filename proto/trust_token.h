/* SPDX-License-Identifier: Apache-2.0
 *
 * Token: 256 random bits as text, "i8x_", a letter for the role and 64 hex digits, so that a leak
 * can be found by grep. Who holds the text may do what the role may; the coordinator keeps only its
 * SHA-256, which is enough, since nobody guesses 256 bits. An invitation is what a new worker needs
 * in one line: where the coordinator is, the fingerprint of its CA, and a join token that is good
 * once. Thread-safe: no state.
 *
 *     char text[I8X_TOKEN_SIZE]; I8X_TRY(i8x_token_make(I8X_TOKEN_READ, text));
 *     i8x_digest hash = i8x_token_hash(text);      ... store the hash, hand out the text ...
 *     i8x_wipe(text, sizeof text);
 */
#ifndef I8X_PROTO_TRUST_TOKEN_H
#define I8X_PROTO_TRUST_TOKEN_H

#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/status.h"
#include "proto/limits.h"

/* X(name, text, letter): the roles of daemon/http/role.h, and the right to join once */
#define I8X_TOKEN_ROLE_LIST(X)                                                                     \
    X(READ, "read", 'r')                                                                           \
    X(SUBMIT, "submit", 's')                                                                       \
    X(WORKER, "worker", 'w')                                                                       \
    X(ADMIN, "admin", 'a')                                                                         \
    X(JOIN, "join", 'j')

typedef enum i8x_token_role {
#define X(name, text, letter) I8X_TOKEN_##name,
    I8X_TOKEN_ROLE_LIST(X)
#undef X
        I8X_TOKEN_ROLE_COUNT
} i8x_token_role;

#define I8X_TOKEN_PREFIX "i8x_"
#define I8X_TOKEN_SIZE 70 /* "i8x_", letter, 64 hex digits, closing zero byte */

/** "read" ...; "?" for a number that is none. Static. */
const char *i8x_token_role_name(i8x_token_role role);
/** Role of that name, or I8X_TOKEN_ROLE_COUNT. */
i8x_token_role i8x_token_role_from_name(const char *name);
/** A new token. Errors: I8X_EIO (no random bytes). */
I8X_FALLIBLE i8x_status i8x_token_make(i8x_token_role role, char text[I8X_TOKEN_SIZE]);
/** True if text has the form of a token; says nothing about whether it is good. */
bool i8x_token_is_text(const char *text);
/** What is stored of a token: the SHA-256 of its text. */
i8x_digest i8x_token_hash(const char *text);
/** Token out of a file that holds it in its first line. Errors: I8X_ENOENT, I8X_EIO, I8X_EFORMAT
 * (the sentence does not hold what was read), I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_token_read(const char *path, char text[I8X_TOKEN_SIZE]);
/** Overwrites memory that held a secret; the compiler cannot leave it out. NULL with size 0 is
 * allowed. */
void i8x_wipe(void *bytes, size_t size);

#define I8X_INVITE_ADDRESS_MAX I8X_WIRE_URL_MAX /* bytes of HOST:PORT */
#define I8X_INVITE_SIZE 480

typedef struct i8x_invite {
    char address[I8X_INVITE_ADDRESS_MAX + 1]; /* HOST:PORT of the HTTPS service */
    i8x_digest ca;                            /* SHA-256 of the CA's certificate (DER) */
    char secret[I8X_TOKEN_SIZE];              /* join token */
} i8x_invite;

/** "HOST:PORT,sha256:HEX,i8x_j..."; returns text. */
char *i8x_invite_print(const i8x_invite *invite, char text[I8X_INVITE_SIZE]);
/** Errors: I8X_EFORMAT (the sentence does not hold what was read). White space at the end is
 * allowed. */
I8X_FALLIBLE i8x_status i8x_invite_parse(const char *text, i8x_invite *invite);

/** A life as people write it: "90s", "15m", "12h", "30d"; a bare number is seconds. 1 s to ten
 * years. Errors: I8X_EARG. */
I8X_FALLIBLE i8x_status i8x_life_parse(const char *text, int64_t *seconds);

#endif
