// The least that a generator of drop-ins can do: reads each *.ini of the directory IN once, and writes for each a directory, a
// drop-in of the usual length and a link into the directory OUT.
// Usage: generate IN OUT
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const template = "/usr/lib/systemd/system/vassal@.service";

static int one(int in, int out, int wants, const char *name, int length)
{
	static char content[65536], text[1024], unit[300], path[400];
	int file = openat(in, name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -1;
	ssize_t read_length = read(file, content, sizeof content);
	close(file);
	int keys = 0;
	for (ssize_t at = 0; at < read_length; at++)
		keys += content[at] == '=';
	snprintf(unit, sizeof unit, "vassal@%.*s.service", length, name);
	snprintf(path, sizeof path, "%s.d", unit);
	mkdirat(out, path, 0755);
	strcat(path, "/50-vassal.conf");
	int written = snprintf(text, sizeof text,
			       "# Generated. Changes belong in the vassal's own file,\n# /etc/uwsgi/vassals/%s\n"
			       "# and are taken over by 'systemctl daemon-reload'. It has %d lines with a value.\n\n"
			       "[Unit]\nDocumentation=file:///etc/uwsgi/vassals/%s\n\n[Service]\nSlice=vassal-00.slice\n",
			       name, keys, name);
	int to = openat(out, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to < 0 || write(to, text, written) != written)
		return -1;
	close(to);
	return symlinkat(template, wants, unit);
}

int main(int count, char **arguments)
{
	if (count != 3)
		return 64;
	DIR *names = opendir(arguments[1]);
	int out = open(arguments[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!names || out < 0)
		return 1;
	mkdirat(out, "vassals.target.wants", 0755);
	int wants = openat(out, "vassals.target.wants", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	while ((entry = readdir(names))) {
		int length = (int)strlen(entry->d_name) - 4;
		if (length > 0 && !strcmp(entry->d_name + length, ".ini") &&
		    one(dirfd(names), out, wants, entry->d_name, length) < 0)
			return 2;
	}
	return 0;
}
