/* One handler a file: NN_name.c defines api_name. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/api.h"

/* What Kafka says with INVALID_REQUEST where it has nothing of its own to say. */
#define API_INVALID_REQUEST_TEXT                                                                  \
	STR("This most likely occurs because of a request being malformed by the client library " \
	    "or the message was sent to an incompatible broker. See the broker logs for more "    \
	    "details.")

extern const struct api_handler api_produce;			   /* 0 */
extern const struct api_handler api_fetch;			   /* 1 */
extern const struct api_handler api_list_offsets;		   /* 2 */
extern const struct api_handler api_metadata;			   /* 3 */
extern const struct api_handler api_offset_commit;		   /* 8 */
extern const struct api_handler api_offset_fetch;		   /* 9 */
extern const struct api_handler api_find_coordinator;		   /* 10 */
extern const struct api_handler api_join_group;			   /* 11 */
extern const struct api_handler api_heartbeat;			   /* 12 */
extern const struct api_handler api_leave_group;		   /* 13 */
extern const struct api_handler api_sync_group;			   /* 14 */
extern const struct api_handler api_describe_groups;		   /* 15 */
extern const struct api_handler api_list_groups;		   /* 16 */
extern const struct api_handler api_api_versions;		   /* 18 */
extern const struct api_handler api_create_topics;		   /* 19 */
extern const struct api_handler api_delete_topics;		   /* 20 */
extern const struct api_handler api_delete_records;		   /* 21 */
extern const struct api_handler api_init_producer_id;		   /* 22 */
extern const struct api_handler api_offset_for_leader_epoch;	   /* 23 */
extern const struct api_handler api_add_partitions_to_txn;	   /* 24 */
extern const struct api_handler api_add_offsets_to_txn;		   /* 25 */
extern const struct api_handler api_end_txn;			   /* 26 */
extern const struct api_handler api_write_txn_markers;		   /* 27 */
extern const struct api_handler api_txn_offset_commit;		   /* 28 */
extern const struct api_handler api_describe_acls;		   /* 29 */
extern const struct api_handler api_create_acls;		   /* 30 */
extern const struct api_handler api_delete_acls;		   /* 31 */
extern const struct api_handler api_describe_configs;		   /* 32 */
extern const struct api_handler api_alter_configs;		   /* 33 */
extern const struct api_handler api_describe_log_dirs;		   /* 35 */
extern const struct api_handler api_create_partitions;		   /* 37 */
extern const struct api_handler api_delete_groups;		   /* 42 */
extern const struct api_handler api_elect_leaders;		   /* 43 */
extern const struct api_handler api_incremental_alter_configs;	   /* 44 */
extern const struct api_handler api_alter_partition_reassignments; /* 45 */
extern const struct api_handler api_list_partition_reassignments;  /* 46 */
extern const struct api_handler api_offset_delete;		   /* 47 */
extern const struct api_handler api_describe_quorum;		   /* 55 */
extern const struct api_handler api_describe_cluster;		   /* 60 */
extern const struct api_handler api_describe_producers;		   /* 61 */
extern const struct api_handler api_describe_transactions;	   /* 65 */
extern const struct api_handler api_list_transactions;		   /* 66 */
extern const struct api_handler api_consumer_group_heartbeat;	   /* 68 */
extern const struct api_handler api_consumer_group_describe;	   /* 69 */
extern const struct api_handler api_list_config_resources;	   /* 74 */
extern const struct api_handler api_describe_topic_partitions;	   /* 75 */

#endif
