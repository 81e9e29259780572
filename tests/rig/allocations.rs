//! An allocator that counts, for each thread: tests run in parallel.
//!
//! The only file of the workspace with `unsafe` in it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with counts for each thread. A program takes it as its `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    // Without a destructor and without an initializer that runs: an allocator must not allocate.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// How often the running thread has allocated or grown memory. Always 0 in a program that has not taken [`Counting`].
pub fn allocations() -> u64 {
    COUNT.get()
}

/// How many bytes the running thread has allocated and not freed; what one thread allocates and another frees counts
/// for each. Always 0 in a program that has not taken [`Counting`].
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

#[allow(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]
// SAFETY: every call is passed on to the system's allocator as it came.
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
