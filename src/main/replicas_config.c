/* A topic's settings as its logs and partitions take them. */
#include "main/replicas_int.h"

#include <stdlib.h>

#include "record/batch.h"

static const struct plog_config *replicas_share(struct replicas *replicas,
						const struct plog_config *cfg)
{
	struct shared_config *shared;

	for (shared = replicas->configs; shared != NULL; shared = shared->next)
		/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): the padding is zero. */
		if (memcmp(&shared->cfg, cfg, sizeof(*cfg)) == 0)
			return &shared->cfg;
	shared = calloc(1, sizeof(*shared));
	must(shared != NULL);
	memcpy(&shared->cfg, cfg, sizeof(*cfg));
	shared->next = replicas->configs;
	replicas->configs = shared;
	return &shared->cfg;
}

const struct plog_config *replicas_plog_config(struct replicas *replicas, const struct image *img,
					       const struct topic_config *topic)
{
	struct plog_config cfg;

	memset(&cfg, 0, sizeof(cfg)); /* compared as bytes, padding too */
	cfg.segment_bytes = topic->segment_bytes;
	cfg.segment_ms = topic->segment_ms;
	/* A compacted topic's records must get out of the active segment in time to be cleaned. */
	if ((topic->cleanup & TOPIC_CLEANUP_COMPACT) != 0 && topic->max_compaction_lag_ms > 0 &&
	    topic->max_compaction_lag_ms < topic->segment_ms)
		cfg.segment_ms = topic->max_compaction_lag_ms;
	cfg.segment_jitter_ms = topic->segment_jitter_ms;
	cfg.index_interval_bytes = topic->index_interval_bytes;
	cfg.index_max_bytes = topic->segment_index_bytes;
	cfg.producer_expiry_ms =
	    config_dynamic_int64(replicas->options.config, img, CONFIG_PRODUCER_ID_EXPIRATION_MS);
	cfg.producer_check_ms =
	    config_int64(replicas->options.config, CONFIG_PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS);
	cfg.preallocate = topic->preallocate;
	cfg.compact = (topic->cleanup & TOPIC_CLEANUP_COMPACT) != 0;
	cfg.drop_old = (topic->cleanup & TOPIC_CLEANUP_DELETE) != 0;
	cfg.delete_retention_ms = topic->delete_retention_ms;
	cfg.min_compaction_lag_ms = topic->min_compaction_lag_ms;
	cfg.max_compaction_lag_ms = topic->max_compaction_lag_ms;
	cfg.min_cleanable_ratio = topic->min_cleanable_dirty_ratio;
	cfg.retention_ms = topic->retention_ms;
	cfg.retention_bytes = topic->retention_bytes;
	cfg.file_delete_delay_ms = topic->file_delete_delay_ms;
	return replicas_share(replicas, &cfg);
}

static int32_t replicas_compression(const struct topic_config *topic, int32_t *level)
{
	*level = CODEC_LEVEL_DEFAULT;
	switch (topic->compression) {
	case TOPIC_COMPRESSION_GZIP:
		*level = topic->gzip_level;
		break;
	case TOPIC_COMPRESSION_LZ4:
		*level = topic->lz4_level;
		break;
	case TOPIC_COMPRESSION_ZSTD:
		*level = topic->zstd_level;
		break;
	case TOPIC_COMPRESSION_PRODUCER:
		return PARTITION_AS_SENT;
	default:
		break;
	}
	return (int32_t)topic->compression; /* the numbers are those of enum codec */
}

struct partition_rules replicas_rules(const struct topic_config *topic)
{
	int32_t level, compression = replicas_compression(topic, &level);

	return (struct partition_rules){
	    .max_message_bytes = topic->max_message_bytes,
	    .before_max_ms = topic->timestamp_before_max_ms,
	    .after_max_ms = topic->timestamp_after_max_ms,
	    .timestamp_type = topic->log_append_time ? BATCH_LOG_APPEND_TIME : BATCH_CREATE_TIME,
	    .min_insync_replicas = topic->min_insync_replicas,
	    .compacted = (topic->cleanup & TOPIC_CLEANUP_COMPACT) != 0,
	    .compression = compression,
	    .compression_level = level,
	    .flush_messages = topic->flush_messages,
	    .flush_ms = topic->flush_ms,
	};
}

void replicas_free_configs(struct replicas *replicas)
{
	struct shared_config *next;

	for (; replicas->configs != NULL; replicas->configs = next) {
		next = replicas->configs->next;
		free(replicas->configs);
	}
}
