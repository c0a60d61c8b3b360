/* Names and texts of the one error list, and the translation of errno into it. */
#include "base/err.h"

#include <errno.h>

static const struct {
	const char *name, *text;
} err_table[ERR_COUNT] = {[ERR_OK] = {"NONE", "no error"},
#define ERR(name, text) [ERR_##name] = {#name, text},
			  ERR_LIST
#undef ERR
};

const char *err_name(enum err err)
{
	must((size_t)err < ERR_COUNT);
	return err_table[err].name;
}

const char *err_text(enum err err)
{
	must((size_t)err < ERR_COUNT);
	return err_table[err].text;
}

enum err err_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return ERR_NOSPACE;
	case ENOENT:
	case ENOTDIR:
		return ERR_NOFILE;
	case EEXIST:
	case ENOTEMPTY:
		return ERR_EXISTS;
	case EMFILE:
	case ENFILE:
		return ERR_MANYFILES;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}
