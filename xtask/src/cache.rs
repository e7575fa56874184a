//! The directory outside the clone where fetched and built servers and tools are kept.

use crate::machine;
use crate::run::{Doing, Failure, Result, output};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cache directory, made if missing. A server that runs as user postgres can read it.
pub fn dir() -> Result<PathBuf> {
    let dir = match std::env::var_os("CUR_FDW_CACHE") {
        Some(dir) => PathBuf::from(dir),
        None if machine::is_root() => PathBuf::from("/var/cache/cur_fdw"),
        None => std::env::home_dir()
            .map(|home| home.join(".cache/cur_fdw"))
            .ok_or_else(|| Failure::new("no home directory: set CUR_FDW_CACHE"))?,
    };
    fs::create_dir_all(&dir).doing(format!("cannot make {}", dir.display()))?;
    remove_abandoned(&dir)?;
    Ok(dir)
}

/// The name of an entry that follows from these pins: where one changes, another entry is made, also
/// on a machine whose cache has the old one.
pub fn pinned(name: &str, pins: &[&str]) -> String {
    // FNV-1a, for the standard library's hashes may change with its version.
    let bytes = pins.iter().flat_map(|pin| pin.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{name}-{:08x}", hash >> 32)
}

/// Fills `name` in the cache with what `make` puts into a scratch directory beside it.
///
/// `make` returns the directory that is renamed into place, so an interruption leaves nothing that
/// could be taken for the finished thing.
pub fn fill(name: &str, make: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<PathBuf> {
    let cache = dir()?;
    let finished = cache.join(name);
    if finished.exists() {
        return Ok(finished);
    }
    let scratch = cache.join(format!(".part-{}-{name}", std::process::id()));
    fs::create_dir_all(&scratch).doing(format!("cannot make {}", scratch.display()))?;
    let made = make(&scratch)?;
    // A strict umask would hide the files from user postgres.
    output(Command::new("chmod").args(["-R", "a+rX"]).arg(&made))?;
    // A second run may have finished the same thing meanwhile: either copy will do.
    if let Err(error) = fs::rename(&made, &finished)
        && !finished.exists()
    {
        return Err(error).doing(format!("cannot move {} into place", finished.display()));
    }
    fs::remove_dir_all(&scratch).doing(format!("cannot remove {}", scratch.display()))?;
    Ok(finished)
}

/// Removes the scratch directories of runs that were interrupted.
fn remove_abandoned(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache).doing(format!("cannot read {}", cache.display()))? {
        let entry = entry.doing("cannot read the cache")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(".part-")
            .and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            fs::remove_dir_all(entry.path()).doing(format!("cannot remove {name}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_counts_and_so_does_where_it_ends() {
        let names = [
            pinned("a", &["x==1", "y==2"]),
            pinned("a", &["x==1", "y==3"]),
            pinned("a", &["x==1"]),
            pinned("a", &["x==1y==2"]),
        ];
        let distinct: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        // As machines have it.
        assert_eq!(pinned("a", &[]), "a-cbf29ce4");
    }
}
