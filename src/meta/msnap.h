/*
 * Snapshots of the metadata log: `<end offset>-<epoch>.checkpoint`, the whole state below the end
 * offset as batches whose offsets count from 0. First a control batch with a header (under
 * kraft.version 1 also the version and the voters), then the records, last a control batch with a
 * footer. The files are read-only, as Apache Kafka makes them. bootstrap.checkpoint of a formatted
 * directory has the same form.
 */
#ifndef META_MSNAP_H
#define META_MSNAP_H

#include "base/clock.h"
#include "meta/mreplay.h"

struct msnap_id {
	int64_t end_offset;
	int32_t epoch;
};

#define MSNAP_NAME_SIZE (20 + 1 + 10 + sizeof(".checkpoint"))

void msnap_name(struct msnap_id id, char name[MSNAP_NAME_SIZE]);
/* False: not the name of a finished snapshot. */
bool msnap_parse_name(struct str name, struct msnap_id *id) must_check;

/* Removes what a kill left unfinished: at start, before any is written. */
enum err msnap_tidy(const char *dir) must_check;
/* All finished ones in a directory, oldest first, malloc'd. */
enum err msnap_list(const char *dir, struct msnap_id **ids, size_t *ids_len) must_check;

/* Onto an empty replay. On an error replay->message says why. */
enum err msnap_load(const char *path, struct mreplay *replay) must_check;

struct msnap_content {
	const struct clock *clock;
	int64_t last_timestamp_ms;    /* of the newest record that it holds */
	int16_t kraft_version;	      /* 1: with voters */
	struct bytes voters;	      /* a VotersRecord as it stands */
	const struct image *img;      /* NULL: the records of `list` */
	const struct mrec_list *list; /* NULL: none */
};
/* Writes the file, durably, under its final name at the end [worker]. */
enum err msnap_write(const char *dir, const char *name, int32_t epoch,
		     const struct msnap_content *content) must_check;
/* The same, but the caller syncs the directory. */
enum err msnap_write_unlisted(const char *dir, const char *name, int32_t epoch,
			      const struct msnap_content *content) must_check;

#endif
