/*
 * Texts to values and back: what a row takes, in Kafka's words when it does not.
 *
 * Nothing here depends on a broker's settings; checks of several settings together are elsewhere.
 */
#include "meta/config_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A list with more entries is taken as it stands: repetitions in it are not looked for. */
#define LIST_DISTINCT_MAX 256

static enum err check_invalid(enum config_id id, struct str value, char *message, const char *why)
{
	snprintf(message, CONFIG_MESSAGE_SIZE, "Invalid value %.*s for configuration %s%s%s",
		 value.ptr == NULL ? 4 : (int)value.len, value.ptr == NULL ? "null" : value.ptr,
		 config_rows[id].name, why[0] != '\0' ? ": " : "", why);
	return ERR_INVALID_CONFIG;
}

bool config_list_next(struct str list, size_t *pos, struct str *entry)
{
	const char *comma;
	size_t from = *pos;

	if (list.ptr == NULL || from > list.len || (from == 0 && str_trim(list).len == 0))
		return false;
	comma = memchr(list.ptr + from, ',', list.len - from);
	*pos = comma != NULL ? (size_t)(comma - list.ptr) + 1 : list.len + 1;
	*entry = str_trim((struct str){list.ptr + from, *pos - 1 - from});
	return true;
}

/* -- numbers ---------------------------------------------------------------------------------- */

static const char *check_type_name(enum config_type type)
{
	switch (type) {
	case CONFIG_TYPE_INT:
		return "Not a number of type INT";
	case CONFIG_TYPE_SHORT:
		return "Not a number of type SHORT";
	case CONFIG_TYPE_LONG:
		return "Not a number of type LONG";
	case CONFIG_TYPE_DOUBLE:
		return "Not a number of type DOUBLE";
	case CONFIG_TYPE_BOOLEAN:
	case CONFIG_TYPE_STRING:
	case CONFIG_TYPE_LIST:
	case CONFIG_TYPE_CLASS:
	case CONFIG_TYPE_PASSWORD:
		break;
	}
	never("a type without numbers");
}

static bool check_fits(enum config_type type, int64_t number)
{
	if (type == CONFIG_TYPE_SHORT)
		return number >= INT16_MIN && number <= INT16_MAX;
	if (type == CONFIG_TYPE_INT)
		return number >= INT32_MIN && number <= INT32_MAX;
	return true;
}

static bool check_read_integer(enum config_type type, struct str text, int64_t *out)
{
	if (text.len > 1 && text.ptr[0] == '+' && text.ptr[1] != '-') {
		text.ptr++;
		text.len--;
	}
	return str_to_int64(text, out) && check_fits(type, *out);
}

/* Decimal only: no hexadecimal, no NaN, no infinity. */
static bool check_read_double(struct str text, double *out)
{
	char copy[64];
	char *end;

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (strchr("0123456789+-.eE", text.ptr[i]) == NULL || text.ptr[i] == '\0')
			return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	*out = strtod(copy, &end);
	return *end == '\0' && isfinite(*out);
}

/* As Java prints it: 0.5, 100.0, 1.0E7. */
static void check_print_double(double real, char *buf, size_t size_bytes)
{
	char text[40], digits[24];
	int exponent, len = 0;

	for (int precision = 0; precision < 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, real);
		if (strtod(text, NULL) == real)
			break;
	}
	exponent = atoi(strchr(text, 'e') + 1);
	for (const char *c = text; *c != 'e'; c++)
		if (*c >= '0' && *c <= '9')
			digits[len++] = *c;
	digits[len] = '\0';
	if (real == 0 || (exponent >= -3 && exponent < 7)) {
		int decimals = len - 1 - exponent;
		snprintf(buf, size_bytes, "%.*f", decimals > 0 ? decimals : 1, real);
		return;
	}
	snprintf(buf, size_bytes, "%s%c.%sE%d", real < 0 ? "-" : "", digits[0],
		 len > 1 ? digits + 1 : "0", exponent);
}

static void check_print_bound(double bound, char *buf, size_t size_bytes)
{
	if (bound == floor(bound))
		snprintf(buf, size_bytes, "%.0f", bound);
	else
		check_print_double(bound, buf, size_bytes);
}

static enum err check_range(enum config_id id, struct str value, double number, char *message)
{
	const struct config_row *row = &config_rows[id];
	char bound[48], why[80];

	if (row->check.kind == CONFIG_CHECK_MINUS1_OR) {
		if (number == -1 || (number >= row->check.low && number <= row->check.high))
			return ERR_OK;
		snprintf(why, sizeof(why), "Value must be between %.0f and %.0f or equal to -1",
			 row->check.low, row->check.high);
		return check_invalid(id, value, message, why);
	}
	if (row->check.kind != CONFIG_CHECK_RANGE)
		return ERR_OK;
	if (number >= row->check.low && number <= row->check.high)
		return ERR_OK;
	check_print_bound(number < row->check.low ? row->check.low : row->check.high, bound,
			  sizeof(bound));
	snprintf(why, sizeof(why), "Value must be %s %s",
		 number < row->check.low ? "at least" : "no more than", bound);
	if (row->type == CONFIG_TYPE_DOUBLE) {
		char printed[48];
		check_print_double(number, printed, sizeof(printed));
		return check_invalid(id, str_of(printed), message, why);
	}
	return check_invalid(id, value, message, why);
}

static enum err check_number(enum config_id id, struct str value, struct config_parsed *out,
			     char *message)
{
	enum config_type type = config_rows[id].type;
	bool ok = type == CONFIG_TYPE_DOUBLE ? check_read_double(value, &out->real)
					     : check_read_integer(type, value, &out->number);

	if (!ok)
		return check_invalid(id, value, message, check_type_name(type));
	return check_range(id, value, type == CONFIG_TYPE_DOUBLE ? out->real : (double)out->number,
			   message);
}

static enum err check_boolean(enum config_id id, struct str value, struct config_parsed *out,
			      char *message)
{
	out->number = str_eq_nocase(value, STR("true"));
	if (out->number == 1 || str_eq_nocase(value, STR("false")))
		return ERR_OK;
	return check_invalid(id, value, message, "Expected value to be either true or false");
}

/* -- words ------------------------------------------------------------------------------------ */

/* Lists of words are written with a comma alone in the table, and with a space behind it in
 * messages. */
static void check_print_words(const char *words, char *buf, size_t size_bytes)
{
	size_t len = 0;

	for (const char *c = words; *c != '\0' && len + 3 < size_bytes; c++) {
		buf[len++] = *c;
		if (*c == ',')
			buf[len++] = ' ';
	}
	buf[len] = '\0';
}

static bool check_is_word(const struct config_check *check, struct str value)
{
	struct str word;
	size_t pos = 0;

	while (config_list_next(str_of(check->words), &pos, &word))
		if (check->kind == CONFIG_CHECK_ONE_OF_ANYCASE ? str_eq_nocase(word, value)
							       : str_eq(word, value))
			return true;
	return false;
}

static enum err check_word(enum config_id id, struct str value, char *message)
{
	const struct config_check *check = &config_rows[id].check;
	char words[160], why[240];

	if (check_is_word(check, value))
		return ERR_OK;
	check_print_words(check->words, words, sizeof(words));
	snprintf(why, sizeof(why), "String must be one of%s: %s",
		 check->kind == CONFIG_CHECK_ONE_OF_ANYCASE ? " (case insensitive)" : "", words);
	return check_invalid(id, value, message, why);
}

/* "latest", "earliest" or "by_duration:" and an ISO-8601 duration that is not negative. */
static bool check_is_duration(struct str text)
{
	bool any = false, time = false;

	if (text.len < 2 || (text.ptr[0] != 'P' && text.ptr[0] != 'p'))
		return false;
	for (size_t i = 1; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == 'T' || c == 't') {
			if (time)
				return false;
			time = true;
		} else if (strchr(time ? "HMShms" : "Dd", c) != NULL && c != '\0') {
			if (text.ptr[i - 1] < '0' || text.ptr[i - 1] > '9')
				return false;
			any = true;
		} else if ((c < '0' || c > '9') && c != '.') {
			return false;
		}
	}
	return any && text.ptr[text.len - 1] >= 'A';
}

static enum err check_reset(enum config_id id, struct str value, char *message)
{
	struct str prefix = STR("by_duration:");
	char why[240];

	if (str_eq(value, STR("latest")) || str_eq(value, STR("earliest")))
		return ERR_OK;
	if (str_starts(value, prefix) &&
	    check_is_duration((struct str){value.ptr + prefix.len, value.len - prefix.len}))
		return ERR_OK;
	snprintf(why, sizeof(why),
		 "The value must be either 'earliest', 'latest' or of the format "
		 "'by_duration:<PnDTnHnMn.nS>'.");
	return check_invalid(id, value, message, why);
}

static bool check_is_replica(struct str entry)
{
	const char *colon = memchr(entry.ptr, ':', entry.len);
	size_t at = colon != NULL ? (size_t)(colon - entry.ptr) : 0;

	if (at == 0 || at + 1 == entry.len)
		return false;
	for (size_t i = 0; i < entry.len; i++)
		if (i != at && (entry.ptr[i] < '0' || entry.ptr[i] > '9'))
			return false;
	return true;
}

static enum err check_replicas(enum config_id id, struct str value, char *message)
{
	struct str entry;
	size_t pos = 0;
	char why[240];

	if (str_eq(value, STR("*")))
		return ERR_OK;
	while (config_list_next(value, &pos, &entry)) {
		if (check_is_replica(entry))
			continue;
		snprintf(
		    why, sizeof(why),
		    "%s must be the literal '*' or a list of replicas in the following format: "
		    "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
		    config_rows[id].name);
		return check_invalid(id, value, message, why);
	}
	return ERR_OK;
}

static enum err check_counts(enum config_id id, struct str value, char *message)
{
	struct str entry;
	size_t pos = 0;
	int64_t count;

	while (config_list_next(value, &pos, &entry)) {
		size_t colon = entry.len;
		while (colon > 0 && entry.ptr[colon - 1] != ':')
			colon--;
		if (colon >= 2 &&
		    str_to_int64((struct str){entry.ptr + colon, entry.len - colon}, &count) &&
		    count >= 0)
			continue;
		return check_invalid(id, value, message,
				     "Entries must be in the form {host}:{number}");
	}
	return ERR_OK;
}

static enum err check_list(enum config_id id, struct str value, char *message)
{
	const struct config_row *row = &config_rows[id];
	char words[160];
	struct str entry;
	size_t pos = 0;
	enum err err;

	if (row->check.kind == CONFIG_CHECK_REPLICAS)
		return check_replicas(id, value, message);
	if (value.len == 0 && row->check.filled) {
		check_print_words(row->check.words != NULL ? row->check.words : "", words,
				  sizeof(words));
		snprintf(message, CONFIG_MESSAGE_SIZE,
			 "Configuration '%s' must not be empty. Valid values include: %s%s%s",
			 row->name, row->check.words != NULL ? "[" : "any non-empty value", words,
			 row->check.words != NULL ? "]" : "");
		return ERR_INVALID_CONFIG;
	}
	while (config_list_next(value, &pos, &entry)) {
		if (entry.len == 0) {
			snprintf(message, CONFIG_MESSAGE_SIZE,
				 "Configuration '%s' values must not be empty.", row->name);
			return ERR_INVALID_CONFIG;
		}
		if (row->check.kind == CONFIG_CHECK_ONE_OF &&
		    (err = check_word(id, entry, message)) != ERR_OK)
			return err;
	}
	return ERR_OK;
}

static enum err check_string(enum config_id id, struct str value, char *message)
{
	switch (config_rows[id].check.kind) {
	case CONFIG_CHECK_ONE_OF:
	case CONFIG_CHECK_ONE_OF_ANYCASE:
		return check_word(id, value, message);
	case CONFIG_CHECK_RESET:
		return check_reset(id, value, message);
	case CONFIG_CHECK_COUNTS:
		return check_counts(id, value, message);
	case CONFIG_CHECK_NON_EMPTY:
		if (value.len == 0)
			return check_invalid(id, value, message, "String must be non-empty");
		return ERR_OK;
	case CONFIG_CHECK_ANY:
	case CONFIG_CHECK_RANGE:
	case CONFIG_CHECK_MINUS1_OR:
	case CONFIG_CHECK_NON_NULL:
	case CONFIG_CHECK_REPLICAS:
		break;
	}
	return ERR_OK;
}

static enum err check_null(enum config_id id, char *message)
{
	const struct config_row *row = &config_rows[id];

	if (row->value_default == NULL && row->check.kind != CONFIG_CHECK_RANGE)
		return ERR_OK;
	if (row->type == CONFIG_TYPE_LIST) {
		snprintf(message, CONFIG_MESSAGE_SIZE,
			 "Configuration '%s' values must not be null.", row->name);
		return ERR_INVALID_CONFIG;
	}
	return check_invalid(id, STR_NULL, message, "Value must be non-null");
}

enum err config_parse(enum config_id id, struct str value, struct config_parsed *out,
		      char message[CONFIG_MESSAGE_SIZE])
{
	must(id >= 0 && id < CONFIG_COUNT);
	*out = (struct config_parsed){.number = -1};
	if (value.ptr == NULL)
		return check_null(id, message);
	value = str_trim(value);
	switch (config_rows[id].type) {
	case CONFIG_TYPE_BOOLEAN:
		return check_boolean(id, value, out, message);
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_SHORT:
	case CONFIG_TYPE_LONG:
	case CONFIG_TYPE_DOUBLE:
		return check_number(id, value, out, message);
	case CONFIG_TYPE_LIST:
		return check_list(id, value, message);
	case CONFIG_TYPE_STRING:
	case CONFIG_TYPE_CLASS:
	case CONFIG_TYPE_PASSWORD:
		return check_string(id, value, message);
	}
	never("a type of config");
}

enum err config_check(enum config_id id, struct str value, char message[CONFIG_MESSAGE_SIZE])
{
	struct config_parsed parsed;

	return config_parse(id, value, &parsed, message);
}

/* -- back to text ----------------------------------------------------------------------------- */

static bool check_stands_before(struct str list, size_t end, struct str entry)
{
	struct str other;
	size_t pos = 0;

	while (pos < end && config_list_next((struct str){list.ptr, end - 1}, &pos, &other))
		if (str_eq(other, entry))
			return true;
	return false;
}

static struct str check_print_list(struct str value, struct arena *arena)
{
	char *out = arena_alloc(arena, value.len + 1);
	struct str entry;
	size_t pos = 0, len = 0, count = 0, at = 0;

	if (out == NULL)
		return STR_NULL;
	for (; config_list_next(value, &pos, &entry); at = pos) {
		if (count++ < LIST_DISTINCT_MAX && at > 0 && check_stands_before(value, at, entry))
			continue;
		if (len > 0)
			out[len++] = ',';
		memcpy(out + len, entry.ptr, entry.len);
		len += entry.len;
	}
	out[len] = '\0';
	return (struct str){out, len};
}

struct str config_canonical(enum config_id id, struct str value, struct arena *arena)
{
	char message[CONFIG_MESSAGE_SIZE], text[48];
	struct config_parsed parsed;

	if (value.ptr == NULL || config_parse(id, value, &parsed, message) != ERR_OK)
		return arena_str(arena, value);
	value = str_trim(value);
	switch (config_rows[id].type) {
	case CONFIG_TYPE_BOOLEAN:
		return parsed.number != 0 ? STR("true") : STR("false");
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_SHORT:
	case CONFIG_TYPE_LONG:
		return arena_printf(arena, "%lld", (long long)parsed.number);
	case CONFIG_TYPE_DOUBLE:
		check_print_double(parsed.real, text, sizeof(text));
		return arena_str(arena, str_of(text));
	case CONFIG_TYPE_LIST:
		return check_print_list(value, arena);
	case CONFIG_TYPE_STRING:
	case CONFIG_TYPE_CLASS:
	case CONFIG_TYPE_PASSWORD:
		break;
	}
	return arena_printf(arena, "%.*s", STR_ARG(value));
}

void config_allowed(enum config_id id, char *buf, size_t size_bytes)
{
	static const char *const what[] = {
	    [CONFIG_TYPE_BOOLEAN] = "true or false",
	    [CONFIG_TYPE_STRING] = "a text",
	    [CONFIG_TYPE_INT] = "an integer of 32 bits",
	    [CONFIG_TYPE_SHORT] = "an integer of 16 bits",
	    [CONFIG_TYPE_LONG] = "an integer of 64 bits",
	    [CONFIG_TYPE_DOUBLE] = "a number",
	    [CONFIG_TYPE_LIST] = "a list, separated by commas",
	    [CONFIG_TYPE_CLASS] = "the name of a class",
	    [CONFIG_TYPE_PASSWORD] = "a password",
	};
	const struct config_row *row = &config_rows[id];
	char low[48], high[48], words[160];

	check_print_words(row->check.words != NULL ? row->check.words : "", words, sizeof(words));
	check_print_bound(row->check.low, low, sizeof(low));
	check_print_bound(row->check.high, high, sizeof(high));
	switch (row->check.kind) {
	case CONFIG_CHECK_RANGE:
		if (isinf(row->check.high))
			snprintf(buf, size_bytes, "%s, at least %s", what[row->type], low);
		else
			snprintf(buf, size_bytes, "%s from %s to %s", what[row->type], low, high);
		return;
	case CONFIG_CHECK_MINUS1_OR:
		snprintf(buf, size_bytes, "-1, or %s from %s to %s", what[row->type], low, high);
		return;
	case CONFIG_CHECK_ONE_OF:
	case CONFIG_CHECK_ONE_OF_ANYCASE:
		snprintf(buf, size_bytes, "%s: %s",
			 row->type == CONFIG_TYPE_LIST ? "a list of" : "one of", words);
		return;
	case CONFIG_CHECK_NON_EMPTY:
		snprintf(buf, size_bytes, "%s that is not empty", what[row->type]);
		return;
	case CONFIG_CHECK_RESET:
		snprintf(buf, size_bytes, "latest, earliest or by_duration:PnDTnHnMn.nS");
		return;
	case CONFIG_CHECK_COUNTS:
		snprintf(buf, size_bytes, "entries in the form {host}:{number}");
		return;
	case CONFIG_CHECK_REPLICAS:
		snprintf(buf, size_bytes, "* or a list of partition:broker");
		return;
	case CONFIG_CHECK_ANY:
	case CONFIG_CHECK_NON_NULL:
		break;
	}
	snprintf(buf, size_bytes, "%s%s", what[row->type],
		 row->check.filled ? ", with at least one entry" : "");
}
