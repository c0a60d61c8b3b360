/* meta.properties and formatting: see datadir.h. */
#include "meta/datadir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "meta/image_snapshot.h"
#include "meta/mlog.h"
#include "meta/msnap.h"
#include "proto/feature_level_record.h"
#include "proto/voters_record.h"

#define PROPERTIES_BYTES_MAX (64 * 1024)
#define CLUSTER_ID_CHARS_MAX (sizeof(((struct datadir *)NULL)->cluster_id) - 1)

static enum err complain(char *message, enum err err, const char *dir, const char *what)
{
	snprintf(message, DATADIR_MESSAGE_SIZE, "%s/meta.properties: %s", dir, what);
	return err;
}

/* -- reading -------------------------------------------------------------------------------- */

struct properties_seen {
	struct str version, cluster_id, node_id, directory_id;
};

static void take_line(struct properties_seen *seen, struct str line)
{
	const char *equals = memchr(line.ptr, '=', line.len);
	struct str key, value;

	if (equals == NULL || line.ptr[0] == '#')
		return;
	key = str_trim((struct str){line.ptr, (size_t)(equals - line.ptr)});
	value = str_trim((struct str){equals + 1, line.len - (size_t)(equals - line.ptr) - 1});
	if (str_eq(key, STR("version")))
		seen->version = value;
	else if (str_eq(key, STR("cluster.id")))
		seen->cluster_id = value;
	else if (str_eq(key, STR("node.id")))
		seen->node_id = value;
	else if (str_eq(key, STR("directory.id")))
		seen->directory_id = value;
}

static void take_lines(struct properties_seen *seen, struct str text)
{
	while (text.len > 0) {
		const char *newline = memchr(text.ptr, '\n', text.len);
		size_t len = newline == NULL ? text.len : (size_t)(newline - text.ptr);

		take_line(seen, (struct str){text.ptr, len});
		if (newline == NULL)
			return;
		text.ptr += len + 1;
		text.len -= len + 1;
	}
}

static enum err check_seen(const struct properties_seen *seen, const char *dir,
			   const struct datadir_options *options, struct datadir *out,
			   char *message)
{
	char what[200];
	int64_t node_id;

	if (!str_eq(seen->version, STR("1"))) {
		snprintf(what, sizeof(what), "version is '%.*s', and only 1 is known",
			 STR_ARG(seen->version));
		return complain(message, ERR_BADFILE, dir, what);
	}
	if (seen->cluster_id.len == 0 || seen->cluster_id.len > CLUSTER_ID_CHARS_MAX)
		return complain(message, ERR_BADFILE, dir, "cluster.id is missing or too long");
	if (!str_to_int64(seen->node_id, &node_id))
		return complain(message, ERR_BADFILE, dir, "node.id is missing or no number");
	if (seen->directory_id.ptr == NULL || !uuid_parse(seen->directory_id, &out->directory_id))
		return complain(message, ERR_BADFILE, dir, "directory.id is missing or no uuid");
	if (node_id != options->node_id) {
		snprintf(what, sizeof(what),
			 "node.id is %" PRId64 ", and the settings say %" PRId32, node_id,
			 options->node_id);
		return complain(message, ERR_BADCONFIG, dir, what);
	}
	if (options->cluster_id.ptr != NULL && !str_eq(options->cluster_id, seen->cluster_id)) {
		snprintf(what, sizeof(what),
			 "cluster.id is '%.*s', and that of the other log directory '%.*s'",
			 STR_ARG(seen->cluster_id), STR_ARG(options->cluster_id));
		return complain(message, ERR_BADCONFIG, dir, what);
	}
	out->node_id = (int32_t)node_id;
	memcpy(out->cluster_id, seen->cluster_id.ptr, seen->cluster_id.len);
	out->cluster_id[seen->cluster_id.len] = 0;
	return ERR_OK;
}

static enum err read_properties(const char *path, const char *dir,
				const struct datadir_options *options, struct datadir *out,
				char *message)
{
	struct properties_seen seen;
	char *text;
	size_t len;
	enum err err = file_read_all(path, PROPERTIES_BYTES_MAX, &text, &len);

	memset(&seen, 0, sizeof(seen));
	if (err == ERR_NOFILE)
		return err;
	if (err != ERR_OK)
		return complain(message, err, dir, err_text(err));
	take_lines(&seen, (struct str){text, len});
	err = check_seen(&seen, dir, options, out, message);
	free(text);
	return err;
}

/* -- the records of a new cluster ----------------------------------------------------------- */

/* In the order in which Apache Kafka 4.3 writes them. */
static void put_bootstrap_records(struct mrec_list *list)
{
	static const struct {
		const char *name;
		int16_t level;
	} features[] = {
	    {"metadata.version", MREC_METADATA_VERSION_MAX},
	    {"eligible.leader.replicas.version", 1},
	    {"group.version", 1},
	    {"transaction.version", 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		struct feature_level_record m;

		feature_level_record_init(&m);
		m.name = str_of(features[i].name);
		m.feature_level = features[i].level;
		feature_level_record_encode(&m, mrec_begin(list, FEATURE_LEVEL_RECORD_API_KEY, 0),
					    0);
		mrec_end(list);
	}
}

/* -- formatting ----------------------------------------------------------------------------- */

static enum err write_bootstrap(const char *dir, const struct datadir_options *options)
{
	struct msnap_content content = {.clock = options->clock};
	struct mrec_list list;
	enum err err;

	mrec_list_init(&list);
	put_bootstrap_records(&list);
	content.list = &list;
	err = list.bytes.err;
	if (err == ERR_OK)
		err = msnap_write_unlisted(dir, "bootstrap.checkpoint", 0, &content);
	mrec_list_fini(&list);
	return err;
}

static void encode_voter(struct wr *wr, const struct datadir_options *options,
			 const struct datadir *datadir)
{
	struct voters_record_endpoint endpoint;
	struct voters_record_voter voter;
	struct voters_record m;

	voters_record_init(&m);
	voters_record_voter_init(&voter);
	voters_record_endpoint_init(&endpoint);
	endpoint.name = options->controller_listener;
	endpoint.host = options->controller_host;
	endpoint.port = options->controller_port;
	voter.voter_id = datadir->node_id;
	voter.voter_directory_id = datadir->directory_id;
	voter.endpoints = &endpoint;
	voter.endpoints_len = 1;
	voter.kraft_version_feature.min_supported_version = 0;
	voter.kraft_version_feature.max_supported_version = 1;
	m.voters = &voter;
	m.voters_len = 1;
	voters_record_encode(&m, wr, 0);
}

/* The standalone quorum's checkpoint 0-0. */
static enum err write_voters(const char *dir, const struct datadir_options *options,
			     const struct datadir *datadir)
{
	struct msnap_content content = {
	    .clock = options->clock,
	    .last_timestamp_ms = clock_wall_ms(options->clock),
	    .kraft_version = 1,
	};
	char name[MSNAP_NAME_SIZE];
	char *log_dir = file_path(dir, MLOG_DIR_NAME);
	struct wr voters;
	enum err err = log_dir == NULL ? ERR_NOMEM : file_mkdir(log_dir);

	if (err == ERR_EXISTS)
		err = ERR_OK;
	wr_init(&voters, 64 * 1024);
	encode_voter(&voters, options, datadir);
	content.voters = wr_written(&voters);
	msnap_name((struct msnap_id){0, 0}, name);
	if (err == ERR_OK)
		err = voters.err;
	if (err == ERR_OK)
		err = msnap_write(log_dir, name, 0, &content);
	wr_fini(&voters);
	free(log_dir);
	return err;
}

static enum err write_properties(const char *dir, const struct datadir_options *options,
				 const struct datadir *datadir)
{
	char *path = file_path(dir, "meta.properties");
	enum err err = ERR_NOMEM;
	time_t now = (time_t)(clock_wall_ms(options->clock) / 1000);
	char directory_id[UUID_TEXT_LEN + 1], date[64], text[400];
	struct tm tm;
	int len;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a %b %d %H:%M:%S UTC %Y", &tm);
	uuid_text(datadir->directory_id, directory_id);
	len = snprintf(text, sizeof(text),
		       "#\n#%s\nnode.id=%" PRId32 "\ndirectory.id=%s\nversion=1\ncluster.id=%s\n",
		       date, datadir->node_id, directory_id, datadir->cluster_id);
	must(len > 0 && (size_t)len < sizeof(text));
	if (path != NULL)
		err = file_replace(path, (struct bytes){(const uint8_t *)text, (size_t)len}, true);
	free(path);
	return err;
}

/*
 * meta.properties comes last, and the sync of its name covers the others' in the directory: without
 * it the directory counts as not formatted, and it is done again.
 */
static enum err format(const char *dir, const struct datadir_options *options, struct datadir *out,
		       char *message)
{
	enum err err;

	if (options->cluster_id.len > CLUSTER_ID_CHARS_MAX)
		return complain(message, ERR_BADCONFIG, dir, "cluster.id is too long");
	out->node_id = options->node_id;
	out->directory_id = rnd_uuid(options->rnd);
	if (options->cluster_id.ptr != NULL)
		snprintf(out->cluster_id, sizeof(out->cluster_id), "%.*s",
			 STR_ARG(options->cluster_id));
	else
		uuid_text(rnd_uuid(options->rnd), out->cluster_id);
	err = write_bootstrap(dir, options);
	if (err == ERR_OK && !options->static_voters)
		err = write_voters(dir, options, out);
	if (err == ERR_OK)
		err = write_properties(dir, options, out);
	if (err != ERR_OK)
		return complain(message, err, dir, err_text(err));
	log_info("meta", "formatted %s: cluster.id %s, node.id %" PRId32, dir, out->cluster_id,
		 out->node_id);
	return ERR_OK;
}

enum err datadir_open(const char *dir, const struct datadir_options *options, struct datadir *out,
		      bool *formatted, char message[DATADIR_MESSAGE_SIZE])
{
	enum err err = datadir_read(dir, options, out, message);

	*formatted = false;
	if (err == ERR_NOFILE) {
		err = format(dir, options, out, message);
		*formatted = err == ERR_OK;
	}
	return err;
}

enum err datadir_read(const char *dir, const struct datadir_options *options, struct datadir *out,
		      char message[DATADIR_MESSAGE_SIZE])
{
	char *path = file_path(dir, "meta.properties");
	enum err err;

	*out = (struct datadir){0};
	if (path == NULL)
		return complain(message, ERR_NOMEM, dir, err_text(ERR_NOMEM));
	err = read_properties(path, dir, options, out, message);
	free(path);
	return err;
}

enum err datadir_format(const char *dir, const struct datadir_options *options,
			const struct datadir *datadir, char message[DATADIR_MESSAGE_SIZE])
{
	enum err err = write_bootstrap(dir, options);

	if (err == ERR_OK)
		err = write_properties(dir, options, datadir);
	if (err != ERR_OK)
		return complain(message, err, dir, err_text(err));
	log_info("meta", "formatted %s, one more log directory of cluster %s", dir,
		 datadir->cluster_id);
	return ERR_OK;
}

/* -- bootstrap.checkpoint ------------------------------------------------------------------- */

static enum err list_add(void *ctx, struct mrec_list *list)
{
	struct mrec_list *all = ctx;

	for (size_t i = 0; i < list->len; i++)
		mrec_raw(all, mrec_at(list, i));
	return all->bytes.err;
}

enum err datadir_bootstrap(const char *dir, struct mrec_list *list,
			   char message[DATADIR_MESSAGE_SIZE])
{
	char *path = file_path(dir, "bootstrap.checkpoint");
	struct mreplay replay;
	struct image *img;
	enum err err = mreplay_init(&replay, STR(""));

	if (path == NULL)
		err = ERR_NOMEM;
	if (err == ERR_OK && !file_exists(path)) {
		put_bootstrap_records(list);
		err = list->bytes.err;
	} else if (err == ERR_OK) {
		err = msnap_load(path, &replay);
		if (err == ERR_OK) {
			img = mreplay_take_image(&replay);
			err = image_snapshot(img, list_add, list);
			image_unref(img);
		}
	}
	if (err != ERR_OK)
		snprintf(message, DATADIR_MESSAGE_SIZE, "cannot read %s/bootstrap.checkpoint: %s",
			 dir, replay.message[0] != 0 ? replay.message : err_text(err));
	mreplay_fini(&replay);
	free(path);
	return err;
}
