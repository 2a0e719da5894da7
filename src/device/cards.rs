//! Which of a machine's NVIDIA cards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Cards by the driver's numbers, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cards {
    /// A bit a card.
    bits: u64,
}

impl Cards {
    /// One card.
    ///
    /// # Errors
    ///
    /// Fails where its number is 64 or more.
    pub fn one(number: usize) -> Result<Self, String> {
        match u32::try_from(number) {
            Ok(number @ 0..64) => Ok(Self { bits: 1 << number }),
            _ => Err(format!("card {number}: the highest number is 63")),
        }
    }

    /// The first card.
    pub const FIRST: Self = Self { bits: 1 };

    /// Their numbers, in order.
    pub fn numbers(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |number| self.bits >> number & 1 == 1)
    }
}

impl fmt::Display for Cards {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.numbers().map(|number| number.to_string()).collect();
        formatter.write_str(&numbers.join(","))
    }
}

impl FromStr for Cards {
    type Err = String;

    /// Reads `0,2`, each card once.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut bits = 0;
        for part in text.split(',') {
            let number = part.parse().ok();
            let number = number.ok_or_else(|| format!("\"{part}\" is no card's number"))?;
            let one = Self::one(number)?;
            if bits & one.bits != 0 {
                return Err(format!("card {number} is named twice"));
            }
            bits |= one.bits;
        }
        Ok(Self { bits })
    }
}
