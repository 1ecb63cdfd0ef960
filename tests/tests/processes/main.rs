//! Processes that share one value: many at once, killed, stopped, forked, interrupted, in other namespaces and of other
//! users.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod alive;
mod children;
mod churn;
mod commits;
mod costs;
mod crowds;
mod deaths;
mod membership;
mod signals;
mod tables;
mod users;
