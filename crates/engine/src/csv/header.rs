//! The names of a file's columns.

use std::collections::HashSet;

/// The columns' names, each once: a second `x` is `x_2`, as in the tables that are made of them.
pub(super) fn names(fields: &[Vec<u8>]) -> Vec<String> {
    let given: Vec<_> = fields
        .iter()
        .map(|field| String::from_utf8_lossy(field))
        .collect();
    let mut taken: HashSet<String> = HashSet::new();
    let first = given.iter().map(|name| taken.insert(name.to_string()));
    let first: Vec<bool> = first.collect();
    let names = given.iter().zip(first).map(|(name, first)| match first {
        true => name.to_string(),
        false => numbered(name, &mut taken),
    });
    names.collect()
}

fn numbered(name: &str, taken: &mut HashSet<String>) -> String {
    let candidates = (2_u64..).map(|number| format!("{name}_{number}"));
    let mut free = candidates.filter(|candidate| !taken.contains(candidate));
    let name = free.next().unwrap_or_default();
    drop(free);
    taken.insert(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_name_stay_apart_and_a_unique_name_stays_itself() {
        let fields: Vec<_> = ["a", "b", "a", "a_2", "a", ""].map(|f| f.into()).into();
        assert_eq!(names(&fields), ["a", "b", "a_3", "a_2", "a_4", ""]);
    }
}
