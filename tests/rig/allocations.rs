//! An allocator that counts per thread, because tests run in parallel, and that can fail.
//!
//! The only file of the workspace that contains `unsafe`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Lets an allocation fail, by whatever thread: the first from now on if `nth` is 1. Never in a program without
/// [`Counting`].
pub fn fail_allocation(nth: u64) {
    UNTIL_FAILURE.store(nth, Ordering::Relaxed);
}

/// The number of allocations until the one that fails, itself included; 0 if none is going to.
pub fn until_failure() -> u64 {
    UNTIL_FAILURE.load(Ordering::Relaxed)
}

static UNTIL_FAILURE: AtomicU64 = AtomicU64::new(0);

fn fails() -> bool {
    let one_less = |left: u64| left.checked_sub(1);
    until_failure() != 0 && UNTIL_FAILURE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) == Ok(1)
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

#[allow(unsafe_code, reason = "an allocator requires it; this one counts, forwards or fails")]
// SAFETY: every call is forwarded unchanged to the system's allocator, or fails, which leaves everything as it was.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return null_mut();
        }
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return null_mut();
        }
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if fails() {
            return null_mut();
        }
        count(new_size);
        subtract(layout.size());
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        subtract(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }
}
