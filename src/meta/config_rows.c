/* The table of all settings, made of config_rows.def, and how to find a row. */
#include "meta/config.h"

#include <math.h>
#include <stdlib.h>

/* The words of config_rows.def: types, ... */
#define BOOLEAN	 CONFIG_TYPE_BOOLEAN
#define STRING	 CONFIG_TYPE_STRING
#define INT	 CONFIG_TYPE_INT
#define SHORT	 CONFIG_TYPE_SHORT
#define LONG	 CONFIG_TYPE_LONG
#define DOUBLE	 CONFIG_TYPE_DOUBLE
#define LIST	 CONFIG_TYPE_LIST
#define CLASS	 CONFIG_TYPE_CLASS
#define PASSWORD CONFIG_TYPE_PASSWORD

/* ... what is allowed, ... */
#define ANY                              \
	{                                \
		.kind = CONFIG_CHECK_ANY \
	}
#define AT_LEAST(n)                                                      \
	{                                                                \
		.kind = CONFIG_CHECK_RANGE, .low = (n), .high = HUGE_VAL \
	}
#define RANGE(a, b)                                                 \
	{                                                           \
		.kind = CONFIG_CHECK_RANGE, .low = (a), .high = (b) \
	}
#define MINUS1_OR(a, b)                                                 \
	{                                                               \
		.kind = CONFIG_CHECK_MINUS1_OR, .low = (a), .high = (b) \
	}
#define ONE_OF(w)                                         \
	{                                                 \
		.kind = CONFIG_CHECK_ONE_OF, .words = (w) \
	}
#define ONE_OF_ANYCASE(w)                                         \
	{                                                         \
		.kind = CONFIG_CHECK_ONE_OF_ANYCASE, .words = (w) \
	}
#define NON_EMPTY                              \
	{                                      \
		.kind = CONFIG_CHECK_NON_EMPTY \
	}
#define NON_NULL                              \
	{                                     \
		.kind = CONFIG_CHECK_NON_NULL \
	}
#define REPLICAS                              \
	{                                     \
		.kind = CONFIG_CHECK_REPLICAS \
	}
#define COUNTS                              \
	{                                   \
		.kind = CONFIG_CHECK_COUNTS \
	}
#define RESET                              \
	{                                  \
		.kind = CONFIG_CHECK_RESET \
	}
#define FILLED                                           \
	{                                                \
		.kind = CONFIG_CHECK_ANY, .filled = true \
	}
#define FILLED_OF(w)                                                      \
	{                                                                 \
		.kind = CONFIG_CHECK_ONE_OF, .words = (w), .filled = true \
	}

/* ... when it may change, ... */
#define READ_ONLY    .update = CONFIG_READ_ONLY
#define PER_BROKER   .update = CONFIG_PER_BROKER
#define CLUSTER_WIDE .update = CONFIG_CLUSTER_WIDE
#define HIDDEN	     .update = CONFIG_READ_ONLY, .hidden = true
#define DYNAMIC_ONLY .update = CONFIG_CLUSTER_WIDE, .hidden = true

/* ... whether it is honoured, ... */
#define HONOURED  CONFIG_HONOURED
#define LATER	  CONFIG_LATER
#define NO_EFFECT CONFIG_NO_EFFECT

/* ... and the broker's settings behind a topic's or a group's. */
#define NO_SYNONYM    .synonyms = {CONFIG_NONE, CONFIG_NONE, CONFIG_NONE}
#define HIDDEN_TOPIC  NO_SYNONYM, .hidden = true
#define SYN1(a)	      .synonyms = {CONFIG_##a, CONFIG_NONE, CONFIG_NONE}
#define SYN2(a, b)    .synonyms = {CONFIG_##a, CONFIG_##b, CONFIG_NONE}
#define SYN3(a, b, c) .synonyms = {CONFIG_##a, CONFIG_##b, CONFIG_##c}

/* The last two of a row may expand to several initializers, hence the dots. */
#define CELL(n, r, t, d, us, dc, ...)                                                          \
	{                                                                                      \
		.name = n, .resource = r, .type = t, .value_default = d, .use = us, .doc = dc, \
		__VA_ARGS__                                                                    \
	}
#define BROKER(i, n, t, d, c, u, us, dc) \
	[CONFIG_##i] = CELL(n, CONFIG_RESOURCE_BROKER, t, d, us, dc, .check = c, u, NO_SYNONYM),
#define TOPIC(i, n, t, d, c, s, us, dc) \
	[TOPIC_CONFIG_##i] = CELL(n, CONFIG_RESOURCE_TOPIC, t, d, us, dc, .check = c, s),
#define GROUP(i, n, t, d, c, s, us, dc) \
	[GROUP_CONFIG_##i] = CELL(n, CONFIG_RESOURCE_GROUP, t, d, us, dc, .check = c, s),
#define METRICS(i, n, t, d, c, s, us, dc) \
	[METRICS_CONFIG_##i] = CELL(n, CONFIG_RESOURCE_METRICS, t, d, us, dc, .check = c, s),

const struct config_row config_rows[CONFIG_COUNT] = {
#include "meta/config_rows.def"
};

#undef BROKER
#undef TOPIC
#undef GROUP
#undef METRICS

/* How many rows each kind has: they stand one kind after the other. */
static const int broker_len = 0
#define BROKER(...) +1
#define TOPIC(...)
#define GROUP(...)
#define METRICS(...)
#include "meta/config_rows.def"
    ;
#undef BROKER
#undef TOPIC
static const int topic_len = 0
#define BROKER(...)
#define TOPIC(...) +1
#include "meta/config_rows.def"
    ;
#undef TOPIC
#undef GROUP
static const int group_len = 0
#define TOPIC(...)
#define GROUP(...) +1
#include "meta/config_rows.def"
    ;

void config_range(enum config_resource resource, enum config_id *first, enum config_id *end)
{
	int from = 0, len = 0;

	switch (resource) {
	case CONFIG_RESOURCE_BROKER:
		len = broker_len;
		break;
	case CONFIG_RESOURCE_TOPIC:
		from = broker_len;
		len = topic_len;
		break;
	case CONFIG_RESOURCE_GROUP:
		from = broker_len + topic_len;
		len = group_len;
		break;
	case CONFIG_RESOURCE_METRICS:
		from = broker_len + topic_len + group_len;
		len = CONFIG_COUNT - from;
		break;
	case CONFIG_RESOURCE_LOGGER: /* loggers have no rows */
		break;
	}
	*first = (enum config_id)from;
	*end = (enum config_id)(from + len);
}

enum config_id config_find(enum config_resource resource, struct str name)
{
	enum config_id low, high;

	config_range(resource, &low, &high);
	while (low < high) {
		enum config_id mid = low + (high - low) / 2;
		int order = str_cmp(name, str_of(config_rows[mid].name));
		if (order == 0)
			return mid;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return CONFIG_NONE;
}
