//! The file of a recording: what was written comes back; what is damaged or made to do harm is read as far
//! as it goes, in bounded time and memory.

mod common;

use common::{Builder, Random, random};
use ferdelance_profile::format::{Error, read, remove_sources, write};
use ferdelance_profile::model::*;
use rustix::process::{Resource, Rlimit, setrlimit};

/// All that these tests may hold at a time, several of them running: a file that makes the reader ask for
/// more ends them.
const MEMORY: u64 = 3 << 29;

fn written(recording: &Recording) -> Vec<u8> {
    let mut bytes = vec![];
    write(recording, &mut bytes).unwrap();
    bytes
}

/// Reads whatever it is, and checks what readers may rely on.
fn survives(bytes: &[u8]) -> Option<(Recording, Vec<String>)> {
    let limit = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    setrlimit(Resource::As, limit).expect("a limit may be made smaller");
    let (r, warnings) = read(bytes).ok()?;
    assert!(
        r.threads
            .iter()
            .all(|t| t.process.index() < r.processes.len())
    );
    assert!(
        r.frames
            .iter()
            .all(|f| f.function.index() < r.functions.len())
    );
    for (i, s) in r.stacks.iter().enumerate() {
        assert!(s.frame.index() < r.frames.len() && s.parent.is_none_or(|p| p.index() < i));
    }
    for c in &r.calls {
        assert!(c.function.index() < r.functions.len());
        assert!(c.signature.is_none_or(|id| id.index() < r.signatures.len()));
        assert!(c.counted.primitive <= c.counted.calls);
    }
    for c in &r.callers {
        assert!(c.caller.index() < r.calls.len() && c.callee.index() < r.calls.len());
    }
    for l in &r.lines {
        assert!(l.function.index() < r.functions.len());
    }
    let mut last = vec![0; r.threads.len()];
    for s in &r.samples {
        assert!(s.stack.is_none_or(|id| id.index() < r.stacks.len()));
        assert!(s.signature.is_none_or(|id| id.index() < r.signatures.len()));
        assert!(last[s.thread.index()] <= s.time);
        last[s.thread.index()] = s.time;
    }
    let mut texts: Vec<TextId> = r
        .functions
        .iter()
        .flat_map(|f| [f.name, f.file, f.module])
        .collect();
    texts.extend(
        r.processes
            .iter()
            .flat_map(|p| [p.command, p.python, p.reason]),
    );
    texts.extend(r.threads.iter().map(|t| t.name));
    texts.extend(r.sources.iter().flat_map(|s| [s.file, s.text]));
    texts.extend(r.log.iter().map(|l| l.text));
    texts.extend(
        r.signatures
            .iter()
            .flat_map(|s| &s.arguments)
            .flat_map(|a| [a.0, a.1]),
    );
    texts.into_iter().for_each(|id| {
        r.texts.get(id);
    });
    for (i, p) in r.processes.iter().enumerate() {
        let parent = |p: ProcessId| r.processes[p.index()].parent;
        let ancestors = std::iter::successors(p.parent, |&p| parent(p));
        assert!(
            ancestors
                .take(r.processes.len() + 1)
                .all(|a| a.index() != i)
        );
    }
    Some((r, warnings.into_iter().map(|w| w.0).collect()))
}

#[test]
fn what_was_written_comes_back() {
    for seed in 0..300 {
        let recording = random(seed);
        let bytes = written(&recording);
        let (read, warnings) = read(&bytes).unwrap();
        assert_eq!(warnings, [], "seed {seed}");
        assert!(read == recording, "seed {seed}");
    }
}

#[test]
fn tables_of_many_chunks_come_back() {
    let mut b = Builder::default();
    let process = b.process(1, "python");
    let thread = b.thread(process, "main", 0, 1000);
    let function = b.function(Kind::Python, "f", "f.py", 1);
    let frame = b.frame(function, 2, (0, 0, 0));
    let stack = b.stack(&[frame]);
    let mut random = Random::new(1);
    b.busy(&mut random, thread, stack, 0, 400_000, 1.0);
    for i in 0..3000 {
        b.text(&format!("{i}{}", "x".repeat(1000)));
    }
    let bytes = written(&b.recording);
    assert!(b.recording.samples.len() > 150_000);
    assert!(read(&bytes).unwrap() == (b.recording, vec![]));
}

#[test]
fn a_sample_takes_few_bytes() {
    let recording = large(20_000);
    let bytes = written(&recording).len() / recording.samples.len();
    assert!(bytes <= 24, "{bytes} bytes a sample");
}

/// Samples as they come from a program of some size: many stacks, times without pattern.
fn large(samples: usize) -> Recording {
    let mut random = Random::new(3);
    let mut b = Builder::default();
    let process = b.process(1, "python");
    let threads: Vec<_> = (0..8)
        .map(|i| b.thread(process, &format!("worker {i}"), 0, 9000))
        .collect();
    let mut frames = vec![];
    for i in 0..300 {
        let name = format!("module_{}.function_{i}", i % 20);
        let function = b.function(
            Kind::Python,
            &name,
            &format!("/home/ada/project/module_{}.py", i % 20),
            i,
        );
        for line in 0..4 {
            frames.push(b.frame(function, i + line, (5, i + line, 40 + line)));
        }
    }
    for i in 0..2000u32 {
        // Trees of about 20 deep.
        let parent = (i >= 100).then(|| StackId(i / 2 + random.below(i as usize / 2) as u32));
        let frame = frames[random.below(frames.len())];
        b.recording.stacks.push(Stack { parent, frame });
    }
    let mut time = 0;
    for _ in 0..samples {
        time += 100 + random.below(400) as u64;
        let stack = StackId(random.below(2000) as u32);
        let (thread, user) = (threads[random.below(8)], 1800 + random.below(400) as u32);
        b.sample(thread, time, stack, user, 0);
        if let Some(last) = b.recording.samples.last_mut() {
            last.time += random.below(1000) as u64;
        }
    }
    b.recording.samples.sort_by_key(|s| s.time);
    b.recording
}

#[test]
fn a_file_cut_off_anywhere_is_read_as_far_as_it_goes() {
    let recording = small();
    let bytes = written(&recording);
    let mut samples = 0;
    for end in 0..bytes.len() {
        match survives(&bytes[..end]) {
            None => assert!(end < 12, "cut off at {end}"),
            Some((read, warnings)) => {
                assert!(!warnings.is_empty(), "cut off at {end}");
                assert!(read.samples.len() >= samples);
                samples = read.samples.len();
            }
        }
    }
    assert_eq!(samples, recording.samples.len());
}

/// A small recording with rows in each table.
fn small() -> Recording {
    let seeds = (0..).map(random);
    seeds
        .into_iter()
        .find(|r| {
            let rows = r.samples.len();
            (20..100).contains(&rows)
                && !r.sources.is_empty()
                && !r.log.is_empty()
                && !r.stacks.is_empty()
        })
        .expect("one of the seeds gives one")
}

#[test]
fn flipped_bits_are_noticed_and_survived() {
    let bytes = written(&small());
    let mut random = Random::new(2);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << random.below(8);
        if let Some((_, warnings)) = survives(&damaged) {
            // The version's minor number says nothing about what follows.
            assert!(!warnings.is_empty() || (8..12).contains(&at), "byte {at}");
        }
    }
    for _ in 0..2000 {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random.below(8) {
            let at = 12 + random.below(bytes.len() - 12);
            damaged[at] = random.next() as u8;
        }
        survives(&damaged);
    }
}

/// The chunks of a file, with their payloads inflated.
fn chunks(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut all = vec![];
    let mut rest = &bytes[12..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        let mut payload = vec![];
        let mut inflate = flate2::read::ZlibDecoder::new(&rest[16..16 + length]);
        std::io::Read::read_to_end(&mut inflate, &mut payload).unwrap();
        all.push((rest[..4].try_into().unwrap(), payload));
        rest = &rest[16 + length..];
    }
    all
}

/// A file of such chunks, with checksums that are right.
fn assembled(chunks: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let mut bytes = b"\x89FDLR\r\n\n\x01\0\0\0".to_vec();
    for (kind, payload) in chunks {
        let mut deflate = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut deflate, payload).unwrap();
        let payload = deflate.finish().unwrap();
        let head = [
            &kind[..],
            &(payload.len() as u32).to_le_bytes(),
            &crc(&payload),
        ]
        .concat();
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&crc(&head));
        bytes.extend_from_slice(&payload);
    }
    bytes
}

#[test]
fn hostile_tables_with_right_checksums_are_survived() {
    let good = chunks(&written(&small()));
    assert!(survives(&assembled(&good)).is_some_and(|(_, warnings)| warnings.is_empty()));
    let mut random = Random::new(5);
    for _ in 0..4000 {
        let mut bad = good.clone();
        for _ in 0..1 + random.below(4) {
            let chunk = random.below(bad.len());
            let (kind, payload) = &mut bad[chunk];
            match random.below(6) {
                0 => *kind = good[random.below(good.len())].0,
                1 => payload.truncate(random.below(payload.len() + 1)),
                2 => {
                    let twice = bad[chunk].clone();
                    bad.push(twice);
                }
                // Counts, first rows, lengths, indices: all numbers are varints.
                3 => {
                    let at = random.below(payload.len().clamp(1, 4));
                    if at < payload.len() {
                        payload.splice(
                            at..=at,
                            [0xff, 0xff, 0xff, 0xff, random.next() as u8 & 0x7f],
                        );
                    }
                }
                _ if !payload.is_empty() => {
                    let at = random.below(payload.len());
                    payload[at] = random.next() as u8;
                }
                _ => {}
            }
        }
        survives(&assembled(&bad));
    }
}

/// `number` as in the file.
fn varint(mut number: u64) -> Vec<u8> {
    let mut out = vec![];
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

#[test]
fn claims_that_the_file_does_not_pay_for_are_refused() {
    let column = |name: &str, items: &[u8]| {
        let name = [varint(name.len() as u64), name.as_bytes().to_vec(), vec![0]].concat();
        [name, varint(items.len() as u64), items.to_vec()].concat()
    };
    // Tables of zeros, deflated to a thousandth; alone, and many of them.
    for (size, count) in [(100 << 20, 1), (30 << 20, 80)] {
        let rows = size as u64 / 2;
        let zeros = vec![0; size];
        let bomb = [varint(0), varint(rows), varint(1), column("time", &zeros)].concat();
        let mut file = assembled(&[(*b"SMPL", bomb)]);
        let chunk = file.split_off(12);
        file.extend(chunk.repeat(count));
        let (read, warnings) = survives(&file).unwrap();
        assert!(read.samples.is_empty());
        assert!(warnings[0].contains("SMPL"), "{warnings:?}");
    }
    for kind in [
        b"TEXT", b"PROC", b"THRD", b"FUNC", b"STCK", b"SMPL", b"SIGN",
    ] {
        // Rows that begin far behind; more rows than bytes; a table of zeros.
        let far = [varint(1 << 50), varint(1), varint(1), column("pid", &[1])].concat();
        let many = [varint(0), varint(1 << 50), varint(0)].concat();
        let zeros = [
            varint(0),
            varint(100_000),
            varint(1),
            column("pid", &[0; 100_000]),
        ]
        .concat();
        let table = |payload: Vec<u8>| (*kind, payload);
        survives(&assembled(&[table(far), table(many), table(zeros)])).unwrap();
    }
    // A small file with a chunk of tiny chunks again and again.
    let tiny: Vec<_> = (0..20_000).map(|_| (*b"SMPL", vec![])).collect();
    survives(&assembled(&tiny)).unwrap();
}

#[test]
fn chunks_of_later_versions_are_skipped_and_missing_columns_have_defaults() {
    let recording = small();
    let mut all = chunks(&written(&recording));
    all.insert(3, (*b"NEWS", b"something that nobody knows yet".to_vec()));
    let (read, warnings) = survives(&assembled(&all)).unwrap();
    assert!(warnings.is_empty() && read == recording);
    // A table of two rows and no columns.
    let (read, _) = survives(&assembled(&[(*b"FUNC", vec![0, 2, 0, 0])])).unwrap();
    assert_eq!(read.functions.len(), 2);
}

#[test]
fn other_files_are_told_apart() {
    assert_eq!(read(b""), Err(Error::NotARecording));
    assert_eq!(
        read(b"\x7fELF and so on and so on"),
        Err(Error::NotARecording)
    );
    assert_eq!(
        read(b"\x89FDLR\r\n\n\x02\0\x01\0"),
        Err(Error::TooNew(2, 1))
    );
    let mut as_text = written(&small());
    as_text.retain(|&b| b != b'\r');
    assert_eq!(read(&as_text), Err(Error::NotARecording));
}

#[test]
fn without_sources_no_text_of_them_is_left() {
    let mut b = Builder::default();
    let function = b.function(Kind::Python, "f", "secret.py", 1);
    let (file, text) = (b.text("secret.py"), b.text("password = 'swordfish'\n"));
    b.recording.sources.push(Source { file, text });
    let mut recording = b.recording;
    remove_sources(&mut recording);
    assert!(recording.sources.is_empty());
    assert!(recording.texts.iter().all(|t| !t.contains("swordfish")));
    assert_eq!(
        recording
            .texts
            .get(recording.functions[function.index()].name),
        "f"
    );
}

/// `cargo test --release -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, reason = "what it is for")]
fn a_million_samples() {
    let recording = large(1_000_000);
    let start = std::time::Instant::now();
    let bytes = written(&recording);
    let wrote = start.elapsed();
    let start = std::time::Instant::now();
    let (read, _) = read(&bytes).unwrap();
    println!(
        "{} bytes, written in {wrote:?}, read in {:?}",
        bytes.len(),
        start.elapsed()
    );
    assert!(read == recording);
}
