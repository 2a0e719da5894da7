//! Time by operation.

use super::{Operation, Work};

/// Sums of what spans took, by operation.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    sums: [Sum; Operation::ALL.len()],
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    calls: u64,
    own_ns: u64,
    work: Work,
}

impl Totals {
    /// Adds a span that took `own_ns` besides the spans within it.
    pub(super) fn add(&mut self, operation: Operation, own_ns: u64, work: Work) {
        let sum = &mut self.sums[operation as usize];
        sum.calls += 1;
        sum.own_ns += own_ns;
        sum.work += work;
    }

    pub(super) fn profile(&self) -> Profile {
        let parts = Operation::ALL
            .into_iter()
            .filter(|operation| *operation == Operation::ForwardPass || !operation.is_stage());
        let forward_ns: u64 = parts.map(|part| self.sums[part as usize].own_ns).sum();
        let row = |operation: Operation| {
            let sum = self.sums[operation as usize];
            let in_forward = operation == Operation::ForwardPass || !operation.is_stage();
            Row {
                operation,
                calls: sum.calls,
                seconds: sum.own_ns as f64 / 1e9,
                forward_share: (in_forward && forward_ns > 0)
                    .then(|| sum.own_ns as f64 / forward_ns as f64),
                flops: sum.work.flops,
                bytes: sum.work.bytes,
            }
        };
        Profile {
            rows: Operation::ALL.map(row).to_vec(),
            forward_s: forward_ns as f64 / 1e9,
        }
    }
}

/// Where time went. The rows of the forward pass add up to its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// One row an operation, in the order of [`Operation::ALL`], those that never ran too.
    ///
    /// The row of [`Operation::ForwardPass`] holds what lies between the operations.
    /// Operations outside a forward pass (at loading) are in no row.
    pub rows: Vec<Row>,
    /// Seconds of all forward passes, without spans of other stages that ran
    /// on the same thread meanwhile. Passes on several threads at once count each.
    pub forward_s: f64,
}

/// One operation's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The operation.
    pub operation: Operation,
    /// How often it ran.
    pub calls: u64,
    /// Its own seconds, without those of spans within it.
    pub seconds: f64,
    /// Its part of [`Profile::forward_s`], from 0 to 1; absent for other stages and where nothing ran.
    pub forward_share: Option<f64>,
    /// Model FLOPs of all calls.
    pub flops: u64,
    /// Bytes of operands and results of all calls: see [`Work::bytes`].
    pub bytes: u64,
}

impl Profile {
    /// The row of an operation.
    pub fn row(&self, operation: Operation) -> &Row {
        // `Operation::ALL` has the operations in the order of their numbers.
        &self.rows[operation as usize]
    }

    /// What no operation covers of the forward passes: the row of [`Operation::ForwardPass`].
    pub fn other(&self) -> &Row {
        self.row(Operation::ForwardPass)
    }

    /// Model FLOPs of the forward passes.
    pub fn flops(&self) -> u64 {
        self.rows.iter().map(|row| row.flops).sum()
    }
}

impl Row {
    /// What the table calls it: the operation's name, and `other` between the operations.
    pub fn name(&self) -> &'static str {
        match self.operation {
            Operation::ForwardPass => "other",
            operation => operation.name(),
        }
    }

    /// Model FLOPs a second; absent where none are counted.
    pub fn flops_per_s(&self) -> Option<f64> {
        (self.flops > 0 && self.seconds > 0.0).then(|| self.flops as f64 / self.seconds)
    }

    /// Bytes a second; absent where none are counted.
    pub fn bytes_per_s(&self) -> Option<f64> {
        (self.bytes > 0 && self.seconds > 0.0).then(|| self.bytes as f64 / self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_numbered_in_order() {
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index);
        }
    }

    #[test]
    fn nothing_recorded_has_no_shares_and_no_rates() {
        let profile = Totals::default().profile();
        assert_eq!(profile.forward_s, 0.0);
        assert_eq!(profile.rows.len(), Operation::ALL.len());
        for row in &profile.rows {
            assert_eq!((row.calls, row.seconds, row.forward_share), (0, 0.0, None));
            assert_eq!((row.flops_per_s(), row.bytes_per_s()), (None, None));
        }
    }

    #[test]
    fn shares_are_of_the_forward_pass_alone() {
        let mut totals = Totals::default();
        let work = |flops, bytes| Work { flops, bytes };
        totals.add(Operation::Linear, 600_000_000, work(3_000_000_000, 1_200));
        totals.add(Operation::Linear, 150_000_000, work(750_000_000, 300));
        totals.add(Operation::ForwardPass, 250_000_000, Work::NONE);
        totals.add(Operation::Tokenize, 9_000_000_000, Work::NONE);
        let profile = totals.profile();
        assert_eq!(profile.forward_s, 1.0);
        let linear = profile.row(Operation::Linear);
        assert_eq!((linear.calls, linear.forward_share), (2, Some(0.75)));
        assert_eq!(linear.flops_per_s(), Some(5e9));
        assert_eq!(linear.bytes_per_s(), Some(2_000.0));
        assert_eq!(profile.other().forward_share, Some(0.25));
        assert_eq!(profile.other().name(), "other");
        let tokenize = profile.row(Operation::Tokenize);
        assert_eq!((tokenize.seconds, tokenize.forward_share), (9.0, None));
        assert_eq!(profile.flops(), 3_750_000_000);
    }
}
