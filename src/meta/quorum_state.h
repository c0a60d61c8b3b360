/*
 * quorum-state: who leads the metadata quorum, in which epoch. A small JSON file beside the
 * metadata log, in two forms: data_version 0 under kraft.version 0 (with the static voters), 1
 * under kraft.version 1.
 */
#ifndef META_QUORUM_STATE_H
#define META_QUORUM_STATE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct quorum_state {
	int32_t leader_id; /* -1: none */
	int32_t leader_epoch;
	int32_t voted_id; /* -1: none */
	int16_t data_version;
	bool foreign_voters; /* data_version 0 names voters other than node_id */
};

/*
 * ERR_NOFILE when there is none; ERR_BADFILE when it cannot be understood. node_id: whose file this
 * is, for foreign_voters.
 */
enum err quorum_state_read(const char *path, int32_t node_id, struct quorum_state *out) must_check;
/* Durable. The leader is the only voter. */
enum err quorum_state_write(const char *path, const struct quorum_state *state) must_check;

#endif
