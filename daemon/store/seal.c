/* SPDX-License-Identifier: Apache-2.0
 *
 * A seal is 64 bits of a digest over the blob's name and what the file system says of the file.
 * They lie in a table that does not grow: a seal has its place among the SET_SIZE of a set and,
 * where those are taken, puts out another one, whose file is checked again when it is read.
 */
#include "daemon/store/seal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "proto/limits.h"

#define PIECE_BYTES (256u << 10)
#define SET_SIZE 8 /* a line of the processor's cache */
#define SET_COUNT (I8X_SEALS_MAX / SET_SIZE)

_Static_assert((SET_COUNT & (SET_COUNT - 1)) == 0, "a power of two");

void i8x_seals_deinit(i8x_seals *seals)
{
    i8x_alloc_free(i8x_alloc_heap(), seals->words,
                   seals->words != NULL ? I8X_SEALS_MAX * sizeof *seals->words : 0);
    *seals = (i8x_seals){0};
}

static uint64_t *set_of(const i8x_seals *seals, uint64_t word)
{
    return seals->words + SET_SIZE * (word & (SET_COUNT - 1));
}

static bool is_in(const uint64_t *set, uint64_t word)
{
    for (int i = 0; i < SET_SIZE; i++)
        if (set[i] == word)
            return true;
    return false;
}

/* 0 if the file cannot be asked. */
static uint64_t word_of(const i8x_digest *digest, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return 0;
    uint64_t words[I8X_DIGEST_SIZE / 8 + 6], word;
    memcpy(words, digest->bytes, I8X_DIGEST_SIZE);
    uint64_t *file = words + I8X_DIGEST_SIZE / 8;
    file[0] = (uint64_t)info.st_ino;
    file[1] = (uint64_t)info.st_size;
    file[2] = (uint64_t)info.st_mtim.tv_sec;
    file[3] = (uint64_t)info.st_mtim.tv_nsec;
    file[4] = (uint64_t)info.st_ctim.tv_sec;
    file[5] = (uint64_t)info.st_ctim.tv_nsec;
    i8x_digest all = i8x_digest_of(words, sizeof words);
    memcpy(&word, all.bytes, sizeof word);
    return word;
}

/* Forgets all when the oldest may be too old. */
static void forget_old(i8x_seals *seals)
{
    int64_t now_ns = i8x_clock_now_ns(NULL);
    if (seals->words == NULL || now_ns - seals->since_ns <= (int64_t)I8X_SEAL_LIFE_S * 1000000000)
        return;
    memset(seals->words, 0, I8X_SEALS_MAX * sizeof *seals->words);
    seals->since_ns = now_ns;
}

bool i8x_seal_holds(i8x_seals *seals, const i8x_digest *digest, int fd)
{
    forget_old(seals);
    uint64_t word = word_of(digest, fd);
    return word != 0 && seals->words != NULL && is_in(set_of(seals, word), word);
}

void i8x_seal_set(i8x_seals *seals, const i8x_digest *digest, int fd)
{
    forget_old(seals);
    uint64_t word = word_of(digest, fd);
    if (seals->words == NULL) {
        seals->words = i8x_alloc_array(i8x_alloc_heap(), I8X_SEALS_MAX, sizeof *seals->words);
        seals->since_ns = i8x_clock_now_ns(NULL);
    }
    if (seals->words == NULL || word == 0)
        return; /* without memory the file is checked again */
    uint64_t *set = set_of(seals, word);
    if (is_in(set, word))
        return;
    int at = 0;
    while (at < SET_SIZE && set[at] != 0)
        at++;
    set[at < SET_SIZE ? at : (int)(word >> 61)] = word; /* any of the eight */
}

static i8x_status hash_file(int fd, uint8_t *piece, i8x_digest_stream *stream)
{
    for (off_t done = 0;;) {
        ssize_t got = pread(fd, piece, PIECE_BYTES, done);
        if (got < 0 && errno == EINTR)
            continue;
        I8X_ENSURE(got >= 0, I8X_EIO, "blob: %s", strerror(errno));
        if (got == 0)
            return I8X_OK;
        i8x_digest_stream_add(stream, piece, (size_t)got);
        done += got;
    }
}

i8x_status i8x_seal_check(const i8x_digest *digest, int fd)
{
    i8x_digest_stream *stream = NULL;
    I8X_TRY(i8x_digest_stream_new(&stream));
    uint8_t *piece = i8x_alloc_array(i8x_alloc_heap(), PIECE_BYTES, 1);
    i8x_status status = i8x_alloc_check(piece);
    if (status == I8X_OK)
        status = hash_file(fd, piece, stream);
    i8x_alloc_free(i8x_alloc_heap(), piece, PIECE_BYTES);
    i8x_digest found = i8x_digest_stream_end(stream);
    I8X_TRY(status);
    char want[I8X_DIGEST_HEX_SIZE], have[I8X_DIGEST_HEX_SIZE];
    I8X_ENSURE(i8x_digest_equal(&found, digest), I8X_ECORRUPT,
               "the file of blob %s has the SHA-256 %s: the disk damaged it",
               i8x_digest_to_hex(digest, want), i8x_digest_to_hex(&found, have));
    return I8X_OK;
}
