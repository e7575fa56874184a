//! Damaged CSV files: the text, what it is packed in, or both.

use std::io::Write;

use engine::Kind;
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::random::Random;

/// The columns of the valid file, in the kinds that a table reads them in.
pub const COLUMNS: [(&str, Kind); 12] = [
    ("identity/LineItemId", Kind::Text),
    ("lineItem/UsageStartDate", Kind::Timestamp),
    ("lineItem/UnblendedCost", Kind::Float8),
    ("lineItem/UsageAmount", Kind::Numeric),
    ("lineItem/LineItemDescription", Kind::Text),
    ("day", Kind::Date),
    ("instant", Kind::Timestamptz),
    ("count", Kind::Int8),
    ("small", Kind::Int2),
    ("flag", Kind::Bool),
    ("real", Kind::Float4),
    ("tags", Kind::Jsonb),
];

const ROWS: usize = 300;

/// A valid file.
pub fn text() -> Vec<u8> {
    let header = COLUMNS.map(|(name, _)| name).join(",");
    let rows = (0..ROWS).map(|n| {
        let tags = match n % 4 {
            0 => "\"{\"\"k\"\": \"\"v\"\", \"\"n\"\": [1, null]}\"",
            1 => "\"\"\"k\"\":\"\"v\"\"\"",
            2 => "\"[{'key': 'it', 'value': None}]\"",
            _ => "",
        };
        let description = match n % 3 {
            0 => "\"$0.40 per \"\"million\"\",\nor é\"".to_owned(),
            1 => String::new(),
            _ => format!("line {n}"),
        };
        let (day, hour) = (1 + n / 24 % 28, n % 24);
        format!(
            "i-{n:08x},2025-09-{day:02}T{hour:02}:00:00Z,{},{n}.5,{description},09/{day:02}/2025,\
             2025-09-{day:02} {hour:02}:00:00.123456+02:00,{n},{},{},1e-3,{tags}\r\n",
            n as f64 / 7.0,
            n % 100,
            n % 2 == 0,
        )
    });
    format!("\u{feff}{header}\r\n{}", rows.collect::<String>()).into_bytes()
}

/// A damaged file, and what was done to it.
pub fn damaged(valid: &[u8], random: &mut Random) -> (String, Vec<u8>) {
    let mut text = valid.to_vec();
    let mut done = Vec::new();
    for _ in 0..random.below(4) {
        done.push(damage(&mut text, random));
    }
    let (packing, mut bytes) = packed(&text, random);
    done.push(packing);
    if random.below(3) == 0 {
        done.push(damage(&mut bytes, random));
    }
    (format!("csv: {}", done.join(", ")), bytes)
}

fn packed(text: &[u8], random: &mut Random) -> (String, Vec<u8>) {
    match random.below(5) {
        0 => ("plain".to_owned(), text.to_vec()),
        1 => ("gzip".to_owned(), gzip(text)),
        2 => {
            let at = random.below(text.len());
            let (first, second) = text.split_at(at);
            (
                format!("gzip in two at {at}"),
                [gzip(first), gzip(second)].concat(),
            )
        }
        3 => (
            "stored".to_owned(),
            zip(text, zip::CompressionMethod::STORE),
        ),
        _ => ("zip".to_owned(), zip(text, zip::CompressionMethod::DEFLATE)),
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory takes writes");
    encoder.finish().expect("memory takes writes")
}

fn zip(text: &[u8], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    archive
        .start_file("a.csv", options)
        .expect("memory takes writes");
    archive.write_all(text).expect("memory takes writes");
    archive.finish().expect("memory takes writes").into_inner()
}

/// Bytes that mean something to readers of CSV, of archives, or of values.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\"\"",
    b",",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xe2\x82",
    b"NULL",
    b"-",
    b"e",
    b"999999999999999999999999",
    b"1e400",
    b"T",
    b"/",
    b"[[[[[[[[[[[[[[[[",
    b"\\",
    b"{'a': \"b",
    b"\\ud800",
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"PK\x05\x06",
];

fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let at = random.below(bytes.len());
    match random.below(7) {
        0 => {
            let count = 1 + random.below(8);
            for _ in 0..count {
                let at = random.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            format!("{count} bits")
        }
        1 => {
            bytes.truncate(at);
            format!("cut to {at}")
        }
        2 => {
            let count = random.below(200).min(bytes.len() - at);
            bytes.drain(at..at + count);
            format!("{count} bytes out at {at}")
        }
        3 => {
            let times = 1 << random.below(18);
            let piece = *random.pick(&PIECES);
            bytes.splice(at..at, piece.repeat(times));
            format!("{times} times {piece:?} at {at}")
        }
        4 => {
            let from = random.below(bytes.len());
            let copied: Vec<u8> = bytes[from..]
                .iter()
                .copied()
                .take(random.below(500))
                .collect();
            bytes.splice(at..at, copied);
            format!("a piece of {from} again at {at}")
        }
        _ => {
            let piece = *random.pick(&PIECES);
            bytes.splice(at..at, piece.iter().copied());
            format!("{piece:?} at {at}")
        }
    }
}
