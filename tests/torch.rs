//! The reader of PyTorch weight files: files of torch.save, and files made to do harm.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::time::{Duration, Instant};

use spanbench::models::weights::torch::{self, Element, TorchError, TorchTensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Files of tests/make_torch_files.py with the tensors that torch.load reads from them.
const SAVED: [&str; 8] = [
    "kinds",
    "kinds-legacy",
    "mixed",
    "mixed-legacy",
    "module",
    "module-legacy",
    "protocol4",
    "protocol4-legacy",
];

/// What no file may take, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/torch/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// Writes opcodes.
#[derive(Default, Clone)]
struct Opcodes(Vec<u8>);

impl Opcodes {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn repeat(self, bytes: &[u8], times: usize) -> Self {
        self.raw(&bytes.repeat(times))
    }

    fn text(self, text: &str) -> Self {
        let length = u32::try_from(text.len()).unwrap();
        self.raw(b"X")
            .raw(&length.to_le_bytes())
            .raw(text.as_bytes())
    }

    fn integer(self, integer: i64) -> Self {
        self.raw(&[0x8a, 8]).raw(&integer.to_le_bytes())
    }

    fn integers(self, integers: &[i64]) -> Self {
        let marked = self.raw(b"(");
        integers
            .iter()
            .fold(marked, |opcodes, integer| opcodes.integer(*integer))
            .raw(b"t")
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A storage of floats of key "0".
    fn storage(self, elements: i64) -> Self {
        self.raw(b"(")
            .text("storage")
            .global("torch", "FloatStorage")
            .text("0")
            .text("cpu")
            .integer(elements)
            .raw(b"tQ")
    }

    fn tensor(self, elements: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"(")
            .storage(elements)
            .integer(offset)
            .integers(shape)
            .integers(strides)
            .raw(b"\x89N")
            .raw(b"tR")
    }

    /// A tensor "w" of four floats, set in the dict on top.
    fn good_tensor(self) -> Self {
        self.text("w").tensor(4, 0, &[4], &[1]).raw(b"s")
    }

    fn stop(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

fn opcodes() -> Opcodes {
    Opcodes(vec![0x80, 2])
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip with that pickle and one storage of four floats.
fn checkpoint(pickle: &[u8]) -> Vec<u8> {
    zip_of(&[
        ("a/data.pkl", pickle),
        ("a/byteorder", b"little"),
        ("a/data/0", &[0; 16]),
    ])
}

/// A file of the old layout with that pickle and what follows it.
fn legacy(pickle: &[u8], little_endian: bool, version: i64, rest: &[u8]) -> Vec<u8> {
    let order: &[u8] = if little_endian { &[0x88] } else { &[0x89] };
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let version = opcodes().integer(version).stop();
    let system = opcodes()
        .raw(b"}")
        .text("little_endian")
        .raw(order)
        .raw(b"s")
        .stop();
    [magic, version.as_slice(), &system, pickle, rest].concat()
}

fn read(file: &[u8]) -> Result<Vec<TorchTensor>, TorchError> {
    let begun = Instant::now();
    let result = torch::read(file);
    if let Ok(tensors) = &result {
        for tensor in tensors {
            let count: usize = tensor.shape.iter().product();
            assert_eq!(tensor.bytes(file).len(), count * tensor.element.bytes());
        }
    }
    assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
    result
}

/// The error's message, which has to be one short line.
fn refusal(file: &[u8]) -> String {
    let message = read(file).unwrap_err().to_string();
    assert!(message.len() < 400 && !message.contains('\n'), "{message}");
    message
}

#[track_caller]
fn assert_refused(file: &[u8], expected: &str) {
    let message = refusal(file);
    assert!(message.contains(expected), "{message}");
}

/// A line of the expected tensors: name, type, shape, bytes in hex.
fn line(tensor: &TorchTensor, file: &[u8]) -> String {
    let element = match tensor.element {
        Element::Other(name) => name.to_owned(),
        element => format!("{element:?}"),
    };
    let shape: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
    let mut line = format!("{}\t{element}\t{}\t", tensor.name, shape.join("x"));
    for byte in tensor.bytes(file).iter() {
        write!(line, "{byte:02x}").unwrap();
    }
    line
}

#[test]
fn saved_files_give_what_torch_load_gives() {
    for name in SAVED {
        let file_bytes = file(&format!("{name}.bin"));
        let tensors = read(&file_bytes).unwrap();
        let lines: Vec<String> = tensors.iter().map(|one| line(one, &file_bytes)).collect();
        let expected = String::from_utf8(file(&format!("{name}.tsv"))).unwrap();
        assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn only_tensors_out_of_row_major_order_are_copied() {
    let file_bytes = file("kinds.bin");
    let tensors = read(&file_bytes).unwrap();
    let copied: Vec<&str> = tensors
        .iter()
        .filter(|tensor| matches!(tensor.bytes(&file_bytes), Cow::Owned(_)))
        .map(|tensor| tensor.name.as_str())
        .collect();
    assert_eq!(
        copied,
        ["transposed", "permuted", "columns", "every_second"]
    );
    let place = |name: &str| {
        let found = tensors.iter().find(|tensor| tensor.name == name);
        found.unwrap().data.clone()
    };
    assert_eq!(place("slice").start, place("shares").start + 2 * 4 * 4);
}

#[test]
fn checkpoints_that_are_no_state_dict_say_so() {
    assert_refused(&file("nested.bin"), "save model.state_dict() by itself");
    assert_refused(&file("list.bin"), "holds no state dict");
    assert_refused(
        &file("whole-module.bin"),
        "refers to torch.nn.modules.linear.Linear, which a weight file has no business with",
    );
}

#[test]
fn other_formats_are_named() {
    assert_refused(b"", "the file is empty");
    assert_refused(b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>", "HTML page");
    assert_refused(b"<html><body>404", "HTML page");
    assert_refused(
        b"version https://git-lfs.github.com/spec/v1\n",
        "git lfs pull",
    );
    assert_refused(b"\x10\0\0\0\0\0\0\0{\"w\":", "not a PyTorch checkpoint");
    assert_refused(&opcodes().raw(b"}").stop(), "not a PyTorch checkpoint");
    assert_refused(b"PK\x03\x04", "not a whole zip");
    assert_refused(&zip_of(&[("readme", b"")]), "not a PyTorch checkpoint");
    assert_refused(&zip_of(&[("a/b", b"")]), "no entry \"a/data.pkl\"");
}

#[test]
fn a_call_is_refused_by_name_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("called");
    let command = format!("touch {}", witness.display());
    for module in ["os", "posix"] {
        let bomb = opcodes()
            .global(module, "system")
            .raw(b"(")
            .text(&command)
            .raw(b"tR")
            .stop();
        let expected = format!(
            "refers to {module}.system, which a weight file has no business with; it was not called"
        );
        assert_eq!(refusal(&checkpoint(&bomb)), expected);
        assert_eq!(refusal(&bomb), expected);
        assert_eq!(refusal(&legacy(&bomb, true, 1001, b"")), expected);
    }
    let by_stack = opcodes().text("builtins").text("eval").raw(b"\x93").stop();
    assert_refused(&checkpoint(&by_stack), "refers to builtins.eval");
    let strange = opcodes().global("a\u{1b}[2J", &"x".repeat(10_000)).stop();
    assert_refused(&checkpoint(&strange), "refers to a\\u{1b}[2J.xxx");
    assert!(!witness.exists());
}

#[test]
fn opcodes_outside_the_list_are_refused_with_their_place() {
    let allowed =
        b"\x80\x95.(01qr\x94hjc\x93R\x81bQN\x88\x89JKM\x8a\x8bG\x8cUXT\x8d)\x85\x86\x87t]lae}dsu";
    for opcode in 0..=255_u8 {
        let message = refusal(&checkpoint(&opcodes().raw(&[opcode]).stop()));
        let expected = format!("opcode {opcode:#04x} at byte 2 of the pickle");
        assert_eq!(
            message.starts_with(&expected),
            !allowed.contains(&opcode),
            "{message}"
        );
    }
}

#[test]
fn references_to_references_stay_small() {
    // A tuple that holds the one before it twice, 200 times over: 2^200 values if spelled out.
    let mut doubling = opcodes().raw(b"}").text("x").raw(b")q\x000");
    for place in 0..200_u8 {
        doubling = doubling.raw(&[b'h', place, b'h', place, 0x86, b'q', place + 1, b'0']);
    }
    let bomb = doubling.raw(b"h\xc8s").good_tensor().stop();
    assert_eq!(read(&checkpoint(&bomb)).unwrap().len(), 1);
}

#[test]
fn deep_nesting_neither_recurses_nor_takes_long() {
    let lists = opcodes()
        .raw(b"}")
        .text("x")
        .repeat(b"]", 1_000_000)
        .repeat(b"a", 999_999)
        .raw(b"s")
        .good_tensor()
        .stop();
    assert_eq!(read(&checkpoint(&lists)).unwrap().len(), 1);
    let tuples = opcodes()
        .raw(b"}")
        .text("x")
        .raw(b")")
        .repeat(b"\x85", 1_000_000)
        .raw(b"s")
        .good_tensor()
        .stop();
    assert_eq!(read(&checkpoint(&tuples)).unwrap().len(), 1);
    let itself = opcodes().raw(b"}q\0").text("x").raw(b"h\0s");
    let itself = itself.good_tensor().stop();
    assert_eq!(read(&checkpoint(&itself)).unwrap().len(), 1);
    let marks = opcodes().repeat(b"(", 100_000).stop();
    assert_refused(&checkpoint(&marks), "nests deeper");
    let endless = opcodes().repeat(b"N0", 3_000_000).stop();
    assert_refused(&checkpoint(&endless), "more than 4000000 steps");
}

#[test]
fn repeated_copies_of_one_list_count() {
    let mut pairs = opcodes().raw(b"](");
    for _ in 0..10_000 {
        pairs = pairs.raw(b"NN\x86");
    }
    let bomb = pairs
        .raw(b"e\x85q\x000")
        .global("collections", "OrderedDict")
        .raw(b"q\x010")
        .repeat(b"h\x01h\x00R", 100_000)
        .stop();
    assert_refused(&checkpoint(&bomb), "more than 4000000 steps");
}

#[test]
fn dicts_of_python_2_are_read() {
    let pickle = opcodes()
        .global("collections", "OrderedDict")
        .raw(b"]](U\x01w")
        .tensor(4, 0, &[4], &[1])
        .raw(b"ea\x85R")
        .stop();
    assert_eq!(read(&checkpoint(&pickle)).unwrap()[0].name, "w");
}

#[test]
fn of_two_tensors_of_one_name_the_last_counts() {
    let pickle = opcodes()
        .raw(b"}")
        .good_tensor()
        .text("v")
        .tensor(4, 0, &[1], &[1])
        .raw(b"s")
        .text("w")
        .tensor(4, 0, &[2, 2], &[2, 1])
        .raw(b"s")
        .stop();
    let tensors = read(&checkpoint(&pickle)).unwrap();
    let found: Vec<_> = tensors
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice()))
        .collect();
    assert_eq!(found, [("w", &[2, 2][..]), ("v", &[1][..])]);
}

#[test]
fn long_lengths_are_not_believed() {
    let two_gigabytes = 0x7fff_ffff_u32.to_le_bytes();
    for opcode in [0x8b, b'X', b'T'] {
        let pickle = opcodes().raw(&[opcode]).raw(&two_gigabytes).stop();
        assert_refused(&checkpoint(&pickle), "cut short");
    }
    let pickle = opcodes().raw(&[0x8d]).raw(&[0xff; 8]).stop();
    assert_refused(&checkpoint(&pickle), "cut short");
    assert_refused(&checkpoint(b"\x80\x02ctorch"), "cut short");
    assert_refused(&checkpoint(b""), "cut short");
}

#[test]
fn long_names_are_not_repeated() {
    let long = "n".repeat(1 << 20);
    let bomb = opcodes().raw(b"}").text(&long).raw(b"q\0");
    let bomb = bomb.tensor(4, 0, &[4], &[1]).raw(b"q\x01s");
    let bomb = bomb.repeat(b"h\0h\x01s", 100_000).stop();
    assert_refused(&checkpoint(&bomb), "is longer than 512 bytes");
}

#[test]
fn sizes_are_checked_against_the_storage() {
    let with = |elements, offset, shape: &[i64], strides: &[i64]| {
        let dict = opcodes().raw(b"}").text("w");
        let pickle = dict
            .tensor(elements, offset, shape, strides)
            .raw(b"s")
            .stop();
        read(&checkpoint(&pickle)).map_err(|error| error.to_string())
    };
    let outside = "does not fit in its storage";
    for (elements, offset, shape, strides, expected) in [
        (4, 0, &[2_500_000_000][..], &[1][..], outside),
        (4, 0, &[i64::MAX, i64::MAX], &[1, 1], outside),
        (4, 0, &[1 << 32, 1 << 32, 2], &[0, 0, 0], outside),
        (4, 0, &[5], &[0], outside),
        (4, 1, &[4], &[1], outside),
        (4, i64::MAX, &[1], &[1], outside),
        (4, 5, &[0], &[1], outside),
        (4, 0, &[2, 2], &[3, 1], outside),
        (4, 0, &[2, 1], &[i64::MAX, 1], outside),
        (4, 0, &[3, 1], &[i64::MAX, 1], outside),
        (4, -1, &[4], &[1], "its offset should be"),
        (4, 0, &[-4], &[1], "its shape should be"),
        (4, 0, &[4], &[-1], "its strides should be"),
        (4, 0, &[4], &[], "its strides should be"),
        (4, 0, &[4], &[1, 1], "its strides should be"),
        (4, 0, &[1; 9], &[1; 9], "its shape should be"),
        (5, 0, &[4], &[1], "storage \"0\" is missing or cut short"),
        (
            i64::MAX,
            0,
            &[4],
            &[1],
            "storage \"0\" is missing or cut short",
        ),
        (-4, 0, &[4], &[1], "negative size"),
    ] {
        let message = with(elements, offset, shape, strides).unwrap_err();
        assert!(message.contains(expected), "{shape:?}: {message}");
    }
    assert_eq!(with(4, 4, &[0, 7], &[7, 1]).unwrap()[0].data.len(), 0);
    assert_eq!(with(4, 3, &[], &[]).unwrap()[0].data.len(), 4);
    assert_eq!(with(4, 1, &[1, 3], &[9, 1]).unwrap()[0].data.len(), 12);
    assert_eq!(with(4, 0, &[2, 2], &[0, 1]).unwrap()[0].data.len(), 8);
}

#[test]
fn sizes_have_to_be_small_whole_numbers() {
    let kinds: [&[u8]; 6] = [
        b"G\x7f\xf8\0\0\0\0\0\0",
        b"N",
        b"\x88",
        b"U\x014",
        b"}",
        b"\x8a\x09\x04\0\0\0\0\0\0\0\0",
    ];
    for kind in kinds {
        let pickle = opcodes()
            .raw(b"}")
            .text("w")
            .global("torch._utils", "_rebuild_tensor")
            .raw(b"(")
            .storage(4)
            .integer(0)
            .raw(b"(")
            .raw(kind)
            .raw(b"t")
            .integers(&[1])
            .raw(b"tRs")
            .stop();
        assert_refused(&checkpoint(&pickle), "its shape should be");
    }
}

#[test]
fn packed_and_damaged_zips_are_refused() {
    let pickle = opcodes().raw(b"}").good_tensor().stop();
    let whole = checkpoint(&pickle);
    assert_eq!(read(&whole).unwrap().len(), 1);
    let central = whole
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .unwrap();
    // Local and central header of data.pkl: flags, method, and the size it claims to unpack to.
    let patched = |field: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[4 + field..][..bytes.len()].copy_from_slice(bytes);
        file[central + 6 + field..][..bytes.len()].copy_from_slice(bytes);
        file
    };
    let mut bomb = patched(4, &8_u16.to_le_bytes());
    bomb[central + 24..][..4].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    assert_refused(&bomb, "entry \"a/data.pkl\" of the zip is compressed");
    assert_refused(&patched(4, &93_u16.to_le_bytes()), "is compressed");
    assert_refused(&patched(2, &1_u16.to_le_bytes()), "is encrypted");
    let mut larger = whole.clone();
    larger[central + 24..][..4].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    assert_refused(&larger, "\"a/data.pkl\" of the zip cannot be read");
    larger[central + 20..][..4].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    assert_refused(&larger, "\"a/data.pkl\" of the zip cannot be read");

    let missing = zip_of(&[("a/data.pkl", &pickle), ("a/byteorder", b"little")]);
    assert_refused(&missing, "no entry \"a/data/0\"");
    let short = zip_of(&[("a/data.pkl", &pickle), ("a/data/0", &[0; 15])]);
    assert_refused(&short, "storage \"0\" is missing or cut short");
    let big = zip_of(&[
        ("a/data.pkl", &pickle),
        ("a/byteorder", b"big"),
        ("a/data/0", &[0; 16]),
    ]);
    assert_refused(&big, "big-endian");
    let names: Vec<String> = (0..=100_000).map(|entry| format!("a/{entry}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_refused(&zip_of(&many), "a zip of 100001 entries");
    // Of two entries of one name, readers differ on which counts.
    let mut twice = zip_of(&[("a/data.pkl", &pickle), ("a/data.pkm", &pickle)]);
    while let Some(place) = twice.windows(8).position(|eight| eight == b"data.pkm") {
        twice[place + 7] = b'l';
    }
    assert_refused(&twice, "two entries of one name");
}

#[test]
fn a_list_of_entries_is_read_up_to_a_limit() {
    // Entries of 64 KiB comments, 1,100 of them: 72 MB of headers.
    let mut header = [0; 46];
    header[..4].copy_from_slice(b"PK\x01\x02");
    header[32..34].fill(0xff);
    let entry = [&header[..], &vec![b'c'; 0xffff]].concat();
    let count = 1_100_u16.to_le_bytes();
    let length = u32::try_from(entry.len() * 1_100).unwrap().to_le_bytes();
    let end = [
        &b"PK\x05\x06\0\0\0\0"[..],
        &count,
        &count,
        &length,
        &4_u32.to_le_bytes(),
        &[0; 2],
    ];
    let zip = [&b"PK\x03\x04"[..], &entry.repeat(1_100), &end.concat()].concat();
    let error = read(&zip).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("the list of its entries is too long"),
        "{source}"
    );
}

#[test]
fn large_pickles_are_refused() {
    let large = opcodes()
        .raw(b"}")
        .text(&"x".repeat(65 << 20))
        .raw(b"Ns")
        .good_tensor()
        .stop();
    assert_refused(&checkpoint(&large), "takes more than 67108864 bytes");
    assert_refused(
        &legacy(&large, true, 1001, b""),
        "takes more than 67108864 bytes",
    );
}

#[test]
fn damaged_files_of_the_old_layout_are_refused() {
    let pickle = opcodes().raw(b"}").good_tensor().stop();
    let storage = |key: &str, count: i64| {
        let keys = opcodes().raw(b"]").text(key).raw(b"a").stop();
        [keys.as_slice(), &count.to_le_bytes(), &[0; 16]].concat()
    };
    let good = legacy(&pickle, true, 1001, &storage("0", 4));
    assert_eq!(read(&good).unwrap().len(), 1);
    let damaged = "storage \"0\" is missing or cut short";
    for count in [-1, 3, 5, 1 << 40, i64::MAX] {
        assert_refused(&legacy(&pickle, true, 1001, &storage("0", count)), damaged);
    }
    let other = legacy(&pickle, true, 1001, &storage("1", 4));
    assert_refused(&other, "storage \"1\" is missing");
    let none = opcodes().raw(b"]").stop();
    assert_refused(&legacy(&pickle, true, 1001, &none), damaged);
    let big_endian = legacy(&pickle, false, 1001, &storage("0", 4));
    assert_refused(&big_endian, "big-endian");
    let version = legacy(&pickle, true, 1002, &storage("0", 4));
    assert_refused(&version, "protocol version");
    let view = opcodes()
        .raw(b"(")
        .text("storage")
        .global("torch", "FloatStorage")
        .text("0")
        .text("cpu")
        .integer(4)
        .integers(&[0, 0, 4])
        .raw(b"tQ")
        .stop();
    assert_refused(
        &legacy(&view, true, 1001, &storage("0", 4)),
        "view of a storage",
    );
}

#[test]
fn cut_files_are_refused_or_give_the_same() {
    for name in SAVED {
        let whole = file(&format!("{name}.bin"));
        let expected = read(&whole).unwrap();
        for length in 0..whole.len() {
            if let Ok(tensors) = read(&whole[..length]) {
                assert_eq!(tensors, expected, "{name} cut at {length}");
            }
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let mut state = 1_u64;
    let mut random = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let mut longest = Duration::ZERO;
    for name in SAVED {
        let whole = file(&format!("{name}.bin"));
        for _ in 0..3_000 {
            let mut damaged = whole.clone();
            for _ in 0..=random(4) {
                let place = random(damaged.len());
                damaged[place] = random(256) as u8;
            }
            let begun = Instant::now();
            _ = read(&damaged);
            longest = longest.max(begun.elapsed());
        }
    }
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}
