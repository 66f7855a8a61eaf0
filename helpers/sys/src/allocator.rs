//! An allocator for a program that lives for milliseconds: it hands out one piece of memory from its beginning to its end
//! and hardly ever takes anything back. musl's own maps and unmaps pages again and again, each with a system call and a
//! page fault: a seventh of a start (measured).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Thirty times what the benchmark's start takes up to its clone (eight pages, by its page faults); pages that nobody touches
/// cost nothing.
const SIZE: usize = 1 << 20;

/// The allocator; what does not fit into its memory comes from the system's.
#[derive(Debug)]
pub struct Bump {
    memory: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

// SAFETY: the memory is given out in pieces that do not overlap, by a counter that is changed atomically; what is given back
// is seen as such by whoever gets it next (AcqRel).
unsafe impl Sync for Bump {}

impl Bump {
    /// One that has given nothing yet.
    #[expect(
        clippy::new_without_default,
        reason = "there is one for a program, made when it is compiled"
    )]
    pub const fn new() -> Self {
        Self {
            memory: UnsafeCell::new([0; SIZE]),
            used: AtomicUsize::new(0),
        }
    }

    /// Where in the memory `piece` is; `None` for what is the system's.
    fn place(&self, piece: *mut u8) -> Option<usize> {
        let place = piece.addr().wrapping_sub(self.memory.get().addr());
        (place < SIZE).then_some(place)
    }

    /// Changes the end of the piece that was given last from `old` to `new`; whether it was that piece, and there is room.
    fn move_end(&self, old: usize, new: usize) -> bool {
        let moved = || {
            self.used
                .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
        };
        new <= SIZE && moved().is_ok()
    }
}

// SAFETY: a piece begins at the alignment that is asked for, ends within the memory, and is given to nobody else as long as
// `used` is not below its end; only its owner's call lowers that, when the piece is the last.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let memory = self.memory.get().cast::<u8>();
        loop {
            let used = self.used.load(Ordering::Acquire);
            // SAFETY: `used` is at most SIZE, so this is in the memory or right behind it.
            let next = unsafe { memory.add(used) };
            let begin = used + next.align_offset(layout.align());
            let Some(end) = begin.checked_add(layout.size()).filter(|end| *end <= SIZE) else {
                // SAFETY: the caller keeps GlobalAlloc's contract, which is the same there.
                return unsafe { System.alloc(layout) };
            };
            if self.move_end(used, end) {
                // SAFETY: `begin` is at most `end`, which is at most SIZE.
                return unsafe { memory.add(begin) };
            }
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.place(piece) {
            Some(place) => {
                self.move_end(place + layout.size(), place);
            }
            // SAFETY: what is not ours was the system's, with the same layout.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(place) = self.place(piece) else {
            // SAFETY: as in `dealloc`.
            return unsafe { System.realloc(piece, layout, size) };
        };
        let end = place.saturating_add(size);
        if size <= layout.size() || self.move_end(place + layout.size(), end) {
            return piece;
        }
        // SAFETY: the caller says that `size` with this alignment is a layout (GlobalAlloc::realloc).
        let larger = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !larger.is_null() {
            // SAFETY: both pieces hold that many bytes, and do not overlap.
            unsafe { ptr::copy_nonoverlapping(piece, larger, layout.size()) };
        }
        larger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn pieces_are_aligned_and_apart_and_the_last_one_grows_where_it_is() {
        static BUMP: Bump = Bump::new();
        let (small, large) = (layout(3, 1), layout(100, 64));
        // SAFETY: each piece is used within its layout, and given back once.
        unsafe {
            let first = BUMP.alloc(small);
            let second = BUMP.alloc(large);
            assert!(second.addr() % 64 == 0 && second.addr() >= first.addr() + 3);
            first.write_bytes(1, 3);
            second.write_bytes(2, 100);
            assert_eq!(BUMP.realloc(second, large, 200), second);
            // Not the last one: moved, with what is in it.
            let moved = BUMP.realloc(first, small, 5);
            assert!(moved.addr() >= second.addr() + 200);
            assert_eq!(std::slice::from_raw_parts(moved, 3), [1; 3]);
            // The last one is given back, and given again.
            BUMP.dealloc(moved, layout(5, 1));
            assert_eq!(BUMP.alloc(layout(8, 1)), moved);
        }
    }

    #[test]
    fn what_does_not_fit_is_the_systems() {
        static BUMP: Bump = Bump::new();
        let (most, more) = (layout(SIZE - 16, 1), layout(64, 8));
        // SAFETY: as above.
        unsafe {
            let inside = BUMP.alloc(most);
            let outside = BUMP.alloc(more);
            assert!(BUMP.place(inside).is_some() && BUMP.place(outside).is_none());
            outside.write_bytes(3, 64);
            let outside = BUMP.realloc(outside, more, 128);
            assert_eq!(std::slice::from_raw_parts(outside, 64), [3; 64]);
            BUMP.dealloc(outside, layout(128, 8));
            // What is inside and can grow no more goes there, too.
            let moved = BUMP.realloc(inside, most, SIZE + 1);
            assert!(BUMP.place(moved).is_none());
            BUMP.dealloc(moved, layout(SIZE + 1, 1));
        }
    }

    #[test]
    fn threads_get_pieces_of_their_own() {
        static BUMP: Bump = Bump::new();
        let take = |mark: u8| {
            let pieces: Vec<usize> = (0..500)
                .map(|_| {
                    // SAFETY: as above.
                    unsafe {
                        let piece = BUMP.alloc(layout(40, 8));
                        piece.write_bytes(mark, 40);
                        piece.expose_provenance()
                    }
                })
                .collect();
            pieces.iter().all(|piece| {
                // SAFETY: 40 bytes of each piece were written above.
                let bytes =
                    unsafe { std::slice::from_raw_parts(ptr::with_exposed_provenance::<u8>(*piece), 40) };
                bytes == [mark; 40]
            })
        };
        std::thread::scope(|scope| {
            let threads = [1, 2, 3, 4].map(|mark| scope.spawn(move || take(mark)));
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        });
    }
}
