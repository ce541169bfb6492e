/* SPDX-License-Identifier: Apache-2.0
 *
 * The blob folder. Sizes come from the file system: a blob that stands under its name was checked
 * when it was put there. Two uploads of the same blob at once are harmless: the second rename
 * replaces equal bytes. The digest is taken of the bytes as they are written; of a part that was
 * kept it is taken from the file, by the first add on the helper's thread.
 */
#include "daemon/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/keymap.h"
#include "daemon/store/seal.h"
#include "int8x/alloc.h"

#define PATH_ROOM (PATH_MAX + 128)
#define HASH_PIECE (256u << 10)
#define PART_NAME_SIZE (64 + 5) /* digits and ".part" */

struct i8x_store {
    char path[PATH_MAX];
    i8x_keymap owners; /* digest -> the upload that writes its part */
    uint64_t upload_count;
    i8x_seals seals;
};

struct i8x_store_upload {
    i8x_store *store;
    i8x_digest digest;
    i8x_digest_stream *stream;
    int fd;
    uint64_t size_bytes, hashed_bytes;
    uint64_t told_bytes; /* size_bytes as the loop may see it while a helper is busy */
    bool owner;          /* of the part; else it has a file of its own, which is not kept */
    bool taken, busy, published, corrupt;
    char path[PATH_ROOM];
};

static i8x_status system_failed(const char *what)
{
    I8X_FAIL(errno == ENOSPC || errno == EDQUOT ? I8X_ELIMIT
             : errno == ENOENT                  ? I8X_ENOENT
                                                : I8X_EIO,
             "%s: %s", what, strerror(errno));
}

static i8x_status make_folder(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ? I8X_OK : system_failed(path);
}

/* Folder of a blob (level 0: sha256, 1: ab, 2: cd) or the blob itself (3). */
static void blob_path(const i8x_store *store, const i8x_digest *digest, int level,
                      char path[PATH_ROOM])
{
    char hex[I8X_DIGEST_HEX_SIZE];
    i8x_digest_to_hex(digest, hex);
    int used = snprintf(path, PATH_ROOM, "%s/sha256", store->path);
    if (level >= 1)
        used += snprintf(path + used, PATH_ROOM - (size_t)used, "/%.2s", hex);
    if (level >= 2)
        used += snprintf(path + used, PATH_ROOM - (size_t)used, "/%.2s", hex + 2);
    if (level >= 3)
        snprintf(path + used, PATH_ROOM - (size_t)used, "/%s", hex);
}

static void part_path(const i8x_store *store, const i8x_digest *digest, char path[PATH_ROOM])
{
    char hex[I8X_DIGEST_HEX_SIZE];
    snprintf(path, PATH_ROOM, "%s/incoming/%s.part", store->path, i8x_digest_to_hex(digest, hex));
}

static bool is_part(const char *name)
{
    return strlen(name) == PART_NAME_SIZE && strspn(name, "0123456789abcdef") == 64 &&
           strcmp(name + 64, ".part") == 0;
}

/* Removes what fits from the folder of uploads: files that are no parts, and parts that nobody has
 * written to since a time. */
static i8x_status clean_incoming(const char *path, time_t since, int *removed)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return system_failed(path);
    *removed = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct stat info;
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        bool part = is_part(entry->d_name);
        if ((part ? info.st_mtime < since : since == 0) &&
            unlinkat(dirfd(folder), entry->d_name, 0) == 0)
            ++*removed;
    }
    closedir(folder);
    return I8X_OK;
}

int i8x_store_collect(const i8x_store *store, int64_t idle_s)
{
    char folder[PATH_ROOM];
    struct timespec now;
    int removed = 0;
    snprintf(folder, sizeof folder, "%s/incoming", store->path);
    clock_gettime(CLOCK_REALTIME, &now);
    if (clean_incoming(folder, now.tv_sec - (time_t)idle_s, &removed) != I8X_OK)
        return 0;
    return removed;
}

i8x_status i8x_store_open(const char *path, i8x_store **store)
{
    I8X_ENSURE(strlen(path) < sizeof(*store)->path, I8X_EARG, "path over %zu bytes",
               sizeof(*store)->path);
    char folder[PATH_ROOM];
    I8X_TRY(make_folder(path));
    snprintf(folder, sizeof folder, "%s/sha256", path);
    I8X_TRY(make_folder(folder));
    snprintf(folder, sizeof folder, "%s/incoming", path);
    I8X_TRY(make_folder(folder));
    int removed;
    I8X_TRY(clean_incoming(folder, 0, &removed));
    i8x_store *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    snprintf(made->path, sizeof made->path, "%s", path);
    *store = made;
    return I8X_OK;
}

void i8x_store_close(i8x_store *store)
{
    if (store == NULL)
        return;
    i8x_keymap_deinit(&store->owners);
    i8x_seals_deinit(&store->seals);
    i8x_alloc_free(i8x_alloc_heap(), store, sizeof *store);
}

bool i8x_store_has(const i8x_store *store, const i8x_digest *digest, uint64_t *size_bytes)
{
    char path[PATH_ROOM];
    blob_path(store, digest, 3, path);
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    if (size_bytes != NULL)
        *size_bytes = (uint64_t)info.st_size;
    return true;
}

i8x_status i8x_store_read(const i8x_store *store, const i8x_digest *digest, int *fd,
                          uint64_t *size_bytes)
{
    char path[PATH_ROOM], hex[I8X_DIGEST_HEX_SIZE];
    blob_path(store, digest, 3, path);
    int opened = open(path, O_RDONLY | O_CLOEXEC);
    I8X_ENSURE(opened >= 0 || errno != ENOENT, I8X_ENOENT, "no blob %s",
               i8x_digest_to_hex(digest, hex));
    struct stat info;
    if (opened < 0 || fstat(opened, &info) != 0) {
        i8x_status status = system_failed(path);
        if (opened >= 0)
            close(opened);
        return status;
    }
    *fd = opened;
    *size_bytes = (uint64_t)info.st_size;
    return I8X_OK;
}

static i8x_status read_exact(int fd, uint64_t offset, uint64_t size, uint8_t *bytes)
{
    for (uint64_t done = 0; done < size;) {
        ssize_t got = pread(fd, bytes + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return system_failed("blob");
        I8X_ENSURE(got > 0, I8X_EIO, "a blob became shorter");
        done += (uint64_t)got;
    }
    return I8X_OK;
}

i8x_status i8x_store_read_range(const i8x_store *store, const i8x_digest *digest, uint64_t offset,
                                uint64_t size, uint8_t **bytes)
{
    int fd;
    uint64_t whole;
    I8X_TRY(i8x_store_read(store, digest, &fd, &whole));
    uint8_t *room = NULL;
    i8x_status status = I8X_OK;
    if (offset > whole || size > whole - offset)
        status = i8x_fail(I8X_ERANGE, __FILE__, __LINE__, "bytes %llu+%llu of a blob of %llu",
                          (unsigned long long)offset, (unsigned long long)size,
                          (unsigned long long)whole);
    if (status == I8X_OK) {
        room = i8x_alloc_array(i8x_alloc_heap(), (size_t)size, 1);
        status = i8x_alloc_check(room);
    }
    if (status == I8X_OK)
        status = read_exact(fd, offset, size, room);
    close(fd);
    if (status != I8X_OK)
        i8x_alloc_free(i8x_alloc_heap(), room, (size_t)size);
    else
        *bytes = room;
    return status;
}

/* ---- uploads ---- */

uint64_t i8x_store_kept(const i8x_store *store, const i8x_digest *digest)
{
    char path[PATH_ROOM];
    struct stat info;
    const i8x_store_upload *owner = i8x_keymap_get(&store->owners, digest);
    if (owner != NULL)
        return owner->told_bytes;
    part_path(store, digest, path);
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
}

bool i8x_store_taken(const i8x_store_upload *upload)
{
    return upload->taken;
}

void i8x_store_set_busy(i8x_store_upload *upload, bool busy)
{
    upload->busy = busy;
    if (!busy)
        upload->told_bytes = upload->size_bytes;
}

uint64_t i8x_store_size(const i8x_store_upload *upload)
{
    return upload->size_bytes;
}

/* Which file the upload writes: the blob's part, unless another upload has it. */
static i8x_status choose_file(i8x_store *store, i8x_store_upload *upload, uint64_t offset)
{
    i8x_store_upload *owner = i8x_keymap_get(&store->owners, &upload->digest);
    if (owner != NULL && offset == 0) {
        snprintf(upload->path, sizeof upload->path, "%s/incoming/%llu", store->path,
                 (unsigned long long)++store->upload_count);
        return I8X_OK;
    }
    if (owner != NULL) {
        I8X_ENSURE(!owner->busy, I8X_EBUSY,
                   "another upload of this blob is being written: try again in a moment");
        owner->taken = true;
        owner->owner = false;
        owner->path[0] = 0;
        i8x_keymap_remove(&store->owners, &upload->digest);
    }
    part_path(store, &upload->digest, upload->path);
    i8x_keymap_put(&store->owners, &upload->digest, upload);
    upload->owner = true;
    return I8X_OK;
}

static i8x_status open_file(i8x_store_upload *upload, uint64_t offset)
{
    upload->fd = open(upload->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (upload->fd < 0 || ftruncate(upload->fd, (off_t)offset) != 0)
        return system_failed(upload->path);
    upload->size_bytes = upload->told_bytes = offset;
    return i8x_digest_stream_new(&upload->stream);
}

i8x_status i8x_store_begin(i8x_store *store, const i8x_digest *digest, uint64_t offset,
                           i8x_store_upload **upload)
{
    uint64_t kept = offset > 0 ? i8x_store_kept(store, digest) : 0;
    I8X_ENSURE(offset <= kept, I8X_ERANGE,
               "the upload goes on at byte %llu, but %llu are kept: begin there",
               (unsigned long long)offset, (unsigned long long)kept);
    i8x_store_upload *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->store = store;
    made->digest = *digest;
    made->fd = -1;
    i8x_status status = choose_file(store, made, offset);
    if (status == I8X_OK)
        status = open_file(made, offset);
    if (status != I8X_OK) {
        i8x_store_end(made, offset > 0);
        return status;
    }
    *upload = made;
    return I8X_OK;
}

/* The digest of what was kept, before more comes. */
static i8x_status hash_kept(i8x_store_upload *upload)
{
    if (upload->hashed_bytes == upload->size_bytes)
        return I8X_OK;
    uint8_t *piece = i8x_alloc_array(i8x_alloc_heap(), HASH_PIECE, 1);
    I8X_TRY(i8x_alloc_check(piece));
    i8x_status status = I8X_OK;
    while (status == I8X_OK && upload->hashed_bytes < upload->size_bytes) {
        uint64_t left = upload->size_bytes - upload->hashed_bytes,
                 size = left < HASH_PIECE ? left : HASH_PIECE;
        status = read_exact(upload->fd, upload->hashed_bytes, size, piece);
        if (status == I8X_OK)
            i8x_digest_stream_add(upload->stream, piece, (size_t)size);
        upload->hashed_bytes += size;
    }
    i8x_alloc_free(i8x_alloc_heap(), piece, HASH_PIECE);
    return status;
}

i8x_status i8x_store_add(i8x_store_upload *upload, const void *bytes, size_t size)
{
    I8X_TRY(hash_kept(upload));
    for (size_t done = 0; done < size;) {
        ssize_t written = pwrite(upload->fd, (const char *)bytes + done, size - done,
                                 (off_t)(upload->size_bytes + done));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return system_failed("blob");
        done += (size_t)written;
    }
    i8x_digest_stream_add(upload->stream, bytes, size);
    upload->size_bytes += size;
    upload->hashed_bytes += size;
    return I8X_OK;
}

static i8x_status sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return system_failed(path);
    i8x_status status = fsync(fd) == 0 ? I8X_OK : system_failed(path);
    close(fd);
    return status;
}

/* Folders on the way, synced into their parents the first time. */
static i8x_status make_blob_folders(const i8x_store *store, const i8x_digest *digest)
{
    char parent[PATH_ROOM], path[PATH_ROOM];
    for (int level = 1; level <= 2; level++) {
        blob_path(store, digest, level, path);
        if (mkdir(path, 0755) == 0) {
            blob_path(store, digest, level - 1, parent);
            I8X_TRY(sync_folder(parent));
        } else if (errno != EEXIST) {
            return system_failed(path);
        }
    }
    return I8X_OK;
}

i8x_status i8x_store_finish(i8x_store_upload *upload)
{
    I8X_TRY(hash_kept(upload));
    i8x_digest digest = i8x_digest_stream_end(upload->stream);
    upload->stream = NULL;
    char want[I8X_DIGEST_HEX_SIZE], have[I8X_DIGEST_HEX_SIZE];
    upload->corrupt = !i8x_digest_equal(&digest, &upload->digest);
    I8X_ENSURE(!upload->corrupt, I8X_ECORRUPT, "the bytes have the SHA-256 %s, the address says %s",
               i8x_digest_to_hex(&digest, have), i8x_digest_to_hex(&upload->digest, want));
    if (fsync(upload->fd) != 0)
        return system_failed(upload->path);
    I8X_TRY(make_blob_folders(upload->store, &digest));
    char path[PATH_ROOM], folder[PATH_ROOM];
    blob_path(upload->store, &digest, 3, path);
    if (rename(upload->path, path) != 0)
        return system_failed(path);
    upload->published = true;
    blob_path(upload->store, &digest, 2, folder);
    return sync_folder(folder);
}

void i8x_store_end(i8x_store_upload *upload, bool keep)
{
    if (upload == NULL)
        return;
    i8x_digest_stream_free(upload->stream);
    if (upload->published)
        i8x_seal_set(&upload->store->seals, &upload->digest, upload->fd);
    if (upload->fd >= 0)
        close(upload->fd);
    if (upload->owner)
        i8x_keymap_remove(&upload->store->owners, &upload->digest);
    bool kept = keep && upload->owner && !upload->corrupt && upload->size_bytes > 0 &&
                !i8x_store_has(upload->store, &upload->digest, NULL);
    if (upload->path[0] != 0 && !upload->published && !kept)
        unlink(upload->path);
    i8x_alloc_free(i8x_alloc_heap(), upload, sizeof *upload);
}

/* ---- damage ---- */

bool i8x_store_sealed(i8x_store *store, const i8x_digest *digest, int fd)
{
    return i8x_seal_holds(&store->seals, digest, fd);
}

void i8x_store_seal(i8x_store *store, const i8x_digest *digest, int fd)
{
    i8x_seal_set(&store->seals, digest, fd);
}

i8x_status i8x_store_check(const i8x_digest *digest, int fd)
{
    return i8x_seal_check(digest, fd);
}

i8x_status i8x_store_set_aside(i8x_store *store, const i8x_digest *digest)
{
    char path[PATH_ROOM], aside[PATH_ROOM], hex[I8X_DIGEST_HEX_SIZE];
    snprintf(aside, sizeof aside, "%s/damaged", store->path);
    I8X_TRY(make_folder(aside));
    snprintf(aside, sizeof aside, "%s/damaged/%s", store->path, i8x_digest_to_hex(digest, hex));
    blob_path(store, digest, 3, path);
    return rename(path, aside) == 0 ? I8X_OK : system_failed(path);
}
