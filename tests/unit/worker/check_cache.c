/* SPDX-License-Identifier: Apache-2.0
 *
 * Cache: the least recently used goes first, what is in use stays, an old blob whose bytes changed
 * is not believed, and a folder has one owner.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"
#include "worker/cache.h"

static i8x_temp_dir dir;

/* Puts a blob of size bytes of this letter where a task would, and its ref. */
static i8x_blob_ref put(char letter, size_t size)
{
    char bytes[1000], path[I8X_CACHE_PATH_SIZE];
    for (size_t i = 0; i < size; i++)
        bytes[i] = letter;
    i8x_blob_ref ref = {.digest = i8x_digest_of(bytes, size), .size_bytes = size, .whole = true};
    ck_assert_ok(i8x_cache_make_folders(dir.path, &ref.digest));
    i8x_cache_path(dir.path, &ref, path);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fwrite(bytes, 1, size, file);
    fclose(file);
    return ref;
}

static bool on_disk(const i8x_blob_ref *ref)
{
    char path[I8X_CACHE_PATH_SIZE];
    i8x_cache_path(dir.path, ref, path);
    return access(path, F_OK) == 0;
}

static i8x_bulk *nobody(void)
{
    i8x_bulk *bulk;
    ck_assert_ok(i8x_bulk_new("http://127.0.0.1:1", NULL, &bulk));
    return bulk;
}

START_TEST(the_oldest_goes_first_and_what_is_in_use_stays)
{
    i8x_temp_dir_init(&dir);
    i8x_cache *cache;
    int a_pin, pin;
    ck_assert_ok(i8x_cache_open(dir.path, 2500, &cache));
    i8x_blob_ref a = put('a', 1000), b = put('b', 1000), c = put('c', 1000), d = put('d', 1000);
    ck_assert_ok(i8x_cache_adopt(cache, &a, &a_pin));
    ck_assert_ok(i8x_cache_adopt(cache, &b, &pin));
    i8x_cache_release(cache, pin);
    ck_assert_ok(i8x_cache_adopt(cache, &c, &pin));
    i8x_cache_release(cache, pin);
    ck_assert(on_disk(&a) && !on_disk(&b) && on_disk(&c));
    i8x_cache_release(cache, a_pin);
    ck_assert_ok(i8x_cache_adopt(cache, &d, &pin));
    i8x_cache_release(cache, pin);
    ck_assert(!on_disk(&a) && on_disk(&c) && on_disk(&d));
    ck_assert_uint_eq(i8x_cache_size_bytes(cache), 2000);
    i8x_cache_close(cache);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(news_are_what_came_and_what_went_since_the_last_time)
{
    i8x_temp_dir_init(&dir);
    i8x_cache *cache;
    static i8x_cache_news news;
    int pin;
    ck_assert_ok(i8x_cache_open(dir.path, 2500, &cache));
    i8x_blob_ref a = put('a', 1000), b = put('b', 1000), c = put('c', 1000);
    ck_assert_ok(i8x_cache_adopt(cache, &a, &pin));
    i8x_cache_release(cache, pin);
    i8x_cache_news_take(cache, true, &news);
    ck_assert(news.all && !news.more && news.came_count == 1 && news.gone_count == 0);
    ck_assert(i8x_digest_equal(&news.came[0], &a.digest));
    i8x_cache_news_take(cache, false, &news);
    ck_assert(!news.all && news.came_count == 0 && news.gone_count == 0);
    ck_assert_ok(i8x_cache_adopt(cache, &b, &pin));
    i8x_cache_release(cache, pin);
    ck_assert_ok(i8x_cache_adopt(cache, &c, &pin)); /* a has to go */
    i8x_cache_release(cache, pin);
    i8x_cache_news_take(cache, false, &news);
    ck_assert(news.came_count == 2 && news.gone_count == 1);
    ck_assert(i8x_digest_equal(&news.gone[0], &a.digest));
    i8x_cache_news_take(cache, true, &news); /* for someone who knows nothing */
    ck_assert(news.all && news.came_count == 2 && news.gone_count == 0);
    i8x_cache_close(cache);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(more_news_than_fit_come_in_pieces_and_too_many_losses_begin_anew)
{
    i8x_temp_dir_init(&dir);
    i8x_cache *cache;
    static i8x_cache_news news;
    size_t told = 0;
    int pin, pieces = 0;
    ck_assert_ok(i8x_cache_open(dir.path, 1 << 30, &cache));
    for (int i = 0; i < 2 * I8X_CACHE_NEWS_MAX + 5; i++) {
        i8x_blob_ref ref = {
            .digest = i8x_digest_of(&i, sizeof i), .size_bytes = 1 << 20, .whole = true};
        ck_assert_ok(i8x_cache_adopt(cache, &ref, &pin));
        i8x_cache_release(cache, pin);
    }
    do {
        i8x_cache_news_take(cache, pieces == 0, &news);
        told += news.came_count;
        pieces++;
    } while (news.more);
    ck_assert_uint_eq(told, 2 * I8X_CACHE_NEWS_MAX + 5);
    ck_assert_int_eq(pieces, 3);
    i8x_blob_ref large = {
        .digest = i8x_digest_of("large", 5), .size_bytes = 1 << 30, .whole = true};
    ck_assert_ok(i8x_cache_adopt(cache, &large, &pin)); /* all others have to go */
    i8x_cache_news_take(cache, false, &news);
    ck_assert(news.all && news.came_count == 1);
    i8x_cache_release(cache, pin);
    i8x_cache_close(cache);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(an_old_blob_is_verified_before_it_is_used)
{
    i8x_temp_dir_init(&dir);
    i8x_cache *cache;
    ck_assert_ok(i8x_cache_open(dir.path, 1 << 20, &cache));
    i8x_cache_close(cache);
    i8x_blob_ref good = put('g', 100), bad = put('h', 100);
    char path[I8X_CACHE_PATH_SIZE];
    i8x_cache_path(dir.path, &bad, path);
    FILE *file = fopen(path, "r+");
    fputc('x', file);
    fclose(file);
    i8x_bulk *bulk = nobody();
    int pin;
    ck_assert_ok(i8x_cache_open(dir.path, 1 << 20, &cache));
    ck_assert_ok(i8x_cache_acquire(cache, bulk, &good, &pin));
    i8x_cache_release(cache, pin);
    i8x_blob_ref range = {.digest = good.digest, .offset = 10, .size_bytes = 5};
    ck_assert_ok(i8x_cache_acquire(cache, bulk, &range, &pin)); /* the whole blob serves it */
    i8x_cache_release(cache, pin);
    /* the bad one is fetched anew, which nobody answers here */
    ck_assert_status(i8x_cache_acquire(cache, bulk, &bad, &pin), I8X_EUNREACHABLE);
    i8x_bulk_free(bulk);
    i8x_cache_close(cache);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(a_blob_that_was_changed_on_disk_is_not_believed_any_more)
{
    i8x_temp_dir_init(&dir);
    i8x_cache *cache;
    char path[I8X_CACHE_PATH_SIZE];
    int pin, second;
    ck_assert_ok(i8x_cache_open(dir.path, 1 << 20, &cache));
    i8x_blob_ref blob = put('a', 500);
    ck_assert_ok(i8x_cache_adopt(cache, &blob, &pin));
    i8x_bulk *bulk = nobody();
    ck_assert_ok(i8x_cache_acquire(cache, bulk, &blob, &second));
    i8x_cache_release(cache, second);
    i8x_cache_path(dir.path, &blob, path);
    FILE *file = fopen(path, "r+");
    fputc('x', file);
    fclose(file);
    /* while another task has it: it keeps its place, and whoever asks anew gets it anew or nothing
     */
    ck_assert_status(i8x_cache_acquire(cache, bulk, &blob, &second), I8X_EUNREACHABLE);
    i8x_cache_release(cache, pin);
    ck_assert_status(i8x_cache_acquire(cache, bulk, &blob, &second), I8X_EUNREACHABLE);
    ck_assert(!on_disk(&blob));
    ck_assert_uint_eq(i8x_cache_size_bytes(cache), 0);
    blob = put('a', 500); /* written again, as the same task would */
    ck_assert_ok(i8x_cache_adopt(cache, &blob, &pin));
    i8x_cache_release(cache, pin);
    ck_assert_ok(i8x_cache_acquire(cache, bulk, &blob, &pin));
    i8x_cache_release(cache, pin);
    i8x_bulk_free(bulk);
    i8x_cache_close(cache);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(a_folder_has_one_owner)
{
    i8x_temp_dir_init(&dir);
    i8x_cache *first, *second;
    ck_assert_ok(i8x_cache_open(dir.path, 1000, &first));
    ck_assert_status(i8x_cache_open(dir.path, 1000, &second), I8X_EBUSY);
    i8x_cache_close(first);
    ck_assert_ok(i8x_cache_open(dir.path, 1000, &second));
    i8x_cache_close(second);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_cache_suite(void)
{
    const TTest *tests[] = {the_oldest_goes_first_and_what_is_in_use_stays,
                            news_are_what_came_and_what_went_since_the_last_time,
                            more_news_than_fit_come_in_pieces_and_too_many_losses_begin_anew,
                            an_old_blob_is_verified_before_it_is_used,
                            a_blob_that_was_changed_on_disk_is_not_believed_any_more,
                            a_folder_has_one_owner};
    return i8x_suite("cache", tests, sizeof tests / sizeof tests[0]);
}
