//! The bill that is queried: made once, kept for the next run.

use pg_test::Result;
use pg_test::bills::{Report, Width};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// About four files a month, as AWS cuts large bills. Each is one row group.
const FILES_A_MONTH: usize = 4;

/// A delivered bill in a directory.
pub struct Bill {
    /// The directory that stands for the bucket.
    pub root: PathBuf,
    /// Every file below it, sorted.
    files: Vec<PathBuf>,
}

impl Bill {
    /// The prefix under which the report is delivered.
    pub fn prefix() -> String {
        let report = Report::press();
        format!("{}/{}", report.prefix, report.name)
    }

    /// The bill of that size, in `CUR_FDW_BENCH_DATA` or else in the system's temporary directory.
    pub fn prepare(rows: usize, months: u32) -> Result<Self> {
        let kept = std::env::var_os("CUR_FDW_BENCH_DATA")
            .map_or_else(|| std::env::temp_dir().join("cur_fdw-bench"), PathBuf::from);
        let root = kept.join(format!("{months}x{rows}"));
        if !root.exists() {
            println!("making {months} x {rows} rows in {}", root.display());
            make(rows, months, &root)?;
        }
        let mut files = files_under(&root)?;
        files.sort();
        Ok(Bill { root, files })
    }

    /// The data files as paths relative to the root.
    pub fn data_files(&self) -> Result<Vec<String>> {
        let data = self
            .files
            .iter()
            .filter(|file| file.extension().is_some_and(|e| e == "parquet"));
        data.map(|file| self.key(file)).collect()
    }

    /// Every file as an object: its key and its bytes.
    pub fn objects(&self) -> impl Iterator<Item = Result<(String, Vec<u8>)>> {
        self.files
            .iter()
            .map(|file| Ok((self.key(file)?, std::fs::read(file)?)))
    }

    /// What the data files hold, in bytes.
    pub fn bytes(&self) -> Result<u64> {
        let mut sum = 0;
        for file in self.data_files()? {
            sum += self.root.join(file).metadata()?.len();
        }
        Ok(sum)
    }

    fn key(&self, file: &Path) -> Result<String> {
        Ok(file
            .strip_prefix(&self.root)?
            .to_string_lossy()
            .into_owned())
    }
}

/// Makes the months on all processors, beside the final place, so that what is there is complete.
fn make(rows: usize, months: u32, root: &Path) -> Result<()> {
    let report = Report {
        months,
        rows_per_month: rows,
        rows_per_file: rows.div_ceil(FILES_A_MONTH),
        columns: Width::Wide,
        ..Report::press()
    };
    let unfinished = root.with_extension(format!("part-{}", std::process::id()));
    let next = AtomicU32::new(0);
    let work = || -> Result<()> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= months {
                return Ok(());
            }
            let (year, month) = month_after(report.first, n);
            pg_test::bills::write_month(&report, year, month, 0, &unfinished)?;
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "making the bill panicked")?)
    })?;
    std::fs::rename(&unfinished, root)?;
    Ok(())
}

fn month_after((year, month): (i32, u32), n: u32) -> (i32, u32) {
    let months = month - 1 + n;
    (year + (months / 12) as i32, months % 12 + 1)
}

fn files_under(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(files_under(&path)?),
            false => files.push(path),
        }
    }
    Ok(files)
}
