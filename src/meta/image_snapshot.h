/*
 * An image as the records that make it: what a snapshot of the metadata log holds. Applying them to
 * an empty image gives the same image again.
 */
#ifndef META_IMAGE_SNAPSHOT_H
#define META_IMAGE_SNAPSHOT_H

#include "meta/image.h"
#include "meta/mrec.h"

/* Gets the records in portions and clears the list. */
typedef enum err (*image_sink_fn)(void *ctx, struct mrec_list *list);

/* Only reads the image, so it may run on a worker while a reference is held. */
enum err image_snapshot(const struct image *img, image_sink_fn sink, void *ctx) must_check;

#endif
