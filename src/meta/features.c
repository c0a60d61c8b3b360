/* share.version and streams.version are not built yet. */
#include "meta/features.h"

#include "base/must.h"

const struct feature features_table[] = {
    {"eligible.leader.replicas.version", 0, 1},
    {"group.version", 0, 1},
    {"kraft.version", 0, 1},
    {"metadata.version", 7, 30},
    {"transaction.version", 0, 2},
};

const size_t features_len = ARRAY_LEN(features_table);
