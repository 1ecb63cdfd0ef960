//! Values that tell whether they are whole, which commit they are, and whose successor.

/// What a value says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// How many commits came before it, the creation not counted.
    pub counter: u64,
    /// Drawn at random for each commit.
    pub stamp: u64,
    /// The stamp of the value that this one replaced.
    pub previous: u64,
}

impl Link {
    /// What follows this one.
    pub fn next(self, stamp: u64) -> Link {
        Link {
            counter: self.counter + 1,
            stamp,
            previous: self.stamp,
        }
    }

    /// Fills a value, each word of which depends on the whole link.
    pub fn fill<const N: usize>(self, value: &mut [u64; N]) {
        let seed = self.seed();
        (value[0], value[1], value[2]) = (self.counter, self.stamp, self.previous);
        for (at, word) in (3..).zip(&mut value[3..]) {
            *word = mix(seed ^ at);
        }
    }

    /// The link in a value; `None`: the value is torn.
    pub fn of<const N: usize>(value: &[u64; N]) -> Option<Link> {
        let link = Link {
            counter: value[0],
            stamp: value[1],
            previous: value[2],
        };
        let seed = link.seed();
        (3..)
            .zip(&value[3..])
            .all(|(at, word)| *word == mix(seed ^ at))
            .then_some(link)
    }

    fn seed(self) -> u64 {
        mix(self.counter ^ mix(self.stamp ^ mix(self.previous)))
    }
}

/// The finalizer of splitmix64.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// splitmix64: reproducible by its seed.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number, never 0.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0).max(1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
