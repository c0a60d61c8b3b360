/*
 * The model of a disk: nodes with the writes since their last sync, and a list of name changes.
 * Longer than other files: it is one model, and nobody needs a part of it.
 */
#include "tests/power/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* NOLINTBEGIN(misc-no-recursion): as deep as DEPTH_MAX, or as the directory. */

#define FDS_MAX	   65536
#define SYNCS_MAX  256
#define DEPTH_MAX  8
#define SECTOR	   512u
#define PAGE_BYTES 4096u

struct node;

struct entry {
	char *name;
	struct node *node;
};

struct dir {
	struct entry *entries;
	size_t len;
};

struct change {
	const uint8_t *data; /* NULL: the file got this size */
	int64_t pos;
	size_t len_bytes;
};

struct node {
	struct node *next; /* of all, to free */
	bool is_dir;
	struct dir live, kept; /* names as the broker saw them; as the disk has them */
	char *base;	       /* the file that it was when the journal began; NULL: new */
	struct change *changes;
	size_t changes_len, durable; /* so many of the changes are on disk for certain */
	bool lost_sync;		     /* a sync failed: no later one makes anything durable */
};

/* A name got a node, or NULL for none; of a rename also the name that it had. */
struct naming {
	struct node *dir, *node, *from_dir;
	char *name, *from;
	bool durable;
};

struct sync {
	int64_t number;	   /* 0: free */
	struct node *node; /* NULL: all */
	size_t changes, namings;
};

struct disk {
	struct node root, *nodes;
	struct naming *namings;
	size_t namings_len;
	struct node *fds[FDS_MAX];
	struct sync syncs[SYNCS_MAX];
	uint64_t random;
	FILE *told;
};

__attribute__((noreturn)) static void disk_die(const char *what)
{
	fprintf(stderr, "disk: %s: %s\n", what, strerror(errno));
	abort();
}

static void *disk_alloc(void *old, size_t bytes)
{
	void *memory = realloc(old, bytes);

	if (memory == NULL)
		disk_die("memory");
	return memory;
}

/* Room for one more: the size is the power of two at or over the length. */
static void *disk_grow(void *old, size_t len, size_t each_bytes)
{
	return (len & (len - 1)) == 0 ? disk_alloc(old, (len == 0 ? 1 : len * 2) * each_bytes)
				      : old;
}

/* splitmix64 */
static uint64_t disk_random(struct disk *disk, uint64_t below)
{
	uint64_t z = (disk->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

/* -- nodes and names ----------------------------------------------------------------------- */

static struct node *node_new(struct disk *disk, bool is_dir)
{
	struct node *node = disk_alloc(NULL, sizeof(*node));

	*node = (struct node){.next = disk->nodes, .is_dir = is_dir};
	disk->nodes = node;
	return node;
}

static struct entry *dir_find(const struct dir *dir, const char *name)
{
	for (size_t i = 0; i < dir->len; i++)
		if (strcmp(dir->entries[i].name, name) == 0)
			return &dir->entries[i];
	return NULL;
}

static void dir_set(struct dir *dir, const char *name, struct node *node)
{
	struct entry *entry = dir_find(dir, name);

	if (node == NULL && entry != NULL) {
		free(entry->name);
		*entry = dir->entries[--dir->len];
	} else if (entry != NULL) {
		entry->node = node;
	} else if (node != NULL) {
		dir->entries = disk_grow(dir->entries, dir->len, sizeof(*dir->entries));
		dir->entries[dir->len++] = (struct entry){strdup(name), node};
	}
}

static void dir_fini(struct dir *dir)
{
	for (size_t i = 0; i < dir->len; i++)
		free(dir->entries[i].name);
	free(dir->entries);
	*dir = (struct dir){0};
}

/* The directory that a path leads to, as the broker sees it; *name is its last part. */
static struct node *disk_walk(struct disk *disk, const char *path, size_t path_len, char *name)
{
	struct node *dir = &disk->root;
	const char *end = path + path_len, *slash;

	while ((slash = memchr(path, '/', (size_t)(end - path))) != NULL) {
		struct entry *entry;

		memcpy(name, path, (size_t)(slash - path));
		name[slash - path] = '\0';
		entry = dir_find(&dir->live, name);
		if (entry == NULL || !entry->node->is_dir)
			disk_die(name);
		dir = entry->node;
		path = slash + 1;
	}
	memcpy(name, path, (size_t)(end - path));
	name[end - path] = '\0';
	return dir;
}

static struct naming *disk_name(struct disk *disk, struct node *dir, const char *name,
				struct node *node)
{
	struct naming *naming;

	disk->namings = disk_grow(disk->namings, disk->namings_len, sizeof(*disk->namings));
	naming = &disk->namings[disk->namings_len++];
	*naming = (struct naming){.dir = dir, .node = node, .name = strdup(name)};
	dir_set(&dir->live, name, node);
	return naming;
}

/* -- what was there when the journal began ------------------------------------------------- */

static void disk_load(struct disk *disk, struct node *node, const char *path, int depth)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL || depth > DEPTH_MAX)
		disk_die(path);
	while ((entry = readdir(dir)) != NULL) {
		char below[PATH_MAX];
		struct node *child;
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		if (stat(below, &st) != 0)
			disk_die(below);
		child = node_new(disk, S_ISDIR(st.st_mode));
		disk_name(disk, node, entry->d_name, child)->durable = true;
		if (child->is_dir)
			disk_load(disk, child, below, depth + 1);
		else
			child->base = strdup(below);
	}
	closedir(dir);
}

struct disk *disk_new(const char *base)
{
	struct disk *disk = disk_alloc(NULL, sizeof(*disk));

	memset(disk, 0, sizeof(*disk));
	disk->root.is_dir = true;
	if (base != NULL)
		disk_load(disk, &disk->root, base, 0);
	return disk;
}

void disk_free(struct disk *disk)
{
	struct node *node, *next;

	for (size_t i = 0; i < disk->namings_len; i++) {
		free(disk->namings[i].name);
		free(disk->namings[i].from);
	}
	free(disk->namings);
	for (node = disk->nodes; node != NULL; node = next) {
		next = node->next;
		dir_fini(&node->live);
		dir_fini(&node->kept);
		free(node->base);
		free(node->changes);
		free(node);
	}
	dir_fini(&disk->root.live);
	dir_fini(&disk->root.kept);
	free(disk);
}

/* -- events -------------------------------------------------------------------------------- */

static void node_change(struct node *node, const uint8_t *data, int64_t pos, size_t len_bytes)
{
	node->changes = disk_grow(node->changes, node->changes_len, sizeof(*node->changes));
	node->changes[node->changes_len++] = (struct change){data, pos, len_bytes};
}

static struct node *disk_fd(const struct disk *disk, const struct journal_event *event)
{
	if (event->fd < 0 || event->fd >= FDS_MAX || disk->fds[event->fd] == NULL)
		disk_die("a call on a descriptor that is not open");
	return disk->fds[event->fd];
}

static void disk_open(struct disk *disk, const struct journal_event *event)
{
	char name[PATH_MAX];
	struct node *dir = disk_walk(disk, journal_path(event), event->path_len, name), *node;
	struct entry *entry = dir_find(&dir->live, name);

	if (name[0] == '\0') {
		disk->fds[event->fd] = dir;
		return;
	}
	if ((event->flags & JOURNAL_CREATED) != 0) {
		node = node_new(disk, false);
		disk_name(disk, dir, name, node);
	} else if (entry != NULL) {
		node = entry->node;
	} else {
		disk_die(name);
	}
	if ((event->flags & JOURNAL_TRUNCATED) != 0 && (event->flags & JOURNAL_CREATED) == 0)
		node_change(node, NULL, 0, 0);
	disk->fds[event->fd] = node;
}

static void disk_rename(struct disk *disk, const struct journal_event *event)
{
	char name[PATH_MAX], from[PATH_MAX];
	struct node *from_dir = disk_walk(disk, journal_path(event), event->path_len, from);
	struct node *dir =
	    disk_walk(disk, (const char *)journal_data(event), event->data_len, name);
	struct entry *entry = dir_find(&from_dir->live, from);
	struct naming *naming;

	if (entry == NULL)
		disk_die(from);
	naming = disk_name(disk, dir, name, entry->node);
	naming->from_dir = from_dir;
	naming->from = strdup(from);
	dir_set(&from_dir->live, from, NULL);
}

static void disk_sync_begin(struct disk *disk, const struct journal_event *event)
{
	for (size_t i = 0; i < SYNCS_MAX; i++) {
		struct sync *sync = &disk->syncs[i];

		if (sync->number != 0)
			continue;
		sync->number = event->pos;
		sync->node = event->fd >= 0 ? disk_fd(disk, event) : NULL;
		sync->namings = disk->namings_len;
		sync->changes = sync->node != NULL ? sync->node->changes_len : 0;
		/* One that covers all: what it covers is noted at each node. */
		for (struct node *node = disk->nodes; node != NULL && sync->node == NULL;
		     node = node->next)
			node_change(node, NULL, -event->pos, 0);
		return;
	}
	disk_die("too many syncs at once");
}

static void node_synced(struct node *node, size_t changes, bool ok)
{
	node->lost_sync = node->lost_sync || (!ok && changes > node->durable);
	if (!node->lost_sync && changes > node->durable)
		node->durable = changes;
}

/* A change that stands for the beginning of a sync of everything. */
static bool change_is_mark(const struct change *change)
{
	return change->data == NULL && change->pos < 0;
}

static size_t node_mark(const struct node *node, int64_t number)
{
	for (size_t i = node->changes_len; i > 0; i--)
		if (change_is_mark(&node->changes[i - 1]) && node->changes[i - 1].pos == -number)
			return i;
	return 0;
}

static void disk_sync_end(struct disk *disk, const struct journal_event *event, bool ok)
{
	struct sync *sync = disk->syncs;

	while (sync < disk->syncs + SYNCS_MAX && sync->number != event->pos)
		sync++;
	if (sync == disk->syncs + SYNCS_MAX)
		disk_die("a sync ends that did not begin");
	for (size_t i = 0; i < sync->namings && ok; i++) {
		struct naming *naming = &disk->namings[i];

		if (sync->node == NULL || (naming->dir == sync->node && !sync->node->lost_sync))
			naming->durable = true;
	}
	if (sync->node != NULL && sync->node->is_dir)
		sync->node->lost_sync = sync->node->lost_sync || !ok;
	else if (sync->node != NULL)
		node_synced(sync->node, sync->changes, ok);
	for (struct node *node = disk->nodes; node != NULL && sync->node == NULL; node = node->next)
		if (!node->is_dir)
			node_synced(node, node_mark(node, event->pos), ok);
	sync->number = 0;
}

static void disk_life(struct disk *disk)
{
	memset(disk->fds, 0, sizeof(disk->fds));
	memset(disk->syncs, 0, sizeof(disk->syncs));
}

static void disk_rename_or_drop(struct disk *disk, const struct journal_event *event)
{
	char name[PATH_MAX];
	struct node *dir;

	if (event->kind == JOURNAL_RENAME) {
		disk_rename(disk, event);
		return;
	}
	dir = disk_walk(disk, journal_path(event), event->path_len, name);
	disk_name(disk, dir, name, event->kind == JOURNAL_MKDIR ? node_new(disk, true) : NULL);
}

void disk_apply(struct disk *disk, const struct journal_event *event)
{
	switch ((enum journal_kind)event->kind) {
	case JOURNAL_LIFE:
		disk_life(disk);
		break;
	case JOURNAL_OPEN:
		disk_open(disk, event);
		break;
	case JOURNAL_WRITE:
		node_change(disk_fd(disk, event), journal_data(event), event->pos, event->data_len);
		break;
	case JOURNAL_TRUNCATE:
		node_change(disk_fd(disk, event), NULL, event->pos, 0);
		break;
	case JOURNAL_RENAME:
	case JOURNAL_UNLINK:
	case JOURNAL_RMDIR:
	case JOURNAL_MKDIR:
		disk_rename_or_drop(disk, event);
		break;
	case JOURNAL_SYNC_BEGIN:
		disk_sync_begin(disk, event);
		break;
	case JOURNAL_SYNC_END:
	case JOURNAL_SYNC_FAILED:
		disk_sync_end(disk, event, event->kind == JOURNAL_SYNC_END);
		break;
	case JOURNAL_NOTE:
		break;
	}
}

/* -- which names are kept ------------------------------------------------------------------ */

static void disk_tell(struct disk *disk, const char *what, const char *name)
{
	if (disk->told != NULL)
		fprintf(disk->told, "  %s %s\n", what, name);
}

static void naming_keep(const struct naming *naming)
{
	struct entry *from =
	    naming->from != NULL ? dir_find(&naming->from_dir->kept, naming->from) : NULL;

	if (from != NULL && from->node == naming->node)
		dir_set(&naming->from_dir->kept, naming->from, NULL);
	dir_set(&naming->dir->kept, naming->name, naming->node);
}

static void naming_lose(struct disk *disk, const struct naming *naming)
{
	disk_tell(disk,
		  naming->from != NULL	 ? "not renamed to:"
		  : naming->node != NULL ? "not made:"
					 : "not removed:",
		  naming->name);
}

/* The first of the changes of this directory (NULL: of all) that may be lost; and where it ends. */
static size_t disk_names_end(struct disk *disk, const struct node *dir)
{
	size_t from = 0, loose = 0;

	for (size_t i = 0; i < disk->namings_len; i++)
		if ((dir == NULL || disk->namings[i].dir == dir) && disk->namings[i].durable)
			from = i + 1;
	for (size_t i = from; i < disk->namings_len; i++)
		loose += dir == NULL || disk->namings[i].dir == dir;
	loose = disk_random(disk, loose + 1); /* so many of them are kept */
	for (; from < disk->namings_len; from++)
		if ((dir == NULL || disk->namings[from].dir == dir) && loose-- == 0)
			break;
	return from;
}

/* keep[i]: the i-th change of a name has reached the disk. */
static void disk_choose_names(struct disk *disk, enum disk_loss loss, bool *keep)
{
	size_t end = loss == DISK_ORDERED ? disk_names_end(disk, NULL) : disk->namings_len;

	for (size_t i = 0; i < disk->namings_len; i++)
		keep[i] = i < end;
	if (loss != DISK_BY_DIR)
		return;
	for (struct node *dir = disk->nodes;; dir = dir->next) {
		struct node *each = dir != NULL ? dir : &disk->root;

		end = each->is_dir ? disk_names_end(disk, each) : disk->namings_len;
		for (size_t i = end; i < disk->namings_len; i++)
			if (disk->namings[i].dir == each)
				keep[i] = false;
		if (dir == NULL)
			return;
	}
}

static void disk_keep_names(struct disk *disk, enum disk_loss loss)
{
	bool *keep = disk_alloc(NULL, disk->namings_len + 1);

	disk_choose_names(disk, loss, keep);
	for (struct node *node = disk->nodes; node != NULL; node = node->next)
		dir_fini(&node->kept);
	dir_fini(&disk->root.kept);
	for (size_t i = 0; i < disk->namings_len; i++)
		if (keep[i])
			naming_keep(&disk->namings[i]);
		else
			naming_lose(disk, &disk->namings[i]);
	free(keep);
}

/* -- what is kept of a file ---------------------------------------------------------------- */

struct content {
	uint8_t *data;
	size_t size, room; /* all of the room is zeros at first */
	size_t *versions;  /* per unit: so many of the changes have reached it */
	size_t unit, units;
};

static size_t change_end(const struct change *change)
{
	return change_is_mark(change) ? 0 : (size_t)change->pos + change->len_bytes;
}

static size_t node_base_size(const struct node *node)
{
	struct stat st;

	return node->base != NULL && stat(node->base, &st) == 0 ? (size_t)st.st_size : 0;
}

static size_t node_size_at(const struct node *node, size_t base_size, size_t version)
{
	size_t size = base_size;

	for (size_t i = 0; i < version; i++) {
		const struct change *change = &node->changes[i];

		if (change_is_mark(change))
			continue;
		if (change->data == NULL)
			size = (size_t)change->pos;
		else if (change_end(change) > size)
			size = change_end(change);
	}
	return size;
}

static void content_put(struct content *content, const struct change *change, size_t version)
{
	size_t at = (size_t)change->pos, end = change_end(change);

	if (change_is_mark(change))
		return;
	if (change->data == NULL)
		end = content->room; /* what was behind the new end reads as zeros again */
	while (at < end) {
		size_t next = (at / content->unit + 1) * content->unit;

		next = next < end ? next : end;
		if (content->versions[at / content->unit] >= version && change->data != NULL)
			memcpy(content->data + at, change->data + (at - (size_t)change->pos),
			       next - at);
		else if (content->versions[at / content->unit] >= version)
			memset(content->data + at, 0, next - at);
		at = next;
	}
}

static void content_init(struct content *content, const struct node *node, size_t unit)
{
	size_t base_size = node_base_size(node);

	*content = (struct content){.unit = unit, .room = base_size};
	for (size_t i = 0; i < node->changes_len; i++)
		if (change_end(&node->changes[i]) > content->room)
			content->room = change_end(&node->changes[i]);
	content->units = content->room / unit + 1;
	content->data = disk_alloc(NULL, content->room + 1);
	memset(content->data, 0, content->room + 1);
	content->versions = disk_alloc(NULL, content->units * sizeof(size_t));
	if (base_size > 0) {
		int fd = open(node->base, O_RDONLY);

		if (fd < 0 || pread(fd, content->data, base_size, 0) != (ssize_t)base_size)
			disk_die(node->base);
		close(fd);
	}
}

enum tear {
	TEAR_NONE,   /* nothing since the last sync is there */
	TEAR_ALL,    /* all is */
	TEAR_PREFIX, /* all up to some change is */
	TEAR_FRONT,  /* and the front of the next one */
	TEAR_BACK,   /* or its back */
	TEAR_PAGES,  /* each page for itself */
	TEAR_LENGTH, /* the length alone is */
	TEAR_NOISE,  /* the length, and noise in what was not written yet */
	TEAR_KINDS
};

static void content_all_at(struct content *content, size_t version)
{
	for (size_t i = 0; i < content->units; i++)
		content->versions[i] = version;
}

static void content_tear(struct disk *disk, struct content *content, const struct node *node,
			 enum tear tear)
{
	size_t low = node->durable, spread = node->changes_len - low + 1;
	size_t version = low + disk_random(disk, spread), middle;
	size_t base_size = node_base_size(node);

	content_all_at(content, tear == TEAR_ALL			   ? node->changes_len
				: tear == TEAR_NONE || tear >= TEAR_LENGTH ? low
									   : version);
	content->size = node_size_at(node, base_size, content->versions[0]);
	if (tear <= TEAR_PREFIX)
		return;
	if (tear >= TEAR_LENGTH || version == node->changes_len)
		content->size = node_size_at(node, base_size, node->changes_len);
	else
		content->size =
		    node_size_at(node, base_size,
				 version + 1 + disk_random(disk, spread) / 2 > node->changes_len
				     ? node->changes_len
				     : version + 1);
	middle = disk_random(disk, content->units);
	for (size_t i = 0; i < content->units; i++) {
		if (tear == TEAR_PAGES)
			content->versions[i] = low + disk_random(disk, spread);
		else if (version < node->changes_len &&
			 ((tear == TEAR_FRONT && i < middle) || (tear == TEAR_BACK && i >= middle)))
			content->versions[i] = version + 1;
	}
}

/* Noise where no synced byte ever was. */
static void content_add_noise(struct disk *disk, struct content *content, const struct node *node)
{
	size_t durable = node_size_at(node, node_base_size(node), node->durable);
	size_t at = (durable + content->unit - 1) / content->unit * content->unit;

	for (; at < content->size; at++)
		content->data[at] = (uint8_t)disk_random(disk, 256);
}

static enum tear disk_choose_tear(struct disk *disk, const struct node *node, enum disk_loss loss)
{
	if (loss == DISK_KILL || node->durable == node->changes_len)
		return TEAR_ALL;
	return (enum tear)disk_random(disk, TEAR_KINDS);
}

static void content_make(struct disk *disk, struct content *content, const struct node *node,
			 enum tear tear)
{
	content_init(content, node, disk_random(disk, 2) == 0 ? SECTOR : PAGE_BYTES);
	content_tear(disk, content, node, tear);
	for (size_t i = 0; i < node->changes_len; i++)
		content_put(content, &node->changes[i], i + 1);
	if (tear == TEAR_NOISE)
		content_add_noise(disk, content, node);
}

/* -- writing it out ------------------------------------------------------------------------ */

static void disk_write_file(struct disk *disk, const struct node *node, const char *path,
			    enum disk_loss loss)
{
	static const char *const kinds[] = {
	    "unsynced lost:", "all kept:",	  "kept up to some:",	     "front kept:",
	    "back kept:",     "some pages kept:", "zeros up to its length:", "noise:"};
	enum tear tear = disk_choose_tear(disk, node, loss);
	struct content content;
	int fd;

	if (node->changes_len == 0 && node->base != NULL && link(node->base, path) == 0)
		return;
	content_make(disk, &content, node, tear);
	if (tear != TEAR_ALL)
		disk_tell(disk, kinds[tear], path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0 || pwrite(fd, content.data, content.size, 0) != (ssize_t)content.size)
		disk_die(path);
	close(fd);
	free(content.data);
	free(content.versions);
}

/* Depth is bounded: a log directory, its partitions, their files. */
static void disk_write_dir(struct disk *disk, const struct node *node, const char *path,
			   enum disk_loss loss, int depth)
{
	if (mkdir(path, 0755) != 0 || depth > DEPTH_MAX)
		disk_die(path);
	for (size_t i = 0; i < node->kept.len; i++) {
		const struct entry *entry = &node->kept.entries[i];
		char below[PATH_MAX];

		snprintf(below, sizeof(below), "%s/%s", path, entry->name);
		if (entry->node->is_dir)
			disk_write_dir(disk, entry->node, below, loss, depth + 1);
		else
			disk_write_file(disk, entry->node, below, loss);
	}
}

void disk_write(struct disk *disk, const char *out, enum disk_loss loss, uint64_t seed, FILE *told)
{
	disk->random = seed;
	disk->told = told;
	disk_keep_names(disk, loss);
	disk_write_dir(disk, &disk->root, out, loss, 0);
}

/* NOLINTEND(misc-no-recursion) */
