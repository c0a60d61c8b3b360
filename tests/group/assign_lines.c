/*
 * `test_assignor --lines`: the assignors alone, a group a line, for who has another's to compare
 * them with (interop/ab/test_assignors.py). Words with a space between:
 *
 *	ASSIGNOR TOPICS MEMBERS, of each topic its partitions, of each member
 *	ID INSTANCE|- N, N topics, N, N pairs of topic and partition that it had
 *
 * Topics are told by number. The answer: of each member N, N pairs of topic and partition.
 */
#include "assign_lines.h"

#include <stdio.h>
#include <stdlib.h>

#include "group/assignor.h"

#define LINE_MAX_BYTES (1 << 20)

static struct str lines_word(char **at)
{
	char *word = strtok_r(NULL, " \n", at);

	must(word != NULL);
	return str_of(word);
}

static uint32_t lines_number(char **at)
{
	unsigned long value = strtoul(lines_word(at).ptr, NULL, 10);

	must(value < 100000);
	return (uint32_t)value;
}

static void lines_member(struct assignor_member *m, char **at, struct arena *arena)
{
	struct str instance;
	struct tp *before;
	uint32_t *topics;
	size_t len;

	m->id = lines_word(at);
	instance = lines_word(at);
	if (!str_eq(instance, STR("-")))
		m->instance_id = instance;
	m->topics_len = lines_number(at);
	topics = arena_array(arena, m->topics_len + 1, sizeof(*topics));
	must(topics != NULL);
	for (size_t i = 0; i < m->topics_len; i++)
		topics[i] = lines_number(at);
	m->topics = topics;
	len = lines_number(at);
	before = arena_array(arena, len + 1, sizeof(*before));
	must(before != NULL);
	for (size_t i = 0; i < len; i++) {
		before[i].topic = uuid_of(7, lines_number(at));
		before[i].partition = (int32_t)lines_number(at);
	}
	m->before = tpset_make(before, len);
}

static void lines_print(const struct assignor_spec *spec)
{
	for (size_t m = 0; m < spec->members_len; m++) {
		struct tpset target = spec->members[m].target;

		printf("%zu ", target.len);
		for (size_t i = 0; i < target.len; i++)
			printf("%d %d ", target.at[i].topic.b[15], target.at[i].partition);
	}
	printf("\n");
	(void)fflush(stdout);
}

static void lines_answer(char *line)
{
	struct assignor_spec spec = {0};
	struct assignor_topic *topics;
	struct arena arena;
	assignor_fn assign;
	char *at = line;

	arena_init(&arena, (size_t)1 << 28);
	assign = assignor_by_name(str_of(strtok_r(line, " ", &at)));
	spec.topics_len = lines_number(&at);
	spec.members_len = lines_number(&at);
	topics = arena_array(&arena, spec.topics_len + 1, sizeof(*topics));
	spec.members = arena_array(&arena, spec.members_len + 1, sizeof(*spec.members));
	must(assign != NULL && topics != NULL && spec.members != NULL && spec.topics_len < 256);
	for (size_t t = 0; t < spec.topics_len; t++)
		topics[t] = (struct assignor_topic){uuid_of(7, t), (int32_t)lines_number(&at)};
	spec.topics = topics;
	for (size_t m = 0; m < spec.members_len; m++)
		lines_member(&spec.members[m], &at, &arena);
	must(assign(&spec, &arena) == ERR_OK);
	lines_print(&spec);
	arena_fini(&arena);
}

int assign_lines(void)
{
	char *line = malloc(LINE_MAX_BYTES);

	must(line != NULL);
	while (fgets(line, LINE_MAX_BYTES, stdin) != NULL)
		lines_answer(line);
	free(line);
	return 0;
}
