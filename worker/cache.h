/* SPDX-License-Identifier: Apache-2.0
 *
 * Cache: blobs and ranges of blobs on the worker's disk, least recently used first to go. What is
 * fetched is verified on arrival; a whole blob of an earlier life is hashed before its first use;
 * ranges of an earlier life are removed, since nothing on this machine can vouch for them.
 * Thread-safe.
 *
 * Entries that are in use are pinned. The slot's child finds the files by i8x_cache_path.
 */
#ifndef I8X_WORKER_CACHE_H
#define I8X_WORKER_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "int8x/status.h"
#include "int8x/task.h"
#include "proto/bulk.h"
#include "proto/limits.h"

#define I8X_CACHE_PATH_SIZE (PATH_MAX + 160)

typedef struct i8x_cache i8x_cache;

/** Opens or makes the folder. Errors: I8X_EIO, I8X_EBUSY (another worker uses it), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_cache_open(const char *path, uint64_t limit_bytes, i8x_cache **cache);
void i8x_cache_close(i8x_cache *cache);
/** Where a ref lies, or would lie. */
void i8x_cache_path(const char *folder, const i8x_blob_ref *ref, char path[I8X_CACHE_PATH_SIZE]);
/** Makes the folders on the way of a blob. Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_cache_make_folders(const char *folder, const i8x_digest *digest);
/**
 * Sees that the bytes of ref are on disk, fetching them if need be, and pins them. A range is also
 * served by the whole blob. pin is given back to i8x_cache_release. Errors: those of i8x_bulk_get;
 * I8X_ELIMIT (entries).
 */
I8X_FALLIBLE i8x_status i8x_cache_acquire(i8x_cache *cache, i8x_bulk *bulk, const i8x_blob_ref *ref,
                                          int *pin);
/** The same if they are there already: never waits. */
bool i8x_cache_find(i8x_cache *cache, const i8x_blob_ref *ref, int *pin);
/** Takes a blob that a task has just written into the folder, pinned. Errors: I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_cache_adopt(i8x_cache *cache, const i8x_blob_ref *ref, int *pin);
void i8x_cache_release(i8x_cache *cache, int pin);
/* What has changed since it was last asked for: whole blobs that came and that went. */
typedef struct i8x_cache_news {
    i8x_digest came[I8X_CACHE_NEWS_MAX], gone[I8X_CACHE_NEWS_MAX];
    size_t came_count, gone_count;
    bool all;  /* came lists from the start: nothing that was told before counts */
    bool more; /* there is more: ask again */
} i8x_cache_news;

/** Takes the news. all: from the start, as for a listener who knows nothing; also given back as
 * such if more went than could be kept. */
void i8x_cache_news_take(i8x_cache *cache, bool all, i8x_cache_news *news);
uint64_t i8x_cache_size_bytes(i8x_cache *cache);

#endif
