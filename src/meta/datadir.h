/*
 * A log directory's identity: meta.properties, and the formatting of a new one as Apache Kafka's
 * `kafka-storage format` does it in combined mode.
 *
 * `version=1`, `cluster.id`, `node.id`, `directory.id`. A new directory gets bootstrap.checkpoint,
 * the first records of the metadata log: the finalized features. With controller.quorum.voters it
 * is laid out for kraft.version 0; otherwise for a standalone quorum of kraft.version 1, whose
 * voter is in the checkpoint 0-0 of the metadata log. share.version and streams.version stay at 0:
 * what is not served is not finalized.
 */
#ifndef META_DATADIR_H
#define META_DATADIR_H

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "base/str.h"
#include "meta/mrec.h"

struct datadir {
	char cluster_id[64];
	int32_t node_id;
	struct uuid directory_id;
};

struct datadir_options {
	const struct clock *clock;
	struct rnd *rnd;
	int32_t node_id;
	bool static_voters; /* controller.quorum.voters is set */
	/* Where the controller of the standalone quorum would listen; host may be empty. */
	struct str controller_listener, controller_host;
	uint16_t controller_port;
	/* Of a new directory; a null str: one at random. */
	struct str cluster_id;
};

#define DATADIR_MESSAGE_SIZE 512

/*
 * Reads and checks meta.properties of `dir`, which exists and is locked, or formats it: then
 * `formatted` is set. ERR_BADCONFIG (another node's, or another cluster's), ERR_BADFILE, or what
 * the disk said; with a message.
 */
enum err datadir_open(const char *dir, const struct datadir_options *options, struct datadir *out,
		      bool *formatted, char message[DATADIR_MESSAGE_SIZE]) must_check;

/*
 * The same without formatting: ERR_NOFILE (no message) when there is no meta.properties. And
 * formatting alone: with the directory.id and cluster.id of `out`, which are set, as a directory
 * that does not hold the metadata log, and so has no voters.
 */
enum err datadir_read(const char *dir, const struct datadir_options *options, struct datadir *out,
		      char message[DATADIR_MESSAGE_SIZE]) must_check;
enum err datadir_format(const char *dir, const struct datadir_options *options,
			const struct datadir *datadir,
			char message[DATADIR_MESSAGE_SIZE]) must_check;

/*
 * The first records for a metadata log that has none: of bootstrap.checkpoint, or, if that is
 * missing, those that formatting would write.
 */
enum err datadir_bootstrap(const char *dir, struct mrec_list *list,
			   char message[DATADIR_MESSAGE_SIZE]) must_check;

#endif
