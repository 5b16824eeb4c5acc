//! This process's memory, read by a signal handler.
//!
//! A load from an address where nothing is mapped faults; the handler of faults (`signals`) knows the one
//! instruction with which such loads are made, and lets it go on as one that failed.

use ferdelance_interpreter::Memory;

std::arch::global_asm!(
    ".global fdl_load",
    ".hidden fdl_load",
    ".type fdl_load, @function",
    "fdl_load:",
    "    .cfi_startproc",
    // (address, *out) -> whether it worked
    ".global fdl_load_at",
    ".hidden fdl_load_at",
    "fdl_load_at:",
    "    mov rdi, [rdi]",
    "    mov [rsi], rdi",
    "    mov eax, 1",
    "    ret",
    ".global fdl_load_failed",
    ".hidden fdl_load_failed",
    "fdl_load_failed:",
    "    xor eax, eax",
    "    ret",
    "    .cfi_endproc",
    ".size fdl_load, .-fdl_load",
);

unsafe extern "C" {
    fn fdl_load(address: u64, out: *mut u64) -> u32;
    static fdl_load_at: u8;
    static fdl_load_failed: u8;
}

/// The instruction that may fault, and where to go on if it does.
pub fn fix() -> (u64, u64) {
    let address = |label: *const u8| label.addr() as u64;
    (
        address(&raw const fdl_load_at),
        address(&raw const fdl_load_failed),
    )
}

/// Memory of the process that runs this.
pub struct Own;

/// Where programs have memory: not the first page, not the kernel's half.
const FIRST: u64 = 4096;
const LAST: u64 = 0x7fff_ffff_fff8;

impl Memory for Own {
    fn word(&mut self, address: u64) -> Option<u64> {
        if !(FIRST..LAST).contains(&address) || address & 7 != 0 {
            return None;
        }
        let mut value = 0;
        // SAFETY: if there is nothing to be read, the handler of faults makes the call return 0.
        (unsafe { fdl_load(address, &raw mut value) } != 0).then_some(value)
    }
}
