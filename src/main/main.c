/* barnabas: reads its settings, runs the broker, and says with its exit status how that ended. */
#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/log.h"
#include "main/broker.h"
#include "main/options.h"

/* As many descriptors as the system lets us have: connections and segments need them. */
static void main_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warn("broker", "cannot raise the limit of open files to %lu",
			 (unsigned long)limit.rlim_max);
}

static int main_serve(const struct config *config)
{
	struct broker *broker;
	enum err err = broker_new(config, &clock_real, true, &broker);

	if (err == ERR_OK)
		err = broker_run(broker);
	broker_free(broker);
	return err == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct config *config = config_new();
	int status = EXIT_FAILURE;

	if (config == NULL)
		return EXIT_FAILURE;
	main_raise_limits();
	/* A heap for each thread would keep memory that the others could use. */
	mallopt(M_ARENA_MAX, 2);
	/* Large blocks go back to the system at once; left to itself, malloc keeps up to 64 MB. */
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	switch (options_read(argc, argv, config)) {
	case OPTIONS_RUN:
		status = main_serve(config);
		break;
	case OPTIONS_DONE:
		status = EXIT_SUCCESS;
		break;
	case OPTIONS_BAD:
		break;
	}
	config_free(config);
	return status;
}
