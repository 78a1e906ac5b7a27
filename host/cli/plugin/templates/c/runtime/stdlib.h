/* As much of the C library's header as a plugin needs; see libc.c. */
#ifndef STDLIB_H
#define STDLIB_H

#include <stddef.h>

/* NULL where the host gives no more memory: see `memory` under [limits] in plugin.toml. */
void *malloc(size_t size);
void *realloc(void *block, size_t size);
void free(void *block);

/* Traps: the host answers the request with an error page that names the plugin. */
_Noreturn void abort(void);

#endif
