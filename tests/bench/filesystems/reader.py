#!/usr/bin/python3
# reader.py PATTERN OUT: the app of a vassal whose filesystem is tried. It reads the file that PATTERN means from its first byte to
# its last, and its end once more through a descriptor of its own, as an archive may have to unpack all of it for that. It writes to
# OUT: the seconds of that, the longest single call of it, and the bytes. Then it opens the file and reads its first bytes, again and again.
import glob
import os
import sys
import time

CHUNK = 128 * 1024
longest = 0.0


def timed(call, *arguments):
    global longest
    begun = time.monotonic()
    result = call(*arguments)
    longest = max(longest, time.monotonic() - begun)
    return result


def read(path, start):
    descriptor = timed(os.open, path, os.O_RDONLY)
    os.lseek(descriptor, start, os.SEEK_SET)
    size = 0
    while chunk := timed(os.read, descriptor, CHUNK):
        size += len(chunk)
    timed(os.close, descriptor)
    return size


pattern, out = sys.argv[1:]
begun = time.monotonic()
found = glob.glob(pattern)
if not found:
    sys.exit(f"there is no '{pattern}'")
path = found[0]
size = read(path, 0)
took = time.monotonic() - begun
read(path, max(0, size - CHUNK))
with open(out + ".new", "w") as file:
    file.write(f"{took} {longest} {size}")
os.rename(out + ".new", out)
while True:
    try:
        with open(path, "rb", buffering=0) as file:
            file.read(4096)
    except OSError:
        pass
    time.sleep(0.02)
