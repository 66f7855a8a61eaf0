//! Where a short-lived program takes memory from (ARCHITECTURE D27).

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::yield_now;

/// dlmalloc behind a lock that is one exchange of a byte, as nearly all of these programs have one thread: that of the crate's own
/// allocator is a mutex of the C library, which took as long as the allocations.
#[derive(Debug)]
pub struct Memory {
    is_taken: AtomicBool,
    blocks: Blocks,
}

struct Blocks(UnsafeCell<Dlmalloc>);

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blocks")
    }
}

// SAFETY: the cell is reached by `Memory::with` only, which is in one thread at a time.
unsafe impl Sync for Blocks {}

impl Memory {
    /// All of a program's memory.
    #[expect(clippy::new_without_default, reason = "it is a constant expression")]
    pub const fn new() -> Self {
        Self {
            is_taken: AtomicBool::new(false),
            blocks: Blocks(UnsafeCell::new(Dlmalloc::new())),
        }
    }

    #[inline]
    fn with<T>(&self, step: impl FnOnce(&mut Dlmalloc) -> T) -> T {
        while self.is_taken.swap(true, Ordering::Acquire) {
            yield_now();
        }
        // SAFETY: `is_taken` was false and is true until the step is done, so nothing else has a reference to the cell's content. A
        // step is one of dlmalloc's own functions, which does not come back here.
        let done = step(unsafe { &mut *self.blocks.0.get() });
        self.is_taken.store(false, Ordering::Release);
        done
    }
}

// SAFETY: dlmalloc keeps GlobalAlloc's contract, and `with` lets one thread in at a time. A panic inside would end the program
// (`panic = "abort"`), so none unwinds out of here.
unsafe impl GlobalAlloc for Memory {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size above zero and a valid alignment, which is what dlmalloc asks for.
        self.with(|blocks| unsafe { blocks.malloc(layout.size(), layout.align()) })
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller has had the block from here, with this layout.
        self.with(|blocks| unsafe { blocks.free(block, layout.size(), layout.align()) });
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        self.with(|blocks| unsafe { blocks.calloc(layout.size(), layout.align()) })
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`, and the caller's new size is above zero.
        self.with(|blocks| unsafe { blocks.realloc(block, layout.size(), layout.align(), size) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_blocks_of_their_own() {
        static MEMORY: Memory = Memory::new();
        let work = |mark: u8| {
            for size in 1..2000 {
                let layout = Layout::from_size_align(size, 8).unwrap();
                // SAFETY: the size is above zero; the block is written within its size, and given back once with its layout.
                unsafe {
                    let block = MEMORY.alloc(layout);
                    assert!(!block.is_null());
                    block.write_bytes(mark, size);
                    let larger = MEMORY.realloc(block, layout, size * 2);
                    let written = std::slice::from_raw_parts(larger, size);
                    assert!(written.iter().all(|byte| *byte == mark));
                    MEMORY.dealloc(larger, Layout::from_size_align(size * 2, 8).unwrap());
                }
            }
        };
        std::thread::scope(|scope| {
            for mark in 1..5 {
                scope.spawn(move || work(mark));
            }
        });
    }
}
