// app READY LIFE MOUNTPOINT [FILE]: says through the FIFO READY that it runs, with 1 if a FUSE filesystem is mounted on
// MOUNTPOINT and answers, else 0; then holds the FIFO LIFE open as long as it lives. Opens FILE two hundred times a second.
#include <fcntl.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#define FUSE_SUPER_MAGIC 0x65735546

int main(int count, char **arguments)
{
	const struct timespec pause_between = {0, 5000000};
	struct statfs status;
	if (count < 4)
		return 64;
	int is_mounted = statfs(arguments[3], &status) == 0 && status.f_type == FUSE_SUPER_MAGIC;
	int ready = open(arguments[1], O_WRONLY);
	if (ready < 0 || write(ready, is_mounted ? "1" : "0", 1) != 1)
		return 1;
	if (open(arguments[2], O_WRONLY) < 0)
		return 1;
	while (count < 5)
		pause();
	for (;;) {
		int file = open(arguments[4], O_RDONLY);
		if (file >= 0)
			close(file);
		nanosleep(&pause_between, 0);
	}
}
