/*
 * What Go calls: the functions of st_pid.h, with a handle that lives in C's memory, since Go may move its own.
 */
#ifndef PEOPLE_H
#define PEOPLE_H

#include <stdint.h>

typedef struct people people;

/* 0, or a negative code of shmbox.h; then there is no handle. A handle is for one thread at a time. */
int people_open(uint32_t key, people **opened);
/* `name` has room for 51 bytes, and gets a NUL in any case. */
int people_get(people *of, int32_t *pid, char *name, uint64_t *version);
/* Puts this process and a name in the place of what is there. */
int people_put(people *of, const char *name, uint64_t *version);
void people_close(people *of);
const char *people_error(int code);

#endif
