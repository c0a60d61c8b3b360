/* Checks and records that more than one part of the controller makes. */
#ifndef META_CONTROLLER_RECORDS_H
#define META_CONTROLLER_RECORDS_H

#include "meta/controller_impl.h"

/* A null value: back to the default. */
void controller_put_config(struct mrec_list *list, enum image_config_type type, struct str resource,
			   struct str key, struct str value);
/*
 * KIP-966: a change of min.insync.replicas clears the eligible replicas of the topic, or, made for
 * all brokers, of all topics. Nothing for other keys, or while the feature is off.
 */
void controller_put_clear_elr(const struct controller *ctl, struct mrec_list *list,
			      enum image_config_type type, struct str resource, struct str key);

/* -- replicas (controller_replicas.c): Kafka's checks, with its messages ---------------------- */

enum err controller_check_factor(struct controller *ctl, struct arena *arena, int factor,
				 struct str *message) must_check;
/* factor: of the partitions before, -1 for the first. */
enum err controller_check_assignment(struct controller *ctl, struct arena *arena,
				     const struct controller_assignment *assignment, int32_t idx,
				     int factor, struct str *message) must_check;
/* The replicas that are live are in sync, the first of them leads. */
enum err controller_put_partition(struct controller *ctl, struct mrec_list *list,
				  struct arena *arena, struct uuid topic_id, int32_t idx,
				  const int32_t *brokers, size_t len) must_check;

#endif
