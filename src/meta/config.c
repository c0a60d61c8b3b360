/*
 * The broker's own settings: one cell for each broker's row, filled at start and read-only after
 * config_finish. What clients change later is not here but in the metadata image.
 */
#include "meta/config_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Strings of all settings together. A file may have a megabyte, and escapes and overrides come on
 * top. */
#define ARENA_BYTES_MAX (8 * 1024 * 1024)
/* Settings that the table does not know. */
#define EXTRAS_MAX 4096

/* Keys of Kafka's past that people's files still have. A star ends a prefix. */
static const char *const removed[] = {
    "advertised.host.name",
    "advertised.port",
    "auto.include.jmx.reporter",
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "delegation.token.master.key",
    "group.coordinator.new.enable",
    "host.name",
    "inter.broker.protocol.version",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "offsets.commit.required.acks",
    "password.encoder.*",
    "port",
    "reserved.broker.max.id",
    "zookeeper.*",
};

/* -- birth and end ---------------------------------------------------------------------------- */

static void cell_default(struct config *cfg, enum config_id id)
{
	struct config_cell *cell = &cfg->cells[id];
	char message[CONFIG_MESSAGE_SIZE];

	*cell =
	    (struct config_cell){.raw = STR_NULL, .text = str_of(config_rows[id].value_default)};
	cell->parsed = (struct config_parsed){.number = -1};
	if (cell->text.ptr != NULL)
		must(config_parse(id, cell->text, &cell->parsed, message) == ERR_OK);
}

struct config *config_new(void)
{
	struct config *cfg = calloc(1, sizeof(*cfg));
	enum config_id first, end;

	if (cfg == NULL)
		return NULL;
	config_range(CONFIG_RESOURCE_BROKER, &first, &end);
	must(first == 0);
	cfg->cells = calloc((size_t)end, sizeof(*cfg->cells));
	if (cfg->cells == NULL) {
		free(cfg);
		return NULL;
	}
	cfg->magic = CONFIG_MAGIC;
	arena_init(&cfg->arena, ARENA_BYTES_MAX);
	for (enum config_id id = first; id < end; id++)
		cell_default(cfg, id);
	return cfg;
}

void config_free(struct config *cfg)
{
	if (cfg == NULL)
		return;
	must_be(cfg, CONFIG_MAGIC);
	arena_fini(&cfg->arena);
	free(cfg->cells);
	cfg->magic = 0;
	free(cfg);
}

/* -- setting ---------------------------------------------------------------------------------- */

enum err config_complain(const struct config *cfg, enum config_id id,
			 char message[CONFIG_MESSAGE_SIZE], const char *format, ...)
{
	const struct config_cell *cell = &cfg->cells[id];
	bool hidden = config_rows[id].type == CONFIG_TYPE_PASSWORD;
	va_list args;
	int len;

	len = snprintf(message, CONFIG_MESSAGE_SIZE, "%s: %s: found \"%.*s\"; ",
		       cell->origin != NULL ? cell->origin : "default", config_rows[id].name,
		       hidden ? 3 : (int)(cell->raw.len < 200 ? cell->raw.len : 200),
		       hidden		       ? "***"
		       : cell->raw.ptr != NULL ? cell->raw.ptr
					       : "");
	if (len < 0 || len >= CONFIG_MESSAGE_SIZE)
		return ERR_BADCONFIG;
	va_start(args, format);
	vsnprintf(message + len, (size_t)(CONFIG_MESSAGE_SIZE - len), format, args);
	va_end(args);
	return ERR_BADCONFIG;
}

static bool is_removed(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(removed); i++) {
		struct str key = str_of(removed[i]);
		if (key.ptr[key.len - 1] == '*'
			? str_starts(name, (struct str){key.ptr, key.len - 1})
			: str_eq(name, key))
			return true;
	}
	return false;
}

/*
 * listener.name.NAME.KEY, and listener.name.NAME.MECHANISM.KEY for SASL: only the end matters here.
 */
enum config_id config_find_prefixed(struct str name)
{
	struct str prefix = STR("listener.name.");

	if (!str_starts(name, prefix))
		return CONFIG_NONE;
	for (size_t i = prefix.len; i < name.len; i++) {
		struct str rest = {name.ptr + i + 1, name.len - i - 1};
		enum config_id id;
		if (name.ptr[i] != '.' || i == prefix.len)
			continue;
		id = config_find(CONFIG_RESOURCE_BROKER, rest);
		if (id != CONFIG_NONE)
			return id;
	}
	return CONFIG_NONE;
}

static enum err extra_set(struct config *cfg, struct str name, struct str value)
{
	struct config_extra *extra;

	for (extra = cfg->extras; extra != NULL; extra = extra->next) {
		if (str_eq(extra->name, name)) {
			extra->raw = arena_str(&cfg->arena, value);
			return extra->raw.ptr != NULL ? ERR_OK : ERR_NOMEM;
		}
	}
	if (cfg->extras_len == EXTRAS_MAX)
		return ERR_NOMEM;
	extra = arena_alloc(&cfg->arena, sizeof(*extra));
	if (extra == NULL)
		return ERR_NOMEM;
	cfg->extras_len++;
	extra->name = arena_str(&cfg->arena, name);
	extra->raw = arena_str(&cfg->arena, value);
	extra->next = cfg->extras;
	cfg->extras = extra;
	return extra->name.ptr != NULL && extra->raw.ptr != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err set_unknown(struct config *cfg, struct str name, struct str value,
			    const char *origin, bool *unknown, char *message)
{
	*unknown = config_find_prefixed(name) == CONFIG_NONE;
	snprintf(message, CONFIG_MESSAGE_SIZE, "%s: %.*s: %s; it has no effect", origin,
		 (int)(name.len < 200 ? name.len : 200), name.ptr,
		 is_removed(name) ? "Kafka 4 has no such setting any more" : "unknown setting");
	if (extra_set(cfg, name, value) == ERR_OK)
		return ERR_OK;
	snprintf(message, CONFIG_MESSAGE_SIZE, "%s: too many unknown settings", origin);
	return ERR_BADCONFIG;
}

/* Puts the value into its cell; what does not fit leaves behind the cell that its message needs. */
static enum err cell_set(struct config *cfg, enum config_id id, struct str value,
			 const char *origin, char *message)
{
	char why[CONFIG_MESSAGE_SIZE], allowed[256];
	struct config_cell *cell = &cfg->cells[id];

	cell->set = true;
	cell->raw = arena_str(&cfg->arena, value);
	cell->origin = arena_printf(&cfg->arena, "%s", origin).ptr;
	if (config_parse(id, value, &cell->parsed, why) != ERR_OK) {
		config_allowed(id, allowed, sizeof(allowed));
		return config_complain(cfg, id, message, "allowed: %s", allowed);
	}
	cell->text = config_canonical(id, value, &cfg->arena);
	if (cell->text.ptr != NULL && cell->raw.ptr != NULL && cell->origin != NULL)
		return ERR_OK;
	snprintf(message, CONFIG_MESSAGE_SIZE, "%s: out of memory", origin);
	return ERR_BADCONFIG;
}

enum err config_set(struct config *cfg, struct str name, struct str value, const char *origin,
		    bool *unknown, char message[CONFIG_MESSAGE_SIZE])
{
	enum config_id id = config_find(CONFIG_RESOURCE_BROKER, name);
	struct config_cell before;
	enum err err;

	must_be(cfg, CONFIG_MAGIC);
	must(!cfg->finished && value.ptr != NULL);
	*unknown = false;
	if (id == CONFIG_NONE)
		return set_unknown(cfg, name, value, origin, unknown, message);
	before = cfg->cells[id];
	err = cell_set(cfg, id, value, origin, message);
	/* No value that its row refuses ever stands in a cell, whatever the caller does then. */
	if (err != ERR_OK)
		cfg->cells[id] = before;
	return err;
}

/* -- reading ---------------------------------------------------------------------------------- */

static const struct config_cell *cell_of(const struct config *cfg, enum config_id id)
{
	must_be(cfg, CONFIG_MAGIC);
	must(id >= 0 && config_rows[id].resource == CONFIG_RESOURCE_BROKER);
	return &cfg->cells[id];
}

bool config_is_set(const struct config *cfg, enum config_id id)
{
	return cell_of(cfg, id)->set;
}

bool config_bool(const struct config *cfg, enum config_id id)
{
	const struct config_cell *cell = cell_of(cfg, id);

	must(config_rows[id].type == CONFIG_TYPE_BOOLEAN);
	return cell->parsed.number == 1;
}

int64_t config_int64(const struct config *cfg, enum config_id id)
{
	const struct config_cell *cell = cell_of(cfg, id);
	enum config_type type = config_rows[id].type;

	must(type == CONFIG_TYPE_INT || type == CONFIG_TYPE_SHORT || type == CONFIG_TYPE_LONG);
	return cell->parsed.number;
}

double config_double(const struct config *cfg, enum config_id id)
{
	const struct config_cell *cell = cell_of(cfg, id);

	must(config_rows[id].type == CONFIG_TYPE_DOUBLE);
	return cell->parsed.real;
}

struct str config_str(const struct config *cfg, enum config_id id)
{
	return cell_of(cfg, id)->text;
}

/* -- what follows from several settings -------------------------------------------------------- */

#define MINUTE_MS (60 * 1000LL)
#define HOUR_MS	  (60 * MINUTE_MS)

int64_t config_log_retention_ms(const struct config *cfg)
{
	int64_t ms = -1;

	if (config_str(cfg, CONFIG_LOG_RETENTION_MS).ptr != NULL)
		ms = config_int64(cfg, CONFIG_LOG_RETENTION_MS);
	else if (config_str(cfg, CONFIG_LOG_RETENTION_MINUTES).ptr != NULL)
		ms = config_int64(cfg, CONFIG_LOG_RETENTION_MINUTES) * MINUTE_MS;
	else
		ms = config_int64(cfg, CONFIG_LOG_RETENTION_HOURS) * HOUR_MS;
	return ms < 0 ? -1 : ms;
}

int64_t config_log_roll_ms(const struct config *cfg)
{
	if (config_str(cfg, CONFIG_LOG_ROLL_MS).ptr != NULL)
		return config_int64(cfg, CONFIG_LOG_ROLL_MS);
	return config_int64(cfg, CONFIG_LOG_ROLL_HOURS) * HOUR_MS;
}

int64_t config_log_roll_jitter_ms(const struct config *cfg)
{
	if (config_str(cfg, CONFIG_LOG_ROLL_JITTER_MS).ptr != NULL)
		return config_int64(cfg, CONFIG_LOG_ROLL_JITTER_MS);
	return config_int64(cfg, CONFIG_LOG_ROLL_JITTER_HOURS) * HOUR_MS;
}

int64_t config_log_flush_interval_ms(const struct config *cfg)
{
	/* Who sets only the scheduler's interval means this one, as in Kafka. */
	if (!config_is_set(cfg, CONFIG_LOG_FLUSH_INTERVAL_MS) &&
	    config_is_set(cfg, CONFIG_LOG_FLUSH_SCHEDULER_INTERVAL_MS))
		return config_int64(cfg, CONFIG_LOG_FLUSH_SCHEDULER_INTERVAL_MS);
	return config_int64(cfg, CONFIG_LOG_FLUSH_INTERVAL_MS);
}

const char *const *config_log_dirs(const struct config *cfg, size_t *len)
{
	must_be(cfg, CONFIG_MAGIC);
	must(cfg->finished);
	*len = cfg->log_dirs_len;
	return cfg->log_dirs;
}

const char *config_metadata_log_dir(const struct config *cfg)
{
	must_be(cfg, CONFIG_MAGIC);
	must(cfg->finished);
	return cfg->metadata_log_dir;
}

int32_t config_node_id(const struct config *cfg)
{
	return (int32_t)config_int64(cfg, CONFIG_NODE_ID);
}

bool config_has_static_voters(const struct config *cfg)
{
	return config_str(cfg, CONFIG_CONTROLLER_QUORUM_VOTERS).len > 0;
}
