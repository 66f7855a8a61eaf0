//! Slow filesystems that are well, and host mounts that go away and come back.
