//! Floats as Postgres compares them (utils/adt/float.c): all NaN are equal and greater than any
//! other number, and -0 equals 0. Arrow compares bits (IEEE 754 totalOrder).

/// The one float that stands for all its equals.
pub(crate) fn canonical(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN.abs()
    } else {
        // -0 + 0 is 0; nothing else changes.
        value + 0.0
    }
}

/// A number that sorts as the float does. Zeros stay apart, so that the key can be turned back.
pub(crate) fn order_key(value: f64) -> i64 {
    let value = if value.is_nan() {
        f64::NAN.abs()
    } else {
        value
    };
    let bits = value.to_bits() as i64;
    // Negative floats have all bits but the sign turned, or the larger magnitude would sort later.
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The float with this key.
pub(crate) fn from_order_key(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_nan_is_one_and_zeros_are_equal() {
        let negative_nan = f64::from_bits(0xfff8_0000_0000_0001);
        assert_eq!(
            canonical(negative_nan).to_bits(),
            canonical(f64::NAN).to_bits()
        );
        assert_eq!(canonical(-0.0).to_bits(), 0.0f64.to_bits());
        assert_eq!(order_key(negative_nan), order_key(f64::NAN));
    }

    proptest! {
        #[test]
        fn keys_sort_as_floats_with_nan_last(a: f64, b: f64) {
            let expected = match (a.is_nan(), b.is_nan()) {
                (true, true) => std::cmp::Ordering::Equal,
                (true, false) => std::cmp::Ordering::Greater,
                (false, true) => std::cmp::Ordering::Less,
                (false, false) => a.total_cmp(&b),
            };
            prop_assert_eq!(order_key(a).cmp(&order_key(b)), expected);
        }

        #[test]
        fn a_key_turns_back_into_its_float(a: f64) {
            prop_assume!(!a.is_nan());
            prop_assert_eq!(from_order_key(order_key(a)).to_bits(), a.to_bits());
        }
    }
}
