/* SPDX-License-Identifier: Apache-2.0
 *
 * An array of entries under one mutex; fetching happens outside of it, with the entry marked, so
 * that two slots that want the same blob fetch it once. Indices are stable: an entry that went
 * leaves a free place.
 */
#include "worker/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/file.h"
#include "int8x/log.h"
#include "proto/limits.h"

typedef enum entry_state { ENTRY_FREE, ENTRY_FETCHING, ENTRY_READY } entry_state;

typedef struct cache_entry {
    entry_state state;
    i8x_blob_ref ref;
    bool verified, told; /* told: the coordinator knows of it */
    int pins;
    uint64_t used;      /* of the cache's clock of uses */
    struct stat seen;   /* the file when it was last known to be right */
    int64_t checked_ns; /* and when that was */
} cache_entry;

struct i8x_cache {
    char path[PATH_MAX];
    int lock_fd;
    pthread_mutex_t mutex;
    pthread_cond_t fetched;
    cache_entry *entries;
    int count;
    uint64_t size_bytes, limit_bytes, uses, temporary_count;
    i8x_digest gone[I8X_CACHE_NEWS_MAX]; /* that were told of; of more only the number is kept */
    size_t gone_count;
};

static i8x_status system_failed(const char *what)
{
    I8X_FAIL(errno == ENOSPC || errno == EDQUOT ? I8X_ELIMIT : I8X_EIO, "%s: %s", what,
             strerror(errno));
}

static i8x_status make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? I8X_OK : system_failed(path);
}

void i8x_cache_path(const char *folder, const i8x_blob_ref *ref, char path[I8X_CACHE_PATH_SIZE])
{
    char hex[I8X_DIGEST_HEX_SIZE];
    i8x_digest_to_hex(&ref->digest, hex);
    if (ref->whole)
        snprintf(path, I8X_CACHE_PATH_SIZE, "%s/sha256/%.2s/%s", folder, hex, hex);
    else
        snprintf(path, I8X_CACHE_PATH_SIZE, "%s/ranges/%s-%llu-%llu", folder, hex,
                 (unsigned long long)ref->offset, (unsigned long long)ref->size_bytes);
}

i8x_status i8x_cache_make_folders(const char *folder, const i8x_digest *digest)
{
    char path[I8X_CACHE_PATH_SIZE], hex[I8X_DIGEST_HEX_SIZE];
    snprintf(path, sizeof path, "%s/sha256/%.2s", folder, i8x_digest_to_hex(digest, hex));
    return make_folder(path);
}

/* ---- entries, under the mutex ---- */

static int find_entry(const i8x_cache *cache, const i8x_blob_ref *ref)
{
    for (int i = 0; i < cache->count; i++) {
        const cache_entry *entry = &cache->entries[i];
        if (entry->state != ENTRY_FREE && entry->ref.whole == ref->whole &&
            i8x_digest_equal(&entry->ref.digest, &ref->digest) &&
            (ref->whole ||
             (entry->ref.offset == ref->offset && entry->ref.size_bytes == ref->size_bytes)))
            return i;
    }
    return -1;
}

static void note_gone(i8x_cache *cache, cache_entry *entry)
{
    if (entry->told && cache->gone_count < I8X_CACHE_NEWS_MAX)
        cache->gone[cache->gone_count] = entry->ref.digest;
    cache->gone_count += entry->told;
    entry->told = false;
}

static void drop_entry(i8x_cache *cache, int index)
{
    cache_entry *entry = &cache->entries[index];
    note_gone(cache, entry);
    char path[I8X_CACHE_PATH_SIZE];
    i8x_cache_path(cache->path, &entry->ref, path);
    unlink(path);
    if (entry->state == ENTRY_READY)
        cache->size_bytes -= entry->ref.size_bytes;
    entry->state = ENTRY_FREE;
}

/* The least recently used entry that nobody holds, or -1. */
static int oldest_entry(const i8x_cache *cache)
{
    int oldest = -1;
    for (int i = 0; i < cache->count; i++) {
        const cache_entry *entry = &cache->entries[i];
        if (entry->state == ENTRY_READY && entry->pins == 0 &&
            (oldest < 0 || entry->used < cache->entries[oldest].used))
            oldest = i;
    }
    return oldest;
}

static void make_room(i8x_cache *cache, uint64_t size_bytes)
{
    while (cache->size_bytes + size_bytes > cache->limit_bytes) {
        int oldest = oldest_entry(cache);
        if (oldest < 0)
            return; /* all in use: over the limit for as long as that lasts */
        drop_entry(cache, oldest);
    }
}

static int free_entry(i8x_cache *cache)
{
    for (int i = 0; i < cache->count; i++)
        if (cache->entries[i].state == ENTRY_FREE)
            return i;
    if (cache->count < I8X_CACHE_ENTRIES_MAX)
        return cache->count++;
    int oldest = oldest_entry(cache);
    if (oldest >= 0)
        drop_entry(cache, oldest);
    return oldest;
}

static i8x_status add_entry(i8x_cache *cache, const i8x_blob_ref *ref, entry_state state,
                            int *index)
{
    *index = free_entry(cache);
    I8X_ENSURE(*index >= 0, I8X_ELIMIT, "%d blobs are in use", I8X_CACHE_ENTRIES_MAX);
    make_room(cache, ref->size_bytes);
    cache->entries[*index] = (cache_entry){.state = state, .ref = *ref, .used = ++cache->uses};
    if (state == ENTRY_READY)
        cache->size_bytes += ref->size_bytes;
    return I8X_OK;
}

/* ---- open ---- */

static i8x_status clear_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return system_failed(path);
    for (struct dirent *file; (file = readdir(folder)) != NULL;)
        if (file->d_name[0] != '.')
            unlinkat(dirfd(folder), file->d_name, 0);
    closedir(folder);
    return I8X_OK;
}

/* Whole blobs of an earlier life, to be verified when they are used. */
static i8x_status scan_folder(i8x_cache *cache, const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return I8X_OK;
    i8x_status status = I8X_OK;
    for (struct dirent *file; status == I8X_OK && (file = readdir(folder)) != NULL;) {
        i8x_blob_ref ref = {.whole = true};
        struct stat info;
        int index;
        if (strlen(file->d_name) != I8X_DIGEST_HEX_SIZE - 1 ||
            i8x_digest_from_hex(file->d_name, &ref.digest) != I8X_OK ||
            fstatat(dirfd(folder), file->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        ref.size_bytes = (uint64_t)info.st_size;
        status = add_entry(cache, &ref, ENTRY_READY, &index);
    }
    closedir(folder);
    return status;
}

static i8x_status open_folder(i8x_cache *cache)
{
    char path[I8X_CACHE_PATH_SIZE];
    I8X_TRY(make_folder(cache->path));
    snprintf(path, sizeof path, "%s/lock", cache->path);
    cache->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (cache->lock_fd < 0)
        return system_failed(path);
    I8X_ENSURE(flock(cache->lock_fd, LOCK_EX | LOCK_NB) == 0, I8X_EBUSY,
               "%s: another worker uses this folder", cache->path);
    static const char *const folders[] = {"sha256", "ranges", "tmp"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", cache->path, folders[i]);
        I8X_TRY(make_folder(path));
        if (i > 0)
            I8X_TRY(clear_folder(path));
    }
    for (int i = 0; i < 256; i++) {
        snprintf(path, sizeof path, "%s/sha256/%02x", cache->path, i);
        I8X_TRY(scan_folder(cache, path));
    }
    return I8X_OK;
}

i8x_status i8x_cache_open(const char *path, uint64_t limit_bytes, i8x_cache **cache)
{
    I8X_ENSURE(strlen(path) < sizeof(*cache)->path, I8X_EARG, "path over %zu bytes",
               sizeof(*cache)->path);
    i8x_cache *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    snprintf(made->path, sizeof made->path, "%s", path);
    made->limit_bytes = limit_bytes;
    made->lock_fd = -1;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->fetched, NULL);
    made->entries = i8x_alloc_array(i8x_alloc_heap(), I8X_CACHE_ENTRIES_MAX, sizeof *made->entries);
    i8x_status status = i8x_alloc_check(made->entries);
    if (status == I8X_OK)
        status = open_folder(made);
    if (status != I8X_OK) {
        i8x_cache_close(made);
        return status;
    }
    *cache = made;
    return I8X_OK;
}

void i8x_cache_close(i8x_cache *cache)
{
    if (cache == NULL)
        return;
    if (cache->lock_fd >= 0)
        close(cache->lock_fd);
    pthread_cond_destroy(&cache->fetched);
    pthread_mutex_destroy(&cache->mutex);
    i8x_alloc_free(i8x_alloc_heap(), cache->entries,
                   I8X_CACHE_ENTRIES_MAX * sizeof *cache->entries);
    i8x_alloc_free(i8x_alloc_heap(), cache, sizeof *cache);
}

/* ---- fetch and verify, outside the mutex ---- */

static i8x_status fetch(const i8x_cache *cache, i8x_bulk *bulk, const i8x_blob_ref *ref,
                        uint64_t number)
{
    char temporary[I8X_CACHE_PATH_SIZE], path[I8X_CACHE_PATH_SIZE];
    snprintf(temporary, sizeof temporary, "%s/tmp/fetch-%llu", cache->path,
             (unsigned long long)number);
    i8x_cache_path(cache->path, ref, path);
    I8X_TRY(i8x_cache_make_folders(cache->path, &ref->digest));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return system_failed(temporary);
    i8x_status status = ref->size_bytes == 0 && !ref->whole ? I8X_OK : i8x_bulk_get(bulk, ref, fd);
    close(fd);
    if (status == I8X_OK && rename(temporary, path) != 0)
        status = system_failed(path);
    if (status != I8X_OK)
        unlink(temporary);
    char hex[I8X_DIGEST_HEX_SIZE];
    if (status == I8X_OK)
        i8x_log(I8X_LOG_DEBUG, "blob_fetched", "blob=%s offset=%llu bytes=%llu whole=%s",
                i8x_digest_to_hex(&ref->digest, hex), (unsigned long long)ref->offset,
                (unsigned long long)ref->size_bytes, ref->whole ? "yes" : "no");
    return status;
}

static bool look_at(const i8x_cache *cache, const i8x_blob_ref *ref, struct stat *seen)
{
    char path[I8X_CACHE_PATH_SIZE];
    i8x_cache_path(cache->path, ref, path);
    return stat(path, seen) == 0;
}

/* The entry's file is as it is now right: fetched, verified or written by a task of ours. */
static void trust_entry(const i8x_cache *cache, cache_entry *entry)
{
    entry->verified = look_at(cache, &entry->ref, &entry->seen);
    entry->checked_ns = i8x_clock_now_ns(NULL);
}

/* True if the file is the one that was right. Disks forget: whole blobs are hashed again after a
 * while; of a range nothing on this machine knows the digest. */
static bool still_right(const i8x_cache *cache, const cache_entry *entry)
{
    struct stat now;
    int64_t age_ns = i8x_clock_now_ns(NULL) - entry->checked_ns;
    bool fresh = !entry->ref.whole || age_ns < (int64_t)I8X_CACHE_TRUST_S * 1000000000;
    return entry->verified && fresh && look_at(cache, &entry->ref, &now) &&
           now.st_ino == entry->seen.st_ino && now.st_size == entry->seen.st_size &&
           now.st_mtim.tv_sec == entry->seen.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == entry->seen.st_mtim.tv_nsec &&
           now.st_ctim.tv_sec == entry->seen.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == entry->seen.st_ctim.tv_nsec;
}

/* An old whole blob: do its bytes still have its name? */
static bool verify(const i8x_cache *cache, const i8x_blob_ref *ref)
{
    char path[I8X_CACHE_PATH_SIZE];
    i8x_file_view view;
    i8x_cache_path(cache->path, ref, path);
    if (i8x_file_map(path, &view) != I8X_OK)
        return false;
    i8x_digest digest = i8x_digest_of(view.bytes, view.size);
    i8x_file_unmap(&view);
    return i8x_digest_equal(&digest, &ref->digest);
}

/* Fills an entry that is marked FETCHING. The mutex is held on entry and exit. */
static i8x_status fill_entry(i8x_cache *cache, i8x_bulk *bulk, int index, bool old)
{
    i8x_blob_ref ref = cache->entries[index].ref;
    uint64_t number = ++cache->temporary_count;
    pthread_mutex_unlock(&cache->mutex);
    i8x_status status = old && verify(cache, &ref) ? I8X_OK : fetch(cache, bulk, &ref, number);
    pthread_mutex_lock(&cache->mutex);
    cache_entry *entry = &cache->entries[index];
    if (status == I8X_OK)
        trust_entry(cache, entry);
    if (status == I8X_OK || entry->pins > 0) { /* in use: the file that they have open is theirs */
        entry->state = ENTRY_READY;
        entry->verified &= status == I8X_OK;
        cache->size_bytes += ref.size_bytes;
    } else {
        drop_entry(cache, index);
    }
    pthread_cond_broadcast(&cache->fetched);
    return status;
}

/* The entry that serves ref, once nobody is fetching it; -1 if there is none. */
static int wait_entry(i8x_cache *cache, const i8x_blob_ref *ref)
{
    for (;;) {
        i8x_blob_ref whole = {.digest = ref->digest, .whole = true};
        int index = find_entry(cache, &whole);
        if (index < 0 || cache->entries[index].state == ENTRY_FETCHING) {
            int exact = find_entry(cache, ref);
            index = exact >= 0 ? exact : ref->whole ? index : -1;
        }
        if (index < 0 || cache->entries[index].state == ENTRY_READY)
            return index;
        pthread_cond_wait(&cache->fetched, &cache->mutex);
    }
}

static void pin_entry(i8x_cache *cache, int index, int *pin)
{
    cache->entries[index].pins++;
    cache->entries[index].used = ++cache->uses;
    *pin = index;
}

static i8x_status acquire(i8x_cache *cache, i8x_bulk *bulk, const i8x_blob_ref *ref, int *pin)
{
    int index = wait_entry(cache, ref);
    bool old = index >= 0 && !still_right(cache, &cache->entries[index]);
    char hex[I8X_DIGEST_HEX_SIZE];
    if (old && cache->entries[index].verified)
        i8x_log(I8X_LOG_DEBUG, "blob_changed", "blob=%s", i8x_digest_to_hex(&ref->digest, hex));
    if (index < 0)
        I8X_TRY(add_entry(cache, ref, ENTRY_FETCHING, &index));
    if (old) {
        cache->entries[index].state = ENTRY_FETCHING;
        cache->size_bytes -= cache->entries[index].ref.size_bytes;
    }
    if (cache->entries[index].state == ENTRY_FETCHING)
        I8X_TRY(fill_entry(cache, bulk, index, old));
    pin_entry(cache, index, pin);
    return I8X_OK;
}

bool i8x_cache_find(i8x_cache *cache, const i8x_blob_ref *ref, int *pin)
{
    i8x_blob_ref whole = {.digest = ref->digest, .whole = true};
    pthread_mutex_lock(&cache->mutex);
    int index = find_entry(cache, ref);
    if (index < 0)
        index = find_entry(cache, &whole);
    bool found = index >= 0 && cache->entries[index].state == ENTRY_READY &&
                 still_right(cache, &cache->entries[index]);
    if (found)
        pin_entry(cache, index, pin);
    pthread_mutex_unlock(&cache->mutex);
    return found;
}

i8x_status i8x_cache_acquire(i8x_cache *cache, i8x_bulk *bulk, const i8x_blob_ref *ref, int *pin)
{
    pthread_mutex_lock(&cache->mutex);
    i8x_status status = acquire(cache, bulk, ref, pin);
    pthread_mutex_unlock(&cache->mutex);
    return status;
}

i8x_status i8x_cache_adopt(i8x_cache *cache, const i8x_blob_ref *ref, int *pin)
{
    pthread_mutex_lock(&cache->mutex);
    int index = wait_entry(cache, ref);
    i8x_status status = index >= 0 ? I8X_OK : add_entry(cache, ref, ENTRY_READY, &index);
    if (status == I8X_OK) {
        trust_entry(cache, &cache->entries[index]);
        cache->entries[index].pins++;
        *pin = index;
    }
    pthread_mutex_unlock(&cache->mutex);
    return status;
}

void i8x_cache_release(i8x_cache *cache, int pin)
{
    pthread_mutex_lock(&cache->mutex);
    I8X_ASSERT(cache->entries[pin].pins > 0);
    cache->entries[pin].pins--;
    make_room(cache, 0);
    pthread_mutex_unlock(&cache->mutex);
}

void i8x_cache_news_take(i8x_cache *cache, bool all, i8x_cache_news *news)
{
    pthread_mutex_lock(&cache->mutex);
    news->all = all || cache->gone_count > I8X_CACHE_NEWS_MAX;
    news->more = false;
    news->came_count = 0;
    news->gone_count = news->all ? 0 : cache->gone_count;
    memcpy(news->gone, cache->gone, news->gone_count * sizeof *news->gone);
    cache->gone_count = 0;
    for (int i = 0; news->all && i < cache->count; i++)
        cache->entries[i].told = false;
    for (int i = 0; i < cache->count; i++) {
        cache_entry *entry = &cache->entries[i];
        if (entry->state != ENTRY_READY || !entry->ref.whole || entry->told)
            continue;
        news->more = news->came_count == I8X_CACHE_NEWS_MAX;
        if (news->more)
            break;
        news->came[news->came_count++] = entry->ref.digest;
        entry->told = true;
    }
    pthread_mutex_unlock(&cache->mutex);
}

uint64_t i8x_cache_size_bytes(i8x_cache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    uint64_t size = cache->size_bytes;
    pthread_mutex_unlock(&cache->mutex);
    return size;
}
