/* The handlers that exist: dispatch and ApiVersions know no other list. */
#include "api/api.h"
#include "api/handlers.h"

const struct api_handler *const api_table[] = {
    &api_produce,
    &api_fetch,
    &api_list_offsets,
    &api_metadata,
    &api_api_versions,
    &api_create_topics,
    &api_delete_topics,
    &api_delete_records,
    &api_init_producer_id,
    &api_offset_for_leader_epoch,
    &api_describe_configs,
    &api_alter_configs,
    &api_create_partitions,
    &api_incremental_alter_configs,
    &api_list_partition_reassignments,
    &api_describe_cluster,
    &api_describe_topic_partitions,
    NULL,
};
