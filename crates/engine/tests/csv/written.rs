//! Whatever is written as CSV is read as it was written.

use std::io::Write;

use engine::Kind;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::bench::{Bench, Rows};

/// A table, and how it is written.
#[derive(Clone, Debug)]
struct Written {
    rows: Rows,
    /// For each cell whether it is quoted though it need not be.
    quoted: Vec<bool>,
    line_end: &'static str,
    ends: bool,
    mark: bool,
    packing: Packing,
}

#[derive(Clone, Debug)]
enum Packing {
    Plain,
    /// Members of so many bytes.
    Gzip(usize),
    Deflated,
    Stored,
}

const WIDTH: usize = 3;

fn written() -> impl Strategy<Value = Written> {
    let cell = prop_oneof![
        3 => Just(None),
        6 => "[a-z0-9 ]{1,20}".prop_map(Some),
        3 => "[\",'\\\\aé\u{1F600}]{1,9}".prop_map(Some),
        2 => "(a|\"|,|\n|\r|\r\n){1,6}".prop_map(Some),
        1 => "[a-c]{1,2}".prop_map(|s| Some(s.repeat(5000))),
    ];
    let rows = prop::collection::vec(prop::collection::vec(cell, WIDTH), 0..60);
    let packing = prop_oneof![
        Just(Packing::Plain),
        (1_usize..5000).prop_map(Packing::Gzip),
        Just(Packing::Deflated),
        Just(Packing::Stored),
    ];
    (
        rows,
        prop::collection::vec(any::<bool>(), 60 * WIDTH),
        prop_oneof![Just("\n"), Just("\r\n")],
        any::<bool>(),
        any::<bool>(),
        packing,
    )
        .prop_map(|(rows, quoted, line_end, ends, mark, packing)| Written {
            rows,
            quoted,
            line_end,
            ends,
            mark,
            packing,
        })
}

impl Written {
    fn text(&self) -> Vec<u8> {
        let mut lines = vec!["x,\"y\",z".to_owned()];
        for (row, quoted) in self.rows.iter().zip(self.quoted.chunks(WIDTH)) {
            let cells = row
                .iter()
                .zip(quoted)
                .map(|(cell, quoted)| spell(cell.as_deref(), *quoted));
            lines.push(cells.collect::<Vec<_>>().join(","));
        }
        let mark = if self.mark { "\u{feff}" } else { "" };
        let end = if self.ends { self.line_end } else { "" };
        format!("{mark}{}{end}", lines.join(self.line_end)).into_bytes()
    }

    fn file(&self) -> (&'static str, Vec<u8>) {
        let text = self.text();
        match self.packing {
            Packing::Plain => ("a.csv", text),
            Packing::Gzip(size) => {
                let members = text.chunks(size).map(|member| {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                    encoder.write_all(member).unwrap();
                    encoder.finish().unwrap()
                });
                ("a.csv.gz", members.collect::<Vec<_>>().concat())
            }
            Packing::Deflated => ("a.csv.zip", zip(&text, zip::CompressionMethod::DEFLATE)),
            Packing::Stored => ("a.zip", zip(&text, zip::CompressionMethod::STORE)),
        }
    }
}

fn zip(text: &[u8], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    archive.start_file("a.csv", options).unwrap();
    archive.write_all(text).unwrap();
    archive.finish().unwrap().into_inner()
}

fn spell(cell: Option<&str>, quoted: bool) -> String {
    let cell = cell.unwrap_or_default();
    if quoted || cell.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_written_is_read(written in written()) {
        let (name, bytes) = written.file();
        let bench = Bench::with(name, bytes);
        prop_assert_eq!(bench.texts(&["x", "y", "z"]).unwrap(), written.rows.clone());
        let turned = bench.rows(&[("z", Kind::Text), ("x", Kind::Text)]).unwrap();
        let wanted: Rows = written.rows.iter().map(|r| vec![r[2].clone(), r[0].clone()]).collect();
        prop_assert_eq!(turned, wanted);
    }
}

/// More than a piece, a batch and a decoder's buffer hold.
#[test]
fn large_files_are_read_whole() {
    let mut text = b"n,text\n".to_vec();
    for n in 0..200_000 {
        writeln!(text, "{n},\"line {n}\nof \"\"{}\"\"\"", n % 7).unwrap();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&text).unwrap();
    for (name, bytes) in [
        ("a.csv", text.clone()),
        ("a.csv.gz", encoder.finish().unwrap()),
    ] {
        let bench = Bench::with(name, bytes);
        let rows = bench
            .rows(&[("n", Kind::Int4), ("text", Kind::Text)])
            .unwrap();
        assert_eq!(rows.len(), 200_000);
        for (n, row) in rows.iter().enumerate() {
            let wanted = [n.to_string(), format!("line {n}\nof \"{}\"", n % 7)];
            assert_eq!(*row, wanted.map(Some));
        }
    }
}
