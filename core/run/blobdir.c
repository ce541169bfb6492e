/* SPDX-License-Identifier: Apache-2.0
 *
 * Blobdir: blobs as files named by their SHA-256. A blob that is written goes to a temporary name
 * while it is hashed and gets its name by rename; a file of that name that is there already has the
 * same bytes.
 *
 * Opening maps only the range that is asked for, so that the resident memory of a task follows its
 * own samples and not the set. A blob found in the folder is hashed before its first use, one that
 * was written or linked by this object was hashed then; a linked file that has changed since (size,
 * time) is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/file.h"
#include "core/formats/model_map.h"
#include "core/graph/graph.h"
#include "core/run/result_dir.h"
#include "int8x/formats.h"
#include "int8x/local.h"

#define PATH_SIZE 4096
#define COPY_BYTES ((size_t)256 << 10)

/* A blob that is known to be whole. */
struct known {
    i8x_digest digest;
    char *link; /* path of a linked file; NULL: in the folder */
    uint64_t size_bytes;
    struct timespec changed;
};

struct i8x_blobdir {
    char path[PATH_SIZE];
    bool temporary;
    struct known *known;
    int count, capacity;
    uint64_t written; /* number of the next temporary file */
    i8x_blob_io io;
    i8x_result_cache results;
};

struct mapping {
    void *base;
    size_t size;
};

struct blob_writer {
    int file;
    char path[PATH_SIZE + 64];
    i8x_digest_stream *stream;
    uint64_t size_bytes;
    i8x_status status;
};

static i8x_status known_add(i8x_blobdir *dir, const i8x_digest *digest, const char *link,
                            const struct stat *info)
{
    if (dir->count == dir->capacity) {
        int larger = dir->capacity == 0 ? 64 : dir->capacity * 2;
        void *block = i8x_alloc_resize(i8x_alloc_heap(), dir->known,
                                       (size_t)dir->capacity * sizeof *dir->known,
                                       (size_t)larger * sizeof *dir->known);
        I8X_TRY(i8x_alloc_check(block));
        dir->known = block;
        dir->capacity = larger;
    }
    I8X_ASSERT(dir->known != NULL);
    struct known *known = &dir->known[dir->count];
    memset(known, 0, sizeof *known);
    known->digest = *digest;
    known->size_bytes = (uint64_t)info->st_size;
    known->changed = info->st_mtim;
    if (link != NULL) {
        known->link = i8x_alloc_array(i8x_alloc_heap(), strlen(link) + 1, 1);
        I8X_TRY(i8x_alloc_check(known->link));
        memcpy(known->link, link, strlen(link) + 1);
    }
    dir->count++;
    return I8X_OK;
}

static struct known *known_find(const i8x_blobdir *dir, const i8x_digest *digest)
{
    for (int i = 0; i < dir->count; i++)
        if (i8x_digest_equal(&dir->known[i].digest, digest))
            return &dir->known[i];
    return NULL;
}

static i8x_status blob_path(const i8x_blobdir *dir, const i8x_digest *digest, char *buffer,
                            size_t size)
{
    const struct known *known = known_find(dir, digest);
    char hex[I8X_DIGEST_HEX_SIZE];
    int length = known != NULL && known->link != NULL
                     ? snprintf(buffer, size, "%s", known->link)
                     : snprintf(buffer, size, "%s/%s", dir->path, i8x_digest_to_hex(digest, hex));
    I8X_ENSURE(length > 0 && (size_t)length < size, I8X_EARG,
               "the path of a blob has more than %zu bytes", size);
    return I8X_OK;
}

/* Hashes by read, not by mapping: mapped pages would count as the process's memory. */
static i8x_status hash_pieces(int file, const char *path, uint8_t *buffer, i8x_digest *digest)
{
    i8x_digest_stream *stream = NULL;
    I8X_TRY(i8x_digest_stream_new(&stream));
    ssize_t got;
    while ((got = read(file, buffer, COPY_BYTES)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            i8x_digest_stream_add(stream, buffer, (size_t)got);
    if (got < 0) {
        i8x_digest_stream_free(stream);
        I8X_FAIL(I8X_EIO, "'%s' cannot be read: %s", path, strerror(errno));
    }
    *digest = i8x_digest_stream_end(stream);
    return I8X_OK;
}

static i8x_status hash_file(const char *path, struct stat *info, i8x_digest *digest)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    I8X_ENSURE(file >= 0, errno == ENOENT ? I8X_ENOENT : I8X_EIO, "'%s' cannot be opened: %s", path,
               strerror(errno));
    uint8_t *buffer = i8x_alloc_array(i8x_alloc_heap(), COPY_BYTES, 1);
    i8x_status status = i8x_alloc_check(buffer);
    if (status == I8X_OK && fstat(file, info) != 0)
        status =
            i8x_fail(I8X_EIO, __FILE__, __LINE__, "'%s' cannot be read: %s", path, strerror(errno));
    if (status == I8X_OK && !S_ISREG(info->st_mode))
        status = i8x_fail(I8X_EARG, __FILE__, __LINE__, "'%s' is not a regular file", path);
    if (status == I8X_OK)
        status = hash_pieces(file, path, buffer, digest);
    i8x_alloc_free(i8x_alloc_heap(), buffer, COPY_BYTES);
    close(file);
    return status;
}

/* ---- reading ---- */

/* The blob is whole: known, or hashed now. */
static i8x_status verify(i8x_blobdir *dir, const i8x_digest *digest, const char *path)
{
    const struct known *known = known_find(dir, digest);
    struct stat info;
    if (known != NULL) {
        I8X_ENSURE(stat(path, &info) == 0, I8X_ENOENT, "'%s' is gone: %s", path, strerror(errno));
        I8X_ENSURE((uint64_t)info.st_size == known->size_bytes &&
                       info.st_mtim.tv_sec == known->changed.tv_sec &&
                       info.st_mtim.tv_nsec == known->changed.tv_nsec,
                   I8X_ECORRUPT, "'%s' was changed while it was in use", path);
        return I8X_OK;
    }
    i8x_digest found;
    I8X_TRY(hash_file(path, &info, &found));
    I8X_ENSURE(i8x_digest_equal(&found, digest), I8X_ECORRUPT,
               "the bytes of '%s' do not match its digest", path);
    return known_add(dir, digest, NULL, &info);
}

static i8x_status map_range(const char *path, const i8x_blob_ref *ref, const void **bytes,
                            void **handle)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = ref->offset / page * page;
    size_t size;
    I8X_ENSURE(i8x_size_from_u64(ref->offset - start + ref->size_bytes, &size), I8X_ELIMIT,
               "%llu bytes of '%s' are too many to map here", (unsigned long long)ref->size_bytes,
               path);
    struct mapping *mapping = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *mapping);
    I8X_TRY(i8x_alloc_check(mapping));
    mapping->size = size;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    mapping->base = file < 0 || size == 0
                        ? MAP_FAILED
                        : mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, (off_t)start);
    int reason = size == 0 ? EINVAL : errno;
    if (file >= 0)
        close(file);
    if (mapping->base == MAP_FAILED) {
        i8x_alloc_free(i8x_alloc_heap(), mapping, sizeof *mapping);
        I8X_FAIL(I8X_EIO, "'%s' cannot be mapped: %s", path, strerror(reason));
    }
    *bytes = (const uint8_t *)mapping->base + (ref->offset - start);
    *handle = mapping;
    return I8X_OK;
}

static i8x_status io_open(void *user, const i8x_blob_ref *ref, const void **bytes, void **handle)
{
    i8x_blobdir *dir = user;
    char path[PATH_SIZE];
    I8X_TRY(blob_path(dir, &ref->digest, path, sizeof path));
    I8X_TRY(verify(dir, &ref->digest, path));
    uint64_t size = known_find(dir, &ref->digest)->size_bytes;
    I8X_ENSURE(ref->offset <= size && ref->size_bytes <= size - ref->offset &&
                   (!ref->whole || ref->size_bytes == size),
               I8X_EFORMAT, "bytes %llu to %llu of a blob of %llu bytes",
               (unsigned long long)ref->offset, (unsigned long long)(ref->offset + ref->size_bytes),
               (unsigned long long)size);
    return map_range(path, ref, bytes, handle);
}

static void io_close(void *user, void *handle)
{
    (void)user;
    struct mapping *mapping = handle;
    munmap(mapping->base, mapping->size);
    i8x_alloc_free(i8x_alloc_heap(), mapping, sizeof *mapping);
}

/* ---- writing ---- */

static i8x_status io_begin(void *user, void **writer)
{
    i8x_blobdir *dir = user;
    struct blob_writer *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    snprintf(made->path, sizeof made->path, "%s/.new-%ld-%llu", dir->path, (long)getpid(),
             (unsigned long long)dir->written++);
    made->file = open(made->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    i8x_status status = made->file < 0
                            ? i8x_fail(I8X_EIO, __FILE__, __LINE__, "'%s' cannot be written: %s",
                                       made->path, strerror(errno))
                            : i8x_digest_stream_new(&made->stream);
    if (status != I8X_OK) {
        if (made->file >= 0) {
            close(made->file);
            unlink(made->path);
        }
        i8x_alloc_free(i8x_alloc_heap(), made, sizeof *made);
        return status;
    }
    *writer = made;
    return I8X_OK;
}

static i8x_status io_write(void *user, void *writer, const void *bytes, size_t size_bytes)
{
    (void)user;
    struct blob_writer *to = writer;
    i8x_digest_stream_add(to->stream, bytes, size_bytes);
    to->size_bytes += size_bytes;
    for (size_t done = 0; done < size_bytes;) {
        ssize_t put = write(to->file, (const uint8_t *)bytes + done, size_bytes - done);
        if (put < 0 && errno == EINTR)
            continue;
        I8X_ENSURE(put > 0, errno == ENOSPC || errno == EDQUOT ? I8X_ELIMIT : I8X_EIO,
                   "'%s' cannot be written: %s", to->path, strerror(errno));
        done += (size_t)put;
    }
    return I8X_OK;
}

static i8x_status publish(i8x_blobdir *dir, struct blob_writer *from, i8x_blob_ref *ref)
{
    char path[PATH_SIZE + 80], hex[I8X_DIGEST_HEX_SIZE];
    snprintf(path, sizeof path, "%s/%s", dir->path, i8x_digest_to_hex(&ref->digest, hex));
    struct stat info;
    I8X_ENSURE(rename(from->path, path) == 0 && stat(path, &info) == 0, I8X_EIO,
               "'%s' cannot be written: %s", path, strerror(errno));
    struct known *known = known_find(dir, &ref->digest);
    if (known == NULL)
        return known_add(dir, &ref->digest, NULL, &info);
    if (known->link == NULL) /* the same bytes once more, in a new file */
        known->changed = info.st_mtim;
    return I8X_OK;
}

static i8x_status io_end(void *user, void *writer, bool abort, i8x_blob_ref *ref)
{
    struct blob_writer *from = writer;
    i8x_status status = I8X_OK;
    if (close(from->file) != 0 && !abort)
        status = i8x_fail(I8X_EIO, __FILE__, __LINE__, "'%s' cannot be written: %s", from->path,
                          strerror(errno));
    if (abort || status != I8X_OK) {
        i8x_digest_stream_free(from->stream);
        unlink(from->path);
    } else {
        memset(ref, 0, sizeof *ref);
        ref->digest = i8x_digest_stream_end(from->stream);
        ref->size_bytes = from->size_bytes;
        ref->whole = true;
        status = publish(user, from, ref);
    }
    i8x_alloc_free(i8x_alloc_heap(), from, sizeof *from);
    return status;
}

/* ---- the folder ---- */

static i8x_status make(const char *path, bool temporary, i8x_blobdir **dir)
{
    I8X_ENSURE(strlen(path) < sizeof(*dir)->path - 128, I8X_EARG,
               "the path of the blob folder is too long");
    i8x_blobdir *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    memcpy(made->path, path, strlen(path) + 1);
    made->temporary = temporary;
    made->results = (i8x_result_cache){i8x_result_dir_get, i8x_result_dir_put, made};
    made->io = (i8x_blob_io){io_open, io_close, io_begin, io_write, io_end, made};
    *dir = made;
    return I8X_OK;
}

i8x_status i8x_blobdir_open(const char *path, i8x_blobdir **dir)
{
    I8X_ENSURE(mkdir(path, 0755) == 0 || errno == EEXIST, errno == ENOENT ? I8X_ENOENT : I8X_EIO,
               "folder '%s' cannot be made: %s", path, strerror(errno));
    struct stat info;
    I8X_ENSURE(stat(path, &info) == 0 && S_ISDIR(info.st_mode), I8X_EARG, "'%s' is not a folder",
               path);
    return make(path, false, dir);
}

i8x_status i8x_blobdir_open_temporary(const char *parent, i8x_blobdir **dir)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/int8x-XXXXXX", parent != NULL ? parent : "/tmp");
    I8X_ENSURE(length > 0 && (size_t)length < sizeof path, I8X_EARG,
               "the path of the temporary folder is too long");
    I8X_ENSURE(mkdtemp(path) != NULL, errno == ENOENT ? I8X_ENOENT : I8X_EIO,
               "folder '%s' cannot be made: %s", path, strerror(errno));
    i8x_status status = make(path, true, dir);
    if (status != I8X_OK)
        rmdir(path);
    return status;
}

void i8x_blobdir_close(i8x_blobdir *dir)
{
    if (dir == NULL)
        return;
    for (int i = 0; i < dir->count; i++) {
        struct known *known = &dir->known[i];
        char path[PATH_SIZE + 80], hex[I8X_DIGEST_HEX_SIZE];
        if (dir->temporary && known->link == NULL) {
            snprintf(path, sizeof path, "%s/%s", dir->path, i8x_digest_to_hex(&known->digest, hex));
            unlink(path);
        }
        if (known->link != NULL)
            i8x_alloc_free(i8x_alloc_heap(), known->link, strlen(known->link) + 1);
    }
    if (dir->temporary) {
        i8x_result_dir_remove(dir);
        rmdir(dir->path);
    }
    i8x_alloc_free(i8x_alloc_heap(), dir->known, (size_t)dir->capacity * sizeof *dir->known);
    i8x_alloc_free(i8x_alloc_heap(), dir, sizeof *dir);
}

bool i8x_blobdir_has(i8x_blobdir *dir, const i8x_blob_ref *ref)
{
    char path[PATH_SIZE];
    return blob_path(dir, &ref->digest, path, sizeof path) == I8X_OK && access(path, R_OK) == 0 &&
           verify(dir, &ref->digest, path) == I8X_OK &&
           known_find(dir, &ref->digest)->size_bytes == ref->size_bytes;
}

const char *i8x_blobdir_folder(const i8x_blobdir *dir)
{
    return dir->path;
}

const i8x_result_cache *i8x_blobdir_results(i8x_blobdir *dir)
{
    return &dir->results;
}

const i8x_blob_io *i8x_blobdir_io(i8x_blobdir *dir)
{
    return &dir->io;
}

i8x_status i8x_blobdir_link(i8x_blobdir *dir, const char *path, i8x_blob_ref *ref)
{
    struct stat info;
    memset(ref, 0, sizeof *ref);
    I8X_TRY(hash_file(path, &info, &ref->digest));
    I8X_ENSURE(info.st_size > 0, I8X_EARG, "'%s' is empty", path);
    ref->size_bytes = (uint64_t)info.st_size;
    ref->whole = true;
    return known_find(dir, &ref->digest) != NULL ? I8X_OK
                                                 : known_add(dir, &ref->digest, path, &info);
}

struct sink {
    i8x_blobdir *dir;
    void *writer;
};

static i8x_status sink_write(void *user, const void *bytes, size_t size_bytes)
{
    struct sink *sink = user;
    return io_write(sink->dir, sink->writer, bytes, size_bytes);
}

static i8x_status write_model(i8x_blobdir *dir, const i8x_graph *graph, i8x_blob_ref *ref)
{
    struct sink sink = {.dir = dir};
    I8X_TRY(io_begin(dir, &sink.writer));
    i8x_status status = i8x_onnx_write(graph, sink_write, &sink);
    i8x_status ended = io_end(dir, sink.writer, status != I8X_OK, ref);
    return status != I8X_OK ? status : ended;
}

/* Tasks read a model from one blob, so weights that lie beside the file are taken in here. */
i8x_status i8x_blobdir_link_model(i8x_blobdir *dir, const char *path, i8x_blob_ref *ref)
{
    i8x_model_opts opts = {.external_data_allowed = true};
    i8x_graph *graph = NULL;
    I8X_TRY(i8x_onnx_read_file(path, &opts, &graph));
    i8x_status status = i8x_model_map_external_count(graph->keep) > 0
                            ? write_model(dir, graph, ref)
                            : i8x_blobdir_link(dir, path, ref);
    i8x_graph_free(graph);
    return status;
}

i8x_status i8x_blobdir_path(i8x_blobdir *dir, const i8x_digest *digest, char *buffer,
                            size_t size_bytes)
{
    I8X_TRY(blob_path(dir, digest, buffer, size_bytes));
    I8X_ENSURE(access(buffer, R_OK) == 0, I8X_ENOENT, "blob '%s' is not there", buffer);
    return I8X_OK;
}

i8x_status i8x_blobdir_export(i8x_blobdir *dir, const i8x_blob_ref *ref, const char *path)
{
    const void *bytes;
    void *handle;
    I8X_TRY(io_open(dir, ref, &bytes, &handle));
    i8x_status status = i8x_file_write_atomic(path, bytes, (size_t)ref->size_bytes);
    io_close(dir, handle);
    return status;
}
