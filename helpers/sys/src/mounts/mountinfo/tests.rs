use super::*;
use std::io::{Cursor, SeekFrom};

const TEXT: &[u8] = b"21 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
    40 21 0:51 / /app rw,nosuid,nodev,relatime master:7 propagate_from:2 - fuse.fuse-zip fuse-zip ro,user_id=20001,group_id=20002\n\
    41 21 0:52 / /my\\040app rw - tmpfs t rw\n\
    junk\n\
    42 40 0:53 / /app rw - tmpfs  rw\n\
    43 21 0:54 / /all rw - fuse.x x rw,user_id=20001,group_id=20002,allow_other\n";

/// Hands a text out in pieces, as the kernel does.
struct Pieces<'a>(Cursor<&'a [u8]>, usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

impl Seek for Pieces<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.0.seek(to)
    }
}

fn parse(text: &[u8]) -> Vec<Mount> {
    select(Cursor::new(text), |_| true).unwrap()
}

#[test]
fn every_field_that_is_used_is_read_wherever_the_text_is_cut() {
    for size in [1, 2, 7, 64, 10_000] {
        let mounts = select(Pieces(Cursor::new(TEXT), size), |_| true).unwrap();
        assert_eq!(mounts.len(), 5);
        assert_eq!(mounts[4].owner, (0, 0));
        assert_eq!(mounts[1].owner, (20001, 20002));
        assert_eq!((mounts[1].major, mounts[1].minor), (0, 51));
        assert!(mounts[1].is_fuse() && !mounts[0].is_fuse());
        assert_eq!(mounts[2].mountpoint, b"/my app");
        let writable: Vec<_> = mounts.iter().map(|mount| mount.writable).collect();
        assert_eq!(writable, [true, false, true, true, true]);
        let slaves: Vec<_> = mounts.iter().map(|mount| mount.is_slave).collect();
        assert_eq!(slaves, [false, true, false, false, false]);
        assert_eq!(mounts[3].owner, (0, 0));
    }
}

#[test]
fn a_line_of_any_length_is_one_mount_and_the_next_is_read() {
    let long = "\\040".repeat(1 << 20);
    let text = format!(
        "40 21 0:51 /{long} /app rw shared:1 - fuse.x {long} rw,user_id=7,group_id=8,{long}\n\
         41 21 0:52 / /{long} rw - fuse.{long} x rw,user_id=9\n\
         42 21 0:53 / /after rw,{long} {long} master:3 - tmpfs x ro,{long},user_id=3\n"
    );
    let mounts = parse(text.as_bytes());
    let seen: Vec<_> = mounts
        .iter()
        .map(|mount| {
            (
                mount.minor,
                mount.mountpoint.as_slice(),
                mount.owner,
                mount.is_slave,
            )
        })
        .collect();
    let expected: [(u32, &[u8], _, _); 3] = [
        (51, b"/app", (7, 8), false),
        (52, b"", (9, 0), false),
        (53, b"/after", (0, 0), true),
    ];
    assert_eq!(seen, expected);
    assert!(mounts[1].is_fuse() && mounts[1].fstype.len() <= TYPE_LIMIT);
    assert!(mounts[0].writable && !mounts[2].writable);
}

#[test]
fn a_number_that_was_cut_within_an_option_is_no_number() {
    let text = format!(
        "4 2 0:5 / /a rw - fuse x rw,{},user_id=20001\n",
        "y".repeat(OPTIONS_LIMIT - 14)
    );
    assert_eq!(parse(text.as_bytes())[0].owner, (0, 0));
}

#[test]
fn a_text_that_ends_within_a_line_is_no_answer() {
    for length in [1, 20, TEXT.len() - 1] {
        let error = select(Cursor::new(&TEXT[..length]), |_| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length}");
    }
}

#[test]
fn the_connection_of_a_block_device_has_its_major_number_in_it() {
    let mounts = parse(b"4 2 8:1 / /a rw - fuseblk /dev/sda1 rw\n5 2 0:61 / /b rw - fuse x rw\n");
    let connections: Vec<_> = mounts.iter().map(Mount::connection).collect();
    assert_eq!(connections, [8_388_609, 61]);
}

#[test]
fn the_top_of_a_stack_is_the_one_nothing_is_mounted_on() {
    let mounts = parse(TEXT);
    assert_eq!(top(&mounts, b"/app").map(|mount| mount.id), Some(42));
    assert_eq!(top(&mounts, b"/").map(|mount| mount.id), Some(21));
    assert_eq!(top(&mounts, b"/none"), None);
    // A moved mount keeps its place in the list (mount --move).
    let moved = b"42 41 0:50 / /app rw - fuse b rw\n41 21 0:49 / /app rw - fuse a rw\n43 42 0:51 / /app rw - fuse c rw\n";
    assert_eq!(top(&parse(moved), b"/app").map(|mount| mount.id), Some(43));
}
