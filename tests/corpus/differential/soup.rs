//! Bytes without any plan: what the reader of lines does with them is all there is to see.

use crate::random::Random;

pub const PIECES: &[&[u8]] = &[
    b"\n",
    b"\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"%",
    b"%",
    b"[",
    b"]",
    b"=",
    b"=",
    b";",
    b"#",
    b"(",
    b")",
    b"$",
    b"@",
    b":",
    b"_",
    b"a",
    b"b",
    b"n",
    b"o",
    b"s",
    b"x",
    b"x",
    b"e",
    b"0",
    b"\xc3\xa4",
    b"\xff",
    b"+",
    b"-",
    b"\"",
    b"\\",
    b"\n[uwsgi]\n",
    b"%(a)",
    b"%(b",
    b"$(FOO)",
    b"a=",
    b"b=",
    b"set=",
    b"for=1 2\n",
    b"endfor\n",
    b"if-env=FOO\n",
    b"endif\n",
];

/// A file of up to a hundred pieces, most of them in the section that is read.
pub fn text(random: &mut Random) -> Vec<u8> {
    let mut text = if random.once_in(8) {
        Vec::new()
    } else {
        b"[uwsgi]\n".to_vec()
    };
    for _ in 0..random.below(100) {
        text.extend_from_slice(random.pick(PIECES));
    }
    if text.ends_with(b"%") {
        // What uWSGI reads there lies behind its buffer; the corpus (case 044) has what is meant.
        text.push(b'n');
    }
    text
}
