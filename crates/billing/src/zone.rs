//! Availability zones.

/// The region of an AWS availability zone: `us-west-2a` is in `us-west-2`. What ends otherwise than
/// in a digit and a letter stays: a region's own name, and a local or wavelength zone such as
/// `us-west-2-lax-1` (its `a` goes, too: the zone is not the region, but keeps its costs apart). Nothing has no region.
pub fn region_of_zone(zone: &str) -> Option<&str> {
    match zone.as_bytes() {
        [] => None,
        [.., b'0'..=b'9', b'a'..=b'z'] => Some(&zone[..zone.len() - 1]),
        _ => Some(zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_letter_after_a_digit_goes() {
        for (zone, region) in [
            ("us-west-2a", "us-west-2"),
            ("us-west-2", "us-west-2"),
            ("us-west-2-lax-1a", "us-west-2-lax-1"),
            ("eu-west-2ab", "eu-west-2ab"),
            ("a", "a"),
            ("größe-1é", "größe-1é"),
        ] {
            assert_eq!(region_of_zone(zone), Some(region));
        }
        assert_eq!(region_of_zone(""), None);
    }
}
