//! Numbers that follow from a seed, so that a failure can be looked at again.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// The numbers of one case of one run.
    pub fn new(seed: u64, case: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ case);
        random.next();
        random
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A number of the kind that breaks readers: a limit of some type, or one near `honest`.
    pub fn lie(&mut self, honest: i64) -> i64 {
        const LIMITS: [i64; 12] = [
            0,
            1,
            -1,
            i32::MAX as i64,
            i32::MIN as i64,
            i32::MAX as i64 + 1,
            u32::MAX as i64,
            i64::MAX,
            i64::MIN,
            1 << 20,
            1 << 40,
            1 << 62,
        ];
        match self.below(5) {
            0 => honest.wrapping_add(self.below(9) as i64 - 4),
            1 => honest.wrapping_mul(1 + self.below(1000) as i64),
            2 => -honest,
            _ => *self.pick(&LIMITS),
        }
    }
}
