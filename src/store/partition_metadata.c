/* The file partition.metadata. */
#include "store/partition_metadata.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "store/text_file.h"

#define METADATA_BYTES_MAX 4096

static enum err partition_metadata_path(const char *dir, char path[PATH_MAX])
{
	int len = snprintf(path, PATH_MAX, "%s/partition.metadata", dir);

	return len > 0 && len < PATH_MAX ? ERR_OK : ERR_IO;
}

/*
 * Written in place, in one call: a torn one can only be that of a partition that was just created.
 */
enum err partition_metadata_write(const char *dir, struct uuid topic_id)
{
	char path[PATH_MAX], id[UUID_TEXT_LEN + 1], text[80];
	enum err err;
	int fd, len;

	uuid_text(topic_id, id);
	len = snprintf(text, sizeof(text), "version: 0\ntopic_id: %s", id);
	err = partition_metadata_path(dir, path);
	if (err == ERR_OK)
		err = file_open(path, O_WRONLY | O_CREAT | O_TRUNC, &fd);
	if (err != ERR_OK)
		return err;
	err = file_pwrite(fd, text, (size_t)len, 0);
	file_close(fd);
	return err;
}

enum err partition_metadata_read(const char *dir, struct uuid *topic_id)
{
	char path[PATH_MAX], *text;
	size_t len_bytes;
	enum err err;

	err = partition_metadata_path(dir, path);
	if (err == ERR_OK)
		err = file_read_all(path, METADATA_BYTES_MAX, &text, &len_bytes);
	if (err != ERR_OK)
		return err;
	err = partition_metadata_parse((struct str){text, len_bytes}, topic_id);
	free(text);
	return err;
}

static bool partition_metadata_value(struct str *text, struct str name, struct str *value)
{
	struct str line;

	if (!text_line(text, &line) || !str_starts(line, name))
		return false;
	line.ptr += name.len;
	line.len -= name.len;
	*value = str_trim(line);
	return true;
}

enum err partition_metadata_parse(struct str text, struct uuid *topic_id)
{
	struct str value;
	int64_t version;

	if (!partition_metadata_value(&text, STR("version:"), &value) ||
	    !str_to_int64(value, &version) || version != 0)
		return ERR_BADFILE;
	if (!partition_metadata_value(&text, STR("topic_id:"), &value) ||
	    !uuid_parse(value, topic_id) || uuid_is_zero(*topic_id))
		return ERR_BADFILE;
	return ERR_OK;
}
