/*
 * Records of tables that no room reads yet: access control entries, SCRAM credentials, client
 * quotas, delegation tokens, controllers' registrations. The image keeps each as it stands in the
 * log, under what identifies it, so that a snapshot written here loses nothing of what Apache Kafka
 * stored.
 */
#ifndef META_IMAGE_KEPT_H
#define META_IMAGE_KEPT_H

#include "base/arena.h"
#include "meta/image_edit.h"

/* A record of one of these kinds, or the removal of one. */
enum err image_kept_apply(struct image *img, struct bytes record, struct arena *arena) must_check;

#endif
