/* The files of a partition's directory at a start. */
#include "store/recover_files.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "store/batch_view.h"
#include "store/plog_impl.h"

static bool recover_ends(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* The offset that a name begins with, whatever follows. */
static bool recover_offset(const char *name, int64_t *offset)
{
	return strspn(name, "0123456789") == 20 && str_to_int64((struct str){name, 20}, offset);
}

static enum err recover_remove(const char *dir, const char *name)
{
	char *path = file_path(dir, name);
	enum err err;

	if (path == NULL)
		return ERR_NOMEM;
	log_info("store", "%s: a leftover is removed", path);
	err = file_unlink(path);
	free(path);
	return err == ERR_NOFILE ? ERR_OK : err;
}

/* -- Interrupted compactions ---------------------------------------------------------------- */

struct recover_swap {
	int64_t cleaned_min;	 /* the lowest offset of a .cleaned file */
	int64_t first, next_max; /* what the valid .swap logs hold: [first, next_max) */
};

/* Where a swapped-in segment ends: its headers are walked, there is no index to trust yet. */
static enum err recover_swap_next(const char *path, int64_t base_offset, int64_t *next_offset)
{
	struct batch_view view;
	struct seg_walk *walk;
	off_t size;
	enum err err;
	int fd;

	*next_offset = base_offset;
	err = file_open(path, O_RDONLY, &fd);
	if (err != ERR_OK)
		return err;
	walk = malloc(sizeof(*walk));
	err = walk == NULL ? ERR_NOMEM : file_size(fd, &size);
	if (err == ERR_OK)
		seg_walk_init(walk, fd, 0, size > INT32_MAX ? INT32_MAX : (uint32_t)size);
	while (err == ERR_OK && walk->pos < walk->end) {
		err = seg_walk_view(walk, &view);
		if (err != ERR_OK)
			break;
		*next_offset = view.last_offset + 1;
		seg_walk_step(walk, &view);
	}
	free(walk);
	file_close(fd);
	return err == ERR_CORRUPT_MESSAGE ? ERR_OK : err;
}

static enum err recover_swap_range(const char *dir, const char *name, struct recover_swap *swap)
{
	char *path = file_path(dir, name);
	int64_t base_offset, next_offset;
	enum err err;

	if (path == NULL)
		return ERR_NOMEM;
	must(recover_offset(name, &base_offset));
	err = recover_swap_next(path, base_offset, &next_offset);
	if (base_offset < swap->first)
		swap->first = base_offset;
	if (next_offset > swap->next_max)
		swap->next_max = next_offset;
	free(path);
	return err;
}

/* First pass: drops what was never finished, and measures what the finished rewrites replace. */
static enum err recover_drop_temporary(const char *dir, char **names, size_t len,
				       struct recover_swap *swap)
{
	enum err err = ERR_OK;
	int64_t offset;

	for (size_t i = 0; i < len; i++)
		if (recover_ends(names[i], ".cleaned") && recover_offset(names[i], &offset) &&
		    offset < swap->cleaned_min)
			swap->cleaned_min = offset;
	for (size_t i = 0; i < len && err == ERR_OK; i++) {
		bool deleted = recover_ends(names[i], ".deleted") &&
			       !recover_ends(names[i], ".checkpoint.deleted");

		if (!recover_offset(names[i], &offset))
			continue;
		if (deleted || recover_ends(names[i], ".cleaned") ||
		    (recover_ends(names[i], ".swap") && offset >= swap->cleaned_min))
			err = recover_remove(dir, names[i]);
		else if (recover_ends(names[i], ".log.swap"))
			err = recover_swap_range(dir, names[i], swap);
	}
	return err;
}

static enum err recover_swap_in(const char *dir, const char *name)
{
	char *from = file_path(dir, name), *to = from != NULL ? strdup(from) : NULL;
	enum err err = ERR_NOMEM;

	if (to != NULL) {
		to[strlen(to) - strlen(".swap")] = '\0';
		log_info("store", "%s: an interrupted swap is completed", to);
		err = file_rename(from, to);
	}
	free(from);
	free(to);
	return err;
}

static enum err recover_swap_all(const char *dir, char **names, size_t len,
				 const struct recover_swap *swap, bool logs)
{
	enum err err = ERR_OK;
	int64_t offset;

	for (size_t i = 0; i < len && err == ERR_OK; i++)
		if (recover_ends(names[i], ".swap") && recover_offset(names[i], &offset) &&
		    offset < swap->cleaned_min && recover_ends(names[i], ".log.swap") == logs)
			err = recover_swap_in(dir, names[i]);
	return err;
}

/* Second and third pass: the originals go, the rewrites take their names. */
static enum err recover_complete_swap(const char *dir, char **names, size_t len,
				      const struct recover_swap *swap)
{
	enum err err = ERR_OK;
	int64_t offset;

	for (size_t i = 0; i < len && err == ERR_OK; i++)
		if (!recover_ends(names[i], ".swap") && recover_offset(names[i], &offset) &&
		    offset >= swap->first && offset < swap->next_max &&
		    !recover_ends(names[i], ".checkpoint"))
			err = recover_remove(dir, names[i]);
	/*
	 * Each step is on disk before the next: see clean_swap.h for the order. The log goes first,
	 * for what has its offset in its name is removed while it is called .log.swap.
	 */
	if (err == ERR_OK)
		err = file_sync_dir(dir);
	if (err == ERR_OK)
		err = recover_swap_all(dir, names, len, swap, true);
	if (err == ERR_OK)
		err = file_sync_dir(dir);
	if (err == ERR_OK)
		err = recover_swap_all(dir, names, len, swap, false);
	return err;
}

static enum err recover_tidy(const char *dir, char **names, size_t len, bool *tidied)
{
	struct recover_swap swap = {INT64_MAX, INT64_MAX, -1};
	enum err err;

	*tidied = false;
	for (size_t i = 0; i < len; i++)
		*tidied = *tidied || recover_ends(names[i], ".deleted") ||
			  recover_ends(names[i], ".cleaned") || recover_ends(names[i], ".swap");
	if (!*tidied)
		return ERR_OK;
	err = recover_drop_temporary(dir, names, len, &swap);
	return err == ERR_OK ? recover_complete_swap(dir, names, len, &swap) : err;
}

static enum err recover_list(const char *dir, char ***names, size_t *len)
{
	bool tidied;
	enum err err;

	err = file_list(dir, names, len);
	if (err == ERR_OK)
		err = recover_tidy(dir, *names, *len, &tidied);
	if (err != ERR_OK || !tidied)
		return err;
	file_list_free(*names, *len);
	return file_list(dir, names, len);
}

/* -- Listing -------------------------------------------------------------------------------- */

static enum err recover_size(const char *dir, const char *name, uint32_t *size_bytes)
{
	char *path = file_path(dir, name);
	struct stat st;
	int status;

	if (path == NULL)
		return ERR_NOMEM;
	status = stat(path, &st);
	free(path);
	if (status != 0)
		return err_errno(errno);
	if (!S_ISREG(st.st_mode) || st.st_size > INT32_MAX)
		return ERR_BADFILE;
	*size_bytes = (uint32_t)st.st_size;
	return ERR_OK;
}

/* Names come sorted, so N.index comes before N.log: logs are listed first, then what goes with
 * them. */
static enum err recover_list_logs(const char *dir, char **names, size_t len,
				  struct recover_files *files)
{
	enum err err = ERR_OK;
	int64_t offset;

	for (size_t i = 0; i < len && err == ERR_OK; i++) {
		if (seg_parse_name(names[i], ".snapshot", &offset))
			files->snapshots[files->snapshots_len++] = offset;
		if (!seg_parse_name(names[i], ".log", &offset))
			continue;
		files->segs[files->segs_len].base_offset = offset;
		err = recover_size(dir, names[i], &files->segs[files->segs_len++].size_bytes);
	}
	return err;
}

static struct recover_seg *recover_seg_of(struct recover_files *files, int64_t base_offset)
{
	size_t low = 0, high = files->segs_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (files->segs[middle].base_offset < base_offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < files->segs_len && files->segs[low].base_offset == base_offset
		   ? &files->segs[low]
		   : NULL;
}

static bool *recover_index_flag(struct recover_files *files, const char *name, bool *is_index)
{
	struct recover_seg *seg;
	int64_t offset;

	*is_index = true;
	if (seg_parse_name(name, ".index", &offset))
		return (seg = recover_seg_of(files, offset)) != NULL ? &seg->has_index : NULL;
	if (seg_parse_name(name, ".timeindex", &offset))
		return (seg = recover_seg_of(files, offset)) != NULL ? &seg->has_timeindex : NULL;
	if (seg_parse_name(name, ".txnindex", &offset))
		return (seg = recover_seg_of(files, offset)) != NULL ? &seg->has_txnindex : NULL;
	*is_index = false;
	return NULL;
}

static enum err recover_list_rest(const char *dir, char **names, size_t len,
				  struct recover_files *files)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < len && err == ERR_OK; i++) {
		bool is_index, *flag = recover_index_flag(files, names[i], &is_index);

		if (flag != NULL)
			*flag = true;
		else if (is_index)
			err = recover_remove(dir, names[i]);
		else if (strcmp(names[i], "leader-epoch-checkpoint") == 0)
			files->has_epochs = true;
		else if (strcmp(names[i], "partition.metadata") == 0)
			files->has_metadata = true;
		else if (strcmp(names[i], PLOG_DISTRUST_FILE) == 0)
			files->has_distrust = true;
	}
	return err;
}

enum err recover_files_read(const char *dir, struct recover_files *files)
{
	char **names = NULL;
	size_t len = 0;
	enum err err;

	*files = (struct recover_files){0};
	err = recover_list(dir, &names, &len);
	if (err != ERR_OK) {
		file_list_free(names, len);
		return err;
	}
	files->segs = calloc(len + 1, sizeof(*files->segs));
	files->snapshots = calloc(len + 1, sizeof(*files->snapshots));
	if (files->segs == NULL || files->snapshots == NULL)
		err = ERR_NOMEM;
	if (err == ERR_OK)
		err = recover_list_logs(dir, names, len, files);
	if (err == ERR_OK)
		err = recover_list_rest(dir, names, len, files);
	file_list_free(names, len);
	if (err != ERR_OK)
		recover_files_fini(files);
	return err;
}

void recover_files_fini(struct recover_files *files)
{
	free(files->segs);
	free(files->snapshots);
	*files = (struct recover_files){0};
}
