/* One writing at a time, of what is true when it begins. */
#include "partition/cleaner_files.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"

struct cleaner_file_entry {
	struct partition *part; /* a reference */
	int64_t offset;
};

static enum err cleaner_write_dir(const struct cleaner_files *files, struct logdir *logdir,
				  struct checkpoint_entry *lines)
{
	char *path = file_path(logdir->path, CHECKPOINT_CLEANER);
	size_t len = 0;
	enum err err;

	for (size_t i = 0; i < files->entries_len; i++) {
		const struct partition *part = files->entries[i].part;

		if (plog_logdir(part->log) == logdir)
			lines[len++] =
			    (struct checkpoint_entry){partition_topic(part), partition_idx(part),
						      files->entries[i].offset};
	}
	err = path != NULL ? checkpoint_write(path, lines, len) : ERR_NOMEM;
	free(path);
	return err;
}

static void cleaner_files_run(struct job *job)
{
	struct cleaner_files *files = container_of(job, struct cleaner_files, job);
	struct checkpoint_entry *lines = calloc(files->entries_len + 1, sizeof(*lines));

	for (size_t i = 0; i < files->dirs->len && lines != NULL; i++) {
		struct logdir *logdir = files->dirs->at[i];
		enum err err =
		    logdir_failed(logdir) ? ERR_OK : cleaner_write_dir(files, logdir, lines);

		if (err == ERR_OK)
			continue;
		log_error("partition", "%s: cannot write %s: %s", logdir->path, CHECKPOINT_CLEANER,
			  err_text(err));
		if (err == ERR_IO)
			logdir_fail(logdir, err, "write the cleaner's checkpoint");
	}
	free(lines);
}

static void cleaner_files_done(struct job *job)
{
	struct cleaner_files *files = container_of(job, struct cleaner_files, job);

	for (size_t i = 0; i < files->entries_len; i++)
		partition_unref(files->entries[i].part);
	free(files->entries);
	files->entries = NULL;
	files->runs = false;
	if (files->again)
		cleaner_files_write(files);
}

void cleaner_files_write(struct cleaner_files *files)
{
	struct partition *part;
	size_t len = 0;

	files->again = files->runs;
	if (files->runs)
		return;
	TAILQ_FOREACH (part, files->parts, clean.all)
		len++;
	files->entries = calloc(len + 1, sizeof(*files->entries));
	if (files->entries == NULL)
		return; /* the next writing says it, too */
	files->entries_len = 0;
	TAILQ_FOREACH (part, files->parts, clean.all)
		if (part->clean.checkpoint >= 0)
			files->entries[files->entries_len++] =
			    (struct cleaner_file_entry){partition_ref(part),
							part->clean.checkpoint};
	files->runs = true;
	files->job = (struct job){.home = files->control,
				  .run = cleaner_files_run,
				  .done = cleaner_files_done};
	worker_submit(files->workers, &files->job);
}
