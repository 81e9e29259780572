//! An allocator that counts per thread, because tests run in parallel.
//!
//! The only file of the workspace that contains `unsafe`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with counts for each thread. A program uses it as its `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    // Without a destructor or a lazy initializer: an allocator must not allocate.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// The number of times the current thread has allocated or grown memory. Always 0 in a program without [`Counting`].
pub fn allocations() -> u64 {
    COUNT.get()
}

/// The bytes that the current thread has allocated and not freed. Memory allocated by one thread and freed by another
/// counts for both. Always 0 in a program without [`Counting`].
pub fn live_bytes() -> i64 {
    LIVE.get()
}

fn count(bytes: usize) {
    COUNT.set(COUNT.get() + 1);
    add(bytes);
}

fn add(bytes: usize) {
    LIVE.set(LIVE.get() + bytes as i64);
}

fn subtract(bytes: usize) {
    LIVE.set(LIVE.get() - bytes as i64);
}

#[allow(unsafe_code, reason = "an allocator requires it; this one only counts and forwards")]
// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        subtract(layout.size());
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        subtract(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }
}
