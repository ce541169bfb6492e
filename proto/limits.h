/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits: every bound that the wire, the daemon and the workers put on foreign data, queues and
 * waiting. Defaults that an option changes say so. Units stand in the names.
 */
#ifndef I8X_PROTO_LIMITS_H
#define I8X_PROTO_LIMITS_H

#define I8X_WIRE_VERSION 1

/* wire: one frame and what is in it */
#define I8X_WIRE_FRAME_MAX (4u << 20)    /* bytes; set as the receive limit before listen */
#define I8X_WIRE_ARENA_MAX (16u << 20)   /* bytes of memory that decoding one frame may take */
#define I8X_WIRE_NAME_MAX 128            /* bytes of names, ids, architectures */
#define I8X_WIRE_URL_MAX 256             /* bytes */
#define I8X_WIRE_DETAIL_MAX 512          /* bytes of an error sentence */
#define I8X_WIRE_TAIL_MAX 2048           /* bytes of a dead child's standard error */
#define I8X_WIRE_FEATURES_MAX 512        /* bytes of the names of instruction sets */
#define I8X_WIRE_KINDS_MAX 64            /* task kinds of a HELLO */
#define I8X_WIRE_LEASES_MAX 1024         /* leases of a HELLO or RENEW */
#define I8X_WIRE_GRANTS_MAX 64           /* grants of one reply */
#define I8X_WIRE_RESULTS_MAX 64          /* results of one RESULT */
#define I8X_WIRE_BATCH_MAX (1u << 20)    /* bytes of them together, if there are several */
#define I8X_WIRE_DIGESTS_MAX 4096        /* digests of a HAVE */
#define I8X_WIRE_TASK_MAX (512u << 10)   /* bytes of one encoded task */
#define I8X_WIRE_RESULT_MAX (768u << 10) /* bytes of one encoded result */
#define I8X_WIRE_WAIT_MS_MAX 10000       /* a LEASE is answered after this long at most */

/* link */
#define I8X_LINK_CONTEXTS_START 16
#define I8X_LINK_CONTEXTS_MAX 12288 /* requests in flight, parked ones among them */
#define I8X_LINK_LANES_MAX 336      /* requests of one worker in flight: leases, asking, ... */
#define I8X_RECONNECT_FIRST_MS                                                                     \
    50 /* before a lost connection is made again, by chance less; doubles */
#define I8X_RECONNECT_MAX_MS 500
#define I8X_ANSWER_MS 5000 /* HELLO and RENEW are answered at once; else the link is dead */

/* tunnel */
#define I8X_TLS_HANDSHAKE_MS 10000       /* from the first byte to a good certificate */
#define I8X_TLS_HANDSHAKES_MAX 256       /* at once */
#define I8X_TLS_HANDSHAKES_PER_IP_MAX 32 /* of them from one address */

/* leases */
#define I8X_HEARTBEAT_MS 3000
#define I8X_LEASE_LIFE_MS 15000
#define I8X_TASK_ATTEMPTS_MAX 5 /* crashes, memory and time over the limit */
#define I8X_TASK_WORKERS_MAX 3  /* different workers that failed on one task */
#define I8X_TASK_LOST_MAX 64    /* leases of one task that ended because a worker went away */
#define I8X_AUDIT_PER_MILLE 10  /* least share of results checked elsewhere; --audit-per-mille */
#define I8X_AUDIT_WAIT_MS 10000 /* for the best auditor, and, at a job's end, for any */
#define I8X_BACKOFF_FIRST_MS 500
#define I8X_BACKOFF_MAX_MS 60000
#define I8X_FETCH_RETRY_MS 200

/* daemon */
#define I8X_JSON_BODY_MAX (256u << 10)        /* bytes of a POST body */
#define I8X_BLOB_SIZE_MAX ((uint64_t)8 << 30) /* bytes; --blob-mb */
#define I8X_REQUESTS_MAX 1000                 /* HTTP connections */
#define I8X_REQUESTS_PER_IP_MAX 256
#define I8X_ADMIN_REQUESTS_MAX 64 /* connections of --admin */
#define I8X_ADMIN_REQUESTS_PER_IP_MAX 16
#define I8X_HTTP_FIRST_S 5                 /* before the first byte of a connection */
#define I8X_HTTP_HEADER_S 10               /* until the headers are there */
#define I8X_HTTP_BODY_S 30                 /* in which a body has to grow by I8X_HTTP_BODY_MIN */
#define I8X_HTTP_BODY_MIN (30u << 10)      /* bytes */
#define I8X_HTTP_LOOK_MS 1000              /* between two looks for slow clients */
#define I8X_READY_COMMIT_MS 10000          /* a commit that takes longer makes the daemon unready */
#define I8X_FILES_SPARE 512                /* descriptors that connections leave for the rest */
#define I8X_FILES_MAX 65536                /* descriptors that are asked for */
#define I8X_HTTP_TIMEOUT_S 30              /* of an idle connection */
#define I8X_HTTP_WAIT_S_MAX 30             /* ?wait= of a job */
#define I8X_HTTP_HEADER_MAX (64u << 10)    /* memory of one connection: request line and headers */
#define I8X_UPLOADS_MAX 256                /* that are written at once */
#define I8X_UPLOAD_BUFFER (128u << 10)     /* bytes; an upload has two */
#define I8X_UPLOAD_KEPT_S (24 * 3600)      /* what came of a broken upload, after its last byte */
#define I8X_UPLOAD_COLLECT_MS (600 * 1000) /* between two looks for such */
#define I8X_STREAM_QUEUE_MAX (256u << 10)  /* bytes of events that wait for one client */
#define I8X_EVENT_STREAMS_MAX 512          /* clients that follow events */
#define I8X_EVENT_COMMENT_MS 15000         /* a quiet stream of events says something this often */
#define I8X_EVENT_PAGE_MAX 256             /* events of one read or page */
#define I8X_EVENTS_KEPT 1000000            /* older ones are forgotten */
#define I8X_HTTP_RUN_MAX 16                /* rounds of the HTTP library per turn of the loop */
#define I8X_JOBS_OPEN_MAX 1000
#define I8X_SWEEPS_OPEN_MAX 64   /* running at once */
#define I8X_SWEEP_RUNNING_MAX 8  /* trials of one sweep that run at once */
#define I8X_JOBS_RECENT_MAX 256  /* ended ones that are kept in memory */
#define I8X_JOBS_LIST_MAX 1000   /* of one GET /v1/jobs */
#define I8X_ONCE_KEYS_MAX 100000 /* Idempotency-Keys that are kept */
#define I8X_ONCE_KEPT_MS (24 * 3600 * 1000ll)
#define I8X_ONCE_KEY_MAX 255         /* bytes of one */
#define I8X_EXPLAIN_LOOKS_MAX 200000 /* tasks times workers that one explanation looks at */
#define I8X_EXPLAIN_TASKS_MIN 16     /* tasks that it looks at in any case */
#define I8X_STANDING_MAX 4096        /* workers that are drained or quarantined */
#define I8X_WORKERS_LIST_MAX 1000    /* of one GET /v1/workers */
#define I8X_TASKS_LIST_MAX 1000      /* of one GET /v1/jobs/ID/tasks */
#define I8X_TASKS_SCAN_MAX 5000      /* tasks that one such page looks at */
#define I8X_JOB_PRIORITY_MAX 9
#define I8X_JOB_PRIORITY 5  /* unless the job says otherwise */
#define I8X_FEED_SLICE_MS 2 /* of handing out tasks before others have their turn */
#define I8X_WORKERS_MAX 4096
#define I8X_SEAL_LIFE_S 3600       /* after so long a blob file is hashed again before it is read */
#define I8X_SEALS_MAX (1u << 17)   /* blob files known to be whole; a power of two */
#define I8X_HOLDINGS_MAX 4096      /* blobs of one worker that are remembered */
#define I8X_METRIC_WORKERS_MAX 128 /* workers with series of their own in /metrics */
#define I8X_WORKERS_AWAY_MAX 16384 /* not connected, remembered by the scheduler */
#define I8X_LEDGER_QUEUE_MAX 65536 /* writes waiting for the writer thread */
#define I8X_LEDGER_BATCH_MAX 1024  /* writes of one commit */
#define I8X_LEDGER_READS_MAX 1024  /* reads waiting for the reader's thread */
#define I8X_TASK_MEMORY_MB 4096    /* of one task; --task-memory-mb */
#define I8X_TASK_SECONDS 3600      /* wall time of one task; --task-seconds */
#define I8X_LOCAL_WORKERS_MAX 64
#define I8X_LOCAL_RESTART_MS 1000

/* trust */
#define I8X_TOKENS_MAX 16384          /* rows of the token file, revoked and expired ones too */
#define I8X_TOKEN_NAME_MAX 64         /* bytes of a token's name */
#define I8X_TOKEN_FILE_MAX 4096       /* bytes of a file with one token or invitation */
#define I8X_TOKEN_KEPT_S 2592000      /* a dead row is kept so long: its use can be explained */
#define I8X_TOKEN_LIFE_S 31536000     /* of a token that is made without a life of its own */
#define I8X_INVITE_LIFE_S 3600        /* of an invitation, likewise */
#define I8X_LIFE_S_MAX 315360000      /* ten years */
#define I8X_REFUSED_LOG_BURST 20      /* refused attempts that are logged at once ... */
#define I8X_REFUSED_LOG_EVERY_MS 1000 /* ... and after that one per so many milliseconds */

/* worker */
#define I8X_SLOTS_MAX 256
#define I8X_PREFETCH 15     /* leases of a worker beyond its slots, if the daemon gives so many */
#define I8X_PREFETCH_MAX 64 /* leases of a worker beyond its slots; --prefetch */
#define I8X_LEASES_MAX (I8X_SLOTS_MAX + I8X_PREFETCH_MAX)
#define I8X_LEASE_WAIT_MS 5000 /* a LEASE is parked so long before it is answered with nothing */
#define I8X_CACHE_MB 8192      /* bytes of blobs kept on disk; --cache-mb */
#define I8X_CACHE_ENTRIES_MAX 65536
#define I8X_CACHE_TRUST_S 3600        /* after so long a blob is hashed again before it is used */
#define I8X_CACHE_NEWS_MAX 256        /* blobs that came or went, of one HAVE */
#define I8X_SLOT_FRAME_MAX (1u << 20) /* bytes between agent and slot */
#define I8X_SLOT_GRACE_MS 100         /* between looks at a running child */
#define I8X_SLOT_SLACK_BYTES                                                                       \
    (192u << 20)          /* code, stacks and allocator beside the task's own memory */
#define I8X_CALL_MS 30000 /* one request to the coordinator */
#define I8X_REJOIN_FIRST_MS                                                                        \
    20 /* pause before the second attempt to reach the coordinator; doubles */
#define I8X_REJOIN_MAX_MS 1000 /* longest pause, less up to half of it by chance */
#define I8X_BULK_AWAY_TRIES 60 /* of a transfer while the coordinator is away */
#define I8X_BULK_TRIES 3
#define I8X_BULK_CONNECT_MS 5000
#define I8X_BULK_STALL_S 30        /* a transfer with no byte for this long ends */
#define I8X_SENSOR_MS 1000         /* between looks at temperature, clock and load */
#define I8X_TEMPERATURE_RESUME_C 5 /* below --temperature-max: takes work again */
#define I8X_BUSY_PERCENT 25        /* of the processors may be used by others; --others-percent */
#define I8X_BUSY_RESUME_PERCENT 10 /* less than that for I8X_BUSY_CALM_MS: takes work again */
#define I8X_BUSY_CALM_MS 5000

/* device: files of /proc and /sys */
#define I8X_DEVICE_FILE_MAX 65536   /* bytes read of one file */
#define I8X_DEVICE_ENTRIES_MAX 4096 /* entries of one folder that are looked at */
#define I8X_DEVICE_SENSORS_MAX 64   /* thermal zones, cooling devices, chips, power supplies each */
#define I8X_DEVICE_POLICIES_MAX 8   /* clusters whose clock is read */

#endif
