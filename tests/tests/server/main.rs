//! Tests of the running server, from outside: what a client, an operator or a colleague process can
//! see. Each module opens with the promise that it proves.

mod bad_input;
mod budgets;
mod configuration;
mod copy;
mod daemon;
mod data_sets;
mod durability;
mod index_builds;
mod index_only;
mod intruders;
mod protocol;
mod seeing_in;
mod sessions;
mod space;
mod tools;
mod transactions;
mod vacuum;
