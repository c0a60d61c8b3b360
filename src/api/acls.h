/*
 * Access control lists, of which there are none: what Apache Kafka answers without
 * authorizer.class.name, so that clients that mirror or list them know that there are none to see.
 */
#ifndef API_ACLS_H
#define API_ACLS_H

#include "base/str.h"

#define ACLS_ERR     ERR_SECURITY_DISABLED
#define ACLS_MESSAGE STR("No Authorizer is configured.")

#endif
