/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that includes libssl. Certificates are checked by the library, with its own check
 * of what a certificate is for (a worker's is no server's); a refusal's reason is what the check
 * said, or else what the peer's alert said.
 */
#include "proto/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "int8x/alloc.h"

#define REASON_SIZE 128

struct i8x_tls_context {
    SSL_CTX *ssl;
    bool server;
    char server_name[I8X_PKI_HOST_MAX + 1];
};

struct i8x_tls_stream {
    SSL *ssl;
    char reason[REASON_SIZE];
};

/* ---- context ---- */

static X509 *read_cert(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return cert;
}

static bool trust_ca(SSL_CTX *ssl, const char *text)
{
    X509 *ca = read_cert(text);
    bool good = ca != NULL && X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), ca) == 1;
    X509_free(ca);
    return good;
}

static bool show_cert(SSL_CTX *ssl, const i8x_tls_opts *opts)
{
    X509 *cert = read_cert(opts->cert);
    BIO *bio = BIO_new_mem_buf(opts->key, -1);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    bool good = cert != NULL && key != NULL && SSL_CTX_use_certificate(ssl, cert) == 1 &&
                SSL_CTX_use_PrivateKey(ssl, key) == 1;
    BIO_free(bio);
    EVP_PKEY_free(key);
    X509_free(cert);
    return good;
}

i8x_status i8x_tls_context_new(const i8x_tls_opts *opts, i8x_tls_context **context)
{
    i8x_tls_context *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->server = opts->server;
    snprintf(made->server_name, sizeof made->server_name, "%s",
             opts->server_name != NULL ? opts->server_name : "");
    made->ssl = SSL_CTX_new(opts->server ? TLS_server_method() : TLS_client_method());
    bool good = made->ssl != NULL &&
                SSL_CTX_set_min_proto_version(made->ssl, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_num_tickets(made->ssl, 0) == 1 && trust_ca(made->ssl, opts->ca) &&
                (opts->cert == NULL || show_cert(made->ssl, opts));
    if (!good) {
        unsigned long code = ERR_peek_last_error();
        const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
        i8x_tls_context_free(made);
        ERR_clear_error();
        I8X_FAIL(I8X_EFORMAT, "certificates of the link: %s",
                 reason != NULL ? reason : "the library gives no reason");
    }
    SSL_CTX_set_verify(made->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(made->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(made->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    *context = made;
    return I8X_OK;
}

void i8x_tls_context_free(i8x_tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    i8x_alloc_free(i8x_alloc_heap(), context, sizeof *context);
}

/* ---- stream ---- */

i8x_status i8x_tls_stream_new(const i8x_tls_context *context, int fd, i8x_tls_stream **stream)
{
    i8x_tls_stream *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->ssl = SSL_new(context->ssl);
    bool good = made->ssl != NULL && SSL_set_fd(made->ssl, fd) == 1;
    if (good && !context->server) {
        SSL_set_hostflags(made->ssl, X509_CHECK_FLAG_NO_WILDCARDS);
        good = SSL_set1_host(made->ssl, context->server_name) == 1 &&
               SSL_set_tlsext_host_name(made->ssl, context->server_name) == 1;
    }
    if (!good) {
        i8x_tls_stream_free(made);
        ERR_clear_error();
        I8X_FAIL(I8X_ENOMEM, "no memory for a TLS connection");
    }
    if (context->server)
        SSL_set_accept_state(made->ssl);
    else
        SSL_set_connect_state(made->ssl);
    *stream = made;
    return I8X_OK;
}

void i8x_tls_stream_free(i8x_tls_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->ssl != NULL && SSL_is_init_finished(stream->ssl))
        (void)SSL_shutdown(stream->ssl); /* said once, not waited for */
    SSL_free(stream->ssl);
    ERR_clear_error();
    i8x_alloc_free(i8x_alloc_heap(), stream, sizeof *stream);
}

/* Why a call failed: our own check of the peer's certificate knows best. */
static void note_reason(i8x_tls_stream *stream, int error, int saved_errno)
{
    long verified = SSL_get_verify_result(stream->ssl);
    unsigned long code = ERR_peek_last_error();
    const char *reason = NULL;
    if (verified != X509_V_OK)
        reason = X509_verify_cert_error_string(verified);
    else if (code != 0)
        reason = ERR_reason_error_string(code);
    else if (error == SSL_ERROR_SYSCALL && saved_errno != 0)
        reason = strerror(saved_errno);
    snprintf(stream->reason, sizeof stream->reason, "%s",
             reason != NULL ? reason : "the peer ended the connection");
}

static i8x_tls_result result_of(i8x_tls_stream *stream, int returned)
{
    int saved_errno = errno;
    if (returned > 0)
        return I8X_TLS_DONE;
    int error = SSL_get_error(stream->ssl, returned);
    if (error == SSL_ERROR_WANT_READ)
        return I8X_TLS_WANTS_READ;
    if (error == SSL_ERROR_WANT_WRITE)
        return I8X_TLS_WANTS_WRITE;
    if (error == SSL_ERROR_ZERO_RETURN)
        return I8X_TLS_ENDED;
    note_reason(stream, error, saved_errno);
    return I8X_TLS_FAILED;
}

i8x_tls_result i8x_tls_handshake(i8x_tls_stream *stream)
{
    ERR_clear_error();
    errno = 0;
    i8x_tls_result result = result_of(stream, SSL_do_handshake(stream->ssl));
    if (result == I8X_TLS_ENDED) {
        note_reason(stream, SSL_ERROR_ZERO_RETURN, 0);
        result = I8X_TLS_FAILED;
    }
    return result;
}

i8x_tls_result i8x_tls_read(i8x_tls_stream *stream, void *bytes, size_t size, size_t *got)
{
    ERR_clear_error();
    errno = 0;
    return result_of(stream, SSL_read_ex(stream->ssl, bytes, size, got));
}

i8x_tls_result i8x_tls_write(i8x_tls_stream *stream, const void *bytes, size_t size, size_t *put)
{
    ERR_clear_error();
    errno = 0;
    return result_of(stream, SSL_write_ex(stream->ssl, bytes, size, put));
}

const char *i8x_tls_reason(const i8x_tls_stream *stream)
{
    return stream->reason[0] != 0 ? stream->reason : "the peer ended the connection";
}

char *i8x_tls_peer_name(const i8x_tls_stream *stream, char name[I8X_PKI_NAME_MAX + 1])
{
    X509 *cert = SSL_get0_peer_certificate(stream->ssl);
    name[0] = 0;
    if (cert != NULL)
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
                                        I8X_PKI_NAME_MAX + 1);
    return name;
}
