/*
 * ListTransactions (66), versions 0-2: the transactional ids that this broker coordinates.
 *
 * v0  by state and producer id
 * v1  by age (KIP-994)
 * v2  by a pattern of ids (here of PCRE2, which agrees with Java's in all but rarities)
 */
#include "api/handlers.h"
#include "coord/txncoord.h"
#include "group/regex.h"
#include "proto/list_transactions.h"

struct list_transactions {
	struct list_transactions_req in;
	struct list_transactions_res res;
	bool states[TXN_STATES]; /* that are asked for */
	int64_t now_ms;
	struct regex pattern;
	bool has_pattern;
};

static bool list_transactions_states(struct list_transactions *list, struct arena *arena)
{
	struct list_transactions_res *res = &list->res;

	res->unknown_state_filters =
	    arena_array(arena, list->in.state_filters_len + 1, sizeof(struct str));
	if (res->unknown_state_filters == NULL)
		return false;
	for (size_t i = 0; i < list->in.state_filters_len; i++) {
		enum txn_state state = txn_state_of_name(list->in.state_filters[i]);

		if (state == TXN_STATES)
			res->unknown_state_filters[res->unknown_state_filters_len++] =
			    list->in.state_filters[i];
		else
			list->states[state] = true;
	}
	return true;
}

static bool list_transactions_wants(const struct list_transactions *list, struct str id,
				    const struct txn_value *value)
{
	const struct list_transactions_req *in = &list->in;
	bool found = in->producer_id_filters_len == 0;
	int64_t age_ms;

	for (size_t i = 0; i < in->producer_id_filters_len; i++)
		found = found || in->producer_id_filters[i] == value->producer_id;
	if (in->state_filters_len > 0 && !list->states[value->state])
		return false;
	if (list->has_pattern && !regex_matches(&list->pattern, id))
		return false;
	if (__builtin_sub_overflow(list->now_ms, value->start_ms, &age_ms))
		age_ms = 0;
	return found && (in->duration_filter < 0 || age_ms > in->duration_filter);
}

static bool list_transactions_fill(struct list_transactions *list, struct coord *coord,
				   struct arena *arena)
{
	struct list_transactions_res *res = &list->res;
	struct txncoord_pos pos = {0};
	const struct txn_value *value;
	struct str id;

	if (!list_transactions_states(list, arena))
		return false;
	res->transaction_states =
	    list_transactions_res_transaction_state_array(arena, txncoord_len(coord));
	if (res->transaction_states == NULL)
		return false;
	while (txncoord_list_next(coord, &pos, &id, &value)) {
		struct list_transactions_res_transaction_state *to =
		    &res->transaction_states[res->transaction_states_len];

		if (!list_transactions_wants(list, id, value))
			continue;
		to->transactional_id = id;
		to->producer_id = value->producer_id;
		to->transaction_state = txn_state_name(value->state);
		res->transaction_states_len++;
	}
	return true;
}

static enum err list_transactions_compile(struct list_transactions *list)
{
	char why[REGEX_WHY_BYTES];
	enum err err;

	if (list->in.transactional_id_pattern.len == 0)
		return ERR_OK;
	err = regex_init(&list->pattern, list->in.transactional_id_pattern, why);
	list->has_pattern = err == ERR_OK;
	return err;
}

static void list_transactions_handle(struct api_loop *al, struct req *req)
{
	struct list_transactions list = {.now_ms = clock_wall_ms(al->api->clock)};
	enum err err = list_transactions_req_decode(&list.in, &req->body, req->header.api_version,
						    &req->arena);
	bool fits;

	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	list_transactions_res_init(&list.res);
	err = txncoord_list_check(al->api->coord);
	if (err == ERR_OK)
		err = list_transactions_compile(&list);
	list.res.error_code = errcode_of(err);
	fits = err != ERR_OK || list_transactions_fill(&list, al->api->coord, &req->arena);
	if (list.has_pattern)
		regex_fini(&list.pattern);
	if (!fits) {
		api_overload(req);
		return;
	}
	list_transactions_res_encode(&list.res, api_begin(req), req->header.api_version);
	api_end(req);
}

const struct api_handler api_list_transactions = {
    .key = LIST_TRANSACTIONS_API_KEY,
    .version_min = LIST_TRANSACTIONS_MIN_VERSION,
    .version_max = LIST_TRANSACTIONS_MAX_VERSION,
    .on_control = true,
    .handle = list_transactions_handle,
};
