// What C++ adds: classes, inheritance, namespaces, templates, references, static members, enum classes.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/ipc.h>
#include <sys/shm.h>

namespace robot {
enum class Mode : uint8_t { Idle = 1, Running = 2 };

struct Named {
	char name[8];
};

template <typename T> class Point {
public:
	T x, y;
	static int count;
};
template <typename T> int Point<T>::count = 3;

class Status : public Named {
public:
	Point<double> at;
	Mode mode;
	int64_t *where;
	char16_t wide;
	void keep(int number) { secret = number; }

private:
	int secret;
};
} // namespace robot

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	int id = shmget((key_t)strtoul(argv[1], nullptr, 0), sizeof(robot::Status), IPC_CREAT | IPC_EXCL | 0600);
	void *memory = shmat(id, nullptr, 0);
	if (id < 0 || memory == (void *)-1)
		return 1;
	auto *status = static_cast<robot::Status *>(memory);
	strcpy(status->name, "bob");
	status->at = {1.5, robot::Point<double>::count + 0.0};
	status->mode = robot::Mode::Running;
	status->keep(42);
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	shmctl(id, IPC_RMID, nullptr);
	return 0;
}
