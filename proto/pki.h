/* SPDX-License-Identifier: Apache-2.0
 *
 * PKI: the certificates of a fleet, X.509 with ECDSA P-256 and random serial numbers. One CA per
 * coordinator signs the coordinator's own certificate (use: server) and one per worker (use:
 * client); neither can stand for the other. Keys and certificates are PEM text, so that they go to
 * files, libcurl, libmicrohttpd and nng as they are. Thread-safe: no state. Who holds a key wipes
 * it:
 *
 *     i8x_pem key, cert;
 *     I8X_TRY(i8x_pki_key_make(&key));
 *     I8X_TRY(i8x_pki_ca_make("int8x CA", life, &key, &cert)); ...   i8x_wipe(&key, sizeof key);
 */
#ifndef I8X_PROTO_PKI_H
#define I8X_PROTO_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/status.h"

#define I8X_PEM_SIZE 8192
#define I8X_PKI_NAME_MAX 64  /* bytes of a common name: X.509's own limit */
#define I8X_PKI_HOST_MAX 253 /* bytes of a host name */
#define I8X_PKI_NAMES_MAX 32 /* host names and addresses of one certificate */

typedef struct i8x_pem {
    char text[I8X_PEM_SIZE]; /* closed by a zero byte */
} i8x_pem;

typedef struct i8x_pki_life {
    int64_t from_s, until_s; /* since 1970 */
} i8x_pki_life;

/* A certificate as others see it. */
typedef struct i8x_pki_facts {
    char name[I8X_PKI_NAME_MAX + 1]; /* common name */
    i8x_pki_life life;
    bool is_ca, is_server, is_client;
} i8x_pki_facts;

/** A new private key. Errors: I8X_EINTERNAL. */
I8X_FALLIBLE i8x_status i8x_pki_key_make(i8x_pem *key);
/** Certificate of a CA, signed by itself. Errors: I8X_EARG (name), I8X_EINTERNAL. */
I8X_FALLIBLE i8x_status i8x_pki_ca_make(const char *name, i8x_pki_life life, const i8x_pem *key,
                                        i8x_pem *cert);
/** What a worker sends to get a certificate: its public key, signed by its private one. Errors:
 * I8X_EARG, I8X_EFORMAT (key), I8X_EINTERNAL. */
I8X_FALLIBLE i8x_status i8x_pki_request_make(const char *name, const i8x_pem *key,
                                             i8x_pem *request);

/* Who signs. */
typedef struct i8x_pki_ca {
    const i8x_pem *cert, *key;
} i8x_pki_ca;

/** Certificate of a server: names are host names and IP addresses [count], 1..I8X_PKI_NAMES_MAX.
 * Errors: I8X_EARG (a name), I8X_EFORMAT, I8X_EINTERNAL. */
I8X_FALLIBLE i8x_status i8x_pki_issue_server(const i8x_pki_ca *ca, const i8x_pem *key,
                                             const char *const *names, int count, i8x_pki_life life,
                                             i8x_pem *cert);
/** Certificate of a client for the public key of a request; name is the CA's word, what the request
 * says beside its key is not believed. Errors: I8X_EARG (name), I8X_EFORMAT (no request, not signed
 * by its key, or no P-256 key), I8X_EINTERNAL. */
I8X_FALLIBLE i8x_status i8x_pki_issue_client(const i8x_pki_ca *ca, const char *request,
                                             const char *name, i8x_pki_life life, i8x_pem *cert);

/** SHA-256 of the certificate (DER). Errors: I8X_EFORMAT. */
I8X_FALLIBLE i8x_status i8x_pki_fingerprint(const i8x_pem *cert, i8x_digest *digest);
/** Errors: I8X_EFORMAT. */
I8X_FALLIBLE i8x_status i8x_pki_look(const i8x_pem *cert, i8x_pki_facts *facts);
/** True if the certificate is good for that host name or IP address. */
bool i8x_pki_covers(const i8x_pem *cert, const char *name);
typedef struct i8x_pki_names {
    char list[I8X_PKI_NAMES_MAX][I8X_PKI_HOST_MAX + 1];
    int count;
} i8x_pki_names;

/** Host names and addresses that a certificate is good for, in its own order; the first
 * I8X_PKI_NAMES_MAX of them. Errors: I8X_EFORMAT. */
I8X_FALLIBLE i8x_status i8x_pki_names_of(const i8x_pem *cert, i8x_pki_names *names);
/** Is cert signed by ca, and does key belong to cert? key may be NULL. Says nothing about time.
 * Errors: I8X_EFORMAT, I8X_EDENIED. */
I8X_FALLIBLE i8x_status i8x_pki_check(const i8x_pem *cert, const i8x_pem *ca, const i8x_pem *key);

#endif
