/* SPDX-License-Identifier: Apache-2.0
 *
 * Upload: see upload.h.
 */
#include "client/cli/upload.h"

#include <stdio.h>
#include <string.h>

static i8x_status send_file(const i8x_options *options, i8x_remote *remote, const char *path,
                            i8x_blob_ref *ref)
{
    bool sent = false;
    if (path == NULL)
        return I8X_OK;
    I8X_TRY(i8x_remote_upload(remote, path, ref, &sent));
    if (!i8x_options_has(options, "json"))
        fprintf(stderr, "%s %s (%llu bytes)\n", sent ? "sent" : "known", path,
                (unsigned long long)ref->size_bytes);
    return I8X_OK;
}

i8x_status i8x_upload_job(const i8x_options *options, i8x_remote *remote, const char *model,
                          i8x_job *job)
{
    const char *slash = strrchr(model, '/');
    snprintf(job->name, sizeof job->name, "%.127s", slash != NULL ? slash + 1 : model);
    I8X_TRY(send_file(options, remote, model, &job->model));
    I8X_TRY(send_file(options, remote, i8x_options_get(options, "calib"), &job->calib));
    I8X_TRY(send_file(options, remote, i8x_options_get(options, "eval"), &job->eval));
    return send_file(options, remote, i8x_options_get(options, "labels"), &job->labels);
}

i8x_status i8x_upload_put_job(i8x_json *body, const i8x_job *job, bool recipe)
{
    i8x_json *root = NULL;
    I8X_TRY(i8x_json_object(&root));
    i8x_json_put_job(root, "job", job);
    const i8x_json *members = i8x_json_member(root, "job");
    for (int i = 0; i < i8x_json_count(members); i++) {
        const i8x_json *member = i8x_json_item(members, i);
        if (recipe || strcmp(i8x_json_name(member), "recipe") != 0)
            i8x_json_put_copy(body, i8x_json_name(member), member);
    }
    i8x_json_free(root);
    return I8X_OK;
}
