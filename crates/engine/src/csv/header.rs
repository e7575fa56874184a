//! The names of a file's columns.

use std::collections::{HashMap, HashSet};

/// The columns' names, each once: a second `x` is `x_2`, as in the tables that are made of them. A
/// name that is there once never loses to one that is made.
pub(super) fn names(fields: &[Vec<u8>]) -> Vec<String> {
    let given: Vec<_> = fields
        .iter()
        .map(|field| String::from_utf8_lossy(field).into_owned())
        .collect();
    let mut taken: HashSet<String> = given.iter().cloned().collect();
    // For each name the number that its next use gets.
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    let names = given.iter().map(|name| {
        let number = numbers.entry(name).or_insert(0);
        *number += 1;
        while *number > 1 {
            let numbered = format!("{name}_{number}");
            if taken.insert(numbered.clone()) {
                return numbered;
            }
            *number += 1;
        }
        name.clone()
    });
    names.collect()
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
