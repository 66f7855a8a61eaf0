// payload: says through the FIFO /stamp when it runs (CLOCK_MONOTONIC), and ends; its end is the end of the FIFO's writer.
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long long stamp = now.tv_sec * 1000000000LL + now.tv_nsec;
	int fifo = open("/stamp", O_WRONLY);
	if (fifo < 0 || write(fifo, &stamp, sizeof stamp) != sizeof stamp)
		return 1;
	return 0;
}
