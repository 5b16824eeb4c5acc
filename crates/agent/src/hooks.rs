//! Calls of the program's that the agent has to see: they go through functions of ours.
//!
//! A file that is loaded calls functions of other files through a table of addresses; entries of these tables
//! are replaced. (Exporting functions with the same names would do for an agent that is preloaded, but not
//! for one that comes later.) What calls by other ways is not seen, which costs samples but nothing else.
//!
//! | call | why |
//! |---|---|
//! | `pthread_create` | a thread gets a slot and clocks |
//! | `dlopen`, `dlsym` | files were loaded since the last time: the latter is called for each extension module |
//! | `sigaction`, `signal` | our handlers stay; the program's are kept behind them |
//! | `execve` and others | clocks stop, so that no signal of ours meets a program without a handler; the agent comes along |
//! | `posix_spawn` | the agent comes along |
//! | `_exit` | what was used up to now is written down |

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::agent::{self, Agent};
use crate::modules::File;
use crate::{environment, signals};

/// A function that is replaced.
struct Hook {
    name: &'static CStr,
    ours: fn() -> usize,
    theirs: AtomicUsize,
}

macro_rules! hooks {
    ($($name:literal $index:ident $ours:ident)*) => {
        #[allow(dead_code, reason = "some go through others")]
        enum Index { $($index),* }

        static HOOKS: [Hook; [$($name),*].len()] = [$(Hook {
            name: $name,
            ours: || ($ours as *const ()).addr(),
            theirs: AtomicUsize::new(0),
        }),*];
    };
}

hooks! {
    c"pthread_create" PthreadCreate pthread_create
    c"sigaction" Sigaction sigaction
    c"signal" Signal signal
    c"execve" Execve execve
    c"execv" Execv execv
    c"execvp" Execvp execvp
    c"execvpe" Execvpe execvpe
    c"fexecve" Fexecve fexecve
    c"posix_spawn" PosixSpawn posix_spawn
    c"posix_spawnp" PosixSpawnp posix_spawnp
    c"_exit" Exit exit
    c"dlopen" Dlopen fdl_dlopen
    c"dlsym" Dlsym fdl_dlsym
}

/// The function that a hook stands before, as one with the given type.
macro_rules! theirs {
    ($index:ident as $type:ty) => {{
        let at = HOOKS[Index::$index as usize].theirs.load(Ordering::Acquire);
        // SAFETY: set before any table leads here, to the function of that name, which has this type.
        unsafe { std::mem::transmute::<usize, $type>(at) }
    }};
}

/// Finds the functions that the hooks stand before.
pub fn find() -> bool {
    HOOKS.iter().all(|hook| {
        // SAFETY: the name is a C string; nothing is called.
        let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, hook.name.as_ptr()) };
        hook.theirs.store(at.expose_provenance(), Ordering::Release);
        DLOPEN.store(
            HOOKS[Index::Dlopen as usize].theirs.load(Ordering::Relaxed),
            Ordering::Release,
        );
        DLSYM.store(
            HOOKS[Index::Dlsym as usize].theirs.load(Ordering::Relaxed),
            Ordering::Release,
        );
        !at.is_null()
    })
}

/// Replaces the entries of a file's tables.
pub fn patch(file: &File) {
    let here = (patch as *const ()).addr() as u64;
    let is_own = (file.range.0..file.range.1).contains(&here);
    let name = file.path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let is_system = [
        b"libc.so".as_slice(),
        b"ld-linux",
        b"linux-vdso",
        b"libpthread.so",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix));
    if !is_own && !is_system {
        Tables::of(file).inspect(|t| t.patch());
    }
}

/// Where a file has its table of symbols and its relocations.
struct Tables {
    bias: u64,
    symbols: u64,
    strings: u64,
    relocations: [(u64, u64); 2],
    read_only: Option<(u64, u64)>,
}

#[repr(C)]
struct Relocation {
    offset: u64,
    info: u64,
    addend: i64,
}

/// An address in a loaded file.
fn at<T>(address: u64) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

impl Tables {
    fn of(file: &File) -> Option<Tables> {
        const DT_PLTRELSZ: i64 = 2;
        const DT_STRTAB: i64 = 5;
        const DT_SYMTAB: i64 = 6;
        const DT_RELA: i64 = 7;
        const DT_RELASZ: i64 = 8;
        const DT_JMPREL: i64 = 23;
        let mut tables = Tables {
            bias: file.bias,
            symbols: 0,
            strings: 0,
            relocations: [(0, 0); 2],
            read_only: file.read_only,
        };
        let mut entry: *const [i64; 2] = at(file.dynamic?);
        // The loader makes these addresses absolute.
        let address = |value: i64| {
            let value = value as u64;
            if value < file.bias {
                value + file.bias
            } else {
                value
            }
        };
        loop {
            // SAFETY: the file's dynamic section, which ends with an entry that is zero.
            let [tag, value] = unsafe { *entry };
            match tag {
                0 => break,
                DT_STRTAB => tables.strings = address(value),
                DT_SYMTAB => tables.symbols = address(value),
                DT_RELA => tables.relocations[0].0 = address(value),
                DT_RELASZ => tables.relocations[0].1 = value as u64,
                DT_JMPREL => tables.relocations[1].0 = address(value),
                DT_PLTRELSZ => tables.relocations[1].1 = value as u64,
                _ => {}
            }
            // SAFETY: as above.
            entry = unsafe { entry.add(1) };
        }
        (tables.symbols != 0 && tables.strings != 0).then_some(tables)
    }

    fn patch(&self) {
        const R_X86_64_GLOB_DAT: u32 = 6;
        const R_X86_64_JUMP_SLOT: u32 = 7;
        for (start, size) in self.relocations {
            if start == 0 {
                continue;
            }
            let count = size as usize / size_of::<Relocation>();
            // SAFETY: the file's table of relocations, of the size that the file says.
            let all = unsafe { std::slice::from_raw_parts(at::<Relocation>(start), count) };
            for relocation in all {
                if matches!(
                    relocation.info as u32,
                    R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT
                ) && let Some(hook) = self.hook((relocation.info >> 32) as usize)
                {
                    self.replace(self.bias + relocation.offset, (hook.ours)());
                }
            }
        }
    }

    /// What stands before the function that a symbol names.
    fn hook(&self, symbol: usize) -> Option<&'static Hook> {
        // SAFETY: relocations refer to entries of the table of symbols, and these to C strings.
        let name = unsafe {
            let symbol = at::<libc::Elf64_Sym>(self.symbols).add(symbol);
            CStr::from_ptr(at::<c_char>(self.strings + u64::from((*symbol).st_name)))
        };
        HOOKS.iter().find(|hook| hook.name == name)
    }

    fn replace(&self, place: u64, function: usize) {
        let is_read_only = self.read_only.is_some_and(|r| (r.0..r.1).contains(&place));
        let page = place & !0xfff;
        // SAFETY: an entry of a table of addresses of functions, of pointer size and alignment; it is
        // written to in one piece, with a function of the same type. The page becomes what it was again.
        unsafe {
            if is_read_only
                && libc::mprotect(at(page), 4096, libc::PROT_READ | libc::PROT_WRITE) != 0
            {
                return;
            }
            AtomicUsize::from_ptr(at(place)).store(function, Ordering::Release);
            if is_read_only {
                libc::mprotect(at(page), 4096, libc::PROT_READ);
            }
        }
    }
}

type Start = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

struct Begin {
    start: Start,
    argument: *mut c_void,
}

/// What a new thread runs.
extern "C-unwind" fn begin(begin: *mut c_void) -> *mut c_void {
    // SAFETY: made below, for this thread alone.
    let begin = unsafe { Box::from_raw(begin.cast::<Begin>()) };
    let Begin { start, argument } = *begin;
    if let Some(agent) = Agent::get() {
        agent.enter_thread();
    }
    start(argument)
}

extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    type Create = extern "C" fn(
        *mut libc::pthread_t,
        *const libc::pthread_attr_t,
        Start,
        *mut c_void,
    ) -> c_int;
    let create = theirs!(PthreadCreate as Create);
    let new = Box::into_raw(Box::new(Begin { start, argument }));
    let result = create(thread, attributes, begin, new.cast());
    if result != 0 {
        // SAFETY: no thread was made, so nobody has taken it.
        drop(unsafe { Box::from_raw(new) });
    }
    result
}

extern "C" fn sigaction(
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    // SAFETY: the caller passes valid structures, or null.
    let (action, out) = unsafe { (new.as_ref(), old.as_mut()) };
    match signals::set_theirs(signal, action) {
        Some(before) => {
            if let Some(out) = out {
                *out = before;
            }
            0
        }
        None => {
            type Sigaction =
                extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int;
            theirs!(Sigaction as Sigaction)(signal, new, old)
        }
    }
}

extern "C" fn signal(signal: c_int, handler: usize) -> usize {
    // SAFETY: all zero is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    match signals::set_theirs(signal, Some(&action)) {
        Some(before) => before.sa_sigaction,
        None => theirs!(Signal as extern "C" fn(c_int, usize) -> usize)(signal, handler),
    }
}

/// Runs another program in this process's place; if that fails, all is as before.
fn instead(run: impl FnOnce() -> c_int) -> c_int {
    let stopped = Agent::get().and_then(|agent| agent.pause_thread());
    let result = run();
    // SAFETY: the location of this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { *errno };
    if let (Some(agent), Some(index)) = (Agent::get(), stopped) {
        agent.resume_thread(index);
    }
    // SAFETY: as above.
    unsafe { *errno = kept };
    result
}

type Words = *const *const c_char;

type Execve = extern "C" fn(*const c_char, Words, Words) -> c_int;

extern "C" fn execve(path: *const c_char, arguments: Words, environment: Words) -> c_int {
    let theirs = theirs!(Execve as Execve);
    // SAFETY: the caller passes an environment.
    unsafe { environment::with_agent(environment, |e| instead(|| theirs(path, arguments, e))) }
}

extern "C" fn execv(path: *const c_char, arguments: Words) -> c_int {
    execve(path, arguments, environment::environment())
}

extern "C" fn execvpe(file: *const c_char, arguments: Words, environment: Words) -> c_int {
    let theirs = theirs!(Execvpe as Execve);
    // SAFETY: the caller passes an environment.
    unsafe { environment::with_agent(environment, |e| instead(|| theirs(file, arguments, e))) }
}

extern "C" fn execvp(file: *const c_char, arguments: Words) -> c_int {
    execvpe(file, arguments, environment::environment())
}

extern "C" fn fexecve(fd: c_int, arguments: Words, environment: Words) -> c_int {
    let theirs = theirs!(Fexecve as extern "C" fn(c_int, Words, Words) -> c_int);
    // SAFETY: the caller passes an environment.
    unsafe { environment::with_agent(environment, |e| instead(|| theirs(fd, arguments, e))) }
}

type Spawn = extern "C" fn(
    *mut libc::pid_t,
    *const c_char,
    *const libc::posix_spawn_file_actions_t,
    *const libc::posix_spawnattr_t,
    Words,
    Words,
) -> c_int;

extern "C" fn posix_spawn(
    pid: *mut libc::pid_t,
    path: *const c_char,
    actions: *const libc::posix_spawn_file_actions_t,
    attributes: *const libc::posix_spawnattr_t,
    arguments: Words,
    environment: Words,
) -> c_int {
    let theirs = theirs!(PosixSpawn as Spawn);
    let run = |e| theirs(pid, path, actions, attributes, arguments, e);
    // SAFETY: the caller passes an environment.
    unsafe { environment::with_agent(environment, run) }
}

extern "C" fn posix_spawnp(
    pid: *mut libc::pid_t,
    file: *const c_char,
    actions: *const libc::posix_spawn_file_actions_t,
    attributes: *const libc::posix_spawnattr_t,
    arguments: Words,
    environment: Words,
) -> c_int {
    let theirs = theirs!(PosixSpawnp as Spawn);
    let run = |e| theirs(pid, file, actions, attributes, arguments, e);
    // SAFETY: the caller passes an environment.
    unsafe { environment::with_agent(environment, run) }
}

extern "C" fn exit(status: c_int) -> ! {
    agent::finish();
    theirs!(Exit as extern "C" fn(c_int) -> !)(status)
}

/// The functions that the two stubs below go on to.
static DLOPEN: AtomicUsize = AtomicUsize::new(0);
static DLSYM: AtomicUsize = AtomicUsize::new(0);

extern "C" fn look() {
    if let Some(agent) = Agent::get() {
        agent.look_at_modules();
    }
}

// The loader looks at who calls it: at the address that it returns to. So these jump.
std::arch::global_asm!(
    ".macro fdl_before name, target",
    ".global \\name",
    ".hidden \\name",
    ".type \\name, @function",
    "\\name:",
    "    .cfi_startproc",
    "    push rdi",
    "    .cfi_adjust_cfa_offset 8",
    "    push rsi",
    "    .cfi_adjust_cfa_offset 8",
    "    sub rsp, 8",
    "    .cfi_adjust_cfa_offset 8",
    "    call {look}",
    "    add rsp, 8",
    "    .cfi_adjust_cfa_offset -8",
    "    pop rsi",
    "    .cfi_adjust_cfa_offset -8",
    "    pop rdi",
    "    .cfi_adjust_cfa_offset -8",
    "    jmp [rip + \\target]",
    "    .cfi_endproc",
    ".size \\name, .-\\name",
    ".endm",
    "fdl_before fdl_dlopen, {dlopen}",
    "fdl_before fdl_dlsym, {dlsym}",
    look = sym look,
    dlopen = sym DLOPEN,
    dlsym = sym DLSYM,
);

unsafe extern "C" {
    fn fdl_dlopen();
    fn fdl_dlsym();
}
