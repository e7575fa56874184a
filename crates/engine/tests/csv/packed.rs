//! Archives and streams that are not what they should be, or far more than they seem.

use std::io::{Seek, Write};
use std::time::{Duration, Instant};

use engine::{Error, Kind};
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::bench::{Bench, row};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        archive
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(text).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// As Java's writer makes them, which AWS uses: sizes only behind the data.
fn streamed_archive(text: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new_stream(Vec::new());
    archive
        .start_file("a.csv", SimpleFileOptions::default())
        .unwrap();
    archive.write_all(text).unwrap();
    archive.finish().unwrap().into_inner()
}

fn why(bench: &Bench) -> String {
    let error = bench.texts(&["x"]).unwrap_err();
    let error_of_header = bench.columns().err();
    if let Some(of_header) = error_of_header {
        assert_eq!(of_header.to_string(), error.to_string());
    }
    assert!(matches!(error, Error::BadFile { .. }), "{error}");
    assert!(!error.hint().is_empty());
    error.to_string().replace(&bench.store.name(), "file://…")
}

#[test]
fn packing_is_known_by_the_first_bytes_whatever_the_name() {
    for name in ["a.csv", "a.csv.gz", "a.zip"] {
        for bytes in [
            b"x\n1\n".to_vec(),
            gzip(b"x\n1\n"),
            archive(&[("b.csv", b"x\n1\n")]),
            streamed_archive(b"x\n1\n"),
        ] {
            assert_eq!(
                Bench::with(name, bytes).texts(&["x"]).unwrap(),
                [row(&["1"])]
            );
        }
    }
}

#[test]
fn archives_of_several_files_or_of_secrets_are_refused() {
    let several = archive(&[("a.csv", b"x\n1\n"), ("b.csv", b"x\n2\n")]);
    assert_eq!(
        why(&Bench::with("a.zip", several)),
        "file://…/a.zip is not a readable zip file: it holds 2 files instead of one"
    );
    let none = archive(&[]);
    assert!(why(&Bench::with("a.zip", none)).ends_with("it holds 0 files instead of one"));
    // The flag in both headers that says so.
    let mut secret = archive(&[("a.csv", b"x\n1\n")]);
    secret[6] |= 1;
    let directory = secret.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    secret[directory + 8] |= 1;
    assert!(why(&Bench::with("a.zip", secret)).ends_with("it is encrypted"));
}

/// A directory of 100 million entries, for which the library would make room.
#[test]
fn an_archive_that_says_it_holds_millions_of_files_is_refused() {
    const SIZE: u64 = 200 << 20;
    let mut end = b"PK\x06\x06".to_vec();
    end.extend(44_u64.to_le_bytes());
    end.extend([45, 0, 45, 0]);
    end.extend([0; 8]);
    for number in [100_000_000_u64, 100_000_000, u64::MAX / 4, SIZE / 2] {
        end.extend(number.to_le_bytes());
    }
    end.extend(b"PK\x06\x07\0\0\0\0");
    end.extend((SIZE - 98).to_le_bytes());
    end.extend([1, 0, 0, 0]);
    end.extend(b"PK\x05\x06");
    end.extend([0xff; 16]);
    end.extend([0, 0]);
    assert_eq!(end.len(), 98);
    let bench = Bench::with("a.zip", b"PK\x03\x04");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(bench.path().join("a.zip"))
        .unwrap();
    file.seek(std::io::SeekFrom::Start(SIZE - 98)).unwrap();
    file.write_all(&end).unwrap();
    assert!(why(&bench).ends_with("it says that it holds more than 65535 files"));
}

#[test]
fn what_is_cut_off_or_changed_is_an_error_and_never_fewer_rows() {
    let text: String = (0..20_000).map(|n| format!("{n},{}\n", n * n)).collect();
    let text = format!("x,y\n{text}");
    for (name, whole) in [
        ("a.csv.gz", gzip(text.as_bytes())),
        ("a.zip", archive(&[("a.csv", text.as_bytes())])),
    ] {
        for cut in [whole.len() - 1, whole.len() - 9, whole.len() / 2, 20, 11, 4] {
            let error = why(&Bench::with(name, &whole[..cut]));
            assert!(error.contains(name), "cut to {cut}: {error}");
        }
        for at in [whole.len() / 3, whole.len() / 2] {
            let mut changed = whole.clone();
            changed[at] ^= 0x40;
            // It may also unpack to something that is no CSV.
            let error = Bench::with(name, changed).texts(&["x"]).unwrap_err();
            assert!(error.to_string().contains(name), "changed at {at}: {error}");
        }
    }
    let mut behind = gzip(text.as_bytes());
    behind.extend_from_slice(b"something else");
    assert!(why(&Bench::with("a.csv.gz", behind)).contains("gzip"));
}

/// 1 GB of nothing in 1 MB: no record, so no batch, and still a cancel comes through.
#[test]
fn a_bomb_of_line_breaks_can_be_stopped() {
    let mut encoder = GzEncoder::new(b"".to_vec(), Compression::fast());
    encoder.write_all(b"x\n").unwrap();
    let breaks = vec![b'\n'; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&breaks).unwrap();
    }
    let bench = Bench::with("a.csv.gz", encoder.finish().unwrap());
    let request = bench.request(engine::Query::of(vec![crate::bench::file_field(
        "x",
        Kind::Text,
    )]));
    let mut scan = engine::Scan::start(&bench.engine, &bench.store, request);
    let began = Instant::now();
    let ticked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scan.next(|| panic!("cancel"))
    }));
    assert!(ticked.is_err(), "it was over before it could be stopped");
    drop(scan);
    // The threads are free again.
    let (sender, done) = std::sync::mpsc::channel();
    let work = async move {
        sender.send(()).unwrap();
        Ok(())
    };
    bench.engine.run(work, || {}).unwrap();
    done.recv_timeout(Duration::from_secs(1)).unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// 1 GB of one field in 1 MB.
#[test]
fn a_bomb_of_one_field_is_refused_before_it_is_unpacked() {
    let mut encoder = GzEncoder::new(b"".to_vec(), Compression::fast());
    encoder.write_all(b"x\n\"").unwrap();
    let field = vec![b'a'; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&field).unwrap();
    }
    let bench = Bench::with("a.csv.gz", encoder.finish().unwrap());
    let error = bench.texts(&["x"]).unwrap_err().to_string();
    assert!(
        error.ends_with("a.csv.gz, line 2: the record has more than 16777216 bytes"),
        "{error}"
    );
}

#[test]
fn a_header_without_end_is_refused() {
    for byte in [b',', b'x', b'"'] {
        let bench = Bench::with("a.csv", vec![byte; 4 << 20]);
        let error = bench.columns().unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}

#[test]
fn a_header_of_equal_names_is_read_and_one_of_too_many_columns_is_refused() {
    let bench = Bench::with("a.csv", "x,".repeat(9_999));
    assert_eq!(bench.columns().unwrap().len(), 10_000);
    let bench = Bench::with("a.csv", "x,".repeat(300_000));
    let error = bench.columns().unwrap_err().to_string();
    let expected = "a.csv, line 1: the header has more than 10000 columns";
    assert!(error.ends_with(expected), "{error}");
}
