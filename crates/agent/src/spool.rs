//! This process's spool: made, sent to the recorder, written to.

use std::mem::{MaybeUninit, size_of};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ferdelance_abi::spool::{Bytes, Head, MAGIC, RECORDS, Spool, VERSION, kind};

use crate::sys;

/// How often a recorder is asked that has no time.
const ATTEMPTS: u32 = 50;

/// A recorder that has taken nothing for so long is gone, in nanoseconds.
const PATIENCE: u64 = 20_000_000_000;

/// Makes a spool and gives its file to the recorder that listens at `socket`. The mapping is this process's
/// for good.
pub fn open(socket: &[u8], period: u64) -> Option<&'static Spool> {
    let size = size_of::<Spool>();
    // SAFETY: plain system calls; the name is a C string.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_memfd_create,
            c"ferdelance".as_ptr(),
            libc::MFD_CLOEXEC,
        ) as i32
    };
    if fd < 0 {
        return None;
    }
    let spool = map(fd, size).and_then(|at| {
        // SAFETY: fresh shared memory of the right size and alignment, all zero, which is valid for all
        // fields; nobody else writes to it before it is sent.
        let spool = unsafe {
            let spool = at.cast::<Spool>();
            let header = &raw mut (*spool).header;
            (*header).magic = MAGIC;
            (*header).version = VERSION;
            (*header).pid = libc::getpid() as u32;
            (*header).start = sys::now();
            (*header).period = AtomicU64::new(period);
            &*spool
        };
        // Node 0 is the root.
        spool.header.next_node.store(1, Ordering::Relaxed);
        send(fd, socket).then_some(spool)
    });
    sys::close(fd);
    spool
}

fn map(fd: i32, size: usize) -> Option<*mut u8> {
    // SAFETY: a new mapping at an address that the kernel chooses, of a file of that size.
    unsafe {
        if libc::ftruncate(fd, size as i64) != 0 {
            return None;
        }
        let at = libc::mmap(
            std::ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_NORESERVE,
            fd,
            0,
        );
        (at != libc::MAP_FAILED).then_some(at.cast())
    }
}

/// Sends a descriptor to who listens at a path.
fn send(fd: i32, path: &[u8]) -> bool {
    // SAFETY: all zero is a valid value of both.
    let (mut address, mut message) = unsafe {
        (
            std::mem::zeroed::<libc::sockaddr_un>(),
            std::mem::zeroed::<libc::msghdr>(),
        )
    };
    if path.len() >= address.sun_path.len() {
        return false;
    }
    address.sun_family = libc::AF_UNIX as u16;
    for (to, &from) in address.sun_path.iter_mut().zip(path) {
        *to = from as libc::c_char;
    }
    #[repr(C, align(8))]
    struct Control([u8; 24]);
    let mut control = Control([0; 24]);
    let mut payload = *b"spool\0\0\0";
    let mut part = libc::iovec {
        iov_base: payload.as_mut_ptr().cast(),
        iov_len: payload.len(),
    };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: the structures are alive during the calls, and the control message fits: its header takes 16
    // bytes, the descriptor 4 and padding.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(fd);

        let socket = libc::socket(
            libc::AF_UNIX,
            libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            0,
        );
        if socket < 0 {
            return false;
        }
        let size = size_of::<libc::sockaddr_un>() as u32;
        let mut is_sent = false;
        for _ in 0..ATTEMPTS {
            if libc::connect(socket, (&raw const address).cast(), size) == 0 {
                is_sent = libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) >= 0;
                break;
            }
            if *libc::__errno_location() != libc::EAGAIN {
                break;
            }
            let pause = libc::timespec {
                tv_sec: 0,
                tv_nsec: 2_000_000,
            };
            libc::nanosleep(&raw const pause, std::ptr::null_mut());
        }
        sys::close(socket);
        is_sent
    }
}

/// Room for an entry of a table that only grows.
pub fn entry<'s, T>(next: &AtomicU32, table: &'s [T]) -> Option<(u32, &'s T)> {
    if next.load(Ordering::Relaxed) as usize >= table.len() {
        return None;
    }
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, table.get(index as usize)?))
}

/// Room for a record, reserved: to be [written](Room::write), or it is given back.
pub struct Room<'s>(&'s Spool, usize);

pub fn record(spool: &Spool) -> Option<Room<'_>> {
    let next = &spool.header.next_record;
    let mut number = next.load(Ordering::Relaxed);
    loop {
        let place = number as usize % RECORDS;
        if spool.records[place].head.load(Ordering::Acquire) != 0 {
            spool.header.lost.fetch_add(1, Ordering::Relaxed);
            is_full(spool);
            return None;
        }
        match next.compare_exchange_weak(number, number + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                if spool.header.full.load(Ordering::Relaxed) != 0 {
                    spool.header.full.store(0, Ordering::Relaxed);
                }
                return Some(Room(spool, place));
            }
            Err(now) => number = now,
        }
    }
}

/// There is no room for a record: sampling stops if that is so for long.
fn is_full(spool: &Spool) {
    let now = sys::now();
    let full = &spool.header.full;
    if let Err(since) = full.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed)
        && now.saturating_sub(since) > PATIENCE
    {
        spool.header.stop.store(1, Ordering::Relaxed);
    }
}

impl Room<'_> {
    pub fn write(self, head: Head, time: u64, a: u64, b: u64) {
        self.fill(head, time, a, b);
        std::mem::forget(self);
    }

    fn fill(&self, head: Head, time: u64, a: u64, b: u64) {
        let record = &self.0.records[self.1];
        record.time.store(time, Ordering::Relaxed);
        record.a.store(a, Ordering::Relaxed);
        record.b.store(b, Ordering::Relaxed);
        record.head.store(head.to_word(), Ordering::Release);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let head = Head {
            kind: kind::NOTHING,
            flags: 0,
            slot: 0,
            signature: 0,
        };
        self.fill(head, 0, 0, 0);
    }
}

/// Copies bytes that are written by `f` through a function that takes them one by one.
pub struct Writer<'s> {
    spool: &'s Spool,
    offset: u32,
    len: u32,
    room: u32,
}

impl<'s> Writer<'s> {
    /// With room for so many bytes; what does not fit is left out.
    pub fn new(spool: &'s Spool, room: u32) -> Option<Writer<'s>> {
        let next = &spool.header.next_byte;
        if next.load(Ordering::Relaxed).checked_add(room)? as usize > spool.bytes.len() {
            return None;
        }
        let offset = next.fetch_add(room, Ordering::Relaxed);
        (offset as usize + room as usize <= spool.bytes.len()).then_some(Writer {
            spool,
            offset,
            len: 0,
            room,
        })
    }

    pub fn push(&mut self, byte: u8) -> bool {
        if self.len == self.room {
            return false;
        }
        self.spool.bytes[(self.offset + self.len) as usize].store(byte, Ordering::Relaxed);
        self.len += 1;
        true
    }

    /// Has all the room filled by a function that takes it and says how much there was to be written.
    pub fn fill(mut self, f: impl FnOnce(*mut u8, usize) -> usize) -> u64 {
        let room = self.room as usize;
        let at = self.spool.bytes[self.offset as usize..].as_ptr();
        self.len = f(at.cast_mut().cast(), room).min(room) as u32;
        self.finish()
    }

    pub fn finish(self) -> u64 {
        let bytes = Bytes {
            offset: self.offset,
            len: self.len,
        };
        bytes.to_word()
    }
}

/// Keeps bytes; 0 if there is no room.
pub fn keep(spool: &Spool, bytes: &[u8]) -> u64 {
    let Some(mut writer) = Writer::new(spool, bytes.len() as u32) else {
        return 0;
    };
    bytes.iter().all(|&b| writer.push(b));
    writer.finish()
}

/// The name of a thread of this process, as the system has it.
pub fn thread_name(tid: i32) -> Option<[u64; 2]> {
    let mut path = [0u8; 40];
    let digits = |mut n: u32, out: &mut [u8; 10]| {
        let mut i = out.len();
        loop {
            i -= 1;
            out[i] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                return i;
            }
        }
    };
    let mut number = [0; 10];
    let from = digits(tid as u32, &mut number);
    let parts = [b"/proc/self/task/".as_slice(), &number[from..], b"/comm"];
    for (to, &from) in path.iter_mut().zip(parts.iter().flat_map(|p| p.iter())) {
        *to = from;
    }
    let mut name = MaybeUninit::<[u8; 16]>::zeroed();
    // SAFETY: the path ends with a zero byte; at most as many bytes are read as there are.
    let name = unsafe {
        let fd = libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let n = libc::read(fd, name.as_mut_ptr().cast(), 16);
        sys::close(fd);
        let mut name = name.assume_init();
        if let Some(last) = usize::try_from(n).ok().and_then(|n| n.checked_sub(1)) {
            name[last] = 0;
        }
        name
    };
    let word = |i: usize| u64::from_le_bytes(std::array::from_fn(|k| name[i * 8 + k]));
    Some([word(0), word(1)])
}
