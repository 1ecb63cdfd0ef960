/* The C side of people.go: see people.h. */
#include "../c/st_pid.h"

#include "people.h"

struct people {
	shmbox box;
};

int people_open(uint32_t key, people **opened)
{
	people *of = (people *)malloc(sizeof *of);
	int code;

	if (of == NULL)
		return SHMBOX_ESYSTEM;
	code = st_pid_open(&of->box, (key_t)key);
	if (code == 0)
		*opened = of;
	else
		free(of);
	return code;
}

int people_get(people *of, int32_t *pid, char *name, uint64_t *version)
{
	struct st_pid value;
	int code = st_pid_get(&of->box, &value, version);

	if (code == 0) {
		*pid = value.pid;
		memcpy(name, value.names, sizeof value.names);
		name[sizeof value.names - 1] = 0;
	}
	return code;
}

int people_put(people *of, const char *name, uint64_t *version)
{
	struct st_pid value;

	if (strlen(name) >= sizeof value.names)
		return SHMBOX_EINVALID;
	memset(&value, 0, sizeof value);
	value.pid = (int32_t)getpid();
	memcpy(value.names, name, strlen(name));
	return st_pid_set(&of->box, &value, version);
}

void people_close(people *of)
{
	st_pid_close(&of->box);
	free(of);
}

const char *people_error(int code)
{
	return shmbox_strerror(code);
}
