/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 and random bytes through libcrypto's EVP interface: the only file that includes it. EVP
 * picks the SHA instructions of x86 and ARMv8 by itself. A failing digest call means a broken
 * libcrypto, not bad input, hence the assertions.
 */
#include "int8x/digest.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "int8x/alloc.h"

_Static_assert(EVP_MAX_MD_SIZE >= I8X_DIGEST_SIZE, "SHA-256 fits in libcrypto's digest buffer");

struct i8x_digest_stream {
    EVP_MD_CTX *context;
};

/* Looked up once: EVP_sha256() is a name that every digest would look up again. */
static const EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void sha256_fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    I8X_ASSERT(sha256 != NULL);
}

static const EVP_MD *sha256_get(void)
{
    pthread_once(&sha256_once, sha256_fetch);
    return sha256;
}

i8x_digest i8x_digest_of(const void *bytes, size_t size_bytes)
{
    i8x_digest digest;
    unsigned size = 0;
    I8X_ASSERT(EVP_Digest(size_bytes > 0 ? bytes : "", size_bytes, digest.bytes, &size,
                          sha256_get(), NULL) == 1);
    I8X_ASSERT(size == I8X_DIGEST_SIZE);
    return digest;
}

bool i8x_digest_equal(const i8x_digest *a, const i8x_digest *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, I8X_DIGEST_SIZE) == 0;
}

char *i8x_digest_to_hex(const i8x_digest *digest, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < I8X_DIGEST_SIZE; i++) {
        hex[2 * i] = digits[digest->bytes[i] >> 4];
        hex[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    hex[2 * I8X_DIGEST_SIZE] = '\0';
    return hex;
}

/* Value of a lower-case hex digit, or -1 (also for the closing zero byte). */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

i8x_status i8x_digest_from_hex(const char *hex, i8x_digest *digest)
{
    i8x_digest made;
    I8X_ENSURE(hex != NULL, I8X_EARG, "digest is NULL");
    for (int i = 0; i < I8X_DIGEST_SIZE; i++) {
        const int high = hex_value(hex[2 * i]);
        const int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
        I8X_ENSURE(low >= 0, I8X_EARG, "digest '%.64s' is not 64 lower-case hex digits", hex);
        made.bytes[i] = (uint8_t)(high << 4 | low);
    }
    I8X_ENSURE(hex[2 * I8X_DIGEST_SIZE] == '\0', I8X_EARG,
               "digest '%.64s...' is longer than 64 hex digits", hex);
    *digest = made;
    return I8X_OK;
}

i8x_status i8x_digest_stream_new(i8x_digest_stream **stream)
{
    i8x_digest_stream *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->context = EVP_MD_CTX_new();
    if (made->context == NULL || EVP_DigestInit_ex(made->context, sha256_get(), NULL) != 1) {
        i8x_digest_stream_free(made);
        I8X_FAIL(I8X_ENOMEM, "no memory for a SHA-256 context");
    }
    *stream = made;
    return I8X_OK;
}

void i8x_digest_stream_add(i8x_digest_stream *stream, const void *bytes, size_t size_bytes)
{
    if (size_bytes > 0)
        I8X_ASSERT(EVP_DigestUpdate(stream->context, bytes, size_bytes) == 1);
}

i8x_digest i8x_digest_stream_end(i8x_digest_stream *stream)
{
    i8x_digest digest;
    unsigned size = 0;
    I8X_ASSERT(EVP_DigestFinal_ex(stream->context, digest.bytes, &size) == 1);
    I8X_ASSERT(size == I8X_DIGEST_SIZE);
    i8x_digest_stream_free(stream);
    return digest;
}

void i8x_digest_stream_free(i8x_digest_stream *stream)
{
    if (stream == NULL)
        return;
    EVP_MD_CTX_free(stream->context);
    i8x_alloc_free(i8x_alloc_heap(), stream, sizeof *stream);
}

i8x_status i8x_digest_random(void *bytes, size_t size_bytes)
{
    I8X_ENSURE(size_bytes <= INT_MAX, I8X_EARG, "%zu random bytes are too many at once",
               size_bytes);
    I8X_ENSURE(RAND_bytes(bytes, (int)size_bytes) == 1, I8X_EIO, "no random bytes to be had");
    return I8X_OK;
}
