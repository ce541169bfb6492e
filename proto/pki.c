/* SPDX-License-Identifier: Apache-2.0
 *
 * X.509 through libcrypto: the only file beside core/base/digest.c that includes it. Every
 * certificate goes through sign_cert, which sets what all of them have; the extensions of each use
 * are a table. Objects of libcrypto live within one function, and are freed in it whatever happens
 * (its free functions take NULL).
 */
#include "proto/pki.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define SERIAL_BITS 127 /* positive and never longer than 16 bytes */
#define HOST_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

/* What stays the same in every certificate of a use. */
typedef struct extension {
    int id;
    const char *value;
} extension;

static const extension ca_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {0, NULL},
};
static const extension server_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
    {0, NULL},
};
static const extension client_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "clientAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
    {0, NULL},
};

/* The library's reason as ours; its queue of errors is emptied. */
static i8x_status crypto_failed(i8x_status status, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    I8X_FAIL(status, "%s: %s", what, reason != NULL ? reason : "libcrypto gives no reason");
}

/* ---- PEM ---- */

/* Moves the text that was written to the BIO. */
static i8x_status take_text(BIO *bio, i8x_pem *pem)
{
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    I8X_ENSURE(size > 0 && size < I8X_PEM_SIZE, I8X_EINTERNAL, "PEM of %ld bytes, room for %d",
               size, I8X_PEM_SIZE - 1);
    memcpy(pem->text, text, (size_t)size);
    pem->text[size] = 0;
    return I8X_OK;
}

static BIO *text_of(const char *text)
{
    size_t size = strlen(text);
    return size < I8X_PEM_SIZE ? BIO_new_mem_buf(text, (int)size) : NULL;
}

static EVP_PKEY *read_key(const i8x_pem *pem)
{
    BIO *bio = text_of(pem->text);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static X509 *read_cert(const i8x_pem *pem)
{
    BIO *bio = text_of(pem->text);
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return cert;
}

static i8x_status write_cert(const X509 *cert, i8x_pem *pem)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio != NULL && PEM_write_bio_X509(bio, (X509 *)(uintptr_t)cert) == 1;
    i8x_status status = good ? take_text(bio, pem) : crypto_failed(I8X_EINTERNAL, "certificate");
    BIO_free(bio);
    return status;
}

i8x_status i8x_pki_key_make(i8x_pem *key)
{
    EVP_PKEY *made = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when it is freed */
    bool good = made != NULL && bio != NULL &&
                PEM_write_bio_PKCS8PrivateKey(bio, made, NULL, NULL, 0, NULL, NULL) == 1;
    i8x_status status = good ? take_text(bio, key) : crypto_failed(I8X_EINTERNAL, "private key");
    BIO_free(bio);
    EVP_PKEY_free(made);
    return status;
}

/* ---- certificates ---- */

static i8x_status check_name(const char *name)
{
    size_t size = strlen(name);
    I8X_ENSURE(size > 0 && size <= I8X_PKI_NAME_MAX, I8X_EARG,
               "a certificate's name has 1 to %d bytes, not %zu", I8X_PKI_NAME_MAX, size);
    return I8X_OK;
}

static bool set_name(X509_NAME *name, const char *text)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)text, -1, -1, 0) == 1;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    bool good = number != NULL && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
    good = good && !BN_is_zero(number) &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return good;
}

static bool add_extensions(X509 *cert, X509 *issuer, const extension *extensions)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    for (; extensions->value != NULL; extensions++) {
        X509_EXTENSION *made =
            X509V3_EXT_conf_nid(NULL, &context, extensions->id, extensions->value);
        bool added = made != NULL && X509_add_ext(cert, made, -1) == 1;
        X509_EXTENSION_free(made);
        if (!added)
            return false;
    }
    return true;
}

/* Everything but names: version, serial, issuer, life, key, extensions, signature. issuer NULL: the
 * certificate signs itself. */
static i8x_status sign_cert(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key, EVP_PKEY *key,
                            i8x_pki_life life, const extension *extensions)
{
    X509 *signer = issuer != NULL ? issuer : cert;
    bool good = X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
                X509_set_issuer_name(cert, X509_get_subject_name(signer)) == 1 &&
                ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)life.from_s) != NULL &&
                ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)life.until_s) != NULL &&
                X509_set_pubkey(cert, key) == 1 && add_extensions(cert, signer, extensions) &&
                X509_sign(cert, issuer_key, EVP_sha256()) > 0;
    return good ? I8X_OK : crypto_failed(I8X_EINTERNAL, "signing a certificate");
}

i8x_status i8x_pki_ca_make(const char *name, i8x_pki_life life, const i8x_pem *key, i8x_pem *cert)
{
    I8X_TRY(check_name(name));
    EVP_PKEY *own = read_key(key);
    X509 *made = X509_new();
    i8x_status status = I8X_OK;
    if (own == NULL || made == NULL || !set_name(X509_get_subject_name(made), name))
        status = crypto_failed(I8X_EINTERNAL, "CA certificate");
    if (status == I8X_OK)
        status = sign_cert(made, NULL, own, own, life, ca_extensions);
    if (status == I8X_OK)
        status = write_cert(made, cert);
    X509_free(made);
    EVP_PKEY_free(own);
    return status;
}

i8x_status i8x_pki_request_make(const char *name, const i8x_pem *key, i8x_pem *request)
{
    I8X_TRY(check_name(name));
    EVP_PKEY *own = read_key(key);
    X509_REQ *made = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    i8x_status status;
    if (own == NULL)
        status = crypto_failed(I8X_EFORMAT, "private key");
    else if (made == NULL || bio == NULL || !set_name(X509_REQ_get_subject_name(made), name) ||
             X509_REQ_set_pubkey(made, own) != 1 || X509_REQ_sign(made, own, EVP_sha256()) <= 0 ||
             PEM_write_bio_X509_REQ(bio, made) != 1)
        status = crypto_failed(I8X_EINTERNAL, "certificate request");
    else
        status = take_text(bio, request);
    BIO_free(bio);
    X509_REQ_free(made);
    EVP_PKEY_free(own);
    return status;
}

/* ---- issuing ---- */

/* cert is filled but for the signature; key is the subject's. */
static i8x_status issue(const i8x_pki_ca *ca, X509 *cert, EVP_PKEY *key, i8x_pki_life life,
                        const extension *extensions, i8x_pem *out)
{
    X509 *issuer = read_cert(ca->cert);
    EVP_PKEY *issuer_key = read_key(ca->key);
    i8x_status status;
    if (issuer == NULL || issuer_key == NULL || X509_check_private_key(issuer, issuer_key) != 1)
        status = crypto_failed(I8X_EFORMAT, "the CA's key and certificate");
    else
        status = sign_cert(cert, issuer, issuer_key, key, life, extensions);
    if (status == I8X_OK)
        status = write_cert(cert, out);
    EVP_PKEY_free(issuer_key);
    X509_free(issuer);
    return status;
}

static i8x_status add_alternative(GENERAL_NAMES *names, const char *text)
{
    size_t size = strlen(text);
    GENERAL_NAME *made = GENERAL_NAME_new();
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    ASN1_IA5STRING *host = NULL;
    ERR_clear_error(); /* a host name is no address: fine */
    bool named =
        address == NULL && size > 0 && size <= I8X_PKI_HOST_MAX && strspn(text, HOST_BYTES) == size;
    if (named)
        host = ASN1_IA5STRING_new();
    if (host != NULL && ASN1_STRING_set(host, text, (int)size) != 1) {
        ASN1_IA5STRING_free(host);
        host = NULL;
    }
    bool good = made != NULL && (address != NULL || host != NULL);
    if (good) { /* made takes over what it is given, names takes over made */
        GENERAL_NAME_set0_value(made, address != NULL ? GEN_IPADD : GEN_DNS,
                                address != NULL ? (void *)address : (void *)host);
        address = NULL;
        host = NULL;
        good = sk_GENERAL_NAME_push(names, made) > 0;
        made = good ? NULL : made;
    }
    GENERAL_NAME_free(made);
    ASN1_OCTET_STRING_free(address);
    ASN1_IA5STRING_free(host);
    I8X_ENSURE(good, named || size == 0 ? I8X_EINTERNAL : I8X_EARG,
               "'%.100s' is neither a host name nor an IP address", text);
    return I8X_OK;
}

static i8x_status add_alternatives(X509 *cert, const char *const *names, int count)
{
    I8X_ENSURE(count >= 1 && count <= I8X_PKI_NAMES_MAX, I8X_EARG,
               "a certificate has 1 to %d names, not %d", I8X_PKI_NAMES_MAX, count);
    GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
    i8x_status status = list != NULL ? I8X_OK : crypto_failed(I8X_EINTERNAL, "names");
    for (int i = 0; i < count && status == I8X_OK; i++)
        status = add_alternative(list, names[i]);
    if (status == I8X_OK && X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, 0) != 1)
        status = crypto_failed(I8X_EINTERNAL, "names");
    GENERAL_NAMES_free(list);
    return status;
}

i8x_status i8x_pki_issue_server(const i8x_pki_ca *ca, const i8x_pem *key, const char *const *names,
                                int count, i8x_pki_life life, i8x_pem *cert)
{
    EVP_PKEY *own = read_key(key);
    X509 *made = X509_new();
    i8x_status status = I8X_OK;
    if (own == NULL)
        status = crypto_failed(I8X_EFORMAT, "private key");
    else if (made == NULL || !set_name(X509_get_subject_name(made), "int8x coordinator"))
        status = crypto_failed(I8X_EINTERNAL, "server certificate");
    if (status == I8X_OK)
        status = add_alternatives(made, names, count);
    if (status == I8X_OK)
        status = issue(ca, made, own, life, server_extensions, cert);
    X509_free(made);
    EVP_PKEY_free(own);
    return status;
}

/* The request's key, if the request is one of ours in form. */
static i8x_status request_key(const char *text, EVP_PKEY **key)
{
    BIO *bio = text_of(text);
    X509_REQ *request = bio != NULL ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    *key = request != NULL ? X509_REQ_get_pubkey(request) : NULL;
    char group[32] = "";
    bool curve = *key != NULL && EVP_PKEY_is_a(*key, "EC") == 1 &&
                 EVP_PKEY_get_group_name(*key, group, sizeof group, NULL) == 1 &&
                 strcmp(group, "prime256v1") == 0;
    bool own = curve && X509_REQ_verify(request, *key) == 1;
    X509_REQ_free(request);
    BIO_free(bio);
    ERR_clear_error();
    if (own)
        return I8X_OK;
    EVP_PKEY_free(*key);
    *key = NULL;
    I8X_FAIL(I8X_EFORMAT, "this is no certificate request (PEM) of a P-256 key%s",
             curve ? ": it is not signed by its own key" : "");
}

i8x_status i8x_pki_issue_client(const i8x_pki_ca *ca, const char *request, const char *name,
                                i8x_pki_life life, i8x_pem *cert)
{
    I8X_TRY(check_name(name));
    EVP_PKEY *key = NULL;
    I8X_TRY(request_key(request, &key));
    X509 *made = X509_new();
    i8x_status status;
    if (made == NULL || !set_name(X509_get_subject_name(made), name))
        status = crypto_failed(I8X_EINTERNAL, "client certificate");
    else
        status = issue(ca, made, key, life, client_extensions, cert);
    X509_free(made);
    EVP_PKEY_free(key);
    return status;
}

/* ---- looking ---- */

i8x_status i8x_pki_fingerprint(const i8x_pem *cert, i8x_digest *digest)
{
    X509 *read = read_cert(cert);
    unsigned char *der = NULL;
    int size = read != NULL ? i2d_X509(read, &der) : -1;
    if (size > 0)
        *digest = i8x_digest_of(der, (size_t)size);
    OPENSSL_free(der);
    X509_free(read);
    return size > 0 ? I8X_OK : crypto_failed(I8X_EFORMAT, "this is no certificate (PEM)");
}

static bool read_time(const ASN1_TIME *time, int64_t *seconds)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, rest = 0;
    bool good = epoch != NULL && ASN1_TIME_diff(&days, &rest, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    *seconds = (int64_t)days * 86400 + rest;
    return good;
}

i8x_status i8x_pki_look(const i8x_pem *cert, i8x_pki_facts *facts)
{
    X509 *read = read_cert(cert);
    *facts = (i8x_pki_facts){0};
    bool good = read != NULL && read_time(X509_get0_notBefore(read), &facts->life.from_s) &&
                read_time(X509_get0_notAfter(read), &facts->life.until_s);
    if (good) {
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(read), NID_commonName, facts->name,
                                        sizeof facts->name);
        uint32_t uses = X509_get_extended_key_usage(read); /* all bits if there is no such list */
        facts->is_ca = X509_check_ca(read) == 1;
        facts->is_server = !facts->is_ca && (uses & XKU_SSL_SERVER) != 0;
        facts->is_client = !facts->is_ca && (uses & XKU_SSL_CLIENT) != 0;
    }
    X509_free(read);
    return good ? I8X_OK : crypto_failed(I8X_EFORMAT, "this is no certificate (PEM)");
}

bool i8x_pki_covers(const i8x_pem *cert, const char *name)
{
    X509 *read = read_cert(cert);
    bool covers = read != NULL && (X509_check_ip_asc(read, name, 0) == 1 ||
                                   X509_check_host(read, name, 0, 0, NULL) == 1);
    X509_free(read);
    ERR_clear_error();
    return covers;
}

static bool name_text(const GENERAL_NAME *name, char text[I8X_PKI_HOST_MAX + 1])
{
    int type = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const unsigned char *bytes = ASN1_STRING_get0_data(value);
    int size = ASN1_STRING_length(value), used = 0;
    if (type == GEN_DNS && size <= I8X_PKI_HOST_MAX)
        used = snprintf(text, I8X_PKI_HOST_MAX + 1, "%.*s", size, (const char *)bytes);
    else if (type == GEN_IPADD && (size == 4 || size == 16) &&
             inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, I8X_PKI_HOST_MAX + 1) != NULL)
        used = size;
    return used > 0;
}

i8x_status i8x_pki_names_of(const i8x_pem *cert, i8x_pki_names *names)
{
    X509 *read = read_cert(cert);
    names->count = 0;
    if (read == NULL)
        return crypto_failed(I8X_EFORMAT, "this is no certificate (PEM)");
    GENERAL_NAMES *list = X509_get_ext_d2i(read, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(list) && names->count < I8X_PKI_NAMES_MAX; i++)
        names->count += name_text(sk_GENERAL_NAME_value(list, i), names->list[names->count]);
    GENERAL_NAMES_free(list);
    X509_free(read);
    ERR_clear_error();
    return I8X_OK;
}

i8x_status i8x_pki_check(const i8x_pem *cert, const i8x_pem *ca, const i8x_pem *key)
{
    X509 *read = read_cert(cert), *issuer = read_cert(ca);
    EVP_PKEY *own = key != NULL ? read_key(key) : NULL;
    i8x_status status = I8X_OK;
    if (read == NULL || issuer == NULL || (key != NULL && own == NULL))
        status = crypto_failed(I8X_EFORMAT, "certificate or key (PEM)");
    else if (X509_check_ca(issuer) != 1 || X509_verify(read, X509_get0_pubkey(issuer)) != 1)
        status = crypto_failed(I8X_EDENIED, "the certificate is not signed by this CA");
    else if (own != NULL && X509_check_private_key(read, own) != 1)
        status = crypto_failed(I8X_EDENIED, "the key does not belong to the certificate");
    EVP_PKEY_free(own);
    X509_free(issuer);
    X509_free(read);
    return status;
}
