//! Signal handlers: SIGPROF takes samples, SIGSEGV and SIGBUS give up those that fault.
//!
//! SIGPROF comes in on the stack of whatever runs, which may have little room left. The entry, in assembly,
//! asks whose signal it is, and goes to that thread's own stack to take the sample. Where it came from is
//! kept, so that a sample can be given up at any point by going back there.
//!
//! Handlers of the program's for the same signals are kept here (`hooks` sees when they are set) and called
//! when a signal is not ours.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::agent::Agent;
use crate::clocks::Source;
use crate::slots::Slot;
use crate::{memory, sample};

std::arch::global_asm!(
    ".global fdl_on_sigprof",
    ".hidden fdl_on_sigprof",
    ".type fdl_on_sigprof, @function",
    "fdl_on_sigprof:",
    // (signal, info, context)
    "    push rbp",
    "    mov rbp, rsp",
    "    push rbx",
    "    push r12",
    "    push r13",
    "    push r14",
    "    push r15",
    "    sub rsp, 24",
    "    mov r12, rdi",
    "    mov r13, rsi",
    "    mov r14, rdx",
    "    call {slot_of}",
    "    test rax, rax",
    "    jz 1f",
    // The slot: from here on on its own stack.
    "    mov rbx, rax",
    "    mov [rbx], rsp",
    "    mov rsp, [rbx + 8]",
    "    mov rdi, rbx",
    "    mov rsi, r13",
    "    mov rdx, r14",
    "    call {take}",
    "    mov rsp, [rbx]",
    "2:",
    "    add rsp, 24",
    "    pop r15",
    "    pop r14",
    "    pop r13",
    "    pop r12",
    "    pop rbx",
    "    pop rbp",
    "    ret",
    "1:",
    "    mov rdi, r12",
    "    mov rsi, r13",
    "    mov rdx, r14",
    "    call {foreign}",
    "    jmp 2b",
    // Where a fault or a panic in `take` goes on: (the stack pointer that was kept, the slot).
    ".global fdl_give_up",
    ".hidden fdl_give_up",
    "fdl_give_up:",
    "    mov rsp, rdi",
    "    mov rdi, rsi",
    "    call {gave_up}",
    "    jmp 2b",
    ".size fdl_on_sigprof, .-fdl_on_sigprof",
    slot_of = sym slot_of,
    take = sym take,
    foreign = sym foreign,
    gave_up = sym gave_up,
);

unsafe extern "C" {
    fn fdl_on_sigprof(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void);
    fn fdl_give_up(saved: u64, slot: *const libc::c_void) -> !;
}

extern "C" fn slot_of(_signal: i32, info: &libc::siginfo_t) -> Option<&'static Slot> {
    let agent = Agent::get()?;
    let (_, slot, _) = agent.clocks.of_signal(info, &agent.slots)?;
    // One that was not over when the next one came, or one that was given up by the program (a signal
    // handler of its own that jumped away): the stack is in use.
    (!slot.is_inside.load(Ordering::Relaxed)).then_some(slot)
}

extern "C" fn take(slot: &'static Slot, info: &libc::siginfo_t, context: &libc::ucontext_t) {
    // SAFETY: the location of this thread's errno, which exists for each thread from its start.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { *errno };
    slot.is_inside.store(true, Ordering::Relaxed);
    if let Some(agent) = Agent::get()
        && let Some((index, _, source)) = agent.clocks.of_signal(info, &agent.slots)
    {
        if agent.is_running() {
            sample::take(agent, slot, index, source, context);
            if source == Source::Perf {
                agent.clocks.vary(slot, agent.spool());
            }
        } else {
            agent.clocks.stop(slot);
        }
    }
    slot.is_inside.store(false, Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { *errno = kept };
}

extern "C" fn gave_up(slot: &'static Slot) {
    if let Some(agent) = Agent::get() {
        agent
            .spool()
            .header
            .abandoned
            .fetch_add(1, Ordering::Relaxed);
    }
    slot.is_inside.store(false, Ordering::Relaxed);
}

/// Gives up the sample that this thread is taking, if it is taking one.
pub fn give_up() {
    let here = 0u8;
    let at = (&raw const here).addr() as u64;
    if let Some(slot) = Agent::get().and_then(|a| a.slots.of_stack(at)) {
        // SAFETY: the stack is a slot's, so it is `take` that runs, and the frame that the stack pointer
        // was kept in is alive; what lies between owns nothing.
        unsafe {
            fdl_give_up(
                slot.saved.load(Ordering::Relaxed),
                std::ptr::from_ref(slot).cast(),
            )
        }
    }
}

/// The signals that have handlers here, and what the program has set for each.
const HANDLED: [i32; 3] = [libc::SIGPROF, libc::SIGSEGV, libc::SIGBUS];

type Action = libc::sigaction;

/// The program's actions; none: as it was before anybody set one.
static THEIRS: [AtomicPtr<Action>; 3] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 3];
/// Signals of the program's that came through here.
pub static FOREIGN: AtomicU64 = AtomicU64::new(0);

fn place(signal: i32) -> Option<usize> {
    HANDLED.iter().position(|&s| s == signal)
}

/// Sets our handlers, and keeps the ones that were there.
pub fn install() {
    for (i, &signal) in HANDLED.iter().enumerate() {
        let handler = if signal == libc::SIGPROF {
            fdl_on_sigprof as unsafe extern "C" fn(_, _, _) as usize
        } else {
            on_fault as extern "C" fn(_, _, _) as usize
        };
        // SAFETY: all zero is a valid value.
        let mut action: Action = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        if signal == libc::SIGPROF {
            // No handler of the program's runs on our stack; faults must.
            // SAFETY: the set is initialised by the first call.
            unsafe {
                libc::sigfillset(&raw mut action.sa_mask);
                for fault in [
                    libc::SIGSEGV,
                    libc::SIGBUS,
                    libc::SIGFPE,
                    libc::SIGILL,
                    libc::SIGTRAP,
                    libc::SIGABRT,
                ] {
                    libc::sigdelset(&raw mut action.sa_mask, fault);
                }
            }
        } else {
            // A stack that is full is no place for a handler.
            action.sa_flags |= libc::SA_ONSTACK | libc::SA_NODEFER;
        }
        if let Some(before) = set_action(signal, &action)
            && before.sa_sigaction != handler
        {
            THEIRS[i].store(Box::into_raw(Box::new(before)), Ordering::Release);
        }
    }
}

fn set_action(signal: i32, action: &Action) -> Option<Action> {
    let mut before = MaybeUninit::<Action>::uninit();
    // SAFETY: the handlers are functions of this library, which is never unloaded; the old action is
    // filled in if the call succeeds. The call is the C library's own: `hooks` changes no table of ours.
    unsafe {
        (libc::sigaction(signal, action, before.as_mut_ptr()) == 0).then(|| before.assume_init())
    }
}

/// The program sets an action: it is kept, and the one before it is returned; none if the signal is not one
/// of ours. Only the old one is asked for where there is no new one.
pub fn set_theirs(signal: i32, action: Option<&Action>) -> Option<Action> {
    let theirs = &THEIRS[place(signal)?];
    let before = theirs.load(Ordering::Acquire);
    // SAFETY: all zero is a valid value: the default action.
    let default = || unsafe { std::mem::zeroed() };
    // SAFETY: actions are never freed, since a handler may be looking at one.
    let before = unsafe { before.as_ref() }.copied().unwrap_or_else(default);
    if let Some(action) = action {
        theirs.store(Box::into_raw(Box::new(*action)), Ordering::Release);
    }
    Some(before)
}

/// A signal that is not ours, to whom it belongs.
extern "C" fn foreign(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // A clock's signal that comes late, or twice, is nobody's.
    if signal == libc::SIGPROF
        && let Some(agent) = Agent::get()
        // SAFETY: the kernel passes a valid structure.
        && agent.clocks.of_signal(unsafe { &*info }, &agent.slots).is_some()
    {
        return;
    }
    FOREIGN.fetch_add(1, Ordering::Relaxed);
    let theirs = place(signal).map(|i| THEIRS[i].load(Ordering::Acquire));
    // SAFETY: actions are never freed.
    let theirs = theirs.and_then(|t| unsafe { t.as_ref() });
    let handler = theirs.map_or(libc::SIG_DFL, |t| t.sa_sigaction);
    match handler {
        libc::SIG_IGN => {}
        libc::SIG_DFL => die_of(signal, info),
        handler => {
            let takes_all = theirs.is_some_and(|t| t.sa_flags & libc::SA_SIGINFO != 0);
            // SAFETY: a handler of the program's, called as the kernel would have called it.
            unsafe {
                if takes_all {
                    let f: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                        std::mem::transmute(handler);
                    f(signal, info, context);
                } else {
                    let f: extern "C" fn(i32) = std::mem::transmute(handler);
                    f(signal);
                }
            }
        }
    }
}

/// Does what the system does with a signal for which there is no handler.
fn die_of(signal: i32, info: *const libc::siginfo_t) {
    // SAFETY: all zero is a valid value: the default action. The signal then ends the process: a fault
    // happens again when the handler returns, any other is sent again.
    unsafe {
        let action: Action = std::mem::zeroed();
        set_action(signal, &action);
        let is_fault = (*info).si_code > 0 && signal != libc::SIGPROF;
        if !is_fault {
            libc::syscall(
                libc::SYS_tgkill,
                libc::getpid(),
                crate::sys::gettid(),
                signal,
            );
        }
    }
}

/// A fault: of a load that may fail, of a sample, or the program's own.
extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes the registers of what was interrupted, and takes them from there again.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let (at, failed) = memory::fix();
    if registers[libc::REG_RIP as usize] as u64 == at {
        registers[libc::REG_RIP as usize] = failed as i64;
        return;
    }
    let sp = registers[libc::REG_RSP as usize] as u64;
    let slot = Agent::get().and_then(|a| a.slots.of_stack(sp));
    if let Some(slot) = slot.filter(|s| s.is_inside.load(Ordering::Relaxed)) {
        registers[libc::REG_RIP as usize] = (fdl_give_up as *const ()).addr() as i64;
        registers[libc::REG_RDI as usize] = slot.saved.load(Ordering::Relaxed) as i64;
        registers[libc::REG_RSI as usize] = std::ptr::from_ref(slot).addr() as i64;
        return;
    }
    foreign(signal, info, context);
}
