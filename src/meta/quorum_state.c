/*
 * Reading needs a handful of integers out of a flat JSON object, so it looks for their keys; a file
 * that lacks one is not understood.
 */
#include "meta/quorum_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/str.h"

#define QUORUM_STATE_BYTES_MAX (64 * 1024)

/* The integer behind the next `"key":` from *from on, which is moved behind it. */
static bool next_int(const char **from, const char *key, int64_t *out)
{
	char quoted[32];
	const char *at;
	char *end;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	at = strstr(*from, quoted);
	if (at == NULL)
		return false;
	at += strlen(quoted);
	at += strspn(at, " \t\r\n");
	if (*at++ != ':')
		return false;
	*out = strtoll(at, &end, 10);
	if (end == at)
		return false;
	*from = end;
	return true;
}

static bool get_int32(const char *text, const char *key, int32_t *out)
{
	int64_t value;

	if (!next_int(&text, key, &value) || value < INT32_MIN || value > INT32_MAX)
		return false;
	*out = (int32_t)value;
	return true;
}

static bool has_foreign_voters(const char *text, int32_t node_id)
{
	int64_t id;

	while (next_int(&text, "voterId", &id))
		if (id != node_id)
			return true;
	return false;
}

enum err quorum_state_read(const char *path, int32_t node_id, struct quorum_state *out)
{
	int32_t data_version = 0;
	size_t len;
	char *text;
	enum err err = file_read_all(path, QUORUM_STATE_BYTES_MAX, &text, &len);

	*out = (struct quorum_state){.leader_id = -1, .voted_id = -1};
	if (err != ERR_OK)
		return err;
	if (memchr(text, 0, len) != NULL || !get_int32(text, "data_version", &data_version) ||
	    !get_int32(text, "leaderId", &out->leader_id) ||
	    !get_int32(text, "leaderEpoch", &out->leader_epoch) ||
	    !get_int32(text, "votedId", &out->voted_id) || out->leader_epoch < 0 ||
	    data_version < 0 || data_version > 1)
		err = ERR_BADFILE;
	out->data_version = (int16_t)data_version;
	out->foreign_voters = data_version == 0 && has_foreign_voters(text, node_id);
	free(text);
	return err;
}

enum err quorum_state_write(const char *path, const struct quorum_state *state)
{
	char text[300];
	int len;

	if (state->data_version == 0)
		len =
		    snprintf(text, sizeof(text),
			     "{\"clusterId\":\"\",\"leaderId\":%" PRId32 ",\"leaderEpoch\":%" PRId32
			     ",\"votedId\":%" PRId32 ",\"appliedOffset\":0,\"currentVoters\":"
			     "[{\"voterId\":%" PRId32 "}],\"data_version\":0}",
			     state->leader_id, state->leader_epoch, state->voted_id,
			     state->leader_id);
	else
		len = snprintf(text, sizeof(text),
			       "{\"leaderId\":%" PRId32 ",\"leaderEpoch\":%" PRId32
			       ",\"votedId\":%" PRId32 ",\"votedDirectoryId\":"
			       "\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}",
			       state->leader_id, state->leader_epoch, state->voted_id);
	must(len > 0 && (size_t)len < sizeof(text));
	/* The flush of the log that follows syncs the directory when it is new; later the old file,
	 * with an older epoch than the log's, does as well. */
	return file_replace_unlisted(path, (struct bytes){(const uint8_t *)text, (size_t)len});
}
