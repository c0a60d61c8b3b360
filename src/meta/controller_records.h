/* Records that more than one part of the controller makes. */
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

#endif
