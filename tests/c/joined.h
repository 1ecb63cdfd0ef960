/* What headers of real programs have, and bindgen makes something of: see docs/joining.md. */
#include <linux/input.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <utmpx.h>

/* ntpd's, as chronyd and gpsd have it. */
struct shmTime {
	int mode;
	volatile int count;
	time_t clockTimeStampSec;
	int clockTimeStampUSec;
	time_t receiveTimeStampSec;
	int receiveTimeStampUSec;
	int leap;
	int precision;
	int nsamples;
	volatile int valid;
	unsigned clockTimeStampNSec;
	unsigned receiveTimeStampNSec;
	int dummy[8];
};

/* As LinuxCNC's: modes, positions, a tail. */
typedef struct {
	double x, y, z;
} cart;

enum motion_state { MOTION_DISABLED = 0, MOTION_FREE, MOTION_COORD = 5 };

struct motion_status {
	unsigned char head;
	int command;
	enum motion_state state;
	cart at, limits[2];
	double feed __attribute__((aligned(32)));
	char name[33];
	unsigned char tail;
};

enum job_flags { JOB_READY = 1, JOB_RUNS = 2, JOB_LATE = 4 };

/* All that has no shared type of its own. */
struct job_queue {
	pthread_mutex_t lock;
	sem_t filled;
	union {
		int pid;
		void *handle;
	} owner;
	unsigned ready : 1, priority : 3;
	enum job_flags flags;
	size_t used;
	char *title;
	void (*done)(int);
	long double load;
	_Atomic unsigned taken;
	struct job {
		int32_t id;
		char name[12];
	} jobs[];
};
