/* A program that knows nothing of the library: makes a segment, fills it, says that it is ready, and waits for the end of
 * its input. Takes the key. With a second argument it goes on counting `tail`. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

typedef struct {
	double x, y;
	float z;
} position_t;

enum axis_state { AXIS_IDLE, AXIS_MOVING = 3, AXIS_STOPPED = AXIS_MOVING, AXIS_BROKEN = -1 };

typedef enum { LOW = 1, HIGH = 4000000000u } level_t;

union reading {
	uint32_t raw;
	float volts;
	unsigned char bytes[4];
};

struct axis {
	enum axis_state state;
	int16_t target[2][3];
	char label[6];
};

struct __attribute__((packed)) wire {
	uint8_t kind;
	uint32_t length;
	uint16_t check;
};

struct motion_status {
	int tail;
	position_t pos;
	struct axis axes[2];
	unsigned ready : 1;
	signed int error : 4;
	unsigned speed : 20;
	enum axis_state mode : 3;
	union reading reading;
	struct motion_status *next;
	void (*callback)(int);
	const char *name;
	union {
		struct {
			uint8_t low, high;
		};
		uint16_t word;
	};
	struct wire wire;
	bool on;
	signed char small;
	unsigned char flags[3];
	char letter;
	char title[12];
	level_t level;
	long double exact;
	unsigned long long huge;
	size_t many;
	struct {
		int inner;
	} unnamed_type;
	volatile const long fixed;
	char log[];
};

int main(int argc, char **argv)
{
	const char *log = "all is well";
	size_t size = sizeof(struct motion_status) + 16;
	int id;
	struct motion_status *m;

	if (argc < 2)
		return 2;
	id = shmget((key_t)strtoul(argv[1], NULL, 0), size, IPC_CREAT | IPC_EXCL | 0600);
	if (id < 0)
		return perror("shmget"), 1;
	m = shmat(id, NULL, 0);
	if (m == (void *)-1)
		return perror("shmat"), 1;
	m->tail = 17;
	m->pos.x = 1.25;
	m->pos.y = -0.5;
	m->pos.z = 3;
	m->axes[0].state = AXIS_MOVING;
	m->axes[0].target[1][2] = -12;
	strcpy(m->axes[0].label, "left");
	m->axes[1].state = AXIS_BROKEN;
	memcpy(m->axes[1].label, "rightx", 6);
	m->ready = 1;
	m->error = -3;
	m->speed = 777777;
	m->mode = AXIS_BROKEN;
	m->reading.volts = 1.5f;
	m->next = (struct motion_status *)(uintptr_t)0x1000;
	m->word = 0x0201;
	m->wire.kind = 9;
	m->wire.length = 70000;
	m->wire.check = 513;
	m->on = true;
	m->small = -7;
	m->flags[1] = 200;
	m->letter = 'A';
	strcpy(m->title, "a\033[2Jb");
	m->level = HIGH;
	m->exact = 1.5L;
	m->huge = UINT64_MAX;
	m->many = 5;
	m->unnamed_type.inner = 6;
	strcpy(m->log, log);
	puts("ready");
	fflush(stdout);
	if (argc > 2) {
		char line[16];
		while (fgets(line, sizeof line, stdin))
			m->tail++;
	} else {
		while (getchar() != EOF)
			;
	}
	shmctl(id, IPC_RMID, NULL);
	return 0;
}
