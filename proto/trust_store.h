/* SPDX-License-Identifier: Apache-2.0
 *
 * Trust store: the tokens that a coordinator knows, by hash, in one small text file
 * (docs/formats.md). A row is never taken out when its token ends, only marked and, 30 days later,
 * left out of the next writing: so a refused attempt can be told from a guess. Every change
 * rewrites the file (temporary file, fsync, rename) before it counts. Belongs to one thread, and to
 * one process: the coordinator, or `int8x admin init` before there is one.
 *
 *     i8x_trust_store *s; I8X_TRY(i8x_trust_store_open("/data/trust/tokens", now_s, &s));
 *     I8X_TRY(i8x_trust_store_add(s, &row));
 *     if (i8x_trust_store_check(s, text, now_s, &row) == I8X_TOKEN_GOOD) ...
 */
#ifndef I8X_PROTO_TRUST_STORE_H
#define I8X_PROTO_TRUST_STORE_H

#include <stdbool.h>

#include "proto/trust_token.h"

#define I8X_TOKEN_ID_SIZE 14 /* "t" and 12 hex digits */

typedef struct i8x_token_row {
    char id[I8X_TOKEN_ID_SIZE]; /* for humans and logs; no secret */
    i8x_token_role role;
    i8x_digest hash;
    int64_t created_s, expires_s, revoked_s; /* since 1970; expires 0 = never, revoked 0 = not */
    char worker[I8X_WIRE_NAME_MAX + 1];      /* the worker that it is bound to; "" = none */
    char name[I8X_TOKEN_NAME_MAX + 1];       /* for humans; never empty */
} i8x_token_row;

/* X(name, text) what a presented token is worth */
#define I8X_TOKEN_STATE_LIST(X)                                                                    \
    X(GOOD, "good")                                                                                \
    X(UNKNOWN, "unknown")                                                                          \
    X(EXPIRED, "expired")                                                                          \
    X(REVOKED, "revoked")

typedef enum i8x_token_state {
#define X(name, text) I8X_TOKEN_##name,
    I8X_TOKEN_STATE_LIST(X)
#undef X
        I8X_TOKEN_STATE_COUNT
} i8x_token_state;

const char *i8x_token_state_name(i8x_token_state state);
/** What a row is worth now; never UNKNOWN. A join token that was used counts as revoked. */
i8x_token_state i8x_token_row_state(const i8x_token_row *row, int64_t now_s);

typedef struct i8x_trust_store i8x_trust_store;

/** Reads the file; a missing one is an empty store. Errors: I8X_EFORMAT (with the line's number),
 * I8X_EDENIED (others may read the file), I8X_EIO, I8X_ELIMIT, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_trust_store_open(const char *path, int64_t now_s,
                                             i8x_trust_store **store);
void i8x_trust_store_close(i8x_trust_store *store);
/**
 * Finds a presented token. *row (borrowed until the next change) is set unless UNKNOWN. The row is
 * found by the hash's first bytes, which tell a guesser nothing, and compared in constant time.
 */
i8x_token_state i8x_trust_store_check(const i8x_trust_store *store, const char *text, int64_t now_s,
                                      const i8x_token_row **row);
/** The same by what check's row->hash said earlier. */
i8x_token_state i8x_trust_store_check_hash(const i8x_trust_store *store, const i8x_digest *hash,
                                           int64_t now_s, const i8x_token_row **row);
int i8x_trust_store_count(const i8x_trust_store *store);
const i8x_token_row *i8x_trust_store_at(const i8x_trust_store *store, int index);
/** Row of that id, or NULL. */
const i8x_token_row *i8x_trust_store_by_id(const i8x_trust_store *store, const char *id);

/** True if text can be a worker's id: up to 128 of a-z, 0-9, '.' and '-'; "" too. */
bool i8x_token_worker_is_good(const char *text);
/** True if text can be a token's name: 1..64 bytes of letters, digits and ._@:- */
bool i8x_token_name_is_good(const char *text);
/**
 * Makes a token, adds its row and writes the file. text gets the token; row->hash, row->id and
 * row->created_s are set here, the rest is the caller's. Errors: I8X_EARG (name, worker),
 * I8X_ELIMIT (too many), I8X_EIO.
 */
I8X_FALLIBLE i8x_status i8x_trust_store_add(i8x_trust_store *store, i8x_token_row *row,
                                            int64_t now_s, char text[I8X_TOKEN_SIZE]);
/** Adds a row that lives in memory only (the local workers' token). Errors: as add. */
I8X_FALLIBLE i8x_status i8x_trust_store_add_unsaved(i8x_trust_store *store, i8x_token_row *row,
                                                    int64_t now_s, char text[I8X_TOKEN_SIZE]);
/** Marks a row; one that is revoked already stays as it is. Errors: I8X_ENOENT, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_trust_store_revoke(i8x_trust_store *store, const char *id,
                                               int64_t now_s);
/** Marks every good row that is bound to the worker; *count says how many. Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_trust_store_revoke_worker(i8x_trust_store *store, const char *worker,
                                                      int64_t now_s, int *count);
/** Moves the end of a row. Errors: I8X_ENOENT, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_trust_store_extend(i8x_trust_store *store, const char *id,
                                               int64_t expires_s, int64_t now_s);

#endif
