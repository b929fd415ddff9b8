//! Parses the command line, builds the runtime, dispatches, exits.

fn main() {}
