/* log.cleaner.* */
#include "main/cleaning.h"

/* Kafka takes no more for one thread. */
#define DEDUPE_BYTES_MAX ((int64_t)INT32_MAX)
#define LOAD_MIN	 0.01

static size_t cleaning_dedupe_bytes(const struct config *config, const struct image *image,
				    int threads)
{
	int64_t bytes = config_dynamic_int64(config, image, CONFIG_LOG_CLEANER_DEDUPE_BUFFER_SIZE);
	int64_t max = DEDUPE_BYTES_MAX * (threads > 0 ? threads : 1);

	return (size_t)(bytes < 0 ? 0 : bytes > max ? max : bytes);
}

void cleaning_settings(const struct config *config, const struct image *image,
		       struct cleaner_settings *settings)
{
	double load =
	    config_dynamic_double(config, image, CONFIG_LOG_CLEANER_IO_BUFFER_LOAD_FACTOR);

	*settings = (struct cleaner_settings){
	    .enable = config_dynamic_bool(config, image, CONFIG_LOG_CLEANER_ENABLE),
	    .threads = (int)config_dynamic_int64(config, image, CONFIG_LOG_CLEANER_THREADS),
	    .backoff_ms = config_dynamic_int64(config, image, CONFIG_LOG_CLEANER_BACKOFF_MS),
	    .io_bytes =
		(size_t)config_dynamic_int64(config, image, CONFIG_LOG_CLEANER_IO_BUFFER_SIZE),
	    .load = load < LOAD_MIN ? LOAD_MIN
		    : load > 1	    ? 1
				    : load,
	    .bytes_per_second =
		config_dynamic_double(config, image, CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND),
	};
	settings->dedupe_bytes = cleaning_dedupe_bytes(config, image, settings->threads);
}
