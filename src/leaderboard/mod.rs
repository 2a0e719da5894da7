//! Many records side by side: what can be compared, ranks, Pareto fronts, budgets.

pub mod wire;
