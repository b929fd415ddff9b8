//! The vocabulary of the house. Imports nothing of ours, decides nothing.

pub mod clock;
pub mod gotime;
pub mod json;
pub mod json_path;
pub mod limits;
pub mod names;
pub mod object;
pub mod percent;
pub mod reading;
pub mod secret;
pub mod seed;
