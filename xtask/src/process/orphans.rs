//! What xtask started ends with it even if it is killed and can ask nobody to end any more.

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, getppid};
use tokio::process::Command;

/// The kernel sends the process this signal when the thread that starts it ends: start it from the main thread or one of
/// the runtime's workers, which live as long as xtask does, never from a thread of `spawn_blocking`.
// The only unsafe code: between fork and exec there is no other way in.
#[allow(unsafe_code)]
pub fn end_with_us(command: &mut Command, by: Signal) {
    let us = getpid();
    let arm = move || {
        set_pdeathsig(by)?;
        // Killed before the kernel knew of the wish.
        if getppid() != us {
            return Err(Errno::ESRCH.into());
        }
        Ok(())
    };
    // SAFETY: runs in the forked child, and only calls prctl and getppid, which are async-signal-safe; nothing is
    // allocated, no lock is taken, and errors are plain numbers.
    unsafe { command.pre_exec(arm) };
}
