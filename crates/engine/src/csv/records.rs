//! Text cut into records and fields, a batch of them at a time.

use billing::manifest::MAX_COLUMNS;
use csv_core::{ReadRecordResult, Reader};

use super::malformed::Problem;

/// The longest header.
const HEADER_LIMIT: usize = 1 << 20;
/// The longest record. Bills have records of a few KB; without a limit, one missing quote would take
/// the rest of the file into memory.
const RECORD_LIMIT: usize = 16 << 20;
/// Text and positions that one batch may hold, the record that is begun not counted. Columns are made
/// of them one after the other, each time over all records, so they should stay in the processor's
/// second-level cache.
const BATCH_BYTES: usize = 1 << 20;

/// A problem of a record and the line it begins on.
pub(super) type Found = (u64, Problem);

/// Records, unquoted, one behind the other.
pub(super) struct Records {
    reader: Reader,
    /// Fields of a record; `None` until the header is known.
    width: Option<usize>,
    /// The most records of a batch.
    most: usize,
    /// The fields' text without anything between them. What is behind `filled` is old.
    text: Vec<u8>,
    filled: usize,
    /// Where each field ends in `text`, after a 0. What is behind `found` is old.
    ends: Vec<usize>,
    found: usize,
    /// The line each record ends on.
    lines: Vec<u64>,
    /// Text and fields of the records that are complete.
    complete: (usize, usize),
}

impl Records {
    /// Reads the header next, then batches of at most so many records.
    pub(super) fn new(most: usize) -> Self {
        Self {
            reader: Reader::new(),
            width: None,
            most: most.max(1),
            text: Vec::new(),
            filled: 0,
            ends: vec![0],
            found: 1,
            lines: Vec::new(),
            complete: (0, 1),
        }
    }

    /// Takes text until a batch is full, and says how much of it was taken.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<usize, Found> {
        let mut taken = 0;
        while taken < text.len() && !self.is_full() {
            taken += self.step(&text[taken..])?;
        }
        Ok(taken)
    }

    /// Ends the last record, which need not end with a line break.
    pub(super) fn end(&mut self) -> Result<(), Found> {
        self.step(b"\n")?;
        match self.in_record() {
            true => Err(self.at_record(Problem::OpenQuote)),
            false => Ok(()),
        }
    }

    /// Whether the batch must be taken: the header alone is one.
    pub(super) fn is_full(&self) -> bool {
        let most = if self.width.is_none() { 1 } else { self.most };
        let held = self.complete.0 + self.complete.1 * size_of::<usize>();
        self.lines.len() >= most || (held >= BATCH_BYTES && !self.lines.is_empty())
    }

    /// Complete records.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The header's fields; the next records must have as many.
    pub(super) fn take_header(&mut self) -> Vec<Vec<u8>> {
        let fields = self.ends[..self.complete.1].windows(2);
        let header = fields.map(|ends| self.text[ends[0]..ends[1]].to_vec());
        let header: Vec<_> = header.collect();
        self.clear();
        self.width = Some(header.len());
        header
    }

    /// Forgets the batch.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
        self.found = 1;
        self.lines.clear();
        self.complete = (0, 1);
    }

    /// The batch, if it is text.
    ///
    /// # Errors
    /// The record and field that is not UTF-8.
    pub(super) fn batch(&self) -> Result<Batch<'_>, (usize, usize)> {
        let bytes = &self.text[..self.complete.0];
        let ends = &self.ends[..self.complete.1];
        let width = self.width.unwrap_or(0).max(1);
        // The field that begins at or before a byte, empty ones behind it passed over.
        let field_at = |byte| ends.partition_point(|end| *end <= byte).saturating_sub(1);
        let place = |field: usize| (field / width, field % width);
        let text = std::str::from_utf8(bytes).map_err(|e| place(field_at(e.valid_up_to())))?;
        // Two broken fields side by side may make a whole.
        let broken = match text.is_ascii() {
            true => None,
            false => ends.iter().position(|end| !text.is_char_boundary(*end)),
        };
        match broken {
            Some(end) => Err(place(end - 1)),
            None => Ok(Batch { text, ends, width }),
        }
    }

    /// The bytes of a field.
    pub(super) fn field(&self, record: usize, field: usize) -> &[u8] {
        let index = record * self.width.unwrap_or(0) + field;
        let ends = &self.ends[index..index + 2];
        &self.text[ends[0]..ends[1]]
    }

    /// The line a record begins on.
    pub(super) fn line(&self, record: usize) -> u64 {
        let width = self.width.unwrap_or(0);
        let ends = (self.ends[record * width], self.ends[(record + 1) * width]);
        let inner = &self.text[ends.0..ends.1];
        self.lines[record] - breaks(inner)
    }

    /// One step of the reader; how much text it took.
    fn step(&mut self, text: &[u8]) -> Result<usize, Found> {
        // As much as all of it can need.
        let room = match self.width {
            None => text.len() + 1,
            Some(width) => width + 1 - self.fields_in_record(),
        };
        grow(&mut self.text, self.filled + text.len());
        grow(&mut self.ends, self.found + room);
        let (result, taken, written, ended) = self.reader.read_record(
            text,
            &mut self.text[self.filled..],
            &mut self.ends[self.found..self.found + room],
        );
        // The reader counts from the record's start.
        let record = self.complete.0;
        let ends = &mut self.ends[self.found..self.found + ended];
        ends.iter_mut().for_each(|end| *end += record);
        self.filled += written;
        self.found += ended;
        let limit = self.width.map_or(HEADER_LIMIT, |_| RECORD_LIMIT);
        // Without text, a record still has commas.
        if self.filled - self.complete.0 + self.fields_in_record() > limit {
            return Err(self.at_record(Problem::TooLong { limit }));
        }
        // Each becomes a column with buffers of its own, of which a few KB of gzip could ask for many.
        if self.width.is_none() && self.fields_in_record() > MAX_COLUMNS {
            let limit = MAX_COLUMNS;
            return Err(self.at_record(Problem::TooManyColumns { limit }));
        }
        let whole = result == ReadRecordResult::Record;
        self.check_width(whole, text[..taken].last())?;
        if whole {
            let line = self.last_line(text[..taken].last());
            self.lines.push(line);
            self.complete = (self.filled, self.found);
        }
        Ok(taken)
    }

    fn check_width(&self, whole: bool, last: Option<&u8>) -> Result<(), Found> {
        let Some(wanted) = self.width else {
            return Ok(());
        };
        let found = self.fields_in_record();
        if found <= wanted && !(whole && found < wanted) {
            return Ok(());
        }
        let inner = breaks(&self.text[self.complete.0..self.filled]);
        let problem = Problem::FieldCount {
            found,
            more: !whole,
            wanted,
        };
        Err((self.last_line(last) - inner, problem))
    }

    fn fields_in_record(&self) -> usize {
        self.found - self.complete.1
    }

    fn in_record(&self) -> bool {
        self.filled > self.complete.0 || self.fields_in_record() > 0
    }

    /// A problem of the record that is not complete.
    fn at_record(&self, problem: Problem) -> Found {
        let inner = breaks(&self.text[self.complete.0..self.filled]);
        (self.reader.line() - inner, problem)
    }

    /// The line the reader is on, without the line break it has just passed.
    fn last_line(&self, last: Option<&u8>) -> u64 {
        self.reader.line() - u64::from(last == Some(&b'\n'))
    }
}

/// Records that are text.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    text: &'a str,
    ends: &'a [usize],
    width: usize,
}

impl<'a> Batch<'a> {
    /// The number of records.
    pub(super) fn len(&self) -> usize {
        (self.ends.len() - 1) / self.width
    }

    /// One field of every record.
    pub(super) fn column(self, index: usize) -> impl ExactSizeIterator<Item = &'a str> {
        let records = 0..self.len();
        records.map(move |record| {
            let field = record * self.width + index;
            &self.text[self.ends[field]..self.ends[field + 1]]
        })
    }
}

fn grow<T: Clone + Default>(vector: &mut Vec<T>, length: usize) {
    if vector.len() < length {
        vector.resize(length.next_power_of_two(), T::default());
    }
}

fn breaks(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Records {
        let mut records = Records::new(1000);
        let taken = records.push(text.as_bytes()).unwrap();
        records.push(&text.as_bytes()[taken..]).unwrap();
        records.take_header();
        records
    }

    /// Line and problem of a file whose header is `a,b`, however its text is cut into pieces.
    fn found(text: &str) -> Found {
        let of_pieces = |size: usize| {
            let mut records = header("a,b\n");
            let pieces = text.as_bytes().chunks(size);
            let pushed = pieces
                .map(|piece| records.push(piece).map(|_| ()))
                .find(Result::is_err);
            pushed
                .unwrap_or(Ok(()))
                .and_then(|()| records.end())
                .unwrap_err()
        };
        let whole = of_pieces(text.len());
        for size in 1..text.len() {
            assert_eq!(of_pieces(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn a_problem_names_the_line_its_record_begins_on() {
        let count = |found, more| Problem::FieldCount {
            found,
            more,
            wanted: 2,
        };
        assert_eq!(found("1,2\n3\n4,5\n"), (3, count(1, false)));
        assert_eq!(found("1,2\r\n\r\n3\r\n4,5\r\n"), (4, count(1, false)));
        assert_eq!(found("\"1\n\n\",2\n3,4,5\n"), (5, count(3, false)));
        assert_eq!(found("1,2\n\"a\nb\",\"c\nd\",5\n"), (3, count(3, false)));
        assert_eq!(found("1,2\n3,\"4\n5,6\n"), (3, Problem::OpenQuote));
        assert_eq!(found("1,2\n3,4\n5,\""), (4, Problem::OpenQuote));
        assert_eq!(found("1,2\n3"), (3, count(1, false)));
    }

    #[test]
    fn a_record_without_end_is_refused_before_it_is_held_whole() {
        let mut records = header("a,b\n");
        let piece = vec![b'x'; 64 << 10];
        let mut pushed = 0;
        let problem = loop {
            match records.push(&piece) {
                Ok(_) => pushed += piece.len(),
                Err((_, problem)) => break problem,
            }
        };
        assert_eq!(
            problem,
            Problem::TooLong {
                limit: RECORD_LIMIT
            }
        );
        assert!(pushed <= RECORD_LIMIT + piece.len());
    }

    #[test]
    fn a_header_of_a_million_columns_is_refused_and_the_widest_that_is_read_is_not() {
        let mut records = Records::new(1000);
        let most = ",".repeat(MAX_COLUMNS - 1) + "\n";
        assert_eq!(records.push(most.as_bytes()), Ok(MAX_COLUMNS));
        assert_eq!(records.take_header().len(), MAX_COLUMNS);
        let problem = Records::new(1000).push(",".repeat(500_000).as_bytes());
        let limit = MAX_COLUMNS;
        assert_eq!(problem, Err((1, Problem::TooManyColumns { limit })));
    }

    #[test]
    fn the_field_that_is_not_utf8_is_named_even_when_two_halves_meet() {
        let place = |text: &[u8]| {
            let mut records = header("a,b\n");
            records.push(text).unwrap();
            records.batch().err()
        };
        assert_eq!(place(b"1,2\n3,\xff\n"), Some((1, 1)));
        assert_eq!(place(b",\xff\n"), Some((0, 1)));
        assert_eq!(place(b"\xff,\n"), Some((0, 0)));
        assert_eq!(place(b"1,2\n,\n\xc3,\xa9\n"), Some((2, 0)));
        assert_eq!(place("é,ü\n,\n".as_bytes()), None);
    }
}
