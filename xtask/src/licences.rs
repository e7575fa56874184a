//! Are the licences of everything that is built into the extension allowed by `deny.toml`?
//!
//! cargo-deny answers this and more; this check needs neither it nor a network.

use crate::cargo::{cargo, root};
use crate::run::{Doing, Failure, Result, output, run};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Checks every licence; runs cargo-deny too where it is installed.
pub fn check() -> Result<()> {
    let config =
        std::fs::read_to_string(root().join("deny.toml")).doing("cannot read deny.toml")?;
    let allowed = allow_list(&config)?;
    let tree = output(cargo("tree").args([
        "--locked",
        "--workspace",
        "--edges=normal,build",
        "--prefix=none",
        "--format={p}|{l}",
    ]))?;
    let packages: BTreeMap<&str, &str> = tree
        .lines()
        .filter_map(|line| line.trim_end_matches(" (*)").rsplit_once('|'))
        .collect();
    let mut refused = Vec::new();
    for (package, licence) in &packages {
        if !is_allowed(licence, &allowed)? {
            refused.push(format!("{package}: {licence:?}"));
        }
    }
    if !refused.is_empty() {
        return Err(Failure::new(format!(
            "not allowed by deny.toml:\n  {}",
            refused.join("\n  ")
        )));
    }
    println!(
        "licences: {} packages, all allowed by deny.toml",
        packages.len()
    );
    if output(Command::new("cargo-deny").arg("--version")).is_err() {
        println!("advisories: NOT checked, cargo-deny is not installed here");
        return Ok(());
    }
    run(cargo("deny").arg("check"))
}

/// The strings of `allow = [ … ]` in the `[licenses]` table.
fn allow_list(config: &str) -> Result<BTreeSet<&str>> {
    let list = config
        .split_once("[licenses]")
        .and_then(|(_, table)| table.split_once("\nallow = ["))
        .and_then(|(_, list)| list.split_once(']'))
        .map(|(list, _)| list)
        .ok_or_else(|| Failure::new("deny.toml has no allow list under [licenses]"))?;
    // Every second piece between quotation marks is a string; comments carry none.
    Ok(list.split('"').skip(1).step_by(2).collect())
}

/// Whether an SPDX expression can be met with the allowed licences alone.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> Result<bool> {
    // Old manifests write "MIT/Apache-2.0" for "MIT OR Apache-2.0".
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = alternatives(&mut words, allowed)
        .filter(|_| words.peek().is_none())
        .ok_or_else(|| Failure::new(format!("cannot read the licence {expression:?}")))?;
    Ok(met)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// `a OR b`: one suffices. None: not an expression.
fn alternatives(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut met = conjunction(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        met |= conjunction(words, allowed)?;
    }
    Some(met)
}

/// `a AND b`: both are needed.
fn conjunction(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut met = licence(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        met &= licence(words, allowed)?;
    }
    Some(met)
}

/// One licence, with its exception if it has one, or an expression in parentheses.
fn licence(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let word = words.next()?;
    if word == "(" {
        let met = alternatives(words, allowed)?;
        return words.next_if_eq(&")").map(|_| met);
    }
    if matches!(word, ")" | "AND" | "OR" | "WITH") {
        return None;
    }
    if words.next_if_eq(&"WITH").is_some() {
        let exception = words.next()?;
        return Some(allowed.contains(format!("{word} WITH {exception}").as_str()));
    }
    Some(allowed.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        let allowed = BTreeSet::from(["MIT", "Apache-2.0", "ISC"]);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT/GPL-3.0", true),
            ("MIT / GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("(GPL-3.0 OR MIT) AND ISC", true),
            ("MIT AND (GPL-3.0 OR LGPL-3.0)", false),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ] {
            assert_eq!(
                is_allowed(expression, &allowed).ok(),
                Some(expected),
                "{expression}"
            );
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        let allowed = BTreeSet::from(["MIT"]);
        for expression in [
            "", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT ISC", "MIT WITH",
        ] {
            assert!(is_allowed(expression, &allowed).is_err(), "{expression}");
        }
    }

    #[test]
    fn allow_list_is_read() {
        let config =
            "[bans]\nallow = [\"x\"]\n[licenses]\nallow = [\n  \"MIT\", # why\n  \"ISC\",\n]\n";
        assert_eq!(
            allow_list(config).ok(),
            Some(BTreeSet::from(["MIT", "ISC"]))
        );
    }
}
